"""What a recipe may say about files."""

import codecs
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from truecast.core.bars import PRICES, QUOTES
from truecast.core.errors import UsageError
from truecast.core.instrument import Adjustment
from truecast.core.names import suggestion
from truecast.core.recipe_parts import Duration
from truecast.core.strict import Flag, Number, Whole
from truecast.sources import options as shared
from truecast.sources.options import CalendarName, PathOptions

#: What a column of a file can be to us.
MEANINGS = ("stamp", "time", "symbol", *PRICES, "volume", *QUOTES)

ColumnName = Annotated[str, BeforeValidator(lambda name: str(name) if type(name) is int else name)]


class FilesOptions(PathOptions):
    """Where the files are and how their rows are meant.

    What follows ``currency`` is found out where it is not said, and what leaves a doubt is
    refused until it is said.

    Parameters
    ----------
    path : Path
        A file, or a folder of files.
    instruments : dict of str to str
        Symbol to file name in the folder. Default: the file whose stem is the symbol, letters
        and digits compared only (``GSPC.csv`` serves ``^GSPC``).
    calendar : str
        Whose sessions the bars belong to.
    timezone : str
        IANA time zone of intraday stamps that carry no offset. Where some stamps carry one and
        some do not, it must be said.
    stamps : {"close", "open"}
        What an intraday stamp marks; a bar's ``event_time`` is its close either way.
    adjustment : {"raw", "split", "total"}
        What the prices are adjusted for.
    publication_delay : timedelta or None
        Time from a bar's close until it could be used; None for 15 minutes (daily) or 0.
    known_at : str or None
        Column that says when each row became known: a vintage. A date means that day's usual
        close plus the publication delay.
    may_be_negative : bool
        Whether a price of zero or below is legal.
    currency : str
        ISO 4217 code of the prices.
    columns : dict of str to str
        What a column is, by hand: ``{close: Settle}``. The keys are ``stamp``, ``time``,
        ``symbol``, the prices, ``volume`` and the quotes; in a file without a header the columns
        are called 1, 2 and so on.
    encoding : str or None
        Python's name of the text's encoding; None for UTF-8.
    separator : {",", ";", "tab", "|"} or None
        What stands between the cells of a line.
    decimal : {".", ","} or None
        The decimal mark; the other one then marks thousands.
    header : int or None
        How many header lines there are, 0 to 3.
    dates : {"dmy", "mdy", "ymd"} or None
        The order of day, month and year.
    epoch : {"s", "ms", "us", "ns"} or None
        The unit of stamps that count from 1970.
    scale : float or None
        What prices and quotes are multiplied by, 0 < scale: ``1e-5`` where 130584 is meant as
        1.30584. Never found out.
    ticks : bool
        Whether rows are trades (a moment, a price, an amount), to be gathered into bars.
    """

    instruments: dict[str, str] = Field(default_factory=dict)
    calendar: CalendarName = "XNYS"
    stamps: Literal["close", "open"] = "close"
    adjustment: Adjustment = "raw"
    publication_delay: Duration | None = None
    known_at: str | None = None
    may_be_negative: Flag = False
    currency: str = "USD"
    columns: dict[str, ColumnName] = Field(default_factory=dict)
    encoding: str | None = None
    separator: Literal[",", ";", "tab", "|"] | None = None
    decimal: Literal[".", ","] | None = None
    header: Whole | None = Field(default=None, ge=0, le=3)
    dates: Literal["dmy", "mdy", "ymd"] | None = None
    epoch: Literal["s", "ms", "us", "ns"] | None = None
    scale: Number | None = Field(default=None, gt=0)
    ticks: Flag = False

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str | None) -> str | None:
        try:
            return None if value is None else codecs.lookup(value).name
        except LookupError as error:
            raise ValueError(
                f"{value!r} is not an encoding: write one such as utf-16 or latin-1"
            ) from error

    @field_validator("columns")
    @classmethod
    def _columns_have_meanings(cls, value: dict[str, str]) -> dict[str, str]:
        for meaning in value:
            if meaning not in MEANINGS:
                raise ValueError(f"{meaning!r} is no column of a bar: "
                                 f"{suggestion(meaning, MEANINGS, most=20)}")  # fmt: skip
        return value

    @property
    def told_timezone(self) -> str | None:
        """The time zone where it was said, None where it is the default."""
        return self.timezone if "timezone" in self.model_fields_set else None


def read_options(options: Mapping[str, Any]) -> FilesOptions:
    """Check the options of a recipe's ``source: files``.

    Raises
    ------
    UsageError
        If one is unknown or has no valid value, or the path does not exist.
    """
    checked = check_options(options)
    if not checked.path.expanduser().exists():
        raise UsageError(
            f"source.files: path {checked.path} does not exist: give a file or a folder"
        )
    return checked


def check_options(options: Mapping[str, Any]) -> FilesOptions:
    """Check the options alone; whether the path exists is not looked at.

    Raises
    ------
    UsageError
        If one is unknown or has no valid value.
    """
    return shared.read_options(FilesOptions, options, "source.files")
