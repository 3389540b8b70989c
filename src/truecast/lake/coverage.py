"""Which bars are there, which should be, and which of those are not.

Of a source that goes on, every bar is expected whose publication is due; of one that has ended,
those up to its last. The calendar says when the market is open
(:mod:`truecast.lake.expected`), :mod:`truecast.lake.causes` why a bar is absent. Nothing is
filled in.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.bars import UTC_TIME
from truecast.core.calendars import Calendar
from truecast.core.clock import now, to_datetime64
from truecast.core.interval import Interval
from truecast.lake.causes import CAUSES, NO_TRADE, Evidence, find_causes, moments
from truecast.lake.expected import Grid, Places, daily_grid, intraday_grid

#: Runs of absent bars with one cause, in time order: close of the first and the last of them, how
#: many bars and sessions, and of what is in quarantine the reason.
SPANS: dict[str, pl.DataType] = {
    "first": UTC_TIME,
    "last": UTC_TIME,
    "bars": pl.Int64(),
    "sessions": pl.Int64(),
    "cause": pl.String(),
    "reason": pl.String(),
}


@dataclass(frozen=True)
class Coverage:
    """The bars of a series beside those that its calendar lets expect.

    Parameters
    ----------
    expected : int
        Bars from the first that is there to the last that should be.
    absent : dict of str to int
        Cause to the number of bars that are not there, the commonest first.
    spans : pl.DataFrame
        Columns of :data:`SPANS`.
    months : pl.DataFrame
        ``month`` (its first day), ``expected`` and ``absent``, in time order.
    due : datetime or None
        Close of the last bar that should be there; None where none is expected.
    overdue : int
        Bars after the last one that is there, but for those that did not trade.
    off_session : pl.DataFrame
        Bars outside every session: ``session``, ``event_time``, ``close``, in time order.
    """

    expected: int
    absent: dict[str, int]
    spans: pl.DataFrame
    months: pl.DataFrame
    due: datetime | None
    overdue: int
    off_session: pl.DataFrame


def cover(
    versions: pl.DataFrame,
    calendar: Calendar,
    interval: Interval,
    evidence: Evidence,
) -> Coverage:
    """Hold a series against its calendar.

    Parameters
    ----------
    versions : pl.DataFrame
        Rows of ``silver/bars`` of one series, at least one, sorted by ``event_time`` and
        ``version``; read are ``session``, ``event_time``, ``close``, ``flags`` and ``payload``.
    calendar : Calendar
        When its market is open.
    interval : Interval
        Length of its bars.
    evidence : Evidence
        How it was asked for.
    """
    bars = versions.unique("event_time", keep="last", maintain_order=True)
    outside = bars["flags"].list.contains("off_session").fill_null(value=False)
    grid = _grid(bars, calendar, interval)
    places = _places(grid, bars, interval)
    places = places[places >= 0]
    odd = bars.filter(outside).select("session", "event_time", "close")
    if not len(places):
        return Coverage(0, {}, _no_spans(), _no_months(), None, 0, odd)
    first, last = int(places.min()), int(places.max())
    if evidence.live:
        last = max(last, grid.closed_by(to_datetime64(now() - evidence.delay)) - 1)
    there = np.zeros(last + 1, bool)
    there[places] = True
    absent = first + np.flatnonzero(~there[first:])
    causes, reasons = find_causes(grid, absent, versions["payload"].unique(), evidence)
    late = (absent > places.max()) & (causes != NO_TRADE)
    return Coverage(
        expected=last + 1 - first,
        absent=_counted(causes),
        spans=_merged(grid, absent, causes, reasons),
        months=_months(grid, first, last, absent),
        due=_utc(grid.spans(np.array([last]))[1])[0],
        overdue=int(late.sum()),
        off_session=odd,
    )


def _grid(bars: pl.DataFrame, calendar: Calendar, interval: Interval) -> Grid:
    """Lay out the bars to expect, a little further than any of them can be due."""
    sessions = bars["session"].to_numpy().astype("datetime64[D]")
    last: date = max(sessions.max().item(), now().date() + timedelta(days=2))
    if interval.is_daily:
        return daily_grid(calendar, sessions.min().item(), last)
    return intraday_grid(calendar, interval, moments(bars["event_time"]), last)


def _places(grid: Grid, bars: pl.DataFrame, interval: Interval) -> Places:
    if interval.is_daily:
        return grid.places_of_sessions(bars["session"].to_numpy().astype("datetime64[D]"))
    return grid.places(moments(bars["event_time"]))


def _merged(
    grid: Grid, absent: Places, causes: NDArray[np.int64], reasons: pl.Series
) -> pl.DataFrame:
    """Merge absent bars that follow one another and have one cause."""
    if not len(absent):
        return _no_spans()
    kinds = reasons.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    turns = (np.diff(absent) != 1) | (np.diff(causes) != 0) | (np.diff(kinds) != 0)
    begins = np.concatenate([[0], np.flatnonzero(turns) + 1])
    ends = np.concatenate([begins[1:] - 1, [len(absent) - 1]])
    stretches = grid.stretches(absent)
    sessions = np.cumsum(np.append(False, grid.days[1:] != grid.days[:-1]))[stretches]
    closes = grid.spans(absent)[1]
    return pl.DataFrame(
        {
            "first": _utc(closes[begins]),
            "last": _utc(closes[ends]),
            "bars": ends - begins + 1,
            "sessions": sessions[ends] - sessions[begins] + 1,
            "cause": np.array(CAUSES)[causes[begins]],
            "reason": reasons.gather(begins),
        },
        schema=SPANS,
    )


def _months(grid: Grid, first: int, last: int, absent: Places) -> pl.DataFrame:
    """Count expected and absent bars by the month of their session."""
    spots = np.arange(len(grid.days))
    numbers = np.cumsum(grid.counts)
    begins = numbers - grid.counts
    expected = np.clip(np.minimum(numbers, last + 1) - np.maximum(begins, first), 0, None)
    missing = np.bincount(grid.stretches(absent), minlength=len(spots))
    counted = pl.DataFrame(
        {
            "month": pl.Series(grid.days.astype("datetime64[M]").astype("datetime64[D]")),
            "expected": expected,
            "absent": missing,
        }
    )
    held = counted.filter(pl.col("expected") > 0)
    return held.group_by("month", maintain_order=True).agg(pl.col("expected", "absent").sum())


def _counted(causes: NDArray[np.int64]) -> dict[str, int]:
    counts = np.bincount(causes, minlength=len(CAUSES))
    found = {name: int(n) for name, n in zip(CAUSES, counts, strict=True) if n}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _no_spans() -> pl.DataFrame:
    return pl.DataFrame(schema=SPANS)


def _no_months() -> pl.DataFrame:
    return pl.DataFrame(schema={"month": pl.Date, "expected": pl.Int64, "absent": pl.Int64})


def _utc(moments: NDArray[np.datetime64]) -> pl.Series:
    return pl.Series(moments).dt.cast_time_unit("us").dt.replace_time_zone("UTC")
