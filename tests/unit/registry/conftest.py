"""A registry in a home of the test's own, and small bundles to register."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.models.bundle import Part
from truecast.models.linear import Ridge
from truecast.models.manifest import Manifest, Training
from truecast.registry.catalogue import Catalogue
from truecast.registry.connection import Connection
from truecast.registry.registry import Registry, open_registry
from truecast.registry.store import BundleStore

MODEL = "gold__sample__GC_3DF__price__1"
SLOT = Slot("gold", "sample", "GC=F", "price", 1)
ROWS = np.random.default_rng(0).standard_normal((80, 1, 2)).astype(np.float32)
THROUGH = datetime(2013, 1, 4, 22, 30, tzinfo=UTC)


def save(store: BundleStore, alpha: float = 1.0, slot: Slot = SLOT) -> Manifest:
    """Save a small bundle; another ``alpha`` is another version."""
    model = Ridge(alpha=alpha).fit(ROWS, ROWS[:, 0, 0].astype(float), target="price", horizon=1)
    training = Training(
        slot=str(slot),
        recipe=slot.recipe,
        recipe_hash="ab" * 32,
        target=slot.target,
        horizon=slot.horizon,
        trained_from=datetime(2010, 1, 4, tzinfo=UTC),
        trained_through=THROUGH,
        rows=80,
        data_versions={"GC=F": "sha256:" + "cd" * 32},
    )
    parts = {"point": Part(model, ("a", "b"), ROWS[:3])}
    return store.save(slot, training, parts, {"n": [1]})


def register(registry: Registry, alpha: float = 1.0, slot: Slot = SLOT) -> str:
    """Save and register a small bundle."""
    manifest = save(registry.store, alpha, slot)
    return registry.register(
        slot, manifest, name=f"ridge-{alpha}", reason=f"best of {alpha}", metrics={"mape": alpha}
    ).version


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of MLflow with its tables and nothing in them, which takes seconds to make."""
    home = tmp_path_factory.mktemp("mlflow")
    assert Catalogue(Settings(home=home)).listings(SLOT) == []
    return home / "mlflow.db"


@pytest.fixture
def home(empty_mlflow: Path, tmp_path: Path) -> Path:
    """An empty home."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(empty_mlflow, folder)
    return folder


@pytest.fixture
def opened(home: Path) -> Callable[[], Registry]:
    """Return an opener of the home's registry, as another process would have it."""
    return lambda: open_registry(Settings(home=home))


@pytest.fixture
def registry(opened: Callable[[], Registry]) -> Registry:
    """The home's registry."""
    return opened()


@pytest.fixture
def client(home: Path) -> Callable[..., object]:
    """Return a caller of MLflow's own client."""
    connection = Connection(Settings(home=home))

    def call(method: str, *words: object) -> object:
        with connection.open() as client:
            return getattr(client, method)(*words)

    return call


def alias(client: Callable[..., object]) -> str:
    """Return what the alias names: a version, or None."""
    return str(client("get_registered_model", MODEL).aliases.get("champion"))
