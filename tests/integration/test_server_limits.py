"""What a real server does with heads and bodies that are too large, and what it prints."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from truecast.core.settings import Settings
from truecast.database.engine import open_database
from truecast.serving.door.keys import Keys

#: Stands where secrets do in the settings, and in an error that nobody expected.
CANARY = "c4n4ry" * 7 + "x"
CODE = """
import sys
from truecast.core.settings import load_settings
from truecast.serving.runner import serve
from truecast.serving.service import Service
from truecast.serving.door import bodies, limiting, protocol

def fail(self):
    raise RuntimeError(f"unexpected: {sys.argv[1]} at redis://me:{sys.argv[2]}@host")

Service.index = fail
protocol.HEAD_SECONDS = 1.0
protocol.BODY_SECONDS = 1.5
protocol.READ_SECONDS = 1.5
bodies.MOST_HELD = 4_000_000
limiting.WRONG_KEYS = "1000/minute"
serve(load_settings(), "127.0.0.1", 0, tell=lambda address: print(address, flush=True))
"""
HEAD = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
MIB = 1024 * 1024


@dataclass(frozen=True)
class Server:
    """A server in a process of its own, and a key that it knows."""

    process: subprocess.Popen[str]
    port: int
    secret: str

    @property
    def key(self) -> bytes:
        return f"X-API-Key: {self.secret}\r\n".encode()

    def ask(self, *parts: bytes, then: Iterable[bytes] = ()) -> tuple[bytes, int]:
        """Send parts, and return the answer and how much of the rest could be sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as asking:
            asking.sendall(b"".join(parts))
            sent = 0
            try:
                for part in then:
                    asking.sendall(part)
                    sent += len(part)
            except OSError:
                pass  # it has hung up
            answer = b""
            try:
                while more := asking.recv(65_536):
                    answer += more
            except OSError:
                pass
            return answer, sent

    def largest_memory(self) -> int:
        """Return the most bytes that the process has held at once."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server")
    _, secret = Keys(open_database(Settings(home=home).database)).add("desk", "write", "a test")
    secrets = {
        "TRUECAST_HOME": str(home),
        "TRUECAST_REDIS_URL": f"redis://me:{CANARY}@127.0.0.1:1/0",
        "TRUECAST_FINNHUB_KEY": CANARY,
        "TRUECAST_ALPHAVANTAGE_KEY": CANARY,
        "TRUECAST_OANDA_TOKEN": CANARY,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, secret, CANARY],
        env=os.environ | secrets,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    yield Server(process, int(address.rpartition(":")[2]), secret)
    process.kill()
    process.communicate()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_body_of_a_hundred_megabytes_is_refused_at_once(server: Server) -> None:
    before = server.largest_memory()
    length = b"Content-Length: 100000000\r\n\r\n"
    started = time.perf_counter()
    answer, _ = server.ask(b"POST /predict HTTP/1.1\r\n", HEAD, server.key, JSON, length)
    assert time.perf_counter() - started < 5
    assert status(answer) == 413
    assert b"the body is 100000000 bytes, expected at most 1 MiB" in answer
    chunk = b"%x\r\n%s\r\n" % (100_000, b" " * 100_000)
    answer, sent = server.ask(
        b"POST /predict HTTP/1.1\r\n",
        *(HEAD, server.key, JSON, b"Transfer-Encoding: chunked\r\n\r\n"),
        then=(chunk for _ in range(1000)),
    )
    assert not answer or status(answer) == 413
    assert sent < 50 * MIB  # what fits into the buffers of both sides
    assert server.largest_memory() - before < 16 * MIB


def test_an_ordinary_client_hears_why_its_body_is_refused(server: Server) -> None:
    headers = {"X-API-Key": server.secret, "Content-Type": "application/json"}
    url = f"http://localhost:{server.port}/predict"
    answer = httpx.post(url, headers=headers, content=b" " * 2 * MIB, timeout=20)
    assert answer.status_code == 413
    assert answer.json()["what_to_do"] == "send at most 1 MiB"


def test_a_client_hears_that_there_is_no_room_for_its_body_and_goes_on(server: Server) -> None:
    headers = {"X-API-Key": server.secret, "Content-Type": "application/json"}
    with httpx.Client(base_url=f"http://localhost:{server.port}", headers=headers) as client:
        for _ in range(2):
            answer = client.post("/bars", content=b" " * 8 * MIB, timeout=20)
            assert answer.status_code == 503
            assert answer.json()["type"] == "/docs#busy"
            assert answer.headers["retry-after"] == "1"
            assert client.post("/bars", content=b" " * 3 * MIB, timeout=20).status_code == 422


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 33_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 101 + b"\r\n",
        b"GET /" + b"x" * 33_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["one header", "many headers", "the address"],
)
def test_a_head_that_is_too_large_is_refused(server: Server, head: bytes) -> None:
    answer, _ = server.ask(head)
    assert status(answer) == 431
    assert b"over 32768 bytes, or 100 headers" in answer
    assert b"connection: close" in answer


def test_a_head_that_fits_is_taken(server: Server) -> None:
    close = b"Connection: close\r\n\r\n"
    many = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 280) for number in range(95))
    answer, _ = server.ask(b"GET /health HTTP/1.1\r\n", HEAD, server.key, many, close)
    assert status(answer) == 200


@pytest.mark.parametrize("start", [b"X: ", b""], ids=["a header", "the address"])
def test_a_head_that_never_ends_is_cut_off(server: Server, start: bytes) -> None:
    before = server.largest_memory()
    begin = b"GET /health HTTP/1.1\r\n" + HEAD + start if start else b"GET /"
    answer, sent = server.ask(begin, then=(b"x" * 100_000 for _ in range(1000)))
    assert not answer or status(answer) == 431
    assert sent < 50 * MIB
    assert server.largest_memory() - before < 16 * MIB


@pytest.mark.parametrize("begin", [b"", b"GET /health HTTP/1.1\r\nHost:"])
def test_who_does_not_end_a_head_is_not_waited_for(server: Server, begin: bytes) -> None:
    started = time.perf_counter()
    answer, _ = server.ask(begin)
    assert answer == b""
    assert 0.9 < time.perf_counter() - started < 5


def test_a_second_head_on_a_connection_is_waited_for_as_long(server: Server) -> None:
    with httpx.Client(base_url=f"http://localhost:{server.port}") as client:
        client.headers["X-API-Key"] = server.secret
        for _ in range(3):
            assert client.get("/health").status_code == 200
        time.sleep(1.2)  # nothing has begun, so the connection is kept
        assert client.get("/health").status_code == 200
    ask = b"GET /health HTTP/1.1\r\n" + HEAD + server.key
    answer, _ = server.ask(ask, b"\r\n", ask)
    assert answer.count(b"HTTP/1.1 200 OK") == 1


@pytest.mark.parametrize(
    "first",
    [
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nContent-Length: 1000\r\n\r\n",
        b"GET /predict HTTP/1.1\r\nContent-Length: 1000\r\n\r\n",
        b"GET /health HTTP/1.1\r\nContent-Length: 1000\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1000\r\n\r\n",
    ],
    ids=["nothing", "of no route", "of no method", "that is not read", "for another host"],
)
def test_who_goes_on_sending_little_after_the_answer_is_not_waited_for(
    server: Server, first: bytes
) -> None:
    """Empty lines, or the rest of a body that nobody reads."""
    line, _, rest = first.partition(b"\r\n")
    head = b"%s\r\n%s%s" % (line, server.key, rest if b"Host" in rest else HEAD + rest)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as asking:
        started = time.perf_counter()
        asking.sendall(head)
        assert asking.recv(65_536).startswith(b"HTTP/1.1 ")
        with suppress(ConnectionError):
            while time.perf_counter() - started < 10:
                asking.sendall(b"\r\n")
                time.sleep(0.1)
        assert 0.9 < time.perf_counter() - started < 5


def connections(server: Server) -> int:
    """Count the server's connections."""
    rows = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    at, established = f"0100007F:{server.port:04X}", "01"
    return sum(row.split()[1] == at and row.split()[3] == established for row in rows)


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"], ids=["more may come", "no more"])
def test_who_does_not_read_is_let_go(server: Server, last: bytes) -> None:
    many = [b"GET /openapi.json HTTP/1.1\r\n" + HEAD + server.key] * 50
    with socket.socket() as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asking.connect(("127.0.0.1", server.port))
        asking.sendall(b"\r\n".join([*many[:-1], many[-1] + last, b""]))
        time.sleep(0.5)
        assert connections(server) == 1
        started = time.perf_counter()
        while connections(server):
            assert time.perf_counter() - started < 10
            time.sleep(0.05)


