"""Tables written with yfinance: prices beside dividends and splits."""

import polars as pl

from truecast.core.bars import UTC_TIME
from truecast.core.interval import Interval
from truecast.sources.base import Parsed
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.place import Place
from truecast.sources.yahoo.mend import mend
from truecast.sources.yahoo.raw import to_raw
from truecast.sources.yahoo.rows import YAHOO_ROWS

_NOTE = (
    "it is a table of yfinance: what Yahoo is known to get wrong is repaired, and prices are "
    "brought back to those of their day by the splits in it"
)


def yahoo_rows(rows: pl.DataFrame, options: FilesOptions, place: Place) -> pl.DataFrame:
    """Return the rows of such a table, as Yahoo gives them.

    Parameters
    ----------
    rows : pl.DataFrame
        ``row``, ``session``, ``event_time`` and the numbers of ``YAHOO_ROWS`` that the table has.
    options : FilesOptions
        What was said of it.
    place : Place
        For messages.

    Raises
    ------
    SourceError
        If the options say that its prices are meant to stay adjusted.
    """
    if options.adjustment != "raw":
        raise place.refuse(
            None,
            "adjustment: raw, since a table with splits in it is brought back to raw prices",
            f"adjustment: {options.adjustment}",
            "leave the option adjustment out, or remove the column Stock Splits",
        )
    return rows.select(
        pl.col(name).cast(kind) if name in rows.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in YAHOO_ROWS.items()
    )


def mend_yahoo(
    rows: pl.DataFrame, interval: Interval, zone: str, options: FilesOptions
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Correct the rows of such a table; see :func:`truecast.sources.yahoo.mend.mend`."""
    currency = options.currency if "currency" in options.model_fields_set else None
    return mend(rows, interval=interval, zone=zone, currency=currency)


def parse_yahoo(rows: pl.DataFrame, interval: Interval, zone: str, options: FilesOptions) -> Parsed:
    """Turn such rows into raw bars, actions and repairs."""
    mended, repairs = mend_yahoo(rows, interval, zone, options)
    bars, actions = to_raw(mended)
    return Parsed(bars, actions, repairs, (_NOTE,))


def zone_of(wall: pl.Series, utc: pl.Series) -> str:
    """Return how far the last stamp, as written, is from UTC, such as ``+01:00``."""
    if wall.is_empty():
        return "+00:00"
    naive = utc.cast(UTC_TIME).dt.replace_time_zone(None)
    minutes = round((wall[-1] - naive[-1]).total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
