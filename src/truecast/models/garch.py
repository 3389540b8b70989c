"""GARCH(1,1): variance from past squared returns, the reference that volatility is held against."""

from typing import Any, ClassVar

import numpy as np

from truecast.models.archfamily import ArchFamily, MeanOf, Returns, filtered, mean_ahead
from truecast.models.base import Vector
from truecast.models.parameters import Count

#: Where the search starts a second time if the first does not converge: the shares of the
#: sample variance in omega, and alpha and beta.
SECOND_START = (0.05, 0.10, 0.85)


class Garch(ArchFamily):
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

    Notes
    -----
    With ``e = r - mean``: ``h' = omega + alpha·e² + beta·h``, from ``e² = h = backcast`` before
    the first return of the window; after the first bar ahead ``h'' = omega +
    (alpha + beta)·h'``. For the rest see :class:`truecast.models.archfamily.ArchFamily`.

    References
    ----------
    Bollerslev (1986), Generalized Autoregressive Conditional Heteroskedasticity.
    """

    name: ClassVar[str] = "garch"

    def __init__(self, *, mean: MeanOf = "constant", window: Count = 1000) -> None:
        self.mean = mean
        self.window = window

    @property
    def _second_start(self) -> tuple[float, ...]:
        return SECOND_START

    def _settings(self) -> dict[str, Any]:
        return {"vol": "GARCH", "p": 1, "q": 1}

    def _rescaled(self, found: Vector, scale: float) -> Vector:
        return np.asarray(found * np.array([scale, scale**2, 1.0, 1.0]))

    def _ahead(self, returns: Returns, found: Vector) -> Vector:
        mean, omega, alpha, beta = (float(value) for value in found)
        variance = filtered(returns, mean, omega, alpha, beta, self.backcast_)
        return mean_ahead(variance, omega, alpha + beta, self.horizon_)
