"""The stream of forecasts as clients meet it: a server of its own, WebSockets over loopback."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from forecasts import make_numbered
from served import Trained
from truecast.database.engine import open_database
from truecast.ledger.ledger import Ledger

SOAK = bool(os.environ.get("TRUECAST_SOAK"))
CLIENTS = 1_000 if SOAK else 50
PATIENCE = 300
SERVE = [sys.executable, "-m", "truecast", "serve", "--port", "0"]

UPGRADE = (
    b"GET /ws/market-stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@dataclass(frozen=True)
class Running:
    """A server, and the ledger that it tails."""

    process: subprocess.Popen[str]
    port: int
    ledger: Ledger

    def stream(self, query: str = "", **given: Any) -> connect:
        address = f"ws://127.0.0.1:{self.port}/ws/market-stream{query}"
        return connect(address, compression=None, **given)


@contextmanager
def running(home: Path) -> Iterator[Running]:
    environment = {**os.environ, "TRUECAST_HOME": str(home), "TRUECAST_LIMIT_STREAM": "9999/minute"}
    with (home / "stderr").open("w") as errors:
        process = subprocess.Popen(
            SERVE, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().strip().rpartition(":")[2])
            ledger = Ledger(open_database(f"sqlite:///{home.absolute() / 'truecast.db'}"))
            yield Running(process, port, ledger)
        finally:
            process.kill()
            process.communicate()
    printed = (home / "stderr").read_text()
    assert "Traceback" not in printed, printed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server without a model, whose ledger others write to."""
    with running(tmp_path_factory.mktemp("stream")) as one:
        yield one


async def next_of(client: ClientConnection, kind: str, seconds: float = 60) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        while True:
            message = json.loads(await client.recv())
            if message["type"] == kind:
                return message


async def updates(client: ClientConnection, count: int) -> list[int]:
    return [(await next_of(client, "market_update"))["seq"] for _ in range(count)]


def write(server: Running, count: int, **changes: Any) -> range:
    """Write forecasts that are not there yet; return their numbers."""
    first = server.ledger.newest_seq() + 1
    server.ledger.write([make_numbered(first + n, mode="replay", **changes) for n in range(count)])
    return range(first, first + count)


def test_what_another_process_writes_arrives(server: Running) -> None:
    async def scene() -> None:
        async with server.stream("?instrument=%5EGSPC&recipe=small%40sample") as client:
            answer = await next_of(client, "subscribed")
            assert (answer["instrument"], answer["recipe"]) == ("^GSPC", "small@sample")
            assert answer["slots"] == 0  # nothing is served yet
            started = time.monotonic()
            expected = write(server, 3)
            assert await updates(client, 3) == list(expected)
            assert time.monotonic() - started < 5
            # Of another recipe, and then one that is wanted.
            write(server, 1, recipe="other")
            assert await updates(client, 0) == []
            (last,) = write(server, 1)
            update = await next_of(client, "market_update")
            assert update["seq"] == last
            assert set(update) == {"type", "timestamp", "seq", "data", "forecast"}
            assert update["data"] == {
                **{"instrument": "^GSPC", "price": 2485.74, "volume": None},
                **{"target": "price", "horizon": 1, "prediction": 2500.0 + last},
                "probability": None,
                "confidence": update["forecast"]["confidence"],
                "signal_strength": update["forecast"]["signal_strength"],
            }
            stored = server.ledger.after(last - 1, 1).forecasts[0][1]
            issued = json.loads(stored.model_dump_json())
            assert {name: update["forecast"][name] for name in issued} == issued

    asyncio.run(scene())


def test_a_client_resumes_where_it_was(server: Running) -> None:
    async def scene() -> None:
        before = server.ledger.newest_seq()
        expected = list(write(server, 450))  # more than a page, over a quarter of a megabyte
        async with server.stream(f"?after={before}") as client:
            assert (await next_of(client, "subscribed"))["seq"] == before
            assert await updates(client, 300) == expected[:300]
        async with server.stream(f"?after={expected[299]}") as client:
            expected += write(server, 50)
            assert await updates(client, 200) == expected[300:]
            # Asked anew on the same connection.
            await client.send(json.dumps({"subscribe": {"after": expected[0]}}))
            assert (await next_of(client, "subscribed"))["seq"] == expected[0]
            assert await updates(client, 499) == expected[1:]
            await client.send('{"subscribe": {"instrument": "AAPL"}}')
            await next_of(client, "subscribed")
            write(server, 1)
            (apple,) = write(server, 1, instrument="AAPL")
            assert await updates(client, 1) == [apple]

    asyncio.run(scene())


