"""Every registered model keeps the promises of the interface, for every target it forecasts."""

import json
import pickle
import subprocess
import sys
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from truecast.core.errors import UsageError
from truecast.core.hashing import sha256_of
from truecast.core.recipe_parts import TARGETS, Choice
from truecast.models.base import Model, ModelError
from truecast.models.bundle import Part, load_bundle, save_bundle
from truecast.models.catalog import MODELS, create
from truecast.models.manifest import BundleError, Training, version_of
from truecast.models.parameters import parameters_of

CASES = [(name, target) for name, kind in MODELS.items() for target in sorted(kind.targets)]
ROWS, TRAINING = 320, 300
HORIZON = 5


@dataclass(frozen=True)
class Case:
    model: Model
    target: str
    features: tuple[str, ...]
    X: Any
    y: Any

    def fit(self, model: Model) -> Model:
        return model.fit(self.X[:TRAINING], self.y[:TRAINING], target=self.target, horizon=HORIZON)


#: Parameters without which a model cannot be built.
NEEDED = {"ensemble": {"of": [{"lightgbm": {"rounds": 5}}, "naive"]}}
#: Networks are fitted many times here: small ones.
NEEDED |= {name: {"window": 4, "units": 3, "epochs": 2} for name in ("mlp", "cnn", "lstm")}


#: And forests of the fewest trees, and a short autoregression.
NEEDED |= {name: {"n_estimators": 50} for name in ("random_forest", "extra_trees")}
NEEDED["arima"] = {"q": 0, "window": 50}


def column(name: str, rng: np.random.Generator, size: int) -> Any:
    """Values that a feature of that name could have; generic ones miss some."""
    draws = rng.standard_normal(size)
    if name == "epoch_day":
        return 15_000.0 + np.arange(size)
    if name.startswith("gk_ratio"):
        return 1 + rng.random(size)
    if name.startswith("return_sd"):
        return 0.5 + rng.random(size)
    if name.startswith("downside"):
        return np.minimum(0, draws)
    if name.startswith("upside"):
        return np.maximum(0, draws)
    if not name.startswith("log_"):
        draws[rng.random(size) < 0.1] = np.nan
    return draws


def outcome(target: str, rng: np.random.Generator) -> Any:
    draws = rng.standard_normal(ROWS)
    if target == "direction":
        return (draws > 0).astype(np.float64)
    if target == "regime":
        return np.digitize(draws, (-0.43, 0.43)).astype(np.float64)
    return np.exp(draws) if target == "volatility" else draws


def make(name: str, target: str) -> Case:
    rng = np.random.default_rng(zlib.crc32(f"{name}:{target}".encode()))
    model = create(Choice(name=name, parameters=NEEDED.get(name, {})), where="test", target=target)
    generic = tuple(f"ma(20): [x{place}] µ" for place in range(6))
    features = model.features(generic)
    size = ROWS + model.window - 1
    table = np.column_stack([column(feature, rng, size) for feature in features])
    windows = sliding_window_view(table.astype(np.float32), model.window, axis=0)
    X = windows.transpose(0, 2, 1)  # read-only
    return Case(model, target, features, X, outcome(target, rng))


@cache
def fitted(name: str, target: str) -> Case | str:
    """Return the fitted case, or how to install what it lacks."""
    made = make(name, target)
    try:
        made.fit(made.model)
    except UsageError as error:
        if "pip install" not in str(error):
            raise
        return str(error)
    return made


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request: pytest.FixtureRequest) -> Case:
    made = fitted(*request.param)
    if isinstance(made, str):
        pytest.skip(made)
    return made


def unfitted(case: Case) -> Model:
    return type(case.model)(**parameters_of(case.model))


def training_of(case: Case) -> Training:
    return Training(
        slot=f"test@sample:x:{case.target}:{HORIZON}",
        recipe="test",
        recipe_hash="0" * 64,
        target=case.target,
        horizon=HORIZON,
        trained_from=datetime(2010, 1, 4, 21, 30, tzinfo=UTC),
        trained_through=datetime(2013, 12, 31, 21, 30, tzinfo=UTC),
        rows=TRAINING,
        data_versions={"silver/bars": 3},
    )


def save(case: Case, folder: Path) -> None:
    part = Part(case.model, case.features, case.X[TRAINING : TRAINING + 4])
    save_bundle(folder, training_of(case), {"point": part})


def test_every_target_has_a_model_and_the_naive_one() -> None:
    for target in TARGETS:
        assert target in MODELS["naive"].targets
        assert sum(target in kind.targets for kind in MODELS.values()) >= 2


