"""Read the dates and times of a file, and nothing into them."""

import re
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from truecast.core.bars import UTC_TIME
from truecast.sources.files.dates import from_epoch, order_of
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.place import Place

_CLOCK = (
    r"(?:[ T]+(?<time>\d{1,2}:\d{2})(?::(?<seconds>\d{2}(?:\.\d{1,9})?))?"
    r"\s?(?<offset>Z|UTC|GMT|(?:UTC|GMT)?[+-]\d{2}(?::?\d{2})?)?)?$"
)
_YEAR_FIRST = r"^(?<year>\d{4})[-/.](?<second>\d{1,2})[-/.](?<first>\d{1,2})" + _CLOCK
_YEAR_LAST = r"^(?<first>\d{1,2})[-/.](?<second>\d{1,2})[-/.](?<year>\d{4})" + _CLOCK
_COMPACT = (
    r"^(?<year>\d{4})(?<second>\d{2})(?<first>\d{2})"
    r"(?:[ T]?(?<hour>\d{2}):?(?<minute>\d{2}):?(?<seconds>\d{2}(?:\.\d{1,9})?)?)?"
    r"(?<offset>Z)?$"
)
_COUNTED = r"^\d{9,11}(\.\d+)?$|^\d{12,13}$|^\d{15,19}$"
# Uniform ISO stamps, by what the first one looks like: read by one call.
_PLAIN = {
    r"\d{4}-\d{2}-\d{2}": "%Y-%m-%d",
    r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}": "%Y-%m-%d %H:%M",
    r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}": "%Y-%m-%d %H:%M:%S",
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}": "%Y-%m-%dT%H:%M:%S",
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z": "%Y-%m-%dT%H:%M:%SZ",
    r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\+00:00": "%Y-%m-%d %H:%M:%S+00:00",
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+00:00": "%Y-%m-%dT%H:%M:%S+00:00",
}
# Before there were prices: a slip of the hand such as 0201 for 2001.
_EARLIEST = datetime(1600, 1, 1)  # noqa: DTZ001 (as written)
_ADVICE = "write it so, or remove the row"


@dataclass(frozen=True)
class Stamps:
    """A column of dates or moments.

    Parameters
    ----------
    values : pl.Series
        Datetime[us] as written; in UTC where they carry an offset.
    aware : bool
        Whether they carry an offset from UTC.
    dates : bool
        Whether they are plain dates, with no time of day at all.
    wall : pl.Series
        Datetime[us] as written, without offset.
    notes : tuple of str
        What is not plain about them.
    """

    values: pl.Series
    aware: bool
    dates: bool
    wall: pl.Series
    notes: tuple[str, ...] = ()

    def in_utc(self, timezone: str, place: Place, rows: pl.Series) -> pl.Series:
        """Return the moments in UTC.

        Parameters
        ----------
        timezone : str
            Where stamps without an offset were written.
        place : Place
            For messages.
        rows : pl.Series
            Place of each stamp in the file's table, from 0.

        Raises
        ------
        SourceError
            If a stamp does not exist there, or is met twice, as clocks change.
        """
        if self.aware:
            return self.values.cast(UTC_TIME)
        return _at_zone(self.values, timezone, place, rows)


def read_stamps(column: pl.Series, place: Place, rows: pl.Series, options: FilesOptions) -> Stamps:
    """Read a column of dates or times.

    Parameters
    ----------
    column : pl.Series
        Dates, datetimes, text, or numbers that count from 1970.
    place : Place
        For messages.
    rows : pl.Series
        Place of each stamp in the file's table, from 0.
    options : FilesOptions
        What was said of them.

    Raises
    ------
    SourceError
        If a stamp is missing or is no date, could be two, or only some have an offset.
    """
    stamps = _read(column, place, rows, options)
    _require_all(stamps.wall >= _EARLIEST, column, place, rows)
    return stamps


def _read(column: pl.Series, place: Place, rows: pl.Series, options: FilesOptions) -> Stamps:
    kind = column.dtype
    if kind == pl.String:
        return _from_text(column, place, rows, options)
    if kind != pl.Date and not isinstance(kind, pl.Datetime) and not kind.is_numeric():
        found = f"a column of {kind}" + (f" such as {column[0]}" if len(column) else "")
        raise place.refuse(None, "dates or times", found, "write them as ISO dates")
    _require_all(column.is_not_null(), column, place, rows)
    if kind.is_numeric():
        if kind.is_integer() and _are_days(column):
            return _from_text(column.cast(pl.String), place, rows, options)
        values, note = from_epoch(column, options, place, rows)
        return _utc(values, (note,))
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        wall = column.dt.replace_time_zone(None).cast(pl.Datetime("us"))
        values = column.dt.convert_time_zone("UTC").cast(UTC_TIME)
        return Stamps(values, True, False, wall)
    values = column.cast(pl.Datetime("us"))
    return Stamps(values, False, kind == pl.Date, values)


