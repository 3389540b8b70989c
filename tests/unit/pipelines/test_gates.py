"""Gates: each fails for its own reason, in words, and for nothing else."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from truecast.core.recipe_parts import Gates
from truecast.evaluation.scorecard import PartCard
from truecast.pipelines.gates import GateResult, judge_inputs, judge_latency, judge_parts
from truecast.pipelines.study import price_of

rng = np.random.default_rng(5)


def cards(metric: str, train: float, oot: float) -> dict[str, PartCard]:
    return {
        part: PartCard(n=100, losses={metric: value})
        for part, value in (("train", train), ("oot", oot))
    }


def only(results: Any) -> GateResult:
    (result,) = results
    assert isinstance(result, GateResult)
    return result


def test_an_auc_below_the_bar_is_told() -> None:
    gates = Gates(oot_auc=0.5)
    model = cards("auc", 0.6, 0.4876)
    found = only(judge_parts(gates, "direction", model, {}))
    assert (found.gate, found.value) == ("oot_auc", 0.4876)
    assert found.failed == "AUC out of time is 0.4876, expected at least 0.5"
    assert only(judge_parts(gates, "direction", cards("auc", 0.6, 0.5), {})).failed is None
    assert not list(judge_parts(gates, "return", cards("mse", 1.0, 1.0), cards("mse", 1.0, 1.0)))


def test_an_auc_that_cannot_be_had_lets_nothing_through() -> None:
    assert only(judge_parts(Gates(oot_auc=0.5), "direction", {}, {})).failed is not None
    assert only(judge_parts(Gates(overfit_gap=0.5), "direction", {}, {})).failed is not None


def test_the_gap_of_direction_is_between_two_aucs() -> None:
    found = only(judge_parts(Gates(overfit_gap=0.1), "direction", cards("auc", 0.8, 0.55), {}))
    assert found.value == pytest.approx(0.25)
    assert found.failed is not None
    assert "from 0.8000 on the training rows to 0.5500 out of time, by 0.2500" in found.failed
    passed = judge_parts(Gates(overfit_gap=0.25), "direction", cards("auc", 0.7, 0.55), {})
    assert only(passed).failed is None


def test_the_gap_of_a_loss_is_of_what_it_is_better_than_the_naive_one() -> None:
    """A wild time alone, in which both lose more, is no gap."""
    gates, naive = Gates(overfit_gap=0.2), cards("mse", 1.0, 4.0)
    wild = only(judge_parts(gates, "return", cards("mse", 0.9, 3.6), naive))
    assert wild.value == pytest.approx(0.0)
    assert wild.failed is None
    learned_by_heart = only(judge_parts(gates, "return", cards("mse", 0.5, 4.2), naive))
    assert learned_by_heart.value == pytest.approx(0.5 - (1 - 4.2 / 4.0))
    assert learned_by_heart.failed is not None


@dataclass
class Columns:
    columns: dict[str, np.ndarray]

    def feature(self, name: str) -> np.ndarray:
        return self.columns[name]


def inputs(gates: Gates, **columns: np.ndarray) -> dict[str, GateResult]:
    rows = np.arange(1, len(next(iter(columns.values()))))
    found = judge_inputs(gates, Columns(columns), tuple(columns), rows)  # type: ignore[arg-type]
    return {one.gate: one for one in found}


def test_the_feature_that_lacks_most_is_named() -> None:
    full, holed = rng.standard_normal(1001), rng.standard_normal(1001)
    holed[1:151] = np.nan
    found = inputs(Gates(missing_share=0.1), full=full, holed=holed)["missing_share"]
    assert found.value == pytest.approx(0.15)
    assert found.failed == "holed has 15.00% of its values missing, expected at most 10.00%"
    assert inputs(Gates(missing_share=0.15), full=full, holed=holed)["missing_share"].failed is None


def test_outliers_are_counted_against_the_feature_s_own_spread() -> None:
    usual = rng.standard_normal(10_001)
    mixed = usual.copy()
    mixed[1:301] = 1e6  # another unit in 3% of the rows
    rare = np.zeros(10_001)
    rare[1:301] = 1.0  # a flag that is up as often
    gates = Gates(outliers_sd=5)
    found = inputs(gates, usual=usual, mixed=mixed, rare=rare)["outliers_sd"]
    assert found.value == pytest.approx(0.03)
    assert found.failed is not None
    assert found.failed == (
        "mixed has 3.00% of its values beyond 5 standard deviations, expected at most 2.00%"
    )
    fine = inputs(gates, usual=usual, rare=rare)["outliers_sd"]
    assert fine.failed is None
    assert fine.value == float((np.abs(usual[1:] - usual[1:].mean()) > 5 * usual[1:].std()).mean())


def test_nothing_is_asked_by_gates_that_are_left_out() -> None:
    assert inputs(Gates(), a=np.full(10, np.nan)) == {}
    assert not list(judge_parts(Gates(), "direction", {}, {}))
    assert not list(judge_latency(Gates(), None, None))  # type: ignore[arg-type]


def test_a_return_in_percent_leads_to_the_price_that_it_means() -> None:
    """A change of 0.23% was once applied as 23%: 6,512.60 became 8,012.49."""
    close = np.array([6512.6, 6512.6, 100.0])
    log_return = 100 * np.log([6527.6 / 6512.6, 1.0, 0.5])
    np.testing.assert_allclose(price_of(close, log_return), [6527.6, 6512.6, 50.0], rtol=1e-12)
    assert price_of(close, np.array([0.23, 0.0, 0.0]))[0] == pytest.approx(6527.6, abs=0.1)
