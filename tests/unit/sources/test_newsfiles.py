"""Articles in files: shapes, columns, dates, and what is refused."""

import gzip
import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest

from truecast.core import clock
from truecast.core.errors import UsageError
from truecast.core.news import PARSED_NEWS
from truecast.core.recipe_parts import Choice
from truecast.lake.lake import Lake
from truecast.sources.base import SourceError
from truecast.sources.catalog import open_news_source

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
STREAMED = {
    "headline": "Index climbs",
    "body": "It climbed all day.",
    "published_at": "2025-03-04T15:30:00",
    "source": "Simulated Wire",
    "sentiment_score": 0.72,
    "url": "https://wire.example/1",
    "streamed_at": "2025-03-04T15:31:00",
    "sentiment_type": "positive",
    "mock": True,
}


def parsed(path: Path, **options: object) -> list[dict]:
    source = open_news_source(Choice(name="files", parameters={"path": str(path), **options}))
    with clock.frozen_at(NOW):
        frames = [source.parse(payload) for payload in source.fetch()]
    assert all(dict(frame.schema) == PARSED_NEWS for frame in frames)
    return pl.concat(frames).rows(named=True)


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps([STREAMED])),
        ("a.json", json.dumps({"articles": [STREAMED]})),
        ("a.json", json.dumps({"items": "1", "feed": [STREAMED]})),
        ("a.json", json.dumps(STREAMED)),
        ("a.ndjson", "\n" + json.dumps(STREAMED) + "\n\n"),
        ("a.jsonl.gz", gzip.compress(json.dumps(STREAMED).encode())),
        ("a.json", b"\xef\xbb\xbf" + json.dumps([STREAMED]).replace("all", "a\x01ll").encode()),
    ],
)
def test_a_simulators_article_is_read_in_every_shape(tmp_path, name, content):
    (row,) = parsed(written(tmp_path, name, content))
    assert row == {
        "row": 1,
        "published_at": datetime(2025, 3, 4, 15, 30, tzinfo=UTC),
        "known_at": None,
        "title": "Index climbs",
        "summary": "It climbed all day.",
        "url": "https://wire.example/1",
        "publisher": "Simulated Wire",
        "author": None,
        "language": None,
        "symbols": [],
        "vendor_id": None,
        "vendor_score": 0.72,
        "vendor_label": "positive",
        "flags": ["mock"],
    }


def test_csv_may_quote_commas_quotes_and_line_breaks(tmp_path):
    text = (
        "\ufeffTitle;Published At;Ticker;Score\r\n"
        '"Gold; up ""again""\r\nand on";2024-01-02 09:30:00-05:00;GLD, IAU;\r\n'
        "\r\n"
        "Flat;;;\r\n"
    )
    first, second = parsed(written(tmp_path, "a.csv", text))
    assert first["title"] == 'Gold; up "again"\r\nand on'
    assert first["published_at"] == datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
    assert first["symbols"] == ["GLD", "IAU"]
    assert (second["title"], second["published_at"], second["symbols"]) == ("Flat", None, [])


