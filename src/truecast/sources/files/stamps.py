"""Read the dates and times of a file, and nothing into them."""

from dataclasses import dataclass

import polars as pl

from truecast.core.bars import UTC_TIME
from truecast.sources.files.table import Place

_ISO = (
    r"^(?<day>\d{4}-\d{2}-\d{2})"
    r"(?:[ T](?<time>\d{2}:\d{2})(?::(?<seconds>\d{2}(?:\.\d{1,9})?))?"
    r"\s?(?<offset>Z|[+-]\d{2}(?::?\d{2})?)?)?$"
)


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
    """

    values: pl.Series
    aware: bool
    dates: bool

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
        moments = self.values.dt.replace_time_zone(
            timezone, ambiguous="null", non_existent="null"
        ).dt.convert_time_zone("UTC")
        lost = moments.is_null()
        if lost.any():
            first = int(lost.arg_true()[0])
            raise place.refuse(
                int(rows[first]),
                f"a time that {timezone} has once",
                f"{self.values[first]}, at a change of the clocks",
                "write the stamps with their offset from UTC",
            )
        return moments.cast(UTC_TIME)


def read_stamps(column: pl.Series, place: Place, rows: pl.Series) -> Stamps:
    """Read a column of dates or times.

    Parameters
    ----------
    column : pl.Series
        Dates, datetimes, or text in ISO form.
    place : Place
        For messages.
    rows : pl.Series
        Place of each stamp in the file's table, from 0.

    Raises
    ------
    SourceError
        If a stamp is missing or is not such a date, or only some have an offset.
    """
    kind = column.dtype
    if kind == pl.String:
        return _from_text(column, place, rows)
    if kind != pl.Date and not isinstance(kind, pl.Datetime):
        found = f"a column of {kind}" + (f" such as {column[0]}" if len(column) else "")
        raise place.refuse(None, "dates or times", found, "write them as ISO dates")
    _require_all(column.is_not_null(), column, place, rows)
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        moments = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return Stamps(moments.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"), True, False)
    return Stamps(column.cast(pl.Datetime("us")), False, kind == pl.Date)


def _from_text(column: pl.Series, place: Place, rows: pl.Series) -> Stamps:
    parts = column.str.strip_chars().str.extract_groups(_ISO).struct.unnest()
    _require_all(parts["day"].is_not_null(), column, place, rows)
    text = parts["day"] + " " + parts["time"].fill_null("00:00")
    text = text + ":" + parts["seconds"].fill_null("00")
    values = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    _require_all(values.is_not_null(), column, place, rows)
    aware = parts["offset"].is_not_null()
    if not aware.any():
        return Stamps(values, False, not parts["time"].is_not_null().any())
    if not aware.all():
        first = int((~aware).arg_true()[0])
        raise place.refuse(
            int(rows[first]),
            "an offset from UTC on every time, or on none",
            f"{column[first]!r} beside {column[int(aware.arg_true()[0])]!r}",
            "write all times in one way",
        )
    digits = parts["offset"].str.replace("Z", "+0000").str.replace(":", "").str.pad_end(5, "0")
    minutes = digits.str.slice(1, 2).cast(pl.Int64) * 60 + digits.str.slice(3, 2).cast(pl.Int64)
    minutes = minutes * (1 - 2 * digits.str.starts_with("-").cast(pl.Int64))
    moments = values - (minutes * 60_000_000).cast(pl.Duration("us"))
    return Stamps(moments.dt.replace_time_zone("UTC"), True, False)


def _require_all(good: pl.Series, column: pl.Series, place: Place, rows: pl.Series) -> None:
    if good.all():
        return
    first = int((~good).arg_true()[0])
    raise place.refuse(
        int(rows[first]),
        "a date such as 2018-12-31, or a time such as 2018-12-31 15:30:00+00:00",
        repr(column[first]),
        "write it so, or remove the row",
    )
