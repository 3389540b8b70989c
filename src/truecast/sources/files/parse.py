"""Turn a file's table into rows."""

from datetime import timedelta

import polars as pl

from truecast.core.bars import UTC_TIME
from truecast.core.calendars import Calendar, get_calendar
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.sources.base import Payload
from truecast.sources.files.columns import NUMBERS, name_columns, with_mid_prices
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.stamps import Stamps, read_stamps
from truecast.sources.files.table import PLACE, Place, read_table
from truecast.sources.frames import as_parsed, daily_event_time, is_missing, numbers_from_text


def parse_file(payload: Payload, options: FilesOptions, delay: timedelta) -> pl.DataFrame:
    """Turn a file into the rows of one symbol.

    Parameters
    ----------
    payload : Payload
        The whole file.
    options : FilesOptions
        How its rows are meant.
    delay : timedelta
        The publication delay, for vintages that are dates.

    Returns
    -------
    pl.DataFrame
        Columns of ``PARSED_BARS``; ``row`` counts the file's rows, those of other symbols too.
        ``known_at`` is null, or the vintage column's moment.

    Raises
    ------
    SourceError
        If the file cannot be understood.
    UnknownNameError
        If it names the symbols of its rows and this is none of them.
    """
    table, place = read_table(payload.content, payload.media_type, payload.request["file"])
    rows = name_columns(table, place, options.known_at)
    rows = _numbers(_of_symbol(rows, payload.symbol, place), place)
    stamps = read_stamps(rows["stamp"], place, rows[PLACE])
    interval, calendar = Interval(payload.interval), get_calendar(options.calendar)
    if interval.is_daily:
        times = _daily(stamps, calendar, place, rows[PLACE])
    else:
        times = _intraday(stamps, interval, calendar, options, place, rows[PLACE])
    rows = rows.with_columns(times, row=pl.col(PLACE).cast(pl.Int64) + 1)
    if options.known_at is not None:
        known = read_stamps(rows["known_at"], place, rows[PLACE])
        rows = rows.with_columns(_vintage(known, calendar, delay, options, place, rows[PLACE]))
    return as_parsed(with_mid_prices(rows))


def holds_daily_bars(content: bytes, media_type: str, options: FilesOptions, file: str) -> bool:
    """Say whether a file's first two stamps are days rather than times of day."""
    table, place = read_table(content, media_type, file, rows=2)
    rows = name_columns(table, place, options.known_at)
    stamps = read_stamps(rows["stamp"], place, rows[PLACE])
    return _sessions(stamps, get_calendar(options.calendar)) is not None


def symbols_in(
    content: bytes, media_type: str, options: FilesOptions, file: str
) -> list[str] | None:
    """Return the symbols that a file's rows name, sorted; None where it has no such column."""
    table, place = read_table(content, media_type, file, rows=1)
    if "symbol" not in name_columns(table, place, options.known_at).columns:
        return None
    table, place = read_table(content, media_type, file)
    return _symbols(name_columns(table, place, options.known_at))


def _symbols(rows: pl.DataFrame) -> list[str]:
    return rows["symbol"].cast(pl.String).drop_nulls().unique().sort().to_list()


def _of_symbol(rows: pl.DataFrame, symbol: str, place: Place) -> pl.DataFrame:
    if "symbol" not in rows.columns:
        return rows
    mine = rows.filter(pl.col("symbol").cast(pl.String) == symbol)
    if mine.is_empty():
        raise UnknownNameError("instrument", symbol, _symbols(rows), place.file)
    return mine


def _numbers(rows: pl.DataFrame, place: Place) -> pl.DataFrame:
    names = [name for name in NUMBERS if name in rows.columns]
    text = [name for name in names if rows.schema[name] == pl.String]
    for name in names:
        kind = rows.schema[name]
        if not (kind.is_numeric() or kind in {pl.String, pl.Null}):
            raise place.refuse(
                None, f"numbers in {name}", f"a column of {kind}", "save it as numbers"
            )
    read = numbers_from_text(rows, text) if text else rows
    for name in text:
        odd = rows.filter(read[name].is_null() & ~rows.select(is_missing(name)).to_series())
        if len(odd):
            raise place.refuse(
                int(odd[PLACE][0]),
                f"a number such as 1234.5 for {name}, or nothing",
                repr(odd[name][0]),
                "write it so (no thousands marks, a dot for decimals), or remove the row",
            )
    return read.with_columns(pl.col(names).cast(pl.Float64))


def _daily(stamps: Stamps, calendar: Calendar, place: Place, rows: pl.Series) -> list[pl.Series]:
    session = _sessions(stamps, calendar)
    if session is None:
        timed = (stamps.values != stamps.values.dt.truncate("1d")).arg_true()
        first = int(timed[0]) if len(timed) else 0
        raise place.refuse(
            int(rows[first]),
            "a date, since the interval is 1d",
            f"the time {stamps.values[first]}",
            "write plain dates for daily bars, or set the recipe's interval to that of the file",
        )
    return [session, daily_event_time(session, calendar)]


def _sessions(stamps: Stamps, calendar: Calendar) -> pl.Series | None:
    """Read stamps as days: dates, or midnight throughout; None where they are times of day."""
    readings = [stamps.values.dt.replace_time_zone(None)]
    if stamps.aware:
        # Midnight UTC and midnight where the market is are both ways to write a date.
        there = stamps.values.dt.convert_time_zone(calendar.zone)
        readings.append(there.dt.replace_time_zone(None))
    for local in readings:
        if (local == local.dt.truncate("1d")).all():
            return local.dt.date().alias("session")
    return None


def _intraday(
    stamps: Stamps,
    interval: Interval,
    calendar: Calendar,
    options: FilesOptions,
    place: Place,
    rows: pl.Series,
) -> list[pl.Series]:
    if stamps.dates:
        raise place.refuse(
            None, f"a time of day for bars of {interval}", "dates only", "set interval: 1d"
        )
    moments = stamps.in_utc(options.timezone, place, rows)
    steps = moments.unique().sort().diff().drop_nulls()
    usual = steps.median()
    if isinstance(usual, timedelta) and usual < interval.length:
        raise place.refuse(
            None,
            f"bars of {interval}",
            f"stamps {usual} apart",
            "set the recipe's interval to that of the file",
        )
    if options.stamps == "open":
        moments = moments + interval.length
    days, _ = calendar.locate(moments.dt.replace_time_zone(None).to_numpy())
    return [pl.Series("session", days), moments.alias("event_time")]


def _vintage(
    known: Stamps,
    calendar: Calendar,
    delay: timedelta,
    options: FilesOptions,
    place: Place,
    rows: pl.Series,
) -> pl.Series:
    if known.dates:
        moments = daily_event_time(known.values.dt.date(), calendar) + delay
    else:
        moments = known.in_utc(options.timezone, place, rows)
    return moments.cast(UTC_TIME).alias("known_at")
