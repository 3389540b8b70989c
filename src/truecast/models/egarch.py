"""EGARCH(1,1): the logarithm of the variance follows the size and the sign of returns."""

from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtr

from truecast.models.archfamily import ArchFamily, MeanOf, Returns
from truecast.models.base import Vector
from truecast.models.parameters import Count

#: Omega (of returns of variance 1), alpha, gamma, beta.
SECOND_START = (0.0, 0.12, -0.10, 0.97)
#: What the absolute value of a standard normal error is on average.
_MEAN_SIZE = float(np.sqrt(2 / np.pi))
#: Variances that a filter may reach: a return that none explains does not end in infinity.
_LOWEST, _HIGHEST = -50.0, 50.0


class Egarch(ArchFamily):
    """EGARCH(1,1) with normal errors, filtered over each row's own window of returns.

    Parameters
    ----------
    mean : {"constant", "zero"}
        Whether the returns' mean is fitted, or taken to be 0.
    window : int
        One-bar returns that a forecast is filtered from, from 1.

    Attributes
    ----------
    parameters_ : array of float64, shape (5,), or None
        Mean (percent), omega (of ln percent²), alpha, gamma, beta.

    Notes
    -----
    With ``z = (r - mean)/√h``: ``ln h' = omega + alpha·(|z| - √(2/π)) + gamma·z + beta·ln h``.
    Before the first return of the window ``h = backcast`` and the news are 0.

    Further ahead the mean of the variance, not the exponential of the mean logarithm, is
    forecast, without simulating: as the errors are independent and normal,
    ``E h_k = exp(beta^(k-1)·ln h_1 + Σ_j beta^j·omega) · Π_j E exp(beta^j·g(z))``, j from 0 to
    k - 2, ``g(z) = alpha·(|z| - √(2/π)) + gamma·z``, and ``E exp(b·|z| + c·z) =
    exp((b + c)²/2)·Φ(b + c) + exp((b - c)²/2)·Φ(b - c)``. With Student's t that mean would be
    infinite, so there is no choice of errors. For the rest see
    :class:`truecast.models.archfamily.ArchFamily`.

    References
    ----------
    Nelson (1991), Conditional Heteroskedasticity in Asset Returns: A New Approach.
    """

    name: ClassVar[str] = "egarch"

    def __init__(self, *, mean: MeanOf = "constant", window: Count = 1000) -> None:
        self.mean = mean
        self.window = window

    @property
    def _second_start(self) -> tuple[float, ...]:
        return SECOND_START

    def _settings(self) -> dict[str, Any]:
        return {"vol": "EGARCH", "p": 1, "o": 1, "q": 1}

    def _rescaled(self, found: Vector, scale: float) -> Vector:
        mean, omega, alpha, gamma, beta = found
        shift = (1 - beta) * np.log(scale**2)
        return np.array([mean * scale, omega + shift, alpha, gamma, beta])

    def _ahead(self, returns: Returns, found: Vector) -> Vector:
        _mean, omega, alpha, gamma, beta = (float(value) for value in found)
        first = self._filtered(returns, found)
        total = np.exp(first)
        steady, growth, weight = 0.0, 0.0, 1.0
        for _ in range(1, self.horizon_):
            growth += _log_mean(weight * alpha, weight * gamma)
            steady += weight * omega
            weight *= beta
            total += np.exp(weight * first + steady + growth)
        return np.asarray(total / self.horizon_)

    def _filtered(self, returns: Returns, found: Vector) -> Vector:
        """Return ``ln h`` of the bar after each row; NaN for a row without any return."""
        mean, omega, alpha, gamma, beta = (float(value) for value in found)
        level = np.full(len(returns), omega + beta * float(np.log(self.backcast_)))
        some = np.zeros(len(returns), dtype=bool)
        # One bar of all rows at a time: the recursion is not linear, so it has no closed form.
        for bar in np.moveaxis(returns, 1, 0):
            there = np.isfinite(bar)
            z = (np.where(there, bar, mean).astype(np.float64) - mean) * np.exp(-level / 2)
            after = omega + alpha * (np.abs(z) - _MEAN_SIZE) + gamma * z + beta * level
            level = np.where(there, np.clip(after, _LOWEST, _HIGHEST), level)
            some |= there
        return np.where(some, level, np.nan)


def _log_mean(size: float, sign: float) -> float:
    """Return ``ln E exp(size·(|z| - √(2/π)) + sign·z)`` of a standard normal z."""
    rise, fall = size + sign, size - sign
    mean = np.exp(rise**2 / 2) * ndtr(rise) + np.exp(fall**2 / 2) * ndtr(fall)
    return float(np.log(mean) - size * _MEAN_SIZE)
