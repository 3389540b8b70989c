"""Turn a file's table into rows."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath

import polars as pl

from truecast.core.bars import PRICES, UTC_TIME
from truecast.core.calendars import Calendar, get_calendar
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.sources.base import Parsed, Payload
from truecast.sources.files.columns import name_columns, with_mid_prices
from truecast.sources.files.dialect import refuse_doubtful_positions
from truecast.sources.files.numbers import read_numbers
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.place import PLACE, Place
from truecast.sources.files.scaled import scale_notes
from truecast.sources.files.stamps import Stamps, join_time, read_stamps
from truecast.sources.files.table import Table, read_table
from truecast.sources.files.ticks import gather, refuse_trades
from truecast.sources.files.yfinance import mend_yahoo, parse_yahoo, yahoo_rows, zone_of
from truecast.sources.frames import as_parsed, daily_event_time


@dataclass(frozen=True)
class Stamped:
    """A file's rows of one symbol, their columns named and their stamps read.

    Parameters
    ----------
    table : Table
        The file.
    rows : pl.DataFrame
        Named columns, their numbers not read yet.
    stamps : Stamps
        When each row was.
    yahoo : bool
        Whether it is a table of yfinance with its actions.
    notes : tuple of str
        What is not plain so far.
    """

    table: Table
    rows: pl.DataFrame
    stamps: Stamps
    yahoo: bool
    notes: tuple[str, ...]


def read_stamped(
    content: bytes,
    media_type: str,
    file: str,
    options: FilesOptions,
    symbol: str | None = None,
    most: int | None = None,
) -> Stamped:
    """Read a file up to its stamps.

    Parameters
    ----------
    content, media_type, file, options
        See :func:`truecast.sources.files.table.read_table`.
    symbol : str or None
        Whose rows, where the file names the symbols; None for all.
    most : int or None
        Read only the first so many rows.

    Raises
    ------
    SourceError
        If the file cannot be understood.
    UnknownNameError
        If it names the symbols of its rows and this is none of them.
    """
    table = read_table(content, media_type, file, options, most)
    named = name_columns(table, options)
    _require_symbols(named.rows, table.place)
    rows = named.rows if symbol is None else _of_symbol(named.rows, symbol, table.place)
    if rows.is_empty():
        raise table.place.refuse(None, "rows", "a header and nothing else", "give a file with bars")
    column = rows["stamp"]
    notes = [*table.notes, *named.notes]
    if "time" in rows.columns:
        column = join_time(column, rows["time"], table.place, rows[PLACE])
        notes.append("date and time are in two columns")
    stamps = read_stamps(column, table.place, rows[PLACE], options)
    return Stamped(table, rows, stamps, named.yahoo, (*notes, *stamps.notes))


def parse_file(payload: Payload, options: FilesOptions, delay: timedelta) -> Parsed:
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
    Parsed
        ``row`` counts the file's rows, those of other symbols too. ``known_at`` is null, or the
        vintage column's moment.

    Raises
    ------
    SourceError
        If the file cannot be understood.
    UnknownNameError
        If it names the symbols of its rows and this is none of them.
    """
    read = _read(payload, options)
    rows, stamps, place = read.rows, read.stamped.stamps, read.stamped.table.place
    if options.ticks:
        return Parsed(as_parsed(rows), notes=read.notes)
    if read.stamped.yahoo:
        shaped = yahoo_rows(rows, options, place)
        parsed = parse_yahoo(shaped, Interval(payload.interval), read.zone, options)
        return Parsed(parsed.bars, parsed.actions, parsed.repairs, (*read.notes, *parsed.notes))
    if options.known_at is not None:
        known = read_stamps(rows["known_at"], place, rows[PLACE], options)
        calendar = get_calendar(options.calendar)
        rows = rows.with_columns(_vintage(known, calendar, delay, options, place, rows[PLACE]))
    rows, notes = with_mid_prices(rows), list(read.notes)
    if options.scale is None:
        name = PurePath(payload.request["file"]).name
        notes += scale_notes(rows["close"], f"{payload.symbol} {name}")
    if len(stamps.values) > 1 and stamps.values[0] > stamps.values[-1]:
        newest = stamps.values.is_sorted(descending=True)
        notes.append("the newest row is first" if newest else "rows are out of order")
    return Parsed(as_parsed(rows), notes=tuple(notes))


