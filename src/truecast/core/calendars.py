"""When markets trade: sessions, their closes, and the steps between them.

Every calendar of ``exchange_calendars`` by its code (``XNYS``, ``CMES``, ...), and two of our own:
``24/7``, whose session D ends at D+1 00:00 UTC, and ``FX``, whose sessions Monday to Friday run
from 17:00 New York of the day before to 17:00 New York. The library is imported when the first of
its calendars is used, and a calendar reaches back to 1998 until an older day is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core import clock
from truecast.core.clock import require_utc
from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError

Days = NDArray[np.datetime64]
Moments = NDArray[np.datetime64]

# Sessions are numbered from the first one on or after this day, whatever range is loaded.
_ANCHOR = np.datetime64("1998-01-01", "D")
_EARLIEST = date(1900, 1, 1)
_AHEAD = timedelta(days=366)
#: Days that have those beside them that a look at a moment takes in.
_WITH_NEIGHBOURS = np.array(["0001-01-02", "9999-12-29"], "datetime64[D]")
# exchange_calendars leaves the regular holidays before this day out of its schedules.
_HOLIDAYS_SINCE = date(1970, 1, 1)


@dataclass(frozen=True)
class _Usual:
    """The usual hours: local times by the day from which each holds, and the time zone."""

    zone: str
    closes: tuple[tuple[date | None, time], ...]
    days_after: int = 0

    def moments(self, days: Days) -> Moments:
        """Return the usual close of each day as UTC, DST followed."""
        minutes = np.zeros(len(days), dtype=np.int64)
        for since, at in self.closes:
            later = np.ones(len(days), bool) if since is None else days >= np.datetime64(since, "D")
            minutes[later] = (self.days_after * 24 + at.hour) * 60 + at.minute
        local = days.astype("datetime64[us]") + minutes.astype("timedelta64[m]")
        return _to_utc(local, self.zone)


@dataclass(frozen=True)
class _Table:
    """The sessions of a calendar between two days, in time order."""

    first: date
    last: date
    days: Days
    opens: Moments
    closes: Moments
    #: When each session's lunch break starts and ends, NaT where it has none; None for no breaks.
    breaks: tuple[Moments, Moments] | None = None


@dataclass(frozen=True)
class Calendar:
    """The sessions of one market.

    Get one with :func:`get_calendar`. A session is named by its day; its open and close are
    moments in UTC, with half-days and daylight saving followed. Some markets' calendars are known
    for a range of years only; a question about other days is refused with a
    :class:`~truecast.core.errors.UsageError`, except where a method says otherwise.

    Parameters
    ----------
    name : str
        The calendar's name.
    zone : str
        IANA name of the market's time zone.

    Examples
    --------
    >>> get_calendar("XNYS").close_of(date(2018, 12, 24)).isoformat()
    '2018-12-24T18:00:00+00:00'
    >>> get_calendar("XNYS").offset(date(2018, 12, 4), 1)
    datetime.date(2018, 12, 6)
    """

    name: str
    zone: str
    _usual: _Usual = field(repr=False, compare=False)
    _load: Callable[[date, date], _Table] = field(repr=False, compare=False)
    _bounds: tuple[date, date] = field(repr=False, compare=False)
    # Widened on demand: what is loaded never changes an answer, only what it costs.
    _loaded: list[_Table] = field(default_factory=list, repr=False, compare=False)

    def is_session(self, day: date) -> bool:
        """Say whether the market trades on that day."""
        return self._place(day) is not None

    def sessions(self, start: date, end: date) -> Days:
        """Return the sessions from ``start`` to ``end``, both included.

        Returns
        -------
        array of datetime64[D]
            In time order; empty where the market is closed throughout.
        """
        days = self._known(start, end).days
        first = np.searchsorted(days, np.datetime64(start, "D"))
        stop = np.searchsorted(days, np.datetime64(end, "D"), side="right")
        return days[first:stop].copy()

    def stretches(self, start: date, end: date) -> tuple[Days, Moments, Moments]:
        """Return when the market is open from ``start`` to ``end``, both included.

        Returns
        -------
        days : array of datetime64[D], shape (n,)
            The session of each stretch, in time order. A session with a lunch break is two.
        opens, closes : arrays of datetime64[us], shape (n,), UTC
            Its first and last moment. Outside the years that the calendar knows there are none.
        """
        table = self._table(start, end)
        inside = (table.days >= np.datetime64(start, "D")) & (table.days <= np.datetime64(end, "D"))
        days, opens, closes = table.days[inside], table.opens[inside], table.closes[inside]
        if table.breaks is None:
            return days, opens, closes
        pause, resume = (moments[inside] for moments in table.breaks)
        split = ~np.isnat(pause)
        first_closes = np.where(split, pause, closes)
        all_opens = np.concatenate([opens, resume[split]])
        order = np.argsort(all_opens, kind="stable")
        return (
            np.concatenate([days, days[split]])[order],
            all_opens[order],
            np.concatenate([first_closes, closes[split]])[order],
        )

    def open_of(self, day: date) -> datetime:
        """Return when a session opens, in UTC.

        Raises
        ------
        UsageError
            If the day is not a session.
        """
        return _as_datetime(self._table(day, day).opens[self._require(day)])

    def close_of(self, day: date) -> datetime:
        """Return when a session closes, in UTC.

        Raises
        ------
        UsageError
            If the day is not a session.
        """
        return _as_datetime(self._table(day, day).closes[self._require(day)])

    def closes_of(self, days: Days) -> Moments:
        """Return the close of each day.

        Parameters
        ----------
        days : array of datetime64[D], shape (n,)
            Any days, in any order.

        Returns
        -------
        array of datetime64[us], shape (n,), UTC
            The session's close; for a day that is no session, or lies outside the years that the
            calendar knows, its usual close in local time.
        """
        days = days.astype("datetime64[D]")
        if len(days) == 0:
            return np.empty(0, "datetime64[us]")
        table = self._table(days.min().item(), days.max().item())
        if not len(table.days):
            return self._usual.moments(days)
        place = np.minimum(np.searchsorted(table.days, days), len(table.days) - 1)
        closes, found = table.closes[place], table.days[place] == days
        if not found.all():  # time zones take longer than all the rest
            closes[~found] = self._usual.moments(days[~found])
        return closes

    def are_sessions(self, days: Days) -> NDArray[np.bool_]:
        """Say of each day (datetime64[D]) whether it is a session; outside known years, False."""
        days = days.astype("datetime64[D]")
        if len(days) == 0:
            return np.empty(0, bool)
        return np.isin(days, self._table(days.min().item(), days.max().item()).days)

    def offset(self, day: date, sessions: int) -> date:
        """Return the session that many after ``day``, or before it if negative.

        Parameters
        ----------
        day : date
            Any day. From a day that is no session, +1 is the next session and -1 the last one.
        sessions : int
            How many sessions to move; 0 needs ``day`` to be one.

        Raises
        ------
        UsageError
            If the calendar does not reach that far, or ``day`` is no session and 0 was asked.
        """
        if sessions == 0:
            self._require(day)
            return day
        # Two calendar days a session and a month cover every market's longest closure but wars.
        reach = timedelta(days=2 * abs(sessions) + 30)
        while True:
            first, last = self._clipped(day - reach, day + reach)
            table = self._table(first, last)
            asked = np.datetime64(day, "D")
            if sessions > 0:
                place = int(np.searchsorted(table.days, asked, side="right")) + sessions - 1
            else:
                place = int(np.searchsorted(table.days, asked, side="left")) + sessions
            if 0 <= place < len(table.days):
                found: date = table.days[place].item()
                return found
            if (first, last) == self._bounds:
                raise UsageError(
                    f"calendar {self.name}: no session {sessions:+d} from {day}; "
                    f"it reaches from {first} to {last}"
                )
            reach *= 4

    def ordinals(self, days: Days) -> NDArray[np.int64]:
        """Give each session a number: a difference counts the sessions between two days.

        Parameters
        ----------
        days : array of datetime64[D], shape (n,)
            Any days, in any order.

        Returns
        -------
        array of int64, shape (n,)
            Running number; 0 is the first session of 1998 (or of the calendar, if it starts
            later). A day that is no session has the number of the last session before it.
        """
        days = days.astype("datetime64[D]")
        if len(days) == 0:
            return np.empty(0, dtype=np.int64)
        loaded = self._known(days.min().item(), days.max().item()).days
        origin = np.searchsorted(loaded, _ANCHOR)
        return np.asarray(np.searchsorted(loaded, days, side="right") - 1 - origin, dtype=np.int64)

    def session_of(self, moment: datetime) -> date | None:
        """Return the session during whose open to close the moment lies, or None.

        A moment that ends one session and starts the next belongs to the one that ends, as a
        bar stamped with its close does.
        """
        stamp = np.datetime64(require_utc(moment, "moment").replace(tzinfo=None), "us")
        days, inside = self.locate(np.array([stamp]))
        return days[0].item() if inside[0] else None

    def locate(self, moments: Moments) -> tuple[Days, NDArray[np.bool_]]:
        """Find the session of each moment.

        Parameters
        ----------
        moments : array of datetime64[us], shape (n,), UTC
            Any moments, in any order.

        Returns
        -------
        days : array of datetime64[D], shape (n,)
            The session of :meth:`session_of`; outside any session, the market's local day.
        inside : array of bool, shape (n,)
            Whether the moment lies between the open and the close of a session; False outside
            the years that the calendar knows.
        """
        if len(moments) == 0:
            return np.empty(0, "datetime64[D]"), np.empty(0, bool)
        day = timedelta(days=1)
        ends = np.array([moments.min(), moments.max()]).astype("datetime64[D]")
        first, last = np.clip(ends, *_WITH_NEIGHBOURS)
        table = self._table(first.item() - day, last.item() + 2 * day)
        if len(table.days) == 0:
            return self.local_days(moments), np.zeros(len(moments), bool)
        place = np.searchsorted(table.closes, moments, side="left")
        place = np.minimum(place, len(table.days) - 1)
        inside = (table.opens[place] <= moments) & (moments <= table.closes[place])
        days = table.days[place]
        if not inside.all():
            days[~inside] = self.local_days(moments[~inside])
        return days, np.asarray(inside)

    def local_days(self, moments: Moments) -> Days:
        """Return the market's local day of each moment (datetime64[us], UTC)."""
        local = pl.Series(moments).dt.replace_time_zone("UTC").dt.convert_time_zone(self.zone)
        return local.dt.replace_time_zone(None).to_numpy().astype("datetime64[D]")

    def _place(self, day: date) -> int | None:
        days = self._known(day, day).days
        asked = np.datetime64(day, "D")
        place = int(np.searchsorted(days, asked))
        return place if place < len(days) and days[place] == asked else None

    def _require(self, day: date) -> int:
        place = self._place(day)
        if place is None:
            raise UsageError(
                f"{day} is not a session of {self.name}; the next one is {self.offset(day, 1)}"
            )
        return place

    def _clipped(self, first: date, last: date) -> tuple[date, date]:
        low, high = self._bounds
        return max(first, low), min(last, high)

    def _known(self, first: date, last: date) -> _Table:
        low, high = self._bounds
        if first < low or last > high:
            raise UsageError(
                f"calendar {self.name} is known from {low} to {high}; asked for {first} to {last}"
            )
        return self._table(first, last)

    def _table(self, first: date, last: date) -> _Table:
        """Return sessions that cover two days as far as the calendar reaches."""
        low, high = self._bounds
        first, last = min(max(first, low), high), max(min(last, high), low)
        if self._loaded and self._loaded[0].first <= first and last <= self._loaded[0].last:
            return self._loaded[0]
        start = max(low, min(first, _ANCHOR.item()))
        if start < _ANCHOR.item():
            start = max(low, min(_EARLIEST, start))
        end = min(high, max(last, clock.now().date() + _AHEAD))
        if self._loaded:
            start, end = min(start, self._loaded[0].first), max(end, self._loaded[0].last)
        self._loaded[:] = [self._load(start, end)]
        return self._loaded[0]


