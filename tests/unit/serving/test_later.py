"""Routes of parts that are not there yet: they check what is sent, and say what to do."""

import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from truecast.serving.problems import add_handlers
from truecast.serving.routes.later import LATER, Later, add_later_routes


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    add_handlers(app)
    add_later_routes(app)
    return TestClient(app)


def _ask(client: TestClient, one: Later, **given: Any) -> Any:
    path = re.sub(r"{\w+}", "AAPL", one.path)
    if one.body is not None and not given:
        given = {"json": one.shown}
    return client.request(one.method, path, **given)


@pytest.mark.parametrize("one", LATER, ids=lambda one: f"{one.method} {one.path}")
def test_each_says_what_is_missing_and_what_to_do(client, one):
    answer = _ask(client, one)
    assert answer.status_code == 501
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/docs#not-yet",
        "title": "This cannot be done over HTTP yet",
        "status": 501,
        "detail": one.missing,
        "instance": re.sub(r"{\w+}", "AAPL", one.path),
        "what_to_do": one.what_to_do,
        "choices": [],
    }


def test_the_curls_of_the_systems_before_are_understood(client):
    status = client.get("/status", headers={"accept": "application/json"})
    assert (status.status_code, status.json()["type"]) == (501, "/docs#not-yet")
    query = "What is the sentiment for Google based on recent performance?"
    chat = client.post("/agent/chat", json={"query": query})
    assert (chat.status_code, chat.json()["detail"]) == (501, "this version has no agent")
    child = client.post("/train-child", json={"ticker": "GOOG"})
    assert "`truecast train index-to-stocks`" in child.json()["what_to_do"]


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("/train-child", "{}", 422, "ticker: Field required (got {})"),
        ("/train-child", '{"ticker": ""}', 422, "ticker: String should have at least 1 character"),
        ("/train-child", '{"ticker": 5}', 422, "ticker: Input should be a valid string (got 5)"),
        ("/train-child", "", 422, "ticker: Field required (got {})"),
        ("/train-child", " " * (1024 * 1024 + 1), 413, "the body is over 1048576 bytes"),
        ("/agent/chat", '{"question": "?"}', 422, "query: Field required (got {'question"),
        ("/analyze", '{"ticker": "A", "days": 1}', 422, "days: there is no such key"),
        (f"/monitor/{'x' * 201}", "", 422, "ticker: String should have at most 200 characters"),
    ],
)
def test_what_would_not_be_understood_is_refused_as_such(client, path, body, status, detail):
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["detail"][: len(detail)]) == (status, detail)


def test_a_body_that_is_not_json_is_refused(client):
    answer = client.post("/train-child", data={"ticker": "AAPL"})
    assert (answer.status_code, answer.json()["type"]) == (415, "/docs#media-type")


def test_nothing_is_deleted_whoever_asks(client):
    assert client.delete("/system/reset").json()["detail"] == "nothing is ever deleted over HTTP"
