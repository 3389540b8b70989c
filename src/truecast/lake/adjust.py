"""Prices adjusted for splits and dividends, as of then.

Prices are stored raw. From the moment an action is known, every bar before its ex-date is read in
the units of after it: a further version of the bar, known when the action is. So whoever reads as
of a moment sees the prices that were quoted then, and no later action reaches back before it was
known.
"""

from itertools import pairwise
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.bars import ACTIONS, PRICES, QUOTES, UTC_TIME

Adjust = Literal["none", "split", "total"]
F64 = NDArray[np.float64]

_QUOTED = tuple(name for name in QUOTES if not name.endswith("size"))
_AMOUNTS = ("volume", "bid_size", "ask_size")
_FIRST, _LAST = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31", "us")


def adjust_bars(versions: pl.DataFrame, actions: pl.DataFrame, how: Adjust) -> pl.DataFrame:
    """Return a series' versions in the units of each moment.

    Parameters
    ----------
    versions : pl.DataFrame
        Rows of ``silver/bars`` for one series, sorted by ``event_time`` and ``version``.
    actions : pl.DataFrame
        Rows of ``silver/actions`` for it.
    how : {"none", "split", "total"}
        For nothing, for splits, or for splits, dividends and capital gains.

    Returns
    -------
    pl.DataFrame
        The versions with those that actions add, numbered anew; and ``scale``, the factor from
        the raw price to the row's.

    Notes
    -----
    A split of r new shares for an old one divides the prices before its ex-date by r and
    multiplies volume and sizes. A dividend of D multiplies prices by 1 − D/C, with C the raw close
    before the ex-date as it was known then, as CRSP and Yahoo do; volume stays. What is paid on one
    day is added up. An amount is for a share of its ex-date: where a split of r comes on the same
    day, C is divided by r first.
    """
    told = _relevant(versions, actions, how)
    if told.is_empty():
        return versions.with_columns(scale=pl.lit(1.0))
    told = told.with_columns(paid=pl.Series(_parts_paid(versions, told)))
    rows = versions.with_columns(until=pl.col("known_at").shift(-1).over("event_time"))
    parts = []
    for start, stop in pairwise([_FIRST, *told["since"].unique().sort().to_numpy(), _LAST]):
        begin, end = _utc(start), _utc(stop)
        # The versions that are the newest of their bar at some time between the two.
        standing = pl.col("until").fill_null(_utc(_LAST)) > begin
        valid = rows.filter(standing, pl.col("known_at") < end)
        prices, amounts = _factors(valid["session"], told.filter(pl.col("since") <= begin))
        parts.append(
            valid.with_columns(
                known_at=pl.max_horizontal("known_at", begin),
                scale=pl.Series(prices),
                amount_scale=pl.Series(amounts),
            )
        )
    return _numbered(pl.concat(parts), versions.columns)


def _relevant(versions: pl.DataFrame, actions: pl.DataFrame, how: Adjust) -> pl.DataFrame:
    """Return the actions that count, with the moment from which each does: its ex-date or later.

    A day begins at midnight UTC, or with its first bar, which in Sydney is known before that.
    """
    kinds = {"none": [], "split": ["split"], "total": list(ACTIONS)}[how]
    told = actions.filter(pl.col("kind").is_in(kinds)).sort("session", "kind", "version")
    if told.is_empty():
        return told
    first = versions.select("session", "known_at").sort("session")
    told = told.join_asof(
        first.select("session", first=pl.col("known_at").cum_min(reverse=True)),
        on="session",
        strategy="forward",
    )
    begins = pl.min_horizontal(pl.col("session").cast(UTC_TIME), "first")
    return told.with_columns(since=pl.max_horizontal("known_at", begins)).drop("first")


def _parts_paid(versions: pl.DataFrame, told: pl.DataFrame) -> F64:
    """Return which part of the close before it each version of an amount pays; 0 of a split."""
    names = ("session", "event_time", "known_at", "close")
    sessions, times, known, closes = (versions[name].to_numpy() for name in names)
    gone = np.zeros(len(versions), bool)
    if "withdrawn" in versions.columns:
        gone = versions["withdrawn"].to_numpy()
    parts = np.zeros(len(told))
    columns = (told[name].to_numpy() for name in ("session", "since", "value"))
    for place, (kind, ex_date, since, value) in enumerate(zip(told["kind"], *columns, strict=True)):
        if kind == "split" or not value > 0:  # taken back
            continue
        row = int(np.searchsorted(sessions, ex_date)) - 1
        while row >= 0 and (known[row] > since or gone[row]):
            # Of a bar that is withdrawn by then, no earlier version counts either.
            row = (row if known[row] > since else int(np.searchsorted(times, times[row]))) - 1
        parts[place] = value / closes[row] if row >= 0 else 0.0
    return parts


def _factors(sessions: pl.Series, told: pl.DataFrame) -> tuple[F64, F64]:
    """Return the factors of prices and of amounts for rows of some sessions."""
    newest = told.sort("session", "kind", "version").unique(["session", "kind"], keep="last")
    ratio = pl.col("value").filter(pl.col("kind") == "split").product()
    days = (
        newest.filter(pl.col("value").is_not_null())
        .group_by("session")
        .agg(ratio.alias("ratio"), pl.col("paid").sum())
        .sort("session")
        .with_columns(left=1 - pl.col("paid") * pl.col("ratio"))
    )
    left = pl.when(pl.col("left").is_finite() & (pl.col("left") > 0)).then("left").otherwise(1.0)
    price = days.select(left / pl.col("ratio")).to_series()
    after = np.searchsorted(days["session"].to_numpy(), sessions.to_numpy(), side="right")
    prices, amounts = (
        np.append(np.cumprod(one.to_numpy()[::-1])[::-1], 1.0)[after]
        for one in (price, days["ratio"])
    )
    return prices, amounts


def _numbered(rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Scale the numbers, drop what says nothing new, and number each bar's versions anew."""
    rows = rows.sort("event_time", "known_at", "version", maintain_order=True)
    same = pl.all_horizontal(
        pl.col(name) == pl.col(name).shift(1).over("event_time")
        for name in ("version", "scale", "amount_scale")
    ).fill_null(value=False)
    kept = rows.filter(~same)
    present = set(columns)
    scaled = kept.with_columns(
        *(pl.col(name) * pl.col("scale") for name in (*PRICES, *_QUOTED) if name in present),
        *(pl.col(name) * pl.col("amount_scale") for name in _AMOUNTS if name in present),
        version=pl.int_range(pl.len()).over("event_time").cast(rows.schema["version"]),
    )
    return scaled.select(*columns, "scale")


def _utc(moment: np.datetime64) -> pl.Expr:
    return pl.lit(moment).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(UTC_TIME)