def test_other_vendors_shapes_are_recognised(tmp_path):
    newsapi = {
        "source": {"id": None, "name": "The Post"},
        "author": "A",
        "title": "T",
        "description": "D",
        "content": "C",
        "publishedAt": "2024-05-06T07:08:09Z",
    }
    scored = {
        "title": "S",
        "time_published": "20240506T070809",
        "authors": ["A", "B"],
        "source": "W",
        "overall_sentiment_score": "-0.25",
        "overall_sentiment_label": "Bearish",
        "ticker_sentiment": [{"ticker": "X"}, {"ticker": "Y"}],
    }
    seen = {"title": "G", "seendate": "20240506T070000Z", "domain": "g.example"}
    written(tmp_path, "1.json", json.dumps([newsapi]))
    written(tmp_path, "2.json", json.dumps([scored]))
    written(tmp_path, "3.json", json.dumps({"articles": [seen]}))
    written(tmp_path, "readme.txt", "left out")
    first, second, third = parsed(tmp_path)
    moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert (first["publisher"], first["summary"], first["published_at"]) == (
        "The Post",
        "D",
        moment,
    )
    assert (second["author"], second["symbols"], second["vendor_score"]) == (
        "A, B",
        ["X", "Y"],
        -0.25,
    )
    assert second["published_at"] == moment
    assert (third["published_at"], third["known_at"]) == (None, moment.replace(minute=0, second=0))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-07-01T12:00:00Z", (2024, 7, 1, 12)),
        ("2024-07-01 12:00", (2024, 7, 1, 16)),
        ("2024/07/01 12:00:00.5+02:00", (2024, 7, 1, 10, 0, 0, 500000)),
        ("20240701T120000", (2024, 7, 1, 16)),
        ("20240701120000Z", (2024, 7, 1, 12)),
        ("1719835200", (2024, 7, 1, 12)),
        ("1719835200000", (2024, 7, 1, 12)),
        ("Mon, 01 Jul 2024 12:00:00 +0000", (2024, 7, 1, 12)),
        ("Mon, 01 Jul 2024 12:00:00 EST", (2024, 7, 1, 17)),
        ("07/13/2024 1:05 PM", (2024, 7, 13, 17, 5)),
        ("2024-11-03 01:30", (2024, 11, 3, 6, 30)),  # twice there: the later
        ("2024-07-01", (2024, 7, 2, 4)),
        ("13.07.2024", (2024, 7, 14, 4)),
        ("20240701", (2024, 7, 2, 4)),
        ("1 July 2024", (2024, 7, 2, 4)),
        ("Jul 1, 2024", (2024, 7, 2, 4)),
        ("null", None),
        (" ", None),
        ("0", None),
    ],
)
def test_dates_and_times_are_read(tmp_path, text, moment):
    path = written(tmp_path, "a.json", json.dumps([{"title": "T", "date": text}]))
    (row,) = parsed(path, timezone="America/New_York")
    assert row["published_at"] == (datetime(*moment, tzinfo=UTC) if moment else None)
    midnight = moment is not None and len(moment) == 4 and moment[3] == 4
    assert row["flags"] == (["day_only"] if midnight else [])


def test_the_order_of_day_and_month_is_told_by_the_whole_column(tmp_path):
    text = "title,date\nA,03/04/2020\nB,28-01-2016\nC,5/5/2020\n"
    days = [
        row["published_at"] - timedelta(days=1) for row in parsed(written(tmp_path, "a.csv", text))
    ]
    assert [day.date() for day in days] == [date(2020, 4, 3), date(2016, 1, 28), date(2020, 5, 5)]
    doubtful = written(tmp_path, "b.csv", "title,date\nA,5/5/2020\nB,03/04/2020\n")
    with pytest.raises(SourceError, match=r"b\.csv, line 3: .*one way.*'03/04/2020'.*dates: dmy"):
        parsed(doubtful)
    assert parsed(doubtful, dates="mdy")[1]["published_at"].date() == date(2020, 3, 5)


def test_a_column_may_say_since_when_an_article_was_known(tmp_path):
    text = (
        "title,day,got\nA,2024-01-02,2024-01-02T15:00:00Z\nB,2024-01-02,2024-01-05T00:00:00Z\n"
        "C,2024-01-02,\n"
    )
    path = written(tmp_path, "a.csv", text)
    rows = parsed(path, columns={"published_at": "day", "known_at": "got"})
    assert [row["known_at"] and row["known_at"].day for row in rows] == [2, 5, None]
    assert [row["published_at"].isoformat() for row in rows] == [
        "2024-01-02T15:00:00+00:00",  # not after it was known
        "2024-01-03T00:00:00+00:00",
        "2024-01-03T00:00:00+00:00",
    ]


def test_times_that_were_cut_count_as_published_when_their_step_was_over(tmp_path):
    path = written(tmp_path, "a.csv", "title,time\nA,2024-01-02T15:00:00Z\n")
    (row,) = parsed(path, resolution="60m")
    assert (row["published_at"].hour, row["flags"]) == (16, ["cut_stamp"])


