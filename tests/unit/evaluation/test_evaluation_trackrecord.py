"""Track records: figures worked out by hand, and null where there is none to be had."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truecast.core.slot import Slot
from truecast.evaluation.arrays import Floats
from truecast.evaluation.trackrecord import IssuedForecasts, TrackRecord, track_record


def _vector(values: list[float | None]) -> Floats:
    return np.array(values, dtype=np.float64)


def issued(target: str, horizon: int = 1, **changes: Any) -> IssuedForecasts:
    """Two settled forecasts of nothing in particular; keyword arguments replace fields."""
    n = len(changes.get("forecasts", [1.0, 2.0]))
    outcomes = (
        {"gk": [1.0] * n, "r2": [1.0] * n} if target == "volatility" else {"value": [1.0] * n}
    )
    given: dict[str, Any] = {
        "forecasts": [1.0, 2.0],
        "baselines": [1.0] * n,
        "lower": [None] * n,
        "upper": [None] * n,
        "nominal": [None] * n,
        **changes,
    }
    arrays = {
        name: _vector(given[name])
        for name in ("forecasts", "baselines", "lower", "upper", "nominal")
    }
    found = {name: _vector(values) for name, values in changes.get("outcomes", outcomes).items()}
    return IssuedForecasts(
        slot=Slot("small", "sample", "^GSPC", target, horizon),
        mode=given.get("mode", "live"),
        recipe_hash=given.get("recipe_hash"),
        open=given.get("open", 0),
        superseded=given.get("superseded", 0),
        simulated=given.get("simulated", False),
        baseline=given.get("baseline", "naive") if n else None,
        session=np.arange("2018-12-03", n, dtype="datetime64[D]"),
        outcomes=found,
        degraded=np.array(given.get("degraded", [False] * n), dtype=np.bool_),
        **arrays,
    )


def document(record: TrackRecord) -> dict[str, Any]:
    text = record.model_dump_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    read: dict[str, Any] = json.loads(text)
    return read


def test_a_record_of_prices() -> None:
    record = track_record(
        issued(
            "price",
            forecasts=[102.0, 99.0, 105.0],
            baselines=[101.0, 101.0, 101.0],
            outcomes={"value": [100.0, 100.0, 100.0]},
            lower=[90.0, 101.0, None],
            upper=[110.0, 111.0, None],
            nominal=[0.9, 0.8, None],
            degraded=[False, True, False],
            open=4,
            superseded=2,
            simulated=True,
        ),
        trials=7,
    )
    said = document(record)
    assert said["losses"] == {
        "mape": pytest.approx(8 / 3),
        "mae": pytest.approx(8 / 3),
        "mse": pytest.approx(30 / 3),
        "rmse": pytest.approx(math.sqrt(30 / 3)),
    }
    ones = dict.fromkeys(("mape", "mae", "mse", "rmse"), 1.0)
    assert said["baseline_losses"] == pytest.approx(ones)
    (versus,) = said["versus"]
    assert (versus["baseline"], versus["metric"], versus["n"]) == ("naive", "mape", 3)
    assert versus["improvement_pct"] == pytest.approx(100 * (1 - 8 / 3))
    assert said["window"] == {"from": "2018-12-03", "to": "2018-12-05", "n": 3}
    counts = [said[name] for name in ("issued", "settled", "open", "superseded")]
    assert counts == [9, 3, 4, 2]
    intervals = said["intervals"]
    assert intervals["nominal"] == pytest.approx(0.85)
    assert (intervals["coverage"]["share"], intervals["coverage"]["n"]) == (0.5, 2)
    # Wilson's interval for one of two.
    z = 1.959963984540054
    half = z / (1 + z * z / 2) * math.sqrt(0.25 / 2 + z * z / 16)
    assert intervals["coverage"]["ci95"] == pytest.approx([0.5 - half, 0.5 + half])
    width = 100 * (math.log(110 / 90) + math.log(111 / 101)) / 2
    assert intervals["mean_width"] == pytest.approx(width)
    assert said["degraded_share"] == pytest.approx(1 / 3)
    assert (said["simulated"], said["trials"], said["hits"]) == (True, 7, None)
    assert (said["slot"], said["metric"]) == ("small@sample:~5EGSPC:price:1", "mape")
    assert (said["verdict"], said["notes"]) == (
        "no skill shown",
        ["3 settled: fewer than 30 are not judged"],
    )


def test_a_record_of_directions() -> None:
    record = track_record(
        issued(
            "direction",
            forecasts=[0.6, 0.5, 0.2, 0.9],
            baselines=[0.5, 0.6, 0.6, 0.6],
            outcomes={"value": [1.0, 0.0, 1.0, 1.0]},
            lower=[0.1, 0.1, 0.1, 0.1],
            upper=[0.9, 0.9, 0.9, 0.9],
            nominal=[0.9, 0.9, 0.9, 0.9],
        )
    )
    said = document(record)
    assert said["losses"]["brier"] == pytest.approx((0.16 + 0.25 + 0.64 + 0.01) / 4)
    logs = [math.log(0.6), math.log(0.5), math.log(0.2), math.log(0.9)]
    assert said["losses"]["log_loss"] == pytest.approx(-sum(logs) / 4)
    assert said["losses"]["auc"] == pytest.approx(2 / 3)
    assert said["losses"]["accuracy"] == 0.75
    assert said["baseline_losses"]["accuracy"] == 0.5
    assert (said["hits"]["share"], said["hits"]["n"]) == (0.75, 4)
    # An interval of a probability holds no outcome.
    assert said["intervals"] is None


def test_a_record_of_volatility() -> None:
    record = track_record(
        issued(
            "volatility",
            baseline="garch",
            forecasts=[1.0, 4.0],
            baselines=[1.0, 1.0],
            outcomes={"gk": [1.0, 1.0], "r2": [2.0, None]},
            lower=[0.5, 1.5],
            upper=[1.5, 2.5],
            nominal=[0.9, 0.9],
        )
    )
    said = document(record)
    assert said["losses"]["qlike_gk"] == pytest.approx((0.25 - math.log(0.25) - 1) / 2)
    assert said["losses"]["qlike_r2"] == pytest.approx(2 - math.log(2) - 1)
    assert said["losses"]["mse_gk"] == pytest.approx(4.5)
    assert [one["metric"] for one in said["versus"]] == ["qlike_gk", "qlike_r2", "mse_gk"]
    assert [one["n"] for one in said["versus"]] == [2, 1, 2]
    assert said["notes"] == [
        "qlike_r2: on the 1 of 2 forecasts that have its outcome",
        "2 settled: fewer than 30 are not judged",
    ]
    # The interval is of the standard deviation: 1 lies in 0.5 to 1.5 and not in 1.5 to 2.5.
    assert said["intervals"]["coverage"]["share"] == 0.5
    assert said["intervals"]["mean_width"] == 1.0


@pytest.mark.parametrize("target", ["price", "return", "direction", "volatility"])
def test_a_record_without_outcomes_says_so(target: str) -> None:
    proxies = {"gk": [], "r2": []} if target == "volatility" else {"value": []}
    said = document(track_record(issued(target, forecasts=[], outcomes=proxies, open=3)))
    assert {*said["losses"].values(), *said["baseline_losses"].values()} == {None}
    empty = ("window", "baseline", "hits", "intervals", "degraded_share")
    assert [said[name] for name in empty] == [None] * 5
    assert (said["versus"], said["verdict"]) == ([], "no skill shown")
    assert said["notes"] == ["0 settled: fewer than 30 are not judged"]
    assert [said[name] for name in ("issued", "settled", "open")] == [3, 0, 3]


def test_a_figure_that_is_not_defined_is_null_and_explained() -> None:
    zero = issued("price", forecasts=[1.0, 2.0], outcomes={"value": [0.0, 1.0]})
    said = document(track_record(zero))
    assert (said["losses"]["mape"], said["losses"]["mae"]) == (None, 1.0)
    assert said["versus"] == []
    assert any("percentage error is not defined" in note for note in said["notes"])
    frozen = issued("volatility", forecasts=[0.0, 1.0])
    said = document(track_record(frozen))
    assert (said["losses"]["qlike_gk"], said["losses"]["mse_gk"]) == (None, 0.5)
    assert any("variance forecasts above zero" in note for note in said["notes"])
    one_sided = issued("direction", forecasts=[0.4, 0.6])
    assert document(track_record(one_sided))["losses"]["auc"] is None


def test_skill_needs_thirty_forecasts_and_survives_the_trials() -> None:
    """A model that knows the half of it, beside one that knows nothing."""
    rng = np.random.default_rng(1)
    outcomes = rng.choice([-1.0, 1.0], 60) + rng.normal(0, 0.3, 60)

    def record(n: int, trials: int) -> TrackRecord:
        some = issued(
            "return",
            forecasts=(outcomes[:n] / 2).tolist(),
            baselines=[0.0] * n,
            outcomes={"value": outcomes[:n].tolist()},
        )
        return track_record(some, trials=trials)

    assert record(29, 1).verdict == "no skill shown"
    assert record(30, 1).verdict == "beats naive"
    enough = math.ceil(0.05 / record(30, 1).versus[0].p_value)
    assert record(30, enough - 1).verdict == "beats naive"
    assert record(30, enough).verdict == "no skill shown"


def test_a_longer_horizon_is_less_sure() -> None:
    rng = np.random.default_rng(2)
    outcomes = rng.normal(0, 1, 60)
    arrays = {
        "forecasts": (0.5 * outcomes).tolist(),
        "baselines": [0.0] * 60,
        "outcomes": {"value": outcomes.tolist()},
    }
    near, far = (track_record(issued("return", horizon, **arrays)).versus[0] for horizon in (1, 15))
    assert near.improvement_pct == far.improvement_pct
    assert near.p_value < far.p_value


#: To a thousandth: what prices, returns and variances can be, zero and ties too.
numbers = st.integers(-(10**6), 10**6).map(lambda number: number / 1000)


@given(
    target=st.sampled_from(["price", "return", "direction", "volatility"]),
    rows=st.lists(st.tuples(*[numbers] * 5), max_size=40),
    horizon=st.integers(1, 30),
)
def test_whatever_was_said_no_figure_is_nan(
    target: str, rows: list[tuple[float, ...]], horizon: int
) -> None:
    own, naive, outcome, lower, width = ([row[place] for row in rows] for place in range(5))
    if target == "direction":
        own, naive = ([abs(one) / 1000 for one in some] for some in (own, naive))
        outcome = [float(one > 0) for one in outcome]
    if target in {"volatility", "price"}:
        own, naive, outcome, lower = (
            [abs(one) for one in some] for some in (own, naive, outcome, lower)
        )
    proxies = {"gk": outcome, "r2": lower} if target == "volatility" else {"value": outcome}
    said = issued(
        target,
        horizon,
        forecasts=own,
        baselines=naive,
        outcomes=proxies,
        lower=[one + 1 for one in lower],
        upper=[one + 1 + abs(more) for one, more in zip(lower, width, strict=True)],
        nominal=[0.9] * len(rows),
    )
    record = document(track_record(said))
    assert record["settled"] == len(rows)
    for versus in record["versus"]:
        assert 0 <= versus["p_value"] <= 1


def test_the_worst_250_intervals_in_a_row_are_told() -> None:
    outcomes = [0.0] * 400
    outcomes[60:100] = [9.0] * 40
    outcomes[340:] = [9.0] * 60
    given = {"forecasts": [0.0] * 400, "lower": [-1.0] * 400, "upper": [1.0] * 400}
    nominal = {"nominal": [0.9] * 400}
    said = document(
        track_record(issued("return", outcomes={"value": outcomes}, **given, **nominal))
    )
    assert said["intervals"]["coverage"]["share"] == 0.75
    assert said["intervals"]["min_coverage_250"] == (250 - 60) / 250
    few = issued("return", lower=[0.0, 0.0], upper=[1.0, 2.0], nominal=[0.9, 0.9])
    assert document(track_record(few))["intervals"]["min_coverage_250"] is None


def test_a_volatility_without_a_range_counts_for_no_interval() -> None:
    record = track_record(
        issued(
            "volatility",
            baseline="garch",
            outcomes={"gk": [1.0, None], "r2": [1.0, 1.0]},
            lower=[0.5, 0.5],
            upper=[1.5, 1.5],
            nominal=[0.9, 0.9],
        )
    )
    coverage = document(record)["intervals"]["coverage"]
    assert (coverage["share"], coverage["n"]) == (1.0, 1)