def test_who_resets_a_connection_leaves_nothing_behind(server: Server) -> None:
    """No line in the log either: see the last test."""
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as asking:
            asking.sendall((b"GET /openapi.json HTTP/1.1\r\n" + HEAD + server.key + b"\r\n") * 50)
            asking.recv(10)
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with httpx.Client(base_url=f"http://localhost:{server.port}") as client:
        assert client.get("/health", headers={"X-API-Key": server.secret}).status_code == 200
    assert connections(server) == 0


def test_who_asks_far_ahead_is_stopped(server: Server) -> None:
    ask = b"GET /health HTTP/1.1\r\n" + HEAD + server.key + b"\r\n"
    answer, _ = server.ask(ask * 60, b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 60
    answer, _ = server.ask(ask * 5000)
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"connection: close" in answer


def test_what_was_asked_is_answered_before_what_is_no_http_is_refused(server: Server) -> None:
    ask = b"GET /health HTTP/1.1\r\n" + HEAD + server.key + b"\r\n"
    answer, _ = server.ask(ask, b"nonsense\r\n\r\n")
    assert status(answer) == 200
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer


@pytest.mark.parametrize(
    ("address", "host", "found"),
    [
        (b"http://evil.example/health", b"localhost", 400),
        (b"http://localhost/health", b"evil.example", 200),
        (b"http://[::1]:8000/health", b"evil.example", 200),
        (b"http://localhost@evil.example/health", b"localhost", 400),
    ],
)
def test_the_host_of_an_address_counts(
    server: Server, address: bytes, host: bytes, found: int
) -> None:
    close = b"Connection: close\r\n\r\n"
    asked = b"GET %s HTTP/1.1\r\nHost: %s\r\n" % (address, host)
    answer, _ = server.ask(asked, server.key, close)
    assert status(answer) == found


def test_what_follows_a_body_is_no_header(server: Server) -> None:
    begin = b"POST /predict HTTP/1.1\r\n" + HEAD + JSON
    chunked = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n"
    answer, _ = server.ask(begin, server.key, chunked, b"Host: evil.example\r\n\r\n")
    assert status(answer) == 503  # no champion yet
    answer, _ = server.ask(begin, chunked, server.key, b"\r\n")
    assert status(answer) == 401
    before = server.largest_memory()
    answer, sent = server.ask(
        begin, server.key, chunked, b"X: ", then=(b"x" * 100_000 for _ in range(1000))
    )
    assert not answer or status(answer) in (431, 503)
    assert sent < 50 * MIB
    assert server.largest_memory() - before < 16 * MIB


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"chunked, chunked", b"xchunked"])
def test_a_body_that_is_coded_for_its_way_is_refused(server: Server, coding: bytes) -> None:
    begin = b"POST /predict HTTP/1.1\r\n" + HEAD + JSON + server.key
    coded = b"Transfer-Encoding: %s\r\n\r\n2\r\n{}\r\n0\r\n\r\n" % coding
    answer, _ = server.ask(begin, coded)
    assert status(answer) == 400


