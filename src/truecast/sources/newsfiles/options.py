"""What a recipe may say about files of news."""

from typing import Literal

from pydantic import Field, field_validator

from truecast.core.names import suggestion
from truecast.core.recipe_parts import Duration
from truecast.sources.newsfiles.columns import NAMES
from truecast.sources.options import PathOptions


class NewsFilesOptions(PathOptions):
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

    columns: dict[str, str] = Field(default_factory=dict)
    dates: Literal["dmy", "mdy"] | None = None
    resolution: Duration | None = None

    @field_validator("columns")
    @classmethod
    def _columns_are_ours(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name not in NAMES:
                raise ValueError(f"unknown column {name!r}: {suggestion(name, NAMES)}")
        return value
