"""Splits and dividends: every version of every one, none ever changed or removed.

The first version of an action is known when its ex-date's session opens, since prices are quoted
without it from then on. A source that later says another value, or says all that it has of a span
and leaves the action out, makes a further version, known from its receipt on.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from truecast.core.bars import ACTIONS, UTC_TIME
from truecast.core.calendars import get_calendar
from truecast.core.formatting import formatted
from truecast.lake.bars import TOLERANCE, Receipt
from truecast.lake.schemas import SILVER_ACTIONS

KEY = ("session", "kind")
#: The columns that :func:`merge_actions` needs of the versions that are there.
STORED = (*KEY, "value", "version", "known_at")


def check_actions(parsed: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part actions into those that can be and those that cannot.

    Returns
    -------
    pl.DataFrame, pl.DataFrame
        The good ones; and the others as rows for quarantine: ``row``, ``session``, ``event_time``
        (the start of the ex-date, UTC), ``reason``, ``detail``.
    """
    good = pl.col("kind").is_in(ACTIONS) & pl.col("session").is_not_null()
    good &= pl.col("value").is_finite() & (pl.col("value") > 0)
    bad = parsed.filter(~good.fill_null(value=False))
    return parsed.filter(good.fill_null(value=False)), bad.select(
        "row",
        "session",
        event_time=pl.col("session").cast(UTC_TIME),
        reason=pl.lit("impossible_action"),
        detail=formatted("{} of {}", pl.col("kind"), pl.col("value").fill_null(float("nan"))),
    )


def merge_actions(
    parsed: pl.DataFrame,
    stored: pl.DataFrame,
    receipt: Receipt,
    covers: tuple[datetime, datetime] | None = None,
) -> pl.DataFrame:
    """Return the versions that a payload adds, rows of ``silver/actions``.

    Parameters
    ----------
    parsed : pl.DataFrame
        Columns of ``PARSED_ACTIONS``. Several of one kind on one day are one: splits multiply,
        amounts add up.
    stored : pl.DataFrame
        Columns ``STORED`` of the series' versions.
    receipt : Receipt
        What the payload is.
    covers : tuple of two datetimes, or None
        The span of which the payload says all that there is.
    """
    value = pl.when(pl.col("kind") == "split").then("ratio").otherwise("amount")
    mine = (
        parsed.group_by(KEY)
        .agg(
            pl.col("value").product().alias("ratio"),
            pl.col("value").sum().alias("amount"),
            pl.col("known_at").min(),
        )
        .select(*KEY, value=value.cast(pl.Float64), known_at="known_at")
    )
    last = stored.sort("version").unique(KEY, keep="last")
    taken_back = _absent(mine, last, receipt, covers)
    before = last.select(*KEY, pl.col("value", "version", "known_at").name.suffix("_last"))
    joined = pl.concat([mine, taken_back.select(mine.columns)]).join(
        before, on=list(KEY), how="left"
    )
    room = TOLERANCE * pl.max_horizontal(pl.col("value").abs(), pl.col("value_last").abs())
    other = ((pl.col("value") - pl.col("value_last")).abs() > room).fill_null(value=False)
    other |= pl.col("value").is_null() != pl.col("value_last").is_null()
    fresh = pl.col("version_last").is_null()
    changed = joined.filter(fresh | other).sort(KEY)
    if changed.is_empty():
        return pl.DataFrame(schema=SILVER_ACTIONS)
    received = pl.lit(receipt.received_at).cast(UTC_TIME)
    first_known = pl.coalesce("known_at", pl.lit(_openings(changed, receipt)))
    completed = changed.with_columns(
        known_at=pl.when(fresh)
        .then(first_known)
        .otherwise(pl.max_horizontal(pl.coalesce("known_at", received), "known_at_last")),
        basis=pl.when(pl.col("known_at").is_not_null())
        .then(pl.lit("vintage"))
        .when(~fresh | (first_known > received))
        .then(pl.lit("observed"))
        .otherwise(pl.lit("assumed")),
        version=pl.col("version_last").fill_null(-1) + 1,
        received_at=received,
        simulated=pl.lit(receipt.simulated),
        payload=pl.lit(receipt.payload),
        written_at=pl.lit(datetime.now(UTC)),
        **{name: pl.lit(value) for name, value in receipt.series.items()},
    )
    return completed.select(pl.col(name).cast(kind) for name, kind in SILVER_ACTIONS.items())


def _absent(
    mine: pl.DataFrame,
    last: pl.DataFrame,
    receipt: Receipt,
    covers: tuple[datetime, datetime] | None,
) -> pl.DataFrame:
    """Return the actions that are there but not in a payload that says all of their span."""
    gone = last.join(mine, on=list(KEY), how="anti").filter(pl.col("value").is_not_null())
    if covers is None or gone.is_empty():
        return gone.clear()
    opens = _openings(gone, receipt)
    inside = (opens >= covers[0]) & (opens < covers[1])
    return gone.filter(inside).with_columns(
        value=pl.lit(None, pl.Float64), known_at=pl.lit(None, UTC_TIME)
    )


def _openings(actions: pl.DataFrame, receipt: Receipt) -> pl.Series:
    """Return when the session of each ex-date opens: a day before its close, or later."""
    calendar = get_calendar(receipt.instrument.calendar)
    days = actions["session"].to_numpy().astype("datetime64[D]")
    closes = calendar.closes_of(days) - np.timedelta64(timedelta(days=1))
    held = calendar.are_sessions(days)
    opens = [
        calendar.open_of(day.item()).replace(tzinfo=None) if session else None
        for day, session in zip(days, held, strict=True)
    ]
    exact = pl.Series(opens, dtype=pl.Datetime("us"))
    usual = pl.Series(closes).dt.cast_time_unit("us")
    return exact.zip_with(exact.is_not_null(), usual).dt.replace_time_zone("UTC")