def parse_mended(payload: Payload, options: FilesOptions, *, mend: bool) -> pl.DataFrame | None:
    """Return the rows of a table of yfinance before they are made raw.

    Parameters
    ----------
    payload, options
        See :func:`parse_file`.
    mend : bool
        Whether to repair them.

    Returns
    -------
    pl.DataFrame or None
        Columns of :data:`truecast.sources.yahoo.rows.YAHOO_ROWS`; None for another file.

    Raises
    ------
    SourceError
        If the file cannot be understood.
    """
    read = _read(payload, options)
    if options.ticks or not read.stamped.yahoo:
        return None
    rows = yahoo_rows(read.rows, options, read.stamped.table.place)
    interval = Interval(payload.interval)
    return mend_yahoo(rows, interval, read.zone, options)[0] if mend else rows


@dataclass(frozen=True)
class _Read:
    """A file's rows with their numbers, sessions and closes; of trades, the bars they make."""

    stamped: Stamped
    rows: pl.DataFrame
    notes: tuple[str, ...]
    zone: str


def _read(payload: Payload, options: FilesOptions) -> _Read:
    file = payload.request["file"]
    stamped = read_stamped(payload.content, payload.media_type, file, options, payload.symbol)
    table, place, stamps = stamped.table, stamped.table.place, stamped.stamps
    rows, said = read_numbers(stamped.rows, table, options)
    notes = [*stamped.notes, *said]
    if table.meanings:
        _check_positions(rows, place)
    interval, calendar = Interval(payload.interval), get_calendar(options.calendar)
    zone = calendar.zone
    if stamps.aware and "calendar" not in options.model_fields_set:
        zone = zone_of(stamps.wall, stamps.values)
    if options.ticks:
        bars, more = _bars_of_trades(rows, stamps, interval, calendar, options, place)
        return _Read(stamped, bars, (*notes, *more), zone)
    if interval.is_daily:
        times = _daily(stamps, calendar, place, rows[PLACE])
    else:
        if stamped.yahoo and "stamps" not in options.model_fields_set:
            options = options.model_copy(update={"stamps": "open"})
            notes.append("stamps are the bars' opens, as Yahoo writes them")
        times = _intraday(rows, stamps, interval, calendar, options, place)
    rows = rows.with_columns(times, row=pl.col(PLACE).cast(pl.Int64) + 1)
    return _Read(stamped, rows, tuple(notes), zone)


def holds_daily_bars(stamps: Stamps, calendar: Calendar) -> bool:
    """Say whether stamps are days rather than times of day."""
    return _sessions(stamps, calendar) is not None


def symbols_of(rows: pl.DataFrame) -> list[str] | None:
    """Return the symbols that rows name, sorted; None where there is no such column."""
    if "symbol" not in rows.columns:
        return None
    return rows["symbol"].cast(pl.String).drop_nulls().unique().sort().to_list()


def _require_symbols(rows: pl.DataFrame, place: Place) -> None:
    """Refuse a row of no symbol among rows that have one: it would be nobody's."""
    bare = rows["symbol"].is_null() if "symbol" in rows.columns else pl.Series([], dtype=pl.Boolean)
    if bare.any():
        row = int(rows[PLACE][int(bare.arg_true()[0])])
        raise place.refuse(row, "a symbol in every row", "none", "mend or remove that row")


def _of_symbol(rows: pl.DataFrame, symbol: str, place: Place) -> pl.DataFrame:
    if "symbol" not in rows.columns:
        return rows
    mine = rows.filter(pl.col("symbol").cast(pl.String) == symbol)
    if mine.is_empty():
        raise UnknownNameError("instrument", symbol, symbols_of(rows) or (), place.file)
    return mine


