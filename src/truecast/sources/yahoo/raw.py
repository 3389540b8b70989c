"""Undo Yahoo's adjustment for later splits: prices as they were traded, actions as they were.

A raw price is Yahoo's times the product of all splits of later sessions, a raw volume Yahoo's
over that product. A dividend is adjusted like the prices of its session, so its raw amount is too
times the product. ``adj_close`` is left out: it follows from closes, splits and dividends, by
``1 - dividend / close of the session before`` for each dividend that is still to come.
"""

from typing import Final

import polars as pl

from truecast.core.bars import PARSED_ACTIONS, PRICES
from truecast.sources.frames import as_parsed
from truecast.sources.yahoo.rows import no_action

_KINDS: Final = ("split", "dividend", "capital_gain")


def to_raw(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part Yahoo's rows into raw bars and the actions that adjust them.

    Parameters
    ----------
    rows : pl.DataFrame
        Columns of :data:`truecast.sources.yahoo.rows.YAHOO_ROWS`, in any order of time.

    Returns
    -------
    pl.DataFrame
        Columns of ``PARSED_BARS``, in the same order.
    pl.DataFrame
        Columns of ``PARSED_ACTIONS``, by session, each action once.

    Notes
    -----
    Only splits in the rows are undone: what was split after the last row is not known here.
    """
    shares = rows.join(_later_shares(rows), on="session", how="left", maintain_order="left")
    later = pl.col("shares").fill_null(1.0)
    raw = shares.with_columns(
        *(pl.col(name) * later for name in (*PRICES, "dividend", "capital_gain")),
        volume=pl.col("volume") / later,
    )
    return as_parsed(raw), _actions(raw)


def _later_shares(rows: pl.DataFrame) -> pl.DataFrame:
    """Return for each session how many shares of today one share of then has become."""
    splits = rows.filter(~no_action("split")).select("session", "split").unique()
    ratios = splits.group_by("session").agg(ratio=pl.col("split").product())
    return (
        rows.select("session")
        .unique()
        .drop_nulls()
        .join(ratios, on="session", how="left")
        .sort("session", descending=True)
        .select("session", shares=pl.col("ratio").fill_null(1.0).cum_prod().shift(1, fill_value=1))
    )


def _actions(raw: pl.DataFrame) -> pl.DataFrame:
    parts = [
        raw.filter(~no_action(kind) & pl.col("session").is_not_null()).select(
            "row",
            "session",
            known_at=pl.lit(None, dtype=PARSED_ACTIONS["known_at"]),
            kind=pl.lit(kind),
            value=kind,
        )
        for kind in _KINDS
    ]
    once = pl.concat(parts).unique(["session", "kind", "value"], keep="first")
    return once.sort("session", "kind", "row").cast(PARSED_ACTIONS)  # type: ignore[arg-type]
