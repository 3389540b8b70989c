"""Scores in the order in which they became known, and where those that are not kept led."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from truecast.models.intervals import Bounds

Times = NDArray[np.datetime64]

#: Before all moments.
BEGINNING = np.datetime64(np.iinfo(np.int64).min + 1, "us")
#: How many past scores and probabilities a bundle keeps, and like ones are looked for among.
KEPT = 20_000


def in_order(known_at: Times, usable: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the usable rows in the order in which their outcomes became known."""
    rows = np.flatnonzero(usable)
    return rows[np.argsort(known_at[rows], kind="stable")]


def later_than(known_at: Times, later: Times) -> NDArray[np.bool_]:
    """Mark what became known after the last of ``known_at``; all where there is none."""
    return np.asarray(later > known_at[-1]) if len(known_at) else np.ones(len(later), dtype=bool)


def times_of(document: dict[str, Any]) -> Times:
    """Read the moments of a bundle's document."""
    return np.array(document["known_at"], dtype="datetime64[us]")


@dataclass(frozen=True)
class Trail:
    """Where earlier scores, which are not kept, left a tracker.

    Attributes
    ----------
    known_at : array of datetime64[us], shape (k,), k from 1
        From when on each pair of bounds stood.
    bounds : Bounds, shape (k,)
        The last is where the tracker goes on from; forecasts whose outcome is still to come went
        out with those before.
    """

    known_at: Times
    bounds: Bounds

    def since(self, moment: np.datetime64 | None) -> Self:
        """Return the trail from where it stood at a moment on; for None its end alone."""
        place = len(self.known_at) - 1
        if moment is not None:
            place = max(0, int(np.searchsorted(self.known_at, moment, side="right")) - 1)
        return type(self)(self.known_at[place:], self.bounds[place:])

    def to_document(self) -> dict[str, Any]:
        """Return plain lists for a bundle."""
        return {
            "known_at": [str(moment) for moment in self.known_at],
            "lower": self.bounds.lower.tolist(),
            "upper": self.bounds.upper.tolist(),
        }

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Read :meth:`to_document` back; one of version 0.1.0 has the last bounds alone."""
        if isinstance(document, list):
            low = document[0] if len(document) == 2 else -document[0]
            return cls(np.array([BEGINNING]), Bounds(np.array([low]), np.array([document[-1]])))
        ends = np.array([document["lower"], document["upper"]], dtype=np.float64)
        return cls(times_of(document), Bounds(ends[0], ends[1]))
