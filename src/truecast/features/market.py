"""What one instrument's features are computed from, and the moments of decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.calendars import Calendar
from truecast.core.clock import to_datetime64
from truecast.features.clock import clock_columns
from truecast.features.declaration import CLOCK, Column, FeatureError
from truecast.features.news import Stories
from truecast.lake.history import BarHistory, Moments

_TIMES = ("event_time", "known_at")


class Bars:
    """NumPy columns of a frame of bars, each made at its first use, mostly without a copy.

    Parameters
    ----------
    frame : pl.DataFrame
        Rows of ``silver/bars``.
    calendar : Calendar or None
        Of their market; without it a bar does not know what time it is there.
    """

    def __init__(self, frame: pl.DataFrame, calendar: Calendar | None = None) -> None:
        self._frame = frame
        self.calendar = calendar
        self._columns: dict[str, NDArray[Any]] = {}
        self._source: Bars | None = None
        self._start = 0

    @property
    def frame(self) -> pl.DataFrame:
        """The bars as a frame."""
        return self._frame.slice(self._start) if self._start else self._frame

    def __len__(self) -> int:
        return self._frame.height - self._start

    def after(self, start: int) -> "Bars":
        """Return the bars from a place on, sharing the columns that are already made."""
        later = Bars(self._frame, self.calendar)
        later._source, later._start = self, start
        return later

    def _column(self, name: str) -> NDArray[Any]:
        if name in CLOCK and name not in self._columns:
            self._columns |= self._clock()
        if name not in self._columns:
            source = self._source
            self._columns[name] = (
                self._made(name) if source is None else source._column(name)[self._start :]
            )
        return self._columns[name]

    def _made(self, name: str) -> NDArray[Any]:
        column = self._frame[name].to_numpy()
        if name in _TIMES:
            return column.astype("datetime64[us]", copy=False)
        if column.dtype.kind == "M":
            return column.astype("datetime64[D]").astype(np.float64)
        return column.astype(np.float64, copy=False)

    def _clock(self) -> dict[str, Column]:
        if self.calendar is None:
            raise FeatureError(
                f"features of the time of day ({', '.join(CLOCK)}) need the market's calendar: "
                "none was given"
            )
        days = self.values("session").astype(np.int64).astype("datetime64[D]")
        return clock_columns(self.times("event_time"), days, self.calendar)

    def times(self, name: str) -> Moments:
        """Return ``event_time`` or ``known_at`` as datetime64[us], UTC."""
        return self._column(name)

    def values(self, name: str) -> Column:
        """Return a column of numbers as float64; ``session`` as days since 1970-01-01."""
        return self._column(name)

    @cached_property
    def in_order(self) -> bool:
        """Whether no bar was revised, and none became known after a later one."""
        known = self.times("known_at")
        return not self.values("version").any() and bool((known[1:] >= known[:-1]).all())


@dataclass(frozen=True)
class Decisions:
    """Moments of decision, one a bar, in order.

    An index, a slice or a mask gives Decisions again; a single index gives one decision.

    Parameters
    ----------
    event_time : array of datetime64[us], shape (n,)
        Close of the newest bar that is used, UTC.
    as_of : array of datetime64[us], shape (n,)
        The moment of the decision, UTC.
    session : array of datetime64[D], shape (n,)
        The trading day of the bar.
    """

    event_time: NDArray[np.datetime64]
    as_of: NDArray[np.datetime64]
    session: NDArray[np.datetime64]

    def __len__(self) -> int:
        return len(self.event_time)

    def __getitem__(self, rows: int | slice | NDArray[np.generic]) -> "Decisions":
        if isinstance(rows, int | np.integer):
            place = range(len(self))[rows]
            rows = slice(place, place + 1)
        return Decisions(self.event_time[rows], self.as_of[rows], self.session[rows])

    def since(self, moment: np.datetime64) -> "Decisions":
        """Return the decisions on bars that closed at a moment (UTC) or later."""
        return self[int(np.searchsorted(self.event_time, moment)) :]

    def joined(self, later: "Decisions") -> "Decisions":
        """Return these decisions and later ones."""
        names = ("event_time", "as_of", "session")
        return Decisions(
            *(np.concatenate([getattr(self, name), getattr(later, name)]) for name in names)
        )


@dataclass(frozen=True)
class Market:
    """What one instrument's features are computed from.

    Parameters
    ----------
    symbol : str
        The instrument.
    bars : BarHistory
        Its bars, every version.
    context : mapping of str to BarHistory
        The bars of other series, by symbol.
    decide_after : timedelta
        Time from a bar's close to the decision.
    calendar : Calendar or None
        Of the instrument's market, for features of the time of day.
    news : Stories or None
        What was told, for features of news.
    """

    symbol: str
    bars: BarHistory
    context: Mapping[str, BarHistory] = field(default_factory=dict)
    decide_after: timedelta = timedelta()
    calendar: Calendar | None = None
    news: Stories | None = None

    def history(self, of: str | None) -> BarHistory:
        """Return the bars of a context symbol, or of the instrument for None."""
        return self.bars if of is None else self.context[of]

    def calendar_of(self, of: str | None) -> Calendar | None:
        """Return the calendar by whose hours a series is read: the instrument's own."""
        return self.calendar if of is None else None

    def versions(self, of: str | None) -> Bars:
        """Return all versions of the bars as columns, made once."""
        if of not in self._versions:
            self._versions[of] = Bars(self.history(of).versions, self.calendar_of(of))
        return self._versions[of]

    @cached_property
    def _versions(self) -> dict[str | None, Bars]:
        return {}

    def with_bars(self, bars: BarHistory) -> "Market":
        """Return the market with other bars of the instrument, beside the same context."""
        other = replace(self, bars=bars)
        other._versions.update({of: self.versions(of) for of in self.context})
        return other

    def known_by(self, moment: np.datetime64) -> "Market":
        """Return the market with all versions forgotten that became known after a moment."""
        limit = pl.lit(moment).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")

        def known(history: BarHistory) -> BarHistory:
            return BarHistory(history.versions.filter(pl.col("known_at") <= limit))

        return replace(
            self,
            bars=known(self.bars),
            context={of: known(history) for of, history in self.context.items()},
            news=None if self.news is None else self.news.known_by(moment),
        )

    def decisions(self, as_of: datetime | None = None) -> Decisions:
        """Return the decisions up to a moment.

        Parameters
        ----------
        as_of : datetime or None
            A time-zone-aware moment; None for all.

        Returns
        -------
        Decisions
            One for each bar that is known ``decide_after`` its close, at that moment. A bar that
            became known later than that, or was withdrawn by then, was never decided on.
        """
        bars = self.versions(None)
        first = bars.values("version") == 0
        closes = bars.times("event_time")[first]
        moments = closes + np.timedelta64(self.decide_after)
        kept = (bars.times("known_at")[first] <= moments) & ~self._withdrawn_at(closes, moments)
        if as_of is not None:
            kept &= moments <= to_datetime64(as_of)
        days = bars.values("session")[first].astype("int64").view("datetime64[D]")
        return Decisions(closes[kept], moments[kept], days[kept])

    def _withdrawn_at(self, closes: Moments, moments: Moments) -> NDArray[np.bool_]:
        """Say of each bar whether it had been withdrawn by the moment of its decision."""
        gone = np.zeros(len(closes), bool)
        if not self.bars.undisturbed and "withdrawn" in self.bars.versions.columns:
            bars = Bars(self.bars.versions.filter(pl.col("withdrawn")))
            rows = np.searchsorted(closes, bars.times("event_time"))
            gone[rows[bars.times("known_at") <= moments[rows]]] = True
        return gone
