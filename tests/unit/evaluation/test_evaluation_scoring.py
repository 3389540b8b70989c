import json
from dataclasses import replace

import numpy as np
import pytest

from truecast.evaluation.errors import EvaluationError
from truecast.evaluation.intervals import coverage, coverage_by_tercile, winkler_loss
from truecast.evaluation.metrics import qlike
from truecast.evaluation.scorecard import Champion, Scorecard
from truecast.evaluation.scoring import score_slot
from truecast.evaluation.significance import diebold_mariano
from truecast.evaluation.slots import SlotForecasts
from truecast.evaluation.words import verdict_sentence

Slots = dict[str, SlotForecasts]


def test_volatility_is_judged_beside_no_change_garch_and_har(slots: Slots) -> None:
    slot = slots["volatility"]
    card, plots = score_slot(slot)
    trees = card.by_name["lightgbm"]
    gk, r2 = slot.outcomes["gk"], slot.outcomes["r2"]
    forecast = slot.forecasts["lightgbm"]
    assert trees.losses == {
        "qlike_gk": pytest.approx(qlike(gk, forecast).mean()),
        "qlike_r2": pytest.approx(qlike(r2, forecast).mean()),
        "mse_gk": pytest.approx(np.mean((gk - forecast) ** 2)),
    }
    assert [(one.metric, one.baseline) for one in trees.versus] == [
        (metric, baseline)
        for metric in ("qlike_gk", "qlike_r2", "mse_gk")
        for baseline in ("naive", "garch", "har_leverage")
    ]
    beside = trees.versus[1]
    test = diebold_mariano(qlike(gk, forecast), qlike(gk, slot.forecasts["garch"]))
    assert (beside.dm, beside.p_value) == (test.statistic, test.p_value)
    har = card.by_name["har_leverage"]
    assert {one.baseline for one in har.versus} == {"naive", "garch"}
    assert har.verdict == "beats naive"
    assert (card.by_name["naive"].verdict, card.by_name["garch"].verdict) == ("baseline",) * 2
    assert card.metric == "qlike_gk"
    assert plots.calibration is not None
    assert plots.calibration.count.sum() == 1250


def test_har_has_no_part_in_the_verdict(slots: Slots) -> None:
    slot = slots["volatility"]
    variance = slot.forecasts["har_leverage"]
    worse = variance * np.exp(np.random.default_rng(0).normal(0, 0.2, len(variance)))
    card, _ = score_slot(replace(slot, forecasts={**slot.forecasts, "lightgbm": worse}))
    found = card.by_name["lightgbm"]
    assert next(one for one in found.versus if one.baseline == "har_leverage").dm < -2
    assert found.verdict == "beats naive"


def test_a_price_card(slots: Slots) -> None:
    slot = slots["price"]
    card, plots = score_slot(slot)
    naive, ridge = card.by_name["naive"], card.by_name["ridge"]
    outcome, last = slot.outcomes["value"], slot.last_close
    assert last is not None
    assert naive.losses["mape"] == pytest.approx(100 * np.mean(np.abs(outcome - last) / outcome))
    assert naive.losses["mase"] == pytest.approx(np.mean(np.abs(outcome - last)) / 11.5)
    returns = 100 * np.log(outcome / last)
    sse_mean = np.sum((returns - slot.mean_return) ** 2)
    assert naive.losses["r2_oos"] == pytest.approx(1 - np.sum(returns**2) / sse_mean)
    drift = card.by_name["drift"]
    assert (card.baselines, drift.verdict) == (("naive", "drift"), "baseline")
    by_drift = last * np.exp(slot.mean_return / 100)
    assert drift.losses["mape"] == pytest.approx(
        100 * np.mean(np.abs(outcome - by_drift) / outcome)
    )
    assert drift.losses["r2_oos"] == pytest.approx(0, abs=1e-12)
    assert [one.baseline for one in naive.versus] == ["drift"]
    assert [one.baseline for one in ridge.versus] == ["naive", "drift"]
    assert ridge.verdict == "no skill shown"
    assert ridge.trials == 43
    assert plots.calibration is not None
    said = 100 * np.log(slot.forecasts["ridge"] / last)
    np.testing.assert_allclose(np.average(plots.calibration.forecast), said.mean(), rtol=1e-9)
    spread = np.sum((outcome - outcome.mean()) ** 2)
    level = 1 - np.sum((outcome - last) ** 2) / spread
    assert naive.losses["r2_level_uninformative"] == pytest.approx(level)


