"""Walk many instruments forward and fit their models: by one process, by two, on a Ray cluster.

Each of 500 instruments has its own LightGBM on 1,000 made-up daily bars. ``truecast`` is two local
processes (``TRUECAST_WORKERS=2``), ``sequential`` one, ``ray`` a cluster of two nodes of one core
each on this machine, whose start is not timed. All have the same bars and write tables and bundles
of their own; at the end these are compared, byte for byte.

Two cores may be two threads of one, or shared with others. So a loop of plain arithmetic that
touches no memory is timed as well, before and after: ``sequential_of_arithmetic`` in one process,
``truecast_of_arithmetic`` shared by two. Its ratio is the best that can be had here.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from _measure import OURS, arguments, report

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.pipelines.fanout import Plan, fit, walk
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.serving.planning import candidates, slots_of
from truecast.serving.workspace import Workspace

INSTRUMENTS, LOOPS = 500, 40_000_000


def recipe(instruments: int) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "many",
            "instruments": [f"SIM{place:03}" for place in range(1, instruments + 1)],
            "source": {"simulated": {"start": "2018-01-02", "end": "2021-12-31"}},
            "features": ["log_return_1", "return_sd_22", "rsi_14", "close_to_sma_20"],
            "targets": {"return": {"models": ["lightgbm"]}},
            "split": {"validate": 250, "test": 250},
            "evaluate": {"refit_every": 21},
        }
    )


def make(home: Path, of: Recipe, **settings: object) -> float:
    """Walk all forward and fit them; return the seconds that it took."""
    studies = Studies(Workspace(Settings.model_validate({"home": home, **settings})), of)
    started = perf_counter()
    walk(studies)
    # The last row is the same one for all: they have the same sessions.
    newest = len(studies.researcher(of.instruments[0]).dataset) - 1
    plans = []
    for slot in slots_of(of):
        names = tuple(candidates(of, slot.target))
        plans.append(Plan(slot, names[-1], names, newest))
    fit(studies, plans)
    return perf_counter() - started


def turn(loops: int) -> float:
    """Do plain arithmetic."""
    total = 0.0
    for place in range(loops):
        total += place * 0.5
    return total


def control(processes: int) -> float:
    """Share the loops out; return the seconds."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(turn, [1000] * processes))  # they have started
        started = perf_counter()
        list(pool.map(turn, [LOOPS // 2] * 2))
        return perf_counter() - started


def arithmetic() -> dict[str, float]:
    """Time the control, in one process and in two."""
    return {"sequential_of_arithmetic": control(1), "truecast_of_arithmetic": control(2)}


def on_ray(home: Path, of: Recipe) -> float:
    """Do the same on a cluster of this machine, in a process of its own."""
    cluster = Path(__file__).with_name("_cluster.py")
    done = subprocess.run(
        [sys.executable, cluster, home, of.model_dump_json(by_alias=True), "0"],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def bundles(home: Path) -> dict[str, bytes]:
    """Return every file of every bundle."""
    files = (home / "bundles").rglob("*")
    return {str(one.relative_to(home)): one.read_bytes() for one in files if one.is_file()}


def main() -> None:
    given = arguments(rows=INSTRUMENTS, rounds=1)
    of = recipe(given.rows)
    print(f"{len(of.instruments)} instruments, one LightGBM each")
    with tempfile.TemporaryDirectory(prefix="truecast-bench-") as name:
        root = Path(name)
        ingest(Workspace(Settings(home=root / "bars")), of)

        def home(side: str) -> Path:
            shutil.copytree(root / "bars" / "lake", root / side / "lake")
            return root / side

        before = arithmetic()
        seconds = {
            OURS: make(home(OURS), of, workers=2),
            "sequential": make(home("sequential"), of, workers=1),
            "ray": on_ray(home("ray"), of),
        }
        seconds |= {row: before[row] + taken for row, taken in arithmetic().items()}
        made = {side: bundles(root / side) for side in (OURS, "sequential", "ray")}
        assert made[OURS] == made["sequential"] == made["ray"], "bundles differ"
        assert len(made[OURS]) > len(of.instruments)
    report("many", seconds, inputs=("_of_arithmetic",))


if __name__ == "__main__":
    main()
