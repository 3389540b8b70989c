"""Bars and news that are pushed, over HTTP: taken in, checked, and forecast from."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from truecast.core.clock import frozen_at
from truecast.core.interval import Interval
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.lake.lake import Lake
from truecast.pipelines.champions import promote, train_slots
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.serving.answering import champions
from truecast.serving.app import create_app
from truecast.serving.feed.feed import Feed
from truecast.serving.service import Service, open_service
from truecast.serving.workspace import Workspace
from truecast.sources.simulated.outbox import compose

MINUTE = timedelta(minutes=1)
#: Of bars that never rest.
OPTIONS = {"calendar": "24/7"}
RECIPE = {
    "name": "pushed",
    "instruments": ["BTC"],
    "interval": "15m",
    "source": {"api": OPTIONS},
    "news": ["api"],
    "features": ["return_sd_22", "avg_sentiment_60"],
    "targets": {"return": {"horizon": [1, 4], "models": [{"ridge": {"alpha": 10}}]}},
    "split": {"train": 0.5, "validate": 0.25, "test": 0.25},
    "evaluate": {"refit_every": "part"},
}
QUARTER = 15 * MINUTE


class Client:
    """Asks an application without a network."""

    def __init__(self, service: Service) -> None:
        transport = httpx.ASGITransport(create_app(service))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
        self._runner = asyncio.Runner()

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **given))

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.ask("POST", path, json=body)

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[Service | None], Client]]:
    clients: list[Client] = []

    def client(service: Service | None = None) -> Client:
        service = service or open_service(Settings(home=tmp_path / "home"))
        clients.append(Client(service))
        return clients[-1]

    yield client
    for one in clients:
        one.close()


def lake_of(home: Path) -> Lake:
    return Workspace(Settings(home=home)).lake


def test_bars_are_kept_and_counted_and_what_is_wrong_is_told(opened: Any, tmp_path: Path) -> None:
    client = opened()
    bars = [
        {"timestamp": "2018-12-27", "open": 1, "high": 3, "low": 0.5, "close": 2, "volume": 7},
        {"timestamp": "2018-12-28", "open": 2, "high": 1, "low": 3, "close": 2},
        {"timestamp": "2018-12-31T21:00:00Z", "close": 4},
        {"timestamp": "2018-12-31T21:00:00+00:00", "close": 4},
    ]
    answer = client.post("/bars", {"instrument": "^GSPC", "bars": bars})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert {name: said[name] for name in ("received", "added", "duplicates", "read_by")} == {
        "received": 4,
        "added": 2,
        "duplicates": 1,
        "read_by": [],
    }
    assert said["quarantined"] == {"inconsistent_ohlc": 1}
    assert said["kept_out"] == [
        {
            "row": 2,
            "reason": "inconsistent_ohlc",
            "detail": "open=2.0 high=1.0 low=3.0 close=2.0",
        }
    ]
    stored = lake_of(tmp_path / "home").history("api", "^GSPC", Interval("1d")).versions
    assert stored["close"].to_list() == [2.0, 4.0]
    assert stored["event_time"].to_list() == [
        datetime(2018, 12, day, 21, tzinfo=UTC) for day in (27, 31)
    ]
    # The same again adds nothing; another close is a further version.
    again = client.post("/bars", {"instrument": "^GSPC", "bars": bars[:1]}).json()
    assert (again["added"], again["revised"], again["unchanged"]) == (0, 0, 1)
    other = {"instrument": "^GSPC", "bars": [{**bars[0], "close": 2.5}]}
    assert client.post("/bars", other).json()["revised"] == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"instrument": "A", "bars": []}, "bars"),
        ({"instrument": "A", "bars": [{"timestamp": "2018-12-27"}]}, "close"),
        ({"instrument": "A B", "bars": [{"timestamp": "2018-12-27", "close": 1}]}, "instrument"),
        ({"instrument": "A", "bars": [{"timestamp": "2018-12-27T10:00:00", "close": 1}]}, "zone"),
        ({"instrument": "A", "bars": [{"timestamp": "1666-09-02", "close": 1}]}, "years"),
        (
            {"instrument": "A", "bars": [{"timestamp": "9999-12-31T23:59:59-05:00", "close": 1}]},
            "calendar",
        ),
        ({"instrument": "A", "bars": [{"timestamp": "2018-12-27", "close": "1"}]}, "close"),
        (
            {
                "instrument": "A",
                "interval": "7w",
                "bars": [{"timestamp": "2018-12-27", "close": 1}],
            },
            "interval",
        ),
        (
            {
                "instrument": "A",
                "options": {"calendar": "MOON"},
                "bars": [{"timestamp": "2018-12-27", "close": 1}],
            },
            "MOON",
        ),
    ],
)
def test_what_is_no_bar_is_refused_whole(
    opened: Any, tmp_path: Path, body: dict[str, Any], words: str
) -> None:
    answer = opened().post("/bars", body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert not (tmp_path / "home" / "lake").exists()


def test_no_name_leads_out_of_the_lake(opened: Any, tmp_path: Path) -> None:
    client, bar = opened(), {"timestamp": "2018-12-27", "close": 1}
    for symbol in ("../x", "..", "A#/../", "/etc/x", "%2e%2e", "A\\..\\x"):
        assert client.post("/bars", {"instrument": symbol, "bars": [bar]}).status_code == 422
    assert {entry.name for entry in tmp_path.iterdir()} <= {"home"}
    assert not list(tmp_path.rglob("*.parquet"))


def test_news_are_scored_and_told(opened: Any, tmp_path: Path) -> None:
    client = opened()
    assert client.ask("GET", "/news/recent").json() == []
    good = {
        "headline": "Profits surge to a record, strong growth beats all hopes",
        "source": "A wire",
        "url": "https://a.example/1",
        "published_at": "2024-03-20T13:30:00Z",
        "instrument": "^GSPC",
    }
    told = client.post("/news", good).json()
    assert (told["status"], told["source"], told["url"]) == ("added", "A wire", good["url"])
    assert told["sentiment"] > 0.4
    assert told["impact"] in {"medium", "high"}
    assert (told["time"], told["instruments"]) == ("2024-03-20T13:30:00Z", ["^GSPC"])
    assert client.post("/news", good).json()["status"] == "unchanged"
    bad = client.post("/news", {"headline": "Bankruptcy fears: shares crash, losses mount"}).json()
    assert bad["sentiment"] < -0.4
    assert (bad["source"], bad["instruments"]) == ("api", [])
    recent = client.ask("GET", "/news/recent?limit=1").json()
    keys = ("status", "read_by")
    assert recent == [{name: value for name, value in bad.items() if name not in keys}]
    assert [one["headline"] for one in client.ask("GET", "/news/recent").json()] == [
        bad["headline"],
        good["headline"],
    ]
    assert client.ask("GET", "/news/recent?limit=0").status_code == 422


def test_an_article_of_the_future_is_refused(opened: Any) -> None:
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    answer = opened().post("/news", {"headline": "Tomorrow's news", "published_at": later})
    assert answer.status_code == 422
    assert "published_in_future" in answer.json()["detail"]


def walk(start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Quarter-hourly bars of a random walk, closes from ``start`` to ``end``."""
    count = int((end - start) / QUARTER) + 1
    closes = 100 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.002, count)))
    return [
        {
            "timestamp": (start + place * QUARTER).isoformat(),
            "open": close,
            "high": close * 1.001,
            "low": close * 0.999,
            "close": close,
            "volume": 5.0,
        }
        for place, close in enumerate(closes.tolist())
    ]