@cache
def get_calendar(name: str) -> Calendar:
    """Return a calendar by name.

    Parameters
    ----------
    name : str
        A code of exchange_calendars such as ``XNYS``, or ``24/7``, or ``FX``.

    Raises
    ------
    UnknownNameError
        If there is no such calendar; the message gives the nearest one.
    """
    if name in _OWN:
        usual, weekdays = _OWN[name]
        return Calendar(
            name, usual.zone, usual, lambda a, b: _regular(usual, weekdays, a, b), _WIDEST
        )
    import exchange_calendars as library

    if name not in library.get_calendar_names():
        raise UnknownNameError("calendar", name, {*_OWN, *library.get_calendar_names()})
    return _from_library(name)


_WIDEST = (date(1800, 1, 1), date(2200, 12, 31))
_OWN = {
    "24/7": (_Usual("UTC", ((None, time(0)),), days_after=1), frozenset(range(7))),
    "FX": (_Usual("America/New_York", ((None, time(17)),)), frozenset(range(5))),
}


def _regular(usual: _Usual, weekdays: frozenset[int], first: date, last: date) -> _Table:
    """Lay out sessions that follow one another day by day, with no holiday."""
    days = np.arange(np.datetime64(first, "D"), np.datetime64(last, "D") + 1)
    # 1970-01-01 was a Thursday, weekday 3.
    days = days[np.isin((days.astype(np.int64) + 3) % 7, list(weekdays))]
    opens = usual.moments(days - np.timedelta64(1, "D"))
    return _Table(first, last, days, opens, usual.moments(days))


