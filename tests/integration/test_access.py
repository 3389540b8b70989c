"""Who may ask what, how often and how much: on every route, and on the WebSocket."""

import io
import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from truecast.core.settings import Settings
from truecast.database.engine import Database, open_database
from truecast.database.errors import DatabaseError
from truecast.serving.app import create_app
from truecast.serving.door import access as access_module
from truecast.serving.door import gate, limiting
from truecast.serving.door.access import open_access
from truecast.serving.door.classes import CLASSES, class_of
from truecast.serving.door.doors import doors
from truecast.serving.door.guard import LOOPBACK
from truecast.serving.door.keys import Keys
from truecast.serving.door.logs import Formatter
from truecast.serving.routes.openapi import describe
from truecast.serving.service import Service, open_service

STREAM = "/ws/market-stream"
LIMITS = {f"limit_{of.name}": "1/day" for of in CLASSES}
MIB = 1024 * 1024
JSON = {"content-type": "application/json"}
#: Looks like a key, and is none.
STRANGER = f"tc_{'0' * 12}_{'c4n4ry' * 7}x"


def filled(path: str) -> str:
    """Put something into each place of a path."""
    return re.sub(r"\{\w+(:\w+)?\}", "x", path)


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Return method and path of all there is, what the description leaves out too."""
    routes = {
        (method, filled(route.path))
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or ()) - {"HEAD"}
    }
    described = {
        (method.upper(), filled(path))
        for path, methods in describe(app, keyed=True)["paths"].items()
        for method in methods
    }
    assert described <= routes
    assert {("GET", "/health"), ("GET", "/docs"), ("GET", "/openapi.json")} <= routes
    return sorted(routes)


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let keys that are made or revoked be seen with the next request."""
    monkeypatch.setattr(access_module, "LOOK_SECONDS", -1.0)
    monkeypatch.setattr(access_module, "OLDEST_SECONDS", 0.0)
    monkeypatch.setattr(access_module, "PATIENCE_SECONDS", 60.0)


