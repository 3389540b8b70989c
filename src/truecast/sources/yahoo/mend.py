"""Correct what Yahoo is known to get wrong, with a record of every number that changed.

A table is asked by its own numbers which rules it needs, in the order in which yfinance runs
them: dividends first, since the other rules read the adjusted close; then units, splits and
capital gains. The rules are the library's (:mod:`.offline`). What is ours is when they run:

- dividends are checked in daily tables alone: Yahoo does not adjust intraday prices for them;
- runs of bars in another unit are mended unless the table has dividends and goes back and forth
  between the units: then nothing in it says in which unit each dividend is. Where the
  unit changes once, that of the last bars is taken for the right one, so they must have had it
  for a while, or one bad bar at the end would turn all that came before it. The check
  ``unit_jump`` still finds such prices when they are read;
- a high or low in another unit is scaled, where that agrees with the bar's other prices, and the
  adjusted close follows its close.

A number that a rule leaves within a rounding of what it was is kept to the bit. A fund's dividend
that counts its capital gain a second time loses it, so dividend and capital gain add up to what
was paid out.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import polars as pl

from truecast.core.bars import PARSED_REPAIRS, PRICES
from truecast.core.interval import Interval
from truecast.sources.yahoo.audit import differs, list_repairs
from truecast.sources.yahoo.offline import Repairs
from truecast.sources.yahoo.rows import MINOR_UNITS, NUMBERS, YAHOO_PRICES, no_action

if TYPE_CHECKING:
    import pandas as pd

Rule = tuple[str, Callable[[pl.DataFrame], pl.DataFrame]]

_LIBRARY: Final = {
    "open": "Open",
    "high": "High",
    "low": "Low",
    "close": "Close",
    "adj_close": "Adj Close",
    "volume": "Volume",
    "dividend": "Dividends",
    "split": "Stock Splits",
    "capital_gain": "Capital Gains",
}
# Half of the hundred between two units, and more than prices do from one bar to the next.
_UNIT_JUMP: Final = 20.0
# Bars after which the unit of the last of them is one that stays: about a month.
_SETTLED: Final = 20
# Prices in pence and dividends in pounds give yields of some hundredths of a percent at most.
_SMALLEST_YIELD: Final = 0.001


def mend(
    rows: pl.DataFrame, *, interval: Interval, zone: str, currency: str | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Correct a table of Yahoo's prices.

    Parameters
    ----------
    rows : pl.DataFrame
        Columns of :data:`truecast.sources.yahoo.rows.YAHOO_ROWS`, in any order of time.
    interval : Interval
        Length of the bars.
    zone : str
        Time zone of the exchange, a name (``Europe/London``) or an offset (``+01:00``).
    currency : str or None
        As Yahoo names it (``GBp``); None where the table does not say.

    Returns
    -------
    pl.DataFrame
        The rows in the same order, mended.
    pl.DataFrame
        Columns of ``PARSED_REPAIRS``: one row a number that changed; for ``adj_close``, which
        follows from the others, one row a run of bars in which it changed by one factor.

    Raises
    ------
    SourceError
        If the installed yfinance lacks a rule.
    """
    original = rows.drop_nulls(["event_time", "session"]).unique("event_time", keep="first")
    table = original = original.sort("event_time")
    repairs = [pl.DataFrame(schema=PARSED_REPAIRS)]
    for name, rule in _rules(table, interval, zone, currency):
        after = _keep_equal(table, rule(table))
        repairs.append(_name_dividends(list_repairs(table, after, name)))
        table = after
    found = pl.concat(repairs)
    return (_put_back(rows, original, table) if len(found) else rows), found


