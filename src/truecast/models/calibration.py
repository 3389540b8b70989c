"""What past forecasts missed by, and the intervals that follow from it.

Everything here is a pure function of outcomes in the order in which they became known: the same
scores give the same interval, whoever computes it and whenever.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from truecast.core.units import VARIANCE_FLOOR
from truecast.models.intervals import (
    F64,
    Bounds,
    track_absolute,
    track_two_sided,
    wilson_interval,
)

Times = NDArray[np.datetime64]

#: How many past forecasts of like probability say how often such forecasts came true.
NEIGHBOURS = 250
#: How many past scores shape a forecast distribution.
RECENT = 1000
#: How many past scores and probabilities a bundle keeps, and like ones are looked for among.
KEPT = 20_000


def _order(known_at: Times, usable: NDArray[np.bool_]) -> NDArray[np.intp]:
    rows = np.flatnonzero(usable)
    return rows[np.argsort(known_at[rows], kind="stable")]


def _after(known_at: Times, later: Times) -> NDArray[np.bool_]:
    return np.asarray(later > known_at[-1]) if len(known_at) else np.ones(len(later), dtype=bool)


def _times(document: dict[str, Any]) -> Times:
    return np.array(document["known_at"], dtype="datetime64[us]")


def _recent_quantiles(scores: F64, counts: NDArray[np.intp], levels: F64) -> F64:
    """Return quantiles of the last 1,000 of the first so many scores; NaN with fewer than 250."""
    quantiles = np.full((len(counts), len(levels)), np.nan)
    few = (counts >= NEIGHBOURS) & (counts < RECENT)
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
    step = high - low
    return np.asarray(np.where(share < 0.5, low + step * share, high - step * (1 - share)))


@dataclass(frozen=True)
class ScaleCalibration:
    """How far returns and volatilities fell from the expected volatility.

    Attributes
    ----------
    known_at : array of datetime64[us], shape (m,)
        When each outcome became known, not decreasing.
    standardised : array of float64, shape (m,)
        Return over the horizon by its expected standard deviation.
    log_ratio : array of float64, shape (m,)
        Logarithm of realised over expected volatility; NaN where there is no realised one.
    start : dict of str to list of float
        Where earlier scores, which are not kept, have left the trackers: ``return`` and
        ``volatility``; empty if there were none.
    """

    known_at: Times
    standardised: F64
    log_ratio: F64
    start: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, variance: F64, log_return: F64, realised: F64, known_at: Times, *, horizon: int
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
        known_at : array of datetime64[us], shape (n,)
            When each outcome became known.
        horizon : int
            Bars.
        """
        rows = _order(known_at, np.isfinite(variance) & np.isfinite(log_return))
        with np.errstate(invalid="ignore", divide="ignore"):
            floored = np.maximum(realised[rows], VARIANCE_FLOOR)
            ratio = 0.5 * np.log(floored / variance[rows])
        return cls(known_at[rows], log_return[rows] / np.sqrt(horizon * variance[rows]), ratio)

    def joined(self, later: Self) -> Self:
        """Return these scores followed by those that became known after them."""
        new = _after(self.known_at, later.known_at)
        return type(self)(
            np.r_[self.known_at, later.known_at[new]],
            np.r_[self.standardised, later.standardised[new]],
            np.r_[self.log_ratio, later.log_ratio[new]],
            self.start,
        )

    def recent(self, coverage: float, most: int = KEPT) -> Self:
        """Return the last scores, and where the others leave the trackers of a coverage."""
        cut = len(self.known_at) - most
        if cut <= 0:
            return self
        absolute = self._track_returns(self.standardised[:cut], coverage)
        sides = self._track_volatility(self.log_ratio[:cut], coverage)
        start = {
            "return": [float(absolute.upper[-1])],
            "volatility": [float(sides.lower[-1]), float(sides.upper[-1])],
        }
        return type(self)(self.known_at[cut:], self.standardised[cut:], self.log_ratio[cut:], start)

    def _track_returns(self, scores: F64, coverage: float) -> Bounds:
        start = self.start["return"][0] if self.start else None
        return track_absolute(scores, coverage=coverage, start=start)

    def _track_volatility(self, scores: F64, coverage: float) -> Bounds:
        start = (self.start["volatility"][0], self.start["volatility"][1]) if self.start else None
        return track_two_sided(scores[np.isfinite(scores)], coverage=coverage, start=start)

    def until(self, as_of: np.datetime64) -> Self:
        """Return the scores known at a moment."""
        count = int(np.searchsorted(self.known_at, as_of, side="right"))
        return type(self)(
            self.known_at[:count], self.standardised[:count], self.log_ratio[:count], self.start
        )

    def return_band(
        self, variance: F64, as_of: Times, *, horizon: int, coverage: float
    ) -> tuple[F64, F64]:
        """Bound the log return over the horizon for forecasts of variance.

        Parameters
        ----------
        variance : array of float64, shape (n,)
            Forecast variance a bar, percent².
        as_of : array of datetime64[us], shape (n,)
            Moment of each forecast: only scores known by then count.
        horizon : int
            Bars.
        coverage : float
            Share of outcomes to hold.

        Returns
        -------
        tuple of array of float64, shape (n,)
            Lower and upper bound, percent log return.
        """
        bounds = self._track_returns(self.standardised, coverage)
        counts = np.searchsorted(self.known_at, as_of, side="right")
        spread = np.sqrt(horizon * variance)
        return bounds.lower[counts] * spread, bounds.upper[counts] * spread

    def volatility_band(self, variance: F64, as_of: Times, *, coverage: float) -> tuple[F64, F64]:
        """Bound the realised volatility a bar, percent; parameters as in :meth:`return_band`."""
        there = np.isfinite(self.log_ratio)
        bounds = self._track_volatility(self.log_ratio, coverage)
        counts = np.searchsorted(self.known_at[there], as_of, side="right")
        volatility = np.sqrt(variance)
        return (
            np.exp(bounds.lower[counts]) * volatility,
            np.exp(bounds.upper[counts]) * volatility,
        )

    def return_quantiles(
        self, variance: F64, as_of: Times, *, horizon: int, levels: tuple[float, ...]
    ) -> F64:
        """Forecast the distribution of the log return over the horizon.

        Parameters
        ----------
        variance, as_of, horizon
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
        return quantiles[places] * np.sqrt(horizon * variance)[:, None]

    def to_document(self) -> dict[str, Any]:
        """Return plain lists for a bundle; NaN becomes null."""
        return {
            "known_at": [str(moment) for moment in self.known_at],
            "standardised": self.standardised.tolist(),
            "log_ratio": [None if np.isnan(score) else score for score in self.log_ratio.tolist()],
            **({"start": self.start} if self.start else {}),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read :meth:`to_document` back."""
        return cls(
            _times(document),
            np.array(document["standardised"], dtype=np.float64),
            np.array(document["log_ratio"], dtype=np.float64),
            document.get("start", {}),
        )


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
        rows = _order(known_at, np.isfinite(probability) & np.isfinite(up))
        return cls(known_at[rows], probability[rows], up[rows])

    def joined(self, later: Self) -> Self:
        """Return these forecasts followed by those whose outcome became known after them."""
        new = _after(self.known_at, later.known_at)
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
        return cls(_times(document), *numbers)
