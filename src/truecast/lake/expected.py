"""Which bars a calendar lets expect: one a session, or one an interval while the market is open."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from truecast.core.calendars import Calendar, Days, Moments
from truecast.core.interval import Interval

Places = NDArray[np.int64]
_Micros = NDArray[np.int64]

# Longer than any session: the one bar of a session is cut short by its close.
_WHOLE_SESSION = timedelta(days=7)


@dataclass(frozen=True)
class Grid:
    """The bars to expect of a market between two days, numbered from 0 in time order.

    A stretch is a time that the market is open without a break. Its bars end every ``length``,
    counted from ``phase`` after its open; the first is cut short by the open where there is a
    phase, the last by the close where the stretch is no multiple of the length.

    Parameters
    ----------
    days : array of datetime64[D], shape (m,)
        The session of each stretch, in time order.
    opens, closes : arrays of int64, shape (m,)
        Ends of each stretch, microseconds since 1970 UTC.
    length, phase : int
        Microseconds; ``0 <= phase < length``.
    lead, tail : bool
        Whether the bar that the open, or the close, cuts short is expected.
    """

    days: Days
    opens: _Micros
    closes: _Micros
    length: int
    phase: int = 0
    lead: bool = False
    tail: bool = True

    @cached_property
    def counts(self) -> Places:
        """Number of bars to expect of each stretch, shape (m,)."""
        rest = self.closes - self.opens - self.phase
        cut = (rest % self.length > 0) & (rest > 0) & self.tail
        counts: Places = np.maximum(rest // self.length, 0) + cut + (self._first == 0)
        return counts

    def __len__(self) -> int:
        return int(self._offsets[-1])

    def places(self, moments: Moments) -> Places:
        """Return the number of the bar that each close belongs to; −1 where none is expected.

        Parameters
        ----------
        moments : array of datetime64[us], shape (n,), UTC
            Closes of bars. One that is off the grid counts for the bar during which it lies.
        """
        if not len(self.days):
            return np.full(len(moments), -1)
        stretch, turn = self.locate(moments.astype("datetime64[us]").astype(np.int64))
        number = turn - self._first
        valid = (stretch >= 0) & (number >= 0) & (number < self.counts[stretch])
        return np.where(valid, self._offsets[stretch] + number, -1)

    def places_of_sessions(self, days: Days) -> Places:
        """Return the number of each session's bar, of a grid of one bar a session; −1 if none."""
        if not len(self.days):
            return np.full(len(days), -1)
        place = np.minimum(np.searchsorted(self.days, days), len(self.days) - 1)
        return np.where(self.days[place] == days, place, -1)

    def locate(self, moments: _Micros) -> tuple[Places, Places]:
        """Return the stretch that holds each moment (−1 if none) and which bar of it ends then.

        The bar is 0 for one that the open cuts short, then counts from 1.
        """
        stretch = np.minimum(np.searchsorted(self.closes, moments), len(self.closes) - 1)
        since_open = moments - self.opens[stretch]
        inside = (since_open > 0) & (moments <= self.closes[stretch])
        turn = -((self.phase - since_open) // self.length)
        return np.where(inside, stretch, -1), turn

    def stretches(self, places: Places) -> Places:
        """Return the stretch that each bar belongs to."""
        return np.searchsorted(self._offsets, places, side="right") - 1

    def spans(self, places: Places) -> tuple[Moments, Moments]:
        """Return when each bar starts and closes, datetime64[us] in UTC."""
        stretch = self.stretches(places)
        turn = places - self._offsets[stretch] + self._first
        opens = self.opens[stretch]
        ends = opens + self.phase + turn * self.length
        starts = np.maximum(ends - self.length, opens)
        ends = np.minimum(ends, self.closes[stretch])
        return starts.view("datetime64[us]"), ends.view("datetime64[us]")

    def closed_by(self, moment: np.datetime64) -> int:
        """Return how many of the bars have closed by a moment."""
        stamp = moment.astype("datetime64[us]").astype(np.int64)
        ended = (stamp - self.opens - self.phase) // self.length - self._first + 1
        # The bar that the close cuts short ends with it, not with its length.
        ended = np.where(stamp >= self.closes, self.counts, ended)
        return int(np.clip(ended, 0, self.counts).sum())

    @cached_property
    def _offsets(self) -> Places:
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts)])

    @property
    def _first(self) -> int:
        return 0 if self.phase and self.lead else 1


def daily_grid(calendar: Calendar, first: date, last: date) -> Grid:
    """Return the grid of one bar a session, from ``first`` to ``last``, both included."""
    days, opens, closes = calendar.stretches(first, last)
    begins = np.flatnonzero(np.append(True, days[1:] != days[:-1])[: len(days)])
    ends = np.append(begins[1:] - 1, len(days) - 1)[: len(begins)]
    return Grid(
        days[begins], _micros(opens[begins]), _micros(closes[ends]), _length(_WHOLE_SESSION)
    )


def intraday_grid(calendar: Calendar, interval: Interval, moments: Moments, last: date) -> Grid:
    """Return the grid of a series of intraday bars, up to and with the session ``last``.

    Vendors cut hours at the open (09:30, 10:30) or at the clock (10:00, 11:00), and some leave
    out the piece that the open or the close cuts short. So the phase is the commonest one of the
    series, and such a piece is expected where most of the stretches with bars have it.

    Parameters
    ----------
    calendar : Calendar
        When the market is open.
    interval : Interval
        Length of the bars.
    moments : array of datetime64[us], shape (n,), UTC
        The closes of the bars that are there, sorted, at least one.
    last : date
        Last session to expect bars of.
    """
    earliest = moments[0].astype("datetime64[D]").item() - timedelta(days=3)
    days, opens, closes = calendar.stretches(earliest, max(last, earliest))
    plain = Grid(days, _micros(opens), _micros(closes), _length(interval.length))
    if not len(days):
        return plain
    stamps = _micros(moments)
    stretch, _ = plain.locate(stamps)
    inside = stretch >= 0
    if not inside.any():
        return plain
    phase = _commonest((stamps[inside] - plain.opens[stretch[inside]]) % plain.length)
    grid = Grid(days, plain.opens, plain.closes, plain.length, phase, lead=True)
    stretch, turn = grid.locate(stamps)
    used = np.unique(stretch[inside])
    full = (grid.closes - grid.opens - phase) // grid.length
    cut = (grid.closes - grid.opens - phase) % grid.length > 0
    after = np.unique(stretch[inside & (turn > full[stretch])])
    before = np.unique(stretch[inside & (turn == 0)])
    return Grid(
        days,
        plain.opens,
        plain.closes,
        plain.length,
        phase,
        lead=2 * len(before) > len(used),
        tail=2 * len(after) > int(cut[used].sum()),
    )


def _commonest(values: _Micros) -> int:
    found, times = np.unique(values, return_counts=True)
    return int(found[times.argmax()])


def _micros(moments: Moments) -> _Micros:
    return moments.astype("datetime64[us]").astype(np.int64)


def _length(span: timedelta) -> int:
    return int(span / timedelta(microseconds=1))