def _rules(
    table: pl.DataFrame, interval: Interval, zone: str, currency: str | None
) -> Iterator[Rule]:
    """Yield the rules that a table's numbers call for."""
    has = {name: not table.select(no_action(name).all()).item() for name in _LIBRARY_ACTIONS}
    jumps, inside, since = _unit_jumps(table)
    if not (jumps or inside or any(has.values())):
        return
    repairs = Repairs(str(interval), zone, currency)

    def run(repair: "Callable[[pd.DataFrame], pd.DataFrame]") -> Callable[..., pl.DataFrame]:
        return lambda rows: _from_library(rows, repair(_to_library(rows)))

    if has["dividend"] and interval.is_daily:
        yield "dividend_unit", lambda rows: _same_unit(rows, currency)
        yield "dividend", run(repairs.dividends)
    settled = since >= _SETTLED if jumps <= 1 else not has["dividend"]
    if (jumps or inside) and settled:
        yield "unit_switch", run(repairs.unit_switch)
    if jumps or inside:
        yield "unit_mixup", lambda rows: _follow_close(rows, run(repairs.unit_mixup)(rows))
    if has["split"] and interval.is_daily:
        yield "bad_split", run(repairs.splits)
    if has["capital_gain"] and _may_count_twice(table):
        yield "capital_gain_double_count", run(repairs.capital_gains)


_LIBRARY_ACTIONS: Final = ("dividend", "split", "capital_gain")


def _unit_jumps(table: pl.DataFrame) -> tuple[int, bool, int]:
    """Look for prices in other units.

    Counts closes that are far from the one before, says whether a bar is far from itself, and
    counts the bars since the last of those closes, itself among them.
    """
    priced = table.filter(pl.all_horizontal(pl.col(PRICES) > 0))
    step = (pl.col("close") / pl.col("close").shift(1)).log().abs() > pl.lit(_UNIT_JUMP).log()
    spread = pl.max_horizontal(PRICES) > _UNIT_JUMP * pl.min_horizontal(PRICES)
    places = priced.select(step.arg_true()).to_series()
    since = len(priced) - (places[-1] if len(places) else 0)
    return len(places), bool(priced.select(spread.any()).item()), since


def _may_count_twice(table: pl.DataFrame) -> bool:
    """Whether a dividend is large enough to hold its capital gain, after the first bar."""
    held = (pl.col("capital_gain") > 0) & (pl.col("dividend") >= pl.col("capital_gain"))
    return bool(table.slice(1).select(held.any()).item())


def _same_unit(table: pl.DataFrame, currency: str | None) -> pl.DataFrame:
    """Bring dividends in pounds to prices in pence, so that the other rules can compare them.

    They are in pounds if the prices are known to be in pence and the yields are too small to be
    true, or if the adjusted close says a hundred times as much as most of them do.
    """
    before = pl.col("close").forward_fill().shift(1)
    ratio = pl.col("adj_close") / pl.col("close")
    paid = table.with_columns(
        rate=pl.col("dividend") / before, implied=1 - ratio.shift(1) / ratio
    ).filter(pl.col("dividend") > 0, pl.col("rate").is_not_null())
    hundredfold = pl.col("implied") / pl.col("rate")
    far = hundredfold.is_between(90, 110)
    share, rate = paid.select(far.mean(), pl.col("rate").median()).row(0)
    if share is not None and share >= 2 / 3:
        chosen = pl.col("event_time").is_in(paid.filter(far)["event_time"].implode())
    elif currency in MINOR_UNITS and rate is not None and rate < _SMALLEST_YIELD:
        chosen = pl.lit(value=True)
    else:
        return table
    scaled = pl.when(chosen).then(pl.col("dividend") * 100).otherwise("dividend")
    return table.with_columns(dividend=scaled)


