"""What every request passes first: who is asked for, by whose page, what is said of the answer."""

import logging
from collections.abc import Collection

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from truecast.serving.door.access import RefusedError, deny
from truecast.serving.door.keys import without_keys
from truecast.serving.kinds import FAILED, HOST
from truecast.serving.problems import respond

_log = logging.getLogger(__name__)

#: Names that only this machine goes by. Another name in a request means that a page of the web
#: was made to point here.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_STARTS = frozenset({"http.response.start", "websocket.http.response.start"})
#: They change nothing, so it does not matter whose page makes a browser ask.
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Refuse foreign names and pages, add headers, and turn what nobody caught into a problem.

    Parameters
    ----------
    app : ASGI application
        That answers.
    hosts : collection of str
        Names that it goes by, without port.
    origins : collection of str
        Pages of others that may ask, such as ``https://desk.example.com``.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str] = ()) -> None:
        self._app, self._hosts, self._origins = app, frozenset(hosts), frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hold one WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        started = False

        async def say(message: Message) -> None:
            nonlocal started
            if message["type"] in _STARTS:
                started = True
                headers = [*message.get("headers", ()), *_HEADERS]
                if not any(name == _POLICY[0] for name, _ in headers):
                    headers.append(_POLICY)
                message = {**message, "headers": headers}
            await send(message)

        path = without_keys(scope["path"])[:200]
        foreign = self._foreign(scope)
        if foreign is not None:
            await deny(RefusedError(HOST, foreign), scope, receive, say)
            return
        try:
            await self._app(scope, receive, say)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception:
            if scope["type"] == "websocket":
                raise
            _log.exception("%s %s", scope["method"], path)
            if started:
                raise
            detail = "an unexpected error; the output of the server says more"
            await respond(FAILED, detail, path)(scope, receive, say)

    def _foreign(self, scope: Scope) -> str | None:
        """Say why a request is none for this server, or from a page that may not ask it."""
        asked = origin = ""
        for name, value in scope["headers"]:
            if name == b"host":
                if asked:
                    return "asked for more than one host"
                asked = value.decode("latin-1").lower()
            elif name == b"origin":
                origin = value.decode("latin-1").lower()
        if _without_port(asked) not in self._hosts:
            return f"asked for host {asked[:100]!r}"
        if not origin or scope.get("method") in _READING or origin in self._origins:
            return None
        if origin.partition("://")[2] != asked:
            return f"asked by a page of {origin[:100]!r}"
        return None


def _without_port(host: str) -> str:
    bracketed, bracket, _ = host.partition("]")
    return bracketed + bracket if bracket else host.partition(":")[0].rstrip(".")
