"""What the models of conditional variance share: a search by ``arch``, and a filter of our own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from truecast.core.units import VARIANCE_FLOOR
from truecast.models.base import (
    ModelError,
    Vector,
    Windows,
    check_fit,
    check_predict,
    check_rows,
    newest_returns,
)
from truecast.models.parameters import parameters_of
from truecast.models.state import STATE_FILE, dump_state, load_state, number, vector, whole

Returns = NDArray[np.floating[Any]]
MeanOf = Literal["constant", "zero"]

_BACKCAST_ROWS = 75
_BACKCAST_DECAY = 0.94


class ArchFamily(ABC):
    """A model whose variance follows from past returns by a recursion.

    Attributes
    ----------
    parameters_ : array of float64, or None
        Mean (percent), then those of the recursion; see each model.
    backcast_ : float
        Variance that a filter starts from, percent²: squared residuals of the first 75 training
        returns, weighted by 0.94 per bar from the first on.
    second_start_ : bool
        Whether the first search for the parameters failed and the second, from the model's
        own starting values, was needed.
    dropped_ : int
        Training rows that were left out because their return was missing.

    Notes
    -----
    The forecast is the mean of the variance over the next ``horizon`` bars, filtered over each
    row's own window of returns; a missing return is passed over as if there had been no bar. It
    is knowable with the newest return of its row.

    ``fit`` takes the newest return of each row as the series, so the rows must follow one
    another; ``y`` is checked but not used. The returns are divided by their standard deviation
    for the search alone, which otherwise fails on the small returns of short bars. A search
    that does not converge is started once more; if that fails too, so does the fit.
    """

    name: ClassVar[str]
    targets: ClassVar[frozenset[str]] = frozenset({"volatility"})
    window: int
    mean: MeanOf = "constant"
    parameters_: Vector | None = None
    backcast_: float
    horizon_: int
    second_start_: bool
    dropped_: int

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """Return ``("log_return_1",)``."""
        return ("log_return_1",)

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Find the parameters; see :class:`truecast.models.base.Model`."""
        parameters_of(self)
        check_fit(self, X, y, target=target, horizon=horizon)
        returns, dropped = newest_returns(X)
        check_rows(self, len(returns), 1)
        centre = float(returns.mean()) if self.mean == "constant" else 0.0
        scale = float(np.sqrt(np.mean((returns - centre) ** 2)))
        if scale == 0:
            raise ModelError(f"{self.name}: all {len(returns)} training returns are {returns[0]:g}")
        start = backcast(returns - centre)
        found, second = self._search(returns / scale, start / scale**2)
        self.parameters_ = self._rescaled(found, scale)
        self.backcast_, self.horizon_ = start, horizon
        self.second_start_, self.dropped_ = second, dropped
        return self

    def predict(self, X: Windows) -> Vector:
        """Filter each window and forecast; see :class:`truecast.models.base.Model`.

        A row without any return in its window has no forecast (NaN).
        """
        found = self.parameters_
        check_predict(self, X, columns=None if found is None else 1)
        assert found is not None  # noqa: S101 (check_predict has raised)
        return np.maximum(self._ahead(X[:, :, 0], found), VARIANCE_FLOOR)

    @property
    def _size(self) -> int:
        """How many parameters there are, the mean among them."""
        return 1 + len(self._second_start)

    @property
    @abstractmethod
    def _second_start(self) -> tuple[float, ...]:
        """Where the search starts a second time, after the mean, for returns of variance 1."""

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """Say to ``arch`` which model it is."""

    @abstractmethod
    def _rescaled(self, found: Vector, scale: float) -> Vector:
        """Turn the parameters of returns over ``scale`` into those of the returns."""

    @abstractmethod
    def _ahead(self, returns: Returns, found: Vector) -> Vector:
        """Return the mean variance over the horizon after each row of returns; NaN where none."""

    def _search(self, returns: Vector, start: float) -> tuple[Vector, bool]:
        """Maximise the likelihood; say whether it took the second start."""
        from arch import arch_model

        constant = self.mean == "constant"
        model = arch_model(
            returns,
            mean="Constant" if constant else "Zero",
            rescale=False,
            **self._settings(),
        )
        stated = [float(returns.mean())] * constant + [*self._second_start]
        for second, values in enumerate((None, np.array(stated))):
            result = model.fit(
                starting_values=values, backcast=start, disp="off", show_warning=False
            )
            if result.convergence_flag == 0 and np.isfinite(result.params).all():
                found = np.asarray(result.params, dtype=np.float64)
                return found if constant else np.concatenate([[0.0], found]), bool(second)
        raise ModelError(
            f"{self.name}: the search for the parameters did not converge on {len(returns)} "
            f"returns, nor from the second start: {result.optimization_result.message}; use a "
            "longer history"
        )

    def payload(self) -> dict[str, bytes]:
        """Return the parameters and the filter's start as JSON."""
        if self.parameters_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        return {
            STATE_FILE: dump_state(
                parameters=self.parameters_,
                backcast=self.backcast_,
                horizon=self.horizon_,
                second_start=self.second_start_,
                dropped=self.dropped_,
            )
        }

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        keys = ("parameters", "backcast", "horizon", "second_start", "dropped")
        state = load_state(cls.name, files, *keys)
        model.parameters_ = vector(cls.name, state, "parameters", model._size)
        model.backcast_ = number(cls.name, state, "backcast")
        model.horizon_ = whole(cls.name, state, "horizon")
        model.second_start_ = bool(state["second_start"])
        model.dropped_ = whole(cls.name, state, "dropped")
        return model


