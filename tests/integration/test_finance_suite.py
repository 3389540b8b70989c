"""Regimes and Prophet from simulated bars to a settled, verified track record."""

import json
import math
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from truecast.core.clock import frozen_at, to_utc
from truecast.core.forecast import Forecast
from truecast.core.recipe import Recipe
from truecast.core.recipe_files import load_recipe
from truecast.core.settings import Settings
from truecast.evaluation.metrics import METRICS
from truecast.ledger.query import Entry, Query
from truecast.models import catalog
from truecast.models.hmm import Hmm
from truecast.models.markov import observed
from truecast.pipelines import stages
from truecast.pipelines.predict import Replay
from truecast.pipelines.regimes import regimes
from truecast.pipelines.replay import ReplayResult, replay
from truecast.pipelines.studies import Studies
from truecast.pipelines.verify import check_cut_forecasts, verify
from truecast.pipelines.verify_serving import check_tail_forecasts
from truecast.serving.answering.forecaster import Forecaster
from truecast.serving.planning import slots_of
from truecast.serving.workspace import Workspace, series_of

SMALL = {
    "name": "suite",
    "instruments": ["SIM001"],
    "source": {"simulated": {"seed": 4, "start": "2013-01-02", "years": 7}},
    "features": ["log_return_1", "return_sd_22", "rsi_14"],
    "targets": {
        "regime": {"horizon": 5, "models": ["hmm"]},
        "price": {"horizon": 2, "models": ["prophet"], "keep": 2},
    },
    "split": {"train": 0.7, "validate": 0.15, "test": 0.15},
    "evaluate": {"refit_every": 130},
}
#: After the last simulated bar.
LATER = datetime(2020, 1, 2, 23, tzinfo=UTC)
REPLAYED = 45


class Suite:
    """A home in which the recipe was run, and some of its past replayed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.recipe = Recipe.model_validate(SMALL)
        self.workspace = Workspace(Settings(home=home))
        self.studies = Studies(self.workspace, self.recipe)
        self.run = stages.run(self.studies)
        researcher = self.studies.researcher("SIM001")
        first = researcher.parts.evaluation.start
        days = researcher.dataset.decisions.session[[first, first + REPLAYED - 1]]
        self.replay: ReplayResult = replay(self.studies, *(day.item() for day in days))

        self.regimes = next(slot for slot in slots_of(self.recipe) if slot.target == "regime")

    def said(self, target: str, mode: str) -> list[Entry]:
        """The ledger's forecasts of a target, oldest first."""
        every = self.workspace.ledger.history(Query(recipe="suite", target=target, mode=mode))
        return sorted(every, key=lambda entry: entry.forecast.as_of)


