"""What passes the gate, and when: driven without a server."""

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from truecast.serving.door import gate
from truecast.serving.door.gate import Gate

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/predict",
    "query_string": b"",
    "headers": [(b"content-length", b"10")],
}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await Response(await Request(scope, receive).body())(scope, receive, send)


def answer(*messages: dict[str, Any]) -> tuple[int, dict[bytes, bytes], bytes]:
    """Send these messages and then nothing more; return status, headers and body."""
    sent: list[Any] = []
    waiting = [*messages]

    async def receive() -> Any:
        if waiting:
            return waiting.pop(0)
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Gate(echo)(SCOPE, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.05)
    status, headers, body = answer(part(b"{", more=True))
    assert (status, headers[b"connection"]) == (408, b"close")
    assert json.loads(body)["type"] == "/docs#slow"


def test_a_body_may_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 5.0)
    assert answer(part(b"12345", more=True), part(b"67890", more=False))[::2] == (
        200,
        b"1234567890",
    )
