"""A home that an earlier version left behind is read, answered from and gone on with."""

import json
import sqlite3
import tarfile
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.ledger.query import Query
from truecast.pipelines.champions import rollback
from truecast.pipelines.predict import predict
from truecast.pipelines.replay import replay
from truecast.pipelines.settle import settle
from truecast.pipelines.studies import Studies
from truecast.pipelines.verify_ledger import check_ledger
from truecast.serving.answering.labels import RECIPE
from truecast.serving.workspace import Workspace
from truecast.sources.sample.source import SampleSource

STATES = sorted(Path(__file__).with_name("states").glob("*.tar.gz"))


@pytest.fixture(params=STATES, ids=lambda path: path.name.removesuffix(".tar.gz"))
def state(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Workspace, dict[str, Any]]:
    monkeypatch.setattr(SampleSource, "simulated", True)
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    expected = request.param.with_name(request.param.name.replace(".tar.gz", ".json"))
    return Workspace(Settings(home=tmp_path / "home")), json.loads(expected.read_text())


def recipe_of(workspace: Workspace, champions: dict[str, str]) -> Recipe:
    """Read the recipe as the earlier version understood it."""
    slot, version = next(iter(champions.items()))
    document = workspace.registry.bundle(Slot.parse(slot), version).documents[RECIPE]
    return Recipe.model_validate(document)


def test_there_is_a_state_of_every_release() -> None:
    assert [path.name for path in STATES] == ["0.1.0.tar.gz"]


def test_what_was_forecast_is_still_there(state: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, expected = state
    entries = workspace.ledger.history(Query())[::-1]
    assert len(entries) == len(expected["forecasts"]) == 45
    for entry, before in zip(entries, expected["forecasts"], strict=True):
        outcome = None if entry.outcome is None else entry.outcome.model_dump(mode="json")
        said = {**entry.forecast.model_dump(mode="json"), "seq": entry.seq, "outcome": outcome}
        assert {name: said[name] for name in before} == before


def test_the_champions_answer_as_they_did(state: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, expected = state
    recipe = recipe_of(workspace, expected["newer"])
    found = {str(one.slot): one.version for one in workspace.registry.champions()}
    assert found == expected["newer"]
    before = {one["slot"]: one for one in expected["forecasts"] if one["mode"] == "historical"}
    for said in predict(workspace, recipe):
        then = before[said.slot]
        assert (said.model_version, said.skill) == (then["model_version"], then["skill"])
        for name in ("lower", "upper", "baseline", "prediction"):
            value = getattr(said, name)
            assert value == then[name] or value == pytest.approx(then[name], rel=1e-6), name
    back = rollback(workspace, recipe)
    assert {str(one.slot): one.version for one in back} == expected["older"]


def test_the_ledger_goes_on(state: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, expected = state
    recipe = recipe_of(workspace, expected["newer"])
    studies = Studies(workspace, recipe)
    results = list(check_ledger(studies, workspace.ledger, seed=0))
    assert [one.passed for one in results] == [True] * 3, [one.detail for one in results]
    assert settle(workspace, workspace.ledger, recipe).settled == 0
    result = replay(studies, date(2013, 9, 23), date(2013, 9, 24))
    assert (result.forecasts, result.added, result.settled.settled) == (6, 6, 6)
    records = {one["slot"]: one for one in expected["track_record"]}
    for record in result.records:
        assert record.recipe_hash == records[record.slot]["recipe_hash"]


def test_a_database_is_brought_up_to_date_as_it_is_opened(
    state: tuple[Workspace, dict[str, Any]],
) -> None:
    from truecast.database.tables import REVISION

    workspace, _ = state
    workspace.registry.champions()
    with closing(sqlite3.connect(workspace.settings.home / "truecast.db")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == (REVISION,)
