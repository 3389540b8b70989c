from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.api import OLS

from truecast.evaluation.bootstrap import block_length
from truecast.evaluation.nested import clark_west, model_confidence_set
from truecast.evaluation.scoring import score_slot
from truecast.evaluation.significance import bartlett_lag
from truecast.evaluation.slots import SlotForecasts
from truecast.evaluation.words import best_sentence, nested_sentence

RNG = np.random.default_rng(21)


@pytest.mark.parametrize("horizon", [1, 10])
def test_clark_west_equals_a_regression_on_a_constant(horizon: int) -> None:
    y = 0.1 * RNG.standard_normal(800) + 0.02
    said = 0.1 * y + 0.05 * RNG.standard_normal(800)
    found = clark_west(y, said, np.zeros(800), horizon=horizon)
    adjusted = y**2 - (y - said) ** 2 + said**2
    lags = bartlett_lag(800, horizon)
    fitted = OLS(adjusted, np.ones(800)).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    assert found.statistic == pytest.approx(fitted.tvalues[0], rel=1e-9)
    assert found.p_value == pytest.approx(norm.sf(fitted.tvalues[0]), rel=1e-7)


def test_rows_of_one_session_count_as_one() -> None:
    """Twelve instruments that all do the same say no more than one of them."""
    y = 0.1 * RNG.standard_normal(400) + 0.02
    said = 0.1 * y + 0.05 * RNG.standard_normal(400)
    days = np.datetime64("2014-01-14") + np.arange(400)
    alone = clark_west(y, said, np.zeros(400))
    of_all = [np.repeat(values, 12) for values in (y, said, np.zeros(400))]
    together = clark_west(*of_all, sessions=np.repeat(days, 12))
    assert together.statistic == pytest.approx(alone.statistic, rel=1e-12)
    # ... and two that differ are what a regression of their mean by session on a constant says.
    other, theirs = 0.2 * RNG.standard_normal(400), 0.05 * RNG.standard_normal(400)
    pair = [np.column_stack(both).ravel() for both in ((y, other), (said, theirs))]
    found = clark_west(*pair, np.zeros(800), sessions=np.repeat(days, 2))
    each = [a**2 - (a - b) ** 2 + b**2 for a, b in ((y, said), (other, theirs))]
    lags = bartlett_lag(400, 1)
    fitted = OLS(np.mean(each, axis=0), np.ones(400)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags}
    )
    assert found.statistic == pytest.approx(fitted.tvalues[0], rel=1e-9)


def test_a_model_that_never_differs_adds_nothing() -> None:
    y = RNG.standard_normal(100)
    assert clark_west(y, np.zeros(100), np.zeros(100)).p_value == 0.5
    assert clark_west([1.0], [0.5], [0.0]).statistic == 0.0


def test_clark_west_rejects_as_often_as_it_says_where_there_is_nothing() -> None:
    """One coefficient, estimated on 250 rows, that is truly zero: Diebold-Mariano sees it lose."""
    rejected = 0
    for _ in range(400):
        x, y = RNG.standard_normal((2, 750))
        beta = [(x[i - 250 : i] @ y[i - 250 : i]) / (x[i - 250 : i] @ x[i - 250 : i])
                for i in range(250, 750)]  # fmt: skip
        found = clark_west(y[250:], np.array(beta) * x[250:], np.zeros(500))
        rejected += found.p_value < 0.05
    assert 0.005 < rejected / 400 < 0.09


def test_the_confidence_set_is_that_of_arch() -> None:
    from arch.bootstrap import MCS

    common = RNG.standard_normal(1250) ** 2
    excess = {"a": 0.0, "b": 0.02, "c": 0.08, "d": 0.3}
    losses = {
        name: common + 0.5 * RNG.standard_normal(1250) ** 2 + more for name, more in excess.items()
    }
    expected = MCS(
        np.column_stack([*losses.values()]),
        size=0.1,
        reps=1000,
        block_size=block_length(1250),
        method="R",
        bootstrap="circular",
        seed=3,
    )
    expected.compute()
    found = model_confidence_set(losses)
    of_arch = expected.pvalues["Pvalue"].sort_index()
    np.testing.assert_allclose([*found.values()], of_arch, atol=0.05)  # other draws
    assert found["d"] < 0.01
    assert max(found.values()) == 1.0


def test_twins_share_a_p_value_and_few_models_have_no_set() -> None:
    loss = RNG.standard_normal(200) ** 2
    found = model_confidence_set({"one": loss, "twin": loss.copy(), "poor": loss + 0.5})
    assert found == {"one": 1.0, "twin": 1.0, "poor": 0.0}
    assert model_confidence_set({"one": loss, "twin": loss}) == {}
    assert model_confidence_set({"one": loss[:20], "poor": loss[:20] + 1}) == {}


def test_the_set_holds_equals_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(100):
        losses = {name: RNG.standard_normal(300) ** 2 for name in "abc"}
        inside += min(model_confidence_set(losses, seed=seed).values()) > 0.1
    assert inside >= 82  # all three are the best: 90% in the limit


def test_a_scorecard_carries_both(slots: dict[str, SlotForecasts]) -> None:
    volatility, _ = score_slot(slots["volatility"])
    alone = [model.name for model in volatility.models if model.in_mcs]
    assert alone == ["har_leverage"]
    assert best_sentence(volatility) == (
        "By QLIKE GK, only har_leverage is in the 90% model confidence set."
    )
    assert volatility.judged.clark_west is None
    slot = replace(slots["price"], model_types={"ridge": "ridge", "lightgbm": "lightgbm"})
    price, _ = score_slot(slot)
    ridge = price.by_name["ridge"]
    assert price.by_name["lightgbm"].clark_west is None
    assert ridge.clark_west is not None
    outcome, said = (
        100 * np.log(values / slot.last_close)
        for values in (slot.outcomes["value"], slot.forecasts["ridge"])
    )
    assert ridge.clark_west == clark_west(outcome, said, np.zeros(1250))
    assert nested_sentence(ridge).startswith("ridge contains naive: Clark–West ")
    assert nested_sentence(price.by_name["lightgbm"]) == ""
    assert best_sentence(price) == "By MAPE, only naive is in the 90% model confidence set."
    direction, _ = score_slot(slots["direction"])
    assert best_sentence(direction) == (
        "By Brier, none of naive and logistic can be told from the best (90% model confidence set)."
    )
