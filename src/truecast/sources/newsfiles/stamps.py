"""Read the dates and times of articles, and nothing into them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from truecast.sources.newsfiles.options import NewsFilesOptions

Order = Literal["dmy", "mdy"]

_TIME = (
    r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?"
    r"\s*(?P<half>[AaPp][Mm])?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?$"
)
_ISO = re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})" + _TIME)
_NUMERIC = re.compile(r"(?P<one>\d{1,2})[-/.](?P<two>\d{1,2})[-/.](?P<year>\d{4})" + _TIME)
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[T ]?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?(?P<zone>Z)?)?$"
)
_EPOCH = re.compile(r"-?\d{9,10}(\.\d+)?$|-?\d{13}$|0$")
# Days with the month in words.
_WORDS = ("%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%d-%b-%Y", "%d-%b-%y")
_MISSING = {"", "null", "none", "na", "n/a", "nan", "nat", "."}
_MILLISECONDS_FROM = 1e11


@dataclass(frozen=True)
class Stamp:
    """A moment, UTC: the end of a day where ``day_only``, which began at ``begins``."""

    moment: datetime
    begins: datetime
    day_only: bool


class UnreadableError(Exception):
    """A date that cannot be read: what was expected, and what to do."""

    def __init__(self, expected: str, advice: str) -> None:
        super().__init__(expected)
        self.expected, self.advice = expected, advice


def order_of(column: Sequence[Any], options: NewsFilesOptions) -> Order | None:
    """Tell day from month in a column's numeric dates, from the whole of it; None if it cannot."""
    if options.dates is not None:
        return options.dates
    found = [match for value in column if isinstance(value, str) and (match := _numeric(value))]
    first = any(int(match["one"]) > 12 for match in found)
    second = any(int(match["two"]) > 12 for match in found)
    if first == second:
        return None
    return "dmy" if first else "mdy"


def read_stamp(value: Any, options: NewsFilesOptions, order: Order | None) -> Stamp | None:
    """Read a date or time.

    Parameters
    ----------
    value : object
        A date, a datetime, seconds or milliseconds since 1970, or a text in one of the usual
        forms; None, an empty text, and 0 are no date.
    options : NewsFilesOptions
        The time zone of what has no offset.
    order : {"dmy", "mdy"} or None
        What comes first in numeric dates.

    Raises
    ------
    UnreadableError
        If it cannot be read, or could be in two ways.
    """
    try:
        read = _from_text(value, order) if isinstance(value, str) else _from_value(value)
        return None if read is None else _placed(read, ZoneInfo(options.timezone))
    except (ValueError, OverflowError, OSError) as error:
        raise UnreadableError(
            "a date such as 2018-12-31, or a time such as 2018-12-31T15:30:00Z",
            "write it so, leave it empty, or remove the article",
        ) from error


def _from_value(value: Any) -> datetime | date | None:
    if value is None or isinstance(value, date):  # a datetime is one too
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(value)
    if value == 0 or value != value:
        return None
    seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
    return datetime.fromtimestamp(seconds, UTC)


def _from_text(value: str, order: Order | None) -> datetime | date | None:
    text = value.strip()
    if text.lower() in _MISSING:
        return None
    if _EPOCH.match(text):
        return _from_value(float(text))
    match = _ISO.match(text) or _COMPACT.match(text)
    if match:
        return _of_parts(match, int(match["month"]), int(match["day"]))
    match = _numeric(text)
    if match:
        return _of_parts(match, *_month_and_day(match, order))
    for form in _WORDS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return parsedate_to_datetime(text)


def _numeric(text: str) -> re.Match[str] | None:
    return _NUMERIC.match(text.strip())


def _month_and_day(match: re.Match[str], order: Order | None) -> tuple[int, int]:
    one, two = int(match["one"]), int(match["two"])
    if order is None and one != two:
        raise UnreadableError(
            "dates that can be read in one way: day first or month first in the whole column",
            "say which: dates: dmy or dates: mdy",
        )
    return (one, two) if order == "mdy" else (two, one)


def _of_parts(match: re.Match[str], month: int, day: int) -> datetime | date:
    parts = match.groupdict()
    when = date(int(parts["year"]), month, day)
    if parts["hour"] is None:
        return when
    hour, half = int(parts["hour"]), (parts.get("half") or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if half == "pm" else 0)
    part = int((parts.get("part") or "0").ljust(6, "0")[:6])
    moment = time(hour, int(parts["minute"]), int(parts["second"] or 0), part)
    naive = datetime.combine(when, moment)
    zone = parts["zone"]
    if zone is None:
        return naive
    return naive.replace(tzinfo=UTC) - _offset(zone)


def _offset(zone: str) -> timedelta:
    if zone in {"Z", "UTC", "GMT"}:
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if zone[0] == "-" else size


def _placed(read: datetime | date, zone: ZoneInfo) -> Stamp:
    """Bring what was read to UTC: of a time that a change of clocks makes double, the later."""
    if isinstance(read, datetime):
        aware = read if read.tzinfo else read.replace(tzinfo=zone, fold=1)
        moment = aware.astimezone(UTC)
        return Stamp(moment, moment, day_only=False)
    begins, ends = (
        datetime.combine(day, time(), zone).astimezone(UTC)
        for day in (read, read + timedelta(days=1))
    )
    return Stamp(ends, begins, day_only=True)
