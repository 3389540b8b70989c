"""One model over all instruments: run, judged by date, replayed, settled, verified."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from truecast.core.clock import to_utc
from truecast.core.errors import RecipeError, UsageError
from truecast.core.recipe import Recipe
from truecast.core.recipe_errors import describe
from truecast.core.recipe_parts import Choice, Segments
from truecast.core.settings import Settings
from truecast.evaluation.significance import diebold_mariano
from truecast.lake.history import BarHistory
from truecast.lake.opened import OpenedBars
from truecast.models.calibration import ScaleCalibration
from truecast.models.ensemble import HELD_OUT
from truecast.models.linear import Ridge
from truecast.pipelines.champions import champion_slots, train_slots
from truecast.pipelines.predict import predict, predict_as_of, predict_those_that_can
from truecast.pipelines.replay import replay
from truecast.pipelines.reproduce import reproduce
from truecast.pipelines.stages import RunResult, _predicted, ingest, run
from truecast.pipelines.studies import Studies
from truecast.pipelines.verify import verify
from truecast.serving.errors import TrainedLaterError
from truecast.serving.planning import slots_of
from truecast.serving.workspace import Workspace

POOL = {
    "name": "pool",
    "pooled": True,
    "instruments": ["AAA", "BBB"],
    "source": {"simulated": {"start": "2019-01-02", "end": "2021-12-31"}},
    "features": ["log_return_1", "return_sd_22", "rsi_14"],
    "targets": {"price": {"models": ["ridge", "lightgbm"], "select": "mape"}},
    "split": {"validate": 60, "test": 40},
    "evaluate": {"refit_every": 21},
}
RECIPE = Recipe.model_validate(POOL)


@dataclass(frozen=True)
class Ran:
    """A home in which the pooled recipe has been run."""

    home: Path
    result: RunResult

    def studies(self) -> Studies:
        return Studies(Workspace(Settings(home=self.home)), RECIPE)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    home = tmp_path_factory.mktemp("pooled")
    return Ran(home, run(Studies(Workspace(Settings(home=home)), RECIPE)))


def test_one_champion_forecasts_each_instrument(ran: Ran) -> None:
    (champion,) = ran.result.champions
    source = slots_of(RECIPE)[0].source
    assert str(champion.slot) == f"pool@{source}:pooled:price:1"
    assert [one.slot for one in ran.result.forecasts] == [str(slot) for slot in slots_of(RECIPE)]
    assert {one.model_version for one in ran.result.forecasts} == {champion.version}
    for one in ran.result.forecasts:
        assert one.lower is not None
        assert one.lower < one.prediction < one.upper  # type: ignore[operator]
        assert abs(one.prediction / one.last_close - 1) < 0.05  # type: ignore[operator]
    assert len({one.last_close for one in ran.result.forecasts}) == 2


def test_losses_are_averaged_by_date_before_they_are_compared(ran: Ran) -> None:
    (card,) = ran.result.scorecard.slots
    studies = ran.studies()
    own: dict[str, list[np.ndarray]] = {"ridge": [], "naive": []}
    for slot in slots_of(RECIPE):
        study = studies.study(slot)
        rows = np.arange(study.parts.evaluation.start, study.parts.evaluation.stop - 1)
        close, truth = study.dataset.last_close[rows], study.outcomes.close[rows]
        for name, losses in own.items():
            said = close * np.exp(study.predictions[name][rows] / 100)
            losses.append(100 * np.abs(said / truth - 1))
    ridge, naive = (np.mean(losses, axis=0) for losses in own.values())
    versus = card.by_name["ridge"].versus[0]
    assert (versus.baseline, versus.n, len(ridge)) == ("naive", 39, 39)
    assert versus.dm == pytest.approx(diebold_mariano(ridge, naive).statistic)
    assert card.by_name["ridge"].losses["mape"] == pytest.approx(ridge.mean())
    nested = card.by_name["ridge"].clark_west
    assert nested is not None
    assert nested.baseline == "naive"
    assert card.by_name["lightgbm"].clark_west is None
    assert card.judged.backtest_illustration is None
    assert card.buy_and_hold_illustration is None
    assert card.notes[0].startswith("no trading is illustrated for a pool: one capital")
    assert card.window.n == 78
    assert card.judged.trials == 2


def test_the_training_rows_are_those_of_both_known_at_the_fold(ran: Ran) -> None:
    studies = ran.studies()
    pool = studies.researcher("pooled")
    for fold in pool.folds_over(range(pool.parts.validate.start, pool.parts.evaluation.stop)):
        rows = pool.trainer.rows("price", 1, fold)
        expected = 0
        for symbol in RECIPE.instruments:
            one = studies.researcher(symbol).dataset
            known = one.outcomes(1).known_at <= fold.as_of
            expected += int((known & np.isfinite(one.outcomes(1).log_return)).sum())
        assert len(rows) == expected
        assert (pool.dataset.outcomes(1).known_at[rows] <= fold.as_of).all()


def test_rows_held_out_of_a_fit_are_behind_the_outcomes_that_teach_it(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of an ensemble are measured on rows whose decision followed all that taught it."""
    pool, taught = ran.studies().researcher("pooled"), []
    fit = Ridge.fit

    def counted(self: Ridge, X: np.ndarray, y: np.ndarray, **told: Any) -> Ridge:
        taught.append(len(X))
        return fit(self, X, y, **told)

    monkeypatch.setattr(Ridge, "fit", counted)
    members = ["ridge", {"ridge": {"alpha": 9.0}}]
    weighed = Choice(name="ensemble", parameters={"of": members, "weights": "validation"})
    fold = pool.folds[-1]
    pool.trainer.fit(weighed, target="price", horizon=5, fold=fold)
    rows = pool.trainer.rows("price", 5, fold)
    held_out = rows[len(rows) - round(HELD_OUT * len(rows))]
    known_at = pool.dataset.outcomes(5).known_at[rows[: min(taught)]]
    assert (known_at <= pool.dataset.decisions.as_of[held_out]).all()
    assert max(taught) == len(rows)


