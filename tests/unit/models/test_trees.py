import numpy as np
import pytest

from truecast.models.base import ModelError
from truecast.models.trees import LightGBM

rng = np.random.default_rng(8)
X = rng.standard_normal((600, 1, 4)).astype(np.float32)
SIGNAL = X[:, 0, 0].astype(np.float64)
NOISE = rng.standard_normal(600)


def booster(model: LightGBM):
    import lightgbm

    return lightgbm.Booster(model_str=model.payload()["model.txt"].decode())


def test_volatility_is_the_exponential_times_smearing() -> None:
    y = np.exp(SIGNAL + NOISE)
    y[3] = 0.0  # floored at one squared basis point
    model = LightGBM().fit(X[:500], y[:500], target="volatility", horizon=1)
    raw = booster(model).predict(X[:, 0].astype(np.float64))
    ratios = [max(y[row], 1e-4) / np.exp(raw[row]) for row in range(500)]
    smearing = sum(ratios) / 500
    np.testing.assert_allclose(model.smearing_, smearing, rtol=1e-12)
    assert smearing > 1.1  # exp of a mean of logarithms is below the mean
    np.testing.assert_allclose(model.predict(X), np.exp(raw) * smearing, rtol=1e-12)
    np.testing.assert_allclose(np.mean(np.maximum(y[:500], 1e-4) / model.predict(X[:500])), 1.0)


def test_volatility_is_learned() -> None:
    y = np.exp(SIGNAL + 0.3 * NOISE)
    model = LightGBM().fit(X[:500], y[:500], target="volatility", horizon=1)
    assert np.corrcoef(np.log(model.predict(X[500:])), SIGNAL[500:])[0, 1] > 0.9


def test_direction_is_a_probability() -> None:
    y = (SIGNAL > 0).astype(np.float64)
    model = LightGBM(rounds=200).fit(X[:500], y[:500], target="direction", horizon=1)
    probability = model.predict(X[500:])
    assert probability.min() > 0
    assert probability.max() < 1
    assert ((probability > 0.5) == (y[500:] == 1)).mean() > 0.95


def test_noise_gives_little_more_than_the_mean() -> None:
    y = NOISE
    for target in ("price", "return"):
        model = LightGBM().fit(X, y, target=target, horizon=1)
        assert np.std(model.predict(X)) < 0.25 * np.std(y)
        np.testing.assert_allclose(model.predict(X).mean(), y.mean(), atol=0.02)


def test_a_missing_value_is_learned_from() -> None:
    holed = X.copy()
    gone = X[:, 0, 3] > 0
    holed[:, 0, 3] = 0
    holed[gone, 0, 1] = np.nan
    y = np.where(gone, 2.0, -2.0) + 0.1 * NOISE
    model = LightGBM(rounds=200).fit(holed, y, target="return", horizon=1)
    predicted = model.predict(holed)
    assert predicted[gone].min() > 1
    assert predicted[~gone].max() < -1


def test_parameters_reach_lightgbm() -> None:
    y = SIGNAL + NOISE
    model = LightGBM(rounds=7, num_leaves=3, learning_rate=0.2, min_data_in_leaf=50, seed=9)
    model.fit(X, y, target="return", horizon=1)
    trees = booster(model).dump_model()["tree_info"]
    assert len(trees) == 7
    assert {tree["num_leaves"] for tree in trees} == {3}
    assert {tree["shrinkage"] for tree in trees[1:]} == {0.2}
    text = model.payload()["model.txt"].decode()
    for line in ("[deterministic: 1]", "[num_threads: 1]", "[force_row_wise: 1]", "[seed: 9]"):
        assert line in text
    assert "[min_data_in_leaf: 50]" in text


def test_another_seed_gives_other_trees() -> None:
    y = SIGNAL + NOISE
    one, two = (LightGBM(seed=seed).fit(X, y, target="return", horizon=1) for seed in (1, 2))
    assert one.payload()["model.txt"] != two.payload()["model.txt"]


def test_other_text_is_refused() -> None:
    model = LightGBM().fit(X, SIGNAL, target="return", horizon=1)
    files = model.payload()
    with pytest.raises(ModelError, match=r"lacks model.txt"):
        LightGBM.from_payload({}, {"model.json": files["model.json"]})
    for content in (b"not a model", b"\xff\xfe\x80", b""):
        with pytest.raises(ModelError, match=r"model.txt is not LightGBM's text"):
            LightGBM.from_payload({}, {**files, "model.txt": content})
