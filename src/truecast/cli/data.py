"""The command that fetches bars, and what it shows of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from truecast.cli.examples import show_examples
from truecast.cli.options import (
    AsJson,
    NewsName,
    RecipeName,
    SourceName,
    open_recipe,
    open_workspace,
)
from truecast.cli.output import console, notes, print_json, show_notices, table

if TYPE_CHECKING:
    from truecast.lake.summary import IngestSummary
    from truecast.pipelines.data_examples import Examples
    from truecast.pipelines.intake import Intake, Watch

HtmlFile = Annotated[
    Path | None,
    typer.Option("--html", help="Write the report as a page, too.", show_default=False),
]


def ingest(
    recipe: RecipeName,
    source: SourceName = None,
    news: NewsName = None,
    as_json: AsJson = False,
    html: HtmlFile = None,
) -> None:
    """Fetch a recipe's bars and news into the lake. Exit code 1 if some could not be had."""
    from dataclasses import asdict

    from truecast.pipelines import stages
    from truecast.pipelines.intake import examples_of, take_in
    from truecast.sources.base import SourceError

    loaded = open_recipe(recipe, source, news)
    with suppress(SourceError):  # one series that cannot be read is told of below, with the others
        stages.check_recipe(loaded)
    workspace = open_workspace()
    with _progress() as watch:
        intake = take_in(workspace, loaded, watch)
    examples = examples_of(workspace, loaded, intake)
    if html is not None:
        from truecast.pipelines.data_page import write_intake_page

        write_intake_page(html, loaded.name, intake, examples)
    if as_json:
        series, articles = (
            {name: asdict(one) for name, one in taken.items()}
            for taken in (intake.series, intake.news)
        )
        shown = {name: found.model_dump(mode="json") for name, found in examples.items()}
        print_json(
            {
                "recipe": loaded.name,
                "series": series,
                "news": articles,
                "examples": shown,
                "failed": intake.failed,
            }
        )
    else:
        _show(intake, examples)
        say_where(html)
    if intake.failed:
        raise typer.Exit(1)


def say_where(html: Path | None) -> None:
    """Say where a page was written."""
    if html is not None:
        console.print(f"\nReport: {html}", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _progress() -> "Iterator[Watch]":
    """Show on standard error what each series has brought so far."""
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[so_far]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=notes) as progress:
        tasks: dict[str, TaskID] = {}

        def watch(symbol: str, so_far: "IngestSummary") -> None:
            if symbol not in tasks:
                for task in tasks.values():
                    progress.update(task, total=1, completed=1)
                tasks[symbol] = progress.add_task(symbol, total=None, so_far="")
            said = f"payloads {len(so_far.payloads):,}, rows {so_far.received:,}"
            progress.update(tasks[symbol], so_far=f"{said}, new {so_far.added:,}")

        yield watch
        for task in tasks.values():
            progress.update(task, total=1, completed=1)


def _show(intake: "Intake", examples: "Mapping[str, Examples]") -> None:
    taken = intake.series | intake.news
    for title, what, summaries in (
        ("Ingested", "instrument", intake.series),
        ("News", "source", intake.news),
    ):
        if summaries:
            table(
                title,
                (what, "received", "added", "revised", "unchanged", "kept out", "repaired"),
                [_row(name, one) for name, one in summaries.items()],
            )
    for name, one in taken.items():
        for line in _besides(one):
            console.print(f"{name}: {line}", highlight=False, markup=False, soft_wrap=True)
    for name, found in examples.items():
        if found.quarantined or found.repaired or found.revised:
            console.print(f"\n[bold]{escape(name)}[/bold]")
            show_examples(found)
    show_notices([f"{symbol}: {note}" for symbol, one in taken.items() for note in one.notes])
    show_notices(
        [f"error: {symbol} is not complete: {why}" for symbol, why in intake.failed.items()]
    )


def _row(name: str, one: "IngestSummary") -> tuple[str, ...]:
    figures = (one.received, one.added, one.revised, one.unchanged)
    kept_out, repaired = (sum(found.values()) for found in (one.quarantined, one.repaired))
    return (name, *(f"{figure:,}" for figure in (*figures, kept_out, repaired)))


def counts(found: dict[str, int]) -> str:
    """Say how many there are of each kind, such as ``46 missing_close``; 0 for none."""
    return ", ".join(f"{count:,} {name}" for name, count in found.items()) or "0"


def _besides(one: "IngestSummary") -> "Iterator[str]":
    """Say in lines what the figures of the table are made of, and what has no column."""
    if one.quarantined:
        yield f"kept out: {counts(one.quarantined)}"
    if one.repaired:
        yield f"repaired: {counts(one.repaired)}"
    if one.duplicates:
        yield f"duplicates: {one.duplicates:,}"
    if one.actions:
        yield f"splits and dividends: {one.actions:,}"
