"""Tests that a plain comparison of losses leaves out: nested models, and the set of the best.

They stand beside Diebold-Mariano and have no part in the verdict. A model that contains the naive
forecast, and learns coefficients which are truly zero, loses more than it by what it learned from
noise: Clark-West asks whether it would win without that. The model confidence set asks which of
all models cannot be told from the best.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from truecast.evaluation.arrays import Floats, by_session, paired
from truecast.evaluation.bootstrap import drawn_means
from truecast.evaluation.significance import LEAST_ROWS, bartlett_lag, long_run_variance

#: Families of which the naive forecast is a special case, by target: coefficients of zero.
NESTING: Mapping[str, frozenset[str]] = {
    "price": frozenset({"drift", "ridge", "arima"}),
    "return": frozenset({"drift", "ridge", "arima"}),
    "direction": frozenset({"logistic"}),
}
#: Confidence of the set: in the long run it holds the best model so often.
CONFIDENCE = 0.9


class ClarkWest(BaseModel):
    """The Clark-West test of a model beside the naive forecast that it contains.

    ``statistic`` is positive if the model's squared errors, less what it pays for estimating
    coefficients, are the smaller ones; ``p_value`` is one-sided, from the normal distribution, and
    before any trials are counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    baseline: str
    statistic: float
    p_value: float


def clark_west(
    outcomes: ArrayLike,
    forecasts: ArrayLike,
    naive: ArrayLike,
    *,
    baseline: str = "naive",
    horizon: int = 1,
    sessions: NDArray[np.datetime64] | None = None,
) -> ClarkWest:
    r"""Test whether a model adds anything to the naive forecast that is a special case of it.

    Parameters
    ----------
    outcomes, forecasts, naive : array of float, shape (n,)
        Returns in percent, or 0 and 1 with probabilities; on identical dates, oldest first.
    baseline : str
        Name of the naive forecast.
    horizon : int
        Bars from a forecast to its outcome.
    sessions : array of datetime64[D], shape (n,), or None
        Of a pool, whose rows of one session go together: they are averaged first, as losses are
        before they are compared.

    Returns
    -------
    ClarkWest
        Statistic 0 and p 0.5 where the two never differ, or there are fewer than two rows.

    Raises
    ------
    EvaluationError
        If the arrays do not pair up or hold a value that is not finite.

    Notes
    -----
    :math:`f_t = (y - \hat y_0)^2 - [(y - \hat y_1)^2 - (\hat y_0 - \hat y_1)^2]`; the statistic is
    its mean over its standard error, with Newey-West's Bartlett weights as in Diebold-Mariano.

    References
    ----------
    Clark, T. E. and West, K. D. (2007), "Approximately normal tests for equal predictive accuracy
    in nested models", Journal of Econometrics 138.
    """
    y, said = paired(outcomes, forecasts)
    _, base = paired(outcomes, naive)
    adjusted = (y - base) ** 2 - ((y - said) ** 2 - (base - said) ** 2)
    if sessions is not None:
        adjusted = by_session(sessions, adjusted)[1]
    n = len(adjusted)
    if n < 2 or np.ptp(adjusted) <= 1e-12 * np.abs(adjusted).max():
        return ClarkWest(baseline=baseline, statistic=0.0, p_value=0.5)
    from scipy.special import ndtr

    error = np.sqrt(long_run_variance(adjusted, bartlett_lag(n, horizon)) / n)
    statistic = float(adjusted.mean() / error)
    return ClarkWest(baseline=baseline, statistic=statistic, p_value=float(ndtr(-statistic)))


def model_confidence_set(
    losses: Mapping[str, Floats], *, horizon: int = 1, seed: int = 0
) -> dict[str, float]:
    """Return for each model the p-value by which it is among those that may be the best.

    Parameters
    ----------
    losses : mapping of str to array of float, shape (n,)
        Losses of at least two models on identical dates, oldest first.
    horizon : int
        Bars from a forecast to its outcome; longer horizons draw longer blocks.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of str to float
        By model, in [0, 1]: it is in the set of confidence 90% if this is above 0.1. Models whose
        losses are the same on every row share one. Empty with fewer than two different models or
        fewer than 30 rows.

    Notes
    -----
    The statistic is the largest difference of two mean losses over its standard error; the model
    that loses most by it is left out, until one is left. Differences are drawn by whole blocks of
    rows, the same for all models. A model's p-value is the largest at any step up to its own.

    References
    ----------
    Hansen, P. R., Lunde, A. and Nason, J. M. (2011), "The model confidence set", Econometrica 79.
    """
    distinct: dict[bytes, str] = {}
    stands_for = {name: distinct.setdefault(rows.tobytes(), name) for name, rows in losses.items()}
    names = list(distinct.values())
    n = len(next(iter(losses.values()), ()))
    if len(names) < 2 or n < LEAST_ROWS:
        return {}
    means = np.array([losses[name].mean() for name in names])
    drawn = np.stack([drawn_means(losses[name], horizon=horizon, seed=seed) for name in names])
    differences = means[:, None] - means
    by_chance = drawn[:, None] - drawn - differences[:, :, None]
    error = np.sqrt(np.mean(by_chance**2, axis=2)) + np.eye(len(names))
    p_values = _eliminate(differences / error, by_chance / error[:, :, None])
    by_name = dict(zip(names, p_values, strict=True))
    return {name: by_name[twin] for name, twin in stands_for.items()}


def _eliminate(differences: Floats, by_chance: Floats) -> list[float]:
    """Leave out the worst model until one is left; return the p-value of each.

    Parameters
    ----------
    differences : array of float, shape (k, k)
        Of the row's model to the column's, in standard errors.
    by_chance : array of float, shape (k, k, draws)
        The same where all models are equally good.
    """
    inside = list(range(len(differences)))
    found = [1.0] * len(inside)
    highest = 0.0
    while len(inside) > 1:
        among = np.ix_(inside, inside)
        worst = int(differences[among].max(axis=1).argmax())
        largest = by_chance[among].max(axis=(0, 1))
        highest = max(highest, float(np.mean(largest > differences[among].max())))
        found[inside.pop(worst)] = highest
    return found
