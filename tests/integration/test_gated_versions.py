"""A version that fails a gate is trained, told and kept, and does not serve."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from truecast.core.clock import frozen_at
from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.pipelines.champions import held_back, named, promote, train_slots
from truecast.pipelines.judge import part_cards
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.registry.registry import NoChampionError
from truecast.serving.planning import slots_of
from truecast.serving.workspace import Workspace

Make = Callable[..., Recipe]
Open = Callable[[Recipe], Studies]

IN_FOUR = {"train": 0.6, "validate": 0.2, "test": 0.1, "oot": 0.1}


def test_a_failed_gate_leaves_the_champion_where_it_is(small_recipe: Make, studies: Open) -> None:
    free = studies(small_recipe())
    (first,) = train_slots(free)
    assert first.blocked is None
    (champion,) = promote(free.workspace, free.recipe)

    gated = studies(small_recipe(gates={"latency_ms": 1e-6}))
    (held,) = train_slots(gated)
    assert held.version != first.version
    assert held.blocked is not None
    assert held.blocked.startswith("99 of 100 answers take up to ")
    assert held.blocked.endswith("ms, expected 1e-06")
    assert held.metrics["gate_latency_ms"] > 1e-6
    assert promote(gated.workspace, gated.recipe) == []
    registry = gated.workspace.registry
    assert registry.champion(held.slot).version == champion.version
    (said,) = held_back(gated.workspace, gated.recipe)
    why = f"{held.slot}: {held.version} is not promoted: {held.blocked}; the champion stays"
    assert said.startswith(f"{why} {champion.version}; ")
    assert "`truecast predict small --model logistic` asks it all the same" in said
    for refused in (
        lambda: named(gated.workspace, gated.recipe, held.version),
        lambda: registry.promote(held.slot, held.version, reason=""),
    ):
        with pytest.raises(UsageError, match="cannot be promoted: 99 of 100 answers"):
            refused()
    assert registry.champion(held.slot).version == champion.version


def test_a_gate_that_is_passed_when_tried_again_lets_through(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same training is the same version, but the machine is not always as busy."""
    opened = studies(small_recipe(gates={"latency_ms": 1000}))
    slow_clock = SimpleNamespace(perf_counter=iter(range(0, 10**6, 5)).__next__)
    monkeypatch.setattr("truecast.pipelines.gates.time", slow_clock)
    (slow,) = train_slots(opened)
    assert slow.blocked == "99 of 100 answers take up to 5000.0 ms, expected 1000"
    monkeypatch.undo()
    (again,) = train_slots(opened)
    assert again.version == slow.version
    assert again.blocked is None
    assert [one.version for one in promote(opened.workspace, opened.recipe)] == [again.version]


def test_a_run_whose_version_is_held_back_ends_well_and_says_so(
    small_recipe: Make, home: Path, tmp_path: Path, typed: Any
) -> None:
    recipe = small_recipe(gates={"latency_ms": 1e-6})
    path = tmp_path / "gated.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json", by_alias=True)))
    done = typed("run", str(path), "--json", home=home)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    (said,) = document["held_back"]
    assert "is not promoted: 99 of 100 answers take" in said
    assert "; nothing answers for the slot yet; " in said
    assert "99 of 100 answers" in done.err
    assert document["champions"] == document["forecasts"] == []
    assert [one["stage"] for one in document["stages"]] == [
        *("fetch", "ingest", "build", "walk forward", "train"),
        *("evaluate", "promote", "predict", "report"),
    ]
    assert all(one["seconds"] >= 0 and one["peak_mb"] > 50 for one in document["stages"])
    promoted = typed("promote", str(path), home=home)
    assert promoted.code == 0
    assert "nothing answers for the slot yet" in promoted.err
    asked = typed("predict", str(path), "--json", home=home)  # says as much: not to promote it
    assert asked.code == 2
    assert "is not promoted: 99 of 100 answers take" in asked.err
    assert "run `truecast promote" not in asked.err
    by_name = typed("predict", str(path), "--model", "logistic", "--json", home=home)
    assert by_name.code == 0, by_name.err
    (forecast,) = json.loads(by_name.out)["forecasts"]
    assert (forecast["model_name"], forecast["mode"]) == ("logistic", "whatif")
    assert forecast["degraded"]
    assert "failed a gate: 99 of 100 answers take" in forecast["reason"]
    (slot,) = slots_of(recipe)
    with pytest.raises(NoChampionError):
        Workspace(Settings(home=home)).registry.champion(slot)


@pytest.fixture(scope="module")
def intraday(tmp_path_factory: pytest.TempPathFactory) -> Studies:
    """A tenth of a year of simulated minutes, a fit a part, every gate of the shipped recipe."""
    trees = {"rounds": 8, "num_leaves": 8, "min_data_in_leaf": 100}
    recipe = Recipe.model_validate(
        {
            "name": "minutes",
            "instruments": ["SPX500_USD"],
            "interval": "1m",
            "source": {"simulated": {"start": "2018-01-02", "end": "2018-02-28"}},
            "features": ["log_return_5", "rsi_14", "close_to_sma_50"],
            "targets": {
                "direction": {"horizon": 30, "models": [{"lightgbm": trees}, "xgboost"]},
                "return": {"horizon": 30, "models": [{"lightgbm": trees}, "xgboost"]},
            },
            "split": IN_FOUR,
            "evaluate": {"refit_every": "part"},
            "gates": {
                **{"oot_auc": 0.5, "overfit_gap": 0.5, "missing_share": 0.1},
                **{"outliers_sd": 5, "latency_ms": 1000},
            },
        }
    )
    workspace = Workspace(Settings(home=tmp_path_factory.mktemp("minutes")))
    ingest(workspace, recipe)
    return Studies(workspace, recipe)


