"""One HTML page, for what an ingest brought and for what the lake holds; it needs no network."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from truecast.core.clock import now
from truecast.lake.summary import IngestSummary
from truecast.pipelines.data_examples import Examples
from truecast.pipelines.data_report import DataReport, Month, SeriesReport
from truecast.pipelines.intake import Intake

# Up to which share of a month's bars may be absent for each shade.
_SHADES = ((0.0, "full"), (0.01, "s1"), (0.1, "s2"), (0.5, "s3"), (1.0, "s4"))


@dataclass(frozen=True)
class Section:
    """What the page says of one series.

    Parameters
    ----------
    name : str
        The instrument.
    examples : Examples
        What was kept out, repaired and revised.
    summary : IngestSummary or None
        What became of what came, of an ingest.
    error : str or None
        Why not all of it could be had, of an ingest.
    report : SeriesReport or None
        What the lake holds, where that was asked.
    news : bool
        Whether the name is that of a source of news.
    """

    name: str
    examples: Examples
    summary: IngestSummary | None = None
    error: str | None = None
    report: SeriesReport | None = None
    news: bool = False


def write_intake_page(
    path: Path, recipe: str, intake: Intake, examples: Mapping[str, Examples]
) -> Path:
    """Write what an ingest brought as a page, replacing an older one in one step.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it is missing.
    recipe : str
        Whose series they are.
    intake : Intake
        What the ingest did.
    examples : mapping of str to Examples
        Symbol or source of news to what was kept out, repaired and revised.
    """
    sections = [
        Section(name, examples[name], summary, intake.failed.get(name), news=name in intake.news)
        for name, summary in (intake.series | intake.news).items()
    ]
    title = f"{recipe}: ingest from {intake.source}"
    return _write(path, title, now(), sections)


def write_data_page(path: Path, report: DataReport) -> Path:
    """Write what the lake holds as a page; compare :func:`write_intake_page`."""
    sections = [Section(one.instrument, one.examples, report=one) for one in report.series]
    return _write(path, f"{report.recipe}: data from {report.source}", report.as_of, sections)


def _write(path: Path, title: str, as_of: datetime, sections: Sequence[Section]) -> Path:
    html = _template().render(title=title, as_of=as_of, sections=sections)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(html, encoding="utf-8")
    unfinished.replace(path)
    return path


def _template() -> Any:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "moment": _moment,
        "number": _number,
        "cells": _cells,
        "age": _age,
        "years": _years,
    }
    folder = resources.files("truecast.pipelines") / "templates"
    return environment.from_string((folder / "data.html.j2").read_text(encoding="utf-8"))


def _moment(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:,.10g}"


def _cells(content: str | None) -> str:
    """Write the cells of a row in quarantine that hold something."""
    row = json.loads(content or "{}")
    return ", ".join(f"{name}: {value}" for name, value in row.items() if value is not None)


def _age(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _years(months: Sequence[Month]) -> list[tuple[int, list[tuple[str, str]]]]:
    """Return each year's twelve months as a shade and what it means; no shade for none."""
    found = {(one.month.year, one.month.month): one for one in months}
    return [
        (year, [_shade(found.get((year, month))) for month in range(1, 13)])
        for year in range(months[0].month.year, months[-1].month.year + 1)
    ]


def _shade(month: Month | None) -> tuple[str, str]:
    if month is None:
        return "", ""
    share = month.absent / month.expected
    shade = next(name for limit, name in _SHADES if share <= limit)
    return shade, f"{month.month:%Y-%m}: {month.absent:,} of {month.expected:,} absent"
