"""Forecasts from bundles: what is said when something is missing, late or of the future."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from truecast.core.clock import frozen_at, to_utc
from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.datasets.assembly import Dataset
from truecast.lake.history import BarHistory
from truecast.models.intervals import gaussian, track
from truecast.pipelines import stages
from truecast.pipelines.champions import judge_versions, promote, rollback, train_slots
from truecast.pipelines.predict import Replay, predict, predict_as_of
from truecast.pipelines.replay import replay
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Researcher
from truecast.pipelines.train import train
from truecast.pipelines.verify import check_tail_forecasts
from truecast.serving.answering.forecaster import Forecaster, ServingError
from truecast.serving.answering.series import Series
from truecast.serving.workspace import Workspace, series_of
from truecast.sources.sample.source import SampleSource

Make = Callable[..., Recipe]
Open = Callable[[Recipe], Studies]

TARGETS = {
    "direction": {"horizon": 1, "models": ["logistic"]},
    "price": {"horizon": [1, 5], "models": ["ridge"]},
    "return": {"horizon": 1, "models": ["ridge"]},
    "volatility": {"horizon": 1, "models": ["har_leverage"]},
}


def _forecasters(studies: Studies) -> dict[str, Forecaster]:
    store = studies.workspace.bundles
    return {
        f"{one.slot.target}-{one.slot.horizon}": Forecaster(store.load(one.slot, one.version))
        for one in train_slots(studies)
    }


@pytest.fixture
def opened(small_recipe: Make, studies: Open) -> Studies:
    return studies(small_recipe(targets=TARGETS))


def test_every_target_and_horizon_is_forecast_in_its_own_unit(opened: Studies) -> None:
    forecasters = _forecasters(opened)
    series = series_of(opened.workspace, opened.recipe, "^GSPC")
    end = datetime(2018, 12, 31, 23, tzinfo=UTC)
    said = {
        name: one.forecast(series, end, mode="historical", skill="x")
        for name, one in forecasters.items()
    }
    assert set(said) == {"direction-1", "price-1", "price-5", "return-1", "volatility-1"}
    price, week, returned = said["price-1"], said["price-5"], said["return-1"]
    assert isinstance(returned.prediction, float)
    assert price.prediction == pytest.approx(
        price.last_close * np.exp(returned.prediction / 100), rel=1e-12
    )
    assert price.lower == pytest.approx(price.last_close * np.exp(returned.lower / 100), rel=1e-12)
    # Five sessions after New Year's Eve: the 1st is a holiday, the 5th and 6th a weekend.
    assert week.predicted_date == date(2019, 1, 8)
    assert (week.due_at.hour, week.horizon) == (21, 5)
    assert week.upper - week.lower > 1.5 * (price.upper - price.lower)
    assert returned.baseline == 0.0
    assert said["volatility-1"].baseline > 0
    assert {one.skill for one in said.values()} == {"x"}


def test_a_model_is_never_asked_about_its_own_past(opened: Studies) -> None:
    forecaster = _forecasters(opened)["price-1"]
    series = series_of(opened.workspace, opened.recipe, "^GSPC")
    through = forecaster.bundle.manifest.trained_through
    assert through == datetime(2018, 12, 31, 21, 30, tzinfo=UTC)
    with pytest.raises(ServingError, match="use `truecast predict --as-of`"):
        forecaster.forecast(series, through - timedelta(days=1), mode="replay", skill="")
    with pytest.raises(ServingError, match="no bar was known at 1998"):
        forecaster.forecast(series, datetime(1998, 1, 1, tzinfo=UTC), mode="replay", skill="")


def test_a_live_forecast_after_its_outcome_is_refused(opened: Studies) -> None:
    forecaster = _forecasters(opened)["price-1"]
    series = series_of(opened.workspace, opened.recipe, "^GSPC")
    with pytest.raises(ServingError, match=r"due at 2019-01-02.* which is past"):
        forecaster.forecast(series, datetime(2019, 1, 1, tzinfo=UTC), mode="live", skill="")


def test_a_live_forecast_of_many_bars_comes_before_the_next_bar(opened: Studies) -> None:
    """Later, most of its outcome would be public."""
    forecaster = _forecasters(opened)["price-5"]
    series = series_of(opened.workspace, opened.recipe, "^GSPC")
    end = datetime(2019, 1, 1, tzinfo=UTC)
    with frozen_at(datetime(2019, 1, 2, 20, 59, tzinfo=UTC)):
        assert forecaster.forecast(series, end, mode="live", skill="").due_at.day == 8
    with (
        frozen_at(datetime(2019, 1, 2, 21, tzinfo=UTC)),
        pytest.raises(ServingError, match=r"due at 2019-01-02.* which is past"),
    ):
        forecaster.forecast(series, end, mode="live", skill="")


def _without_ranges(series: Series) -> Series:
    """Lose open, high and low of the last bar, as a close-only feed would."""
    versions = series.market.bars.versions
    last = versions["event_time"].max()
    lost = versions.with_columns(
        pl.when(pl.col("event_time") == last).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("open", "high", "low")
    )
    return replace(series, market=replace(series.market, bars=BarHistory(lost)))


def test_a_missing_input_gives_the_naive_forecast_and_says_so(opened: Studies) -> None:
    forecaster = _forecasters(opened)["volatility-1"]
    series = _without_ranges(series_of(opened.workspace, opened.recipe, "^GSPC"))
    end = datetime(2018, 12, 31, 23, tzinfo=UTC)
    said = forecaster.forecast(series, end, mode="historical", skill="beats naive")
    assert said.degraded
    assert "log_gk_1" in str(said.reason)
    assert said.reason is not None
    assert said.reason.endswith("missing: the naive forecast is given")
    assert said.prediction == said.baseline
    assert (said.lower, said.upper, said.coverage) == (None, None, None)


def test_skill_may_be_required(small_recipe: Make, studies: Open) -> None:
    """No model of direction has skill: where it is required, climatology answers."""
    opened = studies(small_recipe(gates={"skill": "require"}))
    (record,) = train_slots(opened)
    assert record.name == "naive"
    assert "no skill shown" in record.reason
    card, _ = stages.evaluate(opened)
    assert card.slots[0].champion.name == "naive"
    assert card.slots[0].judged.verdict == "baseline"
    judge_versions(opened.workspace, card)
    promote(opened.workspace, opened.recipe)
    (forecast,) = predict(opened.workspace, opened.recipe)
    assert (forecast.model_name, forecast.skill) == ("naive", "baseline")
    assert forecast.prediction == forecast.baseline == "up"
    # In a replay the gate judges by what was known then.
    replay = Replay(opened, "^GSPC")
    researcher = opened.researcher("^GSPC")
    series = series_of(opened.workspace, opened.recipe, "^GSPC")
    study = opened.study(replay.slots[0])
    for row in range(researcher.parts.evaluation.start, researcher.parts.evaluation.stop, 9):
        as_of = researcher.dataset.decisions.as_of[row]
        shown = opened.verdict(study, as_of) == "beats naive"
        said = replay.forecasts(to_utc(as_of), series)[0]
        assert said.model_name == ("logistic" if shown else "naive")
        assert said.skill == ("beats naive" if shown else "baseline")


def test_a_revision_changes_no_forecast_of_before(opened: Studies) -> None:
    """A close corrected years later is used from then on, and only from then on."""
    recipe, workspace = opened.recipe, opened.workspace
    series = series_of(workspace, recipe, "^GSPC")
    replay = Replay(opened, "^GSPC")
    decisions = opened.researcher("^GSPC").dataset.decisions
    row = opened.researcher("^GSPC").parts.evaluation.start + 30
    before = replay.forecasts(to_utc(decisions.as_of[row]), series)

    versions = series.market.bars.versions
    corrected = versions.filter(
        pl.col("session") == decisions.session[row - 3].item()
    ).with_columns(
        close=pl.col("close") * 1.01,
        high=pl.col("high") * 1.02,
        version=pl.lit(1, dtype=pl.Int32),
        known_at=pl.lit(datetime(2018, 12, 30, tzinfo=UTC)).dt.cast_time_unit("us"),
    )
    history = BarHistory(pl.concat([versions, corrected]).sort("event_time", "version"))
    revised = replace(series, market=replace(series.market, bars=history))
    again = replay.forecasts(to_utc(decisions.as_of[row]), revised)
    for one, other in zip(before, again, strict=True):
        assert other.prediction == one.prediction
        assert (other.lower, other.upper, other.input_hash) == (
            one.lower,
            one.upper,
            one.input_hash,
        )


def test_intervals_of_longer_horizons_are_those_of_the_walk_forward(
    small_recipe: Make, studies: Open
) -> None:
    """Outcomes that come after a refit are scored against what the model before it said."""
    recipe = small_recipe(
        targets={
            "direction": {"horizon": 5, "models": ["logistic"]},
            "price": {"horizon": 5, "models": ["ridge"]},
            "volatility": {"horizon": 5, "models": ["har_leverage"]},
        },
        evaluate={"from": "2014-01-14", "to": "2014-06-30", "refit_every": 7, "window": 500},
    )
    opened = studies(recipe)
    start = opened.researcher("^GSPC").parts.evaluation.start
    rows = list(range(start, start + 40))
    results = list(check_tail_forecasts(opened, Replay(opened, "^GSPC"), rows))
    assert [result.passed for result in results] == [True] * 3, [one.detail for one in results]


def test_a_champion_that_has_not_been_retrained_is_scored_as_time_goes_on(opened: Studies) -> None:
    """A model of January, asked in June, has widened or narrowed its interval since."""
    replay, researcher = Replay(opened, "^GSPC"), opened.researcher("^GSPC")
    series = series_of(opened.workspace, opened.recipe, "^GSPC")
    start = researcher.parts.evaluation.start
    slot = next(slot for slot in replay.slots if slot.target == "return")
    fold = next(fold for fold in researcher.folds if fold.start == start)
    store = opened.workspace.bundles
    manifest = train(store, opened.recipe, researcher, opened.study(slot), fold)
    forecaster = Forecaster(store.load(slot, manifest.version))
    scale, calibration = forecaster.bundle.models["scale"], forecaster.faring.calibration
    entry = forecaster.bundle.manifest.models["scale"]
    dataset = researcher.dataset
    variance = scale.predict(dataset.windows(entry.features, entry.window))
    outcomes = dataset.outcomes(1)
    scores = [*calibration.standardised]
    for row in range(start - 1, start + 100):
        # The last outcome before the fit was forecast by the model before it.
        if row >= start:
            scores.append(outcomes.log_return[row] / np.sqrt(variance[row]))
        else:
            earlier = opened.study(slot).variance[row]
            assert outcomes.known_at[row] <= dataset.decisions.as_of[start]
            assert scores[-1] == pytest.approx(outcomes.log_return[row] / np.sqrt(earlier))
    as_of = to_utc(dataset.decisions.as_of[start + 100])
    said = forecaster.forecast(series, as_of, mode="replay", skill="")
    bounds = track(
        np.array(scores),
        np.arange(len(scores)),
        coverage=0.9,
        rate=0.05,
        before=gaussian(0.9, 1.0),
    )
    quantile = bounds.upper[-1]
    assert said.upper == pytest.approx(quantile * np.sqrt(variance[start + 100]), rel=1e-6)


def test_nothing_is_replayed_before_it_is_decided(opened: Studies) -> None:
    with frozen_at(datetime(2014, 3, 5, 21, 20, tzinfo=UTC)):  # the decision is at 21:30
        result = replay(opened, date(2014, 3, 3), date(2014, 3, 7))
        assert (result.first, result.last) == (date(2014, 3, 3), date(2014, 3, 4))
        (said, *_) = predict_as_of(opened, date(2014, 3, 5))
        assert said.today_date == date(2014, 3, 4)
        with pytest.raises(UsageError, match="2014-03-06 lies in the future"):
            predict_as_of(opened, date(2014, 3, 6))


def test_a_replay_counts_every_model_that_was_ever_compared(
    small_recipe: Make, studies: Open
) -> None:
    for models, trials in ((["logistic"], 1), (["lightgbm"], 2), (["logistic", "lightgbm"], 2)):
        opened = studies(small_recipe(targets={"direction": {"models": models}}))
        (record,) = replay(opened, date(2014, 3, 3), date(2014, 3, 4)).records
        assert record.trials == trials


def test_every_look_counts_before_anything_is_judged(small_recipe: Make, studies: Open) -> None:
    opened = studies(
        small_recipe(
            targets={"direction": {"models": ["logistic", "lightgbm"]}}, gates={"skill": "require"}
        )
    )
    slot = Replay(opened, "^GSPC").slots[0]
    opened.gated(slot)
    assert opened.trials(slot) == 2
    other = Studies(opened.workspace, small_recipe(name="other", features=["rsi_14"]))
    other.study(slot)
    assert opened.trials(slot) == 3


def test_a_forecast_carries_the_verdict_on_its_own_version(
    small_recipe: Make, studies: Open
) -> None:
    opened = studies(small_recipe())
    workspace, recipe = opened.workspace, opened.recipe
    with frozen_at(datetime(2018, 6, 1, 12, tzinfo=UTC)):
        (older,) = train_slots(opened)
    promote(workspace, recipe, [older])
    (said,) = predict(workspace, recipe)
    assert (said.model_version, said.skill) == (older.version, "not evaluated yet")
    (newer,) = train_slots(opened)
    card, _ = stages.evaluate(opened)
    judge_versions(workspace, card)
    (said,) = predict(workspace, recipe)
    assert (said.model_version, said.skill) == (older.version, "not evaluated yet")
    promote(workspace, recipe)
    (said,) = predict(workspace, recipe)
    assert (said.model_version, said.skill) == (newer.version, "no skill shown")
    (back,) = rollback(workspace, recipe)
    assert back.version == older.version


def test_the_version_that_is_judged_is_the_one_that_would_be_promoted(
    small_recipe: Make, studies: Open
) -> None:
    """The one that has seen most, in whatever order they were registered."""
    opened = studies(small_recipe())
    workspace, recipe = opened.workspace, opened.recipe
    with pytest.raises(UsageError, match="has no version yet: run `truecast train small`"):
        promote(workspace, recipe)
    (newer,) = train_slots(opened)
    with frozen_at(datetime(2018, 6, 1, 12, tzinfo=UTC)):
        train_slots(opened)
    card, _ = stages.evaluate(opened)
    assert card.slots[0].champion.version == newer.version
    (champion,) = promote(workspace, recipe)
    assert champion.version == newer.version
    with pytest.raises(UsageError, match="only versions trained by another version of the recipe"):
        promote(workspace, small_recipe(features=["rsi_14"]))


def test_what_is_not_decided_yet_has_no_part_in_training(
    opened: Studies, home: Path, tmp_path: Path
) -> None:
    """With the clock set back, later bars in the lake change nothing in any bundle."""
    moment = datetime(2018, 6, 1, 12, tzinfo=UTC)
    dataset = opened.workspace.dataset(opened.recipe, "^GSPC", moment)
    other = Path(shutil.copytree(home, tmp_path / "other"))
    cut = Studies(Workspace(Settings(home=other)), opened.recipe)
    cut._researchers["^GSPC"] = Researcher(opened.recipe, dataset)
    with frozen_at(moment):
        expected = [one.version for one in train_slots(cut)]
        assert [one.version for one in train_slots(opened)] == expected


def test_nothing_is_rolled_back_if_one_slot_cannot_be(opened: Studies) -> None:
    workspace, recipe = opened.workspace, opened.recipe
    with frozen_at(datetime(2018, 6, 1, 12, tzinfo=UTC)):
        older = train_slots(opened)
    promote(workspace, recipe, older)
    newer = train_slots(opened)
    promote(workspace, recipe, newer[:-1])
    with pytest.raises(UsageError, match="is the first champion"):
        rollback(workspace, recipe)
    standing = [workspace.registry.champion(one.slot).version for one in newer]
    assert standing == [*(one.version for one in newer[:-1]), older[-1].version]
    with pytest.raises(UsageError, match="unknown target 'prize': did you mean 'price'"):
        rollback(workspace, recipe, "prize")


def test_a_live_source_is_forecast_by_a_model_of_its_newest_decision(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SampleSource, "live", True)
    opened = studies(small_recipe())
    with frozen_at(datetime(2019, 1, 1, 9, tzinfo=UTC)):
        promote(opened.workspace, opened.recipe, train_slots(opened))
        (said,) = predict(opened.workspace, opened.recipe)
    assert (said.mode, said.predicted_date) == ("live", date(2019, 1, 2))
    assert said.trained_through == said.as_of == datetime(2018, 12, 31, 21, 30, tzinfo=UTC)
    assert said.issued_at == datetime(2019, 1, 1, 9, tzinfo=UTC)


def test_sessions_that_are_not_judged_are_counted(small_recipe: Make, studies: Open) -> None:
    opened = studies(small_recipe(targets={"price": {"models": ["ridge"]}}))
    market = opened.researcher("^GSPC").dataset.market
    lost = [date(2014, 3, 5), date(2014, 4, 9)]
    versions = market.bars.versions.filter(~pl.col("session").is_in(lost))
    dataset = Dataset.build(
        replace(market, bars=BarHistory(versions)),
        opened.researcher("^GSPC").dataset.plan,
        inputs=opened.researcher("^GSPC").dataset.inputs,
        calendar=opened.researcher("^GSPC").dataset.calendar,
        interval=opened.researcher("^GSPC").dataset.interval,
    )
    opened._researchers["^GSPC"] = Researcher(opened.recipe, dataset)
    card, _ = stages.evaluate(opened)
    # Each lost session takes its own forecast, and the one of the session before its outcome.
    assert card.slots[0].notes == ("4 sessions lack a bar, a forecast or an outcome: not judged",)
    assert card.slots[0].window.n == 116 - 4


def test_a_series_of_closes_alone_can_be_forecast(small_recipe: Make, studies: Open) -> None:
    """No range, closes that stand still, nothing for it in the context."""
    recipe = small_recipe(
        instruments=["^VIX"],
        features=["log_return_1", "return_sd_22", "rsi_14"],
        targets={"price": {"models": ["ridge"]}},
        split={"train": "2016-06-30", "validate": "2017-06-30"},
        evaluate={"from": "2017-07-03", "to": "2018-06-29", "refit_every": 63},
    )
    opened = studies(recipe)
    forecaster = _forecasters(opened)["price-1"]
    assert forecaster.bundle.manifest.models["scale"].name == "garch"
    series = series_of(opened.workspace, recipe, "^VIX")
    said = forecaster.forecast(
        series, datetime(2019, 1, 4, tzinfo=UTC), mode="historical", skill=""
    )
    assert said.baseline == said.last_close == 25.45
    assert said.lower < 25.45 < said.upper
    wanted = small_recipe(
        instruments=["^VIX"],
        features=["log_return_1"],
        targets={"volatility": {"models": ["lightgbm"]}},
        split={"train": "2016-06-30", "validate": "2017-06-30"},
        evaluate={"from": "2017-07-03"},
    )
    with pytest.raises(UsageError, match="the bars have no open"):
        train_slots(studies(wanted))


def test_bars_known_after_the_decision_say_what_to_set(small_recipe: Make, studies: Open) -> None:
    with pytest.raises(UsageError, match=r"known 7 days.* decisions are made 0:30:00 after"):
        stages.build(
            studies(small_recipe(instruments=["DCOILWTICO"])).workspace,
            small_recipe(instruments=["DCOILWTICO"]),
        )