def test_parquet_keeps_its_types(tmp_path):
    frame = pl.DataFrame(
        {
            "headline": ["A", "B", None],
            "date": [date(2024, 1, 2), None, date(2024, 1, 3)],
            "tickers": [["X"], [], None],
            "id": [7, 8, 9],
        }
    )
    frame.write_parquet(tmp_path / "a.parquet")
    rows = parsed(tmp_path / "a.parquet")
    assert [row["vendor_id"] for row in rows] == ["7", "8", "9"]
    assert [row["symbols"] for row in rows] == [["X"], [], []]
    assert [row["published_at"] for row in rows] == [
        datetime(2024, 1, 3, tzinfo=UTC),
        None,
        datetime(2024, 1, 4, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "title,date\nA,2024-01-02\nB,soon\n", r"a\.csv, line 3: expected a date.*'soon'"),
        ("a.csv", "title,date\nA,2024-02-30\n", r"line 2: expected a date.*'2024-02-30'"),
        ("a.csv", "title,date\nA\n", r"line 2: expected 2 cells a line; found 1 cells"),
        ("a.csv", 'title,date\n"A,2024-01-02\n', r"line 2: .*unexpected end of data"),
        ("a.csv", "title,title\n", r"line 1: expected each column once; found 'title' twice"),
        ("a.csv", "", r"line 1: expected a header"),
        ("a.csv", "a,b\n1,2\n", r"with the words.*found 'a', 'b'.*columns: \{title: a\}"),
        ("a.csv", "title,b\n1,2\n", r"with the date.*columns: \{published_at: title\}"),
        ("a.csv", "title,date,sentiment_score\nA,,good\n", r"line 2: expected a number.*'good'"),
        ("a.csv", b"title,date\nA,\nB\xff,\n", r"line 3: .*UTF-8; found the byte 0xff"),
        ("a.json", '[{"title": "A"},\n {"title": ', r"line 2: expected JSON .*the end of the file"),
        ("a.json", '"A"', r"expected a list of articles.*found str"),
        ("a.json", '[{"title": "A", "date": ""}, 7]', r"row 2: expected an article.*found 7"),
        ("a.ndjson", '{"title": "A"}\n{"title" "B"}\n', r"line 2: expected JSON .*delimiter"),
        ("a.json", "[" * 100_000, r"nested too deep"),
        ("a.parquet", "title,date\n", r"expected Parquet.*begins 'title,date'"),
        ("a.parquet", "PAR1 and no more", r"damaged"),
        ("a.json.gz", b"\x1f\x8bnothing", r"a\.json\.gz"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_refused_with_its_line(tmp_path, name, content, message):
    with pytest.raises(SourceError, match=message):
        parsed(written(tmp_path, name, content))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "nowhere.json"}, r"news\.files: path nowhere\.json does not exist"),
        ({"path": ".", "colums": {}}, r"unknown key 'colums'.*did you mean 'columns'"),
        ({"path": ".", "columns": {"titel": "x"}}, r"did you mean 'title'"),
        ({"path": ".", "timezone": "Mars"}, r"'Mars' is not a time zone"),
        ({"path": ".", "dates": "ymd"}, r"dates"),
        ({}, r"path: this key is required"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        open_news_source(Choice(name="files", parameters=options))


def test_a_folder_without_files_of_news_is_refused(tmp_path):
    written(tmp_path, "a.txt", "x")
    with pytest.raises(UsageError, match=r"is no file of news, and holds none.*\.parquet"):
        open_news_source(Choice(name="files", parameters={"path": str(tmp_path)}))
    path = written(tmp_path, "a.csv", "title,date\nA,\n")
    with pytest.raises(SourceError, match=r"the column 'titel' that columns\.title names.*'title'"):
        parsed(path, columns={"title": "titel"})


def test_another_meaning_is_another_source(tmp_path):
    path = written(tmp_path, "My News.csv", "title,date\nA,\n")
    names = {
        open_news_source(Choice(name="files", parameters={"path": str(path), **options})).name
        for options in ({}, {"timezone": "America/New_York"}, {"columns": {"title": "date"}})
    }
    assert len(names) == 3
    assert all(name.startswith("newsfiles-my-news-csv-") for name in names)


@pytest.fixture(scope="module")
def real() -> Path:
    folder = os.environ.get("TRUECAST_REALDATA")
    if not folder:
        pytest.skip("TRUECAST_REALDATA is not set: no real market data to read")
    return Path(folder) / "news"


def ingested(path: Path, folder: Path, **options: object) -> tuple:
    source = open_news_source(Choice(name="files", parameters={"path": str(path), **options}))
    lake = Lake(str(folder))
    summary = lake.ingest_news(source)
    again = lake.ingest_news(source)
    assert (again.added, again.revised) == (0, 0)
    return summary, lake.news(source.name)


@pytest.mark.realdata
def test_repeated_guids_are_one_article_with_versions(real, tmp_path):
    path = real / "bbc_business_2022_2023.parquet"
    raw = pl.read_parquet(path)
    summary, news = ingested(path, tmp_path)
    pages = {urlsplit(guid)[:4] for guid in raw["guid"]}  # without the fragment
    assert (summary.received, summary.added) == (len(raw), len(pages))
    assert summary.revised == len(
        raw.select("published_utc", "title", "description", "guid").unique()
    ) - len(pages)
    newest = raw.sort("published_utc").group_by(pl.col("guid").str.replace("#.*", "")).last()
    known = news.known()
    assert sorted(known["published_at"].dt.replace_time_zone(None)) == sorted(
        newest["published_utc"]
    )


@pytest.mark.realdata
def test_absent_dates_are_kept_and_both_spellings_mean_the_same_day(real, tmp_path):
    path = real / "gold_headlines_a.parquet"
    raw = pl.read_parquet(path)
    summary, news = ingested(path, tmp_path / "a")
    assert (summary.added, summary.quarantined) == (len(raw), {})
    flags = news.versions["flags"].explode(empty_as_null=True).value_counts()
    missing = raw["date"].null_count()
    assert dict(flags.iter_rows()) == {"no_date": missing, "day_only": len(raw) - missing}
    by_text, texts = ingested(path, tmp_path / "b", columns={"published_at": "date_raw"})
    assert by_text.quarantined == {"implausible_date": missing}
    joined = texts.versions.select("url", "published_at").join(
        news.versions.select("url", "published_at"), on="url"
    )
    assert len(joined) == len(raw) - missing
    assert (joined["published_at"] == joined["published_at_right"]).all()


@pytest.mark.realdata
def test_a_day_is_known_at_its_end_where_it_is_said_to_be(real, tmp_path):
    path = real / "reuters_cnbc_2018_2019.parquet"
    raw = pl.read_parquet(path)
    summary, news = ingested(
        path, tmp_path, columns={"known_at": "date"}, timezone="America/New_York"
    )
    distinct = len(raw.unique())
    assert (summary.added, summary.duplicates) == (distinct, len(raw) - distinct)
    row = (
        news.versions.filter(pl.col("published_at") > datetime(2018, 7, 3, tzinfo=UTC))
        .sort("published_at")
        .row(0, named=True)
    )
    assert row["published_at"] == row["known_at"] == datetime(2018, 7, 3, 4, tzinfo=UTC)
    assert row["flags"] == ["day_only"]


@pytest.mark.realdata
def test_a_table_of_signals_must_be_told_what_its_columns_are(real, tmp_path):
    path = real / "gdelt_finbert_hourly_2020_2024.parquet"
    with pytest.raises(SourceError, match=r"expected a column with the words.*'latest_headline'"):
        ingested(path, tmp_path)
    told = {
        "title": "latest_headline",
        "published_at": "signal_time",
        "vendor_score": "avg_sentiment",
    }
    summary, news = ingested(path, tmp_path, columns=told, resolution="60m")
    raw = pl.read_parquet(path)
    assert summary.added == len(raw)
    assert news.versions["published_at"].min() == raw["signal_time"].min() + timedelta(hours=1)
