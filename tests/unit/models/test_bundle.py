import json
import os
import pickle
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from truecast.core.hashing import hash_of, sha256_of
from truecast.models import bundle as bundle_module
from truecast.models.bundle import Part, load_bundle, read_manifest, save_bundle
from truecast.models.har import HarLeverage
from truecast.models.linear import Ridge
from truecast.models.manifest import BundleError, Manifest, Training, version_of
from truecast.models.trees import LightGBM

RNG = np.random.default_rng(2)
X = RNG.standard_normal((200, 1, 8)).astype(np.float32)
X[:, :, 7] = 1 + RNG.random((200, 1))
X[3, 0, 2] = np.nan
NAMES = tuple("abcdefgh")
CALIBRATION = {"known_at": ["2013-12-30T21:00:00"], "scores": [0.1, None, 1 / 3]}

FILES = (
    "calibration.json",
    "manifest.json",
    "point/canary.json",
    "point/model.json",
    "point/model.onnx",
    "scale/canary.json",
    "scale/model.json",
)


def training(**changes: Any) -> Training:
    fields: dict[str, Any] = {
        "slot": "gold@sample:GC~3DF:price:1",
        "recipe": "gold",
        "recipe_hash": "ab" * 32,
        "target": "price",
        "horizon": 1,
        "trained_from": datetime(2010, 1, 4, 21, 30, tzinfo=UTC),
        "trained_through": datetime(2013, 12, 31, 21, 30, tzinfo=UTC),
        "rows": 200,
        "data_versions": {"silver/bars": 4, "GC=F": "sha256:12"},
    }
    return Training(**{**fields, **changes})


@pytest.fixture(scope="module")
def parts() -> dict[str, Part]:
    point = LightGBM(rounds=3).fit(X, X[:, 0, 0].astype(float), target="price", horizon=1)
    scale = HarLeverage().fit(X, np.exp(X[:, 0, 0].astype(float)), target="volatility", horizon=1)
    return {
        "point": Part(point, NAMES, X[:4]),
        "scale": Part(scale, scale.features(()), X[:4]),
    }


@pytest.fixture
def folder(parts: dict[str, Part], tmp_path: Path) -> Path:
    place = tmp_path / "store" / "bundle"
    save_bundle(place, training(), parts, {"calibration": CALIBRATION})
    return place


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rewrite(folder: Path, change: Any) -> None:
    """Change the manifest and give it the version that its new content hashes to."""
    value = json.loads((folder / "manifest.json").read_text())
    change(value)
    value["version"] = version_of(value)
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / "manifest.json").write_text(text)


def replant(folder: Path, name: str, content: bytes) -> None:
    """Replace a file and its hash, as someone would who may write the whole folder."""
    (folder / name).write_bytes(content)
    rewrite(folder, lambda value: value["files"].update({name: sha256_of(content)}))


def test_a_bundle_holds_models_documents_and_a_manifest(folder: Path) -> None:
    assert names(folder) == sorted(FILES)
    loaded = load_bundle(folder)
    assert sorted(loaded.models) == ["point", "scale"]
    assert loaded.documents == {"calibration": CALIBRATION}
    assert loaded.manifest.models["point"].features == NAMES
    assert loaded.manifest.models["point"].parameters["rounds"] == 3
    assert loaded.manifest.horizon == 1
    assert loaded.manifest.data_versions == {"silver/bars": 4, "GC=F": "sha256:12"}
    assert listed(folder.parent) == ["bundle"]  # no draft is left


def test_the_models_forecast_as_before(folder: Path, parts: dict[str, Part]) -> None:
    loaded = load_bundle(folder)
    for label, part in parts.items():
        np.testing.assert_array_equal(loaded.models[label].predict(X), part.model.predict(X))
    assert np.isnan(loaded.models["scale"].predict(X[3:4])).all()  # a canary row without forecast


