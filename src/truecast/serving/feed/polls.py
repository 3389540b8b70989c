"""When a source is asked for what is new: bars when the next one is due, articles every so often.

What a :class:`Polled` knows of its source it has from the lake, so a process that begins finds
out what it missed. What fails, or brings nothing although it is due, is asked for again after a
wait that doubles.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol

import numpy as np

from truecast.core.calendars import Calendar, get_calendar
from truecast.core.clock import now, to_datetime64, to_utc
from truecast.core.errors import TruecastError
from truecast.core.interval import Interval
from truecast.lake.lake import Lake
from truecast.sources.base import NewsSource, Source

_log = logging.getLogger(__name__)

#: How often sources of news are asked, where they do not say themselves what is next.
_NEWS_EVERY = {"alphavantage": timedelta(hours=1), "files": timedelta(seconds=2)}
_NEWS_USUALLY = timedelta(minutes=1)
#: Further than any market is closed.
_AHEAD = timedelta(days=30)
_DAY = timedelta(days=1)
_SOONEST, _LATEST = timedelta(seconds=1), timedelta(minutes=15)


def next_close(calendar: Calendar, interval: Interval, after: datetime) -> datetime:
    """Return when the first bar closes after another one has.

    Parameters
    ----------
    calendar : Calendar
        Whose sessions the bars have.
    interval : Interval
        Their length.
    after : datetime
        The close of a bar, or any moment.

    Notes
    -----
    Vendors begin a session's bars at its opening or at the whole hour: the earlier one is meant.

    Examples
    --------
    >>> from datetime import UTC
    >>> nyse, friday = get_calendar("XNYS"), datetime(2018, 12, 28, 21, tzinfo=UTC)
    >>> next_close(nyse, Interval("1d"), friday).isoformat()
    '2018-12-31T21:00:00+00:00'
    >>> next_close(nyse, Interval("5m"), friday).isoformat()
    '2018-12-31T14:35:00+00:00'
    """
    first, last = (after - 3 * _DAY).date(), (after + _AHEAD).date()
    if interval.is_daily:
        closes = calendar.closes_of(calendar.sessions(first, last))
        return to_utc(closes[np.searchsorted(closes, to_datetime64(after), side="right")])
    _, opens, ends = calendar.stretches(first, last)
    place = int(np.searchsorted(ends, to_datetime64(after), side="right"))
    begin, end = to_utc(opens[place]), to_utc(ends[place])
    if after > begin:
        return min(after + interval.length, end)
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    whole = interval.length - (begin - midnight) % interval.length
    return min(begin + whole, end)


class What(Protocol):
    """Something that a source is asked for."""

    @property
    def key(self) -> tuple[str, ...]:
        """Its name: the source's first."""
        ...

    @property
    def pace(self) -> timedelta:
        """How often something new comes, about."""
        ...

    def due(self, lake: Lake) -> datetime:
        """Return from when on there is something that the lake does not have."""
        ...

    def take_in(self, lake: Lake) -> bool:
        """Ask for it; say whether there was anything new."""
        ...


