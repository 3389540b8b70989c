"""The libraries themselves are the oracle, on rows made to fall on and beside every threshold."""

import os

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from truecast.models.base import ModelError
from truecast.models.onnx import Session
from truecast.models.treeonnx import Tree, of_lightgbm, of_sklearn, of_xgboost, write

SEEDS = range(40 if os.environ.get("TRUECAST_SOAK") else 4)
COLUMNS = 8
HUGE, SMALL = np.float32(3e38), np.float32(1e-37)
LIGHTGBM = {"num_leaves": 31, "min_data_in_leaf": 3, "verbosity": -1, "num_threads": 1}


def training(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns of every kind: epoch seconds, few values, tiny and huge ones, mostly missing."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((900, COLUMNS))
    X[:, 1] = 1.6e9 + rng.integers(0, 10**7, len(X))
    X[:, 2] = np.round(X[:, 2], 1)
    X[:, 3] *= 1e-30
    X[:, 4] *= 1e30
    X[:, 5] = rng.integers(-1, 2, len(X)) * 1e-35  # on the edge of what LightGBM takes for zero
    y = X[:, 0] + (X[:, 1] > 1.605e9) + X[:, 2] + X[:, 3] * 1e30 + X[:, 4] * 1e-30
    y += X[:, 5] * 1e35 + 0.3 * rng.standard_normal(len(X))
    X = X.astype(np.float32)
    if seed % 2:
        X[rng.random(X.shape) < 0.1] = np.nan
        X[rng.random(len(X)) < 0.9, 7] = np.nan
    return X, y


@np.errstate(over="ignore")  # a threshold above all float32 is infinite among them
def questions(trees: list[Tree], rng: np.random.Generator) -> np.ndarray:
    """Rows on the trees' thresholds, one and two float32 steps beside them, and worse."""
    rows = rng.standard_normal((4000, COLUMNS)).astype(np.float32)
    for column in range(COLUMNS):
        asked = [tree.threshold[(tree.left >= 0) & (tree.feature == column)] for tree in trees]
        thresholds = np.concatenate(asked)
        if len(thresholds):
            near = rng.choice(thresholds, len(rows)).astype(np.float32)
            for _ in range(2):
                away = rng.choice([-np.inf, np.inf], len(rows)).astype(np.float32)
                near = np.where(rng.random(len(rows)) < 0.4, np.nextafter(near, away), near)
            use = rng.random(len(rows)) < 0.7
            rows[use, column] = near[use]
    worse = [np.nan, 0.0, -0.0, SMALL, -SMALL, HUGE, -HUGE, 1e-35, -1e-35, 1.6e9]
    for value in [*worse, np.inf, -np.inf]:
        rows[rng.random(rows.shape) < 0.02] = value
    return rows


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("objective", ["regression", "binary"])
def test_lightgbm_s_rows_go_where_lightgbm_sends_them(seed: int, objective: str) -> None:
    X, y = training(seed)
    label = y if objective == "regression" else (y > np.median(y)).astype(np.float64)
    settings = {**LIGHTGBM, "objective": objective, "seed": seed}
    grown = lightgbm.train(settings, lightgbm.Dataset(X, label), 40)
    trees = list(of_lightgbm(grown.model_to_string()))
    rows = questions(trees, np.random.default_rng(seed))
    said = Session(write(trees, COLUMNS), model="m").run(rows)
    np.testing.assert_array_equal(said, grown.predict(rows, raw_score=True, num_threads=1))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("objective", ["reg:squarederror", "binary:logistic"])
def test_xgboost_s_rows_go_where_xgboost_sends_them(seed: int, objective: str) -> None:
    X, y = training(seed)
    label = y if objective == "reg:squarederror" else (y > 0.5).astype(np.float64)
    settings = {"objective": objective, "max_depth": 5, "nthread": 1, "seed": seed}
    grown = xgboost.train(settings, xgboost.QuantileDMatrix(X, label, nthread=1), 40)
    trees = list(of_xgboost(grown.save_raw("json")))
    rows = questions(trees, np.random.default_rng(seed))
    said = Session(write(trees, COLUMNS, strict=True), model="m").run(rows)
    native = grown.inplace_predict(rows, predict_type="margin", validate_features=False)
    np.testing.assert_allclose(said, native, atol=2e-6 * np.abs(native).max())  # its float32 sums
    one = grown[:1]  # the first tree alone: what is left is one rounding of its leaf
    said = Session(write(trees[:2], COLUMNS, strict=True), model="m").run(rows)
    native = one.inplace_predict(rows, predict_type="margin", validate_features=False)
    np.testing.assert_allclose(said, native, rtol=2e-7, atol=3e-7)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_a_forest_s_rows_go_where_scikit_learn_sends_them(seed: int, kind: type) -> None:
    X, y = training(seed)
    grown = kind(15, min_samples_leaf=3, max_features=0.5, random_state=seed, n_jobs=1).fit(X, y)
    trees = list(of_sklearn(grown.estimators_))
    rows = questions(trees, np.random.default_rng(seed))
    rows = np.clip(rows, np.float32(-1e32), np.float32(1e32))  # it refuses what sums to infinity
    said = Session(write(trees, COLUMNS, mean=True), model="m").run(rows)
    np.testing.assert_allclose(said, grown.predict(rows), rtol=1e-14)


def test_a_missing_value_where_training_had_none_is_taken_as_the_library_takes_it() -> None:
    X, y = training(0)
    assert np.isfinite(X).all()
    rows = np.where(np.random.default_rng(1).random(X.shape) < 0.5, np.nan, X).astype(np.float32)
    grown = lightgbm.train(LIGHTGBM, lightgbm.Dataset(X, y), 20)
    session = Session(write(list(of_lightgbm(grown.model_to_string())), COLUMNS), model="m")
    np.testing.assert_array_equal(session.run(rows), grown.predict(rows, num_threads=1))
    zeros = np.nan_to_num(rows)  # for LightGBM it is a zero
    np.testing.assert_array_equal(session.run(rows), session.run(zeros))


def test_trees_without_a_question_say_their_leaf() -> None:
    X = np.zeros((100, 2), dtype=np.float32)
    y = np.arange(100.0)
    grown = lightgbm.train(LIGHTGBM, lightgbm.Dataset(X, y), 3)
    trees = list(of_lightgbm(grown.model_to_string()))
    session = Session(write(trees, 2), model="m")
    rows = np.array([[1, np.nan], [-1e30, 0]], dtype=np.float32)
    np.testing.assert_array_equal(session.run(rows), grown.predict(rows))
    forest = RandomForestRegressor(3, random_state=0).fit(X, np.full(100, 2.5))
    session = Session(write(list(of_sklearn(forest.estimators_)), 2, mean=True), model="m")
    assert session.run(rows).tolist() == [2.5, 2.5]
    assert Session(write([Tree.constant(-4.0)], 1), model="m").run(rows[:, :1]).tolist() == [-4, -4]


def test_the_same_trees_are_the_same_bytes() -> None:
    X, y = training(1)
    contents = set()
    for _ in range(2):
        grown = lightgbm.train(LIGHTGBM, lightgbm.Dataset(X, y), 10)
        contents.add(write(list(of_lightgbm(grown.model_to_string())), COLUMNS))
    assert len(contents) == 1


@pytest.mark.parametrize(
    ("settings", "categories"),
    [
        ({"min_data_per_group": 5, "cat_smooth": 1}, [2]),
        ({"zero_as_missing": True}, []),
        ({"linear_tree": True}, []),
    ],
    ids=["categories", "zero is missing", "lines in leaves"],
)
def test_trees_that_onnx_has_no_words_for_are_refused(settings: dict, categories: list) -> None:
    rng = np.random.default_rng(3)
    X = rng.integers(0, 5, (400, 3)).astype(np.float32)
    y = np.sin(X[:, 2] * 3) + X[:, 0] + 0.1 * rng.standard_normal(len(X))
    data = lightgbm.Dataset(X, y, categorical_feature=categories, params={**LIGHTGBM, **settings})
    grown = lightgbm.train({**LIGHTGBM, **settings}, data, 3)
    with pytest.raises(ModelError, match="lightgbm: a tree asks about a category, has a line"):
        list(of_lightgbm(grown.model_to_string()))
