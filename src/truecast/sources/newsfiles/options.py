"""What a recipe may say about files of news."""

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from truecast.core.hashing import hash_of
from truecast.core.names import suggestion
from truecast.core.recipe import Duration
from truecast.sources.newsfiles.columns import NAMES
from truecast.sources.options import Options


class NewsFilesOptions(Options):
    """Where the files are and how their rows are meant.

    Parameters
    ----------
    path : Path
        A file, or a folder of files.
    columns : dict of str to str
        What a column is (``title``, ``published_at``, ``known_at``, ...) to its name in the file,
        for those that are not found by their usual names. ``known_at`` is found by no name but
        GDELT's ``seendate``: without it articles are known from their receipt on.
    timezone : str
        IANA time zone of times, and days, that carry no offset.
    dates : {"dmy", "mdy"} or None
        What comes first in dates such as 03/04/2020; None to tell it from the whole column.
    resolution : timedelta or None
        Where times were cut down to a step, such as an hour: an article counts as published when
        its step was over.
    """

    path: Path
    columns: dict[str, str] = Field(default_factory=dict)
    timezone: str = "UTC"
    dates: Literal["dmy", "mdy"] | None = None
    resolution: Duration | None = None

    @field_validator("columns")
    @classmethod
    def _columns_are_ours(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name not in NAMES:
                raise ValueError(f"unknown column {name!r}: {suggestion(name, NAMES)}")
        return value

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

        The same rows read with another meaning are another source: in silver they must not
        become versions of each other.
        """
        told = self.model_dump(mode="json", exclude_defaults=True)
        return hash_of({**told, "path": str(self.path.expanduser().resolve())})[:6]