def test_the_version_is_the_hash_of_the_rest(folder: Path) -> None:
    value = json.loads((folder / "manifest.json").read_text())
    version = value.pop("version")
    assert version == "v" + hash_of(value)[:12]
    assert load_bundle(folder, expected_version=version).manifest.version == version


def test_each_file_is_named_with_its_sha256(folder: Path) -> None:
    manifest = read_manifest(folder)
    expected = {n: sha256_of((folder / n).read_bytes()) for n in FILES if n != "manifest.json"}
    assert manifest.files == expected


def test_the_version_does_not_depend_on_when_or_where(
    parts: dict[str, Part], folder: Path, tmp_path: Path
) -> None:
    reversed_parts = dict(reversed(parts.items()))
    local = timezone(timedelta(hours=-5))
    again = training(trained_from=datetime(2010, 1, 4, 16, 30, tzinfo=local))
    manifest = save_bundle(tmp_path / "other", again, reversed_parts, {"calibration": CALIBRATION})
    assert manifest == read_manifest(folder)
    for name in FILES:
        assert (tmp_path / "other" / name).read_bytes() == (folder / name).read_bytes()


def test_anything_else_gives_another_version(parts: dict[str, Part], tmp_path: Path) -> None:
    versions = {
        save_bundle(tmp_path / str(place), about, chosen, documents).version
        for place, (about, chosen, documents) in enumerate(
            [
                (training(), parts, {}),
                (training(rows=201), parts, {}),
                (training(data_versions={"silver/bars": 5}), parts, {}),
                (training(), parts, {"calibration": CALIBRATION}),
                (training(), {"point": parts["point"]}, {}),
                (training(), {"point": Part(parts["point"].model, NAMES[::-1], X[:4])}, {}),
            ]
        )
    }
    assert len(versions) == 6


def test_another_version_than_expected_is_refused(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"expected version v000000000000, manifest.json is of v"):
        load_bundle(folder, expected_version="v000000000000")


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_anywhere_is_refused(folder: Path, name: str) -> None:
    path = folder / name
    content = path.read_bytes()
    places = sorted({*np.linspace(0, len(content) - 1, 60).astype(int).tolist()})
    for place in places:
        for bit in (1, 32):
            flipped = bytearray(content)
            flipped[place] ^= bit
            path.write_bytes(bytes(flipped))
            with pytest.raises(BundleError, match=name):
                load_bundle(folder)
    path.write_bytes(content)
    load_bundle(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0, 0.5, -1])
def test_a_truncated_file_is_refused(folder: Path, name: str, keep: float) -> None:
    content = (folder / name).read_bytes()
    size = len(content) - 1 if keep == -1 else int(len(content) * keep)
    (folder / name).write_bytes(content[:size])
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_longer_file_is_refused(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["notes.json", "point/more.txt", "other/model.json", ".hidden"])
def test_an_extra_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    with pytest.raises(BundleError, match=f"{name} is not in manifest.json"):
        load_bundle(folder)


def test_an_extra_folder_is_refused(folder: Path) -> None:
    (folder / "point" / "empty").mkdir()
    with pytest.raises(BundleError, match=r"point/empty/ is not in manifest.json"):
        load_bundle(folder)


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "was-run"


def test_the_bomb_would_go_off(marker: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(marker)))  # noqa: S301
    assert marker.exists()


@pytest.mark.parametrize("name", ["point/model.pkl", "model.joblib", "point/extra.json"])
def test_a_pickle_beside_the_files_is_refused_unread(folder: Path, marker: Path, name: str) -> None:
    (folder / name).write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(BundleError, match=f"{name} is not in manifest.json"):
        load_bundle(folder)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["point/model.pkl", "point/model.pickle", "point/model.joblib"])
def test_a_pickle_in_the_manifest_is_refused_unread(folder: Path, marker: Path, name: str) -> None:
    content = pickle.dumps(Bomb(marker))
    replant(folder, name, content)
    with pytest.raises(BundleError, match=r"suffix that is never read: allowed .json"):
        load_bundle(folder)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
