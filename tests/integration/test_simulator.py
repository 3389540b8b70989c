"""The news simulator over HTTP, and as a program of its own."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from truecast.serving.simulator import Simulator, Streamed, create_simulator
from truecast.sources.newsfiles.source import open_news_files


class Client:
    """Asks the application without a network."""

    def __init__(self, simulator: Simulator) -> None:
        transport = httpx.ASGITransport(create_simulator(simulator))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost:5000")
        self._runner = asyncio.Runner()

    def ask(self, method: str, path: str, **more) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **more))

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture
def simulator(tmp_path):
    simulator = Simulator(tmp_path / "news.ndjson")
    yield simulator
    simulator.stop()


@pytest.fixture
def client(simulator):
    client = Client(simulator)
    yield client
    client.close()


def lines(simulator: Simulator) -> list[dict]:
    return [json.loads(line) for line in simulator.path.read_text().splitlines()]


def test_each_button_writes_one_article(client, simulator):
    for kind in ("positive", "negative", "neutral"):
        answer = client.ask("POST", f"/api/stream/{kind}")
        assert answer.status_code == 200
        said = answer.json()
        assert (said["status"], said["count"]) == ("sent", 1)
        assert said["article"] == lines(simulator)[-1]
        assert said["article"]["sentiment_type"] == kind
    answer = client.ask("POST", "/api/stream/positive", json={"instrument": "GC=F", "count": 3})
    assert answer.json()["count"] == 3
    assert [one["symbols"] for one in lines(simulator)[-3:]] == [["GC=F"]] * 3
    found = client.ask("GET", "/api/stats").json()
    assert [found[name] for name in ("total", "positive", "negative", "neutral", "custom")] == [
        *(6, 4, 1, 1, 0)
    ]
    scores = [one["sentiment_score"] for one in lines(simulator)]
    assert found["mean_score"] == pytest.approx(sum(scores) / 6, abs=1e-4)
    newest = client.ask("GET", "/api/articles?limit=2").json()
    assert newest == lines(simulator)[:-3:-1]


def test_an_article_of_ones_own_is_kept_as_it_was_written(client, simulator):
    text = "<script>alert(1)</script> Growth is strong"
    answer = client.ask("POST", "/api/stream/custom", json={"text": text, "title": "T"})
    assert answer.status_code == 200
    (line,) = lines(simulator)
    assert (line["headline"], line["body"], line["custom"]) == ("T", text, True)
    assert line["sentiment_type"] == "positive"


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/api/stream/custom", {"json": {"text": "too short"}}, 422),
        ("/api/stream/custom", {"json": {"text": " " * 30}}, 422),
        ("/api/stream/custom", {}, 422),
        ("/api/stream/sideways", {}, 422),
        ("/api/stream/positive", {"json": {"sum": 3}}, 422),
        ("/api/stream/positive", {"json": {"instrument": "A\n"}}, 422),
        ("/api/stream/start", {"json": {"every_seconds": 0}}, 422),
        ("/api/stream/positive", {"content": "{}", "headers": {"content-type": "text/plain"}}, 415),
        ("/api/stream/positive", {"content": b" " * 2_000_000}, 413),
        ("/api/stream/positive", {"headers": {"origin": "http://evil.example"}}, 400),
        ("/api/stream/positive", {"headers": {"origin": "http://localhost:8000"}}, 400),
        ("/api/stream/positive", {"headers": {"origin": "null"}}, 400),
        ("/api/stream/stop", {"headers": {"origin": "http://evil.example"}}, 400),
        ("/api/reload", {"headers": {"host": "evil.example"}}, 400),
    ],
)
def test_what_cannot_be_is_refused_and_writes_nothing(client, simulator, path, more, status):
    answer = client.ask("POST", path, **more)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert not simulator.path.exists()


def test_the_source_of_news_files_reads_what_was_sent(client, simulator):
    for path, more in (
        ("/api/stream/negative", {"instrument": "GC=F"}),
        ("/api/stream/custom", {"text": "Growth is strong", "title": "Gold"}),
    ):
        assert client.ask("POST", path, json=more).status_code == 200
    source = open_news_files({"path": str(simulator.path)})
    (payload,) = source.fetch()
    rows = source.parse(payload)
    written = lines(simulator)
    assert rows["title"].to_list() == [one["headline"] for one in written]
    assert rows["summary"][0] == written[0]["body"]
    assert rows["vendor_score"].to_list() == [one["sentiment_score"] for one in written]
    assert rows["symbols"].to_list() == [["GC=F"], ["^GSPC"]]
    assert rows["published_at"].to_list() == [
        datetime.fromisoformat(one["published_at"]) for one in written
    ]
    assert rows["flags"].to_list() == [["mock"], ["mock"]]


def test_its_own_page_may_ask(client):
    headers = {"origin": "http://localhost:5000"}
    assert client.ask("POST", "/api/stream/neutral", headers=headers).status_code == 200


def test_a_stream_runs_until_it_is_stopped(client, simulator):
    asked = {"kind": "mixed", "every_seconds": 0.1, "instrument": "A"}
    started = client.ask("POST", "/api/stream/start", json=asked).json()
    assert started["running"] is True
    until = time.monotonic() + 10
    while client.ask("GET", "/api/stats").json()["total"] < 4 and time.monotonic() < until:
        time.sleep(0.05)
    stopped = client.ask("POST", "/api/stream/stop").json()
    written = lines(simulator)
    assert stopped["running"] is False
    assert stopped["sent"] == len(written) >= 4
    assert [one["sentiment_type"] for one in written[:4]] == [
        *("positive", "negative", "neutral", "positive")
    ]
    time.sleep(0.25)
    assert len(lines(simulator)) == stopped["sent"]


def test_another_stream_takes_the_place_of_the_first(simulator):
    simulator.start(Streamed(kind="positive", every_seconds=1000))
    simulator.start(Streamed(kind="negative", every_seconds=1000))
    until = time.monotonic() + 10
    while simulator.statistics()["negative"] < 1 and time.monotonic() < until:
        time.sleep(0.02)
    found = simulator.statistics()
    assert (found["negative"], found["stream"]["kind"]) == (1, "negative")
    assert found["positive"] <= 1


def test_a_stream_that_cannot_write_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    simulator = Simulator(tmp_path / "file" / "news.ndjson")
    stream = simulator.start(Streamed())
    until = time.monotonic() + 10
    while stream.running and time.monotonic() < until:
        time.sleep(0.02)
    assert not stream.running
    assert "cannot be written" in str(stream.error)


def test_the_stream_ends_with_the_server(simulator):
    app = create_simulator(simulator)

    async def live() -> None:
        async with app.router.lifespan_context(app):
            simulator.start(Streamed(every_seconds=0.1))

    asyncio.run(live())
    assert simulator.stop().running is False


def test_counting_anew_sees_what_others_did_to_the_file(client, simulator):
    client.ask("POST", "/api/stream/positive", json={"count": 2})
    assert client.ask("GET", "/api/stats").json()["total"] == 2
    one = simulator.path.read_text().splitlines(keepends=True)[0]
    simulator.path.write_text(one + "x" * (len(one) - 1) + "\n")
    found = client.ask("POST", "/api/reload").json()
    assert (found["total"], found["unreadable"]) == (1, 1)


def test_the_page_loads_nothing_from_elsewhere(client):
    html = client.ask("GET", "/")
    assert html.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in html.headers["content-security-policy"]
    needed = re.findall(r'(?:src|href)="([^"]+)"', html.text)
    assert set(needed) == {
        *("data:,", "/page.css", "/simulator.css", "/simulator.js", "/openapi.json")
    }
    for path in needed[1:]:
        assert client.ask("GET", path).status_code == 200
    script = client.ask("GET", "/simulator.js").text
    assert "innerHTML" not in script
    assert "http://" not in script.replace("http://www.w3.org", "")
    # Every id that the script looks for is on the page.
    assert set(re.findall(r'by\("(\w+)"\)', script)) <= set(re.findall(r'id="(\w+)"', html.text))


def test_as_a_program_it_listens_answers_and_ends(tmp_path: Path):
    code = "from truecast.cli.simulate import app; app()"
    path = tmp_path / "news.ndjson"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code, "page", "--port", "0", "--to", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            address = running.stdout.readline().split()[-1]
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
            asked = {"kind": "positive", "every_seconds": 0.1}
            httpx.post(f"{address}/api/stream/start", json=asked).raise_for_status()
            httpx.post(f"{address}/api/stream/negative").raise_for_status()
            running.send_signal(signal.SIGTERM)
            assert running.wait(20) == 0
        finally:
            running.kill()
    kinds = [json.loads(line)["sentiment_type"] for line in path.read_text().splitlines()]
    assert {"positive", "negative"} == set(kinds)
