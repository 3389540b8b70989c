"""Many processes write at once, and one is killed: nothing is lost, nothing is there twice."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

from truecast.core.forecast import Forecast, Outcome
from truecast.database.engine import open_database
from truecast.ledger.ledger import Ledger

Make = Callable[..., Forecast]
# Asked here again: the writers' processes import this file, and should not import every room.
SOAK = bool(os.environ.get("TRUECAST_SOAK"))
WRITERS = 4
MOMENTS = 300 if SOAK else 25
DAY = timedelta(days=1)


def _write(url: str, batches: list[list[Forecast]], outcome: Outcome) -> int:
    """Write batches, settle what was written; return how many outcomes were new."""
    ledger, new = Ledger(open_database(url)), 0
    for batch in batches:
        kept = ledger.write(batch)
        assert [one.id for one in kept] == [one.id for one in batch]
        new += ledger.settle({one.id: outcome for one in kept})
    return new


def test_four_processes_lose_nothing_and_score_one_of_each(
    tmp_path: Path, forecast: Make, outcome: Callable[..., Outcome]
) -> None:
    """Each says what the others say, and something of its own about the same moments."""
    due = forecast().due_at
    url = f"sqlite:///{tmp_path / 'truecast.db'}"
    work: list[list[list[Forecast]]] = []
    for writer in range(WRITERS):
        batches = []
        for number in range(MOMENTS):
            moment = due + number * DAY
            own = forecast(due_at=moment, input_hash=f"{writer}".rjust(64, "0"))
            batches.append([forecast(due_at=moment), own][:: 1 if writer % 2 else -1])
        work.append(batches)
    with ProcessPoolExecutor(WRITERS, mp_context=get_context("spawn")) as pool:
        settled = list(pool.map(_write, [url] * WRITERS, work, [outcome()] * WRITERS))

    expected = {str(one.id) for batches in work for batch in batches for one in batch}
    assert len(expected) == (WRITERS + 1) * MOMENTS
    with sqlite3.connect(tmp_path / "truecast.db") as connection:
        rows = connection.execute("SELECT id, due_at, supersedes, seq FROM forecasts").fetchall()
        outcomes = connection.execute("SELECT forecast_id FROM outcomes").fetchall()
    assert len(rows) == len(expected)
    assert {row[0] for row in rows} == expected
    assert sum(settled) == len(outcomes) == len(expected)
    scored = {due_at: name for name, due_at, supersedes, _ in rows if supersedes is None}
    assert len(scored) == sum(row[2] is None for row in rows) == MOMENTS
    assert all(row[2] in {None, scored[row[1]]} for row in rows)
    first = {due_at: min(row[3] for row in rows if row[1] == due_at) for due_at in scored}
    assert {row[1]: row[3] for row in rows if row[2] is None} == first


_ENDLESS = """
import sys
from datetime import timedelta
from truecast.core.forecast import Forecast
from truecast.database.engine import open_database
from truecast.ledger.ledger import Ledger

ledger = Ledger(open_database(sys.argv[1]))
said = Forecast.model_validate_json(sys.argv[2])
for number in range(10**9):
    batch = [
        said.model_copy(
            update={
                "id": said.id.__class__(int=2 * number + more),
                "due_at": said.due_at + timedelta(days=number),
            }
        )
        for more in (0, 1)
    ]
    ledger.write(batch)
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, forecast: Make) -> None:
    url = f"sqlite:///{tmp_path / 'truecast.db'}"
    for _ in range(10 if SOAK else 1):
        written = subprocess.Popen(
            [sys.executable, "-c", _ENDLESS, url, forecast().model_dump_json()],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert written.stdout is not None
        for _ in range(25):
            acknowledged = int(written.stdout.readline())
        os.kill(written.pid, signal.SIGKILL)
        rest, _ = written.communicate()
        acknowledged = int(rest.split()[-1]) if rest.split() else acknowledged
        with sqlite3.connect(tmp_path / "truecast.db") as connection:
            ids = {int(row[0].replace("-", ""), 16) for row in connection.execute(_IDS)}
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        # All that was said to be written, and whole batches only.
        assert ids >= set(range(2 * acknowledged + 2))
        assert ids == set(range(len(ids)))
        assert len(ids) % 2 == 0


_IDS = "SELECT id FROM forecasts"
