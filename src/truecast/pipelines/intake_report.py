"""Fetch a recipe's bars, and say what became of them and what could not be had."""

from collections.abc import Callable
from dataclasses import dataclass, field

from truecast.core.recipe import Recipe
from truecast.lake.summary import IngestSummary
from truecast.pipelines.data_examples import Examples, find_examples
from truecast.serving.workspace import Workspace
from truecast.sources.base import SourceError
from truecast.sources.catalog import open_source

#: Called with a symbol and what became of all its payloads so far; first before any has come.
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
    failed : dict of str to str
        Symbol to why not all of it could be had.
    """

    source: str
    series: dict[str, IngestSummary] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def take_in(
    workspace: Workspace, recipe: Recipe, watch: Watch = lambda _symbol, _so_far: None
) -> Intake:
    """Fetch the bars of a recipe's instruments and context; one that fails stops no other.

    Parameters
    ----------
    workspace : Workspace
        Whose lake takes them in.
    recipe : Recipe
        Whose series.
    watch : callable
        Told of progress.

    Raises
    ------
    UsageError
        If the source does not have what the recipe names.
    LakeError
        If the lake cannot be written.
    """
    source = open_source(recipe.source)
    intake = Intake(source.name)
    for symbol in dict.fromkeys((*recipe.instruments, *recipe.context)):

        def tell(so_far: IngestSummary, symbol: str = symbol) -> None:
            intake.series[symbol] = so_far
            watch(symbol, so_far)

        tell(IngestSummary())
        try:
            tell(workspace.lake.ingest(source, symbol, recipe.bar_interval, tell=tell))
        except SourceError as error:
            intake.failed[symbol] = str(error)
    return intake


def examples_of(workspace: Workspace, recipe: Recipe, intake: Intake) -> dict[str, Examples]:
    """Return examples of the rows that an ingest kept out, repaired and revised, by symbol."""
    return {
        symbol: find_examples(workspace.lake, intake.source, symbol, recipe.bar_interval, summary)
        for symbol, summary in intake.series.items()
    }
