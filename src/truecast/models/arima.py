"""ARMA on one-bar returns, that is ARIMA(p, 1, q) on log prices."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field

from truecast.models.base import (
    ModelError,
    Vector,
    Windows,
    check_fit,
    check_predict,
    check_rows,
    newest_returns,
)
from truecast.models.parameters import Count, parameters_of
from truecast.models.space import Range, Space
from truecast.models.state import STATE_FILE, dump_state, load_state, number, vector, whole

Order = Annotated[int, Field(ge=0, le=10)]

#: Ways to search for the likeliest parameters, one after the other until one converges.
_SEARCHES = ("L-BFGS-B", "Nelder-Mead")


class Arima:
    """ARIMA(p, 0, q) with a mean, filtered over each row's own window of returns.

    Parameters
    ----------
    p : int
        Past returns that the next one depends on, 0 to 10.
    q : int
        Past errors that it depends on, 0 to 10.
    window : int
        One-bar returns that a forecast is filtered from, from 1.

    Attributes
    ----------
    mean_ : float or None
        Of the returns, percent.
    phi_, theta_ : array of float64, shape (p,) and (q,)
        Coefficients of the past returns (less the mean) and of the past errors.
    sigma2_ : float
        Variance of the errors, percent².
    horizon_ : int
        Bars ahead.
    dropped_ : int
        Training rows that were left out because their return was missing.

    Notes
    -----
    With ``u = r - mean``: ``u_t = Σ phi_i u_{t-i} + e_t + Σ theta_j e_{t-j}``. The forecast is
    the sum of those for each of the next ``horizon`` bars, which have no errors of their own. It
    is linear in the window's returns, so it is kept as their :func:`weights`. Errors and returns
    before the window count as 0, which is forgotten as fast as the past errors fade. A missing
    return is passed over as if there had been no bar. The forecast is knowable with the newest
    return of its row.

    ``fit`` takes the newest return of each row as the series, so the rows must follow one
    another; ``y`` is checked but not used. The mean is the sample's; statsmodels finds the other
    parameters, stationary and invertible ones, by exact maximum likelihood (the innovations
    algorithm). The returns are divided by their standard deviation for the search alone.

    References
    ----------
    Brockwell and Davis (2016), Introduction to Time Series and Forecasting, section 5.2.
    Box and Jenkins (1970), Time Series Analysis: Forecasting and Control.
    """

    name: ClassVar[str] = "arima"
    targets: ClassVar[frozenset[str]] = frozenset({"price", "return"})
    SPACE: ClassVar[Space] = {"p": Range(0, 2, whole=True), "q": Range(0, 2, whole=True)}
    mean_: float | None = None
    phi_: Vector
    theta_: Vector
    sigma2_: float
    horizon_: int
    dropped_: int
    _weights: Vector

    def __init__(self, *, p: Order = 1, q: Order = 1, window: Count = 500) -> None:
        self.p = p
        self.q = q
        self.window = window

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """Return ``("log_return_1",)``."""
        return ("log_return_1",)

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Find the parameters; see :class:`truecast.models.base.Model`."""
        parameters_of(self)
        check_fit(self, X, y, target=target, horizon=horizon)
        returns, dropped = newest_returns(X)
        check_rows(self, len(returns), 1 + self.p + self.q)
        mean, scale = float(returns.mean()), float(returns.std())
        if scale == 0:
            raise ModelError(f"{self.name}: all {len(returns)} training returns are {returns[0]:g}")
        found = self._search((returns - mean) / scale)
        self.mean_ = mean
        self.phi_, self.theta_ = found[: self.p], found[self.p : -1]
        self.sigma2_ = float(found[-1]) * scale**2
        self.horizon_, self.dropped_ = horizon, dropped
        self._weights = weights(self.phi_, self.theta_, horizon, self.window)
        return self

    def _search(self, returns: Vector) -> Vector:
        """Maximise the likelihood; return phi, theta and the variance of the errors."""
        if not self.p + self.q:
            return np.array([returns.var()])
        from statsmodels.tsa.arima.estimators.innovations import innovations_mle

        for search in _SEARCHES:
            found, details = innovations_mle(
                returns,
                order=(self.p, 0, self.q),
                demean=False,
                minimize_kwargs={"method": search, "options": {"maxiter": 2000}},
            )
            if details.minimize_results.success and np.isfinite(found.params).all():
                return np.asarray(found.params, dtype=np.float64)
        raise ModelError(
            f"{self.name}: no search for the parameters of ({self.p}, 0, {self.q}) converged on "
            f"{len(returns)} returns; use smaller p and q or a longer history"
        )

    def predict(self, X: Windows) -> Vector:
        """Filter each window and forecast; see :class:`truecast.models.base.Model`.

        A row without any return in its window has no forecast (NaN).
        """
        mean = self.mean_
        check_predict(self, X, columns=None if mean is None else 1)
        assert mean is not None  # noqa: S101 (check_predict has raised)
        said = np.empty(len(X))
        # Row by row: a batch of strided windows would be copied out many times over otherwise.
        for place, row in enumerate(X[:, :, 0]):
            known = row[np.isfinite(row)].astype(np.float64) - mean
            past = self._weights[self.window - len(known) :]
            said[place] = np.sum(past * known) if len(known) else np.nan
        return said + self.horizon_ * mean

    def payload(self) -> dict[str, bytes]:
        """Return the parameters as JSON."""
        if self.mean_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        return {
            STATE_FILE: dump_state(
                mean=self.mean_,
                phi=self.phi_,
                theta=self.theta_,
                sigma2=self.sigma2_,
                horizon=self.horizon_,
                dropped=self.dropped_,
            )
        }

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        keys = ("mean", "phi", "theta", "sigma2", "horizon", "dropped")
        state = load_state(cls.name, files, *keys)
        model.mean_ = number(cls.name, state, "mean")
        model.phi_ = vector(cls.name, state, "phi", model.p)
        model.theta_ = vector(cls.name, state, "theta", model.q)
        model.sigma2_ = number(cls.name, state, "sigma2")
        model.horizon_ = whole(cls.name, state, "horizon")
        model.dropped_ = whole(cls.name, state, "dropped")
        model._weights = weights(model.phi_, model.theta_, model.horizon_, model.window)
        return model


