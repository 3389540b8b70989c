"""What came of past probabilities, and the interval of a share that follows from it."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from truecast.models.intervals import F64, wilson_interval
from truecast.models.trail import KEPT, Times, in_order, later_than, times_of

#: How many past forecasts of like probability say how often such forecasts came true.
NEIGHBOURS = 250


@dataclass(frozen=True)
class ShareCalibration:
    """What came of past probabilities.

    Attributes
    ----------
    known_at : array of datetime64[us], shape (m,)
        When each outcome became known, not decreasing.
    probability : array of float64, shape (m,)
        Forecast probability of up, made out of sample.
    up : array of float64, shape (m,)
        1 where it rose, else 0.
    """

    known_at: Times
    probability: F64
    up: F64

    @classmethod
    def of(cls, probability: F64, up: F64, known_at: Times) -> Self:
        """Gather forecasts whose outcome is known; arrays of shape (n,), NaN where it is not."""
        rows = in_order(known_at, np.isfinite(probability) & np.isfinite(up))
        return cls(known_at[rows], probability[rows], up[rows])

    def joined(self, later: Self) -> Self:
        """Return these forecasts followed by those whose outcome became known after them."""
        new = later_than(self.known_at, later.known_at)
        return type(self)(
            np.r_[self.known_at, later.known_at[new]],
            np.r_[self.probability, later.probability[new]],
            np.r_[self.up, later.up[new]],
        )

    def band(
        self, probability: float, as_of: np.datetime64, *, coverage: float
    ) -> tuple[float, float] | None:
        """Bound the chance of up from what came of like forecasts.

        Parameters
        ----------
        probability : float
            The forecast probability of up.
        as_of : datetime64[us]
            Only outcomes known by then count.
        coverage : float
            Confidence of the interval.

        Returns
        -------
        tuple of float or None
            Wilson's interval for the share of rises among the 250 past forecasts whose
            probability was nearest, of the last 20,000; None with fewer than 250.
        """
        count = int(np.searchsorted(self.known_at, as_of, side="right"))
        if count < NEIGHBOURS:
            return None
        kept = slice(max(0, count - KEPT), count)
        distance = np.abs(self.probability[kept] - probability)
        nearest = np.argsort(distance, kind="stable")[:NEIGHBOURS]
        return wilson_interval(int(self.up[kept][nearest].sum()), NEIGHBOURS, coverage)

    def recent(self, most: int = KEPT) -> Self:
        """Return the last forecasts: those among which like ones are looked for."""
        return type(self)(self.known_at[-most:], self.probability[-most:], self.up[-most:])

    def to_document(self) -> dict[str, Any]:
        """Return plain lists for a bundle."""
        return {
            "known_at": [str(moment) for moment in self.known_at],
            "probability": self.probability.tolist(),
            "up": self.up.tolist(),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read :meth:`to_document` back."""
        numbers = (np.array(document[name], dtype=np.float64) for name in ("probability", "up"))
        return cls(times_of(document), *numbers)
