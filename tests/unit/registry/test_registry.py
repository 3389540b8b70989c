"""Versions and champions: the rows are the truth, MLflow shows them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.registry.conftest import MODEL, SLOT, THROUGH, alias, register, save

from truecast.core.clock import frozen_at
from truecast.core.errors import UsageError
from truecast.core.slot import Slot
from truecast.models.manifest import BundleError
from truecast.registry.errors import RegistryError
from truecast.registry.registry import NoChampionError, Registry

MOMENT = datetime(2019, 1, 2, 12, tzinfo=UTC)


def test_a_version_has_a_row_a_run_and_a_model_version(
    registry: Registry, client: Callable[..., object], home: Path
) -> None:
    with frozen_at(MOMENT):
        version = register(registry, 2.0)
    record = registry.find(SLOT, version)
    assert record == registry.versions(SLOT)[-1]
    assert (record.name, record.model_type, record.recipe) == ("ridge-2.0", "ridge", "gold")
    assert (record.reason, record.metrics, record.skill) == ("best of 2.0", {"mape": 2.0}, None)
    assert (record.trained_through, record.trained_at) == (THROUGH, MOMENT)
    assert (record.mlflow_model, record.mlflow_version) == (MODEL, "1")

    run = client("get_run", record.mlflow_run)
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "recipe": "gold",
        "target": "price",
        "horizon": "1",
        "model": "ridge",
        "model.alpha": "2.0",
        "features": "2",
        "trained_from": "2010-01-04T00:00:00+00:00",
        "trained_through": "2013-01-04T22:30:00+00:00",
        "rows": "80",
    }
    assert run.data.metrics == {"mape": 2.0}
    tags = {key: value for key, value in run.data.tags.items() if key.startswith("truecast.")}
    assert tags == {
        "truecast.slot": str(SLOT),
        "truecast.bundle": version,
        "truecast.model": "ridge-2.0",
        "truecast.recipe_hash": "ab" * 32,
    }
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("GC=F", "cd" * 16)
    shown = client("get_model_version", MODEL, "1")
    assert (shown.run_id, shown.description) == (record.mlflow_run, "best of 2.0")
    assert shown.tags["truecast.bundle"] == version
    experiment = client("get_experiment", run.info.experiment_id)
    assert experiment.name == "gold@sample"
    assert experiment.artifact_location == (home / "mlartifacts").as_uri()


def test_mlflow_says_the_newest_reason(registry: Registry, client: Callable[..., Any]) -> None:
    """The same bundle may be chosen for another reason later: against other candidates, say."""
    register(registry)
    manifest = save(registry.store, 1.0)
    for reason in ("best of three", "x" * 6000):
        again = registry.register(
            SLOT, manifest, name="ridge-1.0", reason=reason, metrics={"mape": 1.0}
        )
        assert again.reason == reason
        shown = client("get_model_version", MODEL, "1")
        run = client("get_run", again.mlflow_run)
        assert shown.description == run.data.tags["mlflow.note.content"] == reason[:5000]
    assert registry.notices == []


def test_the_same_bundle_is_one_version(registry: Registry, client: Callable[..., object]) -> None:
    first, again, other = register(registry), register(registry), register(registry, 2.0)
    assert first == again != other
    assert [one.version for one in registry.versions(SLOT)] == [first, other]
    assert registry.versions(SLOT)[-1].version == other
    assert len(client("search_model_versions", f"name = '{MODEL}'")) == 2
    assert registry.notices == []


def test_what_is_not_there_is_named_with_what_to_do(registry: Registry) -> None:
    assert registry.versions(SLOT) == []
    with pytest.raises(NoChampionError, match="has no champion yet: run `truecast run gold`"):
        registry.champion(SLOT)
    version = register(registry)
    with pytest.raises(NoChampionError, match="run `truecast promote gold`"):
        registry.champion(SLOT)
    with pytest.raises(UsageError, match=f"no version 'v123': .*{version}"):
        registry.promote(SLOT, "v123", reason="")
    registry.promote(SLOT, version, reason="")
    with pytest.raises(UsageError, match="is the first champion: there is none to go back to"):
        registry.rollback(SLOT, reason="")


def test_promotions_and_rollbacks_are_a_stack(
    registry: Registry, client: Callable[..., object]
) -> None:
    a, b, c = (register(registry, alpha) for alpha in (1.0, 2.0, 3.0))
    for version in (a, b, b, a, c):
        with frozen_at(MOMENT):
            record = registry.promote(SLOT, version, reason=f"to {version}")
        assert (record.version, record.reason) == (version, f"to {version}")
        assert record.promoted_at == MOMENT
        assert alias(client) == registry.find(SLOT, version).mlflow_version
    assert [one.version for one in registry.standing(SLOT)] == [c, a, b]
    found = []
    while True:
        try:
            found.append(registry.rollback(SLOT, reason="worse").version)
        except UsageError:
            break
        assert alias(client) == registry.find(SLOT, found[-1]).mlflow_version
    # The second promotion of ``b`` in a row was none.
    assert found == [a, b, a]
    assert registry.champion(SLOT).reason == "worse"
    assert registry.promote(SLOT, c, reason="").version == c
    assert [one.version for one in registry.standing(SLOT)] == [c, a]
    assert registry.notices == []


def test_each_slot_has_a_champion_of_its_own(registry: Registry) -> None:
    other = replace(SLOT, instrument="^GSPC")
    first, second = register(registry), register(registry, slot=other)
    assert registry.champions() == []
    registry.promote(SLOT, first, reason="")
    registry.promote(other, second, reason="")
    assert [(one.slot, one.version) for one in registry.champions()] == [
        (SLOT, first),
        (other, second),
    ]
    with pytest.raises(UsageError, match="has no version"):
        registry.promote(other, "v" + "0" * 12, reason="")


def test_a_verdict_is_on_the_version_and_goes_with_the_champion(
    registry: Registry, client: Callable[..., object]
) -> None:
    version = register(registry)
    assert registry.promote(SLOT, version, reason="").skill is None
    figures = {"mape": 0.61, "auc": float("nan")}
    registry.judge(SLOT, version, skill="no skill shown", metrics=figures)
    registry.judge(SLOT, version, skill="beats naive", metrics={"mape": 0.59})
    assert registry.champion(SLOT).skill == registry.champions()[0].skill == "beats naive"
    record = registry.find(SLOT, version)
    assert record.metrics == {"mape": 1.0, "evaluation/mape": 0.59}
    run = client("get_run", record.mlflow_run)
    assert run.data.metrics == record.metrics
    assert run.data.tags["truecast.skill"] == "beats naive"
    assert client("get_model_version", MODEL, "1").tags["truecast.skill"] == "beats naive"


def _flip(folder: Path) -> None:
    path = folder / "point" / "model.json"
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)


def _truncate(folder: Path) -> None:
    path = folder / "n.json"
    path.write_bytes(path.read_bytes()[:-1])


def _change_the_schema(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))


def _put_a_pickle_in(folder: Path) -> None:
    (folder / "point" / "model.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/owned'\ntR.")


@pytest.mark.parametrize("damage", [_flip, _truncate, _change_the_schema, _put_a_pickle_in])
def test_a_refused_bundle_leaves_everything_as_it_was(
    registry: Registry, client: Callable[..., object], damage: Callable[[Path], None]
) -> None:
    good, bad = register(registry), register(registry, 2.0)
    before = registry.promote(SLOT, good, reason="")
    damage(registry.store.path(SLOT, bad))
    with pytest.raises(BundleError):
        registry.promote(SLOT, bad, reason="")
    assert registry.standing(SLOT) == [before]
    assert alias(client) == "1"


def test_a_rollback_to_a_refused_bundle_is_none(registry: Registry) -> None:
    bad, good = register(registry), register(registry, 2.0)
    for version in (bad, good):
        registry.promote(SLOT, version, reason="")
    _flip(registry.store.path(SLOT, bad))
    with pytest.raises(BundleError):
        registry.rollback(SLOT, reason="")
    assert registry.champion(SLOT).version == good


def test_a_bundle_that_is_gone_is_fetched_from_mlflow_and_checked(registry: Registry) -> None:
    version = register(registry)
    folder = registry.store.path(SLOT, version)
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.json")}
    shutil.rmtree(folder)
    assert registry.bundle(SLOT, version).manifest.version == version
    assert {one.relative_to(folder): one.read_bytes() for one in folder.rglob("*.json")} == files
    shutil.rmtree(folder)
    kept = next(Path(registry.catalogue.settings.home).glob(f"mlartifacts/**/{version}"))
    _flip(kept)
    with pytest.raises(BundleError, match="has been changed"):
        registry.bundle(SLOT, version)
    assert not folder.exists()
    shutil.rmtree(kept)
    with pytest.raises(RegistryError, match="MLflow at sqlite"):
        registry.bundle(SLOT, version)
    assert list(folder.parent.iterdir()) == []


def test_a_bundle_that_nobody_saved_is_not_registered(registry: Registry) -> None:
    manifest = save(registry.store)
    elsewhere = Slot("gold", "files", "GC=F", "price", 1)
    with pytest.raises((RegistryError, BundleError)):
        registry.register(elsewhere, manifest, name="x", reason="", metrics={})
    assert registry.versions(elsewhere) == []
