"""Forecasts from bundles: what is said when something is missing, late or of the future."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from truecast.core.clock import to_utc
from truecast.core.recipe import Recipe
from truecast.lake.history import BarHistory
from truecast.pipelines import stages
from truecast.pipelines.predict import Replay, predict, series_of
from truecast.pipelines.studies import Studies
from truecast.serving.forecaster import Forecaster, Series, ServingError

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
    records = stages.train_slots(studies)
    return {
        f"{slot.target}-{slot.horizon}": Forecaster(store.load(slot, record.version))
        for slot, record in records.items()
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
    with pytest.raises(ServingError, match=r"the outcome was due at 2019-01-02.* which is past"):
        forecaster.forecast(series, datetime(2019, 1, 1, tzinfo=UTC), mode="live", skill="")


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
    records = stages.train_slots(opened)
    assert [record.name for record in records.values()] == ["naive"]
    assert all("no skill shown" in record.reason for record in records.values())
    card, _ = stages.evaluate(opened)
    assert card.slots[0].champion.name == "naive"
    assert card.slots[0].judged.verdict == "baseline"
    stages.save_scorecard(opened.workspace, opened.recipe, card)
    forecast = predict(
        opened.workspace, opened.recipe, stages.verdicts(opened.workspace, opened.recipe)
    )[0]
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
