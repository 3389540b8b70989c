"""The routes: parse, call the service once, shape the answer."""

from typing import Annotated
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from truecast.evaluation.trackrecord import TrackRecord
from truecast.serving.answering.answered import Answered
from truecast.serving.http import JSON, answered, body_of, example, problems, read_json
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
)
from truecast.serving.routes import examples
from truecast.serving.schemas import (
    Asked,
    Health,
    History,
    HistoryAsked,
    Index,
    Ready,
    RecordAsked,
    Recorded,
)
from truecast.serving.service import Service


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
        response_model=Answered,
        responses={
            200: example(examples.ANSWERED),
            **problems(
                *(UNKNOWN, TOO_LARGE, MEDIA, INVALID, AMBIGUOUS, ASKED),
                *(NOT_READY, OVERDUE, UNAVAILABLE, FAILED),
            ),
        },
        openapi_extra=body_of(Asked, examples.QUESTIONS, required=False),
    )
    async def predict(request: Request) -> Response:
        asked = await read_json(request, Asked)
        return Response((await run_in_threadpool(service.answer, asked)).body, media_type=JSON)

    @app.get(
        "/",
        summary="What this is and what it serves",
        response_model=Index,
        responses={200: example(examples.INDEX)},
    )
    async def index() -> Response:
        return answered(await run_in_threadpool(service.index))

    @app.get(
        "/health",
        summary="Whether all is well, and what is not",
        description="Always 200 while the server runs; `status` says `healthy` or `degraded`.",
        response_model=Health,
        responses={200: example(examples.HEALTH)},
    )
    @app.get("/health/", include_in_schema=False)
    async def health() -> Response:
        return answered(await to_thread.run_sync(service.health, limiter=watching))

    @app.get(
        "/ready",
        summary="Whether forecasts can be asked for",
        response_model=Ready,
        responses={200: example(examples.READY), **problems(NOT_READY)},
    )
    async def ready() -> Response:
        return answered(await to_thread.run_sync(service.ready, limiter=watching))

    @app.get(
        "/predictions/history",
        summary="Forecasts as they were issued, the newest first",
        response_model=History,
        responses={200: example(examples.HISTORY), **problems(INVALID, UNAVAILABLE)},
    )
    async def history(asked: Annotated[HistoryAsked, Query()]) -> Response:
        return answered(await run_in_threadpool(service.history, asked))

    @app.get(
        "/predictions/{id}",
        summary="One forecast as it was issued, with what came of it",
        response_model=Recorded,
        responses={200: example(examples.RECORDED), **problems(UNKNOWN, INVALID, UNAVAILABLE)},
    )
    async def prediction(id: UUID) -> Response:
        return answered(await run_in_threadpool(service.prediction, id))

    @app.get(
        "/track-record",
        summary="How the issued forecasts have fared, beside the naive forecast's",
        description="Of live forecasts, unless `mode` says otherwise. Losses are on the identical "
        "forecasts, after their outcomes were known.",
        response_model=list[TrackRecord],
        responses={200: example(examples.RECORDS), **problems(INVALID, UNAVAILABLE)},
    )
    async def track_record(asked: Annotated[RecordAsked, Query()]) -> Response:
        records = await run_in_threadpool(service.track_record, asked)
        return Response(f"[{','.join(one.model_dump_json() for one in records)}]", media_type=JSON)
