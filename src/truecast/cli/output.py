"""Tables and progress on the terminal, and JSON for programs."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from truecast.core.forecast import Forecast
    from truecast.core.meter import StageCost
    from truecast.evaluation.trackrecord import TrackRecord
    from truecast.features.results import CheckResult
    from truecast.registry.registry import ChampionRecord, VersionRecord

#: Tables for people go to standard output, progress to standard error: so ``--json`` prints JSON
#: and nothing else.
console = Console(emoji=False)
notes = Console(stderr=True, emoji=False)


def print_json(document: Any) -> None:
    """Print one JSON document and nothing else."""
    # ASCII, so that any terminal's encoding can carry it.
    json.dump(document, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def version_document(record: "VersionRecord") -> dict[str, Any]:
    """Return a trained version as JSON can hold it."""
    return {
        "slot": str(record.slot),
        "name": record.name,
        "version": record.version,
        "trained_through": record.trained_through.isoformat(),
        "reason": record.reason,
        "metrics": record.metrics,
        "blocked": record.blocked,
        "mlflow": {"model": record.mlflow_model, "version": record.mlflow_version},
    }


def champion_document(record: "ChampionRecord") -> dict[str, Any]:
    """Return a champion as JSON can hold it."""
    return {
        "slot": str(record.slot),
        "name": record.name,
        "version": record.version,
        "skill": record.skill,
        "reason": record.reason,
        "promoted_at": record.promoted_at.isoformat(),
    }


class _Bars:
    """Shows stages as lines and the fits of a walk-forward as bars."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def stage(self, name: str) -> None:
        self._progress.console.print(f"[bold]{name}[/bold]", highlight=False)

    def step(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done)


