"""Problem documents (RFC 9457): what went wrong, and what to do."""

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from truecast.core.errors import TruecastError
from truecast.core.names import nearest
from truecast.serving.asked import AskedChild, AskedParent, AskedPrices, AskedRegime
from truecast.serving.door.keys import without_keys
from truecast.serving.errors import (
    AmbiguousError,
    AskedError,
    Choices,
    NotReadyError,
    NotYetError,
    OverdueError,
    UnknownError,
)
from truecast.serving.kinds import (
    AMBIGUOUS,
    ASKED,
    HTTP,
    INVALID,
    METHOD,
    NOT_READY,
    NOT_YET,
    OVERDUE,
    ROUTE,
    UNAVAILABLE,
    UNKNOWN,
    Kind,
)
from truecast.serving.schemas import Asked, AskedTarget, HistoryAsked, Problem, RecordAsked

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_LONGEST_SHOWN = 80
#: Each takes time to be put into words, whoever sends them.
_MOST_ERRORS = 1000


class RequestError(TruecastError):
    """A request is refused before anything looks at what it asks.

    Parameters
    ----------
    kind : Kind
        Why.
    detail : str
        The case at hand.
    """

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


def respond(
    kind: Kind,
    detail: str,
    path: str,
    *,
    what_to_do: str | None = None,
    choices: Choices = (),
) -> Response:
    """Return a problem document as a response."""
    problem = Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=without_keys(detail),
        instance=without_keys(path),
        what_to_do=what_to_do or kind.what_to_do,
        choices=[dict(choice) for choice in choices],
    )
    again = kind.retry_after
    headers = {} if again is None else {"Retry-After": str(again)}
    return Response(problem.model_dump_json(), kind.status, headers, MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Let an application answer every error of a request with a problem document."""
    app.add_exception_handler(TruecastError, _on_error)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(ValidationError, _on_invalid)


async def _on_error(request: Request, error: Exception) -> Response:
    kind, path = _kind(error), request.url.path
    if kind is UNAVAILABLE:
        _log.error("%s", without_keys(f"{path}: {error}"))
    detail = str(error)
    if isinstance(error, AskedError | NotReadyError | NotYetError):
        detail = error.detail
    return respond(
        kind,
        detail,
        path,
        what_to_do=getattr(error, "what_to_do", None),
        choices=getattr(error, "choices", ()),
    )


def _kind(error: Exception) -> Kind:
    if isinstance(error, RequestError):
        return error.kind
    kinds: Sequence[tuple[type[TruecastError], Kind]] = (
        (UnknownError, UNKNOWN),
        (AmbiguousError, AMBIGUOUS),
        (AskedError, ASKED),
        (NotReadyError, NOT_READY),
        (NotYetError, NOT_YET),
        (OverdueError, OVERDUE),
    )
    return next((kind for of, kind in kinds if isinstance(error, of)), UNAVAILABLE)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    kinds = {404: ROUTE, 405: METHOD}
    kind = kinds.get(error.status_code, HTTP)
    response = respond(kind, f"{request.method} {request.url.path[:200]}", request.url.path[:200])
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)  # noqa: S101 - as above
    if isinstance(error, ValidationError) and error.error_count() > _MOST_ERRORS:
        detail = f"{error.error_count()} things are wrong with the body"
        return respond(INVALID, detail, request.url.path)
    found = [*error.errors()]
    # FastAPI says first where it looked: query, path.
    first = 1 if isinstance(error, RequestValidationError) else 0
    said = "; ".join(_in_words(one, one["loc"][first:]) for one in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    # What our own rules refuse is as the description says, and means nothing all the same.
    kind = ASKED if all(one["type"] == "value_error" for one in found) else INVALID
    advice = _advice(request, found) or INVALID.what_to_do
    return respond(kind, said + more, request.url.path, what_to_do=advice)


def _in_words(one: Any, keys: Sequence[str | int]) -> str:
    place = ".".join(str(key) for key in keys)
    given = one.get("input")
    # All of a body, where it is no JSON.
    shown = repr(bytes(given[:_LONGEST_SHOWN]) if isinstance(given, bytes | bytearray) else given)
    shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
    place = place if len(place) <= _LONGEST_SHOWN else f"{place[:_LONGEST_SHOWN]}…"
    if one["type"] == "extra_forbidden":
        return f"{place}: there is no such key"
    message = one["msg"].removeprefix("Value error, ")
    return f"{place or 'the body'}: {message} (got {shown})"


def _advice(request: Request, found: Sequence[Any]) -> str | None:
    """Name the nearest valid key for the first one that is not known."""
    models: dict[str, type[BaseModel]] = {
        "/predict": Asked,
        "/predict/direction": AskedTarget,
        "/predict/volatility": AskedTarget,
        "/predict/regime": AskedRegime,
        "/forecast/price": AskedPrices,
        "/predict-parent": AskedParent,
        "/predict-child": AskedChild,
        "/predictions/history": HistoryAsked,
        "/track-record": RecordAsked,
    }
    model = models.get(request.url.path)
    unknown = [str(one["loc"][-1]) for one in found if one["type"] == "extra_forbidden"]
    if model is None or not unknown:
        return None
    keys = list(model.model_fields)
    close = nearest(unknown[0][:_LONGEST_SHOWN], keys)
    guess = f"did you mean {close!r}? " if close else ""
    return f"{guess}Valid: {', '.join(keys)}"
