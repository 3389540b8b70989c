"""Silver bars: every version of every bar, none ever changed or removed.

A bar that is new gets version 0, known at its close plus the publication delay. A bar that comes
with other numbers than its last version gets the next one, known from its receipt on. A payload
that says itself when each row became known (vintages) may bring several versions of a bar. All
that a payload adds is one commit; a payload that says nothing new adds nothing.

``basis`` says how ``known_at`` is known: ``vintage`` (the payload says so), ``observed`` (the row
came before the next bar's close from a live source, or is a revision, known from its receipt on)
or ``assumed`` (a backfill: the close plus the publication delay).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

from truecast.core.bars import UTC_TIME
from truecast.core.calendars import get_calendar
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.contracts import VALUES
from truecast.lake.schemas import SILVER_BARS

#: Numbers that differ by no more than this part of the larger one are the same.
TOLERANCE = 1e-6

#: The columns that :func:`merge_bars` needs of the versions that are there.
STORED = ("event_time", "version", "known_at", *VALUES)


@dataclass(frozen=True)
class Receipt:
    """What a batch of bars is, and how it came.

    Parameters
    ----------
    source, interval : str, Interval
        Effective name of the source, and the length of the bars.
    instrument : Instrument
        Whose bars they are.
    payload : str
        SHA-256 of the payload.
    received_at : datetime
        When it arrived, UTC.
    simulated, live : bool
        What the source says of itself.
    """

    source: str
    interval: Interval
    instrument: Instrument
    payload: str
    received_at: datetime
    simulated: bool
    live: bool

    @property
    def series(self) -> dict[str, str]:
        """The series that the bars belong to, as the values of silver's key columns."""
        return {
            "source": self.source,
            "instrument": self.instrument.symbol,
            "interval": str(self.interval),
        }

    @property
    def key(self) -> str:
        """The series in one word: what writers of the same series get in each other's way by."""
        return " ".join(self.series.values())


@dataclass(frozen=True)
class Merge:
    """What a batch adds to the versions that are there.

    Parameters
    ----------
    rows : pl.DataFrame
        New rows of ``silver/bars``, sorted by ``event_time`` and ``version``.
    late : pl.DataFrame
        Vintages older than a version that is there: they would rewrite what was known.
    unchanged : int
        Rows that say what is there already.
    """

    rows: pl.DataFrame
    late: pl.DataFrame
    unchanged: int

    @property
    def added(self) -> int:
        """Bars that were not there."""
        return int((self.rows["version"] == 0).sum())

    @property
    def revised(self) -> int:
        """Further versions of bars."""
        return len(self.rows) - self.added


def merge_bars(bars: pl.DataFrame, stored: pl.DataFrame, receipt: Receipt) -> Merge:
    """Find what a batch adds to the stored versions.

    Parameters
    ----------
    bars : pl.DataFrame
        Rows that passed the contracts: one a bar, or one a bar and ``known_at``.
    stored : pl.DataFrame
        Columns ``STORED`` of the series' versions.
    receipt : Receipt
        What the batch is.
    """
    rest, late = _part_vintages(bars, stored)
    last = _last_versions(stored)
    added = [pl.DataFrame(schema=SILVER_BARS)]
    for batch in _rounds(rest):
        if len(added[-1]):
            last = _last_versions(pl.concat([last, added[-1].select(STORED)]))
        added.append(_next_versions(batch, last, receipt))
    rows = pl.concat(part for part in added if len(part)) if any(map(len, added)) else added[0]
    return Merge(
        rows=rows if _rises(rows["event_time"]) else rows.sort("event_time", "version"),
        late=late,
        unchanged=len(bars) - len(late) - len(rows),
    )


def _last_versions(stored: pl.DataFrame) -> pl.DataFrame:
    """Return the last version of each bar."""
    if _rises(stored["event_time"]):
        return stored
    return stored.sort("event_time", "version").unique(
        "event_time", keep="last", maintain_order=True
    )


def _rises(moments: pl.Series) -> bool:
    """Say whether each moment is later than the one before: then no bar is there twice.

    Bars come and lie in the order of time, nearly always, and this costs a hundredth of sorting.
    """
    return bool((moments.diff().dt.total_microseconds() > 0).all())


