"""`POST /predict` on loopback, against a bare FastAPI application that returns the same bytes.

Each is a server in a process of its own, with the same settings. One connection asks for the
latency of a request (the median, and ``_p99``), eight at once for the rate (``_of_8``: seconds a
request). What is asked is the newest forecast, as nearly all requests do; ``truecast_first`` is
the first request after a new decision: it computes the features and the forecast and writes it
into the ledger.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_connection
from statistics import quantiles
from time import perf_counter

from _measure import OURS, arguments, report

BARE = "fastapi"
CONNECTIONS = 8
REQUEST = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"


def prepare(home: Path) -> None:
    """Train and promote the price model of the shipped recipe, refitted seldom."""
    from truecast.core.recipe import Recipe
    from truecast.core.recipe_files import load_recipe
    from truecast.core.settings import Settings
    from truecast.pipelines.champions import promote, train_slots
    from truecast.pipelines.stages import fetch_missing
    from truecast.pipelines.studies import Studies
    from truecast.serving.workspace import Workspace

    shipped = load_recipe("sp500-daily").model_dump(mode="json", by_alias=True)
    evaluate = {**shipped["evaluate"], "refit_every": 1000}
    targets = {"price": {"horizon": 1, "models": ["lightgbm"]}}
    recipe = Recipe.model_validate({**shipped, "evaluate": evaluate, "targets": targets})
    workspace = Workspace(Settings(home=home))
    fetch_missing(workspace, recipe)
    promote(workspace, recipe, train_slots(Studies(workspace, recipe)))


def tell(address: str) -> None:
    print(address, flush=True)


def serve_truecast(home: Path) -> None:
    from truecast.core.settings import Settings
    from truecast.serving.runner import serve

    serve(Settings(home=home), "127.0.0.1", 0, tell=tell)


def serve_bare(answer: Path) -> None:
    """Serve constant bytes as anyone would write it."""
    import socket

    import uvicorn
    from fastapi import FastAPI, Response

    body = answer.read_bytes()
    app = FastAPI()

    @app.post("/predict")
    async def predict() -> Response:
        return Response(body, media_type="application/json")

    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        tell(f"http://127.0.0.1:{listener.getsockname()[1]}")
        config = uvicorn.Config(app, http="h11", log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def running(name: str, place: Path) -> Iterator[tuple[int, int]]:
    """Start a server; yield its port and its process id."""
    command = [sys.executable, __file__, "--alone", f"{name}={place}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip()
        yield int(address.rpartition(":")[2]), process.pid
    finally:
        process.terminate()
        process.wait()


class Connection:
    """One kept connection, with as little in between as there can be."""

    def __init__(self, port: int) -> None:
        self._socket = create_connection(("127.0.0.1", port))

    def ask(self) -> bytes:
        self._socket.sendall(REQUEST)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._socket.recv(65536)
        head = received[:end].lower()
        assert head.startswith(b"http/1.1 200"), received
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(received) < end + 4 + length:
            received += self._socket.recv(65536)
        return received[end + 4 :]


def latencies(port: int, count: int) -> list[float]:
    """Return the seconds that each of so many requests took, one after another."""
    connection, taken = Connection(port), []
    connection.ask()
    for _ in range(count):
        started = perf_counter()
        connection.ask()
        taken.append(perf_counter() - started)
    return taken


def per_request(port: int, count: int) -> float:
    """Return the seconds a request when several connections ask at once: 1 over the rate."""
    connections = [Connection(port) for _ in range(CONNECTIONS)]

    def work(connection: Connection) -> None:
        for _ in range(count // CONNECTIONS):
            connection.ask()

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        started = perf_counter()
        list(threads.map(work, connections))
        return (perf_counter() - started) / (count // CONNECTIONS * CONNECTIONS)


def peak_of(process: int) -> float | None:
    """Return a process's peak memory in MB; None where the system does not say."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def compare(requests: int, rounds: int, folder: Path) -> None:
    prepare(folder / "home")
    with ExitStack() as servers:
        ours = servers.enter_context(running(OURS, folder / "home"))
        started = perf_counter()
        answer = Connection(ours[0]).ask()
        first = perf_counter() - started
        (folder / "answer.json").write_bytes(answer)
        sides = {OURS: ours, BARE: servers.enter_context(running(BARE, folder / "answer.json"))}
        assert Connection(sides[BARE][0]).ask() == answer
        one: dict[str, list[float]] = {name: [] for name in sides}
        many: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, (port, _) in sides.items():
                one[name] += latencies(port, requests)
                many[name].append(per_request(port, requests))
        memory = {name: peak_of(process) for name, (_, process) in sides.items()}
    seconds = {name: quantiles(taken, n=100)[49] for name, taken in one.items()}
    seconds |= {f"{name}_p99": quantiles(taken, n=100)[98] for name, taken in one.items()}
    seconds |= {f"{name}_of_{CONNECTIONS}": min(found) for name, found in many.items()}
    for name in one:
        print(f"{name}: {1 / min(many[name]):,.0f} requests/s by {CONNECTIONS} connections")
    report("serve", {**seconds, f"{OURS}_first": first}, memory)


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
