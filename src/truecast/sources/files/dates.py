"""Find out what a column of dates means: its order, or what it counts from 1970."""

from typing import Literal

import polars as pl

from truecast.sources.files.options import FilesOptions
from truecast.sources.files.place import Place

Order = Literal["dmy", "mdy"]
Unit = Literal["s", "ms", "us", "ns"]

_UNITS: dict[Unit, tuple[float, float, str]] = {
    "s": (1e8, 1e10, "seconds"),
    "ms": (1e11, 1e13, "milliseconds"),
    "us": (1e14, 1e16, "microseconds"),
    "ns": (1e17, 1e19, "nanoseconds"),
}
_TO_MICROSECONDS: dict[Unit, int] = {"s": 1_000_000, "ms": 1000, "us": 1}
_WORDS = {"dmy": "day/month/year", "mdy": "month/day/year"}
# Days in order under one reading alone say which it is, where there are enough for that to be
# no chance.
_ENOUGH = 5
_LONGEST = 8_000_000_000_000_000


def order_of(
    first: pl.Series,
    second: pl.Series,
    year: pl.Series,
    column: pl.Series,
    options: FilesOptions,
    place: Place,
    rows: pl.Series,
) -> tuple[Order, str]:
    """Tell day from month, from the whole column.

    Parameters
    ----------
    first, second, year : pl.Series of Int64
        The three numbers of each date.
    column : pl.Series
        The stamps as written.
    options : FilesOptions
        What was said of them.
    place, rows : Place, pl.Series
        For messages.

    Returns
    -------
    Order
        Which comes first.
    str
        Why, as a note.

    Raises
    ------
    SourceError
        If both come first in some line, or all could be either.
    """
    if options.dates in ("dmy", "mdy"):
        return options.dates, f"dates are read as {_WORDS[options.dates]}, as was said"
    days = (first > 12).arg_true(), (second > 12).arg_true()
    if len(days[0]) and len(days[1]):
        shown = [f"{column[int(at[0])]!r} ({place.of(int(rows[int(at[0])]))})" for at in days]
        raise place.refuse(
            int(rows[int(max(days[0][0], days[1][0]))]),
            "day and month in one order",
            f"{shown[0]}, whose day is first, and {shown[1]}, whose month is",
            "write ISO dates such as 2018-12-31",
        )
    for order, at in zip(("dmy", "mdy"), days, strict=True):
        if len(at):
            here = int(at[0])
            where = place.of(int(rows[here]))
            found: Order = "dmy" if order == "dmy" else "mdy"
            return found, f"dates are read as {_WORDS[order]}: {where} has {column[here]}"
    return _by_sequence(first, second, year, column, place, rows)


def _by_sequence(
    first: pl.Series,
    second: pl.Series,
    year: pl.Series,
    column: pl.Series,
    place: Place,
    rows: pl.Series,
) -> tuple[Order, str]:
    """Take the only order in which the days follow one another."""
    if (first == second).all():
        return "dmy", "dates read the same with day or month first"
    readings: dict[Order, pl.Series] = {
        "dmy": year * 10_000 + second * 100 + first,
        "mdy": year * 10_000 + first * 100 + second,
    }
    steady = [
        order for order, days in readings.items()
        if days.is_sorted() or days.is_sorted(descending=True)
    ]  # fmt: skip
    if len(steady) == 1 and readings[steady[0]].n_unique() >= _ENOUGH:
        return steady[0], (
            f"dates are read as {_WORDS[steady[0]]}: the other way they would not follow one "
            "another"
        )
    where = int((first != second).arg_true()[0])
    raise place.refuse(
        int(rows[where]),
        "dates that can be read in one way",
        f"{column[where]!r}, and no day above 12 in the whole column",
        "say the order: dates: dmy or dates: mdy",
    )


def from_epoch(
    column: pl.Series, options: FilesOptions, place: Place, rows: pl.Series
) -> tuple[pl.Series, str]:
    """Read numbers that count from 1970-01-01 UTC.

    Parameters
    ----------
    column : pl.Series
        Whole or decimal numbers, none null.
    options : FilesOptions
        What was said of them; the unit is otherwise told by their magnitude: seconds for 1973 to
        2286, milliseconds, microseconds and nanoseconds for the same years.
    place, rows : Place, pl.Series
        For messages.

    Returns
    -------
    pl.Series of Datetime[us]
        The moments, UTC.
    str
        The unit, as a note.

    Raises
    ------
    SourceError
        If the unit is in doubt, or the moment out of reach.
    """
    size = column.cast(pl.Float64)
    unit = options.epoch or next(
        (unit for unit, (low, high, _) in _UNITS.items() if low <= size[0] < high), None
    )
    low, high, word = _UNITS[unit] if unit else (0.0, 0.0, "")
    inside = (size >= low) & (size < high) if options.epoch is None else size.is_finite()
    exact = _microseconds(column, unit) if unit else pl.Series([], dtype=pl.Int64)
    if unit:
        inside = inside & (exact.abs() < _LONGEST).fill_null(value=False)
    if not inside.all():
        first = int((~inside).arg_true()[0])
        raise place.refuse(
            int(rows[first]),
            f"{word} since 1970, as in the lines before"
            if first
            else "seconds since 1970, between 1973 and 2286, or a date such as 2018-12-31",
            repr(column[first]),
            "mend that line, or say the unit: epoch: s, ms, us or ns",
        )
    return exact.cast(pl.Datetime("us")), f"stamps are read as {word} since 1970 (UTC)"


def _microseconds(column: pl.Series, unit: Unit) -> pl.Series:
    if column.dtype.is_integer():
        whole = column.cast(pl.Int64, strict=False)
        return whole // 1000 if unit == "ns" else whole * _TO_MICROSECONDS[unit]
    factor = 1e-3 if unit == "ns" else float(_TO_MICROSECONDS[unit])
    return (column.cast(pl.Float64) * factor).round().cast(pl.Int64, strict=False)
