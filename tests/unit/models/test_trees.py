import lightgbm
import numpy as np
import onnx
import pytest

from truecast.models.base import ModelError
from truecast.models.trees import LightGBM

rng = np.random.default_rng(8)
X = rng.standard_normal((600, 1, 4)).astype(np.float32)
SIGNAL = X[:, 0, 0].astype(np.float64)
NOISE = rng.standard_normal(600)


def grown(rows: np.ndarray, y: np.ndarray, rounds: int, objective: str = "regression"):
    """Train LightGBM as anyone would, on float64."""
    settings = {
        "objective": objective,
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
    data = lightgbm.Dataset(rows.astype(np.float64), y, params=settings)
    return lightgbm.train(settings, data, rounds)


def ensemble(model: LightGBM) -> dict:
    """Return the attributes of the trees' node in the graph."""
    graph = onnx.load_from_string(model.payload()["model.onnx"]).graph
    (node,) = [node for node in graph.node if node.op_type == "TreeEnsemble"]
    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}


def test_it_says_what_lightgbm_s_own_training_on_float64_says() -> None:
    y = SIGNAL + NOISE
    model = LightGBM().fit(X, y, target="return", horizon=1)
    native = grown(X[:, 0], y, 10)
    np.testing.assert_array_equal(model.predict(X), native.predict(X[:, 0], num_threads=1))
    assert model.parity_ == 0.0


def test_volatility_is_the_exponential_times_smearing() -> None:
    y = np.exp(SIGNAL + NOISE)
    y[3] = 0.0  # floored at one squared basis point
    model = LightGBM().fit(X[:500], y[:500], target="volatility", horizon=1)
    raw = grown(X[:500, 0], np.log(np.maximum(y[:500], 1e-4)), 200).predict(X[:, 0])
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


def test_direction_is_lightgbm_s_probability() -> None:
    y = (SIGNAL > 0).astype(np.float64)
    model = LightGBM(rounds=200).fit(X[:500], y[:500], target="direction", horizon=1)
    probability = model.predict(X[500:])
    native = grown(X[:500, 0], y[:500], 200, "binary").predict(X[500:, 0])
    np.testing.assert_allclose(probability, native, rtol=1e-14)
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


def test_parameters_reach_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    train = lightgbm.train

    def spied(settings, data, rounds):
        seen.append({**settings, "rounds": rounds})
        return train(settings, data, rounds)

    monkeypatch.setattr(lightgbm, "train", spied)
    model = LightGBM(rounds=7, num_leaves=3, learning_rate=0.2, min_data_in_leaf=50, seed=9)
    model.fit(X, SIGNAL + NOISE, target="return", horizon=1)
    assert len(ensemble(model)["tree_roots"]) == 7
    assert len(ensemble(model)["leaf_targetids"]) == 7 * 3
    expected = {
        "rounds": 7,
        "deterministic": True,
        "force_row_wise": True,
        "seed": 9,
        "min_data_in_leaf": 50,
        "learning_rate": 0.2,
    }
    assert seen[0].items() >= expected.items()


def test_another_seed_gives_other_trees() -> None:
    y = SIGNAL + NOISE
    one, two = (LightGBM(seed=seed).fit(X, y, target="return", horizon=1) for seed in (1, 2))
    assert one.payload()["model.onnx"] != two.payload()["model.onnx"]


def test_another_payload_is_refused() -> None:
    files = LightGBM().fit(X, SIGNAL, target="return", horizon=1).payload()
    earlier = {"model.json": b'{"smearing":1.0,"target":"return"}', "model.txt": b"tree"}
    with pytest.raises(
        ModelError,
        match=r"lacks model\.onnx, found model\.json, model\.txt; what an earlier version wrote",
    ):
        LightGBM.from_payload({}, earlier)
    for content in (b"not a model", b"\xff\xfe\x80", b"", files["model.onnx"][:-100]):
        with pytest.raises(ModelError, match=r"model\.onnx is not an ONNX graph"):
            LightGBM.from_payload({}, {**files, "model.onnx": content})


def test_a_graph_that_is_not_what_was_fitted_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from truecast.models import trees

    write = trees.write
    monkeypatch.setattr(trees, "write", lambda grown, columns: write(grown[1:], columns))
    with pytest.raises(ModelError, match=r"lightgbm: model\.onnx differs from the fitted model by"):
        LightGBM().fit(X, SIGNAL, target="return", horizon=1)
