"""What is typed after a command, and what it means."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from truecast.cli.output import progress_bars, show_notices
from truecast.core.clock import require_utc
from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe
from truecast.core.recipe_files import load_recipe
from truecast.core.settings import load_settings

if TYPE_CHECKING:
    from truecast.pipelines.studies import Studies
    from truecast.serving.workspace import Workspace

RecipeName = Annotated[
    str, typer.Argument(help="Name of a shipped recipe, or a YAML file.", show_default=False)
]
SourceName = Annotated[
    str | None,
    typer.Option(
        "--source",
        help="Read another source: sample, simulated, yahoo, oanda, files:PATH.",
        show_default=False,
    ),
]
NewsName = Annotated[
    str | None,
    typer.Option(
        "--news",
        help="Read other news: none, simulated, gdelt:QUERY, files:PATH. Without it another "
        "source is read without the recipe's news, and simulated bars with simulated ones.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="A session (2018-06-01) or a moment (2018-06-01T20:30Z): forecast as of then, "
        "by models of then.",
        show_default=False,
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="One of the recipe's models by its name, champion or not: its newest version.",
        show_default=False,
    ),
]


def open_recipe(name: str, source: str | None, news: str | None) -> Recipe:
    """Read a recipe, with another source and other news if they were typed."""
    recipe = load_recipe(name)
    options = (("--source", source), ("--news", news))
    words = [word for option, given in options if given is not None for word in (option, given)]
    changed = recipe.with_source(source, news).typed_as(name, *words)
    if recipe.news and not changed.news and news is None:
        left_out = ", ".join(choice.name for choice in recipe.news)
        show_notices(
            [f"news from {left_out} are not read beside {changed.source.name}: say --news to do so"]
        )
    return changed


def open_workspace() -> "Workspace":
    """Open the home that the settings name."""
    from truecast.serving.workspace import Workspace

    return Workspace(load_settings())


@contextmanager
def open_studies(recipe: Recipe) -> "Iterator[Studies]":
    """Open a recipe's studies, with what the lake does not have yet fetched and scored first."""
    from truecast.pipelines.stages import check_recipe, fetch_missing, notices_of
    from truecast.pipelines.studies import Studies

    check_recipe(recipe)
    show_notices(notices_of(recipe))
    workspace = open_workspace()
    with progress_bars() as bars:
        studies = Studies(workspace, recipe, bars)
        studies.meter.begin("fetch")
        fetch_missing(workspace, recipe, bars)
        yield studies
    show_notices(workspace.registry.notices)


def read_day(text: str, option: str) -> date:
    """Read a session's date.

    Raises
    ------
    UsageError
        If it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{option} {text}: expected a date such as 2018-06-01 ({error})"
        ) from error


def read_moment(text: str) -> datetime | date:
    """Read a session's date, or a moment with a time zone.

    Raises
    ------
    UsageError
        If it is neither.
    """
    try:
        if len(text) == len("2018-06-01"):
            return date.fromisoformat(text)
        return require_utc(datetime.fromisoformat(text), "--as-of")
    except ValueError as error:
        raise UsageError(
            f"--as-of {text}: expected a date such as 2018-06-01 or a moment such as "
            f"2018-06-01T20:30Z ({error})"
        ) from error