def test_the_version_of_a_fold_is_built_again_behind_its_embargo(ran: Ran) -> None:
    split = Segments(validate_=60, test=40, embargo=3)
    recipe = RECIPE.model_copy(update={"name": "behind", "split": split})
    workspace = Workspace(Settings(home=ran.home))
    studies = Studies(workspace, recipe)
    (slot,) = champion_slots(recipe)
    fold = studies.researcher(slot.instrument).folds[-1]
    version = studies.trained(slot, "ridge", fold)
    found = reproduce(workspace, f"{slot}@{version}")
    assert {one.label: one.difference for one in found.models} == {
        "point": 0.0,
        "baseline": 0.0,
        "scale": 0.0,
    }
    assert {one.rows for one in found.models} == {250}


def test_an_interval_knows_its_own_instrument_alone(ran: Ran) -> None:
    (champion,) = ran.result.champions
    bundle = Workspace(Settings(home=ran.home)).registry.bundle(champion.slot, champion.version)
    studies = ran.studies()
    for slot in slots_of(RECIPE):
        document = bundle.documents["calibration"][slot.instrument]
        kept = ScaleCalibration.from_document(document, horizon=1)
        study = studies.study(slot)
        known = study.scale.known_at <= np.datetime64(champion_moment(bundle), "us")
        assert np.array_equal(kept.known_at, study.scale.known_at[known])
        assert np.array_equal(kept.standardised, study.scale.standardised[known])


def champion_moment(bundle: object) -> str:
    """Return when a bundle was trained, without its zone."""
    return bundle.manifest.trained_through.replace(tzinfo=None).isoformat()  # type: ignore[attr-defined]


def test_the_past_is_replayed_and_settled_for_each(ran: Ran) -> None:
    studies = ran.studies()
    sessions = studies.researcher("AAA").dataset.decisions.session[-6:-2]
    found = replay(studies, sessions[0].item(), sessions[-1].item())
    assert (found.forecasts, found.added, found.settled.settled) == (8, 8, 8)
    assert [record.instrument for record in found.records] == ["AAA", "BBB"]
    assert replay(ran.studies(), sessions[0].item(), sessions[-1].item()).added == 0
    as_of = to_utc(studies.researcher("AAA").dataset.decisions.as_of[-4])
    again = predict_as_of(studies, as_of)
    assert {one.as_of for one in again} == {as_of}
    assert len({one.model_version for one in again}) == 1


def test_nothing_in_it_sees_the_future(ran: Ran) -> None:
    results = verify(ran.studies())
    assert [result for result in results if not result.passed] == []
    checks = [result.check for result in results]
    assert checks.count("forecast without the future") == 1
    assert checks.count("serving equals training") == checks.count("ledger equals training") == 2