def test_names_are_the_registered_ones() -> None:
    assert {kind.name: kind for kind in MODELS.values()} == dict(MODELS)


def test_predictions_are_finite_and_one_a_row(case: Case) -> None:
    predicted = case.model.predict(case.X)
    assert predicted.shape == (ROWS,)
    assert predicted.dtype == np.float64
    assert np.isfinite(predicted).all()
    if case.target == "direction":
        assert ((predicted > 0) & (predicted < 1)).all()
    if case.target == "volatility":
        assert (predicted > 0).all()
    if case.target == "regime":
        chances = case.model.probabilities(case.X)
        assert chances.shape == (ROWS, 3)
        np.testing.assert_allclose(chances.sum(axis=1), 1.0)
        np.testing.assert_array_equal(predicted, chances.argmax(axis=1))


def test_a_refit_is_the_same_to_the_bit(case: Case) -> None:
    again = case.fit(type(case.model)(**parameters_of(case.model)))
    assert again.payload() == case.model.payload()
    np.testing.assert_array_equal(again.predict(case.X), case.model.predict(case.X))


def test_a_model_refitted_on_other_rows_forgets_the_first(case: Case) -> None:
    fresh, reused = unfitted(case), unfitted(case)
    X, y = case.X[100:TRAINING], case.y[100:TRAINING]
    case.fit(reused)
    reused.fit(X, y, target=case.target, horizon=1)
    fresh.fit(X, y, target=case.target, horizon=1)
    assert reused.payload() == fresh.payload()


def test_a_row_alone_gives_what_it_gives_among_others(case: Case) -> None:
    batch = case.model.predict(case.X)
    alone = [case.model.predict(case.X[row : row + 1])[0] for row in range(TRAINING, ROWS)]
    np.testing.assert_array_equal(alone, batch[TRAINING:])


def test_later_rows_do_not_change_a_prediction(case: Case) -> None:
    np.testing.assert_array_equal(
        case.model.predict(case.X[:TRAINING]), case.model.predict(case.X)[:TRAINING]
    )


def test_neither_fit_nor_predict_changes_what_it_is_given(case: Case) -> None:
    X, y = np.array(case.X), np.array(case.y)
    model = unfitted(case)
    model.fit(X[:TRAINING], y[:TRAINING], target=case.target, horizon=HORIZON)
    model.predict(X)
    np.testing.assert_array_equal(X, case.X)
    np.testing.assert_array_equal(y, case.y)


def test_the_memory_layout_of_windows_does_not_matter(case: Case) -> None:
    copied = np.ascontiguousarray(case.X)
    fortran = np.asfortranarray(case.X)
    np.testing.assert_array_equal(case.model.predict(copied), case.model.predict(case.X))
    np.testing.assert_array_equal(case.model.predict(fortran), case.model.predict(case.X))


def test_the_payload_gives_the_model_back_to_the_bit(case: Case) -> None:
    files = case.model.payload()
    again = type(case.model).from_payload(parameters_of(case.model), files)
    assert again.payload() == files
    np.testing.assert_array_equal(again.predict(case.X), case.model.predict(case.X))


def test_a_bundle_gives_the_model_back_to_the_bit(case: Case, tmp_path: Path) -> None:
    save(case, tmp_path / "bundle")
    bundle = load_bundle(tmp_path / "bundle")
    np.testing.assert_array_equal(
        bundle.models["point"].predict(case.X), case.model.predict(case.X)
    )
    assert bundle.manifest.models["point"].features == case.features


