"""What is typed after a command, and what it means."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from truecast.cli.output import progress_bars, show_notices
from truecast.core.clock import require_utc
from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe, load_recipe
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


def open_recipe(name: str, source: str | None) -> Recipe:
    """Read a recipe, with another source if one was typed."""
    return load_recipe(name).with_source(source)


def open_workspace() -> "Workspace":
    """Open the home that the settings name."""
    from truecast.serving.workspace import Workspace

    return Workspace(load_settings())


@contextmanager
def open_studies(recipe: Recipe) -> "Iterator[Studies]":
    """Open a recipe's studies, with the series that the lake does not have yet fetched first."""
    from truecast.pipelines.stages import check_recipe, fetch_missing
    from truecast.pipelines.studies import Studies

    check_recipe(recipe)
    workspace = open_workspace()
    fetch_missing(workspace, recipe)
    with progress_bars() as bars:
        yield Studies(workspace, recipe, bars)
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
