"""Killed at random moments, everything ends as if nothing had happened.

The moments are drawn from a fixed seed. `make test` kills 30 times in each test, `make soak` 200.
"""

import random
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.registry.catalogue import Catalogue

#: The window that is replayed.
FIRST, LAST = date(2014, 3, 3), date(2014, 3, 21)
#: When the older of two versions is trained.
EARLIER = "2014-05-01T12:00:00+00:00"


@dataclass(frozen=True)
class Undisturbed:
    """A home in which the recipe was run, then replayed, and how long each took."""

    recipe: str
    home: Path
    empty_mlflow: Path
    after_run: Any
    after_replay: Any
    run_seconds: float
    replay_seconds: float


@pytest.fixture(scope="module")
def undisturbed(
    zygote: Any,
    states: Any,
    tmp_path_factory: pytest.TempPathFactory,
    small_recipe: Callable[..., Recipe],
) -> Undisturbed:
    recipe = small_recipe().model_dump_json(by_alias=True)
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    zygote.do(do="run", home=home, recipe=recipe)  # compiles the features
    shutil.rmtree(home)
    run_seconds = zygote.do(do="run", home=home, recipe=recipe)
    after_run = states.of(home)
    replayed = Path(shutil.copytree(home, home.with_name("replayed")))
    order = {"do": "replay", "home": replayed, "recipe": recipe, "first": FIRST, "last": LAST}
    replay_seconds = zygote.do(**order)
    after_replay = states.of(replayed)
    zygote.do(**order)
    states.of(replayed).assert_equals(after_replay)
    empty = home.with_name("empty")
    slot = Slot.parse(next(iter(after_run.champions)))
    assert Catalogue(Settings(home=empty)).listings(slot) == []
    mlflow = empty / "mlflow.db"
    return Undisturbed(recipe, home, mlflow, after_run, after_replay, run_seconds, replay_seconds)


def storm(zygote: Any, rng: random.Random, seconds: float, **order: Any) -> int:
    """Kill an order one to three times in a row; returns how often it was hit."""
    return sum(zygote.kill(rng.uniform(0, seconds), **order) for _ in range(rng.randint(1, 3)))


def test_run(
    zygote: Any, states: Any, kills: int, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    rng, hit, place = random.Random(1), 0, tmp_path / "home"
    while hit < kills:
        if rng.random() < 0.7:  # the others wait for MLflow to make its tables, and are hit there
            place.mkdir()
            shutil.copy(undisturbed.empty_mlflow, place)
        order = {"do": "run", "home": place, "recipe": undisturbed.recipe}
        hit += storm(zygote, rng, undisturbed.run_seconds, **order)
        if (place / "truecast.db").exists():
            states.check_champions(place)
        zygote.do(**order)
        states.of(place).assert_equals(undisturbed.after_run)
        assert states.check_champions(place) == undisturbed.after_run.champions
        shutil.rmtree(place)


def test_promote(
    zygote: Any, states: Any, kills: int, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(undisturbed.home, tmp_path / "home"))
    ((slot, newer),) = undisturbed.after_run.champions.items()
    zygote.do(do="train", home=home, recipe=undisturbed.recipe, at=EARLIER)
    (older,) = {row[1] for row in states.rows(home, "SELECT slot, version FROM versions")} - {newer}
    order = {"do": "promote", "home": home, "recipe": undisturbed.recipe}
    seconds = zygote.do(**order, version=older)
    rng, hit, wanted = random.Random(2), 0, newer
    while hit < kills:
        hit += storm(zygote, rng, seconds, **order, version=wanted)
        assert states.check_champions(home)[slot] in {older, newer}
        assert set(states.of(home).aliases.values()) < {older, newer}
        zygote.do(**order, version=wanted)
        assert states.check_champions(home) == {slot: wanted}
        assert [*states.of(home).aliases.values()] == [wanted]
        wanted = older if wanted == newer else newer
    steps = [row[0] for row in states.rows(home, "SELECT version FROM promotions ORDER BY seq")]
    assert all(one != other for one, other in pairwise(steps))


def test_replay(
    zygote: Any, states: Any, kills: int, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    rng, hit, home = random.Random(3), 0, tmp_path / "home"
    while hit < kills:
        shutil.copytree(undisturbed.home, home)
        order = {"do": "replay", "home": home, "recipe": undisturbed.recipe}
        order |= {"first": FIRST, "last": LAST}
        hit += storm(zygote, rng, undisturbed.replay_seconds, **order)
        zygote.do(**order)
        states.of(home).assert_equals(undisturbed.after_replay)
        shutil.rmtree(home)


@dataclass
class Client(threading.Thread):
    """Asks for one forecast after the other until the server is gone."""

    port: int
    moments: list[str]
    answered: list[str] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30) as client:
            wait_until_ready(client)
            self.begun.set()
            while self.moments:
                body = {"instrument": "^GSPC", "timestamp": self.moments[-1]}
                try:
                    answer = client.post("/predict", json=body)
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                self.answered.append(answer.json()["id"])
                self.moments.pop()


def wait_until_ready(client: httpx.Client) -> None:
    for _ in range(600):
        try:
            if client.get("/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise AssertionError("the server was not ready in time")


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_served_requests(
    zygote: Any, states: Any, kills: int, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(undisturbed.home, tmp_path / "home"))
    zygote.do(do="train", home=home, recipe=undisturbed.recipe, at=EARLIER)
    (newer,) = undisturbed.after_run.champions.values()
    trained = {row[0] for row in states.rows(home, "SELECT version FROM versions")}
    (older,) = trained - {newer}
    zygote.do(do="promote", home=home, recipe=undisturbed.recipe, version=older)
    day = date(2014, 5, 5)
    moments = [f"{day + timedelta(days=step)}T23:00:00Z" for step in range(1600)]
    rng, answered = random.Random(4), []
    for _ in range(kills):
        port = free_port()
        pid = zygote.begin(do="serve", home=home, recipe=undisturbed.recipe, port=port)
        client = Client(port, moments)
        client.start()
        assert client.begun.wait(30), zygote.log.read_text()[-4000:]
        time.sleep(rng.uniform(0, 0.3))
        zygote.end(pid)
        client.join(30)
        assert not client.is_alive()
        answered += client.answered
        written = [row[0] for row in states.rows(home, "SELECT id FROM forecasts")]
        assert len(written) == len(set(written))
        assert set(answered) <= set(written)
    assert len(answered) > kills
    assert sqlite3.connect(home / "truecast.db").execute("PRAGMA integrity_check").fetchone() == (
        "ok",
    )
