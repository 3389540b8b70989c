"""News in the lake: what comes in, and what was known at any moment."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from truecast.core.clock import require_utc
from truecast.core.news import NEWS
from truecast.lake.articles import (
    ORDER,
    STORED,
    CheckedNews,
    as_silver,
    check_articles,
    merge_articles,
)
from truecast.lake.bronze import Bronze
from truecast.lake.errors import NoDataError
from truecast.lake.incidents import Incidents
from truecast.lake.schemas import SILVER_NEWS, WINDOWS
from truecast.lake.summary import IngestSummary, counts_of
from truecast.lake.tables import Table, retried
from truecast.sources.base import NewsSource, Payload, SourceError, Windows

# Articles that are kept out for the same reason and say the same are one.
_SAID = ("event_time", "reason", "content")
# Files that are read at once where the newest articles are looked for.
_FILES = 8


@dataclass(frozen=True)
class NewsHistory:
    """Every version of a source's articles, to be read as of any moment.

    Parameters
    ----------
    versions : pl.DataFrame
        Rows of ``silver/news`` of one source.
    """

    versions: pl.DataFrame

    def known(self, as_of: datetime | None = None) -> pl.DataFrame:
        """Return the articles as they were known at a moment: the last version of each.

        Parameters
        ----------
        as_of : datetime or None
            A time-zone-aware moment; None for everything that is known.

        Returns
        -------
        pl.DataFrame
            One row an article with ``known_at <= as_of``, sorted by ``first_known_at`` and
            ``item``. ``first_known_at`` is when its first version was known; ``symbols`` are
            those of all versions known by then, since a vendor that is asked for each symbol
            apart names one at a time.
        """
        rows = self.versions
        if as_of is not None:
            rows = rows.filter(pl.col("known_at") <= require_utc(as_of, "as_of"))
        ordered = rows.sort(*ORDER, nulls_last=False)
        last = ordered.unique("item", keep="last", maintain_order=True).drop("symbols")
        named = ordered.group_by("item").agg(
            pl.col("symbols").explode(empty_as_null=True).drop_nulls().unique().sort(),
            first_known_at=pl.col("known_at").min(),
        )
        columns = [*self.versions.columns, "first_known_at"]
        return last.join(named, on="item").select(columns).sort("first_known_at", "item")

    def stories(self, as_of: datetime | None = None) -> pl.DataFrame:
        """Return each story once: the article that told it first, as it was known at a moment.

        Parameters
        ----------
        as_of : datetime or None
            As of :meth:`known`.

        Returns
        -------
        pl.DataFrame
            Rows of :meth:`known`, and ``articles``: how many tell the story.
        """
        articles = self.known(as_of).with_columns(articles=pl.len().over("story"))
        return articles.unique("story", keep="first", maintain_order=True)


class News:
    """The tables of news in one lake.

    Parameters
    ----------
    url : str
        The lake's folder or URL.
    bronze : Bronze
        Where its payloads are kept.
    incidents : Incidents
        Where it is noted what was kept out and could not be had.
    """

    def __init__(self, url: str, bronze: Bronze, incidents: Incidents) -> None:
        self._url, self._bronze, self._incidents = url, bronze, incidents
        self._articles = Table(f"{url}/silver/news", SILVER_NEWS, ("source",))
        self._windows = Table(f"{url}/bronze/windows", WINDOWS)

    def ingest(
        self, source: NewsSource, tell: Callable[[IngestSummary], None] = lambda _: None
    ) -> IngestSummary:
        """Fetch a source's articles and take in what is new; see ``Lake.ingest_news``."""
        summary = IngestSummary()
        try:
            for payload in source.fetch(self.windows(source.name)):
                summary += self._take_in(source, payload)
                tell(summary)
        except SourceError as error:
            self._incidents.note_failure(_all_of(source.name), error)
            raise
        return summary

    def windows(self, source_name: str) -> Windows:
        """Return the spans of which all that a source has was taken in, sorted and joined."""
        rows = self._windows.read({"source": source_name}).sort("covers_from", "covers_to")
        joined: list[tuple[datetime, datetime]] = []
        for start, stop in rows.select("covers_from", "covers_to").iter_rows():
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
            else:
                joined.append((start, stop))
        return joined

    def recent(self, limit: int) -> pl.DataFrame:
        """Return the articles that became known last, of every source, the newest first.

        Parameters
        ----------
        limit : int
            So many at most.

        Returns
        -------
        pl.DataFrame
            Rows of ``silver/news``, each article in its last version.
        """
        if self.version() is None:
            return pl.DataFrame(schema=SILVER_NEWS)
        snapshot = self._articles.snapshot()
        files = snapshot.files()
        if "max.known_at" in files.columns:
            files = files.sort("max.known_at", descending=True, nulls_last=False)
        found = pl.DataFrame(schema=SILVER_NEWS)
        for place in range(0, len(files), _FILES):
            more = snapshot.read_files(files[place : place + _FILES]).select(found.columns)
            ordered = pl.concat([found, more]).sort(*ORDER, nulls_last=False)
            last = ordered.unique(["source", "item"], keep="last", maintain_order=True)
            found = last.reverse().head(limit)
            rest = files[place + _FILES :]
            if len(found) == limit and "max.known_at" in files.columns and len(rest):
                newest = rest["max.known_at"][0]
                if newest is not None and newest < found["known_at"][-1]:
                    break
        return found

    def version(self) -> int | None:
        """Return the number of the last commit of articles; None if there is none."""
        return self._articles.version()

    def taken_in(self, source_name: str) -> bool:
        """Say whether a source was taken in: articles of it, or a span in which it had none."""
        newest = self._articles.last({"source": source_name}, "known_at")
        return newest is not None or bool(self.windows(source_name))

    def history(self, source_name: str) -> NewsHistory:
        """Return every version of a source's articles; see ``Lake.news``."""
        rows = self._articles.read({"source": source_name})
        if rows.is_empty() and not self.windows(source_name):
            raise NoDataError(
                f"no articles from source {source_name} in the lake {self._url}: "
                "run `truecast ingest` with your recipe first"
            )
        return NewsHistory(rows.sort("item", *ORDER, nulls_last=False))

    def failures(self, source_name: str) -> pl.DataFrame:
        """Return each time that a source of news could not be read, the oldest first."""
        return self._incidents.failures(_all_of(source_name))

    def quarantine(self, source_name: str) -> pl.DataFrame:
        """Return the articles of a source that were kept out, with their reasons."""
        return self._incidents.quarantine(_all_of(source_name))

    def _take_in(self, source: NewsSource, payload: Payload) -> IngestSummary:
        name = self._bronze.keep(payload)
        parsed = source.parse(payload)
        checked = check_articles(parsed, payload.received_at)
        receipt = {
            "source": payload.source,
            "payload": name,
            "received_at": payload.received_at,
            "simulated": source.simulated,
            "written_at": datetime.now(UTC),
        }
        added, revised = retried(lambda: self._append_articles(checked, payload, receipt))
        series = {**_all_of(payload.source), "instrument": payload.symbol}
        kept_out = checked.quarantined.unique(_SAID, keep="first", maintain_order=True)
        self._incidents.keep_out(kept_out, series, name, payload.received_at)
        # Last, so that a span is never called done of which anything is missing.
        retried(lambda: self._note_window(payload, name))
        return IngestSummary(
            payloads=(name,),
            received=len(parsed),
            added=added,
            revised=revised,
            unchanged=len(checked.articles) - added - revised,
            quarantined=counts_of(checked.quarantined["reason"]),
            duplicates=checked.duplicates,
            notes=checked.notes,
        )

    def _append_articles(
        self, checked: CheckedNews, payload: Payload, receipt: dict[str, object]
    ) -> tuple[int, int]:
        """Append new versions; return how many articles and how many further versions."""
        snapshot = self._articles.snapshot()
        stored = snapshot.read({"source": payload.source}, STORED)
        rows = merge_articles(checked.articles, stored, payload.received_at)
        if len(rows):
            snapshot.append(as_silver(rows, receipt), guard=f"{payload.source} {NEWS}")
        known = stored.select("item").unique()
        added = rows.select("item").unique().join(known, on="item", how="anti").height
        return added, len(rows) - added

    def _note_window(self, payload: Payload, name: str) -> None:
        if payload.covers is None:
            return
        snapshot = self._windows.snapshot()
        begin, end = payload.covers
        if any(start <= begin and end <= stop for start, stop in self.windows(payload.source)):
            return
        row = {
            "source": payload.source,
            "covers_from": begin,
            "covers_to": end,
            "payload": name,
            "written_at": datetime.now(UTC),
        }
        snapshot.append(pl.DataFrame([row], schema=WINDOWS))


def _all_of(source_name: str) -> dict[str, str]:
    """Return what the rows of all of a source's articles have in common."""
    return {"source": source_name, "interval": NEWS}
