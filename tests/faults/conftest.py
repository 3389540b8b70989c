"""A home's state as plain values, and processes to be killed."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.models.bundle import load_bundle
from truecast.serving.workspace import Workspace

#: Imports all of MLflow, which the tests themselves need not.
collect_ignore = ["zygote.py"]
ZYGOTE = Path(__file__).with_name("zygote.py")
#: Threads do not survive a fork.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
#: What differs between two runs that did the same.
CLOCKS = {"written_at", "received_at", "issued_at", "settled_at", "latency_ms", "seq"}
CLOCKS |= {"promoted_at", "trained_at", "judged_at"}


class Zygote:
    """Does orders in processes of their own, and kills them when told to."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "children.log"
        self._process = subprocess.Popen(
            [sys.executable, str(ZYGOTE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ONE_THREAD, "MLFLOW_DISABLE_TELEMETRY": "true"},
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def begin(self, **order: Any) -> int:
        """Start an order; returns the process id of the child."""
        assert self._process.stdin is not None
        words = {name: str(value) for name, value in order.items()}
        self._process.stdin.write(json.dumps({**words, "log": str(self.log)}) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def wait(self) -> int:
        """Return the exit status of the child; negative if a signal ended it."""
        return int(self._line())

    def do(self, **order: Any) -> float:
        """Do an order to its end; returns how many seconds it took."""
        started = time.perf_counter()
        self.begin(**order)
        assert self.wait() == 0, self.log.read_text()[-4000:]
        return time.perf_counter() - started

    def kill(self, after: float, **order: Any) -> bool:
        """Do an order and kill it after some seconds; says whether it was still at work."""
        pid = self.begin(**order)
        timer = threading.Timer(after, _kill, (pid,))
        timer.start()
        status = self.wait()  # the zygote reaps at once: a timer that is late must not fire
        timer.cancel()
        assert status in {0, -signal.SIGKILL}, self.log.read_text()[-4000:]
        return status != 0

    def end(self, pid: int) -> None:
        """Kill a child that is at work."""
        _kill(pid)
        assert self.wait() == -signal.SIGKILL, self.log.read_text()[-4000:]

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(20) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """One process for all tests of faults."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    found = Zygote(tmp_path_factory.mktemp("zygote"))
    yield found
    found.close()


def rows_of(frame: pl.DataFrame) -> list[str]:
    """Return a table's rows in an order of their own, to the bit and without the clocks."""
    kept = frame.drop([name for name in frame.columns if name in CLOCKS])
    return sorted(repr(row) for row in kept.rows())


def select(home: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask the database, past all of the project's own code."""
    with closing(sqlite3.connect(home / "truecast.db")) as database:
        return database.execute(query).fetchall()


@dataclass(frozen=True)
class State:
    """All that a home holds, as plain values that can be compared."""

    tables: dict[str, list[str]]
    champions: dict[str, str]
    aliases: dict[str, str]
    unfinished_runs: int

    def assert_equals(self, other: "State") -> None:
        """Compare table by table, so that a difference is named."""
        assert self.tables.keys() == other.tables.keys()
        for name, rows in self.tables.items():
            assert rows == other.tables[name], name
        assert (self.champions, self.aliases) == (other.champions, other.aliases)
        assert self.unfinished_runs == other.unfinished_runs == 0


def state_of(home: Path) -> State:
    """Read a home with libraries of others: Polars, sqlite3 and MLflow's client."""
    tables: dict[str, list[str]] = {}
    for log in sorted((home / "lake").rglob("_delta_log")):
        name = str(log.parent.relative_to(home / "lake"))
        frame = pl.read_delta(str(log.parent))
        # A receipt is one row for each time that bytes came: a killed run has received too.
        tables[name] = rows_of(frame.unique("payload") if name == "bronze/index" else frame)
    with closing(sqlite3.connect(home / "truecast.db")) as database:
        for name in ("forecasts", "outcomes", "versions", "promotions"):
            cursor = database.execute(f"SELECT * FROM {name}")  # noqa: S608
            columns = [column[0] for column in cursor.description]
            kept = [place for place, column in enumerate(columns) if column not in CLOCKS]
            kept = [place for place in kept if columns[place] != "mlflow_run"]
            tables[name] = sorted(repr([row[place] for place in kept]) for row in cursor)
        newest = "SELECT slot, version FROM promotions ORDER BY seq"
        champions = dict(database.execute(newest).fetchall())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, about SQLAlchemy and type hints
        aliases, unfinished = _mlflow(f"sqlite:///{home / 'mlflow.db'}")
    return State(tables, champions, aliases, unfinished)


def _mlflow(uri: str) -> tuple[dict[str, str], int]:
    """Return each alias with the bundle that it names, and the number of runs that never ended."""
    from mlflow import MlflowClient

    client, aliases = MlflowClient(uri, registry_uri=uri), {}
    for model in client.search_registered_models():
        for alias, version in model.aliases.items():
            found = client.get_model_version(model.name, version)
            aliases[f"{model.name}@{alias}"] = found.tags["truecast.bundle"]
    experiments = [one.experiment_id for one in client.search_experiments()]
    return aliases, len(client.search_runs(experiments, "attributes.status = 'RUNNING'"))


def check_champions(home: Path) -> dict[str, str]:
    """Load every champion's bundle with all its checks; returns slot to version."""
    workspace = Workspace(Settings(home=home))
    champions = {str(one.slot): one.version for one in workspace.registry.champions()}
    for slot, version in champions.items():
        folder = workspace.bundles.path(Slot.parse(slot), version)
        assert load_bundle(folder, expected_version=version).manifest.version == version
    return champions


@pytest.fixture(scope="session")
def states() -> SimpleNamespace:
    """What reads a home's state."""
    return SimpleNamespace(of=state_of, rows=select, check_champions=check_champions)


@pytest.fixture(scope="session")
def kills() -> int:
    """How often each test kills."""
    return 200 if os.environ.get("TRUECAST_SOAK") else 12
