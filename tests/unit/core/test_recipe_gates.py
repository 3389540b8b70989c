"""Keys that came later: gates, outcomes across sessions, one fit a part, options typed."""

from typing import Any

import pytest
from pydantic import ValidationError

from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe
from truecast.core.recipe_files import load_recipe

PLAIN: dict[str, Any] = {
    "name": "plain",
    "instruments": ["X"],
    "interval": "1m",
    "source": "simulated",
    "features": ["rsi_14"],
    "targets": {"direction": {"horizon": 30, "models": ["lightgbm"]}},
}
IN_FOUR = {"train": 0.6, "validate": 0.2, "test": 0.1, "oot": 0.1}


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate({**PLAIN, **changes})


def test_the_shipped_daily_recipe_keeps_its_hash_and_document() -> None:
    daily = load_recipe("sp500-daily")
    assert daily.hash == "6d9f01ceff871e1746e2aecd429a44bf26a82826dbd03f5b7d1ed79059a7b165"
    document = daily.model_dump(mode="json", by_alias=True)
    assert document["gates"] == {"skill": "report"}
    assert "cross_sessions" not in document["targets"]["price"]


def test_a_gate_that_is_used_is_in_the_hash_and_the_document() -> None:
    gated = recipe(gates={"latency_ms": 100})
    assert gated.hash != recipe().hash
    assert gated.model_dump()["gates"] == {"skill": "report", "latency_ms": 100}
    assert Recipe.model_validate(gated.model_dump(mode="json", by_alias=True)) == gated


@pytest.mark.parametrize("gate", [{"oot_auc": 0.5}, {"overfit_gap": 0.25}])
def test_gates_out_of_time_need_rows_there(gate: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=f"gates.{next(iter(gate))} is judged out of time"):
        recipe(gates=gate)
    assert recipe(gates=gate, split=IN_FOUR).gates != recipe().gates


def test_an_auc_needs_a_direction() -> None:
    targets = {"return": {"models": ["lightgbm"]}}
    with pytest.raises(ValidationError, match="about direction, which is none of the targets"):
        recipe(gates={"oot_auc": 0.5}, split=IN_FOUR, targets=targets)


@pytest.mark.parametrize(
    "gate", [{"oot_auc": 1.2}, {"overfit_gap": 0}, {"missing_share": -0.1}, {"outliers_sd": 1}]
)
def test_a_gate_out_of_range_is_refused(gate: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(gate))):
        recipe(gates=gate, split=IN_FOUR)


def test_targets_of_one_horizon_have_one_outcome() -> None:
    def both(horizon: int) -> dict[str, Any]:
        crossing = {"horizon": 30, "models": ["lightgbm"], "cross_sessions": True}
        return {"direction": crossing, "return": {"horizon": horizon, "models": ["lightgbm"]}}

    with pytest.raises(ValidationError, match="give return cross_sessions as well, or another"):
        recipe(targets=both(30))
    crossing = recipe(targets=both(60))
    assert crossing.crossing == {30}
    assert crossing.hash != recipe(targets={**both(60), **PLAIN["targets"]}).hash
    assert recipe().crossing == frozenset()


def test_one_fit_a_part_is_said_in_words() -> None:
    assert recipe(evaluate={"refit_every": "part"}).evaluate.refit_every == "part"
    for wrong in ("parts", 0):
        with pytest.raises(ValidationError, match="refit_every"):
            recipe(evaluate={"refit_every": wrong})


def test_options_of_a_simulated_market_can_be_typed() -> None:
    typed = recipe().with_source("simulated:years=2,seed=7,calendar=24/7")
    assert typed.source.parameters == {"years": 2, "seed": 7, "calendar": "24/7"}
    for wrong in ("simulated:2", "simulated:years=", "simulated:=2"):
        with pytest.raises(UsageError, match="expected options such as years=17,seed=2"):
            recipe().with_source(wrong)
    for wrong in ("seed=[", "end=2020-13-45"):
        with pytest.raises(UsageError, match=r"simulated: .* is not YAML"):
            recipe().with_source(f"simulated:{wrong}")
