"""What passes the gate, and when: driven without a server."""

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from truecast.serving.door import bodies
from truecast.serving.door.gate import PART, Gate

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
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)
    status, headers, body = answer(part(b"{", more=True))
    assert (status, headers[b"connection"]) == (408, b"close")
    assert json.loads(body)["type"] == "/docs#slow"


def test_a_body_may_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 5.0)
    assert answer(part(b"12345", more=True), part(b"67890", more=False))[::2] == (
        200,
        b"1234567890",
    )


# --- bodies together


class Asking:
    """A request to a gate, whose body comes when the test says so."""

    def __init__(self, gate: Gate, path: str) -> None:
        self.parts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[Any] = []
        scope = {**SCOPE, "path": path, "headers": [(b"transfer-encoding", b"chunked")]}

        async def send(message: Any) -> None:
            self.sent.append(message)

        self.task = asyncio.ensure_future(gate(scope, self.parts.get, send))

    async def say(self, size: int, *, more: bool) -> None:
        await self.parts.put(part(b" " * size, more=more))
        for _ in range(10):
            await asyncio.sleep(0)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None


def test_large_bodies_have_room_together_and_questions_do_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "MOST_HELD", 3_000_000)

    async def scene() -> None:
        gate = Gate(echo)
        first, second, third = (Asking(gate, "/bars") for _ in range(3))
        await first.say(2_000_000, more=True)
        await second.say(900_000, more=True)
        await second.say(200_000, more=False)
        assert second.status == 503
        headers = dict(second.sent[0]["headers"])
        assert headers[b"retry-after"] == b"1"
        assert b"connection" not in headers  # what still comes is dropped
        assert json.loads(second.sent[1]["body"])["type"] == "/docs#busy"
        # What it held has been given back, and what is small needs no room.
        await third.say(1_000_000, more=False)
        question = Asking(gate, "/predict")
        await question.say(50_000, more=False)
        await first.say(1_000, more=False)
        await asyncio.gather(*(one.task for one in (first, second, third, question)))
        assert (first.status, third.status, question.status) == (200, 200, 200)
        last = Asking(gate, "/bars")
        await last.say(3_000_000, more=False)
        await last.task
        assert last.status == 200

    asyncio.run(scene())


def test_a_client_that_goes_gives_its_room_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_HELD", 3_000_000)

    async def scene() -> None:
        gate = Gate(echo)
        for _ in range(5):
            gone = Asking(gate, "/bars")
            await gone.say(2_000_000, more=True)
            await gone.parts.put({"type": "http.disconnect"})
            with pytest.raises(ClientDisconnect):
                await gone.task

    asyncio.run(scene())


# --- answers


@pytest.mark.parametrize("size", [PART, PART + 1, 3 * PART, 3 * PART + 7])
def test_a_large_answer_goes_out_in_parts(size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    sent: list[Any] = []

    async def answer_it(scope: Any, receive: Any, send: Any) -> None:
        await Response(body)(scope, receive, send)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {**SCOPE, "method": "GET", "headers": []}
    asyncio.run(Gate(answer_it)(scope, None, send))  # type: ignore[arg-type]
    parts = sent[1:]
    assert b"".join(one["body"] for one in parts) == body
    assert max(len(one["body"]) for one in parts) <= PART
    assert [one.get("more_body", False) for one in parts] == [True] * (len(parts) - 1) + [False]
    assert dict(sent[0]["headers"])[b"content-length"] == b"%d" % size
