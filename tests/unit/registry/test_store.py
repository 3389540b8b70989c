"""Bundles on disk: kept by version, received checked, drafts swept away."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.registry.conftest import SLOT, save

from truecast.core.clock import now
from truecast.models.manifest import BundleError
from truecast.registry.errors import RegistryError
from truecast.registry.store import BundleStore

FOLDER = "gold~40sample~3AGC~7E3DF~3Aprice~3A1"


def test_versions_are_kept_and_the_same_training_is_one_version(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    first, again, other = (save(store, alpha).version for alpha in (1.0, 1.0, 2.0))
    assert first == again != other
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == {first, other}
    assert store.path(SLOT, first) == tmp_path / FOLDER / first
    assert store.load(SLOT, first).documents["n"] == [1]


def test_a_damaged_version_is_refused_until_it_is_trained_again(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    version = save(store).version
    broken = store.path(SLOT, version) / "point" / "model.json"
    broken.write_bytes(broken.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"model\.json has been changed"):
        store.load(SLOT, version)
    assert save(store).version == version
    assert store.load(SLOT, version).documents["n"] == [1]
    kept = sorted(path.name for path in (tmp_path / FOLDER).iterdir())
    assert kept[1] == version
    assert kept[0].startswith(f".damaged-{version}-")


@pytest.mark.parametrize("version", ["../other", "", "v123", "v" + "g" * 12, "/etc/passwd"])
def test_only_a_version_names_a_folder(tmp_path: Path, version: str) -> None:
    with pytest.raises(RegistryError, match="is not a version: expected v and 12 hexadecimal"):
        BundleStore(tmp_path).load(SLOT, version)


def _copied(source: Path, change: bytes = b"") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for path in source.rglob("*.json"):
            place = folder / path.relative_to(source)
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(path.read_bytes() + change)

    return write


def test_what_is_received_is_checked_before_it_is_there(tmp_path: Path) -> None:
    here, there = BundleStore(tmp_path / "here"), BundleStore(tmp_path / "there")
    version = save(there).version
    source = there.path(SLOT, version)
    with pytest.raises(BundleError):
        here.receive(SLOT, version, _copied(source, b" "))
    with pytest.raises(BundleError, match="expected version v000000000000"):
        here.receive(SLOT, "v" + "0" * 12, _copied(source))
    assert list((tmp_path / "here" / FOLDER).iterdir()) == []
    for _ in range(2):
        here.receive(SLOT, version, _copied(source))
    assert [path.name for path in (tmp_path / "here" / FOLDER).iterdir()] == [version]
    assert here.load(SLOT, version).manifest == there.load(SLOT, version).manifest


def test_old_drafts_are_swept_away_and_nothing_else(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    assert store.sweep() == 0
    version = save(store).version
    names = (".new-abc", ".new-old", "..new-old.123.tmp", version)
    for name in names:
        folder = tmp_path / FOLDER / name
        folder.mkdir(exist_ok=True)
        (folder / "x").touch()
        age = timedelta(minutes=59 if name == ".new-abc" else 61)
        os.utime(folder, (0, (now() - age).timestamp()))
    assert store.sweep() == 2
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == {".new-abc", version}