def _follow_close(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Scale what the library flattens: adjusted closes, and highs and lows that are then right."""
    then = before.select(pl.col(NUMBERS).name.suffix("_then"))
    factor = pl.col("close") / pl.col("close_then")
    moved = differs("close", pl.col("close_then"), pl.col("close"))
    exact = {"high": pl.max_horizontal("open", "close"), "low": pl.min_horizontal("open", "close")}
    scaled = {}
    for name, edge in exact.items():
        now, was = pl.col(name), pl.col(f"{name}_then")
        candidate = pl.when(now > was).then(was * 100).otherwise(was * 0.01)
        right = candidate >= edge if name == "high" else candidate <= edge
        usable = differs(name, was, now) & right
        scaled[name] = pl.when(usable).then(candidate).otherwise(now)
    adjusted = pl.when(moved).then(pl.col("adj_close_then") * factor).otherwise("adj_close")
    return (
        pl.concat([after, then], how="horizontal")
        .with_columns(adj_close=adjusted, **scaled)
        .select(after.columns)
    )


def _to_library(table: pl.DataFrame) -> "pd.DataFrame":
    """Make the library's table: it reads an absent action and volume as 0."""
    quiet = [pl.col(name).fill_nan(None).fill_null(0.0) for name in ("volume", *_LIBRARY_ACTIONS)]
    filled = table.with_columns(*quiet, adj_close=pl.coalesce("adj_close", "close")).with_columns(
        split=pl.when(no_action("split")).then(0.0).otherwise("split")
    )
    frame = filled.select(pl.col(name).alias(column) for name, column in _LIBRARY.items())
    pandas = frame.to_pandas()
    pandas.index = table["event_time"].to_pandas()
    pandas.index = pandas.index.astype("datetime64[ns, UTC]")
    if not table.select(pl.any_horizontal(pl.col("capital_gain") != 0).any()).item():
        pandas = pandas.drop(columns="Capital Gains")
    return pandas


def _from_library(table: pl.DataFrame, repaired: "pd.DataFrame") -> pl.DataFrame:
    """Take the library's numbers over, where there were any."""
    columns = []
    for name, column in _LIBRARY.items():
        if column not in repaired:
            continue
        new = pl.Series(repaired[column].to_numpy(dtype="float64"), nan_to_null=True)
        absent = pl.col(name).is_null() & ((new == 0) if name not in YAHOO_PRICES else True)
        columns.append(pl.when(absent).then(None).otherwise(pl.lit(new)).alias(name))
    return table.with_columns(columns)


def _keep_equal(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Keep each number of before that is the same but for rounding."""
    return after.with_columns(
        pl.when(differs(name, pl.lit(before[name]), pl.col(name)))
        .then(pl.col(name))
        .otherwise(pl.lit(before[name]))
        .alias(name)
        for name in NUMBERS
    )


def _name_dividends(repairs: pl.DataFrame) -> pl.DataFrame:
    """Say of each change by the rule on dividends what was wrong."""
    added = (pl.col("field") == "dividend") & (pl.col("original").fill_null(0.0) == 0)
    gone = (pl.col("field") == "dividend") & (pl.col("repaired").fill_null(0.0) == 0)
    named = (
        pl.when(pl.col("repair") != "dividend")
        .then("repair")
        .when((added | gone) & added.any())
        .then(pl.lit("dividend_date"))
        .when(gone)
        .then(pl.lit("phantom_dividend"))
        .when(pl.col("field") == "dividend")
        .then(pl.lit("bad_dividend"))
        .when(pl.col("field") == "adj_close")
        .then(pl.lit("dividend_adjustment"))
        .otherwise(pl.lit("close_adjusted_twice"))
    )
    return repairs.with_columns(repair=named)


def _put_back(rows: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Give each row, and each exact repeat of it, its mended numbers."""
    key = ["event_time", *NUMBERS]
    pairs = before.select(key).with_columns(mended=after.select(pl.struct(NUMBERS)).to_series())
    joined = rows.join(pairs, on=key, how="left", nulls_equal=True, maintain_order="left")
    return joined.with_columns(
        pl.when(pl.col("mended").is_not_null())
        .then(pl.col("mended").struct.field(name))
        .otherwise(name)
        .alias(name)
        for name in NUMBERS
    ).select(rows.columns)
