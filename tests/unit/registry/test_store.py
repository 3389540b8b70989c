from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from truecast.core.slot import Slot
from truecast.models.bundle import Part
from truecast.models.linear import Ridge
from truecast.models.manifest import BundleError, Training
from truecast.registry.store import BundleStore, ChampionRecord, NoChampionError, RegistryError

SLOT = Slot("gold", "sample", "GC=F", "price", 1)
X = np.random.default_rng(0).standard_normal((80, 1, 2)).astype(np.float32)


def _save(store: BundleStore, alpha: float = 1.0) -> str:
    model = Ridge(alpha=alpha).fit(X, X[:, 0, 0].astype(float), target="price", horizon=1)
    training = Training(
        slot=str(SLOT),
        recipe="gold",
        recipe_hash="ab" * 32,
        target="price",
        horizon=1,
        trained_from=datetime(2010, 1, 4, tzinfo=UTC),
        trained_through=datetime(2013, 1, 4, tzinfo=UTC),
        rows=80,
    )
    manifest = store.save(SLOT, training, {"point": Part(model, ("a", "b"), X[:3])}, {"n": [1]})
    return manifest.version


def test_a_slot_without_a_champion_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NoChampionError, match="run `truecast run gold`"):
        BundleStore(tmp_path).champion(SLOT)


def test_versions_are_kept_and_the_same_training_is_one_version(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    first, again, other = _save(store), _save(store), _save(store, alpha=2.0)
    assert first == again != other
    folder = tmp_path / "gold~40sample~3AGC~7E3DF~3Aprice~3A1"
    assert {path.name for path in folder.iterdir()} == {first, other}
    assert store.load(SLOT, first).documents["n"] == [1]


def test_the_champion_is_the_last_one_crowned(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    first, other = _save(store), _save(store, alpha=2.0)
    for version in (first, other):
        record = ChampionRecord(version, "ridge", "lowest mape")
        store.crown(SLOT, record)
        assert store.champion(SLOT) == record


def test_what_does_not_load_is_never_crowned(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    first, other = _save(store), _save(store, alpha=2.0)
    store.crown(SLOT, ChampionRecord(first, "ridge", ""))
    broken = next(tmp_path.rglob(f"{other}/point/model.json"))
    broken.write_bytes(broken.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"model\.json has been changed"):
        store.crown(SLOT, ChampionRecord(other, "ridge", ""))
    assert store.champion(SLOT).version == first
    with pytest.raises(BundleError):
        _save(store, alpha=2.0)


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    store.crown(SLOT, ChampionRecord(_save(store), "ridge", ""))
    path = next(tmp_path.rglob("champion.json"))
    record = '{"version": "../other", "name": "x", "reason": ""}'
    for content in (b"{", b"[]", b"\x80\x04", record.encode()):
        path.write_bytes(content)
        with pytest.raises(RegistryError, match=r"champion\.json: expected version, name and"):
            store.champion(SLOT)
