"""A live bar of 100 instruments with 3 slots each: until 300 forecasts are written and sent.

The server is a process of its own, with its feed and a WebSocket client; the market is simulated,
and the server's clock is turned to a second after each hour's close. A round begins when the bar
of every instrument has closed, and ends when the client has the forecasts of all slots. What the
simulation takes to make the bars, as a vendor would, is left out of all figures.

``truecast`` is the whole, and these are its parts:

- ``truecast_lake``: bars through the contracts into the lake;
- ``truecast_open``: the look at what is new, and the open series going on with it;
- ``truecast_features`` and ``truecast_forecasts``;
- ``truecast_ledger``: all forecasts in one transaction, on the disk;
- ``truecast_broadcast``: from there to the last message's arrival.

``truecast_issued`` is all but the lake: from the bars in it to the last message. ``anew`` is the
same where all series are opened anew from the lake, as where a bar was revised. Rounds of both
take turns. ``truecast_cpu`` is the seconds that the server was on a processor, a round.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from _measure import OURS, arguments, report

ANEW = "anew"
TARGETS = 3
PARTS = ("lake", "open", "features", "forecasts", "ledger", "broadcast")
#: When the models were trained: an hourly bar has just closed.
NOON = datetime(2024, 3, 20, 12, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def recipe(instruments: int) -> Any:
    from truecast.core.recipe import Recipe

    models = {"direction": "logistic", "return": "ridge", "price": "ridge"}
    return Recipe.model_validate(
        {
            "name": "livebar",
            "pooled": True,
            "instruments": [f"SIM{place:03}" for place in range(1, instruments + 1)],
            "interval": "1h",
            "source": {"simulated": {"seed": 11, "calendar": "24/7", "start": "2024-01-02"}},
            "features": ["log_return_1", "return_sd_22", "rsi_14", "close_to_sma_20"],
            "targets": {target: {"models": [model]} for target, model in models.items()},
            "split": {"train": 0.5, "validate": 0.25, "test": 0.25},
            "evaluate": {"refit_every": "part"},
        }
    )


def prepare(home: Path, instruments: int) -> None:
    """Take in the bars, train and promote."""
    from truecast.core.clock import frozen_at
    from truecast.core.settings import Settings
    from truecast.pipelines.champions import promote, train_slots
    from truecast.pipelines.stages import ingest
    from truecast.pipelines.studies import Studies
    from truecast.serving.workspace import Workspace

    workspace, of = Workspace(Settings(home=home)), recipe(instruments)
    with frozen_at(NOON):
        ingest(workspace, of)
        train_slots(Studies(workspace, of))
        promote(workspace, of)


class Turned:
    """A clock that goes on from where it is set."""

    def __init__(self, moment: datetime) -> None:
        self.set(moment)

    def set(self, moment: datetime) -> None:
        self._ahead = moment - datetime.now(UTC)

    def get(self) -> datetime:
        return datetime.now(UTC) + self._ahead


class Stages:
    """Where the seconds of a round went; what is called within another is not counted twice."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = 0.0

    @contextmanager
    def counted(self, name: str) -> Iterator[None]:
        before, self._inside = self._inside, 0.0
        started = perf_counter()
        try:
            yield
        finally:
            taken = perf_counter() - started
            self.seconds[name] += taken - self._inside
            self._inside = before + taken

    def watch(self, owner: Any, called: str, name: str) -> None:
        work: Callable[..., Any] = getattr(owner, called)

        def counted(*given: Any, **named: Any) -> Any:
            with self.counted(name):
                return work(*given, **named)

        setattr(owner, called, counted)


