"""Take in what is pushed, and say what became of it."""

from collections.abc import Iterator
from typing import Any, Literal

import polars as pl

from truecast.core.interval import Interval
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.lake.articles import check_articles
from truecast.lake.contracts import check_bars
from truecast.sentiment.catalog import open_scorer
from truecast.serving.errors import AskedError
from truecast.serving.feed.pushed import (
    MOST_KEPT_OUT,
    KeptOut,
    News,
    PushedBars,
    PushedNews,
    TakenBars,
    TakenNews,
)
from truecast.serving.planning import reads_news, source_of
from truecast.serving.service import Service
from truecast.sources.api.options import NAME, ApiOptions
from truecast.sources.api.source import ApiNews, ApiSource
from truecast.sources.catalog import open_news_source

#: Scores what no recipe that is served reads.
_SCORER = Choice(name="lexicon")
_DAILY = "1d"
_MEDIUM, _HIGH = 0.4, 0.7


class Pushes:
    """What is pushed to a server.

    Parameters
    ----------
    service : Service
        Whose lake takes it in, and whose recipes read it.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def bars(self, pushed: PushedBars) -> TakenBars:
        """Take in bars through the same checks as a vendor's.

        Raises
        ------
        AskedError
            If recipes that are served read the instrument with different options.
        LakeError
            If the lake cannot be written.
        """
        source, interval = self._meant(pushed)
        said = [bar.model_dump() for bar in pushed.bars]
        payload = source.posted(pushed.instrument, interval, said)
        parsed, instrument = source.parse(payload), source.instrument(pushed.instrument)
        summary = self._lake.store(payload, parsed, instrument, source.simulated, source.live)
        checked = check_bars(parsed.bars, instrument, interval, payload.received_at)
        kept_out = checked.quarantined.sort("row").head(MOST_KEPT_OUT)
        self._poke()
        return TakenBars(
            instrument=pushed.instrument,
            interval=str(interval),
            source=source.name,
            received=summary.received,
            added=summary.added,
            revised=summary.revised,
            unchanged=summary.unchanged,
            duplicates=summary.duplicates,
            quarantined=summary.quarantined,
            kept_out=[
                KeptOut(**row)
                for row in kept_out.select("row", "reason", "detail").iter_rows(named=True)
            ],
            read_by=sorted(
                recipe.name
                for recipe, own in self._reading(pushed.instrument)
                if own.name == source.name and recipe.interval == str(interval)
            ),
        )

    def news(self, pushed: PushedNews) -> TakenNews:
        """Take in an article, and score it.

        Raises
        ------
        AskedError
            If it is kept out: of no words, or published in the future.
        LakeError
            If the lake cannot be written.
        SentimentError
            If it cannot be scored.
        """
        said = pushed.model_dump(mode="json", exclude_none=True)
        source = ApiNews([said])
        payload = next(source.fetch())
        checked = check_articles(source.parse(payload), payload.received_at)
        summary = self._lake.ingest_news(source)
        if len(checked.quarantined):
            reason, detail = checked.quarantined.select("reason", "detail").row(0)
            raise AskedError(f"the article is kept out: {reason} ({detail})", "put that right")
        history = self._lake.news(source.name).versions
        mine = history.filter(pl.col("item") == checked.articles["item"][0]).tail(1)
        (told,) = self._told(mine)
        self._poke()
        status: Literal["added", "revised", "unchanged"] = "unchanged"
        if summary.added or summary.revised:
            status = "added" if summary.added else "revised"
        reading = sorted(recipe.name for recipe in self._hearing(source.name))
        return TakenNews(**told.model_dump(), status=status, read_by=reading)

    def recent(self, limit: int) -> list[News]:
        """Return the articles that became known last, of every source, the newest first."""
        return list(self._told(self._lake.articles.recent(limit)))

    @property
    def _lake(self) -> Any:
        return self._service.workspace.lake

    def _poke(self) -> None:
        if self._service.live is not None:
            self._service.live.poke()

    def _meant(self, pushed: PushedBars) -> tuple[ApiSource, Interval]:
        """Return the source that the bars belong to, and their length."""
        if pushed.options is not None:
            options = ApiOptions(**pushed.options.model_dump())
            return ApiSource(options), Interval(pushed.interval or _DAILY)
        found = {
            (source.name, recipe.interval): source
            for recipe, source in self._reading(pushed.instrument)
            if pushed.interval in {None, recipe.interval}
        }
        if not found:
            return ApiSource(ApiOptions()), Interval(pushed.interval or _DAILY)
        if len(found) > 1:
            raise AskedError(
                f"{pushed.instrument} is read as {len(found)} series: "
                f"{', '.join(f'{name} {interval}' for name, interval in sorted(found))}",
                "say interval and options, as the recipe does",
            )
        (((_, interval), source),) = found.items()
        return source, Interval(interval)

    def _reading(self, symbol: str) -> Iterator[tuple[Recipe, ApiSource]]:
        """Yield the recipes that read an instrument's pushed bars, and their source."""
        for recipe in self._service.look().recipes:
            if recipe.source.name == NAME and symbol in (*recipe.instruments, *recipe.context):
                source = source_of(recipe)
                assert isinstance(source, ApiSource)  # noqa: S101 - by its name
                yield recipe, source

    def _hearing(self, source_name: str) -> Iterator[Recipe]:
        """Yield the recipes that read a source of news."""
        for recipe in self._service.look().recipes:
            if reads_news(recipe) and any(
                open_news_source(choice).name == source_name for choice in recipe.news
            ):
                yield recipe

    def _told(self, articles: pl.DataFrame) -> Iterator[News]:
        """Score articles, each by the scorer of a recipe that reads it."""
        home = self._service.workspace.settings.home
        scored = {}
        for (name,), rows in articles.group_by("source", maintain_order=True):
            choice = next((one.sentiment for one in self._hearing(str(name))), _SCORER)
            scorer = open_scorer(choice, home)
            for row in self._lake.score_articles(rows, scorer).iter_rows(named=True):
                scored[row["source"], row["item"]] = _news(row, scorer.id)
        for key in articles.select("source", "item").iter_rows():
            yield scored[key]


def _news(row: dict[str, Any], scorer: str) -> News:
    sentiment = float(row["positive"] - row["negative"])
    return News(
        time=row["published_at"] or row["known_at"],
        headline=row["title"] or row["summary"],
        source=row["publisher"] or row["source"],
        sentiment=sentiment,
        impact=_impact(abs(sentiment)),
        url=row["url"],
        known_at=row["known_at"],
        instruments=row["symbols"] or [],
        scorer=scorer,
        simulated=row["simulated"],
    )


def _impact(strength: float) -> Literal["low", "medium", "high"]:
    if strength > _HIGH:
        return "high"
    return "medium" if strength > _MEDIUM else "low"