def _check_positions(rows: pl.DataFrame, place: Place) -> None:
    """Doubt a reading by position under which the highs are not the highs."""
    if not set(PRICES) <= set(rows.columns):
        return
    odd = (
        (pl.max_horizontal("open", "close", "low") > pl.col("high") * (1 + 1e-9))
        | (pl.min_horizontal("open", "close", "high") < pl.col("low") * (1 - 1e-9))
    ) & (pl.col("low") > 0)
    refusal = refuse_doubtful_positions(int(rows.select(odd.sum()).item()), len(rows), place)
    if refusal is not None:
        raise refusal


def _bars_of_trades(
    rows: pl.DataFrame,
    stamps: Stamps,
    interval: Interval,
    calendar: Calendar,
    options: FilesOptions,
    place: Place,
) -> tuple[pl.DataFrame, list[str]]:
    moments = stamps.in_utc(options.timezone, place, rows[PLACE])
    bars, notes = gather(rows, moments, interval, calendar, place)
    if interval.is_daily:
        times = [bars["start"].alias("session"), daily_event_time(bars["start"], calendar)]
    else:
        ends = bars["start"] + interval.length
        days, _ = calendar.locate(ends.dt.replace_time_zone(None).to_numpy())
        times = [pl.Series("session", days), ends.alias("event_time")]
    return bars.with_columns(times, row=pl.col(PLACE).cast(pl.Int64) + 1), notes


def _daily(stamps: Stamps, calendar: Calendar, place: Place, rows: pl.Series) -> list[pl.Series]:
    session = _sessions(stamps, calendar)
    if session is None:
        timed = (stamps.values != stamps.values.dt.truncate("1d")).arg_true()
        first = int(timed[0]) if len(timed) else 0
        raise place.refuse(
            int(rows[first]),
            "a date, since the interval is 1d",
            f"the time {stamps.values[first]}",
            "write plain dates for daily bars, or set the recipe's interval to that of the file "
            "(or ticks: true, if its rows are trades)",
        )
    return [session, daily_event_time(session, calendar)]


def _sessions(stamps: Stamps, calendar: Calendar) -> pl.Series | None:
    """Read stamps as days: dates, or midnight throughout; None where they are times of day."""
    readings = [stamps.wall]
    if stamps.aware:
        # Midnight where it was written, in UTC and where the market is all mean a date.
        readings.append(stamps.values.dt.replace_time_zone(None))
        there = stamps.values.dt.convert_time_zone(calendar.zone)
        readings.append(there.dt.replace_time_zone(None))
    for local in readings:
        if (local == local.dt.truncate("1d")).all():
            return local.dt.date().alias("session")
    return None


def _intraday(
    rows: pl.DataFrame,
    stamps: Stamps,
    interval: Interval,
    calendar: Calendar,
    options: FilesOptions,
    place: Place,
) -> list[pl.Series]:
    if stamps.dates:
        raise place.refuse(
            None, f"a time of day for bars of {interval}", "dates only", "set interval: 1d"
        )
    moments = stamps.in_utc(options.timezone, place, rows[PLACE])
    usual = usual_step(moments)
    if usual is not None and usual < interval.length:
        raise place.refuse(
            None,
            f"bars of {interval}",
            f"stamps {usual} apart",
            "set the recipe's interval to that of the file, or ticks: true if its rows are trades",
        )
    refuse_trades(rows, moments, interval, place)
    if options.stamps == "open":
        moments = moments + interval.length
    days, _ = calendar.locate(moments.dt.replace_time_zone(None).to_numpy())
    return [pl.Series("session", days), moments.alias("event_time")]


def usual_step(moments: pl.Series) -> timedelta | None:
    """Return the median time between neighbouring moments; None for fewer than two."""
    if not moments.is_sorted():
        moments = moments.sort()
    steps = moments.diff().drop_nulls()
    usual = steps.filter(steps > timedelta()).median()
    return usual if isinstance(usual, timedelta) else None


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
