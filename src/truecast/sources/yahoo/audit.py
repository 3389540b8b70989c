"""Write down what a rule changed in a table of Yahoo's prices."""

from typing import Final

import polars as pl

from truecast.core.bars import PARSED_REPAIRS
from truecast.core.formatting import formatted
from truecast.sources.yahoo.rows import NUMBERS

# Below this part a difference is what multiplying and dividing leaves in a float.
_ROUNDING: Final = 1e-9
# Adjusted closes that changed by factors within this part of each other changed by the same one.
_SAME_FACTOR: Final = 1e-6
_KEYS: Final = ("row", "session", "event_time")


def differs(name: str, before: pl.Expr, after: pl.Expr) -> pl.Expr:
    """Whether a number changed by more than rounding; volumes by more than half a share."""
    room = _ROUNDING * pl.max_horizontal(before.abs(), after.abs())
    # An infinity's room is infinite; equality decides there.
    change = (before - after).abs().fill_nan(None)
    room = pl.max_horizontal(room, pl.lit(0.5)) if name == "volume" else room
    either = (before.is_finite() != after.is_finite()).fill_null(value=False)
    return (change > room).fill_null(value=False) | either | (before.is_null() != after.is_null())


def list_repairs(before: pl.DataFrame, after: pl.DataFrame, rule: str) -> pl.DataFrame:
    """List the numbers that differ between two tables.

    Parameters
    ----------
    before, after : pl.DataFrame
        Columns of ``YAHOO_ROWS``, row by row the same bars, sorted by ``event_time``.
    rule : str
        Name of the rule that made one of the other.

    Returns
    -------
    pl.DataFrame
        Columns of ``PARSED_REPAIRS``. ``adj_close`` follows from all that comes later, so one
        row stands for each run of bars in which it changed by one factor: the run's last bar.
    """
    parts = [pl.DataFrame(schema=PARSED_REPAIRS)]
    for name in NUMBERS:
        both = before.select(*_KEYS, original=name).with_columns(repaired=after[name])
        changes = both.with_columns(changed=differs(name, pl.col("original"), pl.col("repaired")))
        listed = _runs(changes) if name == "adj_close" else changes.filter("changed")
        if len(listed):
            parts.append(_as_repairs(listed, name, rule))
    return pl.concat(parts).sort("event_time", "field")


def _runs(changes: pl.DataFrame) -> pl.DataFrame:
    factor = (pl.col("repaired") / pl.col("original")).fill_nan(None)
    before = pl.col("factor").shift(1)
    same = (pl.col("factor") - before).abs() <= _SAME_FACTOR * pl.col("factor").abs()
    starts = ~(same & pl.col("changed").shift(1)).fill_null(value=False)
    return (
        changes.with_columns(factor=factor)
        .with_columns(run=starts.cum_sum())
        .filter("changed")
        .group_by("run", maintain_order=True)
        .agg(
            pl.col(*_KEYS, "original", "repaired", "factor").last(),
            count=pl.len(),
            since=pl.col("session").first(),
        )
        .with_columns(
            detail=formatted("{} bars since {}, times {}", "count", "since", pl.col("factor"))
        )
    )


def _as_repairs(listed: pl.DataFrame, field: str, rule: str) -> pl.DataFrame:
    named = listed.with_columns(field=pl.lit(field), repair=pl.lit(rule))
    return named.select(
        pl.col(name).cast(kind) if name in named.columns else pl.lit("").alias(name)
        for name, kind in PARSED_REPAIRS.items()
    )
