import json

import numpy as np
import pytest

from truecast.models import boosting
from truecast.models.base import ModelError
from truecast.models.trees import LightGBM
from truecast.models.xgboost import XGBoost

rng = np.random.default_rng(8)
X = rng.standard_normal((600, 1, 4)).astype(np.float32)
SIGNAL = X[:, 0, 0].astype(np.float64)
NOISE = rng.standard_normal(600)


def walked(model: XGBoost, row: np.ndarray) -> float:
    """Sum the leaves of a row by hand, from the JSON alone; without the intercept."""
    document = json.loads(model.payload()["trees.json"])
    total = 0.0
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
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


def test_a_forecast_is_the_sum_of_the_leaves_that_a_row_comes_to() -> None:
    holed = X.copy()
    holed[::7, 0, 0] = np.nan
    model = XGBoost(rounds=40).fit(holed, SIGNAL, target="return", horizon=1)
    intercepts = model.predict(holed) - [walked(model, row) for row in holed[:, 0]]
    np.testing.assert_allclose(intercepts, intercepts[0], atol=1e-5)
    assert intercepts[0] == pytest.approx(SIGNAL.mean(), abs=1e-4)


def test_direction_is_the_logistic_of_that_sum() -> None:
    y = (SIGNAL > 0).astype(np.float64)
    model = XGBoost(rounds=200, min_child_weight=5.0).fit(
        X[:500], y[:500], target="direction", horizon=1
    )
    probability = model.predict(X[500:])
    odds = np.log(probability / (1 - probability))
    intercepts = odds - [walked(model, row) for row in X[500:, 0]]
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


def test_parameters_reach_xgboost() -> None:
    model = XGBoost(rounds=7, max_depth=1, min_child_weight=100.0, colsample_bytree=0.25)
    model.fit(X, SIGNAL + NOISE, target="return", horizon=1)
    document = json.loads(model.payload()["trees.json"])
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    assert len(trees) == 7
    for tree in trees:
        assert len(tree["left_children"]) <= 3
        assert min(tree["sum_hessian"]) >= 100
    one, two = (
        XGBoost(seed=seed).fit(X, SIGNAL + NOISE, target="return", horizon=1) for seed in (1, 2)
    )
    assert one.payload()["trees.json"] != two.payload()["trees.json"]


def test_other_text_is_refused() -> None:
    files = XGBoost().fit(X, SIGNAL, target="return", horizon=1).payload()
    with pytest.raises(ModelError, match=r"lacks trees.json"):
        XGBoost.from_payload({}, {"model.json": files["model.json"]})
    for content in (b"not a model", b"\xff\xfe\x80", b"", b"{}", b"{", files["trees.json"][:-500]):
        with pytest.raises(ModelError, match=r"trees.json is not XGBoost's JSON"):
            XGBoost.from_payload({}, {**files, "trees.json": content})


@pytest.mark.parametrize("kind", [LightGBM, XGBoost])
@pytest.mark.parametrize("target", ["direction", "return"])
def test_the_number_of_cores_changes_nothing(
    kind: type[LightGBM | XGBoost], target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = rng.standard_normal((60_000, 1, 8)).astype(np.float32)
    many[rng.random(many.shape) < 0.02] = np.nan
    y = np.nan_to_num(many[:, 0, 0]) + 3 * rng.standard_normal(len(many))
    y = (y > 0).astype(np.float64) if target == "direction" else y.astype(np.float64)
    payloads, said = [], []
    for count in (1, 2, 3):
        for module in ("trees", "xgboost"):
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


def test_lightgbm_s_own_training_on_float64_gives_the_same_trees() -> None:
    import lightgbm

    y = SIGNAL + NOISE
    model = LightGBM().fit(X, y, target="return", horizon=1)
    settings = {
        "objective": "regression",
        "learning_rate": 0.03,
        "num_leaves": 6,
        "min_data_in_leaf": 40,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 10.0,
        "max_bin": 63,
        "seed": 1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(X[:, 0].astype(np.float64), y, params=settings)
    grown = lightgbm.train(settings, data, 10)
    np.testing.assert_array_equal(
        model.predict(X), grown.predict(X[:, 0].astype(np.float64), num_threads=1)
    )