def test_a_websocket_that_is_opened_wrongly_is_told_so(server: Server) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    answer, _ = server.ask(b"POST /ws/market-stream HTTP/1.1\r\n", HEAD, upgrade, b"\r\n")
    assert status(answer) == 400
    assert b"opened by GET" in answer


def test_what_is_no_http_is_refused(server: Server) -> None:
    answer, _ = server.ask(b"nonsense\r\n\r\n")
    assert status(answer) == 400
    assert b"application/problem+json" in answer
    for length in (b"x", b"-1", b"9" * 5000):
        answer, _ = server.ask(
            b"POST / HTTP/1.1\r\n", HEAD, b"Content-Length: ", length, b"\r\n\r\n"
        )
        assert status(answer) == 400
    both = b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer, _ = server.ask(b"POST / HTTP/1.1\r\n", HEAD, both)
    assert status(answer) == 400


def test_forwarded_names_and_addresses_are_not_believed(server: Server) -> None:
    forwarded = b"X-Forwarded-Host: localhost\r\nX-Forwarded-For: 127.0.0.1\r\n"
    close = b"Connection: close\r\n\r\n"
    answer, _ = server.ask(
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n", forwarded, server.key, close
    )
    assert status(answer) == 400
    answer, _ = server.ask(b"GET / HTTP/1.1\r\n", HEAD, forwarded, close)
    assert status(answer) == 401


def test_no_secret_of_settings_or_keys_is_printed_or_answered(server: Server) -> None:
    """The last test here: it ends the server, to read all that it has printed."""
    answers = []
    with httpx.Client(base_url=f"http://localhost:{server.port}") as client:
        for secret in (server.secret, f"tc_{'0' * 12}_{CANARY}", CANARY):
            paths = ["/", "/health", "/train-parent"]
            if secret != CANARY:  # which looks like any other word in an address
                paths += [f"/{secret}", f"/health?key={secret}"]
            for path in paths:
                for headers in ({"X-API-Key": secret}, {"Authorization": f"Bearer {secret}"}):
                    answers.append(client.get(path, headers=headers))
                    answers.append(client.post(path, headers=headers))
    assert {answer.status_code for answer in answers} >= {200, 401, 403, 404, 500}
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    nonce = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    offered = f"Sec-WebSocket-Protocol: truecast.key.{CANARY}\r\n\r\n".encode()
    answer, _ = server.ask(b"GET /ws/market-stream HTTP/1.1\r\n", HEAD, upgrade, nonce, offered)
    assert status(answer) == 401
    assert CANARY.encode() not in answer
    server.process.send_signal(signal.SIGTERM)
    printed, errors = server.process.communicate(timeout=20)
    assert "RuntimeError: unexpected: tc_" in errors
    assert "Redis does not answer" in errors
    # What strangers can cause without end is not printed.
    assert "ASGI callable" not in errors
    assert "Invalid HTTP" not in errors
    assert "TCPTransport closed" not in errors
    shown = [printed, errors, *(f"{answer.text}{answer.headers}" for answer in answers)]
    for secret in (server.secret[-43:], CANARY):
        assert not [text for text in shown if secret in text]