def serve(home: Path) -> None:
    """Serve, and take in and issue a bar whenever it is said on the standard input."""
    from truecast.core import clock
    from truecast.core.settings import Settings
    from truecast.ledger.ledger import Ledger
    from truecast.serving import runner
    from truecast.serving.answering import champions, series
    from truecast.serving.answering.forecaster import Forecaster
    from truecast.serving.feed.feed import Feed
    from truecast.sources.simulated.source import SimulatedSource

    turned = Turned(NOON + SECOND)
    clock._frozen = turned  # type: ignore[assignment]
    stages, feeds = Stages(), []
    open_series = champions.OpenSeries
    stages.watch(champions.Champions, "look", "open")
    stages.watch(open_series, "of", "open")
    stages.watch(series, "compute_at", "features")
    stages.watch(Forecaster, "forecast", "forecasts")
    stages.watch(Ledger, "write", "ledger")
    fetch = SimulatedSource.fetch

    def fetched(*given: Any) -> Iterator[Any]:
        with stages.counted("made"):
            return iter(list(fetch(*given)))

    SimulatedSource.fetch = fetched  # type: ignore[method-assign,assignment]

    class Stepped(Feed):
        def start(self) -> None:
            """Begin nothing: rounds are said."""

    def issue() -> dict[str, Any]:
        stages.seconds.clear()
        worked, started = process_time(), perf_counter()
        with stages.counted("lake"):
            polled = feeds[0].poll()
        stored = perf_counter()
        assert feeds[0].step()
        ended = perf_counter()
        taken = dict(stages.seconds)
        made = taken.pop("made", 0.0)
        return {
            **{"polled": polled, "began": started + made, "stored": stored, "ended": ended},
            **{"cpu": process_time() - worked - made, "parts": taken},
        }

    def listen() -> None:
        feeds[0].step()
        print(json.dumps("ready"), flush=True)
        renewed = open_series.renewed
        for hour, line in enumerate(sys.stdin, start=1):
            if line.strip() == ANEW:
                open_series.renewed = lambda self, versions: type(self)(self._workspace, versions)
            turned.set(NOON + hour * HOUR + SECOND)
            said = issue()
            open_series.renewed = renewed
            print(json.dumps(said), flush=True)

    def attend(service: Any) -> None:
        # Rounds of a busy machine are minutes apart: nobody else is to take over.
        feeds.append(Stepped(service, seconds=3600))

    def tell(address: str) -> None:
        print(json.dumps(address), flush=True)
        threading.Thread(target=listen, daemon=True).start()

    runner.serve(Settings(home=home), live=attend, port=0, tell=tell)


def rounds_of(home: Path, instruments: int, rounds: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Have bars taken in and issued, by both sides in turn; yield the seconds of each round."""
    from websockets.sync.client import connect

    command = [sys.executable, __file__, "--alone", str(home)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        address = json.loads(process.stdout.readline())
        assert json.loads(process.stdout.readline()) == "ready"
        with connect(f"{address.replace('http', 'ws')}/ws/market-stream", proxy=None) as client:
            assert json.loads(client.recv())["type"] == "subscribed"
            # The first of each loads what is loaded once.
            for number, side in enumerate((OURS, ANEW) * (rounds + 1)):
                process.stdin.write(f"{side}\n")
                process.stdin.flush()
                said = heard(client, TARGETS * instruments) | json.loads(process.stdout.readline())
                assert said["polled"] == instruments, said
                if number > 1:
                    yield side, seconds_of(said)
    finally:
        process.terminate()
        process.wait()


def heard(client: Any, count: int) -> dict[str, float]:
    """Wait for so many forecasts; say when the last one was there."""
    while count:
        count -= '"type":"market_update"' in client.recv(timeout=300)
    return {"heard": perf_counter()}


def seconds_of(said: dict[str, Any]) -> dict[str, float]:
    parts = said["parts"]
    return {
        "": said["heard"] - said["began"],
        "_issued": said["heard"] - said["stored"],
        **{f"_{part}": parts.get(part, 0.0) for part in PARTS[:-1]},
        # Sending may begin before the writer has come back.
        "_broadcast": max(said["heard"] - said["ended"], 1e-6),
        "_cpu": said["cpu"],
    }


def main() -> None:
    given = arguments(rows=100, rounds=5)
    if given.alone:
        serve(Path(given.alone))
        return
    found: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(os.environ.get("TRUECAST_BENCH_HOME", f"{folder}/home"))
        if not home.exists():
            prepare(home, given.rows)
        for side, seconds in rounds_of(home, given.rows, given.rounds):
            for part, taken in seconds.items():
                if side == OURS or part in {"", "_issued"}:
                    found[f"{side}{part}"].append(taken)
    names = [f"{OURS}{end}" for end in ("", "_issued", *(f"_{part}" for part in PARTS), "_cpu")]
    names += [ANEW, f"{ANEW}_issued"]
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    report("livebar", {name: median(found[name]) for name in names}, inputs=("_issued",))


if __name__ == "__main__":
    main()
