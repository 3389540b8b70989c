"""The lake as one thing: what comes in, and what can be asked."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import cast

import polars as pl

from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.core.progress import SILENT, Progress
from truecast.lake.bronze import Bronze
from truecast.lake.completion import Completions
from truecast.lake.errors import NoDataError
from truecast.lake.gold import GoldTable, gold_table, read_gold, write_gold
from truecast.lake.growth import Growth, Place, SeriesKey, place_of, rows_between
from truecast.lake.history import BarHistory
from truecast.lake.incidents import Incidents
from truecast.lake.ingestion import Ingestion
from truecast.lake.intake import Intake
from truecast.lake.news import News, NewsHistory
from truecast.lake.optimize import RETENTION, Optimized, optimize_lake
from truecast.lake.schemas import SERIES, SILVER_ACTIONS, SILVER_BARS, series_key
from truecast.lake.scores import Scores
from truecast.lake.storage import open_storage
from truecast.lake.summary import IngestSummary
from truecast.lake.tables import Table
from truecast.sentiment.base import Scorer
from truecast.sources.base import NewsSource, Parsed, Payload, Source


class Lake:
    """Bronze, silver and gold under one folder or S3 prefix.

    Parameters
    ----------
    url : str
        The folder, made when first written to, or ``s3://bucket/prefix``, whose bucket is there.
    """

    def __init__(self, url: str) -> None:
        storage = open_storage(url)
        self.url = url = storage.url
        self.bronze = Bronze(storage.below("bronze"))
        self._bars = Table(f"{url}/silver/bars", SILVER_BARS, SERIES)
        self._actions = Table(f"{url}/silver/actions", SILVER_ACTIONS)
        self._incidents = Incidents(url)
        done = Completions(storage.below("bronze/completed"))
        intake = Intake(self._bars, self._actions, self._incidents, done)
        self._ingestion = Ingestion(self.bronze, intake)
        self.articles = News(url, self.bronze, self._incidents)
        self._scores = Scores(url)

    def ingest(
        self,
        source: Source,
        symbol: str,
        interval: Interval,
        *,
        start: date | None = None,
        tell: Callable[[IngestSummary], None] = lambda _: None,
    ) -> IngestSummary:
        """Fetch a symbol's bars and take in what is new.

        Each payload is kept before anyone interprets it, and taken in before the next is asked
        for. A crash at any point leaves the lake whole, and the next call completes what it left
        out.

        Parameters
        ----------
        source : Source
            Where the bars come from.
        symbol, interval : str, Interval
            The series.
        start : date or None
            Where a backfill begins if there is nothing yet; None for all that the source has.
        tell : callable
            Called with what became of all payloads so far, after each.

        Raises
        ------
        SourceError
            If the source cannot be read, or its payload not understood. That it could not be
            read is written down in ``bronze/failures``.
        LakeError
            If the lake cannot be written.
        """
        return self._ingestion.all_of(source, symbol, interval, start, tell)

    def store(
        self,
        payload: Payload,
        parsed: Parsed,
        instrument: Instrument,
        simulated: bool,
        live: bool = False,
    ) -> IngestSummary:
        """Take in a payload that is fetched and parsed already.

        Parameters
        ----------
        payload : Payload
            What was received.
        parsed : Parsed
            What it says.
        instrument : Instrument
            Whose bars they are.
        simulated, live : bool
            What the source says of itself.
        """
        return self._ingestion.store(payload, parsed, instrument, simulated, live)

    def ingest_newest(
        self,
        source: Source,
        symbols: Sequence[str],
        interval: Interval,
        *,
        start: date | None = None,
    ) -> dict[str, IngestSummary | Exception]:
        """Fetch what is new of several series of a source, and take it in with one commit.

        Parameters
        ----------
        source : Source
            Where the bars come from.
        symbols : sequence of str
            Whose; those that are not there yet are backfilled one by one.
        interval : Interval
            Length of the bars.
        start : date or None
            Where a backfill begins.

        Returns
        -------
        dict of str to IngestSummary or Exception
            What became of each symbol, or what went wrong with it, which keeps no other from being
            taken in. What came of it before that is taken in, and nothing of what came after: it
            will be asked for again. Symbols that the source was not asked for are left out, since
            after half a second what came is taken in: ask for them again.

        Raises
        ------
        LakeError
            If the lake cannot be read or written.
        """
        return self._ingestion.newest_of(source, symbols, interval, start)

    def ingest_news(
        self, source: NewsSource, *, tell: Callable[[IngestSummary], None] = lambda _: None
    ) -> IngestSummary:
        """Fetch a source's articles and take in what is new.

        Each payload is kept before anyone interprets it, and taken in before the next is asked
        for. A span that was taken in whole is not asked for again: a backfill that was stopped,
        by a kill or a vendor's quota, goes on behind it.

        Parameters
        ----------
        source : NewsSource
            Where the articles come from.
        tell : callable
            Called with what became of all payloads so far, after each.

        Raises
        ------
        SourceError
            If the source cannot be read, or its payload not understood. What came before is
            kept, and the failure is written down in ``bronze/failures``.
        LakeError
            If the lake cannot be written.
        """
        return self.articles.ingest(source, tell)

    def news(self, source_name: str) -> NewsHistory:
        """Return every version of a source's articles; none if it was asked and had none.

        Raises
        ------
        NoDataError
            If it was not taken in; the message says how to do so.
        """
        return self.articles.history(source_name)

    def score_articles(
        self, articles: pl.DataFrame, scorer: Scorer, progress: Progress = SILENT
    ) -> pl.DataFrame:
        """Return articles with what a scorer says of them.

        A text that the scorer has not seen yet is scored and its score kept in
        ``silver/sentiment``; a second call scores nothing. What is scored is kept about every
        twenty seconds, so that little is lost where it is interrupted.

        Parameters
        ----------
        articles : pl.DataFrame
            With ``title`` and ``summary``, either of which may be null.
        scorer : Scorer
            Who judges.
        progress : Progress
            Told how many of the new texts are scored.

        Returns
        -------
        pl.DataFrame
            The same rows in the same order, and ``positive``, ``negative`` and ``neutral``:
            float32 in [0, 1], summing to 1. They hold nothing of the time: a row may be used
            when its article was known.

        Raises
        ------
        SentimentError
            If the scorer cannot be had or does not work.
        LakeError
            If the lake cannot be read or written.
        """
        return self._scores.of(articles, scorer, progress)

    def history(
        self,
        source_name: str,
        symbol: str,
        interval: Interval,
        *,
        start: date | None = None,
    ) -> BarHistory:
        """Return every version of a series' bars.

        Parameters
        ----------
        source_name : str
            Effective name of the source.
        symbol, interval : str, Interval
            The series.
        start : date or None
            First session; None for all.

        Raises
        ------
        NoDataError
            If there is none; the message says how to get it.
        """
        series = series_key(source_name, symbol, interval)
        rows = self._bars.read(series).sort("event_time", "version")
        since = rows if start is None else rows.filter(pl.col("session") >= start)
        if since.is_empty():
            found = f"; the last bar is of {rows['session'][-1]}" if len(rows) else ""
            raise NoDataError(
                f"no bars of {symbol} ({interval}) from source {source_name}"
                f"{f' since {start}' if start else ''} in the lake {self.url}{found}: "
                "run `truecast ingest` with your recipe first"
            )
        return BarHistory(since)

    def last_close(self, source_name: str, symbol: str, interval: Interval) -> datetime | None:
        """Return the close of the newest bar of a series; None if there is none."""
        return self._ingestion.last_close(series_key(source_name, symbol, interval))

    def last_closes(self) -> dict[SeriesKey, datetime]:
        """Return the close of the newest bar of each series that is there."""
        return self._ingestion.last_closes()

    def version(self, table: str) -> int | None:
        """Return the last version of a table such as ``silver/bars``; None if there is none."""
        return Table(f"{self.url}/{table}").version()

    def versions(self) -> dict[str, int]:
        """Return the last version of each table that series are read from, of those there are."""
        found = {
            "silver/bars": self._bars.version(),
            "silver/actions": self._actions.version(),
            "silver/news": self.articles.version(),
        }
        return {table: version for table, version in found.items() if version is not None}

    def places(self) -> tuple[Place, Place]:
        """Return how far the tables of bars and of actions have come."""
        return place_of(self._bars), place_of(self._actions)

    def growth(self, before: tuple[Place, Place], after: tuple[Place, Place]) -> Growth | None:
        """Return what came between two :meth:`places`; None where not all of it was appended."""
        bars = rows_between(self._bars, before[0], after[0])
        actions = rows_between(self._actions, before[1], after[1])
        if bars is None or actions is None:
            return None
        return Growth(
            bars=cast(Mapping[SeriesKey, pl.DataFrame], bars.partition_by(SERIES, as_dict=True)),
            acted=frozenset(cast(list[SeriesKey], actions.select(SERIES).rows())),
        )

    def optimize(
        self, *, retention: timedelta = RETENTION, forget_history: bool = False
    ) -> list[Optimized]:
        """Put small files together; see :func:`truecast.lake.optimize.optimize_lake`."""
        return optimize_lake(
            open_storage(self.url), retention=retention, forget_history=forget_history
        )

    def series(self) -> pl.DataFrame:
        """Return what is there.

        Returns
        -------
        pl.DataFrame
            A row a series: ``source``, ``instrument``, ``interval``, ``bars``, ``first`` and
            ``last`` (event_time), ``revisions``, ``quarantined`` (distinct rows kept out).
        """
        bars = (
            self._bars.read(columns=[*SERIES, "event_time", "version"])
            .group_by(SERIES)
            .agg(
                bars=(pl.col("version") == 0).sum().cast(pl.Int64),
                first=pl.col("event_time").min(),
                last=pl.col("event_time").max(),
                revisions=(pl.col("version") > 0).sum().cast(pl.Int64),
            )
        )
        return (
            bars.join(self._incidents.count_quarantined(), on=SERIES, how="full", coalesce=True)
            .with_columns(pl.col("bars", "revisions", "quarantined").fill_null(0))
            .sort(SERIES)
        )

    def quarantine(self, source_name: str, symbol: str, interval: Interval) -> pl.DataFrame:
        """Return the rows of a series that were kept out, with their reasons."""
        return self._incidents.quarantine(series_key(source_name, symbol, interval))

    def write_gold(self, name: str, frame: pl.DataFrame, lineage: Mapping[str, str]) -> int:
        """Replace ``gold/<name>`` in one commit that holds its lineage; return its version."""
        return write_gold(gold_table(f"{self.url}/gold", name), frame, lineage)

    def read_gold(self, name: str, version: int | None = None) -> GoldTable:
        """Return ``gold/<name>`` with its lineage; see :func:`truecast.lake.gold.read_gold`."""
        return read_gold(gold_table(f"{self.url}/gold", name), version)

    def actions(self, source_name: str, symbol: str, interval: Interval) -> pl.DataFrame:
        """Return every version of a series' splits and dividends, by ex-date."""
        rows = self._actions.read(series_key(source_name, symbol, interval))
        return rows.sort("session", "kind", "version")

    def repairs(self, source_name: str, symbol: str, interval: Interval) -> pl.DataFrame:
        """Return every number of a series that was changed on its way in, with the original."""
        return self._incidents.repairs(series_key(source_name, symbol, interval))

    def failures(self, source_name: str, symbol: str, interval: Interval) -> pl.DataFrame:
        """Return each time that a series could not be read, the oldest first."""
        return self._incidents.failures(series_key(source_name, symbol, interval))
