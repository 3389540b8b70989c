"""The description of all routes (OpenAPI): what FastAPI derives, and what every route shares."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from truecast.serving.http import JSON, problems
from truecast.serving.kinds import (
    BUSY,
    HEAD,
    HOST,
    HTTP,
    KEY,
    LIMIT,
    SCOPE,
    SLOW,
    TOO_LARGE,
    Kind,
)
from truecast.serving.schemas import Problem

#: What any request may meet before a route is looked for.
EVERYWHERE: tuple[Kind, ...] = (HTTP, HOST, KEY, SCOPE, SLOW, TOO_LARGE, LIMIT, HEAD, BUSY)
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_COUNT = {"required": True, "schema": {"type": "integer", "minimum": 0}}
#: What an answer of a status says in its headers.
_HEADERS = {
    KEY.status: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    LIMIT.status: {"Retry-After": _COUNT},
    BUSY.status: {"Retry-After": _COUNT},
}


def add_openapi(app: FastAPI, *, keyed: bool) -> None:
    """Add the route that describes all the others; made when it is first asked for.

    Parameters
    ----------
    app : FastAPI
        Whose routes.
    keyed : bool
        Whether a key has to be sent; else it may be.
    """

    @cache
    def described() -> bytes:
        return json.dumps(describe(app, keyed=keyed), ensure_ascii=False).encode()

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(described(), media_type=JSON)


def describe(app: FastAPI, *, keyed: bool) -> dict[str, Any]:
    """Return the description of an application's routes.

    Every route answers with the problems of :data:`EVERYWHERE` beside its own. Schemas that
    others refer to are gathered in one place.
    """
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = _KEYS
    document["security"] = [*([] if keyed else [{}]), *({name: []} for name in _KEYS)]
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    # FastAPI's own shape of what is invalid, in place of which a problem is answered.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operation in _operations(document):
        responses = operation["responses"]
        for status, shared in problems(*EVERYWHERE).items():
            _merge(responses.setdefault(str(status), {"description": "", "content": {}}), shared)
            if status in _HEADERS:
                responses[str(status)]["headers"] = _HEADERS[status]
        operation["responses"] = dict(sorted(responses.items()))
        schema = _body(operation)
        schemas |= schema.pop("$defs", {})
    return document


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _body(operation: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {JSON: {}})
    schema: dict[str, Any] = content[JSON].get("schema", {})
    return schema


def _merge(response: dict[str, Any], shared: dict[str, Any]) -> None:
    """Add the problems of one status to those that a route answers with itself."""
    titles = [*filter(None, response["description"].split("; ")), shared["description"]]
    response["description"] = "; ".join(dict.fromkeys(titles))
    for media, content in shared["content"].items():
        there = response["content"].setdefault(media, {**content, "examples": {}})
        there["examples"] = {**there["examples"], **content["examples"]}
