"""The routes: parse, call the service once, shape the answer."""

from typing import Annotated, Any
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from truecast.core.forecast import Forecast
from truecast.evaluation.trackrecord import TrackRecord
from truecast.serving import examples
from truecast.serving.kinds import (
    AMBIGUOUS,
    ASKED,
    FAILED,
    INVALID,
    MEDIA,
    NOT_READY,
    OVERDUE,
    TOO_LARGE,
    UNAVAILABLE,
    UNKNOWN,
    Kind,
)
from truecast.serving.problems import MEDIA_TYPE, RequestError
from truecast.serving.schemas import (
    Asked,
    Health,
    History,
    HistoryAsked,
    Index,
    Problem,
    Ready,
    RecordAsked,
    Recorded,
)
from truecast.serving.service import Service

#: A question is some hundred bytes; this leaves room and keeps memory safe.
LARGEST_BODY = 1024 * 1024
_JSON = "application/json"


def add_routes(app: FastAPI, service: Service) -> None:
    """Add every route of the service; the one that is asked most is looked at first."""
    # Whoever watches the server is answered, however many questions wait for the database.
    watching = CapacityLimiter(4)

    @app.post(
        "/predict",
        summary="Say what comes next",
        description="Without a body: the next price. The forecast is in the ledger before it is "
        "answered; the same question about the same decision gets the same forecast. With a "
        "`timestamp`, the last decision made by then, if no model saw what came after it.",
        response_model=Forecast,
        responses={
            200: _example(examples.FORECAST),
            **_problems(
                *(UNKNOWN, TOO_LARGE, MEDIA, INVALID, AMBIGUOUS, ASKED),
                *(NOT_READY, OVERDUE, UNAVAILABLE, FAILED),
            ),
        },
        openapi_extra={"requestBody": _request_body()},
    )
    async def predict(request: Request) -> Response:
        asked = _parse(await read_body(request))
        body = service.peek(asked)
        if body is None:
            body = (await run_in_threadpool(service.answer, asked)).body
        return Response(body, media_type=_JSON)

    @app.get(
        "/",
        summary="What this is and what it serves",
        response_model=Index,
        responses={200: _example(examples.INDEX)},
    )
    async def index() -> Response:
        return _json(await run_in_threadpool(service.index))

    @app.get(
        "/health",
        summary="Whether all is well, and what is not",
        description="Always 200 while the server runs; `status` says `healthy` or `degraded`.",
        response_model=Health,
        responses={200: _example(examples.HEALTH)},
    )
    @app.get("/health/", include_in_schema=False)
    async def health() -> Response:
        return _json(await to_thread.run_sync(service.health, limiter=watching))

    @app.get(
        "/ready",
        summary="Whether forecasts can be asked for",
        response_model=Ready,
        responses={200: _example(examples.READY), **_problems(NOT_READY)},
    )
    async def ready() -> Response:
        return _json(await to_thread.run_sync(service.ready, limiter=watching))

    @app.get(
        "/predictions/history",
        summary="Forecasts as they were issued, the newest first",
        response_model=History,
        responses={200: _example(examples.HISTORY), **_problems(INVALID, UNAVAILABLE)},
    )
    async def history(asked: Annotated[HistoryAsked, Query()]) -> Response:
        return _json(await run_in_threadpool(service.history, asked))

    @app.get(
        "/predictions/{id}",
        summary="One forecast as it was issued, with what came of it",
        response_model=Recorded,
        responses={200: _example(examples.RECORDED), **_problems(UNKNOWN, INVALID, UNAVAILABLE)},
    )
    async def prediction(id: UUID) -> Response:
        return _json(await run_in_threadpool(service.prediction, id))

    @app.get(
        "/track-record",
        summary="How the issued forecasts have fared, beside the naive forecast's",
        description="Of live forecasts, unless `mode` says otherwise. Losses are on the identical "
        "forecasts, after their outcomes were known.",
        response_model=list[TrackRecord],
        responses={200: _example(examples.RECORDS), **_problems(INVALID, UNAVAILABLE)},
    )
    async def track_record(asked: Annotated[RecordAsked, Query()]) -> Response:
        records = await run_in_threadpool(service.track_record, asked)
        return Response(f"[{','.join(one.model_dump_json() for one in records)}]", media_type=_JSON)


async def read_body(request: Request) -> bytes:
    """Read a body of JSON, and stop reading one that is too large.

    Raises
    ------
    RequestError
        If it is, or if it is not declared as JSON.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise RequestError(TOO_LARGE, f"the body is over {LARGEST_BODY} bytes")
        parts.append(part)
    body = b"".join(parts).strip()
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # A page of the web may send anything but this to a server on its reader's machine.
    if body and media != _JSON:
        raise RequestError(MEDIA, f"Content-Type is {media[:100]!r}, expected {_JSON!r}")
    return body


def _parse(body: bytes) -> Asked:
    return Asked.model_validate_json(body) if body else _NOTHING


_NOTHING = Asked()


def _json(document: BaseModel) -> Response:
    return Response(document.model_dump_json(), media_type=_JSON)


def _request_body() -> dict[str, Any]:
    schema = Asked.model_json_schema()
    return {
        "required": False,
        "content": {_JSON: {"schema": schema, "examples": examples.QUESTIONS}},
    }


def _example(document: Any) -> dict[str, Any]:
    return {"description": "The answer", "content": {_JSON: {"example": document}}}


def _problems(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """Describe the problems that a route may answer with, by status."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        response = found.setdefault(
            kind.status,
            {
                "description": kind.title,
                "content": {MEDIA_TYPE: {"schema": _PROBLEM, "examples": {}}},
            },
        )
        shown = response["content"][MEDIA_TYPE]["examples"]
        shown[kind.name] = {"summary": kind.title, "value": examples.problem(kind)}
        response["description"] = "; ".join(one["summary"] for one in shown.values())
    return found


_PROBLEM = Problem.model_json_schema()
