"""What every loss asks of its arrays before it is computed."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from truecast.evaluation.errors import EvaluationError

Floats = NDArray[np.float64]


def paired(outcomes: ArrayLike, forecasts: ArrayLike) -> tuple[Floats, Floats]:
    """Return outcomes and forecasts as float64, refusing what would silently spoil a mean.

    Parameters
    ----------
    outcomes, forecasts : array of float, shape (n,), n >= 1
        One value a row, on identical dates.

    Raises
    ------
    EvaluationError
        If the shapes differ, there is no row, or a value is not finite.
    """
    first, second = finite(outcomes, "outcomes"), finite(forecasts, "forecasts")
    if first.shape != second.shape:
        raise EvaluationError(
            f"expected one forecast for each outcome, got {len(first)} outcomes and "
            f"{len(second)} forecasts: judge every model on identical dates"
        )
    return first, second


def finite(values: ArrayLike, what: str) -> Floats:
    """Return values as a float64 vector.

    Parameters
    ----------
    values : array of float, shape (n,), n >= 1
        Any real numbers.
    what : str
        What they are, for the message.

    Raises
    ------
    EvaluationError
        If they are no vector, there is none, or one is not finite; the message gives the row.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or not len(vector):
        raise EvaluationError(
            f"expected {what} of shape (n,) with n >= 1, got shape {vector.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(vector))
    if len(bad):
        raise EvaluationError(
            f"{what}: {len(bad)} of {len(vector)} are not finite, the first is "
            f"{vector[bad[0]]} in row {bad[0]}: leave out such rows for all models, or mend them"
        )
    return vector


def by_session(
    session: NDArray[np.datetime64], losses: Floats
) -> tuple[NDArray[np.datetime64], Floats]:
    """Average over the instruments of a pool, whose losses of one session are not independent.

    Parameters
    ----------
    session : array of datetime64[D], shape (n,)
        Of each row.
    losses : array of float64, shape (n,)
        Of each row.

    Returns
    -------
    array of datetime64[D], array of float64, shapes (m,)
        The sessions in order, and the mean loss of each.

    Examples
    --------
    >>> days = np.array(["2024-01-02", "2024-01-02", "2024-01-03"], dtype="datetime64[D]")
    >>> by_session(days, np.array([1.0, 3.0, 5.0]))[1]
    array([2., 5.])
    """
    days, place = np.unique(session, return_inverse=True)
    return days, np.bincount(place, losses) / np.bincount(place)
