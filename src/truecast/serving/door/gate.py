"""Every request and every WebSocket passes here before any route is looked for.

In this order: the key is recognised (401), it is good for what is asked (403), it has not asked
too often (429), what is sent is not coded (415) and not too large (413). What is behind it sees
the name of the key, never the key; and ``HEAD`` as ``GET``, whose body the server leaves out.
"""

import asyncio
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from truecast.serving.door.access import Access, Admitted, Headers, RefusedError, deny, refuse_key
from truecast.serving.door.bodies import CLOSE, Bodies, Body, refuse_size
from truecast.serving.door.classes import STREAM, class_of
from truecast.serving.door.keys import Key, without_keys
from truecast.serving.kinds import BUSY, HTTP, KEY, MEDIA

#: Requests that are worked on at once: each holds memory.
CONCURRENT = 256
#: An answer that is larger goes out in parts of this size, each once the one before has been read.
PART = 256 * 1024
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
        self._bodies = Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hold one WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            scope, body, admitted = await self._admit(scope, receive)
        except RefusedError as refused:
            if any(name in _SIZES and value != b"0" for name, value in scope["headers"]):
                refused.headers.append(CLOSE)
            await deny(refused, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._hold(admitted.key, scope, receive, send)
        else:
            await self._answer(admitted, body, scope, receive, send)

    async def _answer(
        self, admitted: Admitted, body: Body | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request that was let in."""
        started = False

        async def say(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", ()), *admitted.headers]}
            elif len(message.get("body", b"")) > PART:
                await _send_in_parts(message, send)
                return
            await send(message)

        self._busy += 1
        try:
            await self._app(scope, receive if body is None else body.receive, say)
        except RefusedError as refused:
            if started:
                raise
            # A body that was too large, read before any route was looked for.
            await deny(refused, scope, receive, say)
        finally:
            self._busy -= 1
            if body is not None:
                body.let_go()

    async def _admit(self, scope: Scope, receive: Receive) -> tuple[Scope, Body | None, Admitted]:
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
            return scope, None, admitted
        if scope["method"] == "HEAD":
            scope["method"] = "GET"
        if self._busy >= CONCURRENT:
            raise RefusedError(BUSY, f"{CONCURRENT} requests are being worked on")
        if seen.coded:
            raise RefusedError(
                MEDIA, "the body is coded", what_to_do="send it without Content-Encoding"
            )
        if seen.length > of.largest_body:
            refuse_size(f"the body is {seen.length} bytes", of)
        if seen.chunked or seen.length:
            return scope, Body(receive, of, admitted.headers, self._bodies), admitted
        return scope, None, admitted

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

    __slots__ = ("chunked", "coded", "length", "others", "secret", "subprotocols")

    def __init__(self, scope: Scope) -> None:
        self.secret: str | None = None
        self.length, self.chunked, self.coded = 0, False, False
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
        if b"=" in scope["query_string"]:
            _refuse_key_in_address(scope["query_string"])

    def _look(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":
            if not value.isdigit() or len(value) > 18:
                raise RefusedError(HTTP, "Content-Length is no number of bytes")
            self.length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise RefusedError(HTTP, "Transfer-Encoding is something else than chunked")
            self.chunked = True
        elif name == b"content-encoding":
            self.coded = value.lower() != b"identity"
        elif name == b"x-api-key":
            self._take(value.decode("latin-1").strip())
        elif name == b"authorization":
            scheme, _, secret = value.decode("latin-1").strip().partition(" ")
            self._take(secret.strip() if scheme.lower() == "bearer" else "")

    def _take(self, secret: str) -> None:
        if self.secret is not None and secret != self.secret:
            refuse_key("two keys were sent that are not the same")
        self.secret = secret

    def _look_at_protocols(self, offered: Iterable[str]) -> None:
        for one in offered:
            if one.startswith(_KEY_PROTOCOL):
                self._take(one.removeprefix(_KEY_PROTOCOL))
            else:
                self.subprotocols.append(one)
        if self.subprotocols:
            value = ", ".join(self.subprotocols).encode("latin-1", "replace")
            self.others.append((b"sec-websocket-protocol", value))


_SIZES = frozenset({b"content-length", b"transfer-encoding"})
_LOOKED_AT = _SIZES | {
    *(b"authorization", b"x-api-key", b"sec-websocket-protocol", b"content-encoding"),
}


def _refuse_key_in_address(query: bytes) -> None:
    said = query.decode("latin-1")
    plain = unquote(said)
    named = any(name == "key" for name, _ in parse_qsl(said, keep_blank_values=True))
    if named or without_keys(plain) != plain:
        refuse_key("a key in the address ends up in histories and logs, so none is taken there")


async def _send_in_parts(message: Message, send: Send) -> None:
    """Send a large body so that no more of it than a part waits to be read."""
    body, more = message["body"], message.get("more_body", False)
    last = len(body) - PART
    for start in range(0, len(body), PART):
        part = {**message, "body": body[start : start + PART]}
        await send({**part, "more_body": more or start < last})
