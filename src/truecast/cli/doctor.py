"""What a person needs to know when something is odd: settings, versions, the lake, the data."""

import platform
from datetime import datetime, timedelta
from importlib import metadata
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

import truecast
from truecast.cli.data import HtmlFile, counts, say_where
from truecast.cli.examples import cell, show_examples
from truecast.cli.options import (
    AsJson,
    NewsName,
    RecipeName,
    SourceName,
    open_recipe,
    open_workspace,
)
from truecast.cli.output import console, print_json, table
from truecast.core.settings import load_settings

if TYPE_CHECKING:
    from truecast.pipelines.data_report import DataReport, SeriesReport

PACKAGES = (
    *("polars", "deltalake", "numpy", "numba", "lightgbm", "scikit-learn", "arch"),
    *("mlflow", "sqlalchemy", "fastapi"),
)
# How many runs of absent bars a terminal shows; the page and the JSON have more.
_RUNS = 8

app = typer.Typer(
    help="Show settings and where each came from, versions, and what the lake holds.",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Show settings and where each came from, versions, and what the lake holds."""
    if context.invoked_subcommand is not None:
        return
    found = examine()
    if as_json:
        print_json(found)
        return
    table(
        "Settings",
        ("setting", "value", "from"),
        [(row["name"], row["value"], row["from"]) for row in found["settings"]],
    )
    table("Versions", ("package", "version"), [*found["versions"].items()])
    table(
        f"Lake {found['lake']}",
        ("source", "instrument", "interval", "bars", "first", "last", "revised", "kept out"),
        [
            tuple(f"{value:,}" if isinstance(value, int) else value for value in row.values())
            for row in found["series"]
        ],
    )


def examine() -> dict[str, Any]:
    """Gather settings with their origins, versions, and the series in the lake.

    Returns
    -------
    dict
        ``settings``, ``versions``, ``lake`` and ``series``; JSON can hold it.
    """
    from truecast.lake.lake import Lake

    settings = load_settings()
    series = Lake(settings.lake_url).series()
    return {
        "settings": [
            {"name": name, "value": value, "from": origin}
            for name, (value, origin) in settings.origins().items()
        ],
        "versions": {
            "truecast": truecast.__version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
        "lake": settings.lake_url,
        "series": [
            {
                name: value.date().isoformat() if isinstance(value, datetime) else value
                for name, value in row.items()
            }
            for row in series.to_dicts()
        ],
    }


@app.command()
def data(
    recipe: RecipeName,
    source: SourceName = None,
    news: NewsName = None,
    as_json: AsJson = False,
    html: HtmlFile = None,
) -> None:
    """Show what the lake holds of a recipe's series: what is absent and why, what was done to it.

    Nothing is fetched and nothing is changed.
    """
    from truecast.pipelines.data_report import examine_data

    report = examine_data(open_workspace(), open_recipe(recipe, source, news))
    if html is not None:
        from truecast.pipelines.data_page import write_data_page

        write_data_page(html, report)
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    _show(report)
    say_where(html)


def _show(report: "DataReport") -> None:
    table(
        f"{report.recipe} from {report.source}, as of {report.as_of:%Y-%m-%d %H:%M} UTC",
        ("instrument", "bars", "first", "last", "state", "absent", "kept out", "repaired"),
        [
            (
                one.instrument,
                f"{one.bars:,}",
                f"{one.first:%Y-%m-%d}" if one.first else "",
                f"{one.last:%Y-%m-%d}" if one.last else "",
                one.state,
                f"{sum(one.absent.values()):,}",
                f"{sum(kind.rows for kind in one.quarantined.values()):,}",
                f"{sum(kind.numbers for kind in one.repaired.values()):,}",
            )
            for one in report.series
        ],
    )
    for one in report.series:
        console.print(f"\n[bold]{escape(one.instrument)}[/bold]: {escape(one.description)}")
        for line in _lines(one):
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
        show_examples(one.examples)
        _show_findings(one)
        if one.spans:
            _show_spans(one)


def _lines(one: "SeriesReport") -> list[str]:
    """Say in lines what the numbers of a series mean."""
    lines = [state_in_words(one)]
    if one.bars:
        share = f"{one.assumed_share:.0%} of them assumed to be known at the close plus the delay"
        lines.append(f"{one.bars:,} bars, {share}")
        if len(one.basis) > 1:
            lines.append(f"versions by how it is known when: {counts(one.basis)}")
    if one.simulated_share:
        lines.append(f"simulated: {one.simulated_share:.0%} of the bars are made up")
    if one.expected:
        said = counts(one.absent) if one.absent else "none"
        lines.append(f"absent, of {one.expected:,} expected by {one.calendar}: {said}")
    if one.off_session:
        days = ", ".join(f"{bar.event_time:%Y-%m-%d %H:%M}" for bar in one.outside[-3:])
        lines.append(f"bars outside every session: {one.off_session:,}, the last {days}")
    for what, found in (("flags", one.flags), ("actions", one.actions)):
        if found:
            lines.append(f"{what}: {counts(found)}")
    if one.revisions:
        lines.append(f"revisions: {one.revisions:,}")
    if one.last_failure:
        last = one.last_failure
        lines.append(
            f"failures to read the source: {one.failures:,}, the last at "
            f"{last.failed_at:%Y-%m-%d %H:%M}: {last.error}: {last.message}"
        )
    return lines


def state_in_words(one: "SeriesReport") -> str:
    """Say whether a series is up to date."""
    if one.last is None:
        return "empty: no bar is in the lake; run `truecast ingest` with the recipe"
    age = timedelta(seconds=round(one.age_seconds or 0))
    last = f"the last bar closed at {one.last:%Y-%m-%d %H:%M} UTC"
    if one.state == "ended":
        return f"ended: the source gives no more bars; {last}"
    if one.state == "stale":
        return f"stale: {last}, {age} ago; {one.overdue:,} due up to {one.due:%Y-%m-%d %H:%M}"
    return f"current: {last}, {age} ago, and no other is due"


def _show_findings(one: "SeriesReport") -> None:
    rows = [
        (f"{check} ({kind.bars:,})", kind.action, cell(found.event_time), found.detail)
        for check, kind in one.findings.items()
        for found in kind.examples
    ]
    if rows:
        table(
            "odd beside their neighbours, newest of each",
            ("check (bars)", "what is done", "bar", "what was found"),
            rows,
        )


def _show_spans(one: "SeriesReport") -> None:
    table(
        f"absent bars, the longest of {one.runs:,} runs",
        ("first", "last", "bars", "sessions", "cause"),
        [
            (
                *(cell(span.first), cell(span.last), f"{span.bars:,}", f"{span.sessions:,}"),
                f"{span.cause}: {span.reason}" if span.reason else span.cause,
            )
            for span in one.spans[:_RUNS]
        ],
    )
