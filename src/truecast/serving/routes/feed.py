"""The routes by which bars and news come in, and the news that came last."""

from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from truecast.serving.door.classes import WRITE
from truecast.serving.feed.pushed import News, PushedBars, PushedNews, TakenBars, TakenNews
from truecast.serving.feed.pushes import Pushes
from truecast.serving.http import (
    JSON,
    answered,
    body_of,
    example,
    parsed,
    problems,
    read_body,
    read_json,
)
from truecast.serving.kinds import ASKED, FAILED, INVALID, MEDIA, TOO_LARGE, UNAVAILABLE

_Document = dict[str, Any]
_BAR = {"timestamp": "2018-12-31", "open": 2498.94, "high": 2509.24, "low": 2482.82}
_BAR |= {"close": 2506.85, "volume": 3442870000.0}
_MINUTE = {"timestamp": "2024-03-20T13:31:00Z", "open": 1.0861, "high": 1.0863, "low": 1.086}
_MINUTE |= {"close": 1.0862}
_BARS: _Document = {
    "daily": {
        "summary": "A session's bar",
        "value": {"instrument": "^GSPC", "bars": [_BAR]},
    },
    "minutes": {
        "summary": "Bars of a recipe that is yet to be trained, with its options",
        "value": {
            "instrument": "EUR_USD",
            "interval": "1m",
            "options": {"calendar": "FX"},
            "bars": [_MINUTE],
        },
    },
}
_TAKEN: _Document = {
    "instrument": "^GSPC",
    "interval": "1d",
    "source": "api",
    "received": 1,
    "added": 1,
    "revised": 0,
    "unchanged": 0,
    "duplicates": 0,
    "quarantined": {},
    "kept_out": [],
    "read_by": ["index"],
}
_ARTICLE: _Document = {
    "article": {
        "summary": "An article about an instrument",
        "value": {
            "headline": "Stocks rally as profits beat forecasts",
            "source": "A wire",
            "published_at": "2024-03-20T13:30:00Z",
            "instrument": "^GSPC",
        },
    }
}
_NEWS: _Document = {
    "time": "2024-03-20T13:30:00Z",
    "headline": "Stocks rally as profits beat forecasts",
    "source": "A wire",
    "sentiment": 0.82,
    "impact": "high",
    "url": None,
    "known_at": "2024-03-20T13:30:04Z",
    "instruments": ["^GSPC"],
    "scorer": "lexicon",
    "simulated": False,
}


def add_feed_routes(app: FastAPI, pushes: Pushes) -> None:
    """Add ``POST /bars``, ``POST /news`` and ``GET /news/recent``."""
    # The lake takes one at a time; what waits for it is not to hold up who asks for a forecast.
    pushing = CapacityLimiter(2)

    @app.post(
        "/bars",
        summary="Push bars of an instrument",
        description="They are kept as they came and pass the same checks as a vendor's; what is "
        "kept out is told with its reason. Recipes with `source: api` read them, and their "
        "forecasts are issued at once. Sent again, a bar with other numbers is a further version.",
        response_model=TakenBars,
        responses={
            200: example(_TAKEN),
            **problems(TOO_LARGE, MEDIA, INVALID, ASKED, UNAVAILABLE, FAILED),
        },
        openapi_extra=body_of(PushedBars, _BARS, required=True),
    )
    async def bars(request: Request) -> Response:
        body = await read_body(request, WRITE.largest_body)

        def take() -> TakenBars:
            return pushes.bars(parsed(body, PushedBars))

        return answered(await to_thread.run_sync(take, limiter=pushing))

    @app.post(
        "/news",
        summary="Push an article",
        description="It is known from now on, and scored. Recipes with `api` among their news read "
        "it: their forecasts are issued anew within seconds.",
        response_model=TakenNews,
        responses={
            200: example({**_NEWS, "status": "added", "read_by": ["index"]}),
            **problems(TOO_LARGE, MEDIA, INVALID, ASKED, UNAVAILABLE, FAILED),
        },
        openapi_extra=body_of(PushedNews, _ARTICLE, required=True),
    )
    async def news(request: Request) -> Response:
        pushed = await read_json(request, PushedNews)
        return answered(await to_thread.run_sync(pushes.news, pushed, limiter=pushing))

    @app.get(
        "/news/recent",
        summary="The articles that became known last, with their sentiment",
        response_model=list[News],
        responses={200: example([_NEWS]), **problems(INVALID, UNAVAILABLE)},
    )
    async def recent(limit: Annotated[int, Query(ge=1, le=500)] = 10) -> Response:
        found = await run_in_threadpool(pushes.recent, limit)
        return Response(f"[{','.join(one.model_dump_json() for one in found)}]", media_type=JSON)