def _from_library(name: str) -> Calendar:
    from exchange_calendars import get_calendar

    def load(first: date, last: date) -> _Table:
        calendar = get_calendar(name, start=first.isoformat(), end=last.isoformat())
        schedule = calendar.schedule
        if first < _HOLIDAYS_SINCE and calendar.regular_holidays is not None:
            early = calendar.regular_holidays.holidays(first, _HOLIDAYS_SINCE)
            schedule = schedule.drop(index=early, errors="ignore")
        days = schedule.index.to_numpy().astype("datetime64[D]")
        opens, closes, pauses, resumes = (
            schedule[side].dt.tz_localize(None).to_numpy().astype("datetime64[us]")
            for side in ("open", "close", "break_start", "break_end")
        )
        breaks = None if np.isnat(pauses).all() else (pauses, resumes)
        return _Table(first, last, days, opens, closes, breaks)

    # A year that every calendar knows: the hours and the bounds need no more, and cost little.
    sample = get_calendar(name, start="2024-01-01", end="2024-12-31")
    low, high = sample.bound_min(), sample.bound_max()
    bounds = (low.date() if low else _WIDEST[0], high.date() if high else _WIDEST[1])
    closes = tuple((since.date() if since else None, at) for since, at in sample.close_times)
    usual = _Usual(str(sample.tz), closes, int(sample.close_offset))
    return Calendar(name, usual.zone, usual, load, bounds)


def _to_utc(local: Moments, zone: str) -> Moments:
    stamps = pl.Series(local).dt.replace_time_zone(zone, ambiguous="earliest")
    return stamps.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy().copy()


def _as_datetime(moment: np.datetime64) -> datetime:
    value: datetime = moment.astype("datetime64[us]").item()
    return value.replace(tzinfo=UTC)
