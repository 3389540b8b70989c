"""MLflow follows the rows: moved by hand, emptied, or out of reach."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.registry.conftest import MODEL, SLOT, alias, register

from truecast.core.settings import Settings
from truecast.registry.errors import RegistryError
from truecast.registry.registry import Registry, open_registry


def test_an_alias_moved_by_hand_is_put_back_and_reported(
    registry: Registry, client: Callable[..., object]
) -> None:
    first, second = register(registry), register(registry, 2.0)
    registry.promote(SLOT, first, reason="")
    client("set_registered_model_alias", MODEL, "champion", "2")
    (said,) = registry.reconcile()
    assert "named version 2, not the champion: it was put back to version 1" in said
    assert alias(client) == "1"
    assert registry.reconcile() == []
    client("delete_registered_model_alias", MODEL, "champion")
    register(registry)
    assert "named nothing, not the champion" in registry.notices[-1]
    assert alias(client) == "1"
    # Moved to just what is promoted next: as it should be.
    client("set_registered_model_alias", MODEL, "champion", "2")
    registry.notices.clear()
    registry.promote(SLOT, second, reason="")
    assert (alias(client), registry.notices) == ("2", [])


def test_an_alias_of_a_slot_without_a_champion_is_removed(
    registry: Registry, client: Callable[..., object]
) -> None:
    register(registry)
    client("set_registered_model_alias", MODEL, "champion", "1")
    (said,) = registry.reconcile()
    assert "nothing has been promoted: it was removed" in said
    assert alias(client) == "None"


def test_a_champion_deleted_in_mlflow_is_listed_again(
    registry: Registry, client: Callable[..., object]
) -> None:
    version = register(registry)
    registry.promote(SLOT, version, reason="")
    registry.judge(SLOT, version, skill="beats naive", metrics={})
    client("delete_registered_model", MODEL)
    first, _ = registry.reconcile()
    assert "was not in MLflow: it was listed again as version 1" in first
    assert registry.reconcile() == []
    assert alias(client) == "1"
    record = registry.find(SLOT, version)
    shown = client("get_model_version", MODEL, "1")
    assert (shown.run_id, shown.tags["truecast.skill"]) == (record.mlflow_run, "beats naive")


def test_without_mlflow_champions_change_but_nothing_is_registered(
    registry: Registry, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = register(registry), register(registry, 2.0)
    registry.promote(SLOT, first, reason="")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"http://me:secret@127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        cut_off = open_registry(Settings(home=home, mlflow_tracking_uri=uri))
        assert cut_off.promote(SLOT, second, reason="").version == second
        assert cut_off.rollback(SLOT, reason="").version == first
        cut_off.judge(SLOT, first, skill="beats naive", metrics={})
        assert cut_off.champion(SLOT).skill == "beats naive"
        assert len(cut_off.notices) == 3
        assert all("MLflow at http://me:***@127.0.0.1" in one for one in cut_off.notices)
        assert "secret" not in "".join(cut_off.notices)
        with pytest.raises(RegistryError, match=r"MLflow at http://me:\*\*\*@"):
            register(cut_off, 3.0)
    assert len(registry.versions(SLOT)) == 2
    assert registry.reconcile() == []


def test_asking_for_champions_imports_no_mlflow(registry: Registry, home: Path) -> None:
    registry.promote(SLOT, register(registry), reason="")
    script = f"""
import sys
from pathlib import Path
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.registry.registry import open_registry
registry = open_registry(Settings(home=Path({str(home)!r})))
(champion,) = registry.champions()
assert registry.standing(champion.slot) == [champion]
registry.bundle(champion.slot, champion.version)
print(sorted({{"mlflow", "alembic", "tensorflow"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_what_is_kept_in_mlflow_says_what_its_prefix_says(home: Path) -> None:
    registry = open_registry(Settings(home=home, registry_prefix="main.markets"))
    version = register(registry)
    registry.promote(SLOT, version, reason="")
    assert registry.find(SLOT, version).mlflow_model == f"main.markets.{MODEL}"
    assert registry.catalogue.champion(f"main.markets.{MODEL}") == "1"
