"""The routes of single targets, and of prices of several days."""

from typing import Annotated, Any

from fastapi import FastAPI, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from truecast.core.recipe_parts import TargetName
from truecast.serving.answering.answered import Answered
from truecast.serving.answering.envelopes import FilteredRegime, Prices, StockForecast
from truecast.serving.answering.outlooks import Outlooks
from truecast.serving.answering.windows import filtered
from truecast.serving.asked import AskedChild, AskedParent, AskedPrices, AskedRegime
from truecast.serving.http import JSON, answered, body_of, example, problems, read_json
from truecast.serving.kinds import (
    AMBIGUOUS,
    ASKED,
    FAILED,
    INVALID,
    MEDIA,
    NOT_READY,
    NOT_YET,
    OVERDUE,
    TOO_LARGE,
    UNAVAILABLE,
    UNKNOWN,
    Kind,
)
from truecast.serving.routes import examples_predict as examples
from truecast.serving.schemas import AskedTarget, Name
from truecast.serving.service import Service

_KINDS: tuple[Kind, ...] = (
    *(UNKNOWN, TOO_LARGE, MEDIA, INVALID, AMBIGUOUS, ASKED),
    *(NOT_READY, OVERDUE, UNAVAILABLE, FAILED),
)
_SENT = (
    "A bar that is sent is the instrument's newest one: features come from the stored bars and it. "
    "Its forecast is `whatif`: written down, never scored."
)
ModelName = Annotated[
    Name,
    Path(description="A candidate of the recipe; `-` counts as `_`.", examples=["random-forest"]),
]


def add_predict_routes(app: FastAPI, service: Service) -> None:
    """Add the routes of targets, of models by their name, and of several days."""
    outlooks = Outlooks(service)
    _add_targets(app, service)

    @app.post(
        "/predict/return/{model}",
        summary="Say how far the price goes, by a model of your choice",
        description="By the newest version of that model that no gate holds back. What is said by "
        f"another version than the champion is `whatif`. {_SENT}",
        response_model=Answered,
        **_described(AskedTarget, examples.RETURN_BODIES, examples.RETURN),
    )
    async def by_name(request: Request, model: ModelName) -> Response:
        asked = await read_json(request, AskedTarget)
        return await _target(service, asked, "return", model)

    @app.post(
        "/forecast/price",
        summary="Say the prices of the next bars",
        description="Each by the model of its own horizon, on the exchange's sessions; beyond what "
        "was trained it is refused. With a `history`, its last bar is the newest one.",
        response_model=Prices,
        **_described(AskedPrices, examples.PRICES_BODIES, examples.PRICES, required=True),
    )
    async def prices(request: Request) -> Response:
        asked = await read_json(request, AskedPrices)
        return answered(await run_in_threadpool(outlooks.prices, asked))

    @app.post(
        "/predict-parent",
        summary="Say the next sessions of the index that stocks learn from",
        response_model=StockForecast,
        **_described(AskedParent, examples.PARENT_BODIES, examples.PARENT, NOT_YET),
    )
    async def parent(request: Request) -> Response:
        asked = await read_json(request, AskedParent)
        return answered(await run_in_threadpool(outlooks.parent, asked))

    @app.post(
        "/predict-child",
        summary="Say the next sessions of a stock",
        description="What no model was trained for is null, with the reason in `reasons`.",
        response_model=StockForecast,
        **_described(AskedChild, examples.CHILD_BODIES, examples.CHILD, NOT_YET, required=True),
    )
    async def child(request: Request) -> Response:
        asked = await read_json(request, AskedChild)
        return answered(await run_in_threadpool(outlooks.child, asked))


def _add_targets(app: FastAPI, service: Service) -> None:
    @app.post(
        "/predict/direction",
        summary="Say whether the price rises",
        description=_SENT,
        response_model=Answered,
        **_described(AskedTarget, examples.BODIES, examples.DIRECTION),
    )
    async def direction(request: Request) -> Response:
        asked = await read_json(request, AskedTarget)
        return await _target(service, asked, "direction")

    @app.post(
        "/predict/volatility",
        summary="Say how much the price moves",
        description=_SENT,
        response_model=Answered,
        **_described(AskedTarget, examples.BODIES, examples.VOLATILITY),
    )
    async def volatility(request: Request) -> Response:
        asked = await read_json(request, AskedTarget)
        return await _target(service, asked, "volatility")

    @app.post(
        "/predict/regime",
        summary="Say whether the market is a bear's, a bull's or neither",
        description=f"{_SENT} With `returns_window` and `volatility_window` the model filters "
        "these alone; that is about no instrument, and is not written down.",
        response_model=Answered | FilteredRegime,
        **_described(AskedRegime, examples.REGIME_BODIES, examples.REGIME),
    )
    async def regime(request: Request) -> Response:
        asked = await read_json(request, AskedRegime)
        if asked.returns_window is not None:
            return answered(await run_in_threadpool(filtered, service, asked))
        return await _target(service, asked, "regime")


async def _target(
    service: Service, asked: AskedTarget, target: TargetName, model: str | None = None
) -> Response:
    def answer() -> bytes:
        slot = service.choose(asked.about(target))
        (said,) = service.answers(
            [slot], timestamp=asked.timestamp, posted=asked.posted, model=model
        )
        return said.body

    return Response(await run_in_threadpool(answer), media_type=JSON)


def _described(
    model: Any, bodies: dict[str, Any], shown: Any, *more: Kind, required: bool = False
) -> dict[str, Any]:
    return {
        "responses": {200: example(shown), **problems(*_KINDS, *more)},
        "openapi_extra": body_of(model, bodies, required=required),
    }