def join_time(day: pl.Series, time: pl.Series, place: Place, rows: pl.Series) -> pl.Series:
    """Join a column of days and one of times of day, as text.

    Raises
    ------
    SourceError
        If one of the two is not that.
    """
    if isinstance(day.dtype, pl.Datetime):
        day = day.dt.date()
    text = time.cast(pl.String).str.strip_chars()
    plain = text.str.replace(r"^(\d{2})(\d{2})(\d{2})?$", "$1:$2:$3").str.strip_chars_end(":")
    good = plain.str.contains(r"^\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?$")
    if not good.fill_null(value=False).all():
        first = int((~good.fill_null(value=False)).arg_true()[0])
        raise place.refuse(
            int(rows[first]),
            "a time of day such as 15:30:00 or 153000",
            repr(time[first]),
            "write it so, or join the date and time columns into one",
        )
    return day.cast(pl.String).str.strip_chars() + " " + plain


def _from_text(column: pl.Series, place: Place, rows: pl.Series, options: FilesOptions) -> Stamps:
    text = column.str.strip_chars()
    if len(text) and text[0] is not None:
        for shape, form in _PLAIN.items():
            if re.fullmatch(shape, text[0]):
                values = text.str.to_datetime(form, time_unit="us", strict=False)
                if values.null_count() == 0:
                    aware = form.endswith(("Z", "+00:00"))
                    return (
                        _utc(values) if aware else Stamps(values, False, form == "%Y-%m-%d", values)
                    )
    parts = _shape(text, place, rows)
    if parts is None:
        counted = text.str.contains(_COUNTED)
        _require_all(counted.fill_null(value=False), column, place, rows)
        number = text.cast(pl.Int64, strict=False)
        exact = text.cast(pl.Float64) if number.null_count() else number
        values, note = from_epoch(exact, options, place, rows)
        return _utc(values, (note,))
    return _from_parts(text, parts, place, rows, options)


def _shape(text: pl.Series, place: Place, rows: pl.Series) -> str | None:
    """Return the pattern that the first stamp has, None where it is a count from 1970."""
    first = text[0] if len(text) else None
    if first is None:
        _require_all(text.is_not_null(), text, place, rows)
        return _YEAR_FIRST
    if re.match(r"\d{12}$", first):
        raise place.refuse(
            int(rows[0]),
            "stamps that can be read in one way",
            f"{first!r}: a date and time, or milliseconds since 1970",
            "write a space between date and time",
        )
    for shape in (_YEAR_FIRST, _YEAR_LAST, _COMPACT):
        if re.match(shape.replace("(?<", "(?P<"), first):
            return shape
    if re.match(_COUNTED, first):
        return None
    why, advice = "a date such as 2018-12-31, or a time such as 2018-12-31 15:30:00+00:00", _ADVICE
    if re.search(r"(?i)[a-z]{3}", first):
        why, advice = f"{why}, in numbers", "write the month as a number"
    elif re.match(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2}(\D|$)", first):
        why, advice = f"{why}, with four digits for the year", "write the year in full"
    raise place.refuse(int(rows[0]), why, repr(first), advice)


def _from_parts(
    text: pl.Series, shape: str, place: Place, rows: pl.Series, options: FilesOptions
) -> Stamps:
    """Put the parts of stamps together."""
    parts = text.str.extract_groups(shape).struct.unnest()
    _require_all(parts["year"].is_not_null(), text, place, rows, like=text[0])
    year, second, first = (parts[name].cast(pl.Int64) for name in ("year", "second", "first"))
    order, notes = "dmy", []
    if shape == _YEAR_LAST:
        if options.dates == "ymd":
            raise place.refuse(int(rows[0]), "year, month, day, as dates: ymd says", repr(text[0]),
                               "say dates: dmy or dates: mdy")  # fmt: skip
        order, note = order_of(first, second, year, text, options, place, rows)
        notes.append(note)
    elif options.dates in ("dmy", "mdy"):
        raise place.refuse(int(rows[0]), f"{options.dates}, as the option dates says",
                           repr(text[0]), "say dates: ymd, or leave it out")  # fmt: skip
    elif not re.match(r"\d{4}-", text[0]):
        notes.append(f"dates are read as year, month, day: {text[0]}")
    day, month = (first, second) if order == "dmy" else (second, first)
    values, timed = _values(parts, year, month, day)
    _require_all(values.is_not_null(), text, place, rows, like=text[0])
    if "offset" not in parts.columns or parts["offset"].null_count() == len(parts):
        return Stamps(values, False, not timed, values, tuple(notes))
    return _with_offsets(values, parts["offset"], text, place, rows, options, notes)