BAD_QUERIES = {
    "?after=-1": "after: Input should be greater than or equal to 0",
    "?after=x": "after: Input should be a valid integer",
    "?after=99999999": "after=99999999: the last number that was written is ",
    "?since=3": "since: Extra inputs are not permitted",
    "?after=1&after=2": "a key of the query is given twice",
    f"?instrument={'A' * 5_000}": "instrument: String should have at most 200 characters",
    "?instrument=%00": "instrument: ",
    "?recipe=": "recipe: String should have at least 1 character",
}


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_query_that_is_not_valid_is_refused(server: Running, query: str) -> None:
    async def scene() -> None:
        async with server.stream(query) as client:
            with pytest.raises(ConnectionClosed) as closed:
                await next_of(client, "market_update")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        assert BAD_QUERIES[query] in closed.value.rcvd.reason

    asyncio.run(scene())


BAD_COMMANDS: dict[str | bytes, tuple[int, str]] = {
    "hello": (1007, "expected {"),
    "": (1007, "expected {"),
    "[" * 4_000: (1007, "expected {"),
    "[]": (1008, "should be an object"),
    '{"subscribe": {"instrument": "^GSPC", "colour": 1}}': (1008, "subscribe.colour"),
    '{"unsubscribe": {}}': (1008, "subscribe: Field required"),
    '{"subscribe": {"after": "1"}}': (1008, "subscribe.after: Input should be a valid integer"),
    '{"subscribe": {"after": 1e400}}': (1008, "subscribe.after"),
    '{"subscribe": {"instrument": "\\u0000"}}': (1008, "subscribe.instrument"),
    '{"subscribe": {"after": 1, "after": 2}}': (1008, "'after' is said more than once"),
    b"\x00\x01": (1003, "got binary data"),
    "x" * 5_000: (1009, "exceeds limit"),
    "x" * 1_000_000: (1009, "exceeds limit"),
}


@pytest.mark.parametrize("command", BAD_COMMANDS, ids=lambda one: repr(one[:30]))
def test_a_command_that_is_not_valid_is_refused(server: Running, command: str | bytes) -> None:
    code, reason = BAD_COMMANDS[command]

    async def scene() -> None:
        async with server.stream() as client:
            await next_of(client, "subscribed")
            with suppress(ConnectionClosed):
                await client.send(command)
            with pytest.raises(ConnectionClosed) as closed:
                await next_of(client, "market_update")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code
        assert reason in closed.value.rcvd.reason

    asyncio.run(scene())


def test_frames_that_break_the_protocol_end_it(server: Running) -> None:
    masked = b"\x81\x82\x00\x00\x00\x00"
    for sent, code in [
        (b"\x81\x02{}", 1002),  # not masked
        (masked + b"\xff\xff", 1007),  # not UTF-8
        (b"\x01\x80\x00\x00\x00\x00" + b"\x00\x80\x00\x00\x00\x00" * 100, 1009),  # empty frames
        ((b"\x81\x90\x00\x00\x00\x00" + b'{"subscribe":{}}') * 100, 1008),  # all at once
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # of no known kind
        (b"\x81\xff" + b"\x7f" * 8 + b"\x00" * 4, 1009),  # eight exabytes
    ]:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(UPGRADE)
            received = b""
            while b"subscribed" not in received:
                received += client.recv(65536)
            client.sendall(sent)
            received = b""
            while part := client.recv(65536):
                received += part
        at = received.index(b"\x88")
        assert int.from_bytes(received[at + 2 : at + 4]) == code


def test_an_address_without_end_is_refused(server: Running) -> None:
    async def scene() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await server.stream(f"?instrument={'A' * 10_000}")
        assert refused.value.response.status_code == 431

    asyncio.run(scene())


def test_a_page_of_others_gets_nothing(server: Running) -> None:
    async def scene() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await server.stream(origin="https://evil.example")
        assert refused.value.response.status_code == 400
        async with server.stream(subprotocols=["truecast"]) as client:
            assert client.subprotocol == "truecast"

    asyncio.run(scene())


