import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from truecast.evaluation.plots import figures
from truecast.evaluation.scorecard import SlotCard
from truecast.evaluation.scoring import SlotPlots, plots_of, score_slot
from truecast.evaluation.slots import SlotForecasts
from truecast.evaluation.svg import to_svg
from truecast.evaluation.versioncard import (
    CardData,
    CardGates,
    VersionCard,
    as_champion,
    card_limits,
    read_card,
    write_card,
)
from truecast.evaluation.words import figure

Scored = dict[str, tuple[SlotCard, SlotPlots]]
SVG = "{http://www.w3.org/2000/svg}"
AT = datetime(2018, 12, 31, 21, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def scored(slots: dict[str, SlotForecasts]) -> Scored:
    return {name: score_slot(slot) for name, slot in slots.items()}


def card_of(slot: SlotCard, **changes: object) -> VersionCard:
    features = ("log_gk_1", "log_gk_5")
    series = {"^GSPC": "sha256:" + "ab" * 32}
    given: dict[str, object] = {
        **{name: getattr(slot, name) for name in ("slot", "instrument", "target", "horizon")},
        "name": slot.champion.name,
        "model_type": slot.champion.model_type,
        "version": slot.champion.version,
        "role": "candidate",
        "recipe": "sp500-daily",
        "recipe_hash": "9f1c" * 16,
        "made_at": AT,
        "reason": "best of two",
        "held": "worse than the champion on 300 dates",
        "skill": slot.judged.verdict,
        "data": CardData(
            series=series,
            rows=4780,
            trained_from=AT.replace(year=1999),
            trained_through=AT,
            assumed_share=0.25,
            simulated=False,
            provenance={"calendar": "XNYS"},
        ),
        "features": features,
        "window": 5,
        "parameters": {"alpha": 30000.0},
        "split": {"train": "2009-12-31"},
        "evaluate": {"refit_every": 21},
        "metric": slot.metric,
        "window_judged": slot.window,
        "model": slot.judged,
        "baselines": tuple(slot.by_name[name] for name in slot.baselines),
        "gates": CardGates(
            asked={"skill": "report", "latency_ms": 1.5},
            found={"latency_ms": 2.75},
            blocked="99 of 100 answers take up to 2.8 ms, expected 1.5",
        ),
        "limits": tuple(card_limits(slot, features, series)),
    }
    return VersionCard.model_validate(given | changes)


@pytest.mark.parametrize("target", ["direction", "price", "volatility"])
def test_a_card_holds_what_the_scorecard_found(tmp_path: Path, scored: Scored, target: str) -> None:
    judged, drawn = scored[target]
    slot = as_champion(judged, "lightgbm", "v7")
    plots = plots_of(replace(drawn.forecasts, champion=slot.champion, importances={"a": 1.0}))
    made = card_of(slot)
    page = write_card(tmp_path / "v7", made, slot, plots)
    assert read_card(page.parent) == made
    text = page.read_text(encoding="utf-8")
    for model in (made.model, *made.baselines):
        for metric, value in model.losses.items():
            if metric != "r2_level_uninformative":
                assert f">{figure(metric, value)}<" in text
    for told in ("4,780", "sha256:" + "ab" * 32, "2.75", "best of two", "worse than the champion",
                 "Blocked: 99 of 100 answers", "alpha", "30000.0", "No advice".lower(),
                 "no order book", "of 5 rows", *made.limits):  # fmt: skip
        assert told.replace("'", "&#39;") in text
    assert re.findall(r"https?://(?!www\.w3\.org)", text) == []
    assert "<script" not in text
    assert "prefers-color-scheme:dark" in text
    pictures = sorted(path.name for path in page.parent.glob("*.svg"))
    assert len(pictures) == text.count("<figure>") == text.count("<svg ")
    assert "residuals-of-lightgbm-outcome-less-forecast.svg" in pictures
    assert "what-lightgbm-uses-most.svg" in pictures
    lone = (page.parent / pictures[0]).read_text(encoding="utf-8")
    assert "--model:#1763b8" in lone


def test_what_comes_from_outside_is_escaped(tmp_path: Path, scored: Scored) -> None:
    slot, drawn = scored["price"]
    hostile = "</title><script>alert(1)</script>"
    bad = replace(drawn.forecasts, importances={hostile: 1.0})
    page = write_card(tmp_path, card_of(slot, reason=hostile), slot, plots_of(bad))
    for path in (page, tmp_path / "what-ridge-uses-most.svg"):
        text = path.read_text(encoding="utf-8")
        assert "<script>" not in text
        assert "&lt;script&gt;" in text


def test_two_cards_that_say_the_same_have_one_digest(scored: Scored) -> None:
    slot, _ = scored["volatility"]
    first = card_of(slot)
    assert card_of(slot, made_at=AT.replace(year=2020)).digest == first.digest
    assert card_of(slot, reason="another").digest != first.digest


def test_what_is_no_card_is_none(tmp_path: Path) -> None:
    assert read_card(tmp_path) is None
    (tmp_path / "card.json").write_text(json.dumps({"slot": "x"}), encoding="utf-8")
    assert read_card(tmp_path) is None


def test_a_model_without_skill_says_so_first(scored: Scored) -> None:
    slot, _ = scored["price"]
    said = card_limits(slot, ("a",), {"^GSPC": "x", "^VIX": "y"})
    assert said[0].startswith("It has not been shown to know more than the naive forecast")
    assert "1 column computed from ^GSPC, ^VIX" in said[2]
    good, _ = scored["volatility"]
    assert not card_limits(good, ("a",), {})[0].startswith("It has not been shown")


def test_a_picture_has_every_point_in_its_place(scored: Scored) -> None:
    """By the residuals of the volatility: the highest outcome lies highest, time runs rightward."""
    card, plots = scored["volatility"]
    title = "Residuals of har_leverage: outcome less forecast"
    drawn = figures(card, plots)[title]
    root = ET.fromstring(to_svg(drawn, title))  # noqa: S314
    dots = root.findall(f".//{SVG}circle")
    x, y = (np.array([float(dot.get(key)) for dot in dots]) for key in ("cx", "cy"))  # type: ignore[arg-type]
    values = np.asarray(drawn.data[0].y)
    assert len(dots) == len(values) == 1000
    assert (np.diff(x) >= 0).all()
    np.testing.assert_allclose(np.corrcoef(y, values)[0, 1], -1, atol=1e-6)
    # The grid's labels tell the same scale as the dots.
    labels = [one for one in root.iter(f"{SVG}text") if one.get("text-anchor") == "end"]
    marks = [float((one.text or "").replace("−", "-")) for one in labels]
    slope, level = np.polyfit(marks, [float(one.get("y", 0)) - 4 for one in labels], 1)
    np.testing.assert_allclose(level + slope * values, y, atol=0.2)


def test_bars_bands_and_names_are_drawn(scored: Scored) -> None:
    card, plots = scored["price"]
    drawn = figures(card, plots)
    recent = ET.fromstring(to_svg(drawn["Forecast and outcome, last 250"], "x"))  # noqa: S314
    (band,) = recent.findall(f".//{SVG}polygon")
    assert len(band.get("points", "").split()) == 500
    bars = ET.fromstring(to_svg(drawn["What ridge uses most"], "x")).findall(f".//{SVG}rect")  # noqa: S314
    widths = [float(bar.get("width", 0)) for bar in bars]
    assert np.array(widths) / max(widths) == pytest.approx(
        [0.09 / 0.4, 0.18 / 0.4, 0.22 / 0.4, 1.0], abs=0.01
    )
    coverage = to_svg(drawn["Coverage when volatility was low, middling, high"], "x")
    assert all(f">{name}</text>" in coverage for name in ("low", "middling", "high", "all"))
