"""A server that is told to stop, waits for a vendor, or finds the database locked."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from served import Client, Trained, problem_of
from truecast.core.clock import frozen_at
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.database import engine
from truecast.pipelines.champions import promote, train_slots
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.pipelines.verify_ledger import check_ledger
from truecast.serving.answering import champions
from truecast.serving.app import create_app
from truecast.serving.feed import lease
from truecast.serving.feed.feed import Feed
from truecast.serving.service import open_service
from truecast.serving.workspace import Workspace
from vendors.candles import Oanda
from vendors.server import Scripted, Vendor

HOUR = timedelta(hours=1)
RECIPE = {
    "name": "hourly",
    "instruments": ["A"],
    "interval": "1h",
    "features": ["log_return_1"],
    "targets": {"return": {"horizon": [1, 4], "models": [{"ridge": {"alpha": 10}}]}},
    "split": {"train": 0.5, "validate": 0.25, "test": 0.25},
    "evaluate": {"refit_every": "part"},
}


def make_home(home: Path, recipe: Recipe, moment: datetime) -> Workspace:
    workspace = Workspace(Settings(home=home))
    with frozen_at(moment):
        ingest(workspace, recipe)
        train_slots(Studies(workspace, recipe))
        promote(workspace, recipe)
    return workspace


def until(reached: Callable[[], bool], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends
        threading.Event().wait(0.02)


# Told to stop


@dataclass
class Server:
    """A server of its own process, and what it answered to one who asks without end."""

    process: subprocess.Popen[str]
    address: str
    said: list[dict[str, Any]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def feed(self) -> str:
        return str(httpx.get(f"{self.address}/health", timeout=30).json()["feed"])

    def ask(self, close: float) -> None:
        """Send one bar after another, each another question, until nobody listens any more."""
        with httpx.Client(base_url=self.address, timeout=30) as client:
            while True:
                close *= 1.0001
                bar = dict.fromkeys(("open", "high", "low", "close"), close)
                try:
                    answer = client.post("/predict", json={"horizon": 4, **bar})
                except httpx.TransportError:
                    return
                if answer.is_success:
                    self.said.append(answer.json())
                else:
                    self.refused.append(answer.status_code)


@contextmanager
def serving(home: Path) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-m", "truecast", "serve", "--port", "0"],
        env={**os.environ, "TRUECAST_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stdout.read()
        yield Server(process, found[0])
    finally:
        process.kill()
        process.communicate()


def test_told_to_stop_it_ends_whole_and_the_next_takes_over(tmp_path: Path) -> None:
    """Two bars are due when it begins; it is stopped while it answers."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = (hour - timedelta(days=30)).date().isoformat()
    market = {"seed": 11, "calendar": "24/7", "start": start, "volatility": [0.4]}
    recipe = Recipe.model_validate({**RECIPE, "source": {"simulated": market}})
    workspace = make_home(tmp_path, recipe, hour - 2 * HOUR)

    def rows(query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(tmp_path / "truecast.db")) as database:
            return database.execute(query).fetchall()

    def issued() -> list[tuple[Any, ...]]:
        return rows("SELECT slot, event_time FROM forecasts WHERE mode = 'live' ORDER BY seq")

    with serving(tmp_path) as first:
        until(lambda: len(issued()) >= 2)
        assert first.feed() == "ingests"
        ((close,), *_) = rows("SELECT last_close FROM forecasts WHERE mode = 'live'")
        asking = threading.Thread(target=first.ask, args=(close,))
        asking.start()
        until(lambda: len(first.said) > 2)
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(15) == 0
        asking.join(15)
        assert "Traceback" not in first.process.stdout.read()
    assert first.refused == []
    written = {one for (one,) in rows("SELECT id FROM forecasts WHERE mode = 'whatif'")}
    assert {one["id"] for one in first.said} <= written
    assert rows("PRAGMA integrity_check") == [("ok",)]
    ((holder, token, ends),) = rows("SELECT holder, token, until FROM leases")
    assert datetime.fromisoformat(ends).replace(tzinfo=UTC) <= datetime.now(UTC)
    with serving(tmp_path) as second:
        # Sooner than the lease would have run out.
        until(lambda: second.feed() == "ingests", lease.SECONDS - 5)
        ((other, after),) = rows("SELECT holder, token FROM leases")
        assert (other != holder, after) == (True, token + 1)
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(15) == 0
    assert len({*issued()}) == len(issued())
    results = [*check_ledger(Studies(workspace, recipe), workspace.ledger, seed=1)]
    assert {one.passed for one in results} == {True}, [one.detail for one in results]


