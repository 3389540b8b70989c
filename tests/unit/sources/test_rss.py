"""Feeds: Yahoo's shape, others, and what is none."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from truecast.core.errors import UsageError
from truecast.core.recipe_parts import Choice
from truecast.lake.lake import Lake
from truecast.sources.base import NewsSource, Payload, SourceError
from truecast.sources.catalog import open_news_source
from truecast.sources.http import AnswerError, QuotaError, UnavailableError
from truecast.sources.rss.parse import parse_feed, without_markup
from vendors.server import Scripted, Vendor

NOW = datetime(2025, 7, 26, 12, tzinfo=UTC)


def feed(*items: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<rss version="2.0"><channel>'
        "<copyright>Copyright</copyright><title>Yahoo! Finance: TSLA News</title>"
        "<description>Latest Financial News for TSLA</description><image><url>u</url></image>"
        f"<language>en-US</language>{''.join(items)}</channel></rss>"
    )


def item(title: str, link: str, guid: str, date: str | None, text: str = "") -> str:
    dated = "" if date is None else f"<pubDate>{date}</pubDate>"
    return (
        f"<item><title>{title}</title><link>{link}</link>"
        f'<guid isPermaLink="false">{guid}</guid>{dated}<description>{text}</description></item>'
    )


GOOD = item(
    "Q&amp;amp;A: makers &lt;b&gt;rally&lt;/b&gt;",
    "https://finance.example/news/a-113000.html?.tsrc=rss",
    "4b2588dd-dc6f-3d71-84e0-de1ef9da2e48",
    "Sat, 26 Jul 2025 11:30:00 +0000",
    "&lt;p&gt;Up &amp;lt;2 %&amp;gt;&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
)


def payload(content: str | bytes, media_type: str = "application/rss+xml") -> Payload:
    data = content.encode() if isinstance(content, str) else content
    return Payload("rss-1", "TSLA", "news", {"url": "https://f.example/"}, data, media_type, NOW)


@pytest.fixture
def opened(vendor: Vendor) -> Callable[..., NewsSource]:
    def open_it(**options: object) -> NewsSource:
        told = {"yahoo_url": f"{vendor.url}/rss/2.0/headline", "seconds_between_requests": 0.001}
        return open_news_source(Choice(name="rss", parameters={**told, **options}))

    return open_it


def test_yahoos_headlines_are_asked_for_a_symbol_at_a_time(vendor, opened, tmp_path):
    vendor.respond = lambda _: Scripted(feed(GOOD).encode())
    source = opened(symbols=["TSLA", "GC=F", "^GSPC"])
    lake = Lake(str(tmp_path))
    summary = lake.ingest_news(source)
    assert [asked.params for asked in vendor.asked] == [
        {"s": symbol, "region": "US", "lang": "en-US"} for symbol in ("TSLA", "GC=F", "^GSPC")
    ]
    assert vendor.asked[0].headers["user-agent"].startswith("truecast/")
    assert (summary.received, summary.added, summary.revised) == (3, 1, 2)
    (row,) = lake.news(source.name).known().rows(named=True)
    assert row["symbols"] == ["GC=F", "TSLA", "^GSPC"]
    assert row["title"] == "Q&A: makers rally"
    assert row["summary"] == "Up <2 %>"
    assert row["url"] == "https://finance.example/news/a-113000.html"
    assert row["published_at"] == datetime(2025, 7, 26, 11, 30, tzinfo=UTC)
    assert (row["publisher"], row["language"]) == ("Yahoo! Finance: TSLA News", "en-US")
    assert (row["basis"], row["known_at"] >= row["received_at"]) == ("observed", True)
    again = lake.ingest_news(source)
    assert (again.added, again.revised, again.unchanged) == (0, 0, 3)
    assert len(lake.articles.windows(source.name)) == 0


def test_dates_may_be_absent_wrong_or_in_the_future(vendor, opened, tmp_path):
    items = [
        item("none", "https://a.example/1", "1", None),
        item("wrong", "https://a.example/2", "2", "yesterday"),
        item("future", "https://a.example/3", "3", "Sat, 26 Jul 2125 11:30:00 +0000"),
        item("zone", "https://a.example/4", "4", "Sat, 26 Jul 2025 11:30:00 EDT"),
    ]
    vendor.answer(feed(*items))
    source = opened(urls=[f"{vendor.url}/feed"])
    lake = Lake(str(tmp_path))
    summary = lake.ingest_news(source)
    assert (summary.added, summary.quarantined) == (3, {"published_in_future": 1})
    rows = {row["title"]: row for row in lake.news(source.name).known().rows(named=True)}
    assert (rows["none"]["published_at"], rows["none"]["flags"]) == (None, ["no_date"])
    assert rows["wrong"]["flags"] == ["no_date", "unreadable_date"]
    assert rows["zone"]["published_at"] == datetime(2025, 7, 26, 15, 30, tzinfo=UTC)
    assert rows["zone"]["symbols"] == []


def test_atom_and_rdf_and_other_encodings_are_read():
    atom = (
        '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom">'
        "<title>F</title><entry><title>Größe</title><id>urn:1</id>"
        '<link href="https://a.example/1"/><updated>2025-07-26T10:00:00+02:00</updated>'
        "<author><name>A. Writer</name></author><summary>S</summary></entry></feed>"
    )
    (row,) = parse_feed(payload(atom), []).rows(named=True)
    assert (row["title"], row["author"], row["vendor_id"]) == ("Größe", "A. Writer", "urn:1")
    assert row["published_at"] == datetime(2025, 7, 26, 8, tzinfo=UTC)
    rdf = (
        '<?xml version="1.0" encoding="ISO-8859-1"?>'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns="http://purl.org/rss/1.0/"><channel rdf:about="u"><title>F</title></channel>'
        '<item rdf:about="https://a.example/2"><title>Größe</title>'
        "<link>https://a.example/2</link></item></rdf:RDF>"
    )
    (row,) = parse_feed(payload(rdf.encode("latin-1"), "text/xml"), []).rows(named=True)
    assert (row["title"], row["url"]) == ("Größe", "https://a.example/2")
    wide = feed(GOOD).replace("UTF-8", "UTF-16").encode("utf-16")
    assert len(parse_feed(payload(wide), [])) == 1


def test_an_empty_feed_has_no_articles_and_that_is_an_answer():
    assert parse_feed(payload(feed()), []).is_empty()


def test_an_entity_is_not_fetched_and_a_text_is_not_opened(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden")
    doctype = f'<!DOCTYPE rss [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    content = feed(item("T &x;", "https://a.example/1", "1", None)).replace(
        "<rss", doctype + "<rss"
    )
    rows = parse_feed(payload(content), [])
    assert "hidden" not in str(rows.rows())
    with pytest.raises(AnswerError):
        parse_feed(payload(str(secret)), [])


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ({"body": b"<html><body>Sign in</body></html>"}, AnswerError, "expected an RSS or Atom"),
        ({"body": b""}, AnswerError, "expected an RSS or Atom feed, got ''"),
        ({"body": b'{"a": 1}'}, AnswerError, "expected an RSS or Atom feed"),
        ({"body": feed(GOOD).encode()[:-20]}, AnswerError, "cut off"),
        ({"body": b"Too Many Requests", "status": 429}, QuotaError, "429"),
        ({"body": b"", "status": 500}, UnavailableError, "500"),
    ],
)
def test_what_is_no_feed_is_an_error(vendor, opened, tmp_path, answer, error, message):
    vendor.respond = lambda _: Scripted(**answer)
    source = opened(urls=[f"{vendor.url}/feed"])
    lake = Lake(str(tmp_path))
    with pytest.raises(error, match=message):
        lake.ingest_news(source)
    assert len(lake.articles.failures(source.name)) == 1


def test_one_feed_that_fails_does_not_keep_the_others_away(vendor, opened, tmp_path):
    vendor.respond = lambda asked: (
        Scripted(b"<html></html>") if "bad" in asked.path else Scripted(feed(GOOD).encode())
    )
    lake = Lake(str(tmp_path))
    source = opened(urls=[f"{vendor.url}/{name}" for name in ("bad1", "good", "bad2")])
    with pytest.raises(SourceError, match=r"2 of 3 feeds: .*bad1.*bad2"):
        lake.ingest_news(source)
    assert len(lake.news(source.name).known()) == 1


def test_markup_is_taken_out_and_text_is_left():
    assert without_markup("a &amp; b") == "a &amp; b"
    assert without_markup("<p>un<b>do</b>ne &lt;x&#62;</p><style>p{}</style>3 < 4") == (
        " undone &lt;x&#62; 3 < 4"
    )
    assert without_markup(None) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "say what to read"),
        ({"urls": ["feeds.example/rss"]}, "expected an address"),
        ({"urls": ["https://me:hunter2@f.example/"]}, "expected an address"),
        ({"url": ["https://f.example/"]}, "did you mean 'urls'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UsageError, match=message) as refused:
        open_news_source(Choice(name="rss", parameters=options))
    assert "hunter2" not in str(refused.value)


def test_other_feeds_are_another_source(opened, tmp_path: Path):
    assert opened(symbols=["A"]).name != opened(symbols=["B"]).name
