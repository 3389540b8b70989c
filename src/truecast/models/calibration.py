"""What past forecasts missed by, and the intervals that follow from it.

Everything here is a pure function of outcomes in the order in which they became known: the same
scores give the same interval, whoever computes it and whenever.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from truecast.core.units import VARIANCE_FLOOR
from truecast.models.intervals import (
    F64,
    RETURN_RATE,
    RETURN_SPREAD,
    VOLATILITY_RATE,
    VOLATILITY_SPREAD,
    Bounds,
    gaussian,
    step,
    track,
)
from truecast.models.trail import BEGINNING, KEPT, Times, Trail, in_order, later_than, times_of

#: What is tracked: its step one bar ahead, and its spread before any outcome.
_TRACKED = {
    "return": (RETURN_RATE, RETURN_SPREAD),
    "volatility": (VOLATILITY_RATE, VOLATILITY_SPREAD),
}

#: How many past scores shape a forecast distribution, and from how many on there is one.
RECENT, FEWEST = 1000, 250


def _recent_quantiles(scores: F64, counts: NDArray[np.intp], levels: F64) -> F64:
    """Return quantiles of the last 1,000 of the first so many scores; NaN with fewer than 250."""
    quantiles = np.full((len(counts), len(levels)), np.nan)
    few = (counts >= FEWEST) & (counts < RECENT)
    for place in np.flatnonzero(few):
        quantiles[place] = np.quantile(scores[: counts[place]], levels)
    many = np.flatnonzero(counts >= RECENT)
    for part in np.array_split(many, max(1, len(many) // 1000)):
        if len(part):
            windows = sliding_window_view(scores, RECENT)[counts[part] - RECENT]
            quantiles[part] = _of_sorted(np.sort(windows, axis=1), levels)
    return quantiles


def _of_sorted(ordered: F64, levels: F64) -> F64:
    """Return ``np.quantile`` of each row of sorted values, to the bit and in less time."""
    place = levels * (ordered.shape[1] - 1)
    below = place.astype(np.intp)
    share = place - below
    low, high = ordered[:, below], ordered[:, np.minimum(below + 1, ordered.shape[1] - 1)]
    gap = high - low
    return np.asarray(np.where(share < 0.5, low + gap * share, high - gap * (1 - share)))


@dataclass(frozen=True)
class ScaleCalibration:
    """How far returns and volatilities fell from the expected volatility.

    Attributes
    ----------
    known_at : array of datetime64[us], shape (m,)
        When each outcome became known, not decreasing.
    as_of : array of datetime64[us], shape (m,)
        When each was forecast.
    standardised : array of float64, shape (m,)
        Return over the horizon by its expected standard deviation.
    log_ratio : array of float64, shape (m,)
        Logarithm of realised over expected volatility; NaN where there is no realised one.
    horizon : int
        Bars.
    start : dict of str to Trail
        Where earlier scores, which are not kept, have left the trackers: ``return`` and
        ``volatility``; empty if there were none.
    dated : bool
        Whether a bundle says when its scores were forecast. One of version 0.1.0 does not, and
        goes on as it did then: its returns are bounded by one number above and below, with one
        step at every horizon, and each score is held against the newest bounds.
    """

    known_at: Times
    as_of: Times
    standardised: F64
    log_ratio: F64
    horizon: int
    start: dict[str, Trail] = field(default_factory=dict)
    dated: bool = True

    @classmethod
    def of(
        cls,
        variance: F64,
        log_return: F64,
        realised: F64,
        *,
        as_of: Times,
        known_at: Times,
        horizon: int,
    ) -> Self:
        """Score forecasts of variance.

        Parameters
        ----------
        variance : array of float64, shape (n,)
            Forecast variance a bar, percent²; NaN where there is no forecast.
        log_return : array of float64, shape (n,)
            Log return over the horizon in percent, NaN where not known.
        realised : array of float64, shape (n,)
            Realised variance a bar on the same scale, percent²; a bar that did not move counts
            as one squared basis point.
        as_of, known_at : array of datetime64[us], shape (n,)
            When each was forecast, and when its outcome became known.
        horizon : int
            Bars.
        """
        rows = in_order(known_at, np.isfinite(variance) & np.isfinite(log_return))
        with np.errstate(invalid="ignore", divide="ignore"):
            floored = np.maximum(realised[rows], VARIANCE_FLOOR)
            ratio = 0.5 * np.log(floored / variance[rows])
        standardised = log_return[rows] / np.sqrt(horizon * variance[rows])
        return cls(known_at[rows], as_of[rows], standardised, ratio, horizon)

    def joined(self, later: Self) -> Self:
        """Return these scores followed by those that became known after them."""
        new = later_than(self.known_at, later.known_at)
        return replace(
            self,
            known_at=np.r_[self.known_at, later.known_at[new]],
            as_of=np.r_[self.as_of, later.as_of[new]],
            standardised=np.r_[self.standardised, later.standardised[new]],
            log_ratio=np.r_[self.log_ratio, later.log_ratio[new]],
        )

    def followed(self, later: Self, coverage: float) -> Self:
        """Return what these scores lead to, and the later ones: no more than the next band needs.

        Parameters
        ----------
        later : ScaleCalibration
            Only what became known after these counts.
        coverage : float
            Of the bands that will be asked for.

        Returns
        -------
        ScaleCalibration
            For moments from the last of the scores on it gives the bands of :meth:`joined`, in
            the time that the later scores alone take.
        """
        new = later._part(later_than(self._known, later.known_at))
        earliest = new.as_of.min() if len(new.as_of) else None
        start = {name: self._led(name, coverage).since(earliest) for name in _TRACKED}
        return replace(new, start=start, dated=self.dated)

    @property
    def _known(self) -> Times:
        """When the scores became known, those that are not kept too."""
        if len(self.known_at) or not self.start:
            return self.known_at
        return self.start["return"].known_at

    @cached_property
    def _trails(self) -> dict[tuple[str, float], Trail]:
        return {}

    def _led(self, name: str, coverage: float) -> Trail:
        """Track one kind of scores, once."""
        if (name, coverage) not in self._trails:
            self._trails[name, coverage] = self._tracked(name, coverage)
        return self._trails[name, coverage]

    def _part(self, places: slice | NDArray[np.bool_]) -> Self:
        return replace(
            self,
            known_at=self.known_at[places],
            as_of=self.as_of[places],
            standardised=self.standardised[places],
            log_ratio=self.log_ratio[places],
        )

    def recent(self, coverage: float, most: int = KEPT) -> Self:
        """Return the last scores, and where the others leave the trackers of a coverage."""
        cut = len(self.known_at) - most
        if cut <= 0:
            return self
        earlier = self._part(slice(None, cut))
        start = {name: earlier._left(name, coverage, self._reach) for name in _TRACKED}
        return replace(self._part(slice(cut, None)), start=start)

    @property
    def _reach(self) -> int:
        """The most outcomes that became known between a forecast and its own."""
        seen = np.searchsorted(self.known_at, self.as_of, side="right")
        return int((np.arange(len(seen)) - seen).max(initial=0))

    def _left(self, name: str, coverage: float, reach: int) -> Trail:
        tracked = self._tracked(name, coverage)
        last = slice(-1 - reach, None)
        return Trail(tracked.known_at[last], tracked.bounds[last])

    def _tracked(self, name: str, coverage: float) -> Trail:
        """Track one kind of scores: the bounds from each moment on."""
        rate, spread = _TRACKED[name]
        scores = self.standardised if name == "return" else self.log_ratio
        there = np.isfinite(scores)
        first = Trail(np.array([BEGINNING]), gaussian(coverage, spread))
        start = self.start.get(name, first)
        known_at = np.r_[start.known_at, self.known_at[there]]
        issued = np.searchsorted(known_at, self.as_of[there], side="right") - 1
        before = np.arange(len(issued)) + len(start.known_at) - 1
        if not self.dated:
            return Trail(known_at, _as_first(name, scores[there], before, coverage, start.bounds))
        bounds = track(
            scores[there],
            np.clip(issued, 0, before),
            coverage=coverage,
            rate=step(rate, self.horizon),
            before=start.bounds,
        )
        return Trail(known_at, bounds)

    def _bounds(self, name: str, as_of: Times, coverage: float) -> tuple[F64, F64]:
        """Return the bounds as they stood at each moment."""
        tracked = self._tracked(name, coverage)
        places = np.searchsorted(tracked.known_at, as_of, side="right") - 1
        lower, upper = tracked.bounds.lower[places], tracked.bounds.upper[places]
        # Scores that never change bring both bounds to one value, and a step may cross it.
        return np.minimum(lower, upper), np.maximum(lower, upper)

    def until(self, as_of: np.datetime64) -> Self:
        """Return the scores known at a moment."""
        return self._part(slice(int(np.searchsorted(self.known_at, as_of, side="right"))))

    def return_band(self, variance: F64, as_of: Times, *, coverage: float) -> tuple[F64, F64]:
        """Bound the log return over the horizon for forecasts of variance.

        Parameters
        ----------
        variance : array of float64, shape (n,)
            Forecast variance a bar, percent².
        as_of : array of datetime64[us], shape (n,)
            Moment of each forecast: only scores known by then count.
        coverage : float
            Share of outcomes to hold.

        Returns
        -------
        tuple of array of float64, shape (n,)
            Lower and upper bound, percent log return.

        Notes
        -----
        The band lies where past outcomes lay, in units of the expected standard deviation: about
        zero, and off it as far as returns have drifted or fall further than they rise. No point
        forecast enters, so a model that is wrong moves no interval, and all models share one.
        """
        lower, upper = self._bounds("return", as_of, coverage)
        spread = np.sqrt(self.horizon * variance)
        return lower * spread, upper * spread

    def volatility_band(self, variance: F64, as_of: Times, *, coverage: float) -> tuple[F64, F64]:
        """Bound the realised volatility a bar, percent; parameters as in :meth:`return_band`."""
        lower, upper = self._bounds("volatility", as_of, coverage)
        volatility = np.sqrt(variance)
        return np.exp(lower) * volatility, np.exp(upper) * volatility

    def return_quantiles(self, variance: F64, as_of: Times, *, levels: tuple[float, ...]) -> F64:
        """Forecast the distribution of the log return over the horizon.

        Parameters
        ----------
        variance, as_of
            As in :meth:`return_band`.
        levels : tuple of float
            Probabilities, increasing.

        Returns
        -------
        array of float64, shape (n, len(levels))
            Percent: the empirical quantiles of the last 1,000 scores known at each moment, times
            the expected standard deviation; NaN before 250 are known.
        """
        counts = np.searchsorted(self.known_at, as_of, side="right")
        found, places = np.unique(counts, return_inverse=True)
        quantiles = _recent_quantiles(self.standardised, found, np.array(levels))
        return quantiles[places] * np.sqrt(self.horizon * variance)[:, None]

    def to_document(self) -> dict[str, Any]:
        """Return plain lists for a bundle; NaN becomes null."""
        start = {name: trail.to_document() for name, trail in self.start.items()}
        return {
            "known_at": [str(moment) for moment in self.known_at],
            "as_of": [str(moment) for moment in self.as_of],
            "standardised": self.standardised.tolist(),
            "log_ratio": [None if np.isnan(score) else score for score in self.log_ratio.tolist()],
            **({"start": start} if start else {}),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any], *, horizon: int) -> Self:
        """Read :meth:`to_document` back.

        Parameters
        ----------
        document : dict
            One of version 0.1.0 lacks ``as_of``; see ``dated``.
        horizon : int
            Bars.
        """
        known_at = times_of(document)
        return cls(
            known_at,
            np.array(document.get("as_of", document["known_at"]), dtype="datetime64[us]"),
            np.array(document["standardised"], dtype=np.float64),
            np.array(document["log_ratio"], dtype=np.float64),
            horizon,
            {name: Trail.from_document(one) for name, one in document.get("start", {}).items()},
            "as_of" in document,
        )


def _as_first(
    name: str, scores: F64, newest: NDArray[np.intp], coverage: float, before: Bounds
) -> Bounds:
    """Track as version 0.1.0 did: see :attr:`ScaleCalibration.dated`."""
    rate, _ = _TRACKED[name]
    if name == "volatility":
        return track(scores, newest, coverage=coverage, rate=rate, before=before)
    # Of sizes all that may fall outside is above.
    above = track(np.abs(scores), newest, coverage=2 * coverage - 1, rate=rate, before=before)
    return Bounds(-above.upper, above.upper)