# A vendor that is slow

NOON = datetime(2024, 3, 20, 12, tzinfo=UTC)
STARTS = [NOON - n * HOUR for n in range(1, 24 * 60) if (NOON - n * HOUR).weekday() < 5]


def test_a_vendor_that_is_slow_holds_nobody_up(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(champions, "LOOK_SECONDS", 0.0)
    monkeypatch.setenv("TRUECAST_OANDA_TOKEN", "made-up")
    options = {"symbols": ["EUR_USD"], "start": "2024-01-22", "base_url": vendor.url}
    recipe = Recipe.model_validate(
        {**RECIPE, "instruments": ["EUR_USD"], "source": {"oanda": options}}
    )
    vendor.respond = Oanda(STARTS, HOUR, NOON)
    make_home(tmp_path, recipe, NOON)
    service = open_service(Settings(home=tmp_path))
    feed = Feed(service, seconds=600)
    with frozen_at(NOON + timedelta(minutes=1)):
        feed.step()
    moment, free, asked = NOON + HOUR + timedelta(seconds=1), threading.Event(), threading.Event()
    newer = Oanda([*STARTS, NOON], HOUR, moment)

    def slow(request: Any) -> Scripted:
        asked.set()
        assert free.wait(60)
        return newer(request)

    vendor.respond = slow
    with frozen_at(moment), Client(create_app(service)) as client:
        feed.start()
        try:
            assert asked.wait(20)
            took = []
            for _ in range(2):
                began = time.monotonic()
                stale = client.post("/predict", json={"horizon": 4}).json()
                took.append(time.monotonic() - began)
                assert stale["event_time"] == "2024-03-20T12:00:00Z"
                assert stale["degraded"]
                assert stale["reason"].startswith("stale: hourly@oanda:EUR_USD:return:4: ")
            # What was waited for in vain is not waited for again at once.
            assert 2 <= took[0] < 2 + 3
            assert took[1] < 2
            # The outcome of one bar ahead is due: there is nothing to say until the bar is there.
            found = problem_of(answer := client.post("/predict", json={"horizon": 1}), 503)
            assert found["type"] == "/docs#overdue"
            assert answer.headers["retry-after"] == "5"
            free.set()
            until(lambda: client.post("/predict", json={"horizon": 1}).is_success)
            newest = client.post("/predict", json={"horizon": 4}).json()
            assert (newest["event_time"], newest["degraded"]) == ("2024-03-20T13:00:00Z", False)
        finally:
            free.set()
            feed.stop()


# A database that is locked

LOCK = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let another process write to a database, and not come to an end."""
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        yield
        other.stdin.close()
        assert other.wait(20) == 0


def test_nothing_is_answered_that_cannot_be_written_down(
    prepared: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.3)
    trained = prepared.copied(tmp_path / "home")
    count = "SELECT COUNT(*) FROM forecasts"
    with Client(create_app(trained.service())) as client:
        price = client.post("/predict", json={"target": "price"}).json()
        before = trained.stored(count)
        with locked(trained.home / "truecast.db"):
            for _ in range(2):
                answer = client.post("/predict", json={"target": "direction"})
                found = problem_of(answer, 503)
                assert (found["type"], found["instance"]) == ("/docs#unavailable", "/predict")
                assert "database is locked" in found["detail"]
                assert answer.headers["retry-after"] == "5"
            # What is in the ledger can be said again.
            assert client.post("/predict", json={"target": "price"}).json() == price
            assert client.get("/health").is_success
            assert trained.stored(count) == before
        direction = client.post("/predict", json={"target": "direction"})
        assert direction.status_code == 200
        found = trained.stored("SELECT id FROM forecasts WHERE target = 'direction'")
        assert found == [(direction.json()["id"],)]
