"""What the parsers share: from named columns to the columns that every bar has."""

from collections.abc import Iterable

import polars as pl

from truecast.core.bars import PARSED_BARS
from truecast.core.calendars import Calendar

#: Spellings of a missing value. Any other text in a number's place is an error.
MISSING = ("", "null", "none", "na", "n/a", ".")


def daily_event_time(session: pl.Series, calendar: Calendar) -> pl.Series:
    """Return when each daily bar closes.

    Parameters
    ----------
    session : pl.Series of Date, length n
        The sessions, none null.
    calendar : Calendar
        Whose sessions they are.

    Returns
    -------
    pl.Series of Datetime[us, UTC], length n
        The session's close; for a day that is no session, its usual close.
    """
    closes = calendar.closes_of(session.to_numpy().astype("datetime64[D]"))
    return pl.Series("event_time", closes).dt.cast_time_unit("us").dt.replace_time_zone("UTC")


def as_parsed(frame: pl.DataFrame) -> pl.DataFrame:
    """Bring a frame into the columns, order and types of ``PARSED_BARS``, absent ones null."""
    return frame.select(
        pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in PARSED_BARS.items()
    )


def numbers_from_text(frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Read text columns as numbers: a missing value gives null, other text too.

    Compare :func:`is_missing` to tell the two apart.
    """
    return frame.with_columns(pl.col(columns).str.strip_chars().cast(pl.Float64, strict=False))


def is_missing(column: str) -> pl.Expr:
    """Whether a text cell is one of the spellings of a missing value, or null."""
    text = pl.col(column).str.strip_chars().str.to_lowercase()
    return text.is_null() | text.is_in(MISSING)