def test_a_rise_each_day_is_no_skill_in_a_rising_market(slots: Slots) -> None:
    """Gold rose: whoever says so each day beats no change, with p < 0.05, and knows nothing."""
    slot = slots["price"]
    rng = np.random.default_rng(3)
    returns = 0.1 + rng.standard_normal(1250)
    last = 1000 * np.exp(np.cumsum(np.r_[0, returns[:-1]]) / 100)
    rise = last * np.exp((0.1 + 0.002 * rng.standard_normal(1250)) / 100)
    rising = replace(
        slot,
        outcomes={"value": last * np.exp(returns / 100)},
        forecasts={"naive": last, "ridge": rise},
        last_close=last,
        mean_return=np.full(1250, 0.1),
        intervals={},
        trials=1,
    )
    card, _ = score_slot(rising)
    beside = {one.baseline: one for one in card.judged.versus}
    assert beside["naive"].p_value < 0.01
    assert beside["naive"].ci95[0] > 0
    assert beside["drift"].p_value > 0.05
    assert card.judged.verdict == "no skill shown"
    assert verdict_sentence(card).startswith(
        "No skill shown: ridge cannot be told from drift. That prices rose on average is all"
    )
    alone, _ = score_slot(replace(rising, mean_return=None))
    assert (alone.judged.verdict, alone.baselines) == ("beats naive", ("naive",))


def test_intervals_are_judged_in_percent_return(slots: Slots) -> None:
    slot = slots["price"]
    card, _ = score_slot(slot)
    given, last = slot.intervals["ridge"], slot.last_close
    found = card.intervals
    assert found is not None
    assert found == card.judged.intervals
    y, low, high = (
        100 * np.log(values / last) for values in (slot.outcomes["value"], given.lower, given.upper)
    )
    assert found.coverage == coverage(y, low, high)
    assert found.winkler == pytest.approx(winkler_loss(y, low, high, 0.9).mean())
    assert found.mean_width == pytest.approx(np.mean(high - low))
    assert slot.volatility is not None
    terciles = coverage_by_tercile(y, low, high, slot.volatility)
    assert found.coverage_by_tercile == terciles
    assert found.coverage_top_volatility_tercile == terciles[2]
    inside = (low <= y) & (y <= high)
    worst = min(inside[start : start + 250].mean() for start in range(1001))
    assert found.min_coverage_250 == pytest.approx(worst)
    assert found.crps is not None
    assert 0.3 < found.crps / np.abs(y).mean() < 1


def test_figures_that_cannot_be_had_are_null(slots: Slots) -> None:
    slot = slots["price"]
    few = slice(0, 40)
    given = slot.intervals["ridge"]
    assert slot.last_close is not None
    card, _ = score_slot(
        replace(
            slot,
            event_time=slot.event_time[few],
            session=slot.session[few],
            outcomes={"value": slot.outcomes["value"][few]},
            forecasts={name: values[few] for name, values in slot.forecasts.items()},
            last_close=slot.last_close[few],
            mean_return=None,
            naive_scale=None,
            volatility=None,
            intervals={
                "ridge": replace(
                    given, lower=given.lower[few], upper=given.upper[few], levels=(), quantiles=None
                )
            },
        )
    )
    found = card.intervals
    assert found is not None
    assert (found.min_coverage_250, found.crps, found.coverage_by_tercile) == (None, None, None)
    assert found.coverage_top_volatility_tercile is None
    assert set(card.judged.losses) == {*("mape", "mae", "mse", "rmse", "r2_level_uninformative")}


def test_rows_before_the_first_interval_are_left_out_of_its_figures(slots: Slots) -> None:
    slot = slots["price"]
    given = slot.intervals["ridge"]
    assert given.quantiles is not None
    early = np.arange(len(given.lower)) < 50
    lacking = replace(
        given,
        lower=np.where(early, np.nan, given.lower),
        upper=np.where(early, np.nan, given.upper),
        quantiles=np.where(early[:, None], np.nan, given.quantiles),
    )
    card, _ = score_slot(replace(slot, intervals={"ridge": lacking}))
    held = (slot.outcomes["value"] >= given.lower) & (slot.outcomes["value"] <= given.upper)
    assert card.intervals is not None
    assert card.intervals.coverage == pytest.approx(held[50:].mean(), rel=1e-12)
    assert card.intervals.crps is not None
    nothing = replace(lacking, lower=np.full(len(early), np.nan))
    card, _ = score_slot(replace(slot, intervals={"ridge": nothing}))
    assert card.intervals is None


def test_direction_carries_its_auc_with_an_interval(slots: Slots) -> None:
    card, _ = score_slot(slots["direction"])
    logistic = card.by_name["logistic"]
    assert logistic.auc_ci95 is not None
    auc = logistic.losses["auc"]
    assert auc is not None
    assert logistic.auc_ci95[0] < auc < logistic.auc_ci95[1]
    assert set(logistic.losses) == {"brier", "log_loss", "auc", "accuracy", "ece"}
    assert logistic.versus[0].metric == "brier"
    assert logistic.verdict == "no skill shown"
    naive = card.by_name["naive"]
    assert naive.losses["auc"] == 0.5


def test_direction_without_both_outcomes_has_no_auc(slots: Slots) -> None:
    slot = slots["direction"]
    card, _ = score_slot(replace(slot, outcomes={"value": np.ones(1250)}))
    assert card.judged.losses["auc"] is None


