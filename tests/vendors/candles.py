"""Made-up candles in the shape of OANDA's, and a server that plays OANDA with them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from vendors.server import Asked, Scripted


def candle(start: datetime, mid: float = 1.1, *, complete: bool = True, **about) -> dict:
    """One candle from its start; the spread is 0.0002."""

    def side(shift: float) -> dict[str, str]:
        moves = {"o": 0.0, "h": 0.001, "l": -0.001, "c": 0.0005}
        return {name: f"{mid + move + shift:.5f}" for name, move in moves.items()}

    return {
        "complete": complete,
        "volume": 132,
        "time": start.strftime("%Y-%m-%dT%H:%M:%S.000000000Z"),
        "bid": side(-0.0001),
        "mid": side(0),
        "ask": side(0.0001),
        **about,
    }


def document(candles: Iterable[dict], symbol: str = "EUR_USD", granularity: str = "M1") -> dict:
    """What OANDA answers."""
    return {"instrument": symbol, "granularity": granularity, "candles": list(candles)}


def asked_span(asked: Asked) -> tuple[datetime, datetime]:
    """From when to when was asked."""
    first, last = (
        datetime.strptime(asked.params[name], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        for name in ("from", "to")
    )
    return first, last


class Oanda:
    """Answers a window out of candles of its own, as OANDA does.

    ``now``: what it takes for the present. Its last candle is not complete until it has ended.
    """

    def __init__(self, starts: Iterable[datetime], step: timedelta, now: datetime) -> None:
        self.starts, self.step, self.now = sorted(starts), step, now

    def __call__(self, asked: Asked) -> Scripted:
        first, last = asked_span(asked)
        if last > self.now:
            return _refused("Invalid value specified for 'to'. Time is in the future")
        if (last - first) / self.step > 5000:
            return _refused("Maximum value for 'count' exceeded")
        found = [
            candle(start, 1 + (place % 500) / 1e4, complete=start + self.step <= self.now)
            for place, start in enumerate(self.starts)
            if first <= start < last
        ]
        body = json.dumps(document(found, granularity=asked.params["granularity"])).encode()
        return Scripted(body, headers={"Content-Type": "application/json", "RequestID": "7"})


def _refused(message: str) -> Scripted:
    return Scripted(f'{{"errorMessage":"{message}"}}'.encode(), status=400)
