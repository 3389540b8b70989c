"""What all routes share: reading a body of JSON, answering with it, and describing both."""

import json
from collections.abc import Iterable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from truecast.serving.kinds import INVALID, MEDIA, TOO_LARGE, Kind
from truecast.serving.problems import MEDIA_TYPE, RequestError
from truecast.serving.routes import examples
from truecast.serving.schemas import Problem

M = TypeVar("M", bound=BaseModel)

#: A question is some hundred bytes; this leaves room and keeps memory safe.
LARGEST_BODY = 1024 * 1024
#: Commas in a body, which are more than its values: each takes many times its own size to read.
#: The most bars that a question or a push may have need fewer.
MOST_COMMAS = 150_000
JSON = "application/json"
_REF = "#/components/schemas/{model}"
_PROBLEM = {"$ref": _REF.format(model=Problem.__name__)}


async def read_body(request: Request, largest: int = LARGEST_BODY) -> bytearray:
    """Read a body of JSON, and stop reading one that is too large.

    Raises
    ------
    RequestError
        If it is, if it is not declared as JSON, or if no document has so many values.
    """
    body = bytearray()
    async for part in request.stream():
        if len(body) + len(part) > largest:
            raise RequestError(TOO_LARGE, f"the body is over {largest} bytes")
        body += part
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # A page of the web may send anything but this to a server on its reader's machine.
    if body and media != JSON:
        raise RequestError(MEDIA, f"Content-Type is {media[:100]!r}, expected {JSON!r}")
    if body.count(b",") > MOST_COMMAS:
        raise RequestError(INVALID, f"the body has over {MOST_COMMAS} values")
    return body


async def read_json(request: Request, model: type[M]) -> M:
    """Read a body of JSON as what it has to be; one that is left out as an empty document.

    Raises
    ------
    RequestError
        As :func:`read_body` and :func:`parsed` do.
    ValidationError
        If it is something else.
    """
    return parsed(await read_body(request) or b"{}", model)


def parsed(body: bytes | bytearray, model: type[M]) -> M:
    """Return a document of JSON as what it has to be.

    Raises
    ------
    RequestError
        If an object in it has two values of one name: only the last of them would be read.
    ValidationError
        If it is something else.
    """
    document = model.model_validate_json(body)
    json.loads(body, object_pairs_hook=_refuse_twice)
    return document


def _refuse_twice(pairs: Iterable[tuple[str, Any]], where: str = "") -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise RequestError(INVALID, f"{name[:80]!r} is said more than once{where}")
        seen.add(name)


async def refuse_repeated(request: Request) -> None:
    """Refuse a query that says one thing twice: only the last of them would be read.

    Raises
    ------
    RequestError
        Names it.
    """
    if request.scope["query_string"]:
        _refuse_twice(request.query_params.multi_items(), " in the query")


def answered(document: BaseModel, status: int = 200) -> Response:
    """Return a document as the answer."""
    return Response(document.model_dump_json(), status_code=status, media_type=JSON)


def body_of(model: type[BaseModel], shown: dict[str, Any], *, required: bool) -> dict[str, Any]:
    """Describe a body that is read by hand, for OpenAPI.

    Parameters
    ----------
    model : type of BaseModel
        What it has to be.
    shown : dict
        Examples by name, each with ``summary`` and ``value``.
    required : bool
        Whether there has to be one.
    """
    schema = model.model_json_schema(ref_template=_REF)
    content = {JSON: {"schema": schema, "examples": shown}}
    return {"requestBody": {"required": required, "content": content}}


def example(document: Any, description: str = "The answer") -> dict[str, Any]:
    """Describe an answer by an example, for OpenAPI."""
    return {"description": description, "content": {JSON: {"example": document}}}


def problems(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
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
