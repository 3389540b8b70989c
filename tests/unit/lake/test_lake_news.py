"""News in the lake: versions, order, time, and what is kept out."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truecast.core import clock
from truecast.core.hashing import sha256_of
from truecast.core.news import item_of, normalised_url, parsed_news, plain_text, story_of
from truecast.lake.articles import as_silver, check_articles, merge_articles
from truecast.lake.errors import LakeError, NoDataError
from truecast.lake.incidents import Incidents
from truecast.lake.lake import Lake
from truecast.lake.news import NewsHistory
from truecast.lake.schemas import SILVER_NEWS
from truecast.sources.base import Payload, SourceError, Windows

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Wire:
    """A source of news whose payloads are lists of articles, one an hour."""

    name = "wire"
    live = True
    simulated = False

    def __init__(self, *batches: list[dict], first: datetime = NOON, fails_at: int = -1) -> None:
        self.batches, self.first, self.fails_at = batches, first, fails_at
        self.asked: list[Windows] = []

    def fetch(self, done: Windows = ()) -> Iterator[Payload]:
        self.asked.append(tuple(done))
        for place, batch in enumerate(self.batches):
            covers = (self.first + place * HOUR, self.first + (place + 1) * HOUR)
            if covers in done:
                continue
            if place == self.fails_at:
                raise SourceError("the wire is down")
            content = json.dumps(batch, default=str).encode()
            yield Payload(
                self.name, "gold", "news", {"q": "gold"}, content, "application/json",
                covers[1], covers,
            )  # fmt: skip

    def parse(self, payload: Payload) -> pl.DataFrame:
        rows = json.loads(payload.content)
        for row in rows:
            for name in ("published_at", "known_at"):
                if row.get(name):
                    row[name] = datetime.fromisoformat(row[name])
        return parsed_news(rows)


def article(title: str | None = "Gold up", **more: object) -> dict:
    return {"title": title, "url": "https://a.example/1", **more}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def meaning(lake: Lake) -> list[tuple]:
    rows = lake.news("wire").versions
    return rows.drop("written_at", "payload").rows()


def test_an_article_is_kept_with_all_that_is_said_of_it(lake):
    published = NOON - 3 * HOUR
    batch = [
        article(
            "Gold &amp; silver\u202e up\x07",
            summary="Up 2&nbsp;%",
            url="HTTPS://A.example/1?utm_source=x&id=7#top",
            published_at=published,
            publisher="The Wire",
            author="A. Writer",
            language="English",
            symbols=["GLD", "SLV", "GLD"],
            vendor_score=0.25,
            vendor_label="bullish",
        )
    ]
    summary = lake.ingest_news(Wire(batch))
    (row,) = lake.news("wire").versions.rows(named=True)
    assert list(row) == list(SILVER_NEWS)
    content = json.dumps(batch, default=str).encode()
    expected = {
        "source": "wire",
        "item": item_of("https://a.example/1?id=7", None, None, None),
        "story": story_of("gold silver up"),
        "published_at": published,
        "known_at": NOON + HOUR,
        "basis": "observed",
        "received_at": NOON + HOUR,
        "title": "Gold & silver up",
        "summary": "Up 2 %",
        "url": "https://a.example/1?id=7",
        "publisher": "The Wire",
        "author": "A. Writer",
        "language": "English",
        "symbols": ["GLD", "SLV"],
        "vendor_score": 0.25,
        "vendor_label": "bullish",
        "flags": [],
        "simulated": False,
        "payload": sha256_of(content),
    }
    assert {name: row[name] for name in expected} == expected
    assert lake.bronze.read(row["payload"]) == content
    (receipt,) = lake.bronze.index.read().rows(named=True)
    assert (receipt["instrument"], receipt["interval"]) == ("gold", "news")
    assert (summary.received, summary.added, summary.notes) == (1, 1, ())


def test_a_changed_title_is_a_version_known_from_its_receipt(lake):
    summary = lake.ingest_news(Wire([article("A")], [article("B")], [article("B")], [article("A")]))
    assert (summary.received, summary.added, summary.revised, summary.unchanged) == (4, 1, 2, 1)
    history = lake.news("wire")
    titles = [
        history.known(NOON + hours * HOUR)["title"].to_list() for hours in (0.5, 1, 2, 3.5, 4)
    ]
    assert titles == [[], ["A"], ["B"], ["B"], ["A"]]
    assert history.known()["first_known_at"].to_list() == [NOON + HOUR]


def test_the_same_payload_twice_adds_nothing(lake):
    batch = [
        article("A"),
        article("B"),
        article("", url=None),
        article("C", url="https://c.example/c"),
    ]
    first = lake.ingest_news(Wire(batch))
    before, version = meaning(lake), lake.version("silver/news")
    for hours in (1, 2):
        again = lake.ingest_news(Wire(batch, first=NOON + hours * HOUR))
        assert (again.added, again.revised, again.unchanged) == (0, 0, 3)
        assert again.quarantined == first.quarantined == {"no_text": 1}
    assert meaning(lake) == before
    assert lake.version("silver/news") == version
    assert len(lake.articles.quarantine("wire")) == 1
    assert len(lake.bronze.index.read()) == 3


def test_a_vendors_first_seen_time_is_when_it_is_known(lake):
    lake.ingest_news(Wire([article(known_at=NOON - HOUR), article("B", known_at=NOON)]))
    history = lake.news("wire")
    assert history.known(NOON - HOUR)["title"].to_list() == ["Gold up"]
    assert history.known(NOON)["title"].to_list() == ["B"]
    assert set(history.versions["basis"]) == {"vendor"}
    assert set(history.versions["flags"].list.len()) == {0}


def test_a_text_that_was_edited_without_a_new_time_is_known_from_its_receipt_on(lake):
    seen = NOON - HOUR
    for place in range(8):  # whatever the versions are called
        page = {"url": f"https://a.example/{place}", "known_at": seen}
        lake.ingest_news(Wire([article("first", **page)]))
        edited = Wire([article(f"edited {place}", **page)], first=NOON + HOUR)
        lake.ingest_news(edited)
    history = lake.news("wire")
    received = history.versions.filter(pl.col("title") != "first")["received_at"].min()
    assert set(history.known(received - HOUR)["title"]) == {"first"}
    assert len(history.known(received - HOUR)) == 8
    assert all(title.startswith("edited") for title in history.known()["title"])
    assert set(history.versions.filter(pl.col("title") != "first")["basis"]) == {"observed"}


def test_nothing_is_known_before_it_is_published(lake):
    receipt = NOON + HOUR
    soon = article("soon", url="https://a.example/2", published_at=receipt + timedelta(minutes=4))
    day = article(
        "today", url="https://a.example/3", published_at=receipt + 11 * HOUR, flags=["day_only"]
    )
    summary = lake.ingest_news(Wire([soon, day]))
    known = dict(lake.news("wire").versions.select("title", "known_at").iter_rows())
    assert known == {"soon": soon["published_at"], "today": day["published_at"]}
    assert summary.notes == (
        "some articles have a day and no time: they count as published at the end of that day "
        "(flag day_only)",
    )


@pytest.mark.parametrize(
    ("reason", "detail", "row"),
    [
        ("no_text", "url=https://a.example/1", article(" \x00", summary="&nbsp;")),
        (
            "published_in_future",
            "published_at=2024-03-01 13:06:00.000000+00:00",
            article(published_at=NOON + HOUR + timedelta(minutes=6)),
        ),
        ("known_in_future", "known_at=", article(known_at=NOON + 2 * HOUR)),
        (
            "known_before_published",
            "known_at=2024-03-01 10:00:00.000000+00:00",
            article(known_at=NOON - 2 * HOUR, published_at=NOON),
        ),
        ("implausible_date", "published_at=0201-04-14", article(published_at="0201-04-14T00:00Z")),
        ("score_out_of_range", "vendor_score=1.5", article(vendor_score=1.5)),
        ("score_out_of_range", "vendor_score=NaN", article(vendor_score=float("nan"))),
    ],
)  # fmt: skip
def test_what_cannot_be_true_is_kept_out_as_it_came(lake, reason, detail, row):
    good = article("fine", url="https://a.example/9")
    summary = lake.ingest_news(Wire([row, good]))
    assert (summary.added, summary.quarantined) == (1, {reason: 1})
    (kept,) = lake.articles.quarantine("wire").rows(named=True)
    assert (kept["source"], kept["instrument"], kept["interval"]) == ("wire", "gold", "news")
    assert (kept["row"], kept["reason"]) == (1, reason)
    assert kept["detail"].startswith(detail)
    assert json.loads(kept["content"])["title"] == row["title"]


def test_what_is_odd_is_flagged(lake):
    lake.ingest_news(Wire([article(url="javascript:alert(1)")]))
    (row,) = lake.news("wire").versions.rows(named=True)
    assert (row["url"], row["published_at"], row["flags"]) == (None, None, ["no_date", "odd_url"])


def test_one_story_at_three_addresses_counts_once(lake):
    same = [article("Gold up 2%!", url=f"https://{site}.example/x") for site in "abc"]
    same[2]["title"] = "GOLD  UP 2 %"
    summary = lake.ingest_news(Wire([*same, article("Other", url="https://d.example/x")]))
    assert summary.added == 4
    stories = lake.news("wire").stories()
    assert sorted(stories["articles"]) == [1, 3]
    assert len(stories) == 2


def test_symbols_are_those_of_all_versions_known_by_then(lake):
    lake.ingest_news(Wire([article(symbols=["A"])], [article(symbols=["B"])]))
    again = lake.ingest_news(Wire([article(symbols=["A"])], first=NOON + 5 * HOUR))
    assert (again.revised, again.unchanged) == (0, 1)
    history = lake.news("wire")
    assert history.known(NOON + HOUR)["symbols"].to_list() == [["A"]]
    assert history.known()["symbols"].to_list() == [["A", "B"]]


def test_the_item_is_the_address_else_the_vendors_id_else_the_words():
    assert item_of("https://a.example/x", "7", "T", None) == item_of(
        normalised_url("https://A.example/x?.tsrc=rss#f"), "8", "U", "later"
    )
    assert item_of(None, "https://a.example/x", "T", None) == item_of(
        "https://a.example/x", None, None, None
    )
    assert item_of("https://a.example/", "7", "T", None) == item_of(None, "7", "U", None)
    assert item_of("https://a.example/", None, "T", "1") != item_of(None, None, "U", "1")
    assert item_of(None, None, "T", "1") != item_of(None, None, "T", "2")
    assert len(item_of(None, None, None, None)) == 32


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("http://EXAMPLE.com:80", "http://example.com/"),
        ("https://u:p@example.com:8443/a b", "https://example.com:8443/a%20b"),
        ("https://e.com/?a=1&utm_medium=x&b=2&copy=3&fbclid=1", "https://e.com/?a=1&b=2&copy=3"),
        ("https://e.com/a?x=1&amp;y=2", "https://e.com/a?x=1&y=2"),
        ("http://[::1]:80/x", "http://[::1]/x"),
        ("http://[bad", None),
        ("http://e.com:port/", None),
        ("ftp://e.com/x", None),
        ("/news/1", None),
        ("", None),
        (None, None),
    ],
)
def test_addresses_are_brought_into_one_form(address, normal):
    assert normalised_url(address) == normal
    assert normalised_url(normal) == normal


def test_text_is_made_readable_and_otherwise_left_alone():
    assert plain_text("  a\t\n\r\x0b b\x1b[31m &lt;i&gt; ") == "a b[31m <i>"
    assert plain_text("\ufeff\u200b") is None
    assert plain_text(None) is None
    assert parsed_news([{"title": "half \ud83d pair"}])["title"].item() == "half \ufffd pair"


def test_a_backfill_goes_on_behind_what_was_taken_in(lake):
    batches = [[article(url=f"https://a.example/{place}")] for place in range(4)]
    broken = Wire(*batches, fails_at=2)
    with clock.frozen_at(NOON), pytest.raises(SourceError, match="the wire is down"):
        lake.ingest_news(broken)
    assert len(lake.news("wire").versions) == 2
    (failure,) = lake.articles.failures("wire").rows(named=True)
    assert (failure["error"], failure["message"]) == ("SourceError", "the wire is down")
    assert (failure["interval"], failure["failed_at"]) == ("news", NOON)
    assert lake.articles.windows("wire") == [(NOON, NOON + 2 * HOUR)]
    whole = Wire(*batches)
    summary = lake.ingest_news(whole)
    assert whole.asked == [((NOON, NOON + 2 * HOUR),)]
    assert summary.received == 4


def test_a_span_is_done_only_when_all_of_it_is_in_silver(lake, monkeypatch):
    source = Wire([article("A"), article("")])

    def killed(*_: object) -> None:
        raise LakeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Incidents, "keep_out", killed)
        with pytest.raises(LakeError, match="killed"):
            lake.ingest_news(source)
    assert lake.articles.windows("wire") == []
    again = lake.ingest_news(source)
    assert (again.unchanged, again.quarantined) == (1, {"no_text": 1})
    assert lake.articles.windows("wire") == [(NOON, NOON + HOUR)]


def test_what_is_not_there_says_how_to_get_it(lake):
    with pytest.raises(NoDataError, match=r"no articles from source nowhere .*`truecast ingest`"):
        lake.news("nowhere")


MOMENTS = [NOON - hours * HOUR for hours in range(4)]
ARTICLES = st.fixed_dictionaries(
    {
        "title": st.sampled_from(["A", "B", "C", "", None]),
        "summary": st.sampled_from(["x", "x &amp; y", None]),
        "url": st.sampled_from(
            ["https://a.example/1", "https://A.example/1#x", "https://b.example/2", "odd", None]
        ),
        "vendor_id": st.sampled_from([None, "7"]),
        "published_at": st.sampled_from([None, *MOMENTS, NOON + 2 * HOUR]),
        "known_at": st.sampled_from([None, None, *MOMENTS, NOON + timedelta(minutes=3)]),
        "symbols": st.sampled_from([None, [], ["A"], ["B", "A"]]),
        "vendor_score": st.sampled_from([None, 0.5, 2.0]),
    }
)


class Silver:
    """Silver's rows in memory: what ``News`` does to the table, without the disk."""

    def __init__(self) -> None:
        self.rows = pl.DataFrame(schema=SILVER_NEWS)

    def take_in(self, articles: Sequence[dict], received_at: datetime) -> None:
        checked = check_articles(parsed_news(articles), received_at)
        rows = merge_articles(checked.articles, self.rows, received_at)
        about = {
            "source": "s", "payload": "p", "received_at": received_at, "simulated": False,
            "written_at": NOON,
        }  # fmt: skip
        self.rows = pl.concat([self.rows, as_silver(rows, about)])

    @property
    def table(self) -> list[tuple]:
        return self.rows.sort("item", "known_at", "version").rows()


