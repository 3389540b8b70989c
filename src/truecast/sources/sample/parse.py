"""Read the sample's CSV files."""

import io
import zlib
from collections.abc import Mapping

import polars as pl

from truecast.core.calendars import Calendar
from truecast.sources.base import SourceError
from truecast.sources.frames import as_parsed, daily_event_time, is_missing, numbers_from_text


def parse_sample(content: bytes, columns: Mapping[str, str], calendar: Calendar) -> pl.DataFrame:
    """Turn one file into rows.

    Parameters
    ----------
    content : bytes
        A gzipped CSV file with dates such as ``12/31/2018`` in the column ``Date``.
    columns : mapping of str to str
        The file's columns that are read, to our names. "Adj Close" is not: an index has no
        splits, and prices are kept raw.
    calendar : Calendar
        Whose sessions the dates are.

    Returns
    -------
    pl.DataFrame
        Columns of ``PARSED_BARS``; a row without a price has a null close.

    Raises
    ------
    SourceError
        If the file is not what the package is known to ship.
    """
    try:
        raw = pl.read_csv(io.BytesIO(zlib.decompress(content, wbits=31)), infer_schema=False)
        named = raw.select(
            pl.col("Date"), *(pl.col(old).alias(new) for old, new in columns.items())
        )
    except (pl.exceptions.PolarsError, zlib.error) as error:
        raise SourceError(
            f"the sample data is not a gzipped CSV with the columns Date, {', '.join(columns)}: "
            f"{error}; install arch 8.0 or later"
        ) from error
    names = list(columns.values())
    rows = numbers_from_text(named, names).with_columns(
        session=pl.col("Date").str.to_date("%m/%d/%Y", strict=False),
        row=pl.int_range(1, pl.len() + 1),
    )
    lost = pl.any_horizontal(rows["session"].is_null(), *(rows[name].is_null() for name in names))
    odd = named.filter(lost & ~pl.any_horizontal(is_missing(name) for name in names))
    if len(odd):
        raise SourceError(f"the sample data has a row that cannot be read: {odd.row(0)}")
    return as_parsed(rows.with_columns(daily_event_time(rows["session"], calendar)))