def backcast(residuals: Vector) -> float:
    """Return the variance before the first residual, as ``arch`` does.

    Parameters
    ----------
    residuals : array of float64, shape (n,)
        In percent, oldest first.

    Returns
    -------
    float
        ``Σ 0.94^i e_i² / Σ 0.94^i`` over the first 75, percent².
    """
    first = residuals[:_BACKCAST_ROWS]
    weights = _BACKCAST_DECAY ** np.arange(len(first))
    return float(np.sum(weights * first**2) / np.sum(weights))


def filtered(
    returns: Returns,
    mean: float,
    omega: float,
    alpha: float,
    beta: float,
    start: float,
    gamma: float = 0.0,
) -> Vector:
    """Run the variance recursion over each row and return the variance of the bar after it.

    Parameters
    ----------
    returns : array of float, shape (n, window)
        One-bar returns in percent, oldest first; NaN is passed over.
    mean, omega, alpha, beta, gamma : float
        Of ``h' = omega + (alpha + gamma·[e < 0])·e² + beta·h``, ``e = r - mean``.
    start : float
        Variance, and squared residual, before the first return; percent². Half of it counts
        as a fall.

    Returns
    -------
    array of float64, shape (n,)
        In percent²; NaN for a row without any return.

    Notes
    -----
    The recursion is linear in h, so its end is a sum with geometric weights:
    ``h = Σ beta^age · (omega + (alpha + gamma·[e < 0])·e²) + beta^m · h₁`` with age counted in
    present returns back from the newest, m the number of them, and
    ``h₁ = omega + (alpha + gamma/2 + beta)·start``.
    """
    first = omega + (alpha + gamma / 2 + beta) * start
    result = np.empty(len(returns))
    # Row by row: a batch of strided windows would be copied out many times over otherwise.
    for place, row in enumerate(returns):
        residuals = row[np.isfinite(row)].astype(np.float64) - mean
        count = len(residuals)
        if not count:
            result[place] = np.nan
            continue
        news = (alpha + gamma * (residuals < 0)) * residuals**2
        powers = beta ** np.arange(count - 1, -1, -1)
        result[place] = np.sum(powers * (omega + news)) + beta**count * first
    return result


def mean_ahead(variance: Vector, omega: float, persistence: float, horizon: int) -> Vector:
    """Return the mean of ``h, omega + persistence·h, …`` over so many bars, shape (n,)."""
    total, ahead = variance.copy(), variance
    for _ in range(1, horizon):
        ahead = omega + persistence * ahead
        total += ahead
    return total / horizon