@given(st.lists(ARTICLES, max_size=12), st.randoms(use_true_random=False), st.data())
def test_any_order_repetition_or_cut_of_a_receipt_gives_the_same_table(articles, random, data):
    whole = Silver()
    whole.take_in(articles, NOON)
    mixed = articles + data.draw(
        st.lists(st.sampled_from(articles), max_size=6) if articles else st.just([])
    )
    random.shuffle(mixed)
    cut = Silver()
    start = 0
    while start < len(mixed):
        size = data.draw(st.integers(1, 5))
        cut.take_in(mixed[start : start + size], NOON)
        start += size
    assert cut.table == whole.table
    before = whole.table
    for hours in (1, 2):
        whole.take_in(mixed, NOON + hours * HOUR / 2)
        assert whole.table == before


@given(
    st.lists(
        st.dictionaries(st.sampled_from("xyz"), st.sampled_from("ABC"), max_size=3), max_size=4
    )
)
def test_a_read_as_of_any_moment_is_what_the_last_receipt_said(receipts):
    silver = Silver()
    for place, said in enumerate(receipts):
        rows = [article(title, url=f"https://e.com/{page}") for page, title in said.items()]
        silver.take_in(rows, NOON + place * HOUR)
    history = NewsHistory(silver.rows)
    naive: dict[str, str] = {}
    first: dict[str, datetime] = {}
    assert history.known(NOON - HOUR).is_empty()
    for place, said in enumerate(receipts):
        naive |= {f"https://e.com/{page}": title for page, title in said.items()}
        moment = NOON + place * HOUR
        for page in naive:
            first.setdefault(page, moment)
        known = history.known(moment + HOUR / 2)
        assert dict(known.select("url", "title").iter_rows()) == naive
        assert dict(known.select("url", "first_known_at").iter_rows()) == first


@given(
    st.lists(
        st.tuples(st.sampled_from("xy"), st.sampled_from("ABC"), st.integers(0, 3)), max_size=5
    ),
    st.randoms(use_true_random=False),
)
def test_first_seen_times_give_the_same_reads_whenever_they_are_received(seen, random):
    silver = Silver()
    random.shuffle(seen)
    for place, (page, title, hour) in enumerate(seen):
        row = article(title, url=f"https://e.com/{page}", known_at=NOON + hour * HOUR)
        silver.take_in([row], NOON + (10 + place) * HOUR)
    for hour in range(4):
        naive = {}
        for page in "xy":
            until = [
                (moment, title) for name, title, moment in seen if name == page and moment <= hour
            ]
            latest = max((moment for moment, _ in until), default=None)
            naive[page] = {title for moment, title in until if moment == latest}
        known = NewsHistory(silver.rows).known(NOON + hour * HOUR)
        read = {row["url"][-1]: row["title"] for row in known.rows(named=True)}
        assert {page for page, titles in naive.items() if titles} == set(read)
        assert all(title in naive[page] for page, title in read.items())
