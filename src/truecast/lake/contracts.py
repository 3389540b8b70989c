"""What a bar must be to enter silver; everything else goes to quarantine with a reason.

A row is checked in the order of :func:`checks_for`; the first that fails names the reason. Then
rows that contradict each other within one payload are kept out together, since nothing says
which is right. What is odd but may be true is let in with a flag. An open, high or low of zero
beside a good close is a vendor's way to say "none": it becomes missing, with a record of it.

All of this depends on the row alone, so it does not matter with which others a row comes. What
only the bars around it reveal is found when bars are read, by :mod:`truecast.lake.checks`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from truecast.core.bars import PARSED_BARS, PARSED_REPAIRS, PRICES, QUOTES
from truecast.core.calendars import get_calendar
from truecast.core.formatting import formatted
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval

#: Every number that a bar carries.
VALUES = (*PRICES, "volume", *QUOTES)

_QUOTED = tuple(name for name in QUOTES if not name.endswith("size"))
_PRICED = (*PRICES, *_QUOTED)
_AMOUNTS = ("volume", "bid_size", "ask_size")
# Room for a float's last digits where a vendor rounds high or low and not the close.
_ROUNDING = 1e-9
# Room for a number that was kept in single precision on its way; what needs it gets a flag.
_SINGLE = 1e-6
# Open and close may be of other trades than high and low are, or middle prices: then they lie
# outside, which gets a flag. Farther than this one of them is wrong, and nothing says which.
_OUTSIDE = 0.25
# The names of trades' prices and of either side's begin so.
_SIDES = ("", "bid_", "ask_")
# The prices that a bar can do without.
_SPARE = ("open", "high", "low")


@dataclass(frozen=True)
class Check:
    """One thing that must not be so.

    Parameters
    ----------
    reason : str
        Its name in quarantine.
    fails : pl.Expr
        Whether a row fails, boolean; null counts as no.
    detail : pl.Expr
        What was found, text.
    """

    reason: str
    fails: pl.Expr
    detail: pl.Expr


@dataclass(frozen=True)
class Checked:
    """What the contracts made of a payload's rows.

    Parameters
    ----------
    bars : pl.DataFrame
        Rows that passed, one a bar (and ``known_at``), with ``flags``; sorted by both.
    quarantined : pl.DataFrame
        Rows that did not: those of ``PARSED_BARS``, ``reason`` and ``detail``.
    duplicates : int
        Rows left out because another row says exactly the same.
    repairs : pl.DataFrame
        Columns of ``PARSED_REPAIRS``: the numbers of ``bars`` that were made missing.
    """

    bars: pl.DataFrame
    quarantined: pl.DataFrame
    duplicates: int
    repairs: pl.DataFrame


def checks_for(instrument: Instrument, received_at: datetime) -> tuple[Check, ...]:
    """Return the checks of one instrument's rows, in order.

    Parameters
    ----------
    instrument : Instrument
        Whose rows they are.
    received_at : datetime
        When they arrived; a bar that closes later is not finished.
    """
    below = pl.lit(value=False) if instrument.may_be_negative else _any(_lowest() <= 0)
    late = pl.col("event_time") > pl.lit(received_at)
    return (
        Check("unreadable", _any(pl.col("event_time", "session").is_null()), _show("row")),
        Check("missing_close", pl.col("close").is_null(), _show("session")),
        Check("not_finite", ~pl.all_horizontal(_finite()), _show(*VALUES)),
        Check("not_positive", below, _show(*_PRICED)),
        Check("inconsistent_ohlc", _any(*_inverted(), *_outside(_OUTSIDE)), _show(*_PRICED)),
        Check("negative_volume", _any(pl.col(_AMOUNTS) < 0), _show(*_AMOUNTS)),
        Check("not_yet_closed", late, _show("event_time")),
        Check("known_before_close", pl.col("known_at") < pl.col("event_time"), _show("known_at")),
    )


def check_bars(
    parsed: pl.DataFrame,
    instrument: Instrument,
    interval: Interval,
    received_at: datetime,
    by: Sequence[str] = (),
) -> Checked:
    """Part a payload's rows into those that may enter silver and those that may not.

    Parameters
    ----------
    parsed : pl.DataFrame
        Columns of ``PARSED_BARS``.
    instrument : Instrument
        Whose rows they are.
    interval : Interval
        Length of the bars.
    received_at : datetime
        When they arrived, UTC.
    by : sequence of str
        Further columns that tell rows of several payloads apart.
    """
    checks = checks_for(instrument, received_at)
    judged = _without_zeros(parsed, instrument).with_columns(
        reason=pl.coalesce(pl.when(check.fails).then(pl.lit(check.reason)) for check in checks)
    )
    passed = judged.filter(pl.col("reason").is_null()).drop("reason")
    ordered = passed.sort(*by, "event_time", "known_at", maintain_order=True)
    bars, disputed = _settle_repeats(ordered, by)
    failed = judged.filter(pl.col("reason").is_not_null())
    conflict = pl.lit("conflicting_duplicate").alias("reason")
    detail = pl.coalesce(
        *(pl.when(pl.col("reason") == check.reason).then(check.detail) for check in checks),
        _show("event_time"),
    )
    kept_out = pl.concat([failed, disputed.with_columns(conflict)])
    return Checked(
        bars=bars.drop("came").with_columns(_flags(bars, instrument, interval)),
        # Kept as it came, zeros and all.
        quarantined=kept_out.with_columns(pl.col("came").struct.unnest())
        .drop("came")
        .with_columns(detail=detail)
        .sort("row"),
        duplicates=len(passed) - len(disputed) - len(bars),
        repairs=_list_zeros(bars),
    )


def _without_zeros(parsed: pl.DataFrame, instrument: Instrument) -> pl.DataFrame:
    """Make zeros in a bar with a good close missing; ``came`` holds what was there."""
    good = (pl.col("close") > 0) & pl.lit(not instrument.may_be_negative)
    return parsed.with_columns(
        *(pl.when((pl.col(name) != 0) | ~good).then(name).alias(name) for name in _SPARE),
        came=pl.struct(_SPARE),
    )


def _list_zeros(bars: pl.DataFrame) -> pl.DataFrame:
    """Record what :func:`_without_zeros` made missing."""
    fixed = {"repaired": None, "repair": "zero_price", "detail": "beside a good close"}
    parts = []
    for name in _SPARE:
        came = pl.col("came").struct.field(name)
        zeros = bars.filter(pl.col(name).is_null() & came.is_not_null())
        parts.append(
            zeros.select(
                "row",
                "session",
                "event_time",
                field=pl.lit(name),
                original=came,
                **{key: pl.lit(value, PARSED_REPAIRS[key]) for key, value in fixed.items()},
            )
        )
    return pl.concat(parts).sort("event_time", "field")


def _settle_repeats(rows: pl.DataFrame, by: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make rows that say exactly the same one, and part off those that contradict each other.

    The rows are sorted by ``event_time``: where no two neighbours share one, nothing is repeated.
    """
    if not (rows["event_time"].diff().dt.total_microseconds() == 0).any():
        return rows, rows.clear()
    key = (*by, "event_time", "known_at")
    repeated = rows.select(key).is_duplicated()
    if not repeated.any():
        return rows, rows.clear()
    several = rows.filter(repeated)
    distinct = several.unique([*by, *(name for name in PARSED_BARS if name != "row")], keep="first")
    again = distinct.select(key).is_duplicated()
    contradicted = distinct.filter(again).select(key).unique()
    disputed = several.join(contradicted, on=key, how="semi", nulls_equal=True)
    bars = pl.concat([rows.filter(~repeated), distinct.filter(~again)])
    return bars.sort(key), disputed


