import json

import numpy as np
import pytest
import xgboost

from truecast.models import boosting
from truecast.models.base import ModelError
from truecast.models.trees import LightGBM
from truecast.models.xgboost import XGBoost

rng = np.random.default_rng(8)
X = rng.standard_normal((600, 1, 4)).astype(np.float32)
SIGNAL = X[:, 0, 0].astype(np.float64)
NOISE = rng.standard_normal(600)


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> list[xgboost.Booster]:
    """What XGBoost itself has grown in the test, oldest first."""
    found = []
    train = xgboost.train
    monkeypatch.setattr(xgboost, "train", lambda *given: found.append(train(*given)) or found[-1])
    return found


def trees_of(booster: xgboost.Booster) -> list[dict]:
    document = json.loads(booster.save_raw("json"))
    return document["learner"]["gradient_booster"]["model"]["trees"]


def walked(booster: xgboost.Booster, row: np.ndarray) -> float:
    """Sum the leaves of a row by hand, from the JSON alone; without the intercept."""
    total = 0.0
    for tree in trees_of(booster):
        node = 0
        while tree["left_children"][node] != -1:
            value = row[tree["split_indices"][node]]
            left = (
                tree["default_left"][node] == 1
                if np.isnan(value)
                else value < np.float32(tree["split_conditions"][node])
            )
            node = tree["left_children" if left else "right_children"][node]
        total += tree["split_conditions"][node]
    return total


def test_a_forecast_is_the_sum_of_the_leaves_that_a_row_comes_to(grown: list) -> None:
    holed = X.copy()
    holed[::7, 0, 0] = np.nan
    model = XGBoost(rounds=40).fit(holed, SIGNAL, target="return", horizon=1)
    intercepts = model.predict(holed) - [walked(grown[0], row) for row in holed[:, 0]]
    np.testing.assert_allclose(intercepts, intercepts[0], atol=1e-5)
    assert intercepts[0] == pytest.approx(SIGNAL.mean(), abs=1e-4)


def test_direction_is_the_logistic_of_that_sum(grown: list) -> None:
    y = (SIGNAL > 0).astype(np.float64)
    model = XGBoost(rounds=200, min_child_weight=5.0).fit(
        X[:500], y[:500], target="direction", horizon=1
    )
    probability = model.predict(X[500:])
    odds = np.log(probability / (1 - probability))
    intercepts = odds - [walked(grown[0], row) for row in X[500:, 0]]
    np.testing.assert_allclose(intercepts, intercepts[0], atol=1e-5)
    assert ((probability > 0.5) == (y[500:] == 1)).mean() > 0.95


def test_volatility_is_the_exponential_times_smearing() -> None:
    y = np.exp(SIGNAL + NOISE)
    y[3] = 0.0  # floored at one squared basis point
    model = XGBoost().fit(X[:500], y[:500], target="volatility", horizon=1)
    fit = model.predict(X[:500]) / model.smearing_
    assert model.smearing_ == pytest.approx(np.mean(np.maximum(y[:500], 1e-4) / fit))
    assert model.smearing_ > 1.1
    assert np.corrcoef(np.log(model.predict(X[500:])), SIGNAL[500:])[0, 1] > 0.9


def test_a_missing_value_is_learned_from() -> None:
    holed = X.copy()
    gone = X[:, 0, 3] > 0
    holed[:, 0, 3] = 0
    holed[gone, 0, 1] = np.nan
    y = np.where(gone, 2.0, -2.0) + 0.1 * NOISE
    model = XGBoost(rounds=200).fit(holed, y, target="return", horizon=1)
    predicted = model.predict(holed)
    assert predicted[gone].min() > 1
    assert predicted[~gone].max() < -1


def test_parameters_reach_xgboost(grown: list) -> None:
    model = XGBoost(rounds=7, max_depth=1, min_child_weight=100.0, colsample_bytree=0.25)
    model.fit(X, SIGNAL + NOISE, target="return", horizon=1)
    trees = trees_of(grown[0])
    assert len(trees) == 7
    for tree in trees:
        assert len(tree["left_children"]) <= 3
        assert min(tree["sum_hessian"]) >= 100
    one, two = (
        XGBoost(seed=seed).fit(X, SIGNAL + NOISE, target="return", horizon=1) for seed in (1, 2)
    )
    assert one.payload()["model.onnx"] != two.payload()["model.onnx"]


def test_it_says_what_xgboost_says(grown: list) -> None:
    holed = X.copy()
    holed[::7, 0, 0] = np.nan
    for target, y in (("return", SIGNAL + NOISE), ("direction", (SIGNAL > 0.5).astype(float))):
        model = XGBoost(rounds=100).fit(holed, y, target=target, horizon=1)
        native = grown[-1].inplace_predict(holed[:, 0])
        np.testing.assert_allclose(model.predict(holed), native, atol=1e-6)
        assert 0 < model.parity_ < 1e-6


def test_another_payload_is_refused() -> None:
    files = XGBoost().fit(X, SIGNAL, target="return", horizon=1).payload()
    earlier = {"model.json": files["model.json"], "trees.json": b"{}"}
    with pytest.raises(
        ModelError, match=r"lacks model\.onnx, found model\.json, trees\.json; what"
    ):
        XGBoost.from_payload({}, earlier)
    for content in (b"not a model", b"\xff\xfe\x80", b"", b"{}", files["model.onnx"][:-100]):
        with pytest.raises(ModelError, match=r"model\.onnx is not an ONNX graph"):
            XGBoost.from_payload({}, {**files, "model.onnx": content})


def test_an_infinite_feature_is_named() -> None:
    infinite = X.copy()
    infinite[5, 0, 2] = -np.inf
    with pytest.raises(ModelError, match="xgboost: feature 2 of training row 5 is -inf: expected"):
        XGBoost().fit(infinite, SIGNAL, target="return", horizon=1)


@pytest.mark.parametrize("kind", [LightGBM, XGBoost])
@pytest.mark.parametrize("target", ["direction", "return"])
def test_the_number_of_cores_changes_nothing(
    kind: type[LightGBM | XGBoost], target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = rng.standard_normal((20_000, 1, 8)).astype(np.float32)
    many[rng.random(many.shape) < 0.02] = np.nan
    y = np.nan_to_num(many[:, 0, 0]) + 3 * rng.standard_normal(len(many))
    y = (y > 0).astype(np.float64) if target == "direction" else y.astype(np.float64)
    payloads, said = [], []
    for count in (1, 2, 3):
        for module in ("trees", "xgboost", "onnx"):
            monkeypatch.setattr(f"truecast.models.{module}.cores", lambda _, n=count: n)
        model = kind(rounds=12).fit(many, y, target=target, horizon=1)
        payloads.append(model.payload())
        said.append(model.predict(many))
    assert payloads[0] == payloads[1] == payloads[2]
    np.testing.assert_array_equal(said[0], said[1])
    np.testing.assert_array_equal(said[0], said[2])


def test_few_rows_are_left_to_one_core() -> None:
    assert boosting.cores(1000) == 1
    assert boosting.cores(1_000_000) >= 1


@pytest.mark.parametrize("kind", [LightGBM, XGBoost])
def test_float32_gives_the_trees_of_float64(kind: type[LightGBM | XGBoost]) -> None:
    y = SIGNAL + NOISE
    one, two = (
        kind().fit(values, y, target="return", horizon=1) for values in (X, X.astype(np.float64))
    )
    assert one.payload() == two.payload()
