"""The WebSocket on which forecasts arrive as they are issued."""

import asyncio

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from truecast.core.errors import TruecastError
from truecast.serving.door.access import RefusedError, deny
from truecast.serving.kinds import ROUTE, UPGRADE
from truecast.serving.problems import respond
from truecast.serving.service import Service
from truecast.serving.stream.hub import Client, Hub
from truecast.serving.stream.lastbar import volume_of
from truecast.serving.stream.messages import (
    BROKEN,
    UNSUPPORTED,
    StreamError,
    read_command,
    read_query,
)
from truecast.serving.stream.websocket import EXTENSION

PATH = "/ws/market-stream"
#: What a client that must name a protocol, to send its key beside it, names.
SUBPROTOCOL = "truecast"
#: A client that says more is listened to no faster.
_SECONDS_A_COMMAND = 0.1


def add_stream_routes(app: FastAPI, service: Service) -> None:
    """Add the stream of a service's forecasts."""
    hub = Hub(
        service.ledger,
        lambda forecast: volume_of(service, forecast),
        lambda wanted: sum(map(wanted.takes, service.look().slots)),
    )

    async def market_stream(websocket: WebSocket) -> None:
        await serve_stream(hub, websocket)

    # Not by FastAPI: what all other routes depend on is of requests, which this is none of.
    app.router.routes.append(WebSocketRoute(PATH, market_stream))
    app.router.routes.append(Route(PATH, _plainly, include_in_schema=False))
    otherwise = app.router.default

    async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # The framework would say 403 and nothing else.
            await deny(RefusedError(ROUTE, "no WebSocket is here"), scope, receive, send)
        else:
            await otherwise(scope, receive, send)

    app.router.default = nowhere


async def _plainly(request: Request) -> Response:
    answer = respond(UPGRADE, f"{request.method} without an upgrade", PATH)
    answer.headers["Upgrade"] = "websocket"
    return answer


async def serve_stream(hub: Hub, websocket: WebSocket) -> None:
    """Serve one client until it goes, or is sent away."""
    offered = websocket.scope["subprotocols"]
    try:
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        try:
            await _talk(hub, websocket)
        except StreamError as error:
            await websocket.close(error.code, error.reason)
        except TruecastError as error:
            sent_away = StreamError(BROKEN, str(error))
            await websocket.close(sent_away.code, sent_away.reason)
    except WebSocketDisconnect:
        return  # it went first


async def _talk(hub: Hub, websocket: WebSocket) -> None:
    sink = (websocket.scope.get("extensions") or {}).get(EXTENSION)
    if sink is None:
        raise StreamError(BROKEN, "this server cannot stream: start it by `truecast serve`")
    client = Client(sink)
    try:
        await hub.join(client, read_query(websocket.query_params.multi_items()))
        while (message := await websocket.receive())["type"] == "websocket.receive":
            text = message.get("text")
            if text is None:
                raise StreamError(UNSUPPORTED, "expected JSON as text, got binary data")
            await hub.join(client, read_command(text))
            await asyncio.sleep(_SECONDS_A_COMMAND)
    finally:
        hub.leave(client)
