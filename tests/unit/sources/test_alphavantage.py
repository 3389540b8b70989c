"""Alpha Vantage's news against a server that answers as it does, its refusals with status 200."""

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
from truecast.sources.http import AccessError, AnswerError, HttpError, QuotaError, RejectedError
from vendors.server import Asked, Scripted, Vendor

NOW = datetime(2026, 7, 28, 15, 30, tzinfo=UTC)
KEY = "CANARY7KEY"


def article(number: int, published: str, **more: object) -> dict:
    return {
        "title": f"Chips {number}",
        "url": f"https://wire.example/{number}",
        "time_published": published,
        "authors": ["A. Writer", "B. Writer"],
        "summary": "S",
        "banner_image": "https://wire.example/x.png",
        "source": "Benzinga",
        "category_within_source": "n/a",
        "source_domain": "wire.example",
        "topics": [{"topic": "Earnings", "relevance_score": "0.99"}],
        "overall_sentiment_score": 0.21,
        "overall_sentiment_label": "Somewhat_Bullish",
        "ticker_sentiment": [
            {
                "ticker": "NVDA",
                "relevance_score": "0.52",
                "ticker_sentiment_score": "0.17",
                "ticker_sentiment_label": "Somewhat-Bullish",
            },
            {"ticker": "AMD", "relevance_score": "0.1"},
        ],
        **more,
    }


def document(*articles: dict) -> dict:
    return {"items": str(len(articles)), "sentiment_score_definition": "x", "feed": list(articles)}


@pytest.fixture
def opened(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Callable[..., NewsSource]:
    monkeypatch.setenv("TRUECAST_ALPHAVANTAGE_KEY", KEY)

    def open_it(**options: object) -> NewsSource:
        told = {"symbols": ["NVDA"], "start": date(2026, 7, 1), "base_url": f"{vendor.url}/query"}
        parameters = {**told, "seconds_between_requests": 0.001, **options}
        return open_news_source(Choice(name="alphavantage", parameters=parameters))

    return open_it


def ingest(source: NewsSource, folder: Path, now: datetime = NOW):
    with clock.frozen_at(now):
        return Lake(str(folder)).ingest_news(source)


def test_an_article_comes_in_with_the_vendors_score(vendor, opened, tmp_path):
    vendor.answer(document(article(1, "20260727T143000")))
    vendor.respond = lambda _: Scripted(json.dumps(document()).encode())
    source = opened(topics=["earnings", "technology"])
    ingest(source, tmp_path)
    lake = Lake(str(tmp_path))
    (row,) = lake.news(source.name).versions.rows(named=True)
    assert row["published_at"] == datetime(2026, 7, 27, 14, 30, tzinfo=UTC)
    assert (row["known_at"], row["basis"]) == (NOW, "observed")
    assert (row["vendor_score"], row["vendor_label"]) == (0.21, "Somewhat-Bullish")
    assert (row["symbols"], row["author"]) == (["AMD", "NVDA"], "A. Writer, B. Writer")
    assert (row["publisher"], row["flags"]) == ("Benzinga", [])
    asked = vendor.asked[0]
    assert asked.params == {
        "function": "NEWS_SENTIMENT",
        "tickers": "NVDA",
        "topics": "earnings,technology",
        "time_from": "20260701T0000",
        "time_to": asked.params["time_to"],
        "sort": "EARLIEST",
        "limit": "1000",
        "apikey": KEY,
    }
    assert KEY not in str(lake.bronze.index.read().rows())


def test_a_new_score_is_a_version_from_then_on(vendor, opened, tmp_path):
    for score, now in ((0.2, NOW), ("0.4", NOW + timedelta(minutes=5))):
        row = article(1, "20260728T150000", overall_sentiment_score=score)
        vendor.respond = lambda _, row=row: Scripted(json.dumps(document(row)).encode())
        source = opened(start=date(2026, 7, 28))
        ingest(source, tmp_path, now)
    history = Lake(str(tmp_path)).news(source.name)
    assert history.known(NOW)["vendor_score"].to_list() == [0.2]
    assert history.known()["vendor_score"].to_list() == [0.4]


def test_a_full_window_is_halved_until_nothing_is_missing(vendor, opened, tmp_path):
    start = datetime(2026, 7, 5, tzinfo=UTC)
    rows = [
        article(number, f"{start + timedelta(minutes=18 * number):%Y%m%dT%H%M%S}")
        for number in range(1300)
    ]

    def answered(asked: Asked) -> Scripted:
        first, last = asked.params["time_from"] + "00", asked.params["time_to"] + "59"
        found = [row for row in rows if first <= row["time_published"] <= last][:1000]
        return Scripted(json.dumps(document(*found)).encode())

    vendor.respond = answered
    source = opened()
    summary = ingest(source, tmp_path)
    assert summary.added == 1300
    assert len(vendor.asked) < 15


def test_each_symbol_is_asked_for_apart_and_a_span_is_done_with_the_last(vendor, opened, tmp_path):
    vendor.respond = lambda asked: (
        Scripted(json.dumps({"Note": "Thank you"}).encode())
        if asked.params["tickers"] == "B" and len(vendor.asked) < 5
        else Scripted(json.dumps(document()).encode())
    )
    source = opened(symbols=["A", "B"], start=date(2026, 7, 20))
    with pytest.raises(QuotaError):
        ingest(source, tmp_path)
    lake = Lake(str(tmp_path))
    assert lake.articles.windows(source.name) == []
    assert [asked.params["tickers"] for asked in vendor.asked] == ["A", "B"]
    for _ in range(2):
        vendor.asked.append(vendor.asked[0])
    ingest(source, tmp_path)
    assert len(lake.articles.windows(source.name)) == 1


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (
            {
                "Information": f"We have detected your API key as {KEY} and our standard API rate "
                "limit is 25 requests per day."
            },
            QuotaError,
        ),
        ({"Note": "Our standard API call frequency is 5 calls per minute"}, QuotaError),
        ({"Information": "The **demo** API key is for demo purposes only."}, AccessError),
        (
            {"Error Message": f"the parameter apikey {KEY.lower()} is invalid or missing"},
            AccessError,
        ),
        ({"Error Message": "Invalid API call. Please retry"}, RejectedError),
        ({"Information": "Invalid inputs. Please refer to the documentation"}, RejectedError),
        ({"items": "5"}, AnswerError),
        ({}, AnswerError),
        ([1], AnswerError),
    ],
)
def test_refusals_with_status_200_have_their_type_and_keep_the_key(
    vendor, opened, tmp_path, said, error, caplog
):
    vendor.answer(said)
    with caplog.at_level("DEBUG"), pytest.raises(error) as refused:
        ingest(opened(), tmp_path)
    assert type(refused.value) is error
    lake = Lake(str(tmp_path))
    shown = str(refused.value) + caplog.text + str(lake.articles.failures(opened().name).rows())
    assert KEY not in shown.upper()
    assert KEY not in refused.value.said.upper()
    assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    ("about", "error"),
    [
        ({"body": b"<html>maintenance</html>"}, AnswerError),
        ({"body": b""}, AnswerError),
        ({"body": b'{"items": "1", "feed": ['}, AnswerError),
        ({"body": f"bad key {KEY}".encode(), "status": 403}, AccessError),
    ],
)
def test_other_failures_have_their_type(vendor, opened, tmp_path, about, error):
    vendor.respond = lambda _: Scripted(**about)
    with pytest.raises(error) as refused:
        ingest(opened(), tmp_path)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    "body", [document(), {"items": "0"}, {"Information": "No articles found. Please adjust it."}]
)
def test_none_is_an_answer(vendor, opened, tmp_path, body):
    vendor.respond = lambda _: Scripted(json.dumps(body).encode())
    assert ingest(opened(), tmp_path).received == 0


