"""Routes of parts that this version does not have: each says so, and what to do instead.

What is sent to them is checked all the same, so that a client which is understood here is
understood once the part is there.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.responses import Response

from truecast.serving.errors import NotYetError
from truecast.serving.http import body_of, problems, read_json
from truecast.serving.kinds import INVALID, MEDIA, NOT_YET, TOO_LARGE, Kind
from truecast.serving.problems import MEDIA_TYPE
from truecast.serving.schemas import Name

_PATH: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, Name])
_NAMED = TypeAdapter(Name).json_schema()


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ChildAsked(_Body):
    """Whose model is to be trained from the index's."""

    ticker: Name = Field(description="Such as AAPL.")


class AnalysisAsked(ChildAsked):
    """What the agent is to report on."""

    use_fmi: bool = Field(False, description="Whether fundamentals are to be read.")
    thread_id: Name | None = Field(None, description="A conversation that goes on.")


class ChatAsked(_Body):
    """A question to the agent."""

    query: str = Field(min_length=1, max_length=10_000, description="In words.")


@dataclass(frozen=True)
class Later:
    """A route that is not there yet.

    Parameters
    ----------
    method, path : str
        HTTP's.
    summary : str
        What it will do.
    missing, what_to_do : str
        Which part is not there, and how the same is had meanwhile.
    body : type of BaseModel or None
        What it takes.
    shown : mapping
        An example of that.
    """

    method: str
    path: str
    summary: str
    missing: str
    what_to_do: str
    body: type[BaseModel] | None = None
    shown: dict[str, Any] | None = None


_JOBS = "this version starts no training over HTTP"
_AGENT = "this version has no agent"
_MONITORING = "this version has no monitoring"
_RECORD = "GET /track-record says how forecasts have fared, GET /health what is amiss"
_ASK_MODELS = "ask GET /models and POST /predict"
_FILES = "reports are in the folder `reports` of the home: run `truecast report RECIPE`"
_TICKER = {"ticker": "AAPL"}

LATER: tuple[Later, ...] = (
    Later(
        *("POST", "/train-parent", "Train the model of the index", _JOBS),
        "run `truecast train index-to-stocks`, then `truecast promote index-to-stocks`",
    ),
    Later(
        *("POST", "/train-child", "Train a stock's model from the index's", _JOBS),
        "run `truecast train index-to-stocks`, then `truecast promote index-to-stocks`",
        *(ChildAsked, _TICKER),
    ),
    Later(
        *("GET", "/status", "Which trainings run, and which have ended", _JOBS),
        "GET /health says whether the server is well, GET /models what was trained when",
    ),
    Later(
        *("GET", "/status/{job}", "How one training fares", _JOBS),
        "GET /models says what was trained when",
    ),
    Later(
        *("POST", "/agent/chat", "Ask the agent about a market, in words", _AGENT, _ASK_MODELS),
        *(ChatAsked, {"query": "What is the sentiment for Google based on recent performance?"}),
    ),
    Later(
        *("POST", "/analyze", "Let the agent report on a stock", _AGENT, _ASK_MODELS),
        *(AnalysisAsked, _TICKER),
    ),
    Later("GET", "/metrics", "Figures for Prometheus", _MONITORING, _RECORD),
    Later("GET", "/monitoring/drift", "Which inputs have drifted", _MONITORING, _RECORD),
    Later("GET", "/monitoring/drift/check", "Look for drift now", _MONITORING, _RECORD),
    Later("POST", "/monitoring/drift/alert", "Tell people of drift", _MONITORING, _RECORD),
    Later("POST", "/monitor/parent", "Watch the model of the index", _MONITORING, _RECORD),
    Later("POST", "/monitor/{ticker}", "Watch a stock's model", _MONITORING, _RECORD),
    Later("GET", "/monitor/{ticker}/drift", "Drift of a stock's inputs", _MONITORING, _RECORD),
    Later("GET", "/monitor/{ticker}/eval", "How a stock's model fares", _MONITORING, _RECORD),
    Later(
        *("GET", "/debug/model-info", "What the models are", "there is no such view"),
        "GET /models says it, and GET /health which features each model reads",
    ),
    Later(
        *("GET", "/system/logs", "The server's last lines", "the server keeps no log"),
        "read what it printed where it was started",
    ),
    Later(
        *("GET", "/system/cache", "What is cached", "answers are kept until the next bar only"),
        "ask POST /predict: it is never older than that",
    ),
    Later(
        *("DELETE", "/system/reset", "Begin anew", "nothing is ever deleted over HTTP"),
        "stop the server and move its home away: `truecast doctor` says where it is",
    ),
    Later("GET", "/outputs", "Which reports there are", "reports are not served", _FILES),
    Later("GET", "/outputs/{ticker}", "A stock's reports", "reports are not served", _FILES),
)


def add_later_routes(app: FastAPI) -> None:
    """Add every route that is not there yet."""
    for one in LATER:
        kinds = [NOT_YET]
        extra: dict[str, Any] = {}
        if one.body is not None:
            kinds = [TOO_LARGE, MEDIA, INVALID, NOT_YET]
            shown = {"example": {"summary": one.summary, "value": one.shown}}
            extra |= body_of(one.body, shown, required=True)
        if "{" in one.path:
            kinds = [*dict.fromkeys([INVALID, *kinds])]
            extra["parameters"] = [_parameter(one.path)]
        app.add_api_route(
            one.path,
            _refusing(one),
            methods=[one.method],
            summary=one.summary,
            description=f"Not yet: {one.missing}. Instead, {one.what_to_do}.",
            status_code=NOT_YET.status,
            responses=_answers(one, kinds),
            response_class=Response,
            openapi_extra=extra,
            operation_id=f"{one.method}{one.path}".lower(),
        )


def _answers(one: Later, kinds: Sequence[Kind]) -> dict[int | str, dict[str, Any]]:
    found = problems(*kinds)
    shown = found[NOT_YET.status]["content"][MEDIA_TYPE]["examples"][NOT_YET.name]["value"]
    shown |= {"detail": one.missing, "instance": one.path, "what_to_do": one.what_to_do}
    return found


def _parameter(path: str) -> dict[str, Any]:
    name = path.partition("{")[2].partition("}")[0]
    return {"name": name, "in": "path", "required": True, "schema": _NAMED, "example": "AAPL"}


def _refusing(one: Later) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def refuse(request: Request) -> Response:
        _PATH.validate_python(request.path_params)
        if one.body is not None:
            await read_json(request, one.body)
        raise NotYetError(one.missing, one.what_to_do)

    return refuse
