import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from plotly.offline import get_plotlyjs
from rich.console import Console

from truecast.core.forecast import Forecast
from truecast.evaluation.errors import EvaluationError
from truecast.evaluation.metrics import LEVEL_R2
from truecast.evaluation.plots import figures
from truecast.evaluation.report import write_report
from truecast.evaluation.scorecard import Champion, Scorecard, SlotCard
from truecast.evaluation.scoring import SlotPlots, score_slot
from truecast.evaluation.slots import SlotForecasts
from truecast.evaluation.tables import scorecard_view
from truecast.evaluation.words import (
    band_value,
    baseline_value,
    between,
    figure,
    forecast_value,
    label,
    limits,
    p_text,
    signed,
    verdict_sentence,
)

AS_OF = datetime(2018, 12, 31, 21, 30, tzinfo=UTC)
Scored = dict[str, tuple[SlotCard, SlotPlots]]


@pytest.fixture(scope="module")
def scored(slots: dict[str, SlotForecasts]) -> Scored:
    return {name: score_slot(slot) for name, slot in slots.items()}


@pytest.fixture(scope="module")
def card(scored: Scored) -> Scorecard:
    cards = tuple(card for card, _ in scored.values())
    return Scorecard(recipe="sp500-daily", as_of=AS_OF, slots=cards, recipe_hash="9f1c" * 16)


def forecast(slot: str, **changes: object) -> Forecast:
    given: dict[str, object] = {
        "id": UUID(int=5),
        "slot": slot,
        "recipe": "sp500-daily",
        "recipe_hash": "9f1c",
        "source": "sample",
        "instrument": "^GSPC",
        "interval": "1d",
        "target": "price",
        "horizon": 1,
        "mode": "historical",
        **dict.fromkeys(("event_time", "as_of", "issued_at", "due_at", "trained_through"), AS_OF),
        "today_date": date(2018, 12, 31),
        "predicted_date": date(2019, 1, 2),
        "last_close": 2506.85,
        "prediction": 2508.1,
        "lower": 2441.0,
        "upper": 2575.2,
        "coverage": 0.9,
        "probability": None,
        "baseline": 2506.85,
        "baseline_probability": None,
        "baseline_name": "naive",
        "skill": "no skill shown",
        "model_name": "ridge",
        "model_type": "Ridge regression",
        "model_version": "3",
        "features_used": 12,
        "input_hash": "ab",
        "simulated": False,
        "degraded": True,
        "reason": "<b>old</b> bundle",
        "latency_ms": 1.0,
    }
    return Forecast.model_validate(given | changes)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory, scored: Scored, card: Scorecard) -> str:
    path = tmp_path_factory.mktemp("reports") / "deep" / "report.html"
    plots = [plot for _, plot in scored.values()]
    made = write_report(path, card, plots, [forecast(card.slots[1].slot)])
    assert made == path
    assert [found.name for found in path.parent.iterdir()] == ["report.html"]
    assert path.stat().st_size < 6_000_000
    return path.read_text(encoding="utf-8")


def markup(html: str) -> str:
    assert html.count(get_plotlyjs()) == 1
    return html.replace(get_plotlyjs(), "")


def test_the_report_holds_the_numbers(html: str, card: Scorecard) -> None:
    text = markup(html)
    for slot in card.slots:
        for model in slot.models:
            for metric, value in model.losses.items():
                if metric == LEVEL_R2:
                    continue
                assert f"{label(metric)}</th>" in text
                assert figure(metric, value) in text
            for one in model.versus if model.role == "model" else ():
                assert f"{signed(one.improvement_pct)}%</td>" in text
                assert between(*one.ci95) in text
        assert f"after counting {slot.judged.trials} trials" in text
        assert slot.slot in text
    assert text.count('<span class="pill good">beats naive</span>') == 4
    assert "2,508.10" in text
    assert "2,441.00 to 2,575.20 (90%)" in text
    assert "9f1c" * 16 in text