def test_the_same_training_has_the_same_version(case: Case, tmp_path: Path) -> None:
    save(case, tmp_path / "one")
    case.fit(case.model)
    save(case, tmp_path / "two")
    one, two = (tmp_path / name / "manifest.json" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_an_unfitted_model_refuses(case: Case) -> None:
    model = unfitted(case)
    with pytest.raises(ModelError, match="not fitted yet"):
        model.predict(case.X)
    with pytest.raises(ModelError, match="not fitted yet"):
        model.payload()


def test_another_shape_is_refused(case: Case) -> None:
    with pytest.raises(ModelError, match=r"expected X of shape .*, got \(320"):
        case.model.predict(np.concatenate([case.X, case.X], axis=2))
    with pytest.raises(ModelError, match=r"expected X of shape .*, got"):
        case.model.predict(case.X[:, -1, :])


def test_too_few_rows_are_refused(case: Case) -> None:
    least = 30 + len(case.features)
    X, y = case.X[: least - 1], case.y[: least - 1]
    with pytest.raises(ModelError, match=f"too few .* expected at least {least}"):
        unfitted(case).fit(X, y, target=case.target, horizon=1)


def test_a_missing_outcome_is_refused(case: Case) -> None:
    y = case.y.copy()
    y[7] = np.nan
    with pytest.raises(ModelError, match="y is nan in training row 7"):
        unfitted(case).fit(case.X, y, target=case.target, horizon=1)


def test_other_targets_are_refused(case: Case) -> None:
    for target in set(TARGETS) - case.model.targets:
        with pytest.raises(UsageError, match=f"does not forecast {target}: it forecasts"):
            unfitted(case).fit(case.X, case.y, target=target, horizon=1)


def test_parameters_are_json(case: Case) -> None:
    parameters = parameters_of(case.model)
    assert json.loads(json.dumps(parameters)) == parameters
    assert set(parameters) == set(vars(unfitted(case)))  # stored as given, nothing else


def replant(folder: Path, name: str, content: bytes) -> None:
    """Replace a file and its hash, as someone would who may write the whole bundle."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = sha256_of(content)
    manifest["version"] = version_of(manifest)
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / "manifest.json").write_text(text)


def files_of(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_flipped_bit_or_a_truncated_file_is_refused(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    save(case, folder)
    for name in files_of(folder):
        content = (folder / name).read_bytes()
        damaged = [content[: len(content) // 2], content[:-1], b""]
        for place in np.linspace(0, len(content) - 1, 7).astype(int).tolist():
            flipped = bytearray(content)
            flipped[place] ^= 1
            damaged.append(bytes(flipped))
        for given in damaged:
            (folder / name).write_bytes(given)
            with pytest.raises(BundleError, match=name):
                load_bundle(folder)
        (folder / name).write_bytes(content)
    load_bundle(folder)


def test_a_truncated_file_whose_hash_was_made_to_fit_is_refused(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    save(case, folder)
    manifest = (folder / "manifest.json").read_bytes()
    for name in set(files_of(folder)) - {"manifest.json"}:
        content = (folder / name).read_bytes()
        replant(folder, name, content[: len(content) // 2])
        with pytest.raises(BundleError):
            load_bundle(folder)
        (folder / name).write_bytes(content)
        (folder / "manifest.json").write_bytes(manifest)
    load_bundle(folder)


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


def test_a_planted_pickle_is_refused_and_not_run(case: Case, tmp_path: Path) -> None:
    folder, marker = tmp_path / "bundle", tmp_path / "was-run"
    save(case, folder)
    manifest = (folder / "manifest.json").read_bytes()
    for name in [*files_of(folder), "point/model.pkl"]:
        path = folder / name
        content = path.read_bytes() if path.exists() else None
        path.write_bytes(pickle.dumps(Bomb(marker)))
        with pytest.raises(BundleError, match=name):
            load_bundle(folder)
        if name != "manifest.json":
            replant(folder, name, pickle.dumps(Bomb(marker)))
            with pytest.raises(BundleError):
                load_bundle(folder)
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        (folder / "manifest.json").write_bytes(manifest)
    load_bundle(folder)
    assert not marker.exists()


READER = """
import json, sys
from pathlib import Path

class Blocked:
    fitting = {
        "arch", "hmmlearn", "keras", "lightgbm", "onnx", "pandas", "prophet",
        "sklearn", "statsmodels", "tensorflow", "tf2onnx", "torch", "xgboost",
    }

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.fitting:
            raise ImportError(name + " is not here")

sys.meta_path.insert(0, Blocked())
import numpy as np
from truecast.models.bundle import load_bundle
answers = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    model = load_bundle(path / "bundle").models["point"]
    answers[path.name] = [v.hex() for v in model.predict(np.load(path / "X.npy")).tolist()]
print(json.dumps(answers))
"""


def test_another_process_gives_the_same_and_needs_no_library_that_fits(tmp_path: Path) -> None:
    expected = {}
    for name, target in CASES:
        made = fitted(name, target)
        if isinstance(made, str):
            continue  # the other tests of it are skipped with the reason
        place = tmp_path / f"{name}-{target}"
        place.mkdir()
        save(made, place / "bundle")
        rows = np.ascontiguousarray(made.X[TRAINING:])
        np.save(place / "X.npy", rows)
        expected[place.name] = [value.hex() for value in made.model.predict(rows).tolist()]
    done = subprocess.run(
        [sys.executable, "-c", READER, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
