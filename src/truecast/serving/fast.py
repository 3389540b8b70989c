"""Answers that are in memory go out at once: what is asked most never reaches the framework."""

from collections.abc import Callable
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from truecast.serving.http import JSON, parsed
from truecast.serving.problems import RequestError
from truecast.serving.schemas import NOTHING, Asked

#: Larger bodies are no questions that many ask alike.
_LARGEST = 1024
_KEPT = 4096
_TYPE = (b"content-type", JSON.encode())


class Fast:
    """Answer ``POST /predict`` from memory; let all else pass as it came.

    Parameters
    ----------
    app : ASGI application
        That answers the rest.
    peek : callable
        Takes what is asked, and returns the bytes of an answer that still holds, or None; never
        waits. See :meth:`truecast.serving.service.Service.peek`.
    """

    def __init__(self, app: ASGIApp, peek: Callable[[Asked], bytes | None]) -> None:
        self._app, self._peek = app, peek

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if not (
            scope["type"] == "http"
            and scope["path"] == "/predict"
            and scope["method"] == "POST"
            and not scope["query_string"]
        ):
            await self._app(scope, receive, send)
            return
        message = await receive()
        said = self._said(scope, message)
        if said is None:
            await self._app(scope, _again(message, receive), send)
            return
        headers = [(b"content-length", b"%d" % len(said)), _TYPE]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": said})

    def _said(self, scope: Scope, message: Message) -> bytes | None:
        body = message.get("body", b"")
        if message["type"] != "http.request" or message.get("more_body") or len(body) > _LARGEST:
            return None
        if body and not any(header == _TYPE for header in scope["headers"]):
            return None
        asked = _asked(body)
        return None if asked is None else self._peek(asked)


@lru_cache(_KEPT)
def _asked(body: bytes) -> Asked | None:
    """Read a question; None if it is for the route to refuse."""
    try:
        return parsed(body, Asked) if body else NOTHING
    except (ValueError, RequestError):
        return None


def _again(message: Message, receive: Receive) -> Receive:
    """Give what has been received once more, then what follows."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return message

    return again
