"""The exponentially weighted mean of squared returns, as RiskMetrics has it."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from truecast.models.archfamily import ArchFamily, MeanOf, Returns, filtered
from truecast.models.base import Vector
from truecast.models.parameters import Count
from truecast.models.space import Range, Space

#: What a bar may keep of its weight.
Decay = Annotated[float, Field(gt=0, lt=1)]


class Ewma(ArchFamily):
    """Variance as an exponentially weighted mean of squared returns: nothing is estimated.

    Parameters
    ----------
    decay : float
        What a bar keeps of its weight for the next, between 0 and 1 (lambda).
    window : int
        One-bar returns that a forecast is filtered from, from 1.

    Attributes
    ----------
    parameters_ : array of float64, shape (4,), or None
        Those of a GARCH(1,1) that it is: mean 0, omega 0, alpha ``1 - decay``, beta ``decay``.

    Notes
    -----
    ``h' = (1 - decay)·r² + decay·h``, from ``h = backcast`` before the first return of the
    window; the same at every horizon. For the rest see
    :class:`truecast.models.archfamily.ArchFamily`.

    References
    ----------
    J.P. Morgan, Reuters (1996), RiskMetrics Technical Document, 5.2.
    """

    name: ClassVar[str] = "ewma"
    SPACE: ClassVar[Space] = {"decay": Range(0.8, 0.99)}
    mean: MeanOf = "zero"

    def __init__(self, *, decay: Decay = 0.94, window: Count = 1000) -> None:
        self.decay = decay
        self.window = window

    @property
    def _second_start(self) -> tuple[float, ...]:
        return 0.0, 1 - self.decay, self.decay

    def _settings(self) -> dict[str, Any]:
        return {}

    def _search(self, returns: Vector, start: float) -> tuple[Vector, bool]:
        del returns, start  # the decay is given
        return np.array([0.0, *self._second_start]), False

    def _rescaled(self, found: Vector, scale: float) -> Vector:
        del scale
        return found

    def _ahead(self, returns: Returns, found: Vector) -> Vector:
        mean, omega, alpha, beta = (float(value) for value in found)
        return filtered(returns, mean, omega, alpha, beta, self.backcast_)
