"""The FastAPI application: a thin shell around the service."""

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

import truecast
from truecast.serving.answering.standings import Standings
from truecast.serving.door.access import Access
from truecast.serving.door.doors import doors
from truecast.serving.door.guard import LOOPBACK
from truecast.serving.fast import Fast
from truecast.serving.feed.pushes import Pushes
from truecast.serving.http import refuse_repeated
from truecast.serving.kinds import KINDS
from truecast.serving.pages import page
from truecast.serving.problems import add_handlers
from truecast.serving.routes.feed import add_feed_routes
from truecast.serving.routes.general import add_routes
from truecast.serving.routes.later import add_later_routes
from truecast.serving.routes.models import add_models_routes
from truecast.serving.routes.openapi import add_openapi
from truecast.serving.routes.predict import add_predict_routes
from truecast.serving.routes.stream import add_stream_routes
from truecast.serving.service import Service

_DESCRIPTION = (
    "Forecasts of markets beside the naive forecast, each written down before it is answered. "
    "Errors are problem documents (RFC 9457) that say what to do."
)
_PAGES = {
    "/docs": ("index.html", "text/html"),
    "/docs/page.js": ("page.js", "text/javascript"),
    "/docs/page.css": ("page.css", "text/css"),
}


def create_app(
    service: Service,
    *,
    hosts: Collection[str] = LOOPBACK,
    access: Access | None = None,
    origins: Collection[str] = (),
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    service : Service
        That answers.
    hosts : collection of str
        Names that the server may be asked for, without port; others are refused.
    access : Access, optional
        Who may ask what, and how often; without it everybody may ask everything.
    origins : collection of str
        Pages of others that may ask from a browser, such as ``https://desk.example.com``.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        await run_in_threadpool(service.start)
        if service.live is not None:
            service.live.start()
        yield
        if service.live is not None:
            await run_in_threadpool(service.live.stop)
        if access is not None:
            await access.close()

    app = FastAPI(
        title="Truecast",
        summary="Forecast markets, and keep an honest record of how right it was.",
        description=_DESCRIPTION,
        version=truecast.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        dependencies=[Depends(refuse_repeated)],
        middleware=[*doors(hosts, access, origins), Middleware(Fast, peek=service.peek)],
    )
    add_handlers(app)
    add_routes(app, service)
    add_predict_routes(app, service)
    add_models_routes(app, Standings(service.registry, service.look))
    add_stream_routes(app, service)
    add_feed_routes(app, Pushes(service))
    add_later_routes(app)
    for path in _PAGES:
        app.add_api_route(path, _page, include_in_schema=False)
    app.add_api_route("/docs/problems.json", _kinds, include_in_schema=False)
    add_openapi(app, keyed=access is not None and access.demanded)
    return app


async def _page(request: Request) -> Response:
    return page(*_PAGES[request.url.path])


async def _kinds() -> Response:
    kinds = [vars(kind) for kind in KINDS]
    return Response(json.dumps(kinds), media_type="application/json")
