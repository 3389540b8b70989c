"""What every request passes: who is asked for, and what is said about the answer."""

import logging
from collections.abc import Collection

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class Guard:
    """Refuse foreign names, add headers, and turn what nobody caught into a problem document.

    Parameters
    ----------
    app : ASGI application
        That answers.
    hosts : collection of str
        Names that it goes by, without port.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def say(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = [*message.get("headers", ()), *_HEADERS]
                if not any(name == _POLICY[0] for name, _ in headers):
                    headers.append(_POLICY)
                message = {**message, "headers": headers}
            await send(message)

        path = scope["path"][:200]
        host = _host(scope)
        if host not in self._hosts:
            await respond(HOST, f"asked for host {host[:100]!r}", path)(scope, receive, say)
            return
        try:
            await self._app(scope, receive, say)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception:
            _log.exception("%s %s", scope["method"], path)
            if started:
                raise
            detail = "an unexpected error; the output of the server says more"
            await respond(FAILED, detail, path)(scope, receive, say)


def _host(scope: Scope) -> str:
    """Return the name that a request asks for, without port."""
    for name, value in scope["headers"]:
        if name == b"host":
            text: str = value.decode("latin-1").lower()
            bracketed, bracket, _ = text.partition("]")
            return bracketed + bracket if bracket else text.partition(":")[0].rstrip(".")
    return ""
