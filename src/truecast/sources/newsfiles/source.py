"""Files of articles as a source of news."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from truecast.core import clock
from truecast.core.news import NEWS
from truecast.sources.base import Payload, Windows
from truecast.sources.files.client import read_bytes
from truecast.sources.newsfiles.client import kind_of, list_files
from truecast.sources.newsfiles.options import NewsFilesOptions
from truecast.sources.newsfiles.parse import parse_file
from truecast.sources.options import read_options


class NewsFilesSource:
    """Articles in files of your own.

    Knowability: an article is known when the column ``known_at`` says, else from its receipt on.

    Parameters
    ----------
    options : NewsFilesOptions
        Where the files are and how their rows are meant.
    """

    live = False
    simulated = False

    def __init__(self, options: NewsFilesOptions) -> None:
        self.options = options

    @property
    def name(self) -> str:
        """Effective name: the file's or folder's, and six digits that tell its paths apart."""
        stem = re.sub(r"[^a-z0-9_-]+", "-", self.options.path.name.lower()).strip("-") or "news"
        return f"newsfiles-{stem}-{self.options.fingerprint}"

    def fetch(self, done: Windows = ()) -> Iterator[Payload]:
        """Read each file, whole; see :class:`truecast.sources.base.NewsSource`."""
        del done  # a file is one
        for path in list_files(self.options.path):
            yield Payload(
                source=self.name,
                symbol=path.name,
                interval=NEWS,
                request={"file": str(path)},
                content=read_bytes(path),
                media_type=kind_of(path) or "",
                received_at=clock.now(),
            )

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Return what changes when a file does: name, size and time of each."""
        found = ((path, path.stat()) for path in list_files(self.options.path))
        return tuple((str(path), held.st_size, held.st_mtime_ns) for path, held in found)

    def parse(self, payload: Payload) -> pl.DataFrame:
        """Turn a payload into rows; see :class:`truecast.sources.base.NewsSource`."""
        return parse_file(payload, self.options)


def open_news_files(options: Mapping[str, Any]) -> NewsFilesSource:
    """Open the files that a recipe names.

    Raises
    ------
    UsageError
        If an option is unknown or has no valid value, or there is no such file.
    """
    checked = read_options(NewsFilesOptions, options, "news.files")
    list_files(checked.path)
    return NewsFilesSource(checked)
