"""Every write may fail, and every process may die: what is there afterwards is whole."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import deltalake
import pytest

from lakes.pages import DAILY, STORY, noise, rows_of, state_of, tell
from truecast.lake import storage, tables
from truecast.lake.completion import Completions
from truecast.lake.errors import LakeError
from truecast.lake.lake import Lake

WRITERS = Path(__file__).parents[2] / "lakes" / "writers.py"
SOAK = bool(os.environ.get("TRUECAST_SOAK"))
#: Every step that changes something on the disk, from single calls of the system to whole commits.
STEPS: tuple[tuple[Any, str], ...] = (
    (os, "fsync"),
    (Path, "replace"),
    (storage.LocalStorage, "write"),
    (storage.LocalStorage, "write_parquet"),
    (deltalake.DeltaTable, "create"),
    (deltalake.DeltaTable, "create_write_transaction"),
    (tables.Snapshot, "append"),
    (Completions, "note"),
)


#: Those that the system can refuse.
SYSTEM = {"os.fsync", "Path.replace", "LocalStorage.write_parquet"}
SYSTEM |= {"DeltaTable.create", "DeltaTable.create_write_transaction"}


class Died(BaseException):
    """The process is gone: nothing behind this point runs."""


class Steps:
    """Counts the calls of each step, and fails at one of them, before it or just after it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.fail_at: int | None = None
        self.error: BaseException = Died()
        self.after = False
        for owner, name in STEPS:
            patch.setattr(
                owner, name, self._counted(getattr(owner, name), f"{owner.__name__}.{name}")
            )

    def _counted(self, step: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            place = len(self.calls)
            self.calls.append(name)
            if place == self.fail_at and not self.after:
                raise self.error
            done = step(*given, **named)
            if place == self.fail_at:
                raise self.error
            return done

        return call


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    root = tmp_path_factory.mktemp("clean")
    tell(Lake(str(root)))
    state = state_of(root)
    assert {name: len(rows) for name, rows in state.items()} == {
        "bronze/index": 5,
        "silver/actions": 4,
        "silver/bars": 16,
        "silver/quarantine": 4,
        "silver/repairs": 4,
    }
    return state


def failures(calls: list[str]) -> Iterator[tuple[int, bool, BaseException]]:
    """Draw where it fails and how: everywhere in the soak, else at some places of all kinds."""
    full = OSError(28, "No space left on device")
    every = [
        (place, after, error)
        for place, name in enumerate(calls)
        for after in (False, True)
        for error in ((Died(), full) if name in SYSTEM else (Died(),))
    ]
    yield from every if SOAK else random.Random(5).sample(every, 12)


def failure_of(work: Callable[[], None]) -> BaseException | None:
    """Return what stopped it."""
    try:
        work()
    except (Died, LakeError) as error:
        return error
    return None


def test_an_ingest_that_fails_anywhere_is_completed_by_the_next(tmp_path, clean, steps):
    tell(Lake(str(tmp_path / "counted")))
    calls = steps.calls
    assert set(calls) == {f"{owner.__name__}.{name}" for owner, name in STEPS}
    for number, (place, after, error) in enumerate(failures(calls)):
        root = tmp_path / str(number)
        lake = Lake(str(root))
        steps.calls, steps.fail_at, steps.after, steps.error = [], place, after, error
        for pages in STORY:
            stopped = failure_of(partial(tell, lake, [pages]))
            if stopped is not None:
                if isinstance(error, OSError):
                    assert "No space left on device" in str(stopped)
                    assert "check the disk's space" in str(stopped)
                state_of(root)  # every table can be read by others
                tell(lake, [pages])
        assert place < len(steps.calls)
        assert state_of(root) == clean, (calls[place], after, error)
        shutil.rmtree(root)


def test_what_a_writer_left_behind_is_swept_up(tmp_path, clean, steps):
    root = tmp_path / "lake"
    tell(Lake(str(tmp_path / "counted")))
    commits = [
        place
        for place, name in enumerate(steps.calls)
        if name == "DeltaTable.create_write_transaction"
    ]
    lake = Lake(str(root))
    steps.calls, steps.fail_at = [], commits[3]
    assert isinstance(failure_of(partial(tell, lake)), Died)
    assert [*root.rglob(".incoming-*")] == []  # only a kill leaves one
    torn = root / "bronze/payloads/ab/.incoming-x"
    torn.parent.mkdir(exist_ok=True)
    torn.write_bytes(b"half")
    tell(lake)
    assert {one.removed_files for one in lake.optimize()} == {0}  # it may be a writer at work
    assert torn.exists()
    for path in root.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    assert sum(one.removed_files for one in lake.optimize()) == 1
    assert not torn.exists()
    assert state_of(root) == clean


@pytest.mark.parametrize("series", [1, 8])
def test_eight_processes_lose_nothing(tmp_path, series):
    done = subprocess.run(
        [sys.executable, WRITERS, tmp_path, "8", "2", str(series)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = sorted(line.split() for line in done.stdout.splitlines())
    assert len(said) == 8 * 2 * 3
    lake = Lake(str(tmp_path))
    kept = [
        [symbol, str(close)]
        for symbol in sorted({symbol for symbol, _ in said})
        for close in lake.history("pages", symbol, DAILY).versions["close"]
    ]
    assert sorted(kept) == said
    assert len(lake.bronze.index.read()) == 8 * 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_told_and_recovers_unaided(small_disk, tmp_path):
    pages = [noise(30_000, 1)]
    expected = Lake(str(tmp_path / "expected"))
    tell(expected, [STORY[0], pages], "^X")
    root = small_disk / "lake"
    lake = Lake(str(root))
    tell(lake, [STORY[0]])
    before = rows_of(lake)
    ballast = small_disk / "ballast"
    told = 0
    for room in (0, 8, 64, 900, 1300, 2100):  # KB; bytes and bars together need about 2 MB
        free = shutil.disk_usage(small_disk).free
        ballast.write_bytes(bytes(max(0, free - room * 1024)))
        stopped = failure_of(partial(tell, lake, [pages]))
        if stopped is not None:
            assert "o space left on device" in str(stopped)
            assert "check the disk's space" in str(stopped)
            told += 1
            assert rows_of(lake) == before
            state_of(root)
        ballast.unlink()
    assert told >= 4
    tell(lake, [pages])
    assert rows_of(lake) == rows_of(expected)
    assert {name: rows for name, rows in state_of(root).items() if name != "bronze/index"} == {
        name: rows
        for name, rows in state_of(tmp_path / "expected").items()
        if name != "bronze/index"
    }