@contextmanager
def progress_bars() -> Iterator[_Bars]:
    """Show progress on standard error while the block runs."""
    columns = (
        TextColumn("  {task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=notes) as progress:
        yield _Bars(progress)


def show_notices(notices: Sequence[str]) -> None:
    """Print on standard error what a person should know besides."""
    for notice in notices:
        notes.print(notice, highlight=False, markup=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table for people."""
    drawn = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for name in columns:
        drawn.add_column(name, overflow="fold")
    for row in rows:
        drawn.add_row(*(escape(str(value)) for value in row))
    console.print(drawn)


def show_costs(costs: "Sequence[StageCost]") -> None:
    """Print what the stages of a run took, and all of them together."""
    rows = [(one.stage, one.seconds, one.cpu_seconds, one.peak_mb) for one in costs]
    peaks = [peak for *_, peak in rows if peak is not None]
    whole = [sum(column) for column in zip(*(row[1:3] for row in rows), strict=True)]
    rows.append(("all", whole[0], whole[1], max(peaks, default=None)))
    table(
        "Stages",
        ("stage", "seconds", "processor seconds", "peak memory"),
        [
            (name, f"{wall:.1f}", f"{cpu:.1f}", "" if peak is None else f"{peak:,.0f} MB")
            for name, wall, cpu, peak in rows
        ],
    )


def show_forecasts(forecasts: "Sequence[Forecast]") -> None:
    """Print forecasts: what is said of which session, how sure, and how good such have been."""
    for forecast in forecasts:
        console.print(
            f"[bold]{escape(forecast.instrument)}[/bold] {forecast.target} for "
            f"[bold]{_when(forecast)}[/bold]"
            + (f" ({forecast.horizon} bars)" if forecast.horizon > 1 else "")
            + f": [bold]{in_words(forecast)}[/bold]",
            highlight=False,
        )
        console.print(
            f"  {forecast.baseline_name}: {_value(forecast, forecast.baseline)} · "
            f"{escape(forecast.model_name)} "
            f"{forecast.model_version}: [bold]{forecast.skill}[/bold] · {forecast.mode}, "
            f"as of {forecast.as_of:%Y-%m-%d %H:%M} UTC",
            highlight=False,
        )
        if forecast.degraded:
            console.print(
                f"  [yellow]degraded: {escape(str(forecast.reason))}[/yellow]", highlight=False
            )


def _when(forecast: "Forecast") -> str:
    """Say what moment a forecast is about: a session, or intraday the minute."""
    if forecast.interval == "1d":
        return str(forecast.predicted_date)
    return f"{forecast.due_at:%Y-%m-%d %H:%M} UTC"


def in_words(forecast: "Forecast") -> str:
    """Say a forecast in one line.

    Returns
    -------
    str
        Such as ``2,506.12, 90% between 2,455.10 and 2,558.90``.
    """
    said = _value(forecast, forecast.prediction)
    if forecast.target == "regime" and forecast.probability is not None:
        said += f", probability {forecast.probability:.3f}"
    elif forecast.probability is not None:
        said += f", probability of up {forecast.probability:.3f}"
    if forecast.lower is None or forecast.upper is None or forecast.coverage is None:
        return said
    if forecast.target == "direction":
        return (
            f"{said}; it rose after {forecast.lower:.1%} to {forecast.upper:.1%} of like "
            f"forecasts ({forecast.coverage:.0%} interval)"
        )
    lower, upper = (_value(forecast, end) for end in (forecast.lower, forecast.upper))
    return f"{said}, {forecast.coverage:.0%} between {lower} and {upper}"


def show_checks(recipe: str, results: "Sequence[CheckResult]") -> None:
    """Print what was checked, one line each, and of what failed where and why."""
    for result in results:
        mark = "[green]passed[/green]" if result.passed else "[red]FAILED[/red]"
        about = f" · {escape(result.feature)}" if result.feature else ""
        console.print(f"{mark}  {result.check}{about}: {escape(result.detail)}", highlight=False)
        if result.first_row:
            console.print(f"        first row: {result.first_row}", highlight=False)
    failed = sum(not result.passed for result in results)
    verdict = f"{failed} of {len(results)} checks failed" if failed else "all checks passed"
    console.print(f"\n[bold]{recipe}: {verdict}[/bold]", highlight=False)


def show_records(title: str, records: "Sequence[TrackRecord]") -> None:
    """Print track records: what was issued lost, beside what the naive forecasts did."""
    console.print(f"[bold]{escape(title)}[/bold]", highlight=False)
    for one in records:
        ahead = f", {one.horizon} bars ahead" if one.horizon > 1 else ""
        window = f", {one.window.from_} to {one.window.to}" if one.window else ""
        console.print(
            f"[bold]{escape(one.instrument)}[/bold] {one.target}{ahead} · {one.mode} · "
            f"{one.settled} of {one.issued} settled{window}: "
            f"[bold]{one.verdict if one.settled else 'nothing to judge yet'}[/bold]",
            highlight=False,
        )
        for line in _record_lines(one):
            console.print(f"  {line}", highlight=False, markup=False)


def _record_lines(record: "TrackRecord") -> "Iterator[str]":
    """Say how a record's forecasts fared, a line a figure."""
    for one in record.versus:
        own, naive = record.losses[one.metric], record.baseline_losses[one.metric]
        low, high = one.ci95
        counted = min(1.0, one.p_value * record.trials)
        yield (
            f"{one.metric} {own:.4g}, {one.baseline} {naive:.4g}: better by "
            f"{one.improvement_pct:.1f}% (95%: {low:.1f}% to {high:.1f}%), p {one.p_value:.3f}"
            + (f", {counted:.3f} after counting {record.trials} trials" * (record.trials > 1))
        )
    for what, share in (
        (f"right about the {record.target}", record.hits),
        (
            f"{record.intervals.nominal:.0%} intervals held" if record.intervals else "",
            record.intervals.coverage if record.intervals else None,
        ),
    ):
        if share is not None:
            low, high = share.ci95
            yield f"{what}: {share.share:.1%} (95%: {low:.1%} to {high:.1%})"
    if record.degraded_share:
        yield f"degraded: {record.degraded_share:.1%}"
    yield from record.notes


def _value(forecast: "Forecast", value: float | str) -> str:
    if isinstance(value, str):
        return value
    if forecast.target == "price":
        return f"{value:,.2f}"
    spoken = f"{value:.2f}%".replace("-0.00%", "0.00%")
    if forecast.target == "return":
        return spoken
    return f"{spoken} a {'day' if forecast.interval == '1d' else 'bar'}"
