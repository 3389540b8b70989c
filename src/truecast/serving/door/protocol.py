"""HTTP/1.1 as uvicorn speaks it, with limits on what comes before and after a body, and how slowly.

Uvicorn's faster parser takes a head of any size, and waits for its end for ever; for the rest of a
body that nobody reads, and for a client that does not read, it waits as long. Memory and
connections could be had by whoever reaches the port, before any key is asked for.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from truecast.serving.kinds import BUSY, HEAD, HTTP, Kind
from truecast.serving.problems import respond

#: Bytes of the first line and all headers, and headers.
LARGEST_HEAD = 32 * 1024
MOST_HEADERS = 100
#: From the connection, or a first byte, to the end of the head.
HEAD_SECONDS = 10.0
#: From there to the end of the body. Who reads the body says sooner that it is late.
BODY_SECONDS = 40.0
#: How long a client may take to read what it was sent.
READ_SECONDS = 60.0
#: Requests that a client may send before the first of them is answered: each holds memory.
MOST_AHEAD = 64
#: Connections at once, WebSockets too.
MOST_CONNECTIONS = 4096


class Protocol(HttpToolsProtocol):
    """One connection; uvicorn makes it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, with a head that has to come."""
        super().connection_made(transport)
        self._steps = self._received = self._size = 0
        self._in_head = self._in_body = self._upgraded = False
        self._wrong: tuple[Kind, str] | None = None
        self._running: RequestResponseCycle | None = None
        #: When what is to be sent is late, and when what is to be read.
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        if len(self.connections) > MOST_CONNECTIONS:
            self._wrong = BUSY, f"{MOST_CONNECTIONS} connections are open"
            self.send_400_response("")
        else:
            self._wait(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and tell the request that is being answered; uvicorn tells the last one alone."""
        self._wait_no_more()
        self._stop_watching()
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        steps = self._steps
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            return
        # What never ends is seen by nobody but the parser: a header, a trailer. Data in which a
        # head begins may have a body before it, and is not much.
        self._received = self._received + len(data) if steps == self._steps else 0
        if self._received > LARGEST_HEAD and (self._in_head or self._in_body):
            self._wrong = _TOO_LARGE
            self.send_400_response("")
        elif self._late is None:
            if self._in_body:
                self._wait(BODY_SECONDS)
            elif self._in_head or self.cycle is None or self.cycle.response_complete:
                # Empty lines count as the beginning of a head.
                self._wait(HEAD_SECONDS)

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket."""
        self._upgraded = True
        self._wait_no_more()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Take a new head."""
        super().on_message_begin()
        self._in_head = True
        self._steps += 1
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the first line."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a body says nothing here, whatever its name."""
        if self._in_head:
            super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Take the end of the head."""
        self._in_head, self._in_body = False, True
        self._wait_no_more()
        if len(self.pipeline) >= MOST_AHEAD:
            self._wrong = BUSY, f"over {MOST_AHEAD} requests wait on this connection"
            raise ValueError("too many requests ahead")  # which ends the parser's work
        if not self.url.startswith(b"/"):
            self._take_host_of_address()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._steps += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of the body."""
        self._in_body = False
        self._wait_no_more()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request; or let go of the client, once it has read the answer."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection on which nothing more comes."""
        super().timeout_keep_alive_handler()
        self._watch()

    def pause_writing(self) -> None:
        """Note that the client does not read as fast as it is sent."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Note that it has read."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_watching()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - named by uvicorn
        """Say what is wrong with what came, and end; what was asked before is answered first."""
        self._wait_no_more()
        running = self._running
        if running is not None and not (running.response_complete or running.more_body):
            running.keep_alive = False
            self.pipeline.clear()
            self.flow.pause_reading()
            return
        kind, detail = self._wrong or (HTTP, "this is not HTTP/1.1")
        self.transport.write(plain_answer(kind, detail))
        self.transport.close()
        self._watch()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _take_host_of_address(self) -> None:
        """Let the host of ``GET http://host/path`` count, and no header beside it."""
        asked = httptools.parse_url(self.url)
        if asked.host is not None:
            host = b"[%s]" % asked.host if b":" in asked.host else asked.host
            port = b"" if asked.port is None else b":%d" % asked.port
            self.headers[:] = [one for one in self.headers if one[0] != b"host"]
            self.headers.append((b"host", host + port))

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > LARGEST_HEAD or len(self.headers) > MOST_HEADERS:
            self._wrong = _TOO_LARGE
            raise ValueError("the head is too large")  # which ends the parser's work

    def _wait(self, seconds: float) -> None:
        if self._late is None:
            self._late = self.loop.call_later(seconds, self._give_up)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self.transport.close()
        self._watch()

    def _watch(self) -> None:
        """Let go of a client that does not read. Closing alone waits until it has."""
        if self._unread is None:
            self._unread = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def _stop_watching(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


_TOO_LARGE = HEAD, f"over {LARGEST_HEAD} bytes, or {MOST_HEADERS} headers"


def plain_answer(kind: Kind, detail: str) -> bytes:
    """Return a problem as the bytes of an answer, for a request that no application sees."""
    said = respond(kind, detail, "")
    more = b"".join(b"%s: %s\r\n" % one for one in said.raw_headers)
    head = (
        f"HTTP/1.1 {kind.status} {kind.title}\r\nx-content-type-options: nosniff\r\n"
        "connection: close\r\n"
    )
    return head.encode("ascii") + more + b"\r\n" + bytes(said.body)
