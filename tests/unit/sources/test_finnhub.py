"""Finnhub's news of companies against a server that answers as it does."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from truecast.core import clock
from truecast.core.errors import UsageError
from truecast.core.recipe_parts import Choice
from truecast.lake.lake import Lake
from truecast.sources.base import NewsSource
from truecast.sources.catalog import open_news_source
from truecast.sources.http import (
    AccessError,
    AnswerError,
    QuotaError,
    RejectedError,
    UnavailableError,
    waiting,
)
from vendors.server import Asked, Scripted, Vendor

NOW = datetime(2025, 7, 14, 13, tzinfo=UTC)
KEY = "CANARY8TOKEN"


def article(number: int, published: datetime, **more: object) -> dict:
    return {
        "category": "company",
        "datetime": int(published.timestamp()),
        "headline": f"Maker {number}",
        "id": 1000 + number,
        "image": "",
        "related": "AAPL",
        "source": "Reuters",
        "summary": "",
        "url": f"https://vendor.example/api/news?id={number}",
        **more,
    }


@pytest.fixture
def opened(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Callable[..., NewsSource]:
    monkeypatch.setenv("TRUECAST_FINNHUB_KEY", KEY)

    def open_it(**options: object) -> NewsSource:
        told = {"symbols": ["AAPL"], "start": date(2025, 7, 1), "base_url": f"{vendor.url}/api/v1/"}
        parameters = {**told, "requests_per_minute": 1800, **options}
        return open_news_source(Choice(name="finnhub", parameters=parameters))

    return open_it


def ingest(source: NewsSource, folder: Path, now: datetime = NOW):
    with clock.frozen_at(now):
        return Lake(str(folder)).ingest_news(source)


def test_weeks_are_asked_for_and_today_again_tomorrow(vendor, opened, tmp_path):
    published = datetime(2025, 7, 1, 14, tzinfo=UTC)
    vendor.answer([article(1, published, related="AAPL,MSFT"), article(2, published, datetime=0)])
    vendor.respond = lambda _: Scripted(b"[]")
    source = opened()
    ingest(source, tmp_path)
    assert [asked.path for asked in vendor.asked] == ["/api/v1/company-news"] * 3
    assert [asked.params for asked in vendor.asked] == [
        {"symbol": "AAPL", "from": first, "to": last}
        for first, last in (
            ("2025-07-01", "2025-07-02"),
            ("2025-07-03", "2025-07-09"),
            ("2025-07-10", "2025-07-14"),
        )
    ]
    assert vendor.asked[0].headers["x-finnhub-token"] == KEY
    lake = Lake(str(tmp_path))
    first, second = lake.news(source.name).known().sort("title").rows(named=True)
    assert (first["published_at"], first["known_at"]) == (published, NOW)
    assert (first["symbols"], first["publisher"]) == (["AAPL", "MSFT"], "Reuters")
    assert (first["summary"], first["url"]) == (None, "https://vendor.example/api/news?id=1")
    assert (second["published_at"], second["flags"]) == (None, ["no_date"])
    vendor.asked.clear()
    ingest(source, tmp_path, NOW + timedelta(days=1))
    assert [(a.params["from"], a.params["to"]) for a in vendor.asked] == [
        ("2025-07-14", "2025-07-15")
    ]
    assert KEY not in str(lake.bronze.index.read().rows())


def test_an_answer_that_may_have_been_cut_is_asked_for_in_parts(vendor, opened, tmp_path):
    start = datetime(2025, 7, 3, tzinfo=UTC)
    rows = [article(number, start + timedelta(minutes=20 * number)) for number in range(504)]

    def cut(asked: Asked) -> Scripted:
        first, last = (
            datetime.fromisoformat(asked.params[name] + "T00:00Z") for name in ("from", "to")
        )
        stop = last + timedelta(days=1)
        found = [row for row in rows if first.timestamp() <= row["datetime"] < stop.timestamp()]
        return Scripted(json.dumps(found[::-1][:150]).encode())  # newest first, and cut

    vendor.respond = cut
    assert ingest(opened(), tmp_path).added == 504


@pytest.mark.parametrize(
    ("about", "error", "message"),
    [
        ({"body": b'{"error":"Please use an API key."}', "status": 401}, AccessError, "401"),
        ({"body": b'{"error":"Invalid API key"}', "status": 401}, AccessError, "Invalid API key"),
        (
            {"body": b'{"error":"You don\'t have access to this resource."}', "status": 403},
            AccessError,
            "access",
        ),
        (
            {"body": b'{"error":"API limit reached. Remaining Limit: 0"}', "status": 429},
            QuotaError,
            "API limit reached.*2025-07-01 00:00 UTC is taken in",
        ),
        (
            {"body": b'{"error":"API limit reached. Remaining Limit: 0"}'},
            QuotaError,
            "again in 1 minute, ",
        ),
        (
            {"body": b'{"error":"Invalid API key CANARY8TOKEN"}'},
            AccessError,
            "TRUECAST_FINNHUB_KEY",
        ),
        ({"body": b'{"error":"Wrong from date"}'}, RejectedError, "Wrong from date"),
        ({"body": b'{"news": []}'}, AnswerError, "another document"),
        ({"body": b""}, AnswerError, "an empty body"),
        ({"body": b"<html></html>"}, AnswerError, "HTML"),
        ({"body": b'[{"headline": "A'}, AnswerError, "cut off"),
        ({"body": b"", "status": 502}, UnavailableError, "502"),
    ],
)
def test_every_error_has_its_type(vendor, opened, tmp_path, about, error, message):
    vendor.respond = lambda _: Scripted(**about)
    with pytest.raises(error, match=message) as refused:
        ingest(opened(), tmp_path)
    assert KEY not in str(refused.value)
    assert Lake(str(tmp_path)).articles.windows(opened().name) == []


def test_the_vendors_own_count_is_waited_for(vendor, opened, tmp_path, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(waiting, "pause", waits.append)
    reset = str(int(NOW.timestamp()) + 42)
    limits = {"X-Ratelimit-Limit": "60", "X-Ratelimit-Reset": reset}
    vendor.answer(b"[]", headers={**limits, "X-Ratelimit-Remaining": "0"})
    vendor.respond = lambda _: Scripted(b"[]", headers={**limits, "X-Ratelimit-Remaining": "9"})
    ingest(opened(), tmp_path)
    assert waits.count(42) == 1


def test_without_a_key_the_setting_is_named(vendor, opened, tmp_path, monkeypatch):
    source = opened()
    monkeypatch.setenv("TRUECAST_FINNHUB_KEY", " ")
    with pytest.raises(AccessError, match="set TRUECAST_FINNHUB_KEY"):
        ingest(source, tmp_path)
    assert vendor.asked == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "symbols: this key is required"),
        ({"symbols": []}, "symbols"),
        ({"symbol": 1}, "symbols"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        open_news_source(Choice(name="finnhub", parameters=options))
