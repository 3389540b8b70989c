"""The routes about versions and champions."""

from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from truecast.serving.answering.standings import Standings
from truecast.serving.door.audit import LOCAL
from truecast.serving.http import answered, body_of, example, problems, read_json
from truecast.serving.kinds import ASKED, INVALID, MEDIA, TOO_LARGE, UNAVAILABLE, UNKNOWN
from truecast.serving.routes import examples_models as examples
from truecast.serving.routes.shown import Models, ModelsAsked, PromoteAsked, Promoted, RollbackAsked
from truecast.serving.schemas import Name

_SLOT = Path(description="As GET /models shows it.", examples=[examples.SLOT])
SlotName = Annotated[Name, _SLOT]


def add_models_routes(app: FastAPI, standings: Standings) -> None:
    """Add the routes that show versions, and that change which of them answers."""
    # One step at a time: the next one would only wait for the registry's lock.
    stepping = CapacityLimiter(1)
    refusals: dict[str, Any] = {
        "response_model": Promoted,
        "responses": {
            200: example(examples.PROMOTED),
            **problems(UNKNOWN, TOO_LARGE, MEDIA, INVALID, ASKED, UNAVAILABLE),
        },
    }

    @app.get(
        "/models",
        summary="What was trained, which version answers, and the verdicts",
        response_model=Models,
        responses={200: example(examples.MODELS), **problems(INVALID, UNAVAILABLE)},
    )
    async def models(asked: Annotated[ModelsAsked, Query()]) -> Response:
        return answered(await run_in_threadpool(standings.models, asked))

    @app.post(
        "/models/{slot}/promote",
        summary="Make a version the champion",
        description="As `truecast promote` does, for one slot. Its bundle is checked first. The "
        "server answers by it within a second or two.",
        openapi_extra=body_of(PromoteAsked, examples.PROMOTE, required=False),
        **refusals,
    )
    async def promote(request: Request, slot: SlotName) -> Response:
        asked = await read_json(request, PromoteAsked)
        who = (slot, asked.version, *_who(request))
        return answered(await to_thread.run_sync(standings.promote, *who, limiter=stepping))

    @app.post(
        "/models/{slot}/rollback",
        summary="Give a slot the champion back that it had before",
        openapi_extra=body_of(RollbackAsked, examples.ROLLBACK, required=False),
        **refusals,
    )
    async def rollback(request: Request, slot: SlotName) -> Response:
        await read_json(request, RollbackAsked)
        who = (slot, *_who(request))
        return answered(await to_thread.run_sync(standings.rollback, *who, limiter=stepping))


def _who(request: Request) -> tuple[str, str]:
    """Return whose key was sent, and from which address."""
    place = request.client.host if request.client else "unknown"
    return getattr(request.state, "actor", LOCAL), place