def test_the_days_requests_are_counted(vendor, opened, tmp_path):
    vendor.respond = lambda _: Scripted(json.dumps(document()).encode())
    source = opened(symbols=["A", "B", "C"], requests_per_day=2, start=date(2026, 7, 25))
    with pytest.raises(HttpError) as stopped:
        ingest(source, tmp_path)
    assert isinstance(stopped.value, QuotaError)
    assert stopped.value.retry_after == timedelta(hours=8, minutes=30)
    assert "the 2 requests to Alpha Vantage" in str(stopped.value)
    assert "in 9 hours" in str(stopped.value)
    assert len(vendor.asked) == 2


def test_odd_dates_and_scores_do_not_stop_the_others(vendor, opened, tmp_path):
    rows = [
        article(1, "soon"),
        article(2, "20260728T1000", overall_sentiment_score="high", overall_sentiment_label=None),
        article(3, "20260728T100000", overall_sentiment_score=7),
    ]
    vendor.answer(document(*rows))
    vendor.respond = lambda _: Scripted(json.dumps(document()).encode())
    source = opened()
    summary = ingest(source, tmp_path)
    assert (summary.added, summary.quarantined) == (2, {"score_out_of_range": 1})
    known = Lake(str(tmp_path)).news(source.name).known().sort("title").rows(named=True)
    assert known[0]["flags"] == ["no_date", "unreadable_date"]
    assert (known[1]["vendor_score"], known[1]["flags"]) == (None, ["unreadable_score"])


def test_without_a_key_the_setting_is_named(vendor, opened, tmp_path, monkeypatch):
    source = opened()
    monkeypatch.delenv("TRUECAST_ALPHAVANTAGE_KEY")
    with pytest.raises(AccessError, match="set TRUECAST_ALPHAVANTAGE_KEY"):
        ingest(source, tmp_path)
    assert vendor.asked == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "say what to ask for"),
        ({"symbols": ["A,B"]}, "expected one symbol"),
        ({"topics": ["earning"]}, "did you mean 'earnings'"),
        ({"symbols": ["A"], "requests_per_day": 0}, "requests_per_day"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        open_news_source(Choice(name="alphavantage", parameters=options))
