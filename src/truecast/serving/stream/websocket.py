"""The server's side of a WebSocket, through which a frame that is ready goes as it is."""

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import SecurityError
from websockets.frames import Frame

from truecast.serving.door.protocol import plain_answer
from truecast.serving.kinds import HEAD, HTTP

#: Under this name a connection is found among the extensions of its scope.
EXTENSION = "truecast.connection"
#: How often a client is asked for a sign of life, and how long it may take to give one. Together
#: with the next it makes 8: a client that stops reading is gone within 10 seconds.
PING_SECONDS, PONG_SECONDS = 3.0, 4.0
#: How long what is still to be sent may take once a connection is to end.
_LEAVING_SECONDS = 1.0
#: A client that leaves more bytes than this lying gets no more until it has read them.
BACKLOG = 256 * 1024
#: Frames of one message, and messages that wait to be looked at: empty ones take memory too.
MOST_FRAMES = 64
MOST_WAITING = 64


class Connection(WebSocketsSansIOProtocol):
    """One client. What is kept for it is bounded, and for how long, whatever it does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=BACKLOG)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # Nobody else would say anything.
            kind, detail = HTTP, "a WebSocket is opened by GET over HTTP/1.1"
            if isinstance(self.conn.handshake_exc.__cause__, SecurityError):
                kind, detail = HEAD, "the address or a header is over 8192 bytes"
            self.transport.write(plain_answer(kind, detail))
            self.transport.close()

    @property
    def is_behind(self) -> bool:
        """Whether it has not read what it was sent."""
        return not self.writable.is_set()

    async def caught_up(self) -> None:
        """Wait until it has read most of what it was sent, or is gone."""
        await self.writable.wait()

    def write(self, frames: bytes) -> None:
        """Send whole frames. A client that is about to go gets none."""
        if not (self.close_sent or self.transport.is_closing()):
            self.transport.write(frames)

    def handle_cont(self, event: Frame) -> None:
        """Take a part of a message, unless it has too many."""
        if self.close_sent:
            return
        if len(self.frames) >= MOST_FRAMES:
            self._refuse(1009, f"a message has at most {MOST_FRAMES} frames")
        else:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Hand a message on, if it is what it says."""
        if self.close_sent:
            self.frames = []
            return
        if self.queue.qsize() >= MOST_WAITING:
            self._refuse(1008, f"over {MOST_WAITING} messages at once")
            return
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                # Whoever sends that should not fill the log with tracebacks.
                self._refuse(1007, "the text is not UTF-8")
                return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer, unless the answers to the last ones are not read."""
        if self.is_behind:
            self.conn.data_to_send()
        else:
            super().handle_ping()

    def keepalive_timeout(self) -> None:
        """Let go of a client that does not answer."""
        super().keepalive_timeout()
        self._leave()

    async def run_asgi(self) -> None:
        """Run the application for this connection; then let go of it, read or not."""
        extensions = self.scope["extensions"]
        assert extensions is not None  # noqa: S101 - there is one always
        extensions[EXTENSION] = self  # type: ignore[assignment]  # it is no dictionary
        await super().run_asgi()
        self._leave()

    def _refuse(self, code: int, reason: str) -> None:
        self.frames = []
        self.conn.send_close(code, reason)
        self.handle_parser_exception()

    def _leave(self) -> None:
        # Closing waits for what is still to be sent: for ever if nobody reads it.
        self.loop.call_later(_LEAVING_SECONDS, self.transport.abort)