def _values(
    parts: pl.DataFrame, year: pl.Series, month: pl.Series, day: pl.Series
) -> tuple[pl.Series, bool]:
    """Return the moments, null where there is none such, and whether any has a time of day."""
    if "hour" in parts.columns:
        clock, timed = parts["hour"] + ":" + parts["minute"], parts["hour"].is_not_null().any()
    else:
        clock, timed = parts["time"].str.zfill(5), parts["time"].is_not_null().any()
    date = [part.cast(pl.String).str.zfill(2) for part in (month, day)]
    written = year.cast(pl.String).str.zfill(4) + "-" + date[0] + "-" + date[1]
    written = written + " " + clock.fill_null("00:00") + ":" + parts["seconds"].fill_null("00")
    return written.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False), timed


def _with_offsets(
    values: pl.Series,
    offset: pl.Series,
    text: pl.Series,
    place: Place,
    rows: pl.Series,
    options: FilesOptions,
    notes: list[str],
) -> Stamps:
    """Bring stamps with an offset to UTC; those without one too, if their zone was said."""
    digits = offset.str.replace("^(Z|UTC|GMT)$", "+0000").str.replace("^[A-Z]+", "")
    digits = digits.str.replace(":", "").str.pad_end(5, "0")
    minutes = digits.str.slice(1, 2).cast(pl.Int64) * 60 + digits.str.slice(3, 2).cast(pl.Int64)
    minutes = minutes * (1 - 2 * digits.str.starts_with("-").cast(pl.Int64))
    moments = values - (minutes * 60_000_000).cast(pl.Duration("us"))
    moments = moments.dt.replace_time_zone("UTC")
    bare = offset.is_null()
    if bare.any():
        first, other = int(bare.arg_true()[0]), int((~bare).arg_true()[0])
        if options.told_timezone is None:
            raise place.refuse(
                int(rows[first]),
                "an offset from UTC on every time, or on none",
                f"{text[first]!r} beside {text[other]!r} ({place.of(int(rows[other]))})",
                "write all times in one way, or say where those without one were written, "
                "such as timezone: UTC",
            )
        naive = _at_zone(values.filter(bare), options.timezone, place, rows.filter(bare))
        moments = moments.scatter(bare.arg_true(), naive)
        notes.append(
            f"{int(bare.sum())} of {len(bare)} stamps have no offset and are read in "
            f"{options.timezone}, as was said: {place.of(int(rows[first]))} has {text[first]}"
        )
    return Stamps(moments.cast(UTC_TIME), True, False, values, tuple(notes))


def _utc(values: pl.Series, notes: tuple[str, ...] = ()) -> Stamps:
    return Stamps(values.dt.replace_time_zone("UTC"), True, False, values, notes)


def _at_zone(values: pl.Series, timezone: str, place: Place, rows: pl.Series) -> pl.Series:
    if timezone == "UTC":
        return values.dt.replace_time_zone("UTC").cast(UTC_TIME)
    moments = values.dt.replace_time_zone(
        timezone, ambiguous="null", non_existent="null"
    ).dt.convert_time_zone("UTC")
    lost = moments.is_null()
    if lost.any():
        first = int(lost.arg_true()[0])
        raise place.refuse(
            int(rows[first]),
            f"a time that {timezone} has once",
            f"{values[first]}, at a change of the clocks",
            "write the stamps with their offset from UTC",
        )
    return moments.cast(UTC_TIME)


def _are_days(column: pl.Series) -> bool:
    """Whether whole numbers are days such as 20181231; counts from 1970 have more digits."""
    return bool(column.is_between(18_000_101, 22_001_231).all())


def _require_all(
    good: pl.Series, column: pl.Series, place: Place, rows: pl.Series, like: str | None = None
) -> None:
    if good.all():
        return
    first = int((~good).arg_true()[0])
    raise place.refuse(
        int(rows[first]),
        "a date such as 2018-12-31, or a time such as 2018-12-31 15:30:00+00:00"
        if like is None
        else f"a date or time like {like!r}",
        repr(column[first]),
        _ADVICE,
    )
