"""A vendor of our own on 127.0.0.1: it answers what a test has scripted, and keeps what was asked.

A test takes the fixture ``vendor`` and queues answers, ``vendor.answer(b"...", status=429)``, or
sets ``vendor.respond`` to a function from the request to the answer. A request that nothing is
scripted for gets a 501 and fails the test at its end.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from truecast.sources.http import waiting
from truecast.sources.http.traffic import SHARED


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; ``headers`` by lower-case name, ``params`` unescaped."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Scripted:
    """An answer to give.

    ``delay`` seconds pass before it. ``drip`` seconds pass between single bytes of the body.
    ``cut`` bytes of the body are sent, then the connection ends although more was announced.
    ``silent``: the connection ends without an answer.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0
    drip: float = 0
    cut: int | None = None
    silent: bool = False


class Vendor:
    """The scripted server."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.unexpected: list[Asked] = []
        self.respond: Callable[[Asked], Scripted | None] = lambda _: None
        self._queue: deque[Scripted] = deque()
        self._stopping = threading.Event()
        vendor = self

        class Handler(_Handler):
            owner = vendor

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    @property
    def netloc(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.netloc}"

    def answer(self, body: bytes | str | dict | list = b"", **about: Any) -> None:
        """Queue an answer; a dict or a list is sent as JSON. ``about``: as of ``Scripted``."""
        headers = dict(about.pop("headers", {}))
        if isinstance(body, dict | list):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        self._queue.append(Scripted(body, headers=headers, **about))

    def next_for(self, asked: Asked) -> Scripted:
        """Note a request and return the answer to it."""
        self.asked.append(asked)
        scripted = self._queue.popleft() if self._queue else self.respond(asked)
        if scripted is None:
            self.unexpected.append(asked)
            return Scripted(b"nothing is scripted", status=501)
        return scripted

    def wait(self, seconds: float) -> None:
        """Wait, unless the server is being stopped."""
        self._stopping.wait(seconds)

    def stop(self) -> None:
        """End the server and its connections."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        SHARED.forget(self.netloc)


class _Handler(BaseHTTPRequestHandler):
    owner: Vendor
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = Asked(
            path=parts.path,
            params=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        scripted = self.owner.next_for(asked)
        self.owner.wait(scripted.delay)
        if scripted.silent:
            self.close_connection = True
            return
        self.send_response(scripted.status)
        headers = {"Content-Length": str(len(scripted.body)), **scripted.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        try:
            self.end_headers()
            self._send_body(scripted)
        except OSError:  # the client has gone, as it may
            self.close_connection = True

    def _send_body(self, scripted: Scripted) -> None:
        body = scripted.body if scripted.cut is None else scripted.body[: scripted.cut]
        if scripted.drip:
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                self.owner.wait(scripted.drip)
        else:
            self.wfile.write(body)
        self.close_connection = self.close_connection or scripted.cut is not None

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """A scripted server whose address may be asked; nothing waits between requests."""
    monkeypatch.setenv("TRUECAST_PRIVATE_HOSTS", "127.0.0.1")
    monkeypatch.setattr(waiting, "pause", lambda _: None)
    server = Vendor()
    yield server
    server.stop()
    assert not server.unexpected, server.unexpected
