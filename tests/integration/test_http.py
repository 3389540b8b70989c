"""The service over HTTP, with real models, a real registry and a real ledger."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from served import DIRECTION, END, PRICE, Client, Trained, problem_of
from truecast.core.clock import frozen_at
from truecast.core.settings import Settings
from truecast.database.errors import DatabaseError
from truecast.lake.tables import Table
from truecast.ledger.ledger import Ledger
from truecast.ledger.query import Query
from truecast.registry.registry import Registry
from truecast.serving.answering import champions
from truecast.serving.answering.answered import Answered
from truecast.serving.answering.forecaster import Forecaster
from truecast.serving.app import create_app
from truecast.serving.schemas import Asked
from truecast.serving.service import Service, open_service
from truecast.serving.workspace import Workspace
from truecast.sources.sample.source import SampleSource


@pytest.fixture
def trained(prepared: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """A home of the test's own, which the service looks at anew at every request."""
    monkeypatch.setattr(champions, "LOOK_SECONDS", 0.0)
    return prepared.copied(tmp_path / "home")


@pytest.fixture
def client(trained: Trained) -> Iterator[Client]:
    with _client(trained.service()) as client:
        yield client


@pytest.fixture(scope="module")
def shared(prepared: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A home whose ledger is written to by many tests."""
    return prepared.copied(tmp_path_factory.mktemp("shared") / "home")


@pytest.fixture(scope="module")
def steady(shared: Trained) -> Iterator[Client]:
    """A server that many tests may ask, and that none changes."""
    with _client(shared.service()) as client:
        yield client


def _client(service: Service) -> Client:
    return Client(create_app(service))


def test_a_forecast_is_in_the_ledger_before_it_is_answered(client, trained):
    response = client.post("/predict")
    assert response.status_code == 200
    said = response.json()
    assert (said["slot"], said["mode"], said["as_of"]) == (str(PRICE), "historical", END)
    assert (said["today_date"], said["predicted_date"]) == ("2018-12-31", "2019-01-02")
    assert said["model_version"] == trained.earlier[PRICE]
    assert said["skill"] == "not evaluated yet"
    assert (said["degraded"], said["reason"]) == (False, None)
    (row,) = trained.stored("SELECT id, prediction, lower, upper, latency_ms FROM forecasts")
    assert row == tuple(said[key] for key in ("id", "prediction", "lower", "upper", "latency_ms"))
    entry = Ledger(trained.registry.database).history(Query())[0]
    assert json.loads(Answered.of(entry.forecast).model_dump_json()) == said


def test_the_same_question_gets_the_same_answer_here_and_elsewhere(client, trained):
    first = client.post("/predict").content
    assert client.post("/predict").content == first
    assert client.post("/predict", json={"target": "price"}).content == first
    with _client(trained.service()) as other:
        assert other.post("/predict").content == first
    assert len(trained.stored("SELECT id FROM forecasts")) == 1


def test_the_command_line_says_the_same(client, trained):
    said = trained.service().predict_slots([DIRECTION, PRICE])
    assert [json.loads(Answered.of(one).model_dump_json()) for one in said] == [
        client.post("/predict", json={"target": target}).json() for target in ("direction", "price")
    ]


def test_what_cannot_be_written_down_is_not_given_out(client, monkeypatch):
    def refuse(self, said, guard):
        raise DatabaseError("truecast.db: the disk is full")

    monkeypatch.setattr(Ledger, "write", refuse)
    problem = problem_of(client.post("/predict"), 503)
    assert problem["detail"] == "truecast.db: the disk is full"
    monkeypatch.undo()
    assert client.post("/predict").status_code == 200


def test_a_moment_before_the_newest_decision_is_a_what_if(client, trained):
    body = {"target": "price", "timestamp": "2018-12-14T12:00:00Z"}
    said = client.post("/predict", json=body).json()
    assert (said["mode"], said["as_of"]) == ("whatif", "2018-12-13T21:30:00Z")
    assert client.post("/predict", json=body).json() == said
    at_once = {**body, "timestamp": "2018-12-13T21:30:00Z"}
    assert client.post("/predict", json=at_once).json() == said
    # After the end of the sample the newest decision is meant.
    late = client.post("/predict", json={"target": "price", "timestamp": "2020-01-01T00:00:00Z"})
    assert (late.json()["mode"], late.json()["as_of"]) == ("historical", END)
    assert [mode for (mode,) in trained.stored("SELECT mode FROM forecasts ORDER BY seq")] == [
        "whatif",
        "historical",
    ]


@pytest.mark.parametrize("moment", ["2018-11-29T22:00:00Z", "1960-01-01T00:00:00Z"])
def test_a_model_never_answers_for_what_it_has_seen(client, moment):
    problem = problem_of(client.post("/predict", json={"timestamp": moment}), 422)
    assert "was trained through 2018-12-0" in problem["detail"]
    assert "`truecast replay small --from DATE --to DATE`" in problem["what_to_do"]
    assert "`truecast predict small --as-of MOMENT`" in problem["what_to_do"]


def test_the_future_cannot_be_asked_from(client):
    moment = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert (
        "is in the future"
        in problem_of(client.post("/predict", json={"timestamp": moment}), 422)["detail"]
    )


def test_a_live_forecast_is_not_issued_after_its_outcome(trained, monkeypatch):
    monkeypatch.setattr(SampleSource, "live", True)
    service = trained.service()
    with frozen_at(datetime(2019, 1, 1, 12, tzinfo=UTC)), _client(service) as client:
        said = client.post("/predict").json()
        assert (said["mode"], said["issued_at"]) == ("live", "2019-01-01T12:00:00Z")
    # The same server, a day on: what it holds in memory has happened.
    with frozen_at(datetime(2019, 1, 2, 21, tzinfo=UTC)), _client(service) as client:
        problem = problem_of(client.post("/predict"), 503)
        assert "due at 2019-01-02T21:00:00+00:00, which is past" in problem["detail"]
        assert client.get("/health").json()["status"] == "healthy"


def test_a_new_decision_is_answered_as_soon_as_it_is_made(trained, monkeypatch):
    """Bars that are known may wait for their decision: it is time that changes the answer."""
    service = trained.service()
    seen = []
    for moment in ("2018-12-13T21:29:59", "2018-12-13T21:30:00", "2018-12-14T21:29:59"):
        with frozen_at(datetime.fromisoformat(moment + "+00:00")), _client(service) as client:
            seen.append(client.post("/predict").json()["as_of"])
            assert client.post("/predict").json()["as_of"] == seen[-1]
    assert seen == ["2018-12-12T21:30:00Z", "2018-12-13T21:30:00Z", "2018-12-13T21:30:00Z"]


def test_a_new_champion_answers_and_the_one_before_comes_back(client, trained):
    before = client.post("/predict").json()
    trained.promote(PRICE, trained.later[PRICE])
    after = client.post("/predict").json()
    assert after["model_version"] == trained.later[PRICE]
    assert after["id"] != before["id"]
    # The first forecast of the session is the one that is scored.
    (_, (scored,)) = trained.stored("SELECT supersedes FROM forecasts ORDER BY seq")
    assert scored == before["id"]
    trained.registry.rollback(PRICE, reason="a test")
    assert client.post("/predict").json() == before
    other = client.post("/predict", json={"target": "direction"}).json()
    assert other["model_version"] == trained.earlier[DIRECTION]


def test_a_verdict_goes_out_with_the_next_forecast(client, trained):
    trained.registry.judge(PRICE, trained.earlier[PRICE], skill="no skill shown", metrics={})
    assert client.post("/predict").json()["skill"] == "no skill shown"


def test_a_spoilt_champion_is_refused_and_the_one_before_answers(client, trained):
    before = client.post("/predict").json()
    trained.promote(PRICE, trained.later[PRICE])
    trained.spoil(PRICE, trained.later[PRICE])
    said = client.post("/predict").json()
    assert (said["id"], said["model_version"]) == (before["id"], trained.earlier[PRICE])
    assert said["degraded"]
    assert "was refused (see /health)" in said["reason"]
    assert f"version {trained.earlier[PRICE]} answers" in said["reason"]
    health = client.get("/health").json()
    assert health["status"] == "degraded"
    (refused,) = health["refused"]
    assert refused["slot"] == str(PRICE)
    assert "calibration.json has been changed" in refused["reason"]
    assert refused["version"] == trained.later[PRICE]
    assert refused["answering"] == trained.earlier[PRICE]
    assert client.get("/ready").status_code == 200
    # It is the other slot's forecast as ever, and so is this one's once the bundle is whole.
    assert not client.post("/predict", json={"target": "direction"}).json()["degraded"]


def test_a_server_that_starts_with_a_spoilt_champion_takes_the_one_before(trained):
    trained.promote(PRICE, trained.later[PRICE])
    trained.spoil(PRICE, trained.later[PRICE])
    with _client(trained.service()) as client:
        said = client.post("/predict").json()
        assert (said["model_version"], said["degraded"]) == (trained.earlier[PRICE], True)
    # The forecast itself is as good as ever.
    assert trained.stored("SELECT degraded FROM forecasts") == [(0,)]


def test_a_champion_without_a_substitute_is_said_to_be_missing(trained):
    trained.spoil(PRICE, trained.earlier[PRICE])
    with _client(trained.service()) as client:
        problem = problem_of(client.post("/predict", json={"target": "price"}), 503)
        assert "was refused" in problem["detail"]
        assert problem["what_to_do"] == "run `truecast run small`"
        assert client.post("/predict", json={"target": "direction"}).status_code == 200
        assert client.get("/health").json()["loaded_models"] == [str(DIRECTION)]


def test_a_bundle_that_is_mended_is_taken_back(client, trained, monkeypatch):
    later = trained.later[PRICE]
    path = trained.registry.store.path(PRICE, later) / "calibration.json"
    good = path.read_bytes()
    trained.promote(PRICE, later)
    trained.spoil(PRICE, later)
    assert client.post("/predict").json()["degraded"]
    path.write_bytes(good)
    assert client.post("/predict").json()["degraded"]  # it is not tried at every look
    monkeypatch.setattr(champions, "RETRY_SECONDS", 0.0)
    said = client.post("/predict").json()
    assert (said["model_version"], said["degraded"]) == (later, False)


def test_many_who_ask_at_once_get_one_forecast(trained, monkeypatch):
    monkeypatch.setattr(champions, "LOOK_SECONDS", 1.0)
    service, computed = trained.service(), []
    forecast = Forecaster.forecast

    def count(self, *given, **named):
        computed.append(named["mode"])
        return forecast(self, *given, **named)

    monkeypatch.setattr(Forecaster, "forecast", count)
    with ThreadPoolExecutor(16) as threads:
        bodies = set(threads.map(lambda _: service.answer(Asked()).body, range(64)))
    assert len(bodies) == 1
    assert len(trained.stored("SELECT id FROM forecasts")) == 1
    # Each of the two champions was tried once, and the one that was asked computed once.
    assert sorted(computed) == ["historical", "whatif", "whatif"]


def test_in_a_steady_stream_of_questions_nobody_waits_for_the_look(trained, monkeypatch):
    monkeypatch.setattr(champions, "LOOK_SECONDS", 1.0)
    service = trained.service()
    before = service.look()
    found, go_on = Registry.champions, threading.Event()

    def find_slowly(self):
        assert go_on.wait(30)
        return found(self)

    monkeypatch.setattr(Registry, "champions", find_slowly)
    trained.promote(PRICE, trained.later[PRICE])
    service._champions._looked = time.monotonic() - 1.5
    assert service.look() is before
    go_on.set()
    deadline = time.monotonic() + 30
    while service.look() is before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert service.predict(Asked()).model_version == trained.later[PRICE]


def test_nobody_waits_for_a_new_champion_and_nobody_sees_half_of_it(trained, monkeypatch):
    service = trained.service()
    before = service.predict(Asked())
    load, loading, go_on = Registry.bundle, threading.Event(), threading.Event()

    def load_slowly(self, slot, version):
        loading.set()
        assert go_on.wait(30)
        return load(self, slot, version)

    trained.promote(PRICE, trained.later[PRICE])
    monkeypatch.setattr(Registry, "bundle", load_slowly)
    with ThreadPoolExecutor(1) as threads:
        after = threads.submit(service.predict, Asked())
        assert loading.wait(30)
        # While it loads, those who ask get what was there.
        assert service.peek(Asked()) is not None
        assert [service.predict(Asked()) for _ in range(20)] == [before] * 20
        go_on.set()
        assert after.result().model_version == trained.later[PRICE]
    assert service.predict(Asked()).model_version == trained.later[PRICE]


def test_a_lake_without_bars_is_not_ready(client, trained):
    assert client.get("/ready").status_code == 200
    bars = trained.home / "lake" / "silver" / "bars"
    bars.rename(bars.with_name("gone"))
    assert "the lake has no bars" in problem_of(client.get("/ready"), 503)["detail"]
    assert client.get("/health").json()["status"] == "degraded"
    bars.with_name("gone").rename(bars)
    assert client.get("/ready").status_code == 200


def test_newer_bars_are_seen(client, trained):
    """A close that is corrected is another input, and so another forecast."""
    before = client.post("/predict").json()
    lake = Workspace(Settings(home=trained.home)).lake
    table = Table(f"{lake.url}/silver/bars", partition_by=("source", "instrument", "interval"))
    rows = table.read({"instrument": "^GSPC"}).sort("event_time").tail(2).head(1)
    known = datetime(2018, 12, 31, 21, tzinfo=UTC)
    corrected = rows.with_columns(
        pl.col("close") * 1.01,
        pl.col("high") * 1.02,
        version=pl.lit(1, dtype=rows.schema["version"]),
        known_at=pl.lit(known, dtype=rows.schema["known_at"]),
    )
    table.snapshot().append(corrected)
    after = client.post("/predict").json()
    assert (after["as_of"], after["last_close"]) == (before["as_of"], before["last_close"])
    assert after["input_hash"] != before["input_hash"]
    assert client.get(f"/predictions/{after['id']}").json()["supersedes"] == before["id"]


def test_without_a_champion_the_command_is_named(tmp_path):
    with _client(open_service(Settings(home=tmp_path))) as client:
        for response in (client.post("/predict"), client.get("/ready")):
            assert "truecast run sp500-daily" in problem_of(response, 503)["what_to_do"]
        health = client.get("/health")
        assert health.status_code == 200
        assert (health.json()["status"], health.json()["model_loaded"]) == ("degraded", False)


def test_a_lake_that_is_gone_is_said_and_answers_go_on(client, trained):
    before = client.post("/predict").json()
    log = trained.home / "lake" / "silver" / "bars" / "_delta_log"
    kept = {path: path.read_bytes() for path in log.glob("*.json")}
    for path in kept:
        path.write_text("not a commit")
    problem = problem_of(client.get("/ready"), 503)
    assert "silver/bars" in problem["detail"]
    assert client.get("/health").json()["status"] == "degraded"
    assert client.post("/predict").json() == before
    for path, content in kept.items():
        path.write_bytes(content)
    assert client.get("/ready").json()["status"] == "ready"


def test_a_server_that_starts_without_its_lake_says_so_and_goes_on_once_it_is_back(trained):
    silver = trained.home / "lake" / "silver" / "bars"
    log = next((silver / "_delta_log").glob("*.json"))
    kept = log.read_bytes()
    log.write_text("not a commit")
    with _client(trained.service()) as client:
        for problem in (client.get("/ready"), client.post("/predict")):
            assert "silver/bars" in problem_of(problem, 503)["detail"]
        (reason,) = client.get("/health").json()["reasons"]
        assert "silver/bars" in reason
        log.write_bytes(kept)
        assert client.post("/predict").json()["slot"] == str(PRICE)


def test_health_has_the_names_that_users_know(steady):
    for path in ("/health", "/health/"):
        found = steady.get(path).json()
        assert (found["status"], found["model_loaded"]) == ("healthy", True)
        assert found["loaded_models"] == [str(DIRECTION), str(PRICE)]
        assert found["model_expected_features"][str(PRICE)] == [
            "log_return_1",
            "return_sd_22",
            "rsi_14",
            "close_to_sma_20",
        ]
        assert (found["refused"], found["reasons"]) == ([], [])
    assert steady.get("/ready").json()["loaded_models"] == found["loaded_models"]
    index = steady.get("/").json()
    assert index["name"] == "truecast"
    assert [one["slot"] for one in index["serves"]] == found["loaded_models"]
    for link in set(index["links"].values()) - {"/predict"}:
        assert steady.get(link).status_code == 200


def test_history_is_the_ledger(client):
    for day in (10, 11, 12):
        moment = f"2018-12-{day}T22:00:00Z"
        client.post("/predict", json={"target": "price", "timestamp": moment})
    newest = client.post("/predict", json={"target": "direction"}).json()
    found = client.get("/predictions/history").json()
    assert found["count"] == len(found["predictions"]) == 4
    added = {"time": newest["as_of"], "supersedes": None, "outcome": None}
    assert found["predictions"][0] == {**newest, **added}
    assert [one["as_of"][:10] for one in found["predictions"]] == [
        "2018-12-31",
        "2018-12-12",
        "2018-12-11",
        "2018-12-10",
    ]
    for query, count in (
        ({"mode": "whatif"}, 3),
        ({"target": "direction"}, 1),
        ({"slot": str(PRICE)}, 3),
        ({"recipe": "small", "instrument": "^GSPC", "limit": 2}, 2),
        ({"recipe": "gold"}, 0),
        ({"hours": 24}, 0),
        ({"hours": 1_000_000}, 4),
    ):
        assert client.get("/predictions/history", params=query).json()["count"] == count, query
    one = client.get(f"/predictions/{newest['id']}").json()
    assert one == found["predictions"][0]
    assert client.get("/track-record", params={"mode": "historical"}).json()[0]["issued"] == 1
    assert client.get("/track-record").json() == []


def test_what_is_not_there_is_not_found(steady):
    name = "c193cb6b-a266-53ba-a7cf-fc0adb8ecc0b"
    assert name in problem_of(steady.get(f"/predictions/{name}"), 404)["detail"]
    assert problem_of(steady.get("/nothing"), 404)["type"] == "/docs#no-such-route"
    problem = problem_of(steady.post("/predict", json={"instrument": "GSPC"}), 404)
    assert problem["what_to_do"] == "did you mean '^GSPC'?"
    assert problem["choices"] == [{"instrument": "^GSPC"}]
    wrong = steady.request("DELETE", "/predict")
    assert problem_of(wrong, 405)["type"] == "/docs#method"
    assert wrong.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/predictions/history?limt=3", "did you mean 'limit'?"),
        ("/predictions/history?limit=1001", ""),
        ("/predictions/history?limit=0", ""),
        ("/predictions/history?hours=nan", ""),
        ("/predictions/history?hours=inf", ""),
        ("/predictions/history?mode=dead", ""),
        ("/predictions/history?instrument=%00", ""),
        ("/predictions/history?slot=" + "x" * 10_000, ""),
        ("/predictions/not-an-id", ""),
        ("/track-record?since=2018-01-01T00:00:00", ""),
        ("/track-record?since=0001-01-01T00:00:00%2B14:00", ""),
        ("/predictions/history?mode=live&mode=replay", "see /docs"),
        ("/track-record?modus=live", "did you mean 'mode'?"),
    ],
)
def test_queries_that_mean_nothing_are_refused(steady, path, advice):
    assert problem_of(steady.get(path), 422)["what_to_do"].startswith(advice)


def test_bodies_that_mean_nothing_are_refused(steady):
    typo = problem_of(steady.post("/predict", json={"instrment": "^GSPC"}), 422)
    assert typo["what_to_do"].startswith("did you mean 'instrument'? Valid: recipe, instrument")
    wrong = problem_of(steady.post("/predict", json={"horizon": "one", "target": "x"}), 422)
    assert "horizon: Input should be a valid integer (got 'one')" in wrong["detail"]
    assert "target: Input should be 'direction', 'price'" in wrong["detail"]
    text = steady.post("/predict", content="{}", headers={"content-type": "text/plain"})
    assert problem_of(text, 415)["type"] == "/docs#media-type"
    assert problem_of(steady.post("/predict", content=b"{}"), 415)
    large = steady.post("/predict", content=b" " * (1024 * 1024 + 1))
    assert problem_of(large, 413)["type"] == "/docs#too-large"
    whole = b"{" + b" " * (1024 * 1024 - 2) + b"}"
    assert steady.post("/predict", content=whole, headers=_JSON).status_code == 200


def test_a_body_is_left_out_or_it_is_json(steady):
    assert steady.post("/predict").status_code == 200
    assert steady.post("/predict", content=b"", headers=_JSON).status_code == 200
    for _ in range(2):  # the second is looked for in memory first
        blank = steady.post("/predict", content=b"\n", headers=_JSON)
        assert "Invalid JSON" in problem_of(blank, 422)["detail"]


_JSON = {"content-type": "application/json"}
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    ["recipe", "instrument", "target", "horizon", "predict_tomorrow", "timestamp"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary()
    | _VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(_KEYS | st.text(), _VALUES).map(lambda value: json.dumps(value).encode())
)
def test_no_body_breaks_the_server(steady, body):
    response = steady.post("/predict", content=body, headers=_JSON)
    if response.status_code != 200:
        problem_of(response, response.status_code)
    assert response.status_code in {200, 404, 422}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("LocalHost:1", 200),
        ("example.com", 400),
        ("127.0.0.1.example.com", 400),
        ("localhost@example.com", 400),
        ("", 400),
    ],
)
def test_only_names_of_this_machine_are_answered_for(steady, host, status):
    """A page of the web can point a name of its own at a reader's machine."""
    assert steady.get("/ready", headers={"host": host}).status_code == status


def test_every_answer_says_how_it_may_be_used(steady):
    for response in (steady.get("/"), steady.get("/nothing"), steady.get("/docs")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "access-control-allow-origin" not in response.headers


def test_what_nobody_expected_is_said_without_its_inside(steady, monkeypatch, caplog):
    def fail(self):
        raise RuntimeError("a secret")

    monkeypatch.setattr(Service, "index", fail)
    response = steady.get("/")
    assert problem_of(response, 500)["type"] == "/docs#failed"
    assert "secret" not in response.text
    assert "a secret" in caplog.text
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_documentation_needs_nothing_from_elsewhere(steady):
    page = steady.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for name in ("/docs", "/docs/page.js", "/docs/page.css"):
        text = steady.get(name).text
        assert "http://" not in text
        assert "https://" not in text
    kinds = steady.get("/docs/problems.json").json()
    assert "invalid" in {kind["name"] for kind in kinds}


def test_every_route_is_described_with_examples(steady):
    api = steady.get("/openapi.json").json()
    assert set(api["paths"]) >= {
        *("/", "/health", "/ready", "/predict"),
        *("/predictions/history", "/predictions/{id}", "/track-record"),
    }
    for path, methods in api["paths"].items():
        for method, route in methods.items():
            assert route["summary"], (path, method)
            for status, response in route["responses"].items():
                (media,) = response["content"].values()
                assert media.get("example") or media["examples"], (path, status)
    # The examples are what they claim to be.
    predict = api["paths"]["/predict"]["post"]
    for question in predict["requestBody"]["content"]["application/json"]["examples"].values():
        answer = steady.post("/predict", json=question["value"])
        assert answer.status_code in {200, 404, 503}, question
    example = predict["responses"]["200"]["content"]["application/json"]["example"]
    said = steady.post("/predict").json()
    assert set(example) == {key for key, value in said.items() if value is not None}
    health = api["paths"]["/health"]["get"]["responses"]["200"]["content"]["application/json"]
    assert set(health["example"]) == set(steady.get("/health").json())


@pytest.fixture(scope="module")
def running(shared: Trained) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in a process of its own."""
    code = """
import sys
from pathlib import Path
from truecast.core.settings import Settings
from truecast.serving.runner import serve

def tell(address):
    print(address, flush=True)
    print(" ".join(sys.modules), flush=True)

serve(Settings(home=Path(sys.argv[1])), "127.0.0.1", 0, tell=tell)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(shared.home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    yield address, process
    process.kill()
    process.communicate()


def test_a_real_server_answers_drains_and_cannot_train(running):
    address, process = running
    with httpx.Client(base_url=address) as client:
        assert client.post("/predict").json()["instrument"] == "^GSPC"
        response = client.get("/ready")
        assert response.json()["status"] == "ready"
        assert "server" not in response.headers
        assert client.get("/ready", headers={"host": "example.com"}).status_code == 400
        # On a kept connection no answer waits for the other side's delayed acknowledgement.
        started = time.perf_counter()
        for _ in range(50):
            client.get("/ready")
        assert time.perf_counter() - started < 50 * 0.04
    modules = set(process.stdout.readline().split())
    assert "truecast.serving.app" in modules
    for name in modules:
        assert not name.startswith(("truecast.training", "truecast.pipelines", "truecast.cli"))
    assert not modules & {"mlflow", "tensorflow", "torch", "optuna", "alembic", "plotly"}
    # A request that has begun when the server is told to stop is still answered.
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as begun:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        begun.sendall(head + b"Content-Type: application/json\r\n\r\n{")
        time.sleep(0.3)
        process.terminate()
        time.sleep(0.3)
        begun.sendall(b"}")
        assert begun.recv(100).startswith(b"HTTP/1.1 200 OK")
    process.wait(timeout=10)
    assert process.stderr.read() == ""