def _flags(bars: pl.DataFrame, instrument: Instrument, interval: Interval) -> pl.Expr:
    calendar = get_calendar(instrument.calendar)
    if interval.is_daily:
        inside = calendar.are_sessions(bars["session"].to_numpy().astype("datetime64[D]"))
    else:
        moments = bars["event_time"].dt.replace_time_zone(None).to_numpy()
        _, inside = calendar.locate(moments.astype("datetime64[us]"))
    flags = {
        "off_session": pl.lit(pl.Series(~inside, dtype=pl.Boolean)),
        "crossed_quotes": (pl.col("bid_close") > pl.col("ask_close")).fill_null(value=False),
        "rounded_ohlc": _any(*_outside(_ROUNDING)) & ~_any(*_outside(_SINGLE)),
        "outside_range": _any(*_outside(_SINGLE)),
    }
    raised = [pl.when(flag).then(pl.lit(name)) for name, flag in flags.items()]
    return pl.concat_list(raised).list.drop_nulls().alias("flags")


def _any(*parts: pl.Expr) -> pl.Expr:
    return pl.any_horizontal(*(part.fill_null(value=False) for part in parts))


def _lowest() -> pl.Expr:
    return pl.col(*PRICES, *_QUOTED)


def _finite() -> pl.Expr:
    return pl.col(VALUES).is_finite().fill_null(value=True)


def _inverted() -> list[pl.Expr]:
    """Whether high is below low, of the trades and of either side."""
    sides = ((pl.col(side + "high"), pl.col(side + "low")) for side in _SIDES)
    return [_any(high < low - _room(_SINGLE, high, low)) for high, low in sides]


def without_false_ranges(bars: pl.DataFrame) -> pl.DataFrame:
    """Make high and low missing where open or close lies outside them, side by side."""
    return bars.with_columns(
        pl.when(~outside).then(side + name).alias(side + name)
        for side, outside in zip(_SIDES, _outside(_SINGLE), strict=True)
        for name in ("high", "low")
    )


def _outside(part: float) -> list[pl.Expr]:
    """Whether open or close lies outside high and low, of the trades and of either side.

    By more than a part of the larger of high and low.
    """
    found = []
    for side in _SIDES:
        first, high, low, last = (pl.col(side + name) for name in PRICES)
        room = _room(part, high, low)
        above = pl.max_horizontal(first, last) > high + room
        found.append(_any(above, pl.min_horizontal(first, last) < low - room))
    return found


def _room(part: float, high: pl.Expr, low: pl.Expr) -> pl.Expr:
    return part * pl.max_horizontal(high.abs(), low.abs())


def _show(*names: str) -> pl.Expr:
    """Write the values that are there, such as ``high=10.0 low=11.0``."""
    cells = [formatted(f"{name}={{}}", pl.col(name)) for name in names]
    return pl.concat_str(cells, separator=" ", ignore_nulls=True)
