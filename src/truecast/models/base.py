"""What every model offers, and the checks that they share."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from truecast.core.errors import TruecastError, UsageError
from truecast.core.labels import REGIMES

#: Features as models see them, shape (n, window, k): for each row the last ``window`` rows of
#: features, oldest first. float32 as the feature room writes them; NaN is a missing value.
Windows = NDArray[np.floating[Any]]
Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

#: Fewer training rows than this many, and one more for each feature, are refused.
LEAST_ROWS = 30


class ModelError(TruecastError):
    """A model cannot be fitted to, or cannot forecast from, what it was given."""


class Model(Protocol):
    """A model of one target at one horizon.

    The constructor only stores its keyword arguments, under their own names; ``fit`` checks
    them. Fitted state ends in an underscore. What ``y`` and a prediction mean depends on the
    target:

    ========== ==================================== ================================
    target     y                                    prediction
    ========== ==================================== ================================
    return     log return over the horizon, percent the same
    price      log return over the horizon, percent the same; price = close·exp(r/100)
    direction  1 if the price rose, else 0          probability of a rise, 0 to 1
    volatility variance a day over the horizon,     the same, above 0
               close to close, percent²
    regime     0 bear, 1 neutral, 2 bull            code of the likeliest
    ========== ==================================== ================================

    A prediction uses nothing but its own row of ``X``, so it is knowable when the newest
    feature of that row is.
    """

    name: ClassVar[str]
    targets: ClassVar[frozenset[str]]

    @property
    def window(self) -> int:
        """Rows of features that one prediction needs, from 1."""

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """Return the features whose columns make up ``X``, in order.

        Parameters
        ----------
        inputs : tuple of str
            The features that the recipe names. A model may take them, or features of its own.
        """

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Fit to training rows, oldest first.

        Parameters
        ----------
        X : array of float, shape (n, window, k)
            Windows of features; NaN where a value is missing.
        y : array of float64, shape (n,)
            What came of each row; no NaN.
        target : {"direction", "price", "regime", "return", "volatility"}
            What is forecast.
        horizon : int
            How many bars ahead, from 1; of a pool how many rows, which are so many times as many
            as it has instruments.

        Raises
        ------
        ModelError
            If the rows cannot be fitted.
        UsageError
            If the model does not forecast this target, or a parameter is out of range.
        """

    def predict(self, X: Windows) -> Vector:
        """Forecast each row by itself.

        Parameters
        ----------
        X : array of float, shape (n, window, k)
            Windows of the features that the model was fitted on.

        Returns
        -------
        array of float64, shape (n,)
            NaN where a row lacks what the model cannot do without.

        Raises
        ------
        ModelError
            If the model has not been fitted, or the shape is not the one it was fitted on.
        """

    def payload(self) -> dict[str, bytes]:
        """Return the fitted state as files: name to content, JSON, ONNX or a library's own text."""

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild a fitted model from its parameters and files.

        Raises
        ------
        ModelError
            If the files do not hold this model's state.
        """


@runtime_checkable
class Probabilities(Protocol):
    """What a model of regimes offers besides: how likely each of them is."""

    def probabilities(self, X: Windows) -> Matrix:
        """Return the probability of each regime, whose likeliest is the prediction.

        Parameters
        ----------
        X : array of float, shape (n, window, k)
            As for ``predict``.

        Returns
        -------
        array of float64, shape (n, 3)
            Of bear, neutral and bull; a row sums to 1, or is NaN where the prediction is.
        """


def takes_inputs(model: Model) -> bool:
    """Say whether a model takes the features that a recipe names, beside any of its own."""
    return model.features(("?",)) != model.features(())


def check_target(model: Model, target: str) -> None:
    """Refuse a target that a model does not forecast.

    Raises
    ------
    UsageError
        With the targets that it does forecast.
    """
    if target not in model.targets:
        raise UsageError(
            f"model {model.name!r} does not forecast {target}: it forecasts "
            f"{', '.join(sorted(model.targets))}"
        )


def check_fit(model: Model, X: Windows, y: Vector, *, target: str, horizon: int) -> None:
    """Refuse training rows that no model can use.

    Raises
    ------
    UsageError
        If the model does not forecast this target.
    ModelError
        If a shape is wrong, ``y`` has a value that its target cannot take, there are fewer than
        ``LEAST_ROWS + k`` rows, or the horizon is below 1.
    """
    check_target(model, target)
    if horizon < 1:
        raise ModelError(f"{model.name}: the horizon is at least 1 bar, got {horizon}")
    _check_shape(model, X, columns=None if takes_inputs(model) else len(model.features(())))
    if y.shape != (len(X),):
        raise ModelError(f"{model.name}: expected one y for each of {len(X)} rows, got {y.shape}")
    check_rows(model, len(X), X.shape[2])
    _check_outcomes(model, y, target)


def check_rows(model: Model, rows: int, columns: int) -> None:
    """Refuse too few training rows.

    Raises
    ------
    ModelError
        If there are fewer than ``LEAST_ROWS + columns``.
    """
    least = LEAST_ROWS + columns
    if rows < least:
        raise ModelError(
            f"{model.name}: {rows} usable training rows are too few for {columns} features: "
            f"expected at least {least}; use a longer history or fewer features"
        )


def _check_outcomes(model: Model, y: Vector, target: str) -> None:
    wrong = ~np.isfinite(y)
    rule = "a finite number"
    if target == "direction":
        wrong |= (y != 0) & (y != 1)
        rule = "0 or 1"
    elif target == "regime":
        wrong |= ~np.isin(y, range(len(REGIMES)))
        rule = "0, 1 or 2"
    elif target == "volatility":
        wrong |= y < 0
        rule = "a variance, 0 or above"
    if wrong.any():
        place = int(np.argmax(wrong))
        raise ModelError(
            f"{model.name}: y is {y[place]} in training row {place}: expected {rule}; "
            f"{int(wrong.sum())} rows are like it; drop rows without an outcome"
        )


def _check_shape(model: Model, X: Windows, columns: int | None) -> None:
    expected = f"(rows, {model.window}, {'features' if columns is None else columns})"
    fits = X.ndim == 3 and X.shape[1] == model.window and X.shape[2] > 0
    if not fits or (columns is not None and X.shape[2] != columns):
        raise ModelError(f"{model.name}: expected X of shape {expected}, got {X.shape}")


def check_predict(model: Model, X: Windows, *, columns: int | None) -> None:
    """Refuse to forecast with an unfitted model, or from rows of another shape.

    Parameters
    ----------
    model : Model
        The model that is asked.
    X : array of float, shape (n, window, k)
        What it is asked with.
    columns : int or None
        Number of features that it was fitted on; None if it was not.

    Raises
    ------
    ModelError
        If there is no fitted state or the shape is another.
    """
    if columns is None:
        raise ModelError(f"{model.name}: not fitted yet; call fit first")
    _check_shape(model, X, columns)


def both_classes(model: Model, y: Vector) -> None:
    """Refuse training rows that all went the same way.

    Raises
    ------
    ModelError
        If ``y`` holds only zeros or only ones.
    """
    if y.min() == y.max():
        raise ModelError(
            f"{model.name}: all {len(y)} training rows have y = {y[0]:g}: a direction can only be "
            "learned from rises and falls; use a longer history"
        )


def newest_returns(X: Windows) -> tuple[Vector, int]:
    """Return the newest return of each row as a series, and how many rows lack it.

    Parameters
    ----------
    X : array of float, shape (n, window, 1)
        Windows of one-bar returns, rows that follow one another.

    Returns
    -------
    array of float64, shape (m,), and int
        The m returns that are there, oldest first, and ``n - m``.
    """
    series = X[:, -1, 0].astype(np.float64)
    returns = series[np.isfinite(series)]
    return returns, len(series) - len(returns)


def last_rows(X: Windows) -> NDArray[np.float64]:
    """Return the newest row of each window, shape (n, k), as float64."""
    return np.ascontiguousarray(X[:, -1, :], dtype=np.float64)
