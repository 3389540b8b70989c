"""The engine: the same results in one process and in several, and nothing lost with a worker."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import Job, inverse, killed_always, killed_once, refused, squared
from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError
from truecast.core.settings import Settings
from truecast.pipelines.engine import EngineError, run, workers_for


def _jobs(folder: Path, count: int = 6, deadly: tuple[int, ...] = ()) -> dict[str, Job]:
    return {f"S{place}": Job(place, folder, place in deadly) for place in range(count)}


ONE, TWO = Settings(workers=1), Settings(workers=2)


def test_results_are_in_order_and_come_from_other_processes(tmp_path: Path) -> None:
    jobs, told = _jobs(tmp_path), []
    found = run(squared, jobs, TWO, tell=lambda *said: told.append(said))
    assert [*found] == [*jobs]
    assert [square for square, _ in found.values()] == [0, 1, 4, 9, 16, 25]
    assert os.getpid() not in {pid for _, pid in found.values()}
    assert told == [(done, 6) for done in range(1, 7)]


def test_one_item_or_one_worker_starts_no_process(tmp_path: Path) -> None:
    for jobs, settings in ((_jobs(tmp_path, 1), TWO), (_jobs(tmp_path), ONE)):
        assert {pid for _, pid in run(squared, jobs, settings).values()} == {os.getpid()}
    assert run(squared, {}, TWO) == {}


def test_results_are_equal_to_the_bit(tmp_path: Path) -> None:
    jobs = _jobs(tmp_path, 4)
    here = run(inverse, jobs, ONE)
    there = run(inverse, dict(reversed(jobs.items())), TWO)
    assert {name: value.hex() for name, value in here.items()} == {
        name: there[name].hex() for name in jobs
    }


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    found = run(killed_once, _jobs(tmp_path, 12, deadly=(2, 7)), TWO)
    assert [*found.values()] == [*range(1, 13)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "7"]


def test_what_always_kills_is_named_in_the_end(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"of 5 are missing: .*S4.* with S4 ended 3 times"):
        run(killed_always, _jobs(tmp_path, 5, deadly=(4,)), TWO)


@pytest.mark.parametrize("settings", [ONE, TWO])
def test_an_error_is_the_one_that_was_raised(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"lightgmb.*did you mean 'lightgbm'") as raised:
        run(refused, _jobs(tmp_path), settings)
    assert type(raised.value) is UnknownNameError


def test_how_many_processes() -> None:
    assert [workers_for(Settings(workers=3), items) for items in (2, 3, 9)] == [2, 3, 3]
    assert workers_for(Settings(), 3) == 1


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "auto", "?"])
def test_a_cluster_that_is_not_there_is_named_within_seconds(address: str) -> None:
    """In a process of its own: Ray keeps threads, and after minutes ends the whole process."""
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        script = f"""
from jobs import Job, squared
from truecast.core.settings import Settings
from truecast.pipelines.engine import EngineError, run
settings = Settings(engine="ray", ray_address={address.format(port=port)!r})
try:
    run(squared, {{name: Job(1, None, False) for name in "ab"}}, settings)
except EngineError as error:
    print(error)
"""
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "RAY_ADDRESS": f"127.0.0.1:{port}"},  # what auto stands for
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.stdout.startswith(f"no Ray cluster at {address.format(port=port)} "), done.stderr
    assert "ray start --head" in done.stdout