@pytest.fixture(autouse=True)
def guesses_at_will(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests send as many wrong keys as they like."""
    monkeypatch.setattr(limiting, "WRONG_KEYS", "100000/minute")


class Desk:
    """A server without models, its keys, and who asks it."""

    def __init__(self, home: Path, *, demanded: bool, **limits: str) -> None:
        self.settings = Settings.model_validate({"home": home, **limits})
        self.keys = Keys(open_database(self.settings.database))
        self.app = create_app(
            open_service(self.settings),
            access=open_access(self.settings, demanded=demanded),
            origins=["https://desk.example.com"],
        )
        self.client = TestClient(
            self.app, base_url="http://localhost", raise_server_exceptions=False
        )

    def ask(self, method: str, path: str, secret: str | None = None, **given: Any) -> Any:
        headers = given.pop("headers", {}) | ({"X-API-Key": secret} if secret else {})
        return self.client.request(method, path, headers=headers, **given)

    def connect(self, secret: str | None = None, path: str = STREAM, **given: Any) -> Any:
        """Return the answer to a WebSocket that is refused, or None."""
        headers = given.pop("headers", {}) | ({"X-API-Key": secret} if secret else {})
        try:
            with self.client.websocket_connect(f"ws://localhost{path}", headers=headers, **given):
                return None
        except WebSocketDenialResponse as refused:
            return refused
        except WebSocketDisconnect:
            return None  # it passed the door, and there is nothing of that name behind

    def add(self, name: str, scope: Any = "read") -> str:
        return self.keys.add(name, scope, "a test")[1]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A server that demands keys."""
    desk = Desk(tmp_path, demanded=True)
    with desk.client:
        yield desk


def problem(response: Any, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"
    found: dict[str, Any] = response.json()
    assert (found["status"], found["type"]) == (status, f"/docs#{kind}")
    assert found["what_to_do"]
    return found


# --- keys


def test_every_route_refuses_who_has_no_key_or_a_wrong_one(desk: Desk) -> None:
    desk.add("somebody", "admin")
    _, revoked = desk.keys.add("gone", "admin", "a test")
    desk.keys.revoke("gone", "a test")
    refused: tuple[dict[str, str], ...] = (
        {},
        {"X-API-Key": STRANGER},
        {"X-API-Key": revoked},
        {"X-API-Key": ""},
        {"Authorization": f"Bearer {STRANGER}"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
    )
    for method, path in [*routes_of(desk.app), ("GET", "/nothing"), ("PATCH", "/health")]:
        for headers in refused:
            answer = desk.ask(method, path, headers=headers)
            found = problem(answer, 401, "key")
            assert answer.headers["www-authenticate"] == 'Bearer realm="truecast"'
            assert "Authorization: Bearer" in found["what_to_do"]
    for headers in refused:
        problem(desk.connect(headers=headers), 401, "key")


def test_every_route_refuses_a_key_without_the_scope_and_takes_one_with_it(desk: Desk) -> None:
    scopes = ("read", "write", "admin")
    secrets = {scope: desk.add(scope, scope) for scope in scopes}
    seen = set()
    for method, path in routes_of(desk.app):
        needed = class_of(method, path).scope
        seen.add(needed)
        for scope, secret in secrets.items():
            answer = desk.ask(method, path, secret)
            if scopes.index(scope) < scopes.index(needed):
                found = problem(answer, 403, "scope")
                assert found["what_to_do"].endswith(f"--scope {needed}")
            else:
                assert answer.status_code not in {401, 403, 429}, (method, path, answer.text)
    assert seen >= {"read", "write", "admin"}


@pytest.mark.parametrize("form", ["Bearer {}", "bearer  {} ", "BEARER {}"])
def test_a_key_may_be_sent_as_a_bearer(desk: Desk, form: str) -> None:
    secret = desk.add("desk")
    assert desk.ask("GET", "/health", headers={"Authorization": form.format(secret)}).is_success


def test_a_key_is_demanded_as_soon_as_there_is_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path, demanded=False)
    with desk.client:
        assert desk.ask("GET", "/health").is_success
        assert desk.ask("GET", "/health", STRANGER).is_success
        secret = desk.add("desk")
        problem(desk.ask("GET", "/health"), 401, "key")
        assert desk.ask("GET", "/health", secret).is_success
        desk.keys.revoke("desk", "a test")
        assert desk.ask("GET", "/health").is_success


def test_where_others_reach_it_no_key_means_nobody(desk: Desk) -> None:
    problem(desk.ask("GET", "/health"), 401, "key")
    secret = desk.add("desk")
    assert desk.ask("GET", "/health", secret).is_success
    desk.keys.revoke("desk", "a test")
    problem(desk.ask("GET", "/health", secret), 401, "key")
    problem(desk.ask("GET", "/health"), 401, "key")


def test_keys_read_last_hold_while_the_database_is_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = desk.add("desk")
    assert desk.ask("GET", "/docs", secret).is_success

    def fail(self: Database) -> Any:
        raise DatabaseError("sqlite:///x: disk I/O error")

    monkeypatch.setattr(Database, "reading", fail)
    assert desk.ask("GET", "/docs", secret).is_success
    problem(desk.ask("GET", "/docs", STRANGER), 401, "key")
    assert "the keys cannot be read: sqlite:///x: disk I/O error" in caplog.text


@pytest.mark.parametrize("path", ["/health?key={}", "/predictions/history?limit=1&key={}"])
def test_a_key_in_the_address_is_refused(desk: Desk, path: str) -> None:
    secret = desk.add("desk")
    answer = desk.ask("GET", path.format(secret), secret)
    assert "ends up in histories and logs" in problem(answer, 401, "key")["detail"]
    assert secret[-43:] not in answer.text
    socket = desk.connect(secret, f"{STREAM}?key={secret}")
    assert "ends up in histories and logs" in problem(socket, 401, "key")["detail"]
    # Another name is no business of the door.
    assert desk.ask("GET", "/health?monkey=1", secret).is_success


# --- what is behind the door sees


def little_app(settings: Settings, **given: Any) -> FastAPI:
    """An application that says what it is given, behind the doors of the real one."""
    access = open_access(settings, demanded=True)
    app = FastAPI(middleware=doors(LOOPBACK, access, **given))

    @app.websocket(STREAM)
    async def stream(websocket: WebSocket) -> None:
        offered = websocket.scope["subprotocols"]
        await websocket.accept("truecast" if "truecast" in offered else None)
        said = {"actor": websocket.scope["state"]["actor"], "offered": offered}
        await websocket.send_json(said | {"headers": dict(websocket.headers)})
        await websocket.close()

    return app


def test_a_browser_sends_its_key_as_a_subprotocol(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    secret = Keys(open_database(settings.database)).add("browser", "read", "a test")[1]
    with TestClient(little_app(settings), base_url="http://localhost") as client:
        for offered, chosen in (
            (["truecast", f"truecast.key.{secret}"], "truecast"),
            ([f"truecast.key.{secret}"], None),
        ):
            with client.websocket_connect(
                f"ws://localhost{STREAM}", subprotocols=offered
            ) as socket:
                assert socket.accepted_subprotocol == chosen
                said = socket.receive_json()
            assert said["actor"] == "browser"
            assert said["offered"] == [one for one in offered if "key" not in one]
            assert secret[-43:] not in json.dumps(said)
        wrong = [f"truecast.key.{STRANGER}"]
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            client.websocket_connect(f"ws://localhost{STREAM}", subprotocols=wrong),
        ):
            pass
        problem(refused.value, 401, "key")


def test_a_websocket_ends_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "HELD_SECONDS", 0.05)
    settings = Settings(home=tmp_path)
    keys = Keys(open_database(settings.database))
    ended = []

    async def for_ever(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        try:
            while (await receive())["type"] != "websocket.disconnect":
                await send({"type": "websocket.send", "text": "still here"})
        finally:
            ended.append(scope["state"]["actor"])

    app = Starlette(
        routes=[Mount("/", for_ever)], middleware=doors(LOOPBACK, open_access(settings))
    )

    def opened(secret: str | None) -> Any:
        headers = {"X-API-Key": secret} if secret else {}
        return client.websocket_connect(f"ws://localhost{STREAM}", headers=headers)

    with TestClient(app, base_url="http://localhost") as client:
        with opened(None) as local:
            local.send_text("?")
            assert local.receive_text() == "still here"
            first, second = (keys.add(name, "read", "a test")[1] for name in ("a", "b"))
            with pytest.raises(WebSocketDisconnect) as gone:
                local.receive_text()
            assert (gone.value.code, gone.value.reason) == (1008, "A key is needed")
        with opened(first) as one, opened(second) as other:
            keys.revoke("a", "a test")
            with pytest.raises(WebSocketDisconnect):
                one.receive_text()
            time.sleep(0.3)
            other.send_text("?")
            assert other.receive_text() == "still here"
    assert ended == ["local", "a", "b"]


def test_what_is_behind_sees_the_name_and_never_the_key(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    secret = Keys(open_database(settings.database)).add("desk", "read", "a test")[1]
    app = little_app(settings)

    found = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    app.mount("/seen", answer)
    with TestClient(app, base_url="http://localhost") as client:
        for headers in ({"X-API-Key": secret}, {"Authorization": f"Bearer {secret}"}):
            assert client.get("/seen", headers=headers | {"X-Other": "1"}).status_code == 204
            scope = found.pop()
            assert scope["state"]["actor"] == "desk"
            assert secret[-43:] not in repr(scope)
            assert (b"x-other", b"1") in scope["headers"]


# --- guesses


def guessed(key_id: str, number: int) -> str:
    return f"tc_{key_id}_{number:043d}"


def test_who_guesses_keys_has_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On HTTP and on the WebSocket, in one count, however the keys are sent."""
    monkeypatch.setattr(limiting, "WRONG_KEYS", "3/minute")
    desk = Desk(tmp_path, demanded=True)
    desk.add("desk")
    with desk.client:
        problem(desk.ask("GET", "/health", "a"), 401, "key")
        problem(desk.connect(STRANGER), 401, "key")
        bearer = {"Authorization": f"Bearer {guessed('0' * 12, 1)}"}
        problem(desk.ask("POST", "/nothing", headers=bearer), 401, "key")
        for number in range(4):
            refused = (
                desk.ask("GET", "/health", guessed(f"{number:012x}", number)),
                desk.connect(guessed(f"{number:012x}", number)),
            )
            for answer in refused:
                found = problem(answer, 429, "limit")
                assert found["detail"].startswith("over 3 keys that are not known here")
                assert 1 <= int(answer.headers["retry-after"]) <= 60
                assert answer.headers["ratelimit-limit"] == "3"
                assert answer.headers["ratelimit-remaining"] == "0"
        # Who sends none guesses nothing.
        problem(desk.ask("GET", "/health"), 401, "key")


def test_a_guess_is_not_even_looked_at_once_there_were_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So even the right one does not help who has guessed that key; it does once a minute ends."""
    monkeypatch.setattr(limiting, "WRONG_KEYS", "2/second")
    desk = Desk(tmp_path, demanded=True)
    key, secret = desk.keys.add("guessed", "read", "a test")
    with desk.client:
        statuses = [
            desk.ask("GET", "/docs", guessed(key.id, number)).status_code for number in range(3)
        ]
        assert statuses == [401, 401, 429]
        refused = desk.ask("GET", "/docs", secret)
        problem(refused, 429, "limit")
        time.sleep(int(refused.headers["retry-after"]) + 0.1)
        assert desk.ask("GET", "/docs", secret).is_success


def test_a_good_key_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the address from which others are guessed, nor of another that guesses it."""
    monkeypatch.setattr(limiting, "WRONG_KEYS", "1/day")
    desk = Desk(tmp_path, demanded=True)
    guessed_key, secret = desk.keys.add("guessed", "read", "a test")
    other = desk.add("other")
    elsewhere = TestClient(desk.app, base_url="http://localhost", client=("192.0.2.9", 5000))
    with desk.client:
        for number in range(3):
            desk.ask("GET", "/docs", STRANGER)
            desk.ask("GET", "/docs", guessed(guessed_key.id, number))
        assert desk.ask("GET", "/docs", secret).status_code == 429
        assert desk.ask("GET", "/docs", other).is_success
        assert desk.connect(other, "/nowhere").status_code == 404
        assert elsewhere.get("/docs", headers={"X-API-Key": secret}).is_success


def test_what_a_key_is_not_good_for_is_counted_with_what_it_may_read(tmp_path: Path) -> None:
    desk = Desk(tmp_path, demanded=True, limit_read="2/day")
    secret = desk.add("desk")
    with desk.client:
        for _ in range(2):
            problem(desk.ask("POST", "/train-parent", secret), 403, "scope")
        problem(desk.ask("POST", "/train-parent", secret), 429, "limit")
        problem(desk.ask("GET", "/docs", secret), 429, "limit")


def test_two_keys_that_differ_are_refused_in_either_order(desk: Desk) -> None:
    secret = desk.add("desk")
    two = [("X-API-Key", secret), ("Authorization", f"Bearer {STRANGER}")]
    basic = [("X-API-Key", secret), ("Authorization", "Basic YTpi")]
    same = [("X-API-Key", secret), ("Authorization", f"Bearer {secret}")]
    for headers in (two, basic):
        for order in (headers, headers[::-1]):
            answer = desk.client.request("GET", "/docs", headers=order)
            assert "two keys" in problem(answer, 401, "key")["detail"]
    assert desk.client.request("GET", "/docs", headers=same).is_success


def test_a_key_in_an_address_is_found_under_any_name(desk: Desk) -> None:
    secret = desk.add("desk")
    for query in (f"KEY={secret}", f"k%65y={secret}", f"token={secret}", f"x=1;a={secret}", "key="):
        problem(desk.ask("GET", f"/docs?{query}", secret), 401, "key")
    assert desk.ask("GET", "/docs?monkey=1", secret).is_success


# --- limits


def test_every_route_refuses_who_asks_too_often(tmp_path: Path) -> None:
    desk = Desk(tmp_path, demanded=True, **LIMITS)
    routes = routes_of(desk.app)
    secrets = [desk.add(f"desk-{number}", "admin") for number in range(len(routes) + 1)]
    with desk.client:
        for (method, path), secret in zip(routes, secrets, strict=False):
            first = desk.ask(method, path, secret)
            assert first.status_code not in {401, 403, 429}, (method, path)
            assert first.headers["ratelimit-limit"] == "1"
            assert first.headers["ratelimit-remaining"] == "0"
            again = desk.ask(method, path, secret)
            assert problem(again, 429, "limit")["what_to_do"].startswith("ask again in 86")
            assert 86_000 < int(again.headers["retry-after"]) <= 86_400
            assert again.headers["ratelimit-reset"] == again.headers["retry-after"]
            assert again.headers["ratelimit-limit"] == "1"
            assert again.headers["ratelimit-remaining"] == "0"
        desk.connect(secrets[-1])
        refused = desk.connect(secrets[-1])
        problem(refused, 429, "limit")
        assert 86_000 < int(refused.headers["retry-after"]) <= 86_400


def test_without_keys_addresses_are_counted_and_what_a_proxy_says_is_not(tmp_path: Path) -> None:
    desk = Desk(tmp_path, demanded=False, **LIMITS)
    said = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP")
    with desk.client:
        assert desk.ask("GET", "/health").is_success
        for number, name in enumerate(said):
            answer = desk.ask("GET", "/health", headers={name: f"192.0.2.{number}"})
            problem(answer, 429, "limit")
        assert desk.ask("POST", "/predict").status_code == 503  # another class


def test_addresses_of_one_network_are_counted_together(tmp_path: Path) -> None:
    desk = Desk(tmp_path, demanded=False, **LIMITS)

    def from_address(address: str) -> int:
        client = TestClient(desk.app, base_url="http://localhost", client=(address, 5000))
        return client.get("/health").status_code

    with desk.client:
        found = [
            from_address(address)
            for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1")
        ]
    assert found == [200, 429, 200, 200]


def test_redis_away_leaves_predictions_and_closes_training(tmp_path: Path) -> None:
    desk = Desk(tmp_path, demanded=True, redis_url=f"unix://{tmp_path}/nobody-listens")
    secret = desk.add("desk", "admin")
    with desk.client:
        assert desk.ask("GET", "/health", secret).is_success
        for path in ("/train-parent", "/models/x/promote"):
            answer = desk.ask("POST", path, secret)
            found = problem(answer, 503, "unavailable")
            assert "TRUECAST_REDIS_URL" in found["detail"]
            assert answer.headers["retry-after"] == "5"


def test_more_at_once_than_memory_is_meant_for_are_told_to_come_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = desk.add("desk")
    monkeypatch.setattr(gate, "CONCURRENT", 0)
    answer = desk.ask("GET", "/health", secret)
    problem(answer, 503, "busy")
    assert answer.headers["retry-after"] == "1"


# --- sizes


@pytest.mark.parametrize(
    ("path", "largest"), [("/predict", MIB), ("/bars", 8 * MIB), ("/news", 8 * MIB)]
)
def test_a_body_is_refused_by_the_size_that_it_says(desk: Desk, path: str, largest: int) -> None:
    """And not read: there is none behind these headers."""
    secret = desk.add("desk", "write")
    for size, refused in ((largest + 1, True), (100_000_000, True), (largest, False)):
        asked = {**JSON, "content-length": str(size)}
        answer = desk.ask("POST", path, secret, headers=asked)
        if refused:
            found = problem(answer, 413, "too-large")
            most = f"at most {largest // MIB} MiB"
            assert found["detail"] == f"the body is {size} bytes, expected {most}"
            assert found["what_to_do"] == f"send {most}"
            assert answer.headers["connection"] == "close"
        else:
            assert answer.status_code != 413


def test_a_body_that_does_not_say_its_size_is_refused_once_it_is_too_large(desk: Desk) -> None:
    secret = desk.add("desk", "write")
    taken = 0

    def parts() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(10_000):
            taken += 10_000
            yield b" " * 10_000

    answer = desk.ask("POST", "/predict", secret, headers=JSON, content=parts())
    found = problem(answer, 413, "too-large")
    assert found["detail"] == "the body is larger, expected at most 1 MiB"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9" * 5000, "٣"])
def test_a_size_that_is_none_is_refused(desk: Desk, length: str) -> None:
    secret = desk.add("desk", "write")
    headers = {**JSON, "X-API-Key": secret, "content-length": length.encode()}
    answer = desk.client.request("POST", "/predict", headers=headers)  # type: ignore[arg-type]
    problem(answer, 400, "http")


@pytest.mark.parametrize("deep", ["[", '{"a":', "[{"])
def test_deep_json_is_never_the_end_of_the_server(desk: Desk, deep: str) -> None:
    secret = desk.add("desk", "admin")
    for method, path in routes_of(desk.app):
        if method != "POST":
            continue
        answer = desk.ask(method, path, secret, headers=JSON, content=deep * 100_000)
        assert answer.status_code in {200, 404, 413, 422, 501, 503}, (path, answer.text[:300])
        if path in {"/predict"}:
            problem(answer, 422, "invalid")


def test_a_body_that_is_coded_is_refused(desk: Desk) -> None:
    secret = desk.add("desk", "write")
    coded = {**JSON, "content-encoding": "gzip"}
    for path in ("/predict", "/bars"):
        answer = desk.ask("POST", path, secret, headers=coded, content=b"{}")
        assert problem(answer, 415, "media-type")["what_to_do"].startswith("send it without")
    plain = {**JSON, "content-encoding": "identity"}
    assert desk.ask("POST", "/predict", secret, headers=plain, content=b"{}").status_code == 503


# --- methods and paths


def test_head_is_get_without_the_body(desk: Desk) -> None:
    secret, admin = desk.add("desk"), desk.add("chief", "admin")
    for path in ("/", "/health", "/docs", "/openapi.json"):
        head, get = desk.ask("HEAD", path, secret), desk.ask("GET", path, secret)
        assert head.status_code == get.status_code == 200
        assert head.headers["content-type"] == get.headers["content-type"]
    assert desk.ask("HEAD", "/predict", secret).headers["allow"] == "POST"
    assert desk.ask("HEAD", "/system/logs", secret).status_code == 403
    assert desk.ask("HEAD", "/system/logs", admin).status_code == 501


def test_the_stream_says_what_it_is_and_nothing_else_is_one(desk: Desk) -> None:
    secret = desk.add("desk")
    answer = desk.ask("GET", STREAM, secret)
    problem(answer, 426, "upgrade")
    assert answer.headers["upgrade"] == "websocket"
    problem(desk.connect(secret, "/nowhere"), 404, "no-such-route")


def test_a_request_names_one_host(desk: Desk) -> None:
    secret = desk.add("desk")
    for hosts in (("evil.example", "localhost"), ("localhost", "evil.example")):
        headers = [*(("Host", host) for host in hosts), ("X-API-Key", secret)]
        problem(desk.client.request("GET", "/docs", headers=headers), 400, "host")


# --- browsers


def test_pages_of_others_may_not_ask_unless_they_are_named(desk: Desk) -> None:
    secret = desk.add("desk")
    for origin in ("https://evil.example", "null", "http://localhost.evil.example"):
        answer = desk.ask("POST", "/predict", secret, headers={"Origin": origin})
        problem(answer, 400, "host")
        assert "access-control-allow-origin" not in answer.headers
        problem(desk.connect(secret, headers={"Origin": origin}), 400, "host")
        seen = desk.ask("GET", "/health", secret, headers={"Origin": origin})
        assert "access-control-allow-origin" not in seen.headers
    own = desk.ask("POST", "/predict", secret, headers={"Origin": "http://localhost"})
    assert own.status_code == 503
    named = {"Origin": "https://desk.example.com"}
    answer = desk.ask("POST", "/predict", secret, headers=named)
    assert answer.status_code == 503
    assert answer.headers["access-control-allow-origin"] == "https://desk.example.com"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers


def test_a_browser_may_ask_beforehand_without_a_key(desk: Desk) -> None:
    desk.add("desk")
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key, content-type",
    }
    named = desk.ask("OPTIONS", "/predict", headers=asked | {"Origin": "https://desk.example.com"})
    assert named.status_code == 200
    assert named.headers["access-control-allow-origin"] == "https://desk.example.com"
    other = desk.ask("OPTIONS", "/predict", headers=asked | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_a_websocket_has_to_ask_for_this_server(desk: Desk) -> None:
    secret = desk.add("desk")
    problem(desk.connect(secret, headers={"Host": "evil.example"}), 400, "host")


# --- secrets


def test_no_key_is_in_any_answer_or_line_of_the_log(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever way it is sent, by mistake too, and whatever goes wrong."""
    printed = io.StringIO()
    handler = logging.StreamHandler(printed)
    handler.setFormatter(Formatter("%(levelname)s: %(message)s"))
    handler.setLevel(logging.DEBUG)
    root = logging.getLogger()
    monkeypatch.setattr(root, "level", logging.DEBUG)
    root.addHandler(handler)
    secret = desk.add("desk", "admin")
    canaries = (secret[-43:], STRANGER[-43:])

    def fail(self: Any, *given: Any) -> Any:
        raise RuntimeError(f"unexpected: {given} {secret} at redis://:{STRANGER[-43:]}@host")

    monkeypatch.setattr(Service, "index", fail)
    answers = []
    try:
        for one in (secret, STRANGER):
            others = [("GET", f"/{one}"), ("PUT", f"/a/{one}/b"), ("PATCH", "/health")]
            for method, path in [*routes_of(desk.app), *others]:
                for headers in (
                    {"X-API-Key": one},
                    {"Authorization": f"Bearer {one}"},
                    {"Authorization": f"Basic {one}"},
                    {"X-API-Key": secret, "Cookie": one, "Content-Type": one},
                    {"X-API-Key": secret, "Host": one},
                    {"X-API-Key": secret, "Origin": one},
                ):
                    answers.append(desk.ask(method, path, headers=headers, content=one))
            for path in (f"/health?key={one}", f"/predictions/history?mode={one}&{one}=1"):
                answers.append(desk.ask("GET", path, secret))
            answers.append(desk.ask("GET", f"/predictions/{one}", secret))
            for body in ({"recipe": one}, {one: 1}, {"horizon": one}, {"instrument": f"x{one}"}):
                answers.append(desk.ask("POST", "/predict", secret, json=body))
            answers += [desk.connect(one, path) for path in (f"{STREAM}?key={one}", f"/{one}")]
    finally:
        root.removeHandler(handler)
    statuses = {answer.status_code for answer in answers if answer is not None}
    assert statuses >= {200, 400, 401, 404, 405, 422, 500, 501, 503}
    for answer in answers:
        shown = "" if answer is None else f"{answer.text}{dict(answer.headers)}"
        assert not [one for one in canaries if one in shown], shown
    log = printed.getvalue()
    assert "RuntimeError: unexpected" in log
    assert not [one for one in canaries if one in log]


def test_there_is_no_key_that_was_not_made(tmp_path: Path) -> None:
    desk = Desk(tmp_path, demanded=True)
    assert desk.keys.all() == []
    with desk.client:
        for guess in ("admin", "truecast", "changeme", "test", "secret", f"tc_{'0' * 12}_"):
            problem(desk.ask("GET", "/health", guess), 401, "key")


def test_a_look_at_the_keys_holds_up_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the last one is too old."""
    secret = desk.add("desk")
    assert desk.ask("GET", "/docs", secret).is_success
    ring = Keys.ring

    def slowly(self: Keys) -> Any:
        time.sleep(0.5)
        return ring(self)

    monkeypatch.setattr(Keys, "ring", slowly)
    monkeypatch.setattr(access_module, "OLDEST_SECONDS", 60.0)
    started = time.perf_counter()
    assert desk.ask("GET", "/docs", secret).is_success
    assert time.perf_counter() - started < 0.4