def test_from_the_first_push_to_a_live_forecast(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is served yet; history is pushed, a recipe trained on it; then bars and news come."""
    monkeypatch.setattr(champions, "LOOK_SECONDS", 0.0)
    home = tmp_path / "home"
    recipe = Recipe.model_validate(RECIPE)
    present = datetime.now(UTC)
    last = present - (present - datetime(1970, 1, 1, tzinfo=UTC)) % QUARTER
    bars = walk(last - 20 * timedelta(days=1), last)
    client = opened()
    body = {"instrument": "BTC", "interval": "15m", "options": OPTIONS, "bars": bars[:-1]}
    said = client.post("/bars", body).json()
    assert said["added"] == len(bars) - 1
    assert said["source"].startswith("api-")
    words = {"headline": "Profits surge, strong growth", "instrument": "BTC"}
    with frozen_at(last - timedelta(days=3)):
        assert client.post("/news", words).json()["status"] == "added"
    workspace = Workspace(Settings(home=home))
    with frozen_at(last - QUARTER + MINUTE):
        ingest(workspace, recipe)
        train_slots(Studies(workspace, recipe))
        promote(workspace, recipe)

    service = open_service(Settings(home=home))
    feed = Feed(service)
    client = opened(service)
    feed.start()
    try:
        _until(lambda: feed.role == "ingests")
        assert forecasts(client) == []  # the newest bar but one is overdue
        said = client.post("/bars", {"instrument": "BTC", "bars": bars[-1:]}).json()
        assert (said["added"], said["interval"], said["read_by"]) == (1, "15m", ["pushed"])
        _until(lambda: len(forecasts(client)) == 2)
        one = forecasts(client)[0]
        assert (one["mode"], one["event_time"][:16]) == ("live", last.isoformat()[:16])
        began = time.monotonic()
        posted = client.post("/news", {"headline": "Bankruptcy: shares crash, losses mount"})
        assert posted.json()["read_by"] == ["pushed"]
        _until(lambda: len(forecasts(client)) == 4)
        assert time.monotonic() - began < 5
        newest = forecasts(client)[0]
        known_at = datetime.fromisoformat(posted.json()["known_at"])
        assert datetime.fromisoformat(newest["as_of"]) == known_at
        assert newest["event_time"] == one["event_time"]
        assert newest["supersedes"] is not None
    finally:
        feed.stop()


def forecasts(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.ask("GET", "/predictions/history").json()["predictions"]
    return found


def _until(reached: Callable[[], bool], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends
        threading.Event().wait(0.05)


def test_articles_of_the_simulator_are_news_too(opened: Any) -> None:
    """Seed shapes: what its page sends may be pushed as it is, under our keys."""
    article = compose("positive", "^GSPC")
    body = {"headline": article["headline"], "body": article["body"], "url": article["url"]}
    told = opened().post("/news", {**body, "instrument": article["symbols"][0]}).json()
    assert told["sentiment"] > 0
