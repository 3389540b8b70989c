"""GDELT against a server that answers as it does, its errors included."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from truecast.core import clock
from truecast.core.errors import UsageError
from truecast.core.recipe_parts import Choice
from truecast.lake.lake import Lake
from truecast.sources.base import NewsSource, SourceError
from truecast.sources.catalog import open_news_source
from truecast.sources.gdelt.query import check_query
from truecast.sources.http import (
    AccessError,
    AnswerError,
    QuotaError,
    RejectedError,
    UnavailableError,
    waiting,
)
from vendors.server import Asked, Scripted, Vendor

NOW = datetime(2024, 6, 30, 12, 7, tzinfo=UTC)
STEP = timedelta(minutes=15)


def article(number: int, seen: datetime) -> dict:
    return {
        "url": f"https://site{number % 7}.example/{number}",
        "url_mobile": "",
        "title": f"Gold story {number}",
        "seendate": f"{seen:%Y%m%dT%H%M%SZ}",
        "socialimage": "https://site.example/x.jpg",
        "domain": "site.example",
        "language": "English",
        "sourcecountry": "India",
    }


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


class Archive:
    """What GDELT holds, and how it answers: at most 250 articles of the span asked for."""

    def __init__(self, *seen: datetime) -> None:
        self.articles = [article(number, when) for number, when in enumerate(seen)]

    def __call__(self, asked: Asked) -> Scripted:
        first, last = (
            f"{moment(asked.params[name]):%Y%m%dT%H%M%SZ}"
            for name in ("startdatetime", "enddatetime")
        )
        found = [row for row in self.articles if first <= row["seendate"] <= last][:250]
        body = json.dumps({"articles": found} if found else {}).encode()
        return Scripted(body, headers={"Content-Type": "application/json"})


@pytest.fixture
def opened(vendor: Vendor) -> Callable[..., NewsSource]:
    def open_it(**options: object) -> NewsSource:
        told = {"query": "gold", "start": date(2024, 6, 1), "base_url": f"{vendor.url}/doc"}
        parameters = {**told, "seconds_between_requests": 0.001, **options}
        return open_news_source(Choice(name="gdelt", parameters=parameters))

    return open_it


def ingest(source: NewsSource, folder: Path, now: datetime = NOW):
    with clock.frozen_at(now):
        return Lake(str(folder)).ingest_news(source)


def test_an_article_is_known_when_it_was_first_seen(vendor, opened, tmp_path):
    seen = datetime(2024, 6, 15, 17, tzinfo=UTC)
    vendor.respond = Archive(seen)
    source = opened()
    summary = ingest(source, tmp_path)
    (row,) = Lake(str(tmp_path)).news(source.name).versions.rows(named=True)
    assert (row["known_at"], row["published_at"], row["basis"]) == (seen, None, "vendor")
    assert (row["title"], row["publisher"], row["language"], row["flags"]) == (
        "Gold story 0",
        "site.example",
        "English",
        [],
    )
    assert (summary.added, summary.notes) == (1, ())
    first = vendor.asked[0]
    assert first.path == "/doc"
    assert first.params == {
        "query": "gold",
        "mode": "artlist",
        "format": "json",
        "maxrecords": "250",
        "startdatetime": "20240601000000",
        "enddatetime": "20240605235959",
        "sort": "DateAsc",
    }
    index = Lake(str(tmp_path)).bronze.index.read()
    assert set(index["instrument"]) == {"gold"}
    starts = {json.loads(request)["startdatetime"] for request in index["request"]}
    assert "20240601000000" in starts


def test_windows_meet_and_end_on_the_grid(vendor, opened, tmp_path):
    vendor.respond = Archive()
    ingest(opened(), tmp_path)
    spans = [(asked.params["startdatetime"], asked.params["enddatetime"]) for asked in vendor.asked]
    assert spans[-1][1] == "20240630115959"
    for (_, end), (start, _) in pairwise(spans):
        assert moment(start) - moment(end) == timedelta(seconds=1)


def test_a_full_window_is_halved_until_nothing_is_missing(vendor, opened, tmp_path):
    start = datetime(2024, 6, 20, tzinfo=UTC)
    seen = [start + (number % 96) * STEP for number in range(900)]
    vendor.respond = Archive(*seen)
    source = opened()
    summary = ingest(source, tmp_path)
    assert summary.added == 900
    known = Lake(str(tmp_path)).news(source.name).known()
    assert sorted(known["first_known_at"]) == sorted(seen)
    assert len(vendor.asked) < 30


def test_more_than_a_quarter_of_an_hour_gives_is_said_to_be_missing(vendor, opened, tmp_path):
    vendor.respond = Archive(*[datetime(2024, 6, 20, 10, 15, tzinfo=UTC)] * 300)
    source = opened()
    summary = ingest(source, tmp_path)
    assert summary.added == 250
    assert summary.notes == (
        "some articles are of a window that holds more than the vendor gives: others are missing "
        "(flag truncated)",
    )
    count = len(vendor.asked)
    again = ingest(source, tmp_path)
    assert (again.added, len(vendor.asked) - count) == (0, 1)


def test_the_next_run_asks_for_what_is_new_and_what_may_have_been_added(vendor, opened, tmp_path):
    archive = Archive(NOW - timedelta(hours=3))
    vendor.respond = archive
    source = opened()
    ingest(source, tmp_path)
    vendor.asked.clear()
    archive.articles.append(article(7, datetime(2024, 6, 30, 11, 45, tzinfo=UTC)))
    summary = ingest(source, tmp_path, NOW + timedelta(hours=1))
    assert [(a.params["startdatetime"], a.params["enddatetime"]) for a in vendor.asked] == [
        ("20240630110000", "20240630125959")
    ]
    assert summary.added == 1


def test_a_limit_in_the_middle_keeps_what_came_and_goes_on_there(vendor, opened, tmp_path):
    archive = Archive(*(datetime(2024, 6, day, tzinfo=UTC) for day in range(1, 30)))
    limit = "Please limit requests to one every 5 seconds or contact us for larger queries.\n"

    def limited(asked: Asked) -> Scripted:
        return Scripted(limit.encode()) if len(vendor.asked) == 3 else archive(asked)

    vendor.respond = limited
    source = opened()
    with pytest.raises(QuotaError) as stopped:
        ingest(source, tmp_path)
    assert str(stopped.value) == (
        f"GDELT asks for fewer requests: {limit.strip()!r}; all before 2024-06-13 00:00 UTC is "
        "taken in; run the same command again in 5 minutes, it goes on from there to 2024-06-30 "
        "12:00"
    )
    assert stopped.value.retry_after == timedelta(minutes=5)
    lake = Lake(str(tmp_path))
    assert len(lake.news(source.name).known()) == 12
    assert lake.articles.failures(source.name)["error"].to_list() == ["QuotaError"]
    summary = ingest(source, tmp_path)
    assert (summary.received, summary.added) == (17, 17)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ({"body": b"The specified phrase is too short.\n"}, RejectedError, "phrase is too short"),
        (
            {"body": b"Queries containing OR'd terms must be surrounded by ().\n"},
            RejectedError,
            "must be surrounded by",
        ),
        ({"body": b"Your query was too short or too long.\n"}, RejectedError, "does not take"),
        ({"body": b"<html><body>Sorry</body></html>"}, AnswerError, "expected JSON"),
        ({"body": b"[1, 2]"}, AnswerError, "expected JSON"),
        ({"body": b'{"articles": [{"url": "https://a'}, AnswerError, "cut off"),
        ({"body": b'{"articles": "none"}'}, AnswerError, "another document"),
        ({"body": b'{"timeline": []}'}, AnswerError, "another document"),
        ({"body": b"Something else"}, AnswerError, "'Something else'"),
        ({"body": b"Bad", "status": 400}, RejectedError, "400"),
        ({"body": b"Go", "status": 403}, AccessError, "403"),
        ({"body": b"x" * 10, "cut": 5}, AnswerError, "cut off"),
        ({"body": b"Please limit requests", "status": 429}, QuotaError, "429"),
        ({"body": b"no", "status": 503}, UnavailableError, "503"),
    ],
)
def test_every_error_has_its_type(vendor, opened, tmp_path, answer, error, message):
    vendor.respond = lambda _: Scripted(**answer)
    with pytest.raises(error, match=message):
        ingest(opened(), tmp_path)
    assert Lake(str(tmp_path)).articles.windows(opened().name) == []


def test_a_limit_that_passes_is_waited_for(vendor, opened, tmp_path, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(waiting, "pause", waits.append)
    vendor.answer(b"Please limit requests", status=429, headers={"Retry-After": "77"})
    vendor.respond = Archive(datetime(2024, 6, 2, tzinfo=UTC))
    assert ingest(opened(), tmp_path).added == 1
    assert max(waits) == 77


@pytest.mark.parametrize("body", [b"", b"{}", b"\n", b'{"articles": []}'])
def test_none_is_an_answer(vendor, opened, tmp_path, body):
    vendor.respond = lambda _: Scripted(body)
    source = opened()
    summary = ingest(source, tmp_path)
    assert (summary.received, len(summary.payloads)) == (0, 5)
    ((start, _),) = Lake(str(tmp_path)).articles.windows(source.name)
    assert start == datetime(2024, 6, 1, tzinfo=UTC)


def test_control_characters_and_odd_articles_come_in(vendor, opened, tmp_path):
    rows = [
        article(1, datetime(2024, 6, 2, tzinfo=UTC)),
        {**article(2, NOW), "seendate": "soon"},
        {**article(3, NOW), "title": None},
    ]
    body = json.dumps({"articles": rows}).replace("Gold story 1", "Gold \x02story\x1f 1")
    vendor.answer(body.encode())
    vendor.respond = Archive()
    source = opened()
    summary = ingest(source, tmp_path)
    assert (summary.added, summary.quarantined) == (2, {"no_text": 1})
    rows = Lake(str(tmp_path)).news(source.name).known().rows(named=True)
    assert [row["title"] for row in rows] == ["Gold story 1", "Gold story 2"]
    assert (rows[1]["basis"], rows[1]["flags"]) == ("observed", ["no_date", "unreadable_date"])


def test_older_than_three_months_comes_with_a_note(vendor, opened, tmp_path):
    vendor.respond = Archive(datetime(2024, 3, 2, tzinfo=UTC), datetime(2024, 6, 2, tzinfo=UTC))
    source = opened(start=date(2024, 3, 1))
    summary = ingest(source, tmp_path)
    assert summary.notes == (
        "some articles are older than what the vendor vouches for: others may be missing "
        "(flag unsure_period)",
    )
    assert len(vendor.asked) == 18  # weeks that begin on a Thursday


def test_without_a_start_the_last_ninety_days_are_asked_for(vendor, opened, tmp_path):
    vendor.respond = Archive()
    ingest(opened(start=None), tmp_path)
    assert vendor.asked[0].params["startdatetime"] == "20240401000000"


def test_the_query_says_all_that_narrows_it_down(vendor, opened, tmp_path):
    vendor.respond = Archive()
    narrowed = opened(
        query='("gold price" OR bullion)', domains=["a.example", "b.example"], language="english"
    )
    ingest(narrowed, tmp_path)
    assert vendor.asked[0].params["query"] == (
        '("gold price" OR bullion) (domainis:a.example OR domainis:b.example) sourcelang:english'
    )
    assert narrowed.name != opened().name
    assert opened(start=date(2024, 1, 1)).name == opened().name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "gold OR silver"}, r"brackets around OR"),
        ({"query": "(gold) OR silver"}, r"brackets around OR"),
        ({"query": '"gold"'}, r'the phrase "gold" is too short'),
        ({"query": '"a b"'}, r'the phrase "a b" is too short'),
        ({"query": 'gold "silver'}, r"quotation mark is missing"),
        ({"query": "(gold"}, r"brackets .* do not match"),
        ({"query": "gold)("}, r"brackets .* do not match"),
        ({"query": ""}, r"say what to look for"),
        ({"query": "gold", "domains": ["my-site.com"]}, r"with a dash"),
        ({"query": "gold", "domains": ["a.com) OR (x"]}, r"expected a site such as"),
        ({"query": "gold", "language": "English please"}, r"language"),
        ({"query": "gold", "querry": "x"}, r"did you mean 'query'"),
        ({"query": "gold", "base_url": "file:///etc/passwd"}, r"expected an address"),
        ({"query": "gold", "base_url": "https://u:pw@e.com/"}, r"expected an address"),
    ],
)
def test_what_gdelt_would_refuse_is_refused_before_asking(options, message):
    with pytest.raises(UsageError, match=message) as refused:
        open_news_source(Choice(name="gdelt", parameters=options))
    assert "pw" not in str(refused.value)


def test_a_query_may_hold_or_within_phrases_and_brackets():
    assert check_query(' ("now OR never"   OR (a OR b))  -x ') == '("now OR never" OR (a OR b)) -x'
    assert check_query('"now OR never"') == '"now OR never"'


def test_a_host_inside_is_not_asked(vendor, opened, tmp_path, monkeypatch):
    monkeypatch.setenv("TRUECAST_PRIVATE_HOSTS", "")
    with pytest.raises(SourceError, match="no public address"):
        ingest(opened(), tmp_path)
    assert vendor.asked == []
