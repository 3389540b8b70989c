"""Whether a bar that is sent can follow the stored ones, or is of another series or unit."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truecast.serving.schemas import PostedBar

#: Newest bars that are looked at.
LOOKED_AT = 1_000
_DEVIATIONS, _TIMES_LARGEST = 10.0, 2.0
#: The bound is never narrower than this, nor wider: half or double is another unit in any case.
_NARROWEST, _WIDEST = 0.05, math.log(2)
_VOLUME_FACTOR = 10.0


@dataclass(frozen=True)
class Usual:
    """What a series has done of late, and so what its next bar can be.

    Parameters
    ----------
    close : float
        The last one.
    bound : float
        Of the log of a price over the close before it: the larger of 10 standard deviations and
        of twice the largest move of the last 1,000 bars, at least 0.05 and at most ln 2.
    volumes : tuple of two floats, or None
        From a tenth of the least to ten times the largest volume of these bars; None where they
        have none.
    """

    close: float
    bound: float
    volumes: tuple[float, float] | None

    @classmethod
    def of(cls, closes: NDArray[np.float64], volumes: NDArray[np.float64]) -> "Usual":
        """Look at the newest bars of a series.

        Parameters
        ----------
        closes, volumes : arrays of float64, shape (n,), n from 1
            Oldest first, NaN where there is none.
        """
        prices = closes[closes > 0]
        moves = np.diff(np.log(prices))
        bound = _WIDEST
        if len(moves) > 1:
            widest = max(_DEVIATIONS * moves.std(ddof=1), _TIMES_LARGEST * np.abs(moves).max())
            bound = min(max(float(widest), _NARROWEST), _WIDEST)
        known = volumes[np.isfinite(volumes)]
        span = None
        if len(known):
            span = float(known.min()) / _VOLUME_FACTOR, float(known.max()) * _VOLUME_FACTOR
        return cls(float(closes[-1]), bound, span)

    def objection(self, bar: PostedBar, before: float) -> str | None:
        """Say why a bar cannot come after a close, or None.

        Parameters
        ----------
        bar : PostedBar
            That was sent.
        before : float
            The close before it.
        """
        if before > 0:
            for name in ("open", "high", "low", "close"):
                price: float = getattr(bar, name)
                # The quotient of the smallest numbers there are would be 0.
                if abs(math.log(price) - math.log(before)) > self.bound:
                    return (
                        f"{name} {price:g} is {price / before:.4g} times the close before it, "
                        f"{before:g}, and after its moves of late it is to be between "
                        f"{math.exp(-self.bound):.3g} and {math.exp(self.bound):.3g} times"
                    )
        if bar.volume is not None and self.volumes is not None:
            least, most = self.volumes
            if not least <= bar.volume <= most:
                return (
                    f"volume {bar.volume:g} is not between {least:g} and {most:g}, ten times less "
                    "and more than any of late"
                )
        return None
