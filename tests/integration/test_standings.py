"""Versions and champions over HTTP: shown, promoted, rolled back, written down."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from served import DIRECTION, EARLIER, PRICE, TARGETS, Client, Trained, problem_of
from truecast.core.clock import frozen_at
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.database.errors import DatabaseError
from truecast.pipelines.champions import promote, rollback
from truecast.registry.records import change_version
from truecast.serving.answering import champions, standings
from truecast.serving.app import create_app
from truecast.serving.workspace import Workspace

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def trained(prepared: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    monkeypatch.setattr(champions, "LOOK_SECONDS", 0.0)
    return prepared.copied(tmp_path / "home")


@pytest.fixture
def client(trained: Trained) -> Iterator[Client]:
    with Client(create_app(trained.service())) as client:
        yield client


def _audit(trained: Trained) -> list[tuple[str, str, str, dict[str, object]]]:
    query = "SELECT actor, action, subject, detail FROM audit ORDER BY seq"
    return [(*row[:3], json.loads(row[3])) for row in trained.stored(query)]


def _change(trained: Trained, slot: Slot, version: str, **values: str) -> None:
    registry = trained.registry
    with registry.database.writing() as connection:
        change_version(connection, registry.find(slot, version), **values)


def test_models_are_what_was_trained(client, trained):
    found = client.get("/models").json()
    assert found["count"] == 2
    assert [one["slot"] for one in found["models"]] == [str(DIRECTION), str(PRICE)]
    price = found["models"][1]
    assert {key: price[key] for key in ("recipe", "source", "instrument", "target", "horizon")} == {
        "recipe": "small",
        "source": "sample",
        "instrument": "^GSPC",
        "target": "price",
        "horizon": 1,
    }
    assert price["champion"]["version"] == price["answering"] == trained.earlier[PRICE]
    assert (price["champion"]["name"], price["champion"]["reason"]) == ("ridge", "a test")
    assert price["refused"] is None
    # The earlier one was registered last.
    assert [one["version"] for one in price["versions"]] == [
        trained.earlier[PRICE],
        trained.later[PRICE],
    ]
    first, second = price["versions"]
    assert first["trained_through"] < EARLIER.isoformat() < second["trained_through"]
    assert second["model_type"] == "ridge"
    assert "validation_mape" in second["metrics"]
    assert (second["chosen"], second["blocked"], second["held"]) == (True, None, None)
    assert second["skill"] is None
    trained.registry.judge(PRICE, trained.later[PRICE], skill="no skill shown", metrics={"mape": 2})
    (price,) = client.get("/models", params={"target": "price", "versions": 2}).json()["models"]
    judged = price["versions"][1]
    assert (judged["skill"], judged["metrics"]["evaluation/mape"]) == ("no skill shown", 2.0)


@pytest.mark.parametrize(
    ("query", "slots"),
    [
        ({"slot": str(PRICE)}, [str(PRICE)]),
        ({"recipe": "small"}, [str(DIRECTION), str(PRICE)]),
        ({"recipe": "gold"}, []),
        ({"instrument": "^GSPC", "target": "direction"}, [str(DIRECTION)]),
        ({"instrument": "^gspc"}, []),
    ],
)
def test_models_can_be_narrowed_down(client, query, slots):
    found = client.get("/models", params=query).json()
    assert [one["slot"] for one in found["models"]] == slots
    assert found["count"] == len(slots)


def test_of_each_slot_the_newest_versions_are_shown(client, trained):
    found = client.get("/models", params={"versions": 1}).json()["models"]
    assert [[one["version"] for one in model["versions"]] for model in found] == [
        [trained.earlier[DIRECTION]],
        [trained.earlier[PRICE]],
    ]
    for count in (0, 101):
        problem_of(client.get("/models", params={"versions": count}), 422)


def test_a_promoted_version_answers_and_a_rollback_undoes_it(client, trained):
    earlier, later = trained.earlier[PRICE], trained.later[PRICE]
    before = client.post("/predict").json()
    assert before["model_version"] == earlier
    with frozen_at(NOW):
        said = client.post(f"/models/{PRICE}/promote", json={"version": later}).json()
    assert said == {
        "slot": str(PRICE),
        "champion": {
            "version": later,
            "name": "ridge",
            "skill": None,
            "reason": trained.registry.find(PRICE, later).reason,
            "promoted_at": "2026-03-02T09:00:00Z",
        },
        "before": earlier,
        "changed": True,
        "notices": [],
    }
    assert client.post("/predict").json()["model_version"] == later
    shown = client.get("/models", params={"target": "price"}).json()["models"][0]
    assert (shown["champion"]["version"], shown["answering"]) == (later, later)
    back = client.post(f"/models/{PRICE}/rollback").json()
    assert (back["before"], back["champion"]["version"], back["changed"]) == (later, earlier, True)
    assert client.post("/predict").json()["id"] == before["id"]
    # The other slot was left alone, and MLflow shows what is so.
    assert trained.registry.champion(DIRECTION).version == trained.earlier[DIRECTION]
    assert trained.registry.reconcile() == []


def test_without_a_version_the_newest_that_was_chosen_is_meant(client, trained):
    """The one that was trained on most, though another was registered after it."""
    said = client.post(f"/models/{PRICE}/promote").json()
    assert said["champion"]["version"] == trained.later[PRICE]
    again = client.post(f"/models/{PRICE}/promote", json={}).json()
    assert (again["before"], again["changed"]) == (trained.later[PRICE], False)


def test_who_did_it_is_written_down(client, trained):
    earlier, later = trained.earlier[PRICE], trained.later[PRICE]
    client.post(f"/models/{PRICE}/promote", json={"version": later})
    client.post(f"/models/{PRICE}/promote", json={"version": later})  # nothing changes
    client.post(f"/models/{PRICE}/rollback")
    place = "127.0.0.1"
    assert _audit(trained) == [
        (*("local", "promote", str(PRICE)), {"version": later, "from": place}),
        (*("local", "rollback", str(PRICE)), {"version": earlier, "from": place}),
    ]


def test_so_is_who_did_it_at_the_command_line(trained, small_recipe):
    workspace, recipe = Workspace(Settings(home=trained.home)), small_recipe(targets=TARGETS)
    later, earlier = trained.later[PRICE], trained.earlier[PRICE]
    promote(workspace, recipe, [trained.registry.find(PRICE, later)])
    rollback(workspace, recipe, "price")
    place = {"from": "command line"}
    assert _audit(trained) == [
        ("local", "promote", str(PRICE), {"version": later, **place}),
        ("local", "rollback", str(PRICE), {"version": earlier, **place}),
    ]


def test_what_is_not_written_down_is_not_done(client, trained, monkeypatch):
    def refuse(*given):
        raise DatabaseError("truecast.db: the disk is full")

    monkeypatch.setattr(standings, "write_audit", refuse)
    problem = problem_of(client.post(f"/models/{PRICE}/promote"), 503)
    assert problem["detail"] == "truecast.db: the disk is full"
    assert trained.registry.champion(PRICE).version == trained.earlier[PRICE]


def test_a_version_that_failed_a_gate_is_refused_by_name_too(client, trained):
    later = trained.later[PRICE]
    _change(trained, PRICE, later, blocked="overfit_gap 0.4 is over 0.25")
    for body in ({}, {"version": later}):
        problem = problem_of(client.post(f"/models/{PRICE}/promote", json=body), 422)
        assert "overfit_gap 0.4 is over 0.25" in problem["detail"]
    assert trained.registry.champion(PRICE).version == trained.earlier[PRICE]
    assert _audit(trained) == []
    (shown,) = client.get("/models", params={"target": "price"}).json()["models"]
    assert shown["versions"][1]["blocked"] == "overfit_gap 0.4 is over 0.25"


def test_a_version_that_is_held_back_has_to_be_named(client, trained):
    later = trained.later[PRICE]
    _change(trained, PRICE, later, held="the champion is not beaten")
    problem = problem_of(client.post(f"/models/{PRICE}/promote"), 422)
    assert "is not promoted: the champion is not beaten" in problem["detail"]
    assert problem["choices"] == [{"version": later}]
    said = client.post(f"/models/{PRICE}/promote", json=problem["choices"][0]).json()
    assert said["champion"]["reason"].startswith("named by hand: ")


def test_a_spoilt_bundle_is_not_promoted(client, trained):
    trained.spoil(PRICE, trained.later[PRICE])
    problem = problem_of(client.post(f"/models/{PRICE}/promote"), 503)
    assert "calibration.json has been changed" in problem["detail"]
    assert client.post("/predict").json()["model_version"] == trained.earlier[PRICE]
    assert _audit(trained) == []


def test_there_may_be_no_champion_to_go_back_to(client):
    problem = problem_of(client.post(f"/models/{PRICE}/rollback"), 422)
    assert "is the first champion" in problem["detail"]


@pytest.mark.parametrize("step", ["promote", "rollback"])
def test_a_slot_that_is_not_known_is_not_found(client, step):
    near = str(PRICE).replace("small", "smal")
    problem = problem_of(client.post(f"/models/{near}/{step}"), 404)
    assert problem["what_to_do"] == f"did you mean {str(PRICE)!r}?"
    assert problem["choices"] == [{"slot": str(DIRECTION)}, {"slot": str(PRICE)}]
    for slot in ("x", "..", "a@b:~FF:price:1", f"{PRICE}0"):
        problem_of(client.post(f"/models/{slot}/{step}"), 404)
    for slot in ("%00", "x" * 201):
        problem_of(client.post(f"/models/{slot}/{step}"), 422)


def test_a_version_that_is_not_known_is_not_found(client, trained):
    later = trained.later[PRICE]
    problem = problem_of(client.post(f"/models/{PRICE}/promote", json={"version": later[:-1]}), 404)
    assert problem["what_to_do"] == f"did you mean {later!r}?"
    assert {"version": later} in problem["choices"]
    other = {"version": trained.later[DIRECTION]}
    problem_of(client.post(f"/models/{PRICE}/promote", json=other), 404)


def test_bodies_that_mean_nothing_are_refused(client):
    typo = problem_of(client.post(f"/models/{PRICE}/promote", json={"versoin": "v1"}), 422)
    assert typo["detail"] == "versoin: there is no such key"
    problem_of(client.post(f"/models/{PRICE}/rollback", json={"version": "v1"}), 422)
    problem_of(client.post(f"/models/{PRICE}/promote", json=[]), 422)