@dataclass(frozen=True)
class Bars:
    """One series of bars.

    Parameters
    ----------
    source : Source
        Whom to ask.
    configured : str
        Kind and options of the source: one of the same name may read a symbol otherwise.
    symbol, interval : str, Interval
        For what.
    start : date or None
        Where a backfill begins.
    """

    source: Source
    configured: str
    symbol: str
    interval: Interval
    start: date | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Source, instrument and interval."""
        return self.source.name, self.symbol, str(self.interval)

    @property
    def pace(self) -> timedelta:
        """The length of a bar."""
        return self.interval.length

    def due(self, lake: Lake) -> datetime:
        """Return when the bar after the last one becomes known; now, where there is none."""
        return self.due_after(lake.last_close(*self.series))

    @property
    def series(self) -> tuple[str, str, Interval]:
        """The series, as the lake names it."""
        return self.source.name, self.symbol, self.interval

    def due_after(self, last: datetime | None) -> datetime:
        """Return when the bar after one that closed then becomes known; now for None."""
        if last is None:
            return now()
        instrument = self.source.instrument(self.symbol)
        close = next_close(get_calendar(instrument.calendar), self.interval, last)
        return close + instrument.publication_delay

    def take_in(self, lake: Lake) -> bool:
        """Ask for the bars since the last one."""
        summary = lake.ingest(self.source, self.symbol, self.interval, start=self.start)
        return bool(summary.added or summary.revised)


class Articles:
    """The articles of one source.

    Parameters
    ----------
    source : NewsSource
        Whom to ask.
    kind : str
        The source's name in a recipe.
    """

    def __init__(self, source: NewsSource, kind: str) -> None:
        self.source, self._kind = source, kind
        self._asked = float("-inf")
        self._stamp: Any = None

    @property
    def key(self) -> tuple[str, ...]:
        """The source."""
        return (self.source.name,)

    @property
    def pace(self) -> timedelta:
        """How often it is asked."""
        return _NEWS_EVERY.get(self._kind, _NEWS_USUALLY)

    def due(self, lake: Lake) -> datetime:
        """Return when the next article is known, where the source tells; else the next turn."""
        expected = getattr(self.source, "next_known", None)
        if expected is not None:
            windows = lake.articles.windows(self.source.name)
            found: datetime = expected(windows[-1][1] if windows else None)
            return found
        waited = timedelta(seconds=min(time.monotonic() - self._asked, 1e6))
        return now() + max(self.pace - waited, timedelta())

    def take_in(self, lake: Lake) -> bool:
        """Ask for what was not taken in; files only if they have changed."""
        self._asked = time.monotonic()
        stamp = getattr(self.source, "stamp", None)
        if stamp is not None and (found := stamp()) == self._stamp:
            return False
        summary = lake.ingest_news(self.source)
        if stamp is not None:
            self._stamp = found
        return bool(summary.added or summary.revised)


@dataclass(eq=False)
class Polled:
    """One thing that is polled, and how that went.

    Parameters
    ----------
    what : What
        The thing.
    """

    what: What
    due_at: datetime = field(default_factory=now)
    next_at: datetime = field(default_factory=now)
    tries: int = 0
    polls: int = 0
    error: str | None = None
    failing_since: datetime | None = None
    _done: threading.Condition = field(default_factory=threading.Condition)

    def look(self, lake: Lake) -> None:
        """Find out from the lake when something is due.

        Raises
        ------
        LakeError
            If the lake cannot be read.
        """
        due = self.what.due(lake)
        if due != self.due_at:
            self.due_at, self.tries = due, 0
            self.next_at = due if self.error is None else max(self.next_at, due)

    def poll(self, lake: Lake) -> bool:
        """Ask the source now; say whether there was anything new. What goes wrong is kept."""
        try:
            new = self.what.take_in(lake)
            return self.heard(new, self.what.due(lake))
        except Exception as error:  # noqa: BLE001 - see ``failed``
            return self.failed(error)

    def heard(self, new: bool, due: datetime) -> bool:
        """Take note of what the source said, and of when there is more; return whether new."""
        self.error = self.failing_since = None
        self._wait_until(due)
        return new

    def failed(self, error: Exception) -> bool:
        """Take note that it could not be had; return that there was nothing new."""
        said = str(error)
        if not isinstance(error, TruecastError):
            # What a source never foresaw must not end the polling of all the others.
            _log.error("%s", " ".join(self.what.key), exc_info=error)
            said = f"{type(error).__name__}: {error}"
        self.error, self.failing_since = said, self.failing_since or now()
        self._wait_until(self.due_at, getattr(error, "retry_after", None))
        return False

    def _wait_until(self, due: datetime, asked_to_wait: timedelta | None = None) -> None:
        moment = now()
        if due > moment:
            self.tries, self.next_at = 0, due
        else:
            self.tries += 1
            self.next_at = moment + max(self._backoff, asked_to_wait or timedelta())
        with self._done:
            self.due_at = due
            self.polls += 1
            self._done.notify_all()

    def wait(self, polls: int, seconds: float) -> bool:
        """Wait until it has been polled more than so many times; say whether it has."""
        with self._done:
            return self._done.wait_for(lambda: self.polls > polls, seconds)

    def trouble(self, moment: datetime) -> str | None:
        """Say in words what is amiss: it fails, or what is due does not come."""
        name = " ".join(self.what.key)
        if self.error is not None:
            since = "" if self.failing_since is None else f" since {_shown(self.failing_since)}"
            return f"{name}: cannot be had{since}: {self.error}; the next try is at " + _shown(
                self.next_at
            )
        if moment - self.due_at > min(max(self.what.pace, 60 * _SOONEST), 4 * _LATEST):
            return (
                f"{name}: what was due at {_shown(self.due_at)} has not come; the next try is at "
                + _shown(self.next_at)
            )
        return None

    @property
    def _backoff(self) -> timedelta:
        pace = self.what.pace
        first = min(max(pace / 60, _SOONEST), 60 * _SOONEST)
        most = min(max(pace / 4, 5 * _SOONEST), _LATEST)
        wait: timedelta = min(first * 2 ** min(self.tries - 1, 20), most)
        return wait


def next_asked(polled: Iterable[Polled]) -> list[Polled]:
    """Choose whom to ask now, of what is due: who waits longest comes first.

    What failed when it was last asked may take its whole timeout again, for which what has come of
    others would wait: it is asked alone, when nothing else is due.
    """
    moment = now()
    due = sorted((one for one in polled if one.next_at <= moment), key=lambda one: one.next_at)
    return [one for one in due if one.error is None] or due[:1]


def poll_all(polled: Sequence[Polled], lake: Lake) -> bool:
    """Ask for several things now; what a source, configured alike, has of them is one write.

    Returns
    -------
    bool
        Whether there was anything new. Series for which there was no time are as they were: they
        are due still.
    """
    new, series = False, defaultdict(list)
    for one in polled:
        if isinstance(one.what, Bars):
            series[one.what.configured, one.what.interval, one.what.start].append(one)
        else:
            new |= one.poll(lake)
    for some in series.values():
        new |= some[0].poll(lake) if len(some) == 1 else _poll_series(some, lake)
    return new


def _poll_series(polled: Sequence[Polled], lake: Lake) -> bool:
    asked = {one.what.symbol: (one, one.what) for one in polled if isinstance(one.what, Bars)}
    _, first = next(iter(asked.values()))
    try:
        found = lake.ingest_newest(first.source, [*asked], first.interval, start=first.start)
        last = lake.last_closes()
    except Exception as error:  # noqa: BLE001 - see ``Polled.failed``
        for one in polled:
            one.failed(error)
        return False
    new = False
    for symbol, outcome in found.items():
        one, what = asked[symbol]
        if isinstance(outcome, Exception):
            one.failed(outcome)
            continue
        came = bool(outcome.added or outcome.revised)
        new |= came
        try:
            due = what.due_after(last.get(what.key))
        except Exception as error:  # noqa: BLE001 - see ``Polled.failed``
            one.failed(error)
        else:
            one.heard(came, due)
    return new


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