def test_the_report_asks_nobody_for_anything(html: str) -> None:
    text = markup(html)
    assert re.findall(r"https?://", text) == []
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?!#)""", text) == []
    assert "@import" not in text
    assert "url(" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none';")
    assert "http" not in policy[1]


def test_what_comes_from_outside_is_escaped(
    tmp_path: Path, scored: Scored, card: Scorecard, html: str
) -> None:
    assert "degraded: &lt;b&gt;old&lt;/b&gt; bundle" in html
    hostile = "</script><script>alert(1)</script>"
    slot_card, plots = scored["price"]
    slot = replace(plots.forecasts, importances={hostile: 1.0}, instrument=hostile)
    slot_card = slot_card.model_copy(update={"instrument": hostile, "notes": (hostile,)})
    changed = card.model_copy(update={"slots": (slot_card,), "recipe": hostile})
    path = write_report(tmp_path / "report.html", changed, [SlotPlots(slot, None)])
    text = markup(path.read_text(encoding="utf-8"))
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)") >= 3


def test_the_figures_are_json_that_holds_the_data(html: str, scored: Scored) -> None:
    drawn = re.findall(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert len(drawn) == sum(len(figures(card, plots)) for card, plots in scored.values())
    for text in drawn:
        assert json.loads(text)["data"]


def test_what_is_drawn(scored: Scored) -> None:
    titles = {name: list(figures(card, plots)) for name, (card, plots) in scored.items()}
    assert titles == {
        "direction": [
            "Forecast and outcome, last 250",
            "Brier year by year (lower is better)",
            "Residuals of logistic: outcome less forecast",
            "Calibration: what was forecast, what happened",
        ],
        "price": [
            "Forecast and outcome, last 250",
            "MAPE % year by year (lower is better)",
            "Residuals of ridge: outcome less forecast",
            "Coverage when volatility was low, middling, high",
            "Calibration: what was forecast, what happened",
            "What ridge uses most",
        ],
        "volatility": [
            "Forecast and outcome, last 250",
            "QLIKE GK year by year (lower is better)",
            "Residuals of har_leverage: outcome less forecast",
            "Coverage when volatility was low, middling, high",
            "Calibration: what was forecast, what happened",
            "What har_leverage uses most",
        ],
    }


def test_the_recent_figure_marks_what_the_interval_missed(scored: Scored) -> None:
    card, plots = scored["price"]
    slot = plots.forecasts
    band = slot.intervals["ridge"]
    y = slot.outcomes["value"]
    missed = ((y < band.lower) | (y > band.upper))[-250:]
    drawn = figures(card, plots)["Forecast and outcome, last 250"]
    traces = {trace.name: trace for trace in drawn.data}
    assert len(traces["outside"].y) == missed.sum()
    assert len(traces["outcome"].y) == 250 - missed.sum()
    assert slot.last_close is not None
    first = 100 * (slot.forecasts["ridge"][-250] / slot.last_close[-250] - 1)
    assert traces["ridge"].y[0] == pytest.approx(first)


def test_the_losses_by_year_are_those_of_the_card(scored: Scored) -> None:
    card, plots = scored["volatility"]
    drawn = figures(card, plots)["QLIKE GK year by year (lower is better)"]
    for trace in drawn.data:
        losses = card.by_name[trace.name].losses_by_year
        assert list(trace.y) == list(losses.values())
    assert [trace.name for trace in drawn.data] == ["naive", "garch", "har_leverage"]


def test_plots_and_forecasts_of_another_recipe_are_refused(
    tmp_path: Path, scored: Scored, card: Scorecard
) -> None:
    only = card.model_copy(update={"slots": card.slots[:1]})
    with pytest.raises(EvaluationError, match="has no slot sp500-daily@sample:~5EGSPC:price:1"):
        write_report(tmp_path / "report.html", only, [scored["price"][1]])
    with pytest.raises(EvaluationError, match="has no slot else@where:x:price:1"):
        write_report(tmp_path / "report.html", only, [], [forecast("else@where:x:price:1")])
    assert list(tmp_path.iterdir()) == []


def test_a_report_without_plots_and_of_simulated_data_says_so(
    tmp_path: Path, card: Scorecard
) -> None:
    slot = card.slots[0].model_copy(update={"simulated": True})
    simulated = card.model_copy(update={"slots": (slot,)})
    text = markup(write_report(tmp_path / "report.html", simulated, []).read_text("utf-8"))
    assert "Simulated data: nothing here is about a real market." in text
    assert 'class="plots"' not in text


def test_the_verdict_in_words(scored: Scored) -> None:
    volatility = scored["volatility"][0]
    garch = volatility.judged.versus[1]
    assert verdict_sentence(volatility) == (
        "har_leverage beats naive and garch. Its loss (QLIKE GK) is "
        f"{garch.improvement_pct:.1f}% lower than garch's (95% interval of the improvement "
        f"{between(*garch.ci95)}%; p <0.001, <0.001 after counting 43 trials)."
    )
    price = scored["price"][0]
    assert verdict_sentence(price).startswith("No skill shown: ridge is worse than naive. Its loss")
    direction = scored["direction"][0]
    assert verdict_sentence(direction).startswith(
        "No skill shown: logistic cannot be told from naive."
    )
    naive = Champion(name="naive", version="1", model_type="naive")
    assert verdict_sentence(price.model_copy(update={"champion": naive})).startswith(
        "naive is a naive forecast itself"
    )


def test_the_limits_name_assumption_trials_and_proxy(scored: Scored) -> None:
    text = " ".join(limits(scored["volatility"][0]))
    assert "When 100% of the rows became known is assumed" in text
    assert "43 models were compared" in text
    assert "Garman–Klass" in text
    price = scored["price"][0]
    level = price.by_name["naive"].losses["r2_level_uninformative"]
    assert f"naive reaches {level:.3f} on it, so it says nothing" in " ".join(limits(price))


def test_numbers_in_words() -> None:
    assert p_text(0.0004) == "<0.001"
    assert p_text(0.156) == "0.156"
    assert signed(-0.04) == "0.0"
    assert between(-1.25, 3) == "−1.2 to +3.0"
    assert figure("r2_oos", -0.0045) == "−0.45"
    price = forecast("x")
    assert (forecast_value(price), baseline_value(price)) == ("2,508.10", "2,506.85")
    up = forecast("x", target="direction", prediction="up", lower=None, upper=None, baseline=0.53)
    assert (forecast_value(up), baseline_value(up), band_value(up)) == ("up", "up with 53.0%", "")
    sd = forecast("x", target="volatility", prediction=1.617, lower=1.1, upper=2.2)
    assert (forecast_value(sd), band_value(sd)) == ("1.62%", "1.10% to 2.20% (90%)")
    gain = forecast("x", target="return", prediction=-0.127, lower=-1.5, upper=1.2)
    assert (forecast_value(gain), band_value(gain)) == ("−0.13%", "−1.50% to 1.20% (90%)")


def test_the_terminal_shows_the_same_in_100_columns(card: Scorecard) -> None:
    console = Console(width=100, color_system=None, record=True)
    console.print(scorecard_view(card))
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= 100
    for slot in card.slots:
        for model in slot.models:
            lines = [line for line in text.splitlines() if f" {model.name} " in line]
            value = figure(slot.metric, model.losses[slot.metric])
            assert any(value in line and line.rstrip().endswith(model.verdict) for line in lines)
    assert "* har_leverage" in text
    garch = card.slots[2].judged.versus[1]
    assert f"{garch.improvement_pct:+.0f}% ({garch.ci95[0]:+.0f} to {garch.ci95[1]:+.0f})" in text
    assert "90% intervals held" in text