def weights(phi: Vector, theta: Vector, horizon: int, window: int) -> Vector:
    """Return by what each return of a window is multiplied in the forecast.

    Parameters
    ----------
    phi, theta : array of float64
        Coefficients of past returns and errors.
    horizon : int
        Bars ahead whose forecasts are summed, from 1.
    window : int
        Number of returns, from 1.

    Returns
    -------
    array of float64, shape (window,)
        Oldest first, for returns less their mean.

    Notes
    -----
    An error is its own return less what was expected: over ages from 0 at the newest it has the
    weights ``g_0 = 1, g_k = -phi_k - Σ theta_j g_{k-j}``. A forecast ahead is ``phi`` times
    returns, known or forecast before it, and ``theta`` times those errors that are known.
    """
    errors = np.zeros(window)
    errors[0] = 1.0
    for age in range(1, window):
        known = min(len(theta), age)
        errors[age] = -float(np.sum(theta[:known] * errors[age - known : age][::-1]))
        if age <= len(phi):
            errors[age] -= phi[age - 1]
    ahead: list[Vector] = []
    for step in range(1, horizon + 1):
        total = np.zeros(window)
        for lag, one in enumerate(phi, start=1):
            if step > lag:
                total += one * ahead[step - lag - 1]
            elif lag - step < window:
                total[lag - step] += one
        for lag, one in enumerate(theta[step - 1 :]):
            total[lag:] += one * errors[: window - lag]
        ahead.append(total)
    return np.ascontiguousarray(np.stack(ahead).sum(axis=0)[::-1])
