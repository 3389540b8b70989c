import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from truecast.core.errors import UsageError
from truecast.models import forests
from truecast.models.base import ModelError
from truecast.models.forests import ExtraTrees, RandomForest

rng = np.random.default_rng(8)
X = rng.standard_normal((600, 1, 4)).astype(np.float32)
SIGNAL = X[:, 0, 0].astype(np.float64)
NOISE = rng.standard_normal(600)
KINDS = {RandomForest: RandomForestRegressor, ExtraTrees: ExtraTreesRegressor}
BOTH = pytest.mark.parametrize("kind", KINDS)


def holed() -> np.ndarray:
    missing = X.copy()
    missing[rng.random(X.shape) < 0.1] = np.nan
    return missing


@BOTH
def test_it_says_what_scikit_learn_says_missing_values_too(kind: type) -> None:
    rows, y = holed(), SIGNAL + NOISE
    model = kind(n_estimators=60, min_samples_leaf=20, seed=3)
    model.fit(rows, y, target="return", horizon=1)
    native = KINDS[kind](
        60, max_depth=8, min_samples_leaf=20, max_features=0.33, bootstrap=True, random_state=3
    ).fit(rows[:, 0], y)
    others = holed()
    np.testing.assert_allclose(model.predict(others), native.predict(others[:, 0]), rtol=1e-13)
    assert model.parity_ < 1e-13


def test_squared_error_on_rises_is_gini_s_impurity() -> None:
    y = (SIGNAL + NOISE > 0).astype(np.float64)
    model = RandomForest(n_estimators=60, seed=3).fit(X, y, target="direction", horizon=1)
    native = RandomForestClassifier(
        60, max_depth=8, min_samples_leaf=100, max_features=0.33, random_state=3
    ).fit(X[:, 0], y)
    share = native.predict_proba(X[:, 0])[:, 1]
    assert np.corrcoef(model.predict(X), share)[0, 1] > 0.999
    np.testing.assert_allclose(model.predict(X), share, atol=0.01)
    assert model.predict(X).min() > 0.1
    assert model.predict(X).max() < 0.9


@BOTH
def test_smearing_is_measured_by_trees_that_did_not_see_the_row(kind: type) -> None:
    y = np.exp(SIGNAL + NOISE)
    y[3] = 0.0  # floored at one squared basis point
    model = kind(n_estimators=50).fit(X, y, target="volatility", horizon=1)
    native = KINDS[kind](
        50,
        max_depth=8,
        min_samples_leaf=10,
        max_features=0.33,
        bootstrap=True,
        oob_score=True,
        random_state=1,
    ).fit(X[:, 0], np.log(np.maximum(y, 1e-4)))
    ratios = np.maximum(y, 1e-4) / np.exp(native.oob_prediction_)
    assert model.smearing_ == pytest.approx(ratios.mean(), rel=1e-12)
    fit = model.predict(X) / model.smearing_
    np.testing.assert_allclose(np.log(fit), native.predict(X[:, 0]), atol=1e-12)
    seen = np.mean(np.maximum(y, 1e-4) / fit)  # on the rows' own trees the factor is too small
    assert model.smearing_ > 1.01 * seen
    # The errors are normal with variance 1: the mean of their exponential is exp(1/2) = 1.65, and
    # more where the forest misses some of the signal too.
    assert 1.5 < model.smearing_ < 2.5


@BOTH
def test_volatility_is_learned(kind: type) -> None:
    y = np.exp(SIGNAL + 0.3 * NOISE)
    model = kind(max_features=0.5).fit(X[:500], y[:500], target="volatility", horizon=1)
    assert np.corrcoef(np.log(model.predict(X[500:])), SIGNAL[500:])[0, 1] > 0.9


@BOTH
def test_noise_gives_little_more_than_the_mean(kind: type) -> None:
    for target in ("price", "return"):
        model = kind().fit(X, NOISE, target=target, horizon=1)
        assert np.std(model.predict(X)) < 0.2 * np.std(NOISE)
        np.testing.assert_allclose(model.predict(X).mean(), NOISE.mean(), atol=0.02)


@BOTH
def test_the_number_of_cores_changes_nothing(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, y = holed(), np.exp(SIGNAL + NOISE)
    payloads = []
    for count in (1, 2):
        monkeypatch.setattr(forests, "cores", lambda _, n=count: n)
        model = kind(n_estimators=50).fit(rows, y, target="volatility", horizon=1)
        payloads.append(model.payload())
    assert payloads[0]["model.onnx"] == payloads[1]["model.onnx"]
    assert payloads[0] == payloads[1]


@BOTH
def test_another_seed_gives_other_trees(kind: type) -> None:
    models = [
        kind(n_estimators=50, seed=seed).fit(X, SIGNAL, target="return", horizon=1)
        for seed in (1, 2)
    ]
    assert models[0].payload()["model.onnx"] != models[1].payload()["model.onnx"]


def test_fewer_trees_than_give_every_row_some_that_did_not_see_it_are_refused() -> None:
    with pytest.raises(UsageError, match=r"n_estimators of random_forest: .* or equal to 50"):
        RandomForest(n_estimators=49).fit(X, SIGNAL, target="return", horizon=1)


def test_an_infinite_feature_is_named() -> None:
    infinite = X.copy()
    infinite[5, 0, 2] = np.inf
    with pytest.raises(ModelError, match="extra_trees: feature 2 of training row 5 is inf"):
        ExtraTrees().fit(infinite, SIGNAL, target="return", horizon=1)
