"""A home with trained models, and what asks a server about it without a network."""

import asyncio
import contextvars
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.datasets.splits import Fold
from truecast.pipelines.champions import train_slots
from truecast.pipelines.studies import Studies
from truecast.pipelines.train import train
from truecast.registry.registry import Registry, open_registry
from truecast.serving.service import Service, open_service
from truecast.serving.workspace import Workspace, decided_by

DIRECTION = Slot("small", "sample", "^GSPC", "direction", 1)
PRICE = Slot("small", "sample", "^GSPC", "price", 1)
TARGETS = {
    "direction": {"horizon": 1, "models": ["logistic"]},
    "price": {"horizon": 1, "models": ["ridge"]},
}
#: When the earlier versions were trained, and when the sample ends.
EARLIER = datetime(2018, 12, 3, 22, tzinfo=UTC)
END = "2018-12-31T21:30:00Z"


class Client:
    """Asks an application without a network, in the test's own context: its clock too."""

    def __init__(self, app: FastAPI) -> None:
        transport = httpx.ASGITransport(app)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
        self._runner = asyncio.Runner()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        asking = self._client.request(method, path, **given)
        return self._runner.run(asking, context=contextvars.copy_context())

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.request("POST", path, **given)


@dataclass(frozen=True)
class Trained:
    """A home with two versions of each slot, the earlier one promoted."""

    home: Path
    earlier: dict[Slot, str]
    later: dict[Slot, str]

    @property
    def registry(self) -> Registry:
        return open_registry(Settings(home=self.home))

    def service(self) -> Service:
        return open_service(Settings(home=self.home))

    def copied(self, home: Path) -> "Trained":
        """Return a copy at another place."""
        return Trained(Path(shutil.copytree(self.home, home)), self.earlier, self.later)

    def promote(self, slot: Slot, version: str) -> None:
        self.registry.promote(slot, version, reason="a test")

    def spoil(self, slot: Slot, version: str) -> None:
        """Change one byte of a bundle."""
        path = self.registry.store.path(slot, version) / "calibration.json"
        content = path.read_bytes()
        path.write_bytes(content.replace(b"1", b"2", 1))

    def stored(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.home / "truecast.db")) as database:
            return database.execute(query).fetchall()


def prepare(home: Path, recipe: Recipe) -> Trained:
    """Train two versions of each of a recipe's slots in a home, and promote the earlier one."""
    studies = Studies(Workspace(Settings(home=home)), recipe)
    later = {one.slot: one.version for one in train_slots(studies)}
    trained = Trained(home, {slot: _train(studies, slot, EARLIER) for slot in later}, later)
    for slot, version in trained.earlier.items():
        trained.promote(slot, version)
    return trained


def _train(studies: Studies, slot: Slot, moment: datetime) -> str:
    """Register a version that has seen what was known at a moment."""
    researcher, study = studies.researcher(slot.instrument), studies.study(slot)
    decisions = researcher.dataset.decisions
    row = decided_by(decisions, moment)
    fold = Fold(len(study.folds), row + 1, row + 1, decisions.as_of[row])
    workspace = studies.workspace
    manifest = train(workspace.bundles, studies.recipe, researcher, study, fold)
    workspace.registry.register(slot, manifest, name=study.champion, reason="a test", metrics={})
    return manifest.version


def problem_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert set(found) >= {"type", "title", "status", "detail", "instance", "what_to_do"}
    assert found["status"] == status
    assert "Traceback" not in response.text
    return found
