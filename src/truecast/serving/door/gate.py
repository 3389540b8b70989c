"""Every request and every WebSocket passes here before any route is looked for.

In this order: the key is recognised (401), it is good for what is asked (403), it has not asked
too often (429), and what is sent is not too large (413). What is behind it sees the name of the
key, never the key.
"""

import asyncio
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from truecast.serving.door.access import Access, Admitted, Headers, RefusedError, deny, refuse_key
from truecast.serving.door.classes import STREAM, RouteClass, class_of
from truecast.serving.door.keys import Key
from truecast.serving.kinds import BUSY, HTTP, KEY, SLOW, TOO_LARGE

#: Requests that are worked on at once: each holds memory.
CONCURRENT = 256
#: How long a client may take to send a body: each one that waits is one of those.
BODY_SECONDS = 30.0
#: How often it is looked whether a WebSocket's key is still good.
HELD_SECONDS = 5.0
#: A browser can send a key with a WebSocket in no other way than as a name of a subprotocol.
_KEY_PROTOCOL = "truecast.key."


class Gate:
    """Refuse what may not pass; see the top of the module.

    Parameters
    ----------
    app : ASGI application
        That answers.
    access : Access, optional
        Without it everybody may ask everything; only sizes are looked at.
    """

    def __init__(self, app: ASGIApp, access: Access | None = None) -> None:
        self._app, self._access = app, access
        self._busy = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hold one WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            scope, receive, admitted = await self._admit(scope, receive)
        except RefusedError as refused:
            if any(name in _SIZES and value != b"0" for name, value in scope["headers"]):
                refused.headers.append(_CLOSE)
            await deny(refused, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._hold(admitted.key, scope, receive, send)
            return

        started = False

        async def say(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", ()), *admitted.headers]}
            await send(message)

        self._busy += 1
        try:
            await self._app(scope, receive, say)
        except RefusedError as refused:
            if started:
                raise
            # A body that was too large, read before any route was looked for.
            await deny(refused, scope, receive, say)
        finally:
            self._busy -= 1

    async def _admit(self, scope: Scope, receive: Receive) -> tuple[Scope, Receive, Admitted]:
        websocket = scope["type"] == "websocket"
        of = STREAM if websocket else class_of(scope["method"], scope["path"])
        seen = _Seen(scope)
        admitted = Admitted(None, [])
        if self._access is not None:
            client = scope.get("client")
            address = client[0] if client else ""
            admitted = await self._access.admit(of, seen.secret, address)
        scope = {**scope, "headers": seen.others, "state": {**scope.get("state", {})}}
        scope["state"]["actor"] = admitted.actor
        if websocket:
            scope["subprotocols"] = seen.subprotocols
            return scope, receive, admitted
        if self._busy >= CONCURRENT:
            raise RefusedError(BUSY, f"{CONCURRENT} requests are being worked on")
        if seen.length > of.largest_body:
            _refuse_size(f"the body is {seen.length} bytes", of)
        if seen.chunked or seen.length:
            receive = _watched(receive, of, admitted.headers)
        return scope, receive, admitted

    async def _hold(self, key: Key | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a WebSocket for as long as its key is good."""
        held = asyncio.ensure_future(self._app(scope, receive, send))
        try:
            while not held.done():
                await asyncio.wait({held}, timeout=HELD_SECONDS)
                if self._access is not None and not await self._access.still_admits(key):
                    break
            if held.done():
                held.result()
                return
        finally:
            held.cancel()
            await asyncio.wait({held})
        await send({"type": "websocket.close", "code": 1008, "reason": KEY.title})


class _Seen:
    """What the headers of a request say, read in one go."""

    __slots__ = ("chunked", "length", "others", "secret", "subprotocols")

    def __init__(self, scope: Scope) -> None:
        self.secret: str | None = None
        self.length, self.chunked = 0, False
        self.others: Headers = []
        self.subprotocols: list[str] = []
        for header in scope["headers"]:
            name, value = header
            if name in _LOOKED_AT:
                self._look(name, value)
                if name not in _SIZES:
                    continue
            self.others.append(header)
        if scope["type"] == "websocket":
            self._look_at_protocols(scope.get("subprotocols", ()))
        if b"key=" in scope["query_string"]:
            _refuse_key_in_address(scope["query_string"])

    def _look(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":
            if not value.isdigit() or len(value) > 18:
                raise RefusedError(HTTP, "Content-Length is no number of bytes")
            self.length = int(value)
        elif name == b"transfer-encoding":
            self.chunked = True
        elif name == b"x-api-key":
            self.secret = value.decode("latin-1").strip()
        elif name == b"authorization":
            scheme, _, secret = value.decode("latin-1").strip().partition(" ")
            self.secret = secret.strip() if scheme.lower() == "bearer" else ""

    def _look_at_protocols(self, offered: Iterable[str]) -> None:
        for one in offered:
            if one.startswith(_KEY_PROTOCOL):
                self.secret = one.removeprefix(_KEY_PROTOCOL)
            else:
                self.subprotocols.append(one)
        if self.subprotocols:
            value = ", ".join(self.subprotocols).encode("latin-1", "replace")
            self.others.append((b"sec-websocket-protocol", value))


_SIZES = frozenset({b"content-length", b"transfer-encoding"})
#: What was not read of a body is not waited for.
_CLOSE = (b"connection", b"close")
_LOOKED_AT = _SIZES | {b"authorization", b"x-api-key", b"sec-websocket-protocol"}


def _refuse_key_in_address(query: bytes) -> None:
    if any(name == "key" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)):
        refuse_key("a key in the address ends up in histories and logs, so none is taken there")


def _refuse_size(detail: str, of: RouteClass) -> NoReturn:
    most = f"at most {of.largest_body // 1024**2} MiB"
    raise RefusedError(TOO_LARGE, f"{detail}, expected {most}", what_to_do=f"send {most}")


def _watched(receive: Receive, of: RouteClass, said: Headers) -> Receive:
    """Refuse a body as soon as it is too large, and one that takes too long."""
    size, whole = 0, False
    deadline = asyncio.get_running_loop().time() + BODY_SECONDS

    async def watch() -> Message:
        nonlocal size, whole
        if whole:
            return await receive()  # until the client goes away
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            said.append(_CLOSE)
            raise RefusedError(SLOW, f"the body took over {BODY_SECONDS:g} seconds") from None
        size += len(message.get("body", b""))
        if size > of.largest_body:
            said.append(_CLOSE)
            _refuse_size("the body is larger", of)
        whole = not message.get("more_body", False)
        return message

    return watch