def test_many_clients_get_everything_in_order(server: Running) -> None:
    async def one(begun: asyncio.Semaphore, number: int, expected: list[int]) -> None:
        async with begun:
            client = await server.stream(open_timeout=60)
        async with client:
            await next_of(client, "subscribed")
            ready.append(number)
            came = [await next_of(client, "market_update", PATIENCE) for _ in expected]
            assert [message["seq"] for message in came] == expected

    ready: list[int] = []

    async def scene() -> None:
        first = server.ledger.newest_seq() + 1
        expected = list(range(first, first + 200))
        begun = asyncio.Semaphore(20)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(one(begun, number, expected))
            while len(ready) < CLIENTS:
                await asyncio.sleep(0.01)
            for _ in range(10):
                await asyncio.to_thread(write, server, 20)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as web:
            assert (await web.get("/health")).status_code == 200

    asyncio.run(scene())


def _memory(process: int) -> int:
    """Return how much memory a process has, in bytes."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        pytest.skip("the system does not say how much memory a process has")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def test_one_who_stops_reading_is_dropped_within_ten_seconds(server: Running) -> None:
    """Others go on meanwhile, and the server keeps little for it."""

    async def scene() -> None:
        async with server.stream() as other:
            await next_of(other, "subscribed")
            write(server, 200)
            await updates(other, 200)
            before = _memory(server.process.pid)
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            stopped, written, seen = time.monotonic(), 0, 0.0
            while time.monotonic() - stopped < 10:
                expected = list(await asyncio.to_thread(write, server, 200))
                assert await updates(other, 200) == expected
                written += 200
                seen = max(seen, _memory(server.process.pid) - before)
                if not _is_connected(server, writer):
                    break
            assert time.monotonic() - stopped < 10
            assert written > 400
            assert seen < 64 * 1024**2
            writer.transport.abort()

    asyncio.run(scene())


def _is_connected(server: Running, writer: asyncio.StreamWriter) -> bool:
    """Ask the system whether the server still holds the other end."""
    port = writer.get_extra_info("sockname")[1]
    ends = (f"0100007F:{server.port:04X}", f"0100007F:{port:04X}")
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        parts = line.split()
        if tuple(parts[1:3]) == ends and parts[3] == "01":
            return True
    return False


def test_pings_that_nobody_reads_the_answers_of_take_no_memory(server: Running) -> None:
    async def scene() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        before = _memory(server.process.pid)
        pings = (b"\x89\xfd\x00\x00\x00\x00" + b"p" * 125) * 1_000
        stopped, most = time.monotonic(), 0
        with suppress(ConnectionError):
            while _is_connected(server, writer):
                assert time.monotonic() - stopped < 10
                writer.write(pings)
                async with asyncio.timeout(10):
                    await writer.drain()
                most = max(most, _memory(server.process.pid) - before)
        assert most < 32 * 1024**2

    asyncio.run(scene())


def test_told_to_stop_it_says_so_to_every_client(tmp_path: Path) -> None:
    async def scene(server: Running) -> None:
        clients = [await server.stream() for _ in range(20)]
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(UPGRADE)  # never reads
        for client in clients:
            await next_of(client, "subscribed")
        server.process.send_signal(signal.SIGTERM)
        for client in clients:
            with pytest.raises(ConnectionClosed) as closed:
                await next_of(client, "market_update")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
        assert await asyncio.to_thread(server.process.wait, 15) == 0
        writer.transport.abort()
        await asyncio.sleep(0.05)

    with running(tmp_path) as server:
        asyncio.run(scene(server))


def test_a_prediction_arrives_with_the_volume_of_its_bar(prepared: Trained, tmp_path: Path) -> None:
    async def scene(server: Running) -> None:
        async with server.stream("?recipe=small") as client:
            assert (await next_of(client, "subscribed"))["slots"] == 2
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as web:
                answer = (await web.post("/predict", json={"target": "direction"})).json()
            update = await next_of(client, "market_update")
        assert update["forecast"] == answer
        assert update["data"]["prediction"] == answer["prediction"]
        assert update["data"]["probability"] == answer["probability"]
        assert update["data"]["signal_strength"] == 2 * answer["probability"] - 1
        # As the sample has it for 2018-12-31.
        assert update["data"]["price"] == pytest.approx(2506.85)
        assert update["data"]["volume"] == pytest.approx(3442870000)

    with running(prepared.copied(tmp_path / "home").home) as server:
        asyncio.run(scene(server))
