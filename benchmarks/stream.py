"""One message to 1,000 WebSockets, beside Starlette, and what one that stops reading costs others.

Each server is a process of its own; the clients are this one. `starlette` sends one text that is
ready to each client in turn. `truecast` makes the message of a forecast and sends it to all who
want it. Both flush once a message, under the same server and settings.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import IPPROTO_TCP, socket
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any

import uvloop
from _measure import OURS, arguments, report

THEIRS = "starlette"
MESSAGES, MANY = 40, 1_000
#: Of the part about the client that stops reading: how often a forecast is written, for how long.
A_SECOND = 10
SECONDS, SECONDS_OF_FEW = 10, 2
UPGRADE = (
    b"GET /ws/market-stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
CLOSE = datetime(2018, 12, 28, 21, 0, tzinfo=UTC)


def forecast(number: int) -> Any:
    from truecast.core.forecast import Forecast, forecast_id

    values: dict[str, Any] = {
        **{"slot": "bench@sample:~5EGSPC:price:1", "recipe": "bench", "recipe_hash": "a" * 64},
        **{"source": "sample", "instrument": "^GSPC", "interval": "1d", "target": "price"},
        **{"horizon": 1, "mode": "replay", "event_time": CLOSE, "as_of": CLOSE},
        **{"issued_at": CLOSE, "due_at": CLOSE + timedelta(seconds=number + 1)},
        **{"today_date": CLOSE.date(), "predicted_date": CLOSE.date(), "last_close": 2485.74},
        **{"prediction": 2500.0 + number, "lower": 2400.0, "upper": 2600.0, "coverage": 0.9},
        **{"probability": None, "baseline": 2485.74, "baseline_probability": None},
        **{"baseline_name": "naive", "skill": "no skill shown", "model_name": "ridge"},
        **{"model_type": "ridge", "model_version": "v0123456789ab", "trained_through": CLOSE},
        **{"features_used": 4, "input_hash": "b" * 64, "simulated": False, "degraded": False},
        **{"reason": None, "latency_ms": 1.5},
    }
    names = ("slot", "as_of", "due_at", "model_version", "mode", "input_hash")
    return Forecast(id=forecast_id(*(values[name] for name in names)), **values)


class Sides:
    """What a server does when it is told to: one of the two sides."""

    def __init__(self, name: str, folder: Path) -> None:
        from truecast.database.engine import open_database
        from truecast.ledger.ledger import Ledger
        from truecast.serving.stream.hub import Hub
        from truecast.serving.stream.messages import tell

        self._tell, self.name = tell, name
        self.ledger = Ledger(open_database(f"sqlite:///{folder / name}.db"))
        self.hub = Hub(self.ledger)
        self.clients: set[Any] = set()
        self.said = forecast(0)
        self.seq = 10**9
        frame = tell(self.seq, self.said, None).frame
        self.text = frame[4:].decode()

    async def serve(self, websocket: Any) -> None:
        from truecast.serving.routes.stream import serve_stream

        if self.name == OURS:
            await serve_stream(self.hub, websocket)
            return
        await websocket.accept()
        self.clients.add(websocket)
        while (await websocket.receive())["type"] != "websocket.disconnect":
            pass
        self.clients.discard(websocket)

    async def send(self, count: int) -> None:
        """Send messages to all, each flushed before the next; say what it took of the processor."""
        started = process_time()
        for _ in range(count):
            if self.name == OURS:
                self.seq += 1
                self.hub.broadcast([self._tell(self.seq, self.said, None)], self.seq)
            else:
                for websocket in self.clients:
                    await websocket.send_text(self.text)
            await asyncio.sleep(0)
        print(json.dumps(["sent", process_time() - started]), flush=True)

    async def write(self, count: int) -> None:
        """Write forecasts at even distances; say when each was begun to be written."""
        begun, first, started = [], self.ledger.newest_seq(), perf_counter()
        for number in range(count):
            await asyncio.sleep(max(0.0, started + number / A_SECOND - perf_counter()))
            begun.append(perf_counter())
            await asyncio.to_thread(self.ledger.write, [forecast(first + number)])
        print(json.dumps(["begun", begun]), flush=True)

    async def count(self, _: int) -> None:
        print(json.dumps(["count", len(self.hub._clients)]), flush=True)


def serve(name: str, folder: Path) -> None:
    """Serve one side, and do what is said on the standard input."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    from truecast.serving.stream.websocket import PING_SECONDS, PONG_SECONDS, Connection

    allow_files()
    sides = Sides(name, folder)

    @asynccontextmanager
    async def listening(_: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        does: dict[str, Callable[[int], Awaitable[None]]] = {
            **{"send": sides.send, "write": sides.write, "count": sides.count}
        }

        def read() -> None:
            for line in sys.stdin:
                what, number = line.split()
                asyncio.run_coroutine_threadsafe(does[what](int(number)), loop)

        threading.Thread(target=read, daemon=True).start()
        yield

    routes = [WebSocketRoute("/ws/market-stream", sides.serve)]
    app = Starlette(routes=routes, lifespan=listening)
    with socket(proto=IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(
            app,
            ws=Connection if name == OURS else "websockets-sansio",
            ws_per_message_deflate=False,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PONG_SECONDS,
            log_level="warning",
        )
        uvicorn.Server(config).run(sockets=[listener])


def allow_files() -> None:
    """Have as many files open as the system lets this user."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Client(asyncio.Protocol):
    """Notes when each message came, and answers pings."""

    def __init__(self, crowd: "Crowd") -> None:
        self.crowd = crowd
        self.came: list[float] = []
        self._rest = b""
        self._begun = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(UPGRADE)

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        data = self._rest + data if self._rest else data
        at = 0
        if not self._begun:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._rest = data
                return
            assert data.startswith(b"HTTP/1.1 101"), data
            self._begun = True
            self.crowd.begun += 1
        while (end := _end_of_frame(data, at)) <= len(data):
            kind = data[at] & 15
            if kind == 1 and data.find(b"market_update", at, at + 40) > 0:
                self.came.append(now)
                self.crowd.came += 1
            elif kind == 9:
                size = data[at + 1]
                self.transport.write(
                    bytes((0x8A, 0x80 | size)) + b"\0\0\0\0" + data[at + 2 : at + 2 + size]
                )
            at = end
        self._rest = data[at:]
        if self.crowd.came >= self.crowd.wanted:
            self.crowd.all_came.set()


def _end_of_frame(data: bytes, at: int) -> int:
    """Return where a frame ends; beyond the data if it is not all there."""
    if len(data) < at + 10:
        short = len(data) >= at + 2 and data[at + 1] < 126
        return at + 2 + data[at + 1] if short else len(data) + 1
    size = data[at + 1]
    if size < 126:
        return at + 2 + size
    if size == 126:
        return at + 4 + int.from_bytes(data[at + 2 : at + 4])
    return at + 10 + int.from_bytes(data[at + 2 : at + 10])


class Crowd:
    """All clients of one server, and the server's standard input and output."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.port = int(process.stdout.readline())
        self.clients: list[Client] = []
        self.begun = self.came = self.wanted = 0
        self.all_came = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._heard: dict[str, asyncio.Queue[Any]] = defaultdict(asyncio.Queue)

    async def connect(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        self._listening = self._listening or asyncio.create_task(self.listen())
        before = self.begun
        while len(self.clients) < before + count:
            few = min(50, before + count - len(self.clients))
            made = [
                loop.create_connection(lambda: Client(self), "127.0.0.1", self.port)
                for _ in range(few)
            ]
            self.clients += [client for _, client in await asyncio.gather(*made)]
            while self.begun < len(self.clients):
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.5)

    def tell(self, what: str, number: int = 0) -> None:
        self.process.stdin.write(f"{what} {number}\n")
        self.process.stdin.flush()

    async def hear(self, what: str) -> Any:
        return await self._heard[what].get()

    async def listen(self) -> None:
        """Sort what the server says."""
        while line := await asyncio.to_thread(self.process.stdout.readline):
            what, said = json.loads(line)
            self._heard[what].put_nowait(said)

    async def seconds_a_message(self) -> tuple[float, float]:
        """Return the seconds a message to all took, and how many of them the server worked."""
        self.wanted = self.came + MESSAGES * len(self.clients)
        self.all_came.clear()
        started = perf_counter()
        self.tell("send", MESSAGES)
        async with asyncio.timeout(120):
            await self.all_came.wait()
        taken = perf_counter() - started
        return taken / MESSAGES, await self.hear("sent") / MESSAGES

    async def latencies(self) -> list[float]:
        """Return the seconds from the writing of forecasts to their coming to each client."""
        count = A_SECOND * (SECONDS if len(self.clients) >= MANY else SECONDS_OF_FEW)
        for client in self.clients:
            client.came.clear()
        self.wanted = self.came + count * len(self.clients)
        self.all_came.clear()
        self.tell("write", count)
        begun = await self.hear("begun")
        async with asyncio.timeout(60):
            await self.all_came.wait()
        return [
            came - sent
            for client in self.clients
            for sent, came in zip(begun, client.came, strict=True)
        ]

    async def seconds_to_drop(self, present: int) -> float:
        """Let a client connect and stop reading; return how long the server kept it."""
        with socket() as stuck:
            stuck.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(stuck, ("127.0.0.1", self.port))
            await loop.sock_sendall(stuck, UPGRADE)
            await loop.sock_recv(stuck, 1024)
            started = perf_counter()
            while True:
                await asyncio.sleep(0.1)
                self.tell("count")
                if await self.hear("count") <= present and perf_counter() > started + 1:
                    return perf_counter() - started


@contextmanager
def running(name: str, folder: Path) -> Iterator[Crowd]:
    command = [sys.executable, __file__, "--alone", f"{name}={folder}"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        yield Crowd(process)
    finally:
        process.kill()
        process.wait()


def peak_of(process: int) -> float | None:
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


async def compare(clients: int, rounds: int, folder: Path) -> None:
    taken: dict[str, list[float]] = {OURS: [], THEIRS: []}
    worked: dict[str, list[float]] = {f"{name}_cpu": [] for name in taken}
    p99: dict[str, list[float]] = {"truecast_p99": [], "all_read_p99": []}
    dropped: list[float] = []
    with ExitStack() as servers:
        crowds = {name: servers.enter_context(running(name, folder)) for name in taken}
        for crowd in crowds.values():
            await crowd.connect(clients)
        for crowd in crowds.values():
            await crowd.seconds_a_message()  # warm
        for _ in range(rounds):
            for name, crowd in crowds.items():
                whole, own = await crowd.seconds_a_message()
                taken[name].append(whole)
                worked[f"{name}_cpu"].append(own)
        memory = {name: peak_of(crowd.process.pid) for name, crowd in crowds.items()}
    with running(OURS, folder) as crowd:
        await crowd.connect(clients)
        await crowd.latencies()  # warm
        for _ in range(max(1, rounds // 3)):
            p99["all_read_p99"].append(_p99(await crowd.latencies()))
            stuck = asyncio.create_task(crowd.seconds_to_drop(clients))
            found = await crowd.latencies()
            p99["truecast_p99"].append(_p99(found))
            dropped.append(await stuck)
    for name, found in taken.items():
        print(f"{name}: {clients / median(found):,.0f} messages delivered a second")
    print(f"a client that stopped reading was dropped after at most {max(dropped):.1f} s")
    seconds = {name: median(found) for name, found in (taken | worked | p99).items()}
    inputs = ("_cpu", "_p99", "_dropped")
    report("stream", {**seconds, "truecast_dropped": max(dropped)}, memory, inputs)


def _p99(found: list[float]) -> float:
    return quantiles(found, n=100)[98]


def main() -> None:
    given = arguments(rows=MANY, rounds=9)
    if given.alone:
        name, _, folder = given.alone.partition("=")
        serve(name, Path(folder))
        return
    allow_files()
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(compare(given.rows, given.rounds, Path(folder)))


if __name__ == "__main__":
    main()