def test_the_same_run_again_gives_the_same(ran: Ran) -> None:
    before = {one.version for one in ran.result.champions}
    assert {one.version for one in train_slots(ran.studies())} == before
    again = predict(Workspace(Settings(home=ran.home)), RECIPE)
    assert [one.id for one in again] == [one.id for one in ran.result.forecasts]


def test_an_instrument_without_the_newest_bar_holds_up_no_other(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Any]
) -> None:
    """The pool was fitted after its last decision: it has no forecast, and the other one has."""
    opened = Workspace.bars

    def halted(self: Workspace, recipe: Recipe, symbol: str) -> OpenedBars:
        bars = opened(self, recipe, symbol)
        if symbol == "AAA":
            return bars
        versions = bars.history.versions
        before = pl.col("session") < versions["session"].max()
        return replace(bars, history=BarHistory(versions.filter(before)))

    monkeypatch.setattr(Workspace, "bars", halted)
    workspace = Workspace(Settings(home=ran.home))
    first, second = slots_of(RECIPE)
    (said,) = predict(workspace, RECIPE, [first])
    assert said.id == ran.result.forecasts[0].id
    with pytest.raises(TrainedLaterError, match=r"BBB:price:1: version \w+ was trained through"):
        predict(workspace, RECIPE, [second])
    with pytest.raises(TrainedLaterError, match="BBB:price:1"):
        predict_those_that_can(workspace, RECIPE, [second])
    # ... nor does it where the whole pool is asked.
    found = predict_those_that_can(workspace, RECIPE)
    assert [one.id for one in found.forecasts] == [said.id]
    assert list(found.left_out) == [second]
    path = tmp_path / "pool.yaml"
    path.write_text(yaml.safe_dump(POOL))
    done = typed("predict", str(path), "--json", home=ran.home)
    assert done.code == 1
    document = json.loads(done.out)
    assert document["left_out"] == {str(second): found.left_out[second]}
    assert [one["id"] for one in document["forecasts"]] == [str(said.id)]
    assert f"no forecast: {second}: version" in " ".join(done.err.split())
    shown = typed("predict", str(path), home=ran.home)
    assert shown.code == 1
    assert "AAA price for" in shown.out
    _, held = _predicted(workspace, RECIPE)
    assert held == [f"no forecast: {found.left_out[second]}; then `truecast predict pool`"]


def test_the_report_has_both_forecasts(ran: Ran) -> None:
    html = ran.result.report.read_text()
    assert "Forecast of AAA for" in html
    assert "Forecast of BBB for" in html
    assert json.loads(ran.result.scorecard.model_dump_json())["slots"][0]["instrument"] == "pooled"


def test_gold_rows_name_the_parts_of_the_pool(ran: Ran) -> None:
    lake = Workspace(Settings(home=ran.home)).lake
    source = slots_of(RECIPE)[0].source
    for symbol in RECIPE.instruments:
        part = lake.read_gold(f"datasets/pool/{source}/{symbol}").frame["part"]
        assert (part[-40:] == "test").all()
        assert (part[-100:-40] == "validate").all()
        assert part[-101] == "train"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"instruments": ["AAA"]}, "one model over several instruments"),
        ({"instruments": ["AAA", "pooled"]}, "none of them named 'pooled'"),
        ({"targets": {"volatility": {"models": ["lightgbm"]}}}, "volatility is held against"),
    ],
)
def test_what_cannot_be_pooled_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        Recipe.model_validate({**POOL, **change})
    assert said.split("'")[0].strip() in describe(raised.value, Recipe)  # type: ignore[arg-type]


def test_models_of_one_series_are_refused(
    tmp_path: Path, small_recipe: Callable[..., Recipe]
) -> None:
    changed = {**POOL, "targets": {"price": {"models": ["ridge", "arima"]}}}
    recipe = Recipe.model_validate(changed)
    workspace = Workspace(Settings(home=tmp_path))
    ingest(workspace, recipe)
    (slot,) = champion_slots(recipe)
    with pytest.raises(UsageError, match="arima learns from one series and cannot be pooled"):
        Studies(workspace, recipe).study(slot)
    assert not small_recipe().pooled
    assert issubclass(RecipeError, UsageError)
