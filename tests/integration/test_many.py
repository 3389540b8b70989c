"""Many instruments: the same studies and bundles whoever works on them, and whoever is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from joblib.externals.loky import reusable_executor
from polars.testing import assert_frame_equal

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.core.slot import escape
from truecast.lake.gold import GoldTable
from truecast.lake.trials import Trials
from truecast.pipelines.fanout import Plan, fit, walk
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.registry.store import BundleStore
from truecast.serving.planning import slots_of
from truecast.serving.workspace import Workspace

#: Seconds until a node of the cluster is killed.
AFTER = 3
MANY = {
    "name": "many",
    "instruments": [f"SIM{place:03}" for place in range(1, 5)],
    "source": {"simulated": {"start": "2019-01-02", "end": "2021-12-31"}},
    "features": ["log_return_1", "return_sd_22", "rsi_14", "close_to_sma_20"],
    "targets": {"return": {"models": ["ridge", "lightgbm"]}},
    "split": {"validate": 60, "test": 60},
    "evaluate": {"refit_every": "part"},
}
RECIPE = Recipe.model_validate(MANY)
NAMES = ("ridge", "lightgbm")


class Told:
    """Whoever is told how far the work has come."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int]] = []

    def stage(self, name: str) -> None:
        """Hear that a stage begins."""

    def step(self, what: str, done: int, total: int) -> None:
        """Hear of a step."""
        self.steps.append((what, done, total))


def make(settings: Settings, told: Told) -> tuple[dict[str, list[str]], dict[str, GoldTable]]:
    """Walk all instruments forward and fit their models; return versions and tables."""
    workspace, slots = Workspace(settings), slots_of(RECIPE)
    studies = Studies(workspace, RECIPE, told)
    walk(studies)
    tables = {
        slot.instrument: workspace.lake.read_gold(
            f"walkforward/many/{slot.source}/{escape(slot.instrument)}/return-1"
        )
        for slot in slots
    }
    assert [Trials(settings.lake_url).count(slot) for slot in slots] == [2] * len(slots)
    newest = len(tables["SIM001"].frame) - 1
    fitted = fit(studies, [Plan(slot, "lightgbm", NAMES, newest) for slot in slots])
    versions = {slot.instrument: [fitted[slot][name].version for name in NAMES] for slot in slots}
    for slot in slots:
        for version in versions[slot.instrument]:
            workspace.bundles.load(slot, version)  # is whole
    return versions, tables


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with the bars of all instruments; not to be written to."""
    home = tmp_path_factory.mktemp("bars")
    ingest(Workspace(Settings(home=home)), RECIPE)
    return home / "lake"


@pytest.fixture(scope="module")
def alone(
    tmp_path_factory: pytest.TempPathFactory, bars: Path
) -> tuple[dict[str, list[str]], dict[str, GoldTable]]:
    """What one process makes of them."""
    home = tmp_path_factory.mktemp("alone")
    shutil.copytree(bars, home / "lake")
    return make(Settings(home=home, workers=1), Told())


def test_two_processes_make_the_same_and_one_of_them_may_die(
    tmp_path: Path, bars: Path, alone: tuple[dict[str, list[str]], dict[str, GoldTable]]
) -> None:
    shutil.copytree(bars, tmp_path / "lake")
    told = Told()
    with _killing(_workers) as killed:
        versions, tables = make(Settings(home=tmp_path, workers=2), told)
    assert killed.is_set()
    assert versions == alone[0]
    for symbol, expected in alone[1].items():
        assert_frame_equal(tables[symbol].frame, expected.frame, check_exact=True)
    for what in ("walk forward", "train"):
        assert [step for step in told.steps if step[0] == what][-1] == (what, 4, 4)


@pytest.mark.skipif(
    not os.environ.get("TRUECAST_SOAK"), reason="a cluster takes its time: TRUECAST_SOAK=1"
)
def test_a_cluster_makes_the_same_and_one_of_its_nodes_may_die(
    tmp_path: Path, bars: Path, alone: tuple[dict[str, list[str]], dict[str, GoldTable]]
) -> None:
    shutil.copytree(bars, tmp_path / "lake")
    # Ray keeps threads and handlers of its own, so it has a process of its own.
    cluster = Path(__file__).parents[2] / "benchmarks/_cluster.py"
    done = subprocess.run(
        [sys.executable, cluster, tmp_path, json.dumps(MANY), str(AFTER)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["nodes"] == [2, 1]
    assert told["seconds"] > AFTER, "all was done before the node was killed"
    lake = Workspace(Settings(home=tmp_path)).lake
    source = slots_of(RECIPE)[0].source
    for symbol, expected in alone[1].items():
        found = lake.read_gold(f"walkforward/many/{source}/{symbol}/return-1")
        assert_frame_equal(found.frame, expected.frame, check_exact=True)
    for slot in slots_of(RECIPE):
        for version in alone[0][slot.instrument]:
            BundleStore(tmp_path / "bundles").load(slot, version)


def _workers() -> list[int]:
    """Return the processes of this one that work for it."""
    pool = reusable_executor._executor
    return [] if pool is None else [*pool._processes]


@contextmanager
def _killing(find: Callable[[], list[int]]) -> Iterator[Event]:
    """Kill the first process that is found, once it has had time to begin."""
    killed, over = Event(), Event()

    def watch() -> None:
        while not over.wait(0.05):
            if pids := find():
                time.sleep(1.0)
                os.kill(pids[0], signal.SIGKILL)
                killed.set()
                return

    thread = Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()