@pytest.fixture(scope="module")
def suite(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    home = Path(shutil.copytree(sample_home, tmp_path_factory.mktemp("suite") / "home"))
    with frozen_at(LATER):
        return Suite(home)


@pytest.fixture(autouse=True)
def later() -> Any:
    with frozen_at(LATER):
        yield


def test_the_newest_regime_is_a_name_with_its_probability(suite: Suite) -> None:
    (said,) = [one for one in suite.run.forecasts if one.target == "regime"]
    assert said.prediction in {"bear", "neutral", "bull"}
    assert said.baseline in {"bear", "neutral", "bull"}
    assert said.probability is not None
    assert 1 / 3 <= said.probability <= 1
    assert said.baseline_probability is not None
    assert (said.lower, said.upper, said.coverage, said.degraded) == (None, None, None, False)
    assert (said.model_type, said.simulated) == ("hmm", True)
    again = Forecast.model_validate_json(said.model_dump_json())
    assert again.prediction == said.prediction
    (entry,) = suite.said("regime", said.mode)
    assert entry.forecast.prediction == said.prediction


def test_a_price_by_prophet_has_the_common_interval(suite: Suite) -> None:
    (said,) = [one for one in suite.run.forecasts if one.target == "price"]
    assert said.model_type == "prophet"
    assert said.lower is not None
    assert said.upper is not None
    assert said.lower < float(said.prediction) < said.upper
    assert said.coverage == 0.9


def test_regimes_are_settled_by_what_the_bars_did(suite: Suite) -> None:
    bars = series_of(suite.workspace, suite.recipe, "SIM001").market.bars.known()
    sessions, close = bars["session"].to_list(), bars["close"].to_list()
    entries = suite.said("regime", "replay")
    assert len(entries) == REPLAYED
    for entry in entries:
        here = sessions.index(entry.forecast.today_date)
        assert sessions[here + 5] == entry.forecast.predicted_date
        before = [math.log(close[i] / close[i - 1]) for i in range(here - 499, here + 1)]
        edge = 0.4307 * float(np.std(before, ddof=1)) * math.sqrt(5)
        move = math.log(close[here + 5] / close[here])
        expected = "bull" if move > edge else "bear" if move < -edge else "neutral"
        assert entry.outcome.label == expected
        assert entry.outcome.value == ("bear", "neutral", "bull").index(expected)


def test_the_track_record_counts_the_wrong_ones(suite: Suite) -> None:
    (record,) = [one for one in suite.replay.records if one.target == "regime"]
    entries = suite.said("regime", "replay")
    wrong = np.mean([one.forecast.prediction != one.outcome.label for one in entries])
    naive = np.mean([one.forecast.baseline != one.outcome.label for one in entries])
    assert record.losses["error_rate"] == pytest.approx(wrong)
    assert record.baseline_losses["error_rate"] == pytest.approx(naive)
    assert record.hits is not None
    assert record.hits.share == pytest.approx(1 - wrong)
    assert (record.metric, record.intervals, record.settled) == ("error_rate", None, REPLAYED)


def test_the_scorecard_judges_the_walk_forward(suite: Suite) -> None:
    card = stages.read_scorecard(suite.workspace, suite.recipe)
    (slot,) = [one for one in card.slots if one.target == "regime"]
    study = suite.studies.study(suite.regimes)
    rows = study.dataset.response("regime", study.outcomes)
    said = study.predictions["hmm"]
    there = np.zeros(len(rows), bool)
    there[study.parts.evaluation] = True
    there &= np.isfinite(rows) & np.isfinite(said)
    losses = slot.by_name["hmm"].losses
    assert losses["error_rate"] == pytest.approx(np.mean(rows[there] != said[there]))
    recalls = [np.mean(said[there & (rows == code)] == code) for code in np.unique(rows[there])]
    assert losses["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert (slot.metric, slot.intervals, slot.baselines) == ("error_rate", None, ("naive",))
    assert slot.by_name["naive"].losses["balanced_accuracy"] == pytest.approx(1 / 3)


def test_nothing_of_it_sees_the_future_or_differs_when_served(suite: Suite) -> None:
    results = verify(suite.studies)
    assert [one for one in results if not one.passed] == []
    about = {one.check for one in results if one.feature and one.feature.startswith("regime")}
    assert {
        "outcomes come later",
        "forecast without the future",
        "serving equals training",
    } <= about


def test_a_regime_that_is_served_with_another_probability_is_caught(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Forecaster._probability

    def surer(self: Forecaster, label: str, *rest: Any) -> float | None:
        said = honest(self, label, *rest)
        return said if said is None or label == "baseline" else said * 1.001

    rows = [suite.studies.study(suite.regimes).parts.evaluation.start + 5]

    def found() -> dict[str | None, bool]:
        results = check_tail_forecasts(suite.studies, Replay(suite.studies, "SIM001"), rows)
        return {one.feature: one.passed for one in results}

    about = "regime by hmm, 5 bars ahead"
    assert found()[about]
    monkeypatch.setattr(Forecaster, "_probability", surer)
    again = found()
    assert [name for name, passed in again.items() if not passed] == [about]


class Smoothed(Hmm):
    """Planted: states by forward and backward passes, as hmmlearn decodes."""

    def states(self, X: Any) -> Any:
        chain = self.chain_
        likelihood = chain._likelihood(observed(X[:, -1, 0], X[:, -1, 1])[:, None, :])[0].T
        forward, backward = np.empty_like(likelihood), np.ones_like(likelihood)
        state = chain.start
        for row, seen in enumerate(likelihood):
            state = (state @ chain.transitions) * seen
            forward[row] = state = state / state.sum()
        for row in range(len(likelihood) - 2, -1, -1):
            back = chain.transitions @ (likelihood[row + 1] * backward[row + 1])
            backward[row] = back / back.sum()
        both = forward * backward
        return both / both.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> Any:
        return self.states(X).argmax(axis=1).astype(float)  # each state changes the forecast


def test_a_smoothed_state_is_caught(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = {**catalog.MODELS, "hmm": Smoothed}
    monkeypatch.setattr(catalog, "MODELS", type(catalog.MODELS)("model", planted))
    recipe = suite.recipe.model_copy(
        update={"targets": {"regime": suite.recipe.targets["regime"]}, "name": "smoothed"}
    )
    studies = Studies(suite.workspace, recipe)
    researcher = studies.researcher("SIM001")
    study = studies.study(*slots_of(recipe))
    changed = range(study.parts.validate.start, study.parts.evaluation.stop, 3)
    found = check_cut_forecasts(study, researcher, list(changed))
    assert not found.passed
    assert found.check == "forecast without the future"
    assert found.feature is not None
    assert "hmm" in found.feature


def test_states_and_history_are_told(suite: Suite) -> None:
    (found,) = regimes(suite.workspace, suite.recipe)
    assert [one["regime"] for one in found["states"]] == ["bear", "neutral", "bull"]
    assert sum(one["share"] for one in found["states"]) == pytest.approx(1)
    history = found["history"]
    assert history[-1] == found["now"]
    assert json.loads(json.dumps(found)) == found
    series = series_of(suite.workspace, suite.recipe, "SIM001")
    assert len(history) > 1700
    # A row is what the filter says of the tail of its own moment.
    record = suite.workspace.registry.newest(suite.regimes, "hmm")
    model = suite.workspace.registry.bundle(record.slot, record.version).models["point"]
    row = history[1000]
    as_of = datetime.fromisoformat(row["as_of"])
    tail = series.tail(as_of, np.datetime64(as_of.replace(tzinfo=None), "us"), model.window - 1)
    assert to_utc(tail.decisions.as_of[-1]) == as_of
    window = tail.windows(model.features(()), model.window)[-1:]
    assert [*row["probabilities"].values()] == model.states(window)[0].tolist()


def test_the_command_says_which_state_it_is(suite: Suite, typed: Callable[..., Any]) -> None:
    path = suite.home / "suite.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    shown = typed("regimes", str(path), home=suite.home)
    assert shown.code == 0, shown.err
    (found,) = regimes(suite.workspace, suite.recipe)
    assert f"{found['now']['state']} after {found['now']['session']}" in shown.out
    told = json.loads(typed("regimes", str(path), "--json", home=suite.home).out)
    assert told == {"recipe": "suite", "regimes": [found]}
    refused = typed("regimes", "sp500-daily", home=suite.home)
    assert refused.code == 2
    assert "no model hmm of a target regime" in refused.err


def test_the_shipped_recipe_names_every_family_of_the_suite() -> None:
    recipe = load_recipe("finance-suite")
    named = {target: [one.name for one in spec.models] for target, spec in recipe.targets.items()}
    assert named == {
        "return": ["lightgbm", "random_forest", "extra_trees"],
        "direction": ["lightgbm"],
        "volatility": ["lightgbm"],
        "price": ["prophet"],
        "regime": ["hmm"],
    }
    assert recipe.targets["price"].horizon == (1, 2, 3, 4, 5)
    for target, spec in recipe.targets.items():
        assert spec.select is None or target in METRICS[spec.select].targets
    for source in ("yahoo", "sample", "simulated"):
        assert slots_of(recipe.with_source(source))
        stages.check_recipe(recipe.with_source(source))
