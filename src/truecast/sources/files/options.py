"""What a recipe may say about files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from truecast.core.calendars import get_calendar
from truecast.core.errors import UsageError
from truecast.core.hashing import hash_of
from truecast.core.instrument import Adjustment
from truecast.core.recipe import Duration
from truecast.core.recipe_errors import describe


class FilesOptions(BaseModel):
    """Where the files are and how their rows are meant.

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
        IANA time zone of intraday stamps that carry no offset.
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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    instruments: dict[str, str] = Field(default_factory=dict)
    calendar: str = "XNYS"
    timezone: str = "UTC"
    stamps: Literal["close", "open"] = "close"
    adjustment: Adjustment = "raw"
    publication_delay: Duration | None = None
    known_at: str | None = None
    may_be_negative: bool = False
    currency: str = "USD"

    @field_validator("calendar")
    @classmethod
    def _calendar_exists(cls, value: str) -> str:
        try:
            return get_calendar(value).name
        except UsageError as error:
            raise ValueError(str(error)) from error

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"{value!r} is not a time zone: write an IANA name such as America/New_York"
            ) from error

    @property
    def fingerprint(self) -> str:
        """Six hexadecimal digits of the resolved path and of each option that is not its default.

        The same rows read with another meaning (another time zone, say) are another series: in
        silver they must not become versions of each other.
        """
        told = self.model_dump(mode="json", exclude_defaults=True)
        return hash_of({**told, "path": str(self.path.expanduser().resolve())})[:6]


def read_options(options: Mapping[str, Any]) -> FilesOptions:
    """Check the options of a recipe's ``source: files``.

    Raises
    ------
    UsageError
        If one is unknown or has no valid value, or the path does not exist.
    """
    try:
        checked = FilesOptions.model_validate(dict(options))
    except ValidationError as error:
        raise UsageError(f"source.files: {describe(error, FilesOptions)}") from error
    if not checked.path.expanduser().exists():
        raise UsageError(
            f"source.files: path {checked.path} does not exist: give a file or a folder"
        )
    return checked