def test_a_pickle_in_place_of_a_file_is_refused(
    folder: Path, marker: Path, name: str, protocol: int
) -> None:
    content = pickle.dumps(Bomb(marker), protocol=protocol)
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} has been changed"):
        load_bundle(folder)
    replant(folder, name, content)  # even where its hash is made to fit, nothing runs it
    with pytest.raises(BundleError, match=r"is not JSON|is not an ONNX graph"):
        load_bundle(folder)
    assert not marker.exists()


def test_a_pickle_in_place_of_the_manifest_is_refused(folder: Path, marker: Path) -> None:
    (folder / "manifest.json").write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(BundleError, match=r"manifest.json is not JSON"):
        load_bundle(folder)
    assert not marker.exists()


@pytest.mark.parametrize("number", [0, 2, "1", None])
def test_another_format_is_refused(folder: Path, number: Any) -> None:
    rewrite(folder, lambda value: value.update(format=number))
    with pytest.raises(BundleError, match=f"reads bundles of format 1, found {number!r}"):
        load_bundle(folder)


@pytest.mark.parametrize("content", [b"[]", b"null", b"{}", b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "name",
    [
        "../outside.json",
        "point/../../outside.json",
        "/etc/outside.json",
        "point/./model.json",
        "point//model.json",
        "point\\model.json",
        "C:/outside.json",
        "..json",
        "point/deep/model.json",
        "point/model.json\n",
        "Point/model.json",
    ],
)
def test_a_path_out_of_the_bundle_is_refused(folder: Path, name: str) -> None:
    (folder.parent / "outside.json").write_text("{}")
    rewrite(folder, lambda value: value["files"].update({name: sha256_of(b"{}")}))
    with pytest.raises(BundleError, match="is not a file of a bundle"):
        load_bundle(folder)


def test_a_document_out_of_the_bundle_is_refused(folder: Path) -> None:
    rewrite(folder, lambda value: value["documents"].update(calibration="../calibration.json"))
    with pytest.raises(BundleError, match="is not a file of a bundle"):
        load_bundle(folder)


def test_an_edited_manifest_is_refused_by_its_own_version(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"rows": 200', '"rows": 900'))
    with pytest.raises(BundleError, match="but the content hashes to v"):
        load_bundle(folder)


def test_a_reformatted_manifest_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    with pytest.raises(BundleError, match=r"manifest\.json has been edited"):
        load_bundle(folder)


def test_an_unknown_key_in_the_manifest_is_refused(folder: Path) -> None:
    rewrite(folder, lambda value: value.update(hook="import os"))
    with pytest.raises(BundleError, match=r"hook: Extra inputs are not permitted"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["models"]["point"].update(name="os.system"), "unknown model 'os.system'"),
        (lambda v: v["models"]["point"]["parameters"].update(depth=3), "parameter of lightgbm"),
        (lambda v: v["models"].pop("scale"), "do not belong to models"),
        (lambda v: v["documents"].pop("calibration"), "do not belong to models"),
        (lambda v: v["files"].pop("point/canary.json"), "model 'point' has no canary.json"),
        (lambda v: v.update(trained_from="2014-01-01T00:00:00Z"), "is after trained_through"),
        (lambda v: v.update(trained_from="2010-01-04T21:30:00"), "should have timezone info"),
        (lambda v: v["models"].update(scale=dict(v["models"]["point"])), "found"),
    ],
)
def test_an_impossible_manifest_is_refused(folder: Path, change: Any, message: str) -> None:
    rewrite(folder, change)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_link_in_place_of_a_file_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    real = tmp_path / "real"
    (folder / name).rename(real)
    (folder / name).symlink_to(real)
    with pytest.raises(BundleError, match=r"link|expected a file manifest\.json"):
        load_bundle(folder)


