"""GJR-GARCH(1,1): a fall raises the variance more than a rise of the same size."""

from typing import Any, ClassVar, Literal

import numpy as np

from truecast.models.archfamily import ArchFamily, MeanOf, Returns, filtered, mean_ahead
from truecast.models.base import Vector
from truecast.models.parameters import Count
from truecast.models.space import Choices, Space

#: Omega as a share of the sample variance, alpha, gamma, beta; degrees of freedom.
SECOND_START = (0.03, 0.02, 0.15, 0.88)
SECOND_FREEDOM = 8.0


class Gjr(ArchFamily):
    """GJR-GARCH(1,1), filtered over each row's own window of returns.

    Parameters
    ----------
    errors : {"t", "normal"}
        Distribution of the errors that the parameters are fitted by. Student's t leaves single
        large returns less weight.
    mean : {"constant", "zero"}
        Whether the returns' mean is fitted, or taken to be 0.
    window : int
        One-bar returns that a forecast is filtered from, from 1.

    Attributes
    ----------
    parameters_ : array of float64, shape (5,) or (6,), or None
        Mean (percent), omega (percent²), alpha, gamma, beta; with ``t`` the degrees of freedom,
        which no forecast depends on.

    Notes
    -----
    With ``e = r - mean``: ``h' = omega + (alpha + gamma·[e < 0])·e² + beta·h``, from
    ``e² = h = backcast``, half of it a fall, before the first return of the window; after the
    first bar ahead ``h'' = omega + (alpha + gamma/2 + beta)·h'``, as errors are symmetric. For
    the rest see :class:`truecast.models.archfamily.ArchFamily`.

    References
    ----------
    Glosten, Jagannathan, Runkle (1993), On the Relation between the Expected Value and the
    Volatility of the Nominal Excess Return on Stocks.
    """

    name: ClassVar[str] = "gjr"
    SPACE: ClassVar[Space] = {"errors": Choices(("t", "normal"))}

    def __init__(
        self,
        *,
        errors: Literal["t", "normal"] = "t",
        mean: MeanOf = "constant",
        window: Count = 1000,
    ) -> None:
        self.errors = errors
        self.mean = mean
        self.window = window

    @property
    def _second_start(self) -> tuple[float, ...]:
        return (*SECOND_START, *([SECOND_FREEDOM] if self.errors == "t" else []))

    def _settings(self) -> dict[str, Any]:
        return {"vol": "GARCH", "p": 1, "o": 1, "q": 1, "dist": self.errors}

    def _rescaled(self, found: Vector, scale: float) -> Vector:
        units = np.ones(len(found))
        units[:2] = scale, scale**2
        return found * units

    def _ahead(self, returns: Returns, found: Vector) -> Vector:
        mean, omega, alpha, gamma, beta = (float(value) for value in found[:5])
        variance = filtered(returns, mean, omega, alpha, beta, self.backcast_, gamma)
        return mean_ahead(variance, omega, alpha + gamma / 2 + beta, self.horizon_)
