"""The whole API against its own description: what is valid, what is not, and every answer."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import schemathesis
from schemathesis import Case, HookContext
from schemathesis.checks import CheckContext
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from conftest import SOAK
from served import Trained
from truecast.core.settings import Settings
from truecast.serving.app import create_app
from truecast.serving.door import limiting
from truecast.serving.door.access import open_access
from truecast.serving.door.keys import Keys
from truecast.serving.routes.openapi import describe
from truecast.serving.service import open_service

#: What is declared: parts that are not there yet, and what cannot be answered at the moment.
DECLARED = ["501", "503"]
#: Valid data may be refused for what they mean: see ``_valid_is_understood``.
REFUSED = ["422"]


_CLASSES = ("predict", "read", "write", "train", "admin", "stream")


def _described() -> dict[str, Any]:
    """Return the description of all routes, as a home without models has them too."""
    with TemporaryDirectory() as home:
        return describe(create_app(open_service(Settings(home=Path(home)))), keyed=True)


class Running:
    """What requests go to: the cases are collected before anything is trained."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


running = Running()
schema = schemathesis.openapi.from_dict(
    _described(),
    config=SchemathesisConfig.from_dict(
        {
            "generation": {"max-examples": 500 if SOAK else 50, "database": "none"},
            "checks": {
                "not_a_server_error": {"expected-statuses": ["2xx", "4xx", *DECLARED]},
                "positive_data_acceptance": {
                    "expected-statuses": ["2xx", "404", *DECLARED, *REFUSED]
                },
            },
        }
    ),
)
schema.app = running


@schema.hook
def filter_query(context: HookContext, query: dict[str, Any] | None) -> bool:
    """Leave out lists of none or one: in an address they look as what is in them does."""
    del context
    values = (query or {}).values()
    return not any(isinstance(value, list) and len(value) < 2 for value in values)


@pytest.fixture(scope="module")
def api(prepared: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An API that demands keys, and how it is asked by one who may do everything."""
    trained = prepared.copied(tmp_path_factory.mktemp("api") / "home")
    rates = {f"limit_{name}": "1000000/second" for name in _CLASSES}
    settings = Settings(home=trained.home, **rates)
    _, secret = Keys(trained.registry.database).add("tester", "admin", "local")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limiting, "WRONG_KEYS", "1000000/second")
        access = open_access(settings, demanded=True)
    app = create_app(trained.service(), hosts={"testserver"}, access=access)
    keys = {"Authorization": f"Bearer {secret}", "X-API-Key": secret}
    running.app = app
    return {"headers": keys}


@schema.parametrize()
def test_every_answer_is_as_described(case: Case, api: dict[str, Any]) -> None:
    case.call_and_validate(**api, additional_checks=[_valid_is_understood])


def _valid_is_understood(ctx: CheckContext, response: Response, case: Case) -> None:
    """Data that the description allows are never called invalid; what they mean may be refused."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    kind = response.json().get("type") if response.status_code == 422 else None
    assert kind != "/docs#invalid", response.json()["detail"]


def test_the_description_names_every_route_and_what_each_may_answer() -> None:
    document = schema.raw_schema
    assert set(document["paths"]) >= {
        *("/", "/health", "/ready", "/metrics", "/predict", "/predict/direction"),
        *("/predict/volatility", "/predict/regime", "/predict/return/{model}", "/forecast/price"),
        *("/predict-parent", "/predict-child", "/train-parent", "/train-child", "/status"),
        *("/status/{job}", "/predictions/history", "/predictions/{id}", "/track-record"),
        *("/news/recent", "/news", "/bars", "/models", "/models/{slot}/promote"),
        *("/models/{slot}/rollback", "/monitoring/drift", "/agent/chat"),
    }
    assert document["security"] == [{"bearer": []}, {"header": []}]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            responses = operation["responses"]
            assert set(responses) >= {"400", "401", "403", "413", "429", "431", "503"}, path
            problems = responses["429"]["content"]["application/problem+json"]
            assert problems["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert problems["examples"]["limit"]["value"]["status"] == 429
            assert responses["429"]["headers"]["Retry-After"]["required"]


def test_it_says_by_which_calendar_a_pushed_bar_is_read() -> None:
    document = schema.raw_schema
    body = document["paths"]["/bars"]["post"]["requestBody"]["content"]["application/json"]
    bars = body["schema"]["properties"]
    assert "`calendar`: whose sessions the bars belong to (XNYS;" in bars["options"]["description"]
    assert "`publication_delay`: from a bar's close" in bars["options"]["description"]
    bar = document["components"]["schemas"]["PushedBar"]["properties"]
    said = bar["timestamp"]["description"]
    assert "with any zone" in said
    assert "in its own time zone. `options.calendar` says which." in said
    options = document["components"]["schemas"]["SeriesOptions"]["properties"]
    assert options["calendar"]["default"] == "XNYS"
    assert options["publication_delay"]["pattern"] == "^[0-9]{1,5}[mh]$"


def test_without_keys_none_has_to_be_sent() -> None:
    with TemporaryDirectory() as home:
        app = create_app(open_service(Settings(home=Path(home))))
        assert {} in describe(app, keyed=False)["security"]