def test_returns_are_judged_by_squared_error(slots: Slots) -> None:
    slot = slots["direction"]
    rng = np.random.default_rng(1)
    returns = rng.standard_normal(1250)
    card, _ = score_slot(
        replace(
            slot,
            target="return",
            champion=Champion(name="ridge", version="1", model_type="Ridge"),
            outcomes={"value": returns},
            forecasts={"naive": np.zeros(1250), "ridge": 0.3 * returns},
            mean_return=np.zeros(1250),
        )
    )
    ridge = card.by_name["ridge"]
    assert ridge.losses["r2_oos"] == pytest.approx(1 - 0.49)
    assert ridge.versus[0].improvement_pct == pytest.approx(51.0)
    assert ridge.verdict == "beats naive"


def test_losses_by_year_average_to_the_loss(slots: Slots) -> None:
    slot = slots["price"]
    card, _ = score_slot(slot)
    years = slot.session.astype("datetime64[Y]")
    counts = {int(str(year)): int((years == year).sum()) for year in np.unique(years)}
    for model in card.models:
        assert model.losses_by_year.keys() == counts.keys()
        mean = sum(model.losses_by_year[year] * rows for year, rows in counts.items()) / 1250
        assert mean == pytest.approx(model.losses["mape"])


def test_the_json_has_the_documented_keys(slots: Slots) -> None:
    cards = tuple(score_slot(slot)[0] for slot in slots.values())
    made = Scorecard(recipe="sp500-daily", as_of="2018-12-31T21:30:00Z", slots=cards)
    content = json.loads(made.model_dump_json())
    assert {"recipe", "as_of", "slots"} <= content.keys()
    slot = content["slots"][1]
    assert {
        *("slot", "instrument", "target", "horizon", "champion", "window", "models", "intervals")
    } <= slot.keys()
    assert slot["champion"] == {"name": "ridge", "version": "3", "model_type": "Ridge regression"}
    assert slot["window"] == {
        "from": "2014-01-14",
        "to": str(slots["price"].session[-1]),
        "n": 1250,
    }
    model = slot["models"][1]
    assert {"name", "losses", "versus", "trials", "verdict"} <= model.keys()
    assert {*("baseline", "metric", "improvement_pct", "dm", "p_value", "ci95")} <= model["versus"][
        0
    ].keys()
    assert {
        *("nominal", "coverage", "coverage_top_volatility_tercile"),
        *("min_coverage_250", "winkler", "crps"),
    } <= slot["intervals"].keys()
    assert Scorecard.model_validate(content) == made


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"target": "weather"},
            "expected a target of price, return, direction, regime, volatility",
        ),
        ({"baselines": ("garch",)}, "no forecasts of 'garch'"),
        ({"outcomes": {}}, "no outcomes named value"),
        ({"forecasts": {"naive": np.ones(3), "ridge": np.ones(3)}}, "expected 1250 forecasts of"),
        ({"last_close": None}, "need last_close"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    slots: Slots, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        score_slot(replace(slots["price"], **changes))


def test_a_forecast_that_is_missing_names_its_model_and_row(slots: Slots) -> None:
    slot = slots["price"]
    holes = slot.forecasts["ridge"].copy()
    holes[7] = np.nan
    with pytest.raises(EvaluationError, match=r"forecasts of ridge.* nan in row 7"):
        score_slot(replace(slot, forecasts={**slot.forecasts, "ridge": holes}))
    with pytest.raises(EvaluationError, match="rows in time order"):
        score_slot(replace(slot, event_time=slot.event_time[::-1]))


def test_losses_of_a_pool_are_averaged_by_session(slots: Slots) -> None:
    slot = slots["price"]
    # Two instruments of the same sessions: every other row is the other one's.
    n = len(slot.session) // 2
    session = np.repeat(slot.session[:n], 2)
    kept = {"session": session, "pooled": True, "naive_scale": None, "trading": None}
    rows = slice(0, 2 * n)
    halves = replace(
        slot,
        **kept,
        event_time=slot.event_time[rows],
        outcomes={name: values[rows] for name, values in slot.outcomes.items()},
        forecasts={name: values[rows] for name, values in slot.forecasts.items()},
        last_close=slot.last_close[rows],
        mean_return=slot.mean_return[rows],
        volatility=None if slot.volatility is None else slot.volatility[rows],
        intervals={},
    )
    card, _ = score_slot(halves)
    outcome = halves.outcomes["value"]
    ridge, naive = (
        (100 * np.abs(halves.forecasts[name] / outcome - 1)).reshape(n, 2).mean(axis=1)
        for name in ("ridge", "naive")
    )
    versus = card.by_name["ridge"].versus[0]
    assert (versus.baseline, versus.n) == ("naive", n)
    assert versus.dm == pytest.approx(diebold_mariano(ridge, naive).statistic)
    assert card.by_name["ridge"].losses["mape"] == pytest.approx(ridge.mean())
    assert card.window.n == 2 * n
