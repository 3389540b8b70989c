"""Made-up chart documents in the shape of Yahoo's, and a server that plays Yahoo with them."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from vendors.server import Asked, Scripted

META = {
    "currency": "USD",
    "symbol": "AAPL",
    "exchangeName": "NMS",
    "instrumentType": "EQUITY",
    "firstTradeDate": 345479400,
    "gmtoffset": -18000,
    "timezone": "EST",
    "exchangeTimezoneName": "America/New_York",
    "regularMarketPrice": 100.0,
    "priceHint": 2,
    "dataGranularity": "1d",
    "validRanges": ["1d", "5d", "1mo", "max"],
}


def stamp(text: str) -> int:
    """Unix seconds of a UTC time such as ``2026-03-02T14:30``."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def chart(
    stamps: Sequence[str],
    closes: Sequence[float | None],
    *,
    events: dict | None = None,
    adjusted: Sequence[float | None] | None = None,
    **meta,
) -> dict:
    """A document with a bar a stamp: one dollar wide, opening half a dollar below its close."""

    def moved(by: float) -> list[float | None]:
        return [None if close is None else close + by for close in closes]

    result = {
        "meta": META | meta,
        "timestamp": [stamp(text) for text in stamps],
        "indicators": {
            "quote": [
                {
                    "open": moved(-0.5),
                    "high": moved(0.25),
                    "low": moved(-0.75),
                    "close": list(closes),
                    "volume": [None if close is None else 1000 for close in closes],
                }
            ],
            "adjclose": [{"adjclose": list(closes if adjusted is None else adjusted)}],
        },
    }
    if events:
        result["events"] = events
    return {"chart": {"result": [result], "error": None}}


def refusal(code: str, description: str) -> dict:
    """A document without bars."""
    return {"chart": {"result": None, "error": {"code": code, "description": description}}}


class Yahoo:
    """Gives out cookie and crumb as Yahoo does, and for prices what the test says.

    Parameters
    ----------
    answer : Scripted, dict or callable
        The answer about prices, or a function from the request to it.
    crumb : Scripted
        The answer about the crumb.
    """

    def __init__(
        self,
        answer: Scripted | dict | Callable[[Asked], Scripted],
        crumb: Scripted = Scripted(b"crumb-canary"),  # noqa: B008 - it is frozen
    ) -> None:
        self.answer, self.crumb = answer, crumb
        self.charts: list[Asked] = []

    def __call__(self, asked: Asked) -> Scripted:
        if asked.path == "/v1/test/getcrumb":
            return self.crumb
        if not asked.path.startswith("/v8/finance/chart/"):
            cookie = {"Set-Cookie": "A3=d=made-up; Path=/"}
            return Scripted(b"<html>nothing here</html>", status=404, headers=cookie)
        self.charts.append(asked)
        answer = self.answer(asked) if callable(self.answer) else self.answer
        if isinstance(answer, dict):
            json_type = {"Content-Type": "application/json;charset=utf-8"}
            return Scripted(json.dumps(answer).encode(), headers=json_type)
        return answer
