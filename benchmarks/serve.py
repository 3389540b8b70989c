"""`POST /predict` on loopback, against a bare FastAPI application that returns the same bytes.

Each is a server in a process of its own, with the same settings; ours has all that stands before
an answer: keys (one is sent), limits, checks of names and sizes, security headers. One connection
asks for the latency of a request (the median, and ``_p99``), 64 at once for the rate (``_of_64``:
seconds a request). What is asked is the newest forecast, as nearly all requests do.

``truecast_first`` is the first request after a start. ``_new`` asks with a bar that nobody has
sent before, 50 and 100 times a second, whether the answers come or not: the median and ``_p99``
of the seconds from when a request was due to its answer. Each computes the features and the
forecast, and is in the ledger, on SQLite, before it is answered. ``_at_scale`` is the same with
the ledger on PostgreSQL and requests counted in Redis, both of this machine; it is left out where
they are not installed.

``_cpu`` is the seconds that the server was on a processor, a request: what else the machine does
has less part in it.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import quantiles
from time import perf_counter

from _load import Connection, at_a_rate, latencies, per_request, request
from _measure import OURS, arguments, report
from _services import missing, running_postgres, running_redis
from _services import tell as mention

BARE = "fastapi"
CONNECTIONS = 64
RATES = (50, 100)
#: So that no limit is reached.
UNLIMITED = {"TRUECAST_LIMIT_PREDICT": "999999999/hour"}


def prepare(home: Path) -> str:
    """Train and promote the price model of the shipped recipe, refitted seldom; return a key."""
    from truecast.core.recipe import Recipe
    from truecast.core.recipe_files import load_recipe
    from truecast.core.settings import Settings
    from truecast.database.engine import open_database
    from truecast.pipelines.champions import promote, train_slots
    from truecast.pipelines.stages import fetch_missing
    from truecast.pipelines.studies import Studies
    from truecast.serving.door.keys import Keys
    from truecast.serving.workspace import Workspace

    shipped = load_recipe("sp500-daily").model_dump(mode="json", by_alias=True)
    evaluate = {**shipped["evaluate"], "refit_every": 1000}
    targets = {"price": {"horizon": 1, "models": ["lightgbm"]}}
    recipe = Recipe.model_validate({**shipped, "evaluate": evaluate, "targets": targets})
    workspace = Workspace(Settings(home=home))
    fetch_missing(workspace, recipe)
    promote(workspace, recipe, train_slots(Studies(workspace, recipe)))
    return Keys(open_database(workspace.settings.database)).add("bench", "read", "bench")[1]


def copy(home: Path, url: str) -> None:
    """Copy versions, champions and keys into another database."""
    from sqlalchemy import create_engine, insert, select

    from truecast.core.settings import Settings
    from truecast.database.engine import open_database
    from truecast.database.tables import api_keys, promotions, versions

    source = create_engine(Settings(home=home).database)
    with source.connect() as one, open_database(url).writing() as other:
        for table in (versions, promotions, api_keys):
            rows = [dict(row) for row in one.execute(select(table)).mappings()]
            other.execute(insert(table), rows)


def tell(address: str) -> None:
    print(address, flush=True)


def serve_truecast(home: Path) -> None:
    from truecast.core.settings import Settings
    from truecast.serving.runner import serve

    serve(Settings(home=home), "127.0.0.1", 0, tell=tell)


def serve_bare(answer: Path) -> None:
    """Serve constant bytes as anyone would write it."""
    from fastapi import FastAPI, Response

    from truecast.serving.runner import run

    body = answer.read_bytes()
    app = FastAPI()

    @app.post("/predict")
    async def predict() -> Response:
        return Response(body, media_type="application/json")

    run(lambda _: app, "127.0.0.1", 0, tell=tell)


@contextmanager
def running(
    name: str, place: Path, given: Mapping[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    """Start a server; yield its port and its process id."""
    command = [sys.executable, __file__, "--alone", f"{name}={place}"]
    environment = {**os.environ, **UNLIMITED, **(given or {})}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        address = process.stdout.readline().strip()
        yield int(address.rpartition(":")[2]), process.pid
    finally:
        process.terminate()
        process.wait()


def bars(key: str) -> Iterator[bytes]:
    """Give requests with a bar of the session after the last one stored, each another close."""
    for number in count():
        close = 2500 + number / 1000
        bar = f'"open": 2500, "high": {close + 20}, "low": 2480, "close": {close}'
        yield request(f"{{{bar}}}", key)


def asked_anew(server: tuple[int, int], key: str, requests: int, name: str) -> dict[str, float]:
    """Ask at each rate with bars of their own; return median and 99th percentile."""
    port, process = server
    found, asked = {}, bars(key)
    connection = Connection(port)
    for _ in range(5):
        connection.ask(next(asked))
    before, answered = worked(process), 0
    for rate in RATES:
        taken = at_a_rate(port, asked, rate, max(2, requests * rate // RATES[0]))
        answered += len(taken)
        for part, place in (("", 49), ("_p99", 98)):
            found[f"{name}_new_{rate}{part}"] = quantiles(taken, n=100)[place]
    return {**found, f"{name}_new_cpu": (worked(process) - before) / answered}


def worked(process: int) -> float:
    """Return the seconds that a process has been on a processor."""
    spent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")


def peak_of(process: int) -> float | None:
    """Return a process's peak memory in MB; None where the system does not say."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def compare(requests: int, rounds: int, folder: Path) -> None:
    key = prepare(folder / "home")
    asked = request(key=key)
    with ExitStack() as servers:
        ours = servers.enter_context(running(OURS, folder / "home"))
        started = perf_counter()
        answer = Connection(ours[0]).ask(asked)
        first = perf_counter() - started
        (folder / "answer.json").write_bytes(answer)
        sides = {OURS: ours, BARE: servers.enter_context(running(BARE, folder / "answer.json"))}
        assert Connection(sides[BARE][0]).ask(asked) == answer
        one: dict[str, list[float]] = {name: [] for name in sides}
        many: dict[str, list[float]] = {name: [] for name in sides}
        spent = dict.fromkeys(sides, 0.0)
        for _ in range(rounds):
            for name, (port, process) in sides.items():
                before = worked(process)
                one[name] += latencies(port, asked, requests)
                many[name].append(per_request(port, asked, 2 * requests, CONNECTIONS))
                spent[name] += worked(process) - before
        new = asked_anew(ours, key, requests // 6, OURS)
        memory = {name: peak_of(process) for name, (_, process) in sides.items()}
    if (why := missing()) is None:
        new |= at_scale(folder / "home", key, requests // 6)
    else:
        mention(f"left out: PostgreSQL and Redis, for want of {why}")
    seconds = {name: quantiles(taken, n=100)[49] for name, taken in one.items()}
    seconds |= {f"{name}_p99": quantiles(taken, n=100)[98] for name, taken in one.items()}
    seconds |= {f"{name}_of_{CONNECTIONS}": min(found) for name, found in many.items()}
    seconds |= {f"{name}_cpu": taken / rounds / requests / 3 for name, taken in spent.items()}
    for name in one:
        print(f"{name}: {1 / min(many[name]):,.0f} requests/s by {CONNECTIONS} connections")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    ends = ("_p99", f"_of_{CONNECTIONS}", "_cpu")
    report("serve", {**seconds, f"{OURS}_first": first, **new}, memory, ends)


def at_scale(home: Path, key: str, requests: int) -> dict[str, float]:
    """Ask a server whose ledger is on PostgreSQL, and which counts in Redis."""
    with running_postgres() as database, running_redis() as redis:
        copy(home, database)
        given = {"TRUECAST_DATABASE_URL": database, "TRUECAST_REDIS_URL": redis}
        with running(OURS, home, given) as server:
            return asked_anew(server, key, requests, f"{OURS}_at_scale")


def main() -> None:
    given = arguments(rows=3_000, rounds=5)
    if given.alone:
        name, _, place = given.alone.partition("=")
        {OURS: serve_truecast, BARE: serve_bare}[name](Path(place))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(given.rows, given.rounds, Path(folder))


if __name__ == "__main__":
    main()