def test_a_link_in_place_of_a_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "point").rename(tmp_path / "real")
    (folder / "point").symlink_to(tmp_path / "real", target_is_directory=True)
    with pytest.raises(BundleError, match="point is a link"):
        load_bundle(folder)


def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    (folder / "calibration.json").unlink()
    os.mkfifo(folder / "calibration.json")
    with pytest.raises(BundleError, match="no ordinary file"):
        load_bundle(folder)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="this is not a bundle"):
        load_bundle(tmp_path)
    with pytest.raises(BundleError, match="this is not a bundle"):
        load_bundle(tmp_path / "nowhere")


def test_a_model_that_forecasts_the_canary_otherwise_is_refused(folder: Path) -> None:
    canary = json.loads((folder / "point/canary.json").read_text())
    canary["expected"][2] *= 1 + 1e-8
    replant(folder, "point/canary.json", json.dumps(canary).encode())
    with pytest.raises(BundleError, match=r"canary\.json: row 2 forecasts .* when it was saved"):
        load_bundle(folder)


def test_a_rounding_difference_in_the_canary_is_not(folder: Path) -> None:
    canary = json.loads((folder / "point/canary.json").read_text())
    canary["expected"][2] *= 1 + 1e-10
    replant(folder, "point/canary.json", json.dumps(canary).encode())
    load_bundle(folder)


def test_a_model_of_float32_says_how_far_it_may_be_off(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = json.loads((folder / "point/canary.json").read_text())
    canary["expected"][2] *= 1 + 1e-8
    replant(folder, "point/canary.json", json.dumps(canary).encode())
    monkeypatch.setattr(LightGBM, "canary_tolerance", 1e-5, raising=False)
    load_bundle(folder)
    canary["expected"][2] *= 1 + 2e-5
    replant(folder, "point/canary.json", json.dumps(canary).encode())
    with pytest.raises(BundleError, match=r"canary\.json: row 2 forecasts"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "expected rows of numbers"),
        (b"[]", "expected rows of numbers"),
        (b'{"inputs": [], "expected": []}', "expected 1 row or more"),
        (b'{"inputs": [[["x"]]], "expected": [1]}', "expected rows of numbers"),
        (b'{"inputs": [[[1]]], "expected": [1]}', r"expected X of shape .*, got \(1, 1, 1\)"),
        (b'{"inputs": [[[1]], [[1]]], "expected": [1]}', "one output for each, got"),
        (b'{"inputs": [[[1]]], "expected": [[1]]}', "one output for each, got"),
        (b'{"inputs": 1, "expected": 1}', "one output for each, got"),
    ],
)
def test_a_canary_of_another_shape_is_refused(folder: Path, content: bytes, message: str) -> None:
    replant(folder, "point/canary.json", content)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


def test_nothing_is_deserialised_before_all_is_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "scale" / "model.json").write_bytes(b"{}")  # the last file of all
    calls: list[str] = []
    monkeypatch.setattr(bundle_module, "_json", lambda path, content: calls.append(str(path)))
    monkeypatch.setattr(LightGBM, "from_payload", lambda *given: calls.append("trees"))
    with pytest.raises(BundleError, match=r"scale/model.json has been changed"):
        load_bundle(folder)
    assert calls == []


def test_saving_the_same_again_changes_nothing(folder: Path, parts: dict[str, Part]) -> None:
    before = {name: (folder / name).stat().st_mtime_ns for name in FILES}
    save_bundle(folder, training(), parts, {"calibration": CALIBRATION})
    assert {name: (folder / name).stat().st_mtime_ns for name in FILES} == before
    assert listed(folder.parent) == ["bundle"]


def test_another_bundle_is_never_overwritten(folder: Path, parts: dict[str, Part]) -> None:
    with pytest.raises(BundleError, match="cannot be written"):
        save_bundle(folder, training(rows=7), parts, {"calibration": CALIBRATION})
    assert load_bundle(folder).manifest.rows == 200
    assert listed(folder.parent) == ["bundle"]


