"""What every source of news promises, checked on each one that can be opened."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from truecast.core import clock
from truecast.core.errors import UsageError
from truecast.core.hashing import sha256_of
from truecast.core.names import UnknownNameError
from truecast.core.news import NEWS_FLAGS, PARSED_NEWS
from truecast.core.recipe_parts import Choice
from truecast.lake.lake import Lake
from truecast.lake.schemas import SILVER_NEWS
from truecast.sources.api.source import ApiNews
from truecast.sources.base import NewsSource
from truecast.sources.catalog import NEWS_SOURCES, open_news_source
from vendors.server import Scripted, Vendor

_FEED = (
    '<rss version="2.0"><channel><title>F</title><item><title>A</title>'
    "<link>https://a.example/1</link><pubDate>Sat, 26 Jul 2025 11:30:00 +0000</pubDate></item>"
    "</channel></rss>"
)
_ANSWERS = {
    "alphavantage": {
        "items": "1",
        "feed": [{"title": "A", "url": "https://a.example/1", "time_published": "20250726T113000"}],
    },
    "finnhub": [{"headline": "A", "datetime": 1753529400, "id": 1, "url": "https://a.example/1"}],
    "gdelt": {
        "articles": [{"title": "A", "url": "https://a.example/1", "seendate": "20250726T113000Z"}]
    },
}


def options_for(name: str, vendor: Vendor, folder: Path) -> Mapping[str, Any]:
    """Return options by which each source has something to say; a new one needs none, or a line."""
    if name == "files":
        (folder / "news.csv").write_text("title,date\nA,2025-07-26T11:30:00Z\nB,\n")
        return {"path": str(folder / "news.csv")}
    body = _FEED if name == "rss" else json.dumps(_ANSWERS.get(name))
    vendor.respond = lambda _: Scripted(body.encode())
    asked = {"base_url": vendor.url, "start": (clock.now() - timedelta(days=9)).date()}
    return {
        "alphavantage": {"symbols": ["A"], **asked},
        "finnhub": {"symbols": ["A"], "requests_per_minute": 1800, **asked},
        "gdelt": {"query": "gold", **asked},
        "simulated": {"instruments": ["A"], "start": asked["start"]},
        "rss": {"urls": [f"{vendor.url}/feed"]},
    }.get(name, {})


@pytest.fixture(params=sorted(NEWS_SOURCES))
def source(request, vendor: Vendor, tmp_path: Path, monkeypatch) -> NewsSource:
    monkeypatch.setenv("TRUECAST_ALPHAVANTAGE_KEY", "k1")
    monkeypatch.setenv("TRUECAST_FINNHUB_KEY", "k2")
    if request.param == "api":
        return ApiNews([{"headline": "A"}, {"headline": "B", "url": "https://a.example/1"}])
    parameters = options_for(request.param, vendor, tmp_path)
    return open_news_source(Choice(name=request.param, parameters=dict(parameters)))


def test_its_name_is_safe_in_urls_and_paths(source):
    assert re.fullmatch(r"[a-z0-9._-]+", source.name)
    assert isinstance(source.live, bool)
    assert isinstance(source.simulated, bool)


def test_a_payload_says_what_it_is_and_what_is_done_is_not_asked_for_again(source):
    before = clock.now()
    payloads = list(source.fetch())
    assert payloads
    for payload in payloads:
        assert (payload.source, payload.interval) == (source.name, "news")
        assert payload.symbol
        assert payload.request
        assert before <= payload.received_at <= clock.now()
        assert "k1" not in payload.request.values()
        assert "k2" not in payload.request.values()
    done = [payload.covers for payload in payloads if payload.covers is not None]
    assert all(start < stop <= clock.now() for start, stop in done)
    again = [payload.covers for payload in source.fetch(done) if payload.covers is not None]
    assert not [span for span in again if any(span[0] < b and a < span[1] for a, b in done)]


def test_rows_have_the_columns_of_an_article_and_say_the_same_each_time(source):
    payload = next(source.fetch())
    rows = source.parse(payload)
    assert dict(rows.schema) == PARSED_NEWS
    assert rows["row"].to_list() == list(range(1, len(rows) + 1))
    assert len(rows) > 0
    assert set(rows["flags"].explode(empty_as_null=True).drop_nulls()) <= set(NEWS_FLAGS)
    assert source.parse(payload).equals(rows)


def test_ingest_keeps_the_bytes_and_every_row_is_accounted_for(source, tmp_path: Path):
    lake = Lake(str(tmp_path / "lake"))
    summary = lake.ingest_news(source)
    for name in summary.payloads:
        assert sha256_of(lake.bronze.read(name)) == name
    parts = summary.added + summary.revised + summary.unchanged + summary.duplicates
    assert summary.received == parts + sum(summary.quarantined.values())
    assert summary.added > 0
    rows = lake.news(source.name).versions
    assert dict(rows.schema) == SILVER_NEWS
    assert set(rows["simulated"]) == {source.simulated}
    assert (rows["known_at"] >= rows["published_at"].fill_null(rows["known_at"])).all()
    again = lake.ingest_news(source)
    assert (again.added, again.revised) == (0, 0)
    assert lake.news(source.name).versions.equals(rows)


def test_an_option_it_does_not_know_is_refused(source):
    name = next(name for name in NEWS_SOURCES if source.name.startswith((name, f"news{name}")))
    with pytest.raises(UsageError, match="no_such_option"):
        open_news_source(Choice(name=name, parameters={"no_such_option": 1}))


def test_an_unknown_source_is_named():
    with pytest.raises(
        UnknownNameError, match=r"unknown news source 'gdlet'.*did you mean 'gdelt'"
    ):
        open_news_source(Choice(name="gdlet"))