def test_rows_out_of_time_are_forecast_by_models_that_never_saw_them(intraday: Studies) -> None:
    for slot in slots_of(intraday.recipe):
        researcher, study = intraday.researcher(slot.instrument), intraday.study(slot)
        parts, decisions = study.parts, study.dataset.decisions
        assert [fold.start for fold in study.folds] == [
            0,
            parts.validate.start,
            parts.test.start,
        ]
        assert study.folds[-1].stop == parts.oot.stop == len(study.dataset)
        for fold in study.folds[1:]:
            rows = researcher.trainer.rows(slot.target, slot.horizon, fold)
            # The purge: half an hour before the part's first decision nothing is settled yet.
            gap = decisions.as_of[fold.start] - decisions.as_of[rows]
            assert gap.min() >= np.timedelta64(30, "m")
            for name in ("lightgbm", "xgboost"):
                said = study.predictions[name][fold.start : fold.stop]
                model, features = researcher.fit(study.choices[name], slot, fold)
                windows = study.dataset.windows(features, 1)[fold.start : fold.stop]
                np.testing.assert_array_equal(model.predict(windows), said)
        assert np.isnan(study.predictions["lightgbm"][: parts.validate.start]).all()


def test_no_label_crosses_the_night(intraday: Studies) -> None:
    study = intraday.study(slots_of(intraday.recipe)[0])
    decisions, outcomes = study.dataset.decisions, study.outcomes
    there = ~np.isnat(outcomes.due)
    np.testing.assert_array_equal(
        outcomes.due_session[there], decisions.session[there].astype("datetime64[D]")
    )
    last = np.flatnonzero(np.diff(decisions.session.astype(np.int64)) > 0)
    for row in range(30):
        assert np.isnan(outcomes.up[last - row]).all()
    assert np.isfinite(outcomes.up[last - 30]).all()


def test_each_part_s_figures_are_those_of_its_own_rows(intraday: Studies) -> None:
    slot = slots_of(intraday.recipe)[1]
    study, cards = intraday.study(slot), part_cards(intraday.study(slot))
    assert set(cards["lightgbm"]) == {"train", "validate", "test", "oot"}
    out = study.parts.oot
    truth = study.outcomes.log_return[out]
    known = np.isfinite(truth)
    said = study.predictions["xgboost"][out]
    assert cards["xgboost"]["oot"].n == known.sum()
    mse = float(np.mean((truth[known] - said[known]) ** 2))
    assert cards["xgboost"]["oot"].losses["mse"] == pytest.approx(mse, rel=1e-12)
    researcher = intraday.researcher(slot.instrument)
    taught = researcher.trainer.rows(slot.target, slot.horizon, study.folds[1])
    assert cards["lightgbm"]["train"].n == len(taught)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(study.in_sample["lightgbm"])), taught)


def test_gates_are_judged_on_the_trained_version(intraday: Studies) -> None:
    direction, change = train_slots(intraday)
    measured = {name for name in direction.metrics if name.startswith("gate_")}
    assert measured == {
        f"gate_{name}"
        for name in (
            *("oot_auc", "overfit_gap", "missing_share", "outliers_sd"),
            *("latency_ms", "parity"),
        )
    }
    assert direction.metrics["gate_parity"] <= 1e-5
    assert "gate_oot_auc" not in change.metrics
    cards = part_cards(intraday.study(direction.slot))
    assert direction.metrics["gate_oot_auc"] == cards[direction.name]["oot"].losses["auc"]
    assert (direction.blocked is None) == (direction.metrics["gate_oot_auc"] >= 0.5)


def test_a_closed_market_is_no_reason_to_end_without_a_report(
    home: Path, tmp_path: Path, typed: Any
) -> None:
    path = tmp_path / "weekend.yaml"
    content = {
        "name": "weekend",
        "instruments": ["SPX500_USD"],
        "interval": "1m",
        "source": {"simulated": {"start": "2018-01-29"}},
        "features": ["log_return_5"],
        "targets": {"return": {"horizon": 30, "models": [{"lightgbm": {"rounds": 3}}]}},
        "evaluate": {"refit_every": "part"},
    }
    path.write_text(yaml.safe_dump(content))
    with frozen_at(datetime(2018, 3, 3, 12, tzinfo=UTC)):  # a Saturday
        done = typed("run", str(path), "--json", home=home)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["forecasts"] == []
    (said,) = document["held_back"]
    assert said.startswith("no forecast: weekend@simulated")
    assert "the newest bar is of 2018-03-02T21:00:00+00:00" in said
    assert Path(document["report"]).exists()
