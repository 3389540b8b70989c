"""GARCH(1,1): variance from past squared returns, the reference that volatility is held against."""

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
)
from truecast.models.parameters import Count, parameters_of
from truecast.models.state import STATE_FILE, dump_state, load_state, number, vector, whole

#: Where the search starts a second time if the first does not converge: the shares of the
#: sample variance in omega, and alpha and beta.
SECOND_START = (0.05, 0.10, 0.85)

_BACKCAST_ROWS = 75
_BACKCAST_DECAY = 0.94


class Garch:
    """GARCH(1,1) with normal errors, filtered over each row's own window of returns.

    Parameters
    ----------
    mean : {"constant", "zero"}
        Whether the returns' mean is fitted, or taken to be 0.
    window : int
        One-bar returns that a forecast is filtered from, from 1.

    Attributes
    ----------
    parameters_ : array of float64, shape (4,), or None
        Mean (percent), omega (percent²), alpha, beta.
    backcast_ : float
        Variance that a filter starts from, percent²: squared residuals of the first 75 training
        returns, weighted by 0.94 per bar from the first on.
    second_start_ : bool
        Whether the first search for the parameters failed and the second, from
        ``SECOND_START``, was needed.
    dropped_ : int
        Training rows that were left out because their return was missing.

    Notes
    -----
    With ``e = r - mean``: ``h' = omega + alpha·e² + beta·h``, from ``e² = h = backcast`` before
    the first return of the window. A missing return is passed over as if there had been no bar.
    The forecast is the mean of ``h`` over the next ``horizon`` bars, ``h'' = omega +
    (alpha + beta)·h'`` after the first. It is knowable with the newest return of its row.

    ``fit`` takes the newest return of each row as the series, so the rows must follow one
    another; ``y`` is checked but not used. The returns are divided by their standard deviation
    for the search alone, which otherwise fails on the small returns of short bars. A search
    that does not converge is started once more from ``SECOND_START``; if that fails too, so
    does the fit.

    References
    ----------
    Bollerslev (1986), Generalized Autoregressive Conditional Heteroskedasticity.
    """

    name: ClassVar[str] = "garch"
    targets: ClassVar[frozenset[str]] = frozenset({"volatility"})
    parameters_: Vector | None = None
    backcast_: float
    horizon_: int
    second_start_: bool
    dropped_: int

    def __init__(
        self, *, mean: Literal["constant", "zero"] = "constant", window: Count = 1000
    ) -> None:
        self.mean = mean
        self.window = window

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """Return ``("log_return_1",)``."""
        return ("log_return_1",)

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Fit the four parameters; see :class:`truecast.models.base.Model`."""
        parameters_of(self)
        check_fit(self, X, y, target=target, horizon=horizon)
        series = X[:, -1, 0].astype(np.float64)
        returns = series[np.isfinite(series)]
        check_rows(self, len(returns), 1)
        centre = float(returns.mean()) if self.mean == "constant" else 0.0
        scale = float(np.sqrt(np.mean((returns - centre) ** 2)))
        if scale == 0:
            raise ModelError(f"{self.name}: all {len(returns)} training returns are {returns[0]:g}")
        start = backcast(returns - centre)
        found, second = self._search(returns / scale, start / scale**2)
        self.parameters_ = found * np.array([scale, scale**2, 1.0, 1.0])
        self.backcast_, self.horizon_ = start, horizon
        self.second_start_, self.dropped_ = second, len(series) - len(returns)
        return self

    def _search(self, returns: Vector, start: float) -> tuple[Vector, bool]:
        """Maximise the likelihood; say whether it took the second start."""
        from arch import arch_model

        constant = self.mean == "constant"
        model = arch_model(
            returns, mean="Constant" if constant else "Zero", vol="GARCH", p=1, q=1, rescale=False
        )
        omega, alpha, beta = SECOND_START
        stated = [float(returns.mean())] * constant + [omega * float(returns.var()), alpha, beta]
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

    def predict(self, X: Windows) -> Vector:
        """Filter each window and forecast; see :class:`truecast.models.base.Model`.

        A row without any return in its window has no forecast (NaN).
        """
        found = self.parameters_
        check_predict(self, X, columns=None if found is None else 1)
        assert found is not None  # noqa: S101 (check_predict has raised)
        mean, omega, alpha, beta = (float(value) for value in found)
        variance = filtered(X[:, :, 0], mean, omega, alpha, beta, self.backcast_)
        total, ahead = variance.copy(), variance
        for _ in range(1, self.horizon_):
            ahead = omega + (alpha + beta) * ahead
            total += ahead
        return np.maximum(total / self.horizon_, VARIANCE_FLOOR)

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
        model.parameters_ = vector(cls.name, state, "parameters", 4)
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
    returns: NDArray[np.floating[Any]],
    mean: float,
    omega: float,
    alpha: float,
    beta: float,
    start: float,
) -> Vector:
    """Run the variance recursion over each row and return the variance of the bar after it.

    Parameters
    ----------
    returns : array of float, shape (n, window)
        One-bar returns in percent, oldest first; NaN is passed over.
    mean, omega, alpha, beta : float
        Parameters of GARCH(1,1).
    start : float
        Variance, and squared residual, before the first return; percent².

    Returns
    -------
    array of float64, shape (n,)
        In percent²; NaN for a row without any return.

    Notes
    -----
    The recursion is linear in h, so its end is a sum with geometric weights:
    ``h = Σ beta^age · (omega + alpha·e²) + beta^m · h₁`` with age counted in present returns
    back from the newest, m the number of them, and ``h₁ = omega + (alpha + beta)·start``.
    """
    first = omega + (alpha + beta) * start
    result = np.empty(len(returns))
    # Row by row: a batch of strided windows would be copied out many times over otherwise.
    for place, row in enumerate(returns):
        squared = (row[np.isfinite(row)].astype(np.float64) - mean) ** 2
        count = len(squared)
        if not count:
            result[place] = np.nan
            continue
        powers = beta ** np.arange(count - 1, -1, -1)
        result[place] = np.sum(powers * (omega + alpha * squared)) + beta**count * first
    return result