def test_a_damaged_bundle_is_not_taken_for_the_same(folder: Path, parts: dict[str, Part]) -> None:
    (folder / "point" / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match=r"point/model.onnx has been changed"):
        save_bundle(folder, training(), parts, {"calibration": CALIBRATION})


def test_a_full_disk_leaves_nothing(
    parts: dict[str, Part], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundleError, match="No space left on device"):
        save_bundle(tmp_path / "store" / "bundle", training(), parts)
    assert listed(tmp_path / "store") == []


def test_a_model_whose_payload_is_not_its_own_is_not_published(
    parts: dict[str, Part], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = LightGBM(rounds=3).fit(X, X[:, 0, 1].astype(float), target="price", horizon=1).payload()
    monkeypatch.setattr(LightGBM, "payload", lambda self: other)
    with pytest.raises(BundleError, match="does not do what it did when it was saved"):
        save_bundle(tmp_path / "store" / "bundle", training(), parts)
    assert listed(tmp_path / "store") == []


@pytest.mark.parametrize(
    ("label", "documents", "message"),
    [
        ("../point", {}, r"models\.\.\./point.* should match pattern"),
        ("Point", {}, "should match pattern"),
        ("point", {"../calibration": {}}, "should match pattern"),
        ("point", {"calibration": float("nan")}, "cannot be written as JSON"),
        ("point", {"calibration": {1, 2}}, "cannot be written as JSON"),
        ("point", {"manifest": {}}, "manifest.json is the bundle's own"),
    ],
)
def test_names_and_documents_are_checked_before_anything_is_written(
    parts: dict[str, Part], tmp_path: Path, label: str, documents: Any, message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        save_bundle(tmp_path / "bundle", training(), {label: parts["point"]}, documents)
    assert listed(tmp_path) == []


def test_the_shape_of_the_canary_is_checked(parts: dict[str, Part], tmp_path: Path) -> None:
    point, scale = parts["point"].model, parts["scale"].model
    for part, message in (
        (Part(point, NAMES, X[:0]), r"expected canary rows of shape \(1 or more, 1, 8\)"),
        (Part(point, NAMES[:7], X[:4]), r"\(1 or more, 1, 7\), got \(4, 1, 8\)"),
        (Part(point, NAMES, X[:4, 0]), r"got \(4, 8\)"),
        (Part(scale, NAMES, X[:4]), "har_leverage takes"),
    ):
        with pytest.raises(BundleError, match=message):
            save_bundle(tmp_path / "bundle", training(), {"point": part})


def test_a_bundle_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"models: .* at least 1 item"):
        save_bundle(tmp_path / "bundle", training(), {})


def test_inputs_are_kept_as_the_float32_that_they_are(folder: Path) -> None:
    canary = json.loads((folder / "point/canary.json").read_text())
    kept = np.array(canary["inputs"], dtype=np.float64)
    np.testing.assert_array_equal(kept.astype(np.float32), X[:4])
    assert canary["inputs"][3][0][2] is None


def test_a_recipe_hash_is_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recipe_hash"):
        training(recipe_hash="latest")


def test_a_manifest_comes_back_from_its_bytes(folder: Path) -> None:
    content = (folder / "manifest.json").read_bytes()
    assert Manifest.parse(content).dump() == content


def test_ridge_alone_makes_a_bundle(tmp_path: Path) -> None:
    ridge = Ridge(alpha=10).fit(X, X[:, 0, 0].astype(float), target="price", horizon=1)
    manifest = save_bundle(tmp_path / "b", training(), {"point": Part(ridge, NAMES, X[:1])})
    assert manifest.models["point"].parameters == {"alpha": 10.0}
    assert load_bundle(tmp_path / "b").models["point"].alpha == 10.0
