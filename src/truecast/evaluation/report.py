"""The scorecard as one HTML file that needs no network."""

import os
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from truecast.core.forecast import Forecast
from truecast.core.slot import Slot
from truecast.evaluation import words
from truecast.evaluation.errors import EvaluationError
from truecast.evaluation.plots import figures
from truecast.evaluation.scorecard import ModelCard, Scorecard, SlotCard
from truecast.evaluation.scoring import SlotPlots
from truecast.evaluation.significance import Versus, adjusted_p


def write_report(
    path: Path, card: Scorecard, slots: Sequence[SlotPlots], forecasts: Sequence[Forecast] = ()
) -> Path:
    """Write the report, replacing an older one in one step.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it is missing.
    card : Scorecard
        The figures.
    slots : sequence of SlotPlots
        What to draw; those whose slot is not on the card are an error.
    forecasts : sequence of Forecast
        The newest forecasts; shown with the slot that they belong to.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    EvaluationError
        If there are plots or forecasts of a slot that the card does not have.

    Notes
    -----
    plotly.js (4.4 MB) is in the file once. The page's content security policy allows no request
    at all, so that opening it tells nobody anything.
    """
    _check(card, slots, forecasts)
    html = template("report.html.j2").render(
        card=card,
        slots=[_slot_context(slot, slots, forecasts) for slot in card.slots],
        words=words,
        plotly_js=get_plotlyjs(),
    )
    return replace_file(path, html)


def replace_file(path: Path, text: str) -> Path:
    """Write a file in one step; its folder is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
    return path


def template(name: str) -> Any:
    """Return a template of this room; what it is given is escaped.

    Parameters
    ----------
    name : str
        Its file.
    """
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    """Return what compiles templates: each once, and none before a page is written."""
    return Environment(
        loader=PackageLoader("truecast.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _check(card: Scorecard, slots: Sequence[SlotPlots], forecasts: Sequence[Forecast]) -> None:
    known = {slot.slot for slot in card.slots}
    of_forecasts = (_slot_of(one, known) for one in forecasts)
    for name in (*(plot.forecasts.slot for plot in slots), *of_forecasts):
        if name not in known:
            raise EvaluationError(
                f"the scorecard has no slot {name}; it has {', '.join(sorted(known)) or 'none'}"
            )


def _slot_of(forecast: Forecast, known: Collection[str]) -> str:
    """Return the slot that a forecast is judged in: its own, or that of its instrument's pool."""
    pool = str(Slot.parse(forecast.slot).pool)
    return pool if pool in known else forecast.slot


def _slot_context(
    card: SlotCard, slots: Sequence[SlotPlots], forecasts: Sequence[Forecast]
) -> dict[str, Any]:
    plots = next((plot for plot in slots if plot.forecasts.slot == card.slot), None)
    order = _ranked(card)
    # How the baselines compare with each other is in the JSON, and to be seen from their losses.
    judged = [card.by_name[name] for name in order if card.by_name[name].role == "model"]
    rows = [_beside(card, model, one) for model in judged for one in model.versus]
    widest = max((row["reach"] for row in rows if row["deciding"]), default=1.0)
    for row in rows:
        row["whisker"] = _whisker(row["one"], widest)
    return {
        "card": card,
        "models": [card.by_name[name] for name in order],
        "metrics": words.table_metrics(card.judged),
        "nested": [text for model in judged if (text := words.nested_sentence(model))],
        "best": words.best_sentence(card),
        "traded": [
            (one.name, one.backtest_illustration) for one in judged if one.backtest_illustration
        ],
        "beside": [row for row in rows if row["deciding"]],
        "others": [row for row in rows if not row["deciding"]],
        "figures": {} if plots is None else _figures(card, plots),
        "forecasts": [one for one in forecasts if _slot_of(one, {card.slot}) == card.slot],
        "sentence": words.verdict_sentence(card),
        "limits": words.limits(card),
    }


def _ranked(card: SlotCard) -> list[str]:
    """Return the models' names, the lowest deciding loss first."""
    return sorted(card.by_name, key=lambda name: card.by_name[name].losses[card.metric] or 0.0)


def _beside(card: SlotCard, model: ModelCard, one: Versus) -> dict[str, Any]:
    return {
        "model": model.name,
        "one": one,
        "deciding": one.metric == card.metric,
        "champion": model.name == card.champion.name,
        "adjusted": adjusted_p(one.p_value, model.trials),
        # One very bad model must not squeeze all others into a line.
        "reach": min(100.0, max(abs(one.ci95[0]), abs(one.ci95[1]), abs(one.improvement_pct))),
    }


def _whisker(one: Versus, widest: float) -> dict[str, float]:
    """Return where an interval and its middle lie, in percent of the width; zero is at 50."""

    def place(value: float) -> float:
        return round(50 + 48 * max(-1.0, min(1.0, value / (widest or 1.0))), 2)

    low, high = place(one.ci95[0]), place(one.ci95[1])
    return {"left": low, "width": round(high - low, 2), "dot": place(one.improvement_pct)}


def _figures(card: SlotCard, plots: SlotPlots) -> dict[str, str]:
    # The template writes these unescaped into script elements, which only "<" could end.
    return {
        title: figure.to_json().replace("<", "\\u003c")
        for title, figure in figures(card, plots).items()
    }
