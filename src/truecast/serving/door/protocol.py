"""HTTP/1.1 as uvicorn speaks it, with limits on what comes before a body.

Uvicorn's faster parser takes a head of any size, and waits for its end for ever: memory and
connections could be had by whoever reaches the port, before any key is asked for.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from truecast.serving.kinds import HEAD, HTTP, Kind
from truecast.serving.problems import MEDIA_TYPE, respond

#: Bytes of the first line and all headers, and headers.
LARGEST_HEAD = 32 * 1024
MOST_HEADERS = 100
#: From the connection, or a first byte, to the end of the head.
HEAD_SECONDS = 10.0


class Protocol(HttpToolsProtocol):
    """One connection; uvicorn makes it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, with a head that has to come."""
        super().connection_made(transport)
        self._heads = self._received = self._size = 0
        self._in_head = self._large = False
        self._late: asyncio.TimerHandle | None = None
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        heads = self._heads
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        # One header that never ends is seen by nobody but the parser. Data in which a head begins
        # may have a body before it, and is not much.
        self._received += len(data) if heads == self._heads else 0
        if self._received > LARGEST_HEAD:
            self._large = True
            self.send_400_response("")
        elif self._late is None:
            self._wait_for_head()

    def on_message_begin(self) -> None:
        """Take a new head."""
        super().on_message_begin()
        self._in_head = True
        self._heads += 1
        self._received = self._size = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the first line."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Take the end of the head."""
        self._in_head = False
        self._wait_no_more()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - named by uvicorn
        """Say what is wrong with a head, and end."""
        kind, detail = (HEAD, f"over {LARGEST_HEAD} bytes, or {MOST_HEADERS} headers")
        if not self._large:
            kind, detail = HTTP, "this is not HTTP/1.1"
        self._wait_no_more()
        self.transport.write(plain_answer(kind, detail))
        self.transport.close()

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > LARGEST_HEAD or len(self.headers) > MOST_HEADERS:
            self._large = True
            raise ValueError("the head is too large")  # which ends the parser's work

    def _wait_for_head(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def plain_answer(kind: Kind, detail: str) -> bytes:
    """Return a problem as the bytes of an answer, for a request that no application sees."""
    body = bytes(respond(kind, detail, "").body)
    head = (
        f"HTTP/1.1 {kind.status} {kind.title}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\nx-content-type-options: nosniff\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
