"""Answers from memory, before the framework: what is not there passes as it came."""

import asyncio
from typing import Any

import pytest

from truecast.serving.fast import Fast
from truecast.serving.schemas import Asked

JSON = (b"content-type", b"application/json")
Sent = list[dict[str, Any]]


async def _behind(scope: Any, receive: Any, send: Any) -> None:
    """Say how the request arrived."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "passed", "body": body})


def _asked(
    parts: list[bytes], peek: Any, *headers: tuple[bytes, bytes], **changes: Any
) -> tuple[Sent, list[Asked]]:
    """Send a request; return what is sent back, and what memory was asked for."""
    sent: Sent = []
    looked: list[Asked] = []
    waiting = [
        {"type": "http.request", "body": part, "more_body": place < len(parts) - 1}
        for place, part in enumerate(parts)
    ]

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    def looking(asked: Asked) -> bytes | None:
        looked.append(asked)
        found: bytes | None = peek(asked)
        return found

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "query_string": b"",
        "headers": [*headers],
    } | changes
    asyncio.run(Fast(_behind, looking)(scope, receive, send))
    return sent, looked


@pytest.mark.parametrize("body", [b"", b'{"target": "price"}', b' {"predict_tomorrow":true} '])
def test_what_is_in_memory_goes_out_as_it_is(body: bytes) -> None:
    sent, looked = _asked([body], lambda _: b'{"said": 1}', JSON)
    assert sent == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"11"), (b"content-type", b"application/json")],
        },
        {"type": "http.response.body", "body": b'{"said": 1}'},
    ]
    assert looked == [Asked.model_validate_json(body) if body else Asked()]


@pytest.mark.parametrize(
    ("parts", "changes"),
    [
        ([b'{"target": "price"}'], {"headers": []}),  # 415 is the route's to say
        ([b'{"target": "price"}'], {"headers": [(b"content-type", b"text/plain")]}),
        ([b"{"], {}),
        ([b'{"no": 1}'], {}),
        ([b'{"tar', b'get": "price"}'], {}),
        ([b" " * 2000], {}),
        ([b""], {"method": "GET"}),
        ([b""], {"path": "/predict/"}),
        ([b""], {"query_string": b"target=price"}),
    ],
)
def test_all_else_passes_as_it_came(parts: list[bytes], changes: dict[str, Any]) -> None:
    sent, looked = _asked(parts, lambda _: b"{}", JSON, **changes)
    assert sent == [{"type": "passed", "body": b"".join(parts)}]
    assert looked == []


def test_what_is_not_in_memory_passes() -> None:
    body = b'{"target": "price"}'
    sent, looked = _asked([body], lambda _: None, JSON)
    assert sent == [{"type": "passed", "body": body}]
    assert looked == [Asked(target="price")]