def _rounds(bars: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the first row of each bar, then the second vintage of each, and so on."""
    if _rises(bars["event_time"]) or not bars["event_time"].is_duplicated().any():
        yield bars
        return
    turns = bars.with_columns(turn=pl.int_range(pl.len()).over("event_time"))
    for turn in range(turns["turn"].n_unique()):
        yield turns.filter(pl.col("turn") == turn).drop("turn")


def _part_vintages(bars: pl.DataFrame, stored: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out vintages that are there already, and part off those that come too late."""
    if stored.is_empty() or not bars["known_at"].is_not_null().any():
        return bars, bars.clear()
    values = _carried(bars, stored)
    before = stored.sort("known_at", "version").select(
        "event_time", "known_at", pl.col(values).name.suffix("_then")
    )
    latest = stored.group_by("event_time").agg(latest=pl.col("known_at").max())
    joined = (
        bars.sort("known_at")
        .join_asof(
            before,
            on="known_at",
            by="event_time",
            strategy="backward",
            check_sortedness=False,
        )
        .join(latest, on="event_time", how="left")
        .with_columns(older=(pl.col("known_at") < pl.col("latest")).fill_null(value=False))
    )
    same = pl.col("close_then").is_not_null() & ~_differs(values, "_then")
    kept = joined.filter(~(pl.col("older") & same)).sort("event_time", "known_at")
    return (
        kept.filter(~pl.col("older")).select(bars.columns),
        kept.filter(pl.col("older")).select(bars.columns),
    )


def _next_versions(bars: pl.DataFrame, last: pl.DataFrame, receipt: Receipt) -> pl.DataFrame:
    """Return silver's rows for the bars that are new or differ from their last version."""
    changed = _joined(bars, last)
    if changed.is_empty():
        return pl.DataFrame(schema=SILVER_BARS)
    fresh = pl.col("version_last").is_null()
    first_known = pl.col("event_time") + receipt.instrument.publication_delay
    received = pl.lit(receipt.received_at).cast(UTC_TIME)
    # Later versions never become known before earlier ones, whatever the clocks said.
    later_known = pl.max_horizontal(pl.coalesce("known_at", received), "known_at_last")
    observed = received < pl.lit(_next_closes(changed, receipt)) if receipt.live else pl.lit(False)
    basis = (
        pl.when(pl.col("known_at").is_not_null())
        .then(pl.lit("vintage"))
        .when(~fresh | observed)
        .then(pl.lit("observed"))
        .otherwise(pl.lit("assumed"))
    )
    completed = changed.with_columns(
        known_at=pl.when(fresh).then(pl.coalesce("known_at", first_known)).otherwise(later_known),
        basis=basis,
        received_at=received,
        version=pl.col("version_last").fill_null(-1) + 1,
        adjustment=pl.lit(receipt.instrument.adjustment),
        simulated=pl.lit(receipt.simulated),
        payload=pl.lit(receipt.payload),
        written_at=pl.lit(datetime.now(UTC)),
        **{name: pl.lit(value) for name, value in receipt.series.items()},
    )
    return completed.select(pl.col(name).cast(kind) for name, kind in SILVER_BARS.items())


def _joined(bars: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """Return the bars that are new or differ, with ``version_last`` and ``known_at_last``."""
    if last.is_empty():
        return bars.with_columns(
            version_last=pl.lit(None, pl.Int32), known_at_last=pl.lit(None, UTC_TIME)
        )
    values = _carried(bars, last)
    before = last.select("event_time", pl.col("version", "known_at", *values).name.suffix("_last"))
    joined = bars.join(before, on="event_time", how="left", maintain_order="left")
    return joined.filter(pl.col("version_last").is_null() | _differs(values, "_last"))


def _carried(*frames: pl.DataFrame) -> list[str]:
    """Return the numbers that any of the frames has at all; the others cannot differ."""
    return [
        name
        for name in VALUES
        if name == "close" or any(frame[name].null_count() < len(frame) for frame in frames)
    ]


def _differs(values: Iterable[str], suffix: str) -> pl.Expr:
    """Whether any number differs from the one in the column of that suffix."""
    changes = []
    for name in values:
        mine, other = pl.col(name), pl.col(name + suffix)
        room = TOLERANCE * pl.max_horizontal(mine.abs(), other.abs())
        changes.append((mine - other).abs() > room)
        changes.append(mine.is_null() != other.is_null())
    return pl.any_horizontal(*(change.fill_null(value=False) for change in changes))


def _next_closes(bars: pl.DataFrame, receipt: Receipt) -> pl.Series:
    """Return when the bar after each one closes."""
    if not receipt.interval.is_daily:
        return bars["event_time"] + receipt.interval.length
    calendar = get_calendar(receipt.instrument.calendar)
    days = bars["session"].to_numpy().astype("datetime64[D]")
    last = calendar.offset(days.max().item(), 1)
    sessions = calendar.sessions(days.min().item(), last)
    following = sessions[np.searchsorted(sessions, days, side="right")]
    closes = pl.Series(calendar.closes_of(following))
    return closes.dt.cast_time_unit("us").dt.replace_time_zone("UTC")
