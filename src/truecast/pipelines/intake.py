"""Fetch a recipe's bars and news, and say what became of them and what could not be had."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from truecast.core.recipe import Recipe
from truecast.lake.summary import IngestSummary
from truecast.pipelines.data_examples import Examples, find_examples, quarantined
from truecast.serving.workspace import Workspace
from truecast.sources.base import SourceError
from truecast.sources.catalog import open_news_source, open_source

Taken = dict[str, IngestSummary]
#: Called with a symbol, or a source of news, and what became of all its payloads so far; first
#: before any has come.
Watch = Callable[[str, IngestSummary], None]


@dataclass(frozen=True)
class Intake:
    """What an ingest did.

    Parameters
    ----------
    source : str
        Effective name of the source.
    series : dict of str to IngestSummary
        Symbol to what became of what came; also where the source failed halfway.
    news : dict of str to IngestSummary
        Effective name of a source of news to what became of its articles.
    failed : dict of str to str
        Symbol or source of news to why not all of it could be had.
    """

    source: str
    series: Taken = field(default_factory=dict)
    news: Taken = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def take_in(
    workspace: Workspace,
    recipe: Recipe,
    watch: Watch = lambda _name, _so_far: None,
    *,
    leaving_out: Collection[str] = (),
) -> Intake:
    """Fetch a recipe's news, and the bars of its instruments and context; none stops another.

    Parameters
    ----------
    workspace : Workspace
        Whose lake takes them in.
    recipe : Recipe
        Whose series.
    watch : callable
        Told of progress.
    leaving_out : collection of str
        Symbols, and effective names of sources of news, that are not asked for.

    Raises
    ------
    UsageError
        If a source does not have what the recipe names.
    LakeError
        If the lake cannot be written.
    """
    lake, source = workspace.lake, open_source(recipe.source)
    intake = Intake(source.name)

    def take(
        found: dict[str, IngestSummary], name: str, ingest: Callable[..., IngestSummary]
    ) -> None:
        def tell(so_far: IngestSummary) -> None:
            found[name] = so_far
            watch(name, so_far)

        tell(IngestSummary())
        try:
            tell(ingest(tell=tell))
        except SourceError as error:
            intake.failed[name] = str(error)

    # News first: whoever decides on the newest bar then has read what was known by it.
    for choice in recipe.news:
        news = open_news_source(choice)
        if news.name not in leaving_out:
            take(intake.news, news.name, partial(lake.ingest_news, news))
    start, interval = recipe.history.start, recipe.bar_interval
    for symbol in dict.fromkeys((*recipe.instruments, *recipe.context)):
        if symbol not in leaving_out:
            bars = partial(lake.ingest, source, symbol, interval, start=start)
            take(intake.series, symbol, bars)
    return intake


def examples_of(workspace: Workspace, recipe: Recipe, intake: Intake) -> dict[str, Examples]:
    """Return examples of the rows that an ingest kept out, repaired and revised.

    By symbol, and by the name of a source of news, whose articles have none that were repaired.
    """
    lake = workspace.lake
    found = {
        symbol: find_examples(lake, intake.source, symbol, recipe.bar_interval, summary)
        for symbol, summary in intake.series.items()
    }
    for name, summary in intake.news.items():
        mine = pl.col("payload").is_in(list(summary.payloads))
        kept_out = quarantined(lake.articles.quarantine(name), summary.quarantined, mine)
        found[name] = Examples(quarantined=kept_out, repaired={}, revised=())
    return found
