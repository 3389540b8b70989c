"""Linear models on standardised features: ridge for returns, logistic for direction.

scikit-learn fits them; they forecast by their own numbers, so that serving needs no scikit-learn.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from truecast.models.base import (
    ModelError,
    Vector,
    Windows,
    both_classes,
    check_fit,
    check_predict,
    last_rows,
)
from truecast.models.parameters import Positive, parameters_of
from truecast.models.space import Range, Space
from truecast.models.state import STATE_FILE, dump_state, load_state, number, vector

Matrix = NDArray[np.float64]

#: A column with a larger share of missing training rows is not used.
MOST_MISSING = 0.5


@dataclass(frozen=True)
class Line:
    """A fitted linear function of standardised features.

    Parameters
    ----------
    intercept : float
        Value where every feature is at its training mean.
    weights : array of float64, shape (k,)
        Change of the value with one training standard deviation of each feature; 0 for an
        unused one.
    mean, sd : array of float64, shape (k,)
        Of each feature over the training rows where it is present (``sd`` with divisor n);
        0 and 1 for an unused one.
    unused : tuple of int
        Places of the features that were constant, or missing in more than half of the rows.
    """

    intercept: float
    weights: Vector
    mean: Vector
    sd: Vector
    unused: tuple[int, ...]

    def __call__(self, rows: Matrix) -> Vector:
        """Return ``intercept + Σ weight · (x - mean) / sd``, a missing x counting as its mean.

        Parameters
        ----------
        rows : array of float64, shape (n, k)
            Features.

        Returns
        -------
        array of float64, shape (n,)
            The same for a row alone as for the row among others.
        """
        # A sum along each row and not a matrix product, whose rounding depends on the other rows.
        terms = standardised(rows, self.mean, self.sd) * self.weights
        return np.asarray(self.intercept + terms.sum(axis=1))

    def dump(self) -> bytes:
        """Write it as JSON."""
        return dump_state(
            intercept=self.intercept,
            weights=self.weights,
            mean=self.mean,
            sd=self.sd,
            unused=list(self.unused),
        )

    @classmethod
    def load(cls, model: str, files: Mapping[str, bytes]) -> Self:
        """Read it back.

        Raises
        ------
        ModelError
            If the files hold something else.
        """
        state = load_state(model, files, "intercept", "weights", "mean", "sd", "unused")
        weights = vector(model, state, "weights")
        return cls(
            number(model, state, "intercept"),
            weights,
            vector(model, state, "mean", len(weights)),
            vector(model, state, "sd", len(weights)),
            tuple(int(place) for place in vector(model, state, "unused")),
        )


def standardised(rows: Matrix, mean: Vector, sd: Vector) -> Matrix:
    """Return ``(rows - mean) / sd``, with 0 where a value is missing or not finite."""
    scaled = (rows - mean) / sd
    scaled[~np.isfinite(scaled)] = 0.0
    return scaled


def scaling(rows: Matrix) -> tuple[Vector, Vector, NDArray[np.bool_]]:
    """Measure each training column where it is present.

    Parameters
    ----------
    rows : array of float64, shape (n, k)
        Training rows.

    Returns
    -------
    mean, sd : array of float64, shape (k,)
        0 and 1 for an unused column.
    used : array of bool, shape (k,)
        False for a column that is constant, or missing in more than half of the rows.
    """
    present = np.isfinite(rows)
    count = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, rows, 0.0).sum(axis=0) / count
    sd = np.sqrt(np.where(present, (rows - mean) ** 2, 0.0).sum(axis=0) / count)
    lowest = np.where(present, rows, np.inf).min(axis=0)
    highest = np.where(present, rows, -np.inf).max(axis=0)
    used = (lowest < highest) & (sd > 0) & (present.mean(axis=0) >= 1 - MOST_MISSING)
    return np.where(used, mean, 0.0), np.where(used, sd, 1.0), used


class Ridge:
    """Ridge regression of the return on standardised features.

    Parameters
    ----------
    alpha : float
        Penalty on the squared weights, above 0. With n training rows a principal component of
        the standardised features with variance v keeps the share ``n·v / (n·v + alpha)`` of its
        least-squares weight. Daily returns are so nearly unpredictable that the default keeps
        little: on 1,000 rows a thirtieth where v = 1, a quarter where v = 10.

    Attributes
    ----------
    line_ : Line or None
        Intercept, weights and scaling; lists the unused columns.

    Notes
    -----
    ``min Σ (y - b - z'w)² + alpha · w'w`` with z the features standardised on the training rows.

    References
    ----------
    Hoerl and Kennard (1970), Ridge Regression: Biased Estimation for Nonorthogonal Problems.
    """

    name: ClassVar[str] = "ridge"
    targets: ClassVar[frozenset[str]] = frozenset({"price", "return"})
    SPACE: ClassVar[Space] = {"alpha": Range(1e2, 1e6, log=True)}
    window = 1
    line_: Line | None = None

    def __init__(self, *, alpha: Positive = 30_000.0) -> None:
        self.alpha = alpha

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """Return all that the recipe names."""
        return inputs

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Fit scaling and weights; see :class:`truecast.models.base.Model`."""
        from sklearn.linear_model import Ridge as Solver

        parameters_of(self)
        check_fit(self, X, y, target=target, horizon=horizon)
        rows = last_rows(X)
        mean, sd, used = scaling(rows)
        solver = Solver(alpha=self.alpha, solver="cholesky")
        self.line_ = _fitted(solver, rows, y, (mean, sd, used), float(y.mean()))
        return self

    def predict(self, X: Windows) -> Vector:
        """Forecast the return; see :class:`truecast.models.base.Model`."""
        return _line_of(self, self.line_, X)(last_rows(X))

    def payload(self) -> dict[str, bytes]:
        """Return the line as JSON."""
        return _payload(self, self.line_)

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        model.line_ = Line.load(cls.name, files)
        return model


class Logistic:
    """Logistic regression of direction on standardised features.

    Parameters
    ----------
    C : float
        Weight of the likelihood against the penalty, above 0: the smaller, the closer the
        forecast stays to the share of rises in training.

    Attributes
    ----------
    line_ : Line or None
        Intercept, weights and scaling of the log-odds; lists the unused columns.

    Notes
    -----
    ``min ½ w'w + C · Σ log(1 + exp(-s·(b + z'w)))`` with s = 2y - 1 and z the features
    standardised on the training rows. The forecast is ``1 / (1 + exp(-(b + z'w)))``.
    """

    name: ClassVar[str] = "logistic"
    targets: ClassVar[frozenset[str]] = frozenset({"direction"})
    SPACE: ClassVar[Space] = {"C": Range(1e-5, 1.0, log=True)}
    window = 1
    line_: Line | None = None

    def __init__(self, *, C: Positive = 0.001) -> None:
        self.C = C

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """Return all that the recipe names."""
        return inputs

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Fit scaling and weights; see :class:`truecast.models.base.Model`."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        parameters_of(self)
        check_fit(self, X, y, target=target, horizon=horizon)
        both_classes(self, y)
        rows = last_rows(X)
        mean, sd, used = scaling(rows)
        odds = float(np.log(y.mean() / (1 - y.mean())))
        solver = LogisticRegression(C=self.C, tol=1e-8, max_iter=1000)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                self.line_ = _fitted(solver, rows, y, (mean, sd, used), odds)
            except ConvergenceWarning as error:
                raise ModelError(
                    f"logistic: no optimum after {solver.max_iter} steps; "
                    f"try a smaller C than {self.C}"
                ) from error
        return self

    def predict(self, X: Windows) -> Vector:
        """Forecast the probability of a rise; see :class:`truecast.models.base.Model`."""
        odds = _line_of(self, self.line_, X)(last_rows(X))
        return 0.5 * (1 + np.tanh(0.5 * odds))  # the logistic function, without overflow

    def payload(self) -> dict[str, bytes]:
        """Return the line as JSON."""
        return _payload(self, self.line_)

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        model.line_ = Line.load(cls.name, files)
        return model


def _fitted(
    solver: Any,
    rows: Matrix,
    y: Vector,
    scale: tuple[Vector, Vector, NDArray[np.bool_]],
    level: float,
) -> Line:
    """Fit the used columns; with none of them the line is the level."""
    mean, sd, used = scale
    weights = np.zeros(len(mean))
    if used.any():
        solver.fit(standardised(rows, mean, sd)[:, used], y)
        weights[used] = np.ravel(solver.coef_)
        level = float(np.ravel(solver.intercept_)[0])
    return Line(level, weights, mean, sd, tuple(np.flatnonzero(~used).tolist()))


def _line_of(model: Ridge | Logistic, line: Line | None, X: Windows) -> Line:
    check_predict(model, X, columns=None if line is None else len(line.weights))
    assert line is not None  # noqa: S101 (check_predict has raised)
    return line


def _payload(model: Ridge | Logistic, line: Line | None) -> dict[str, bytes]:
    if line is None:
        raise ModelError(f"{model.name}: not fitted yet; call fit first")
    return {STATE_FILE: line.dump()}
