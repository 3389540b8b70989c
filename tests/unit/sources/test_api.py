"""What is pushed: bars and articles as they were posted."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from truecast.core.clock import frozen_at
from truecast.core.errors import UsageError
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.core.recipe_parts import Choice
from truecast.lake.lake import Lake
from truecast.sources.api.source import ApiNews
from truecast.sources.base import SourceError
from truecast.sources.catalog import open_news_source, open_source

NOW = datetime(2018, 12, 28, 22, tzinfo=UTC)
DAILY, MINUTES = Interval("1d"), Interval("5m")


def opened(**options):
    return open_source(Choice(name="api", parameters=options))


def rows_of(source, interval, *bars):
    with frozen_at(NOW):
        return source.parse(source.posted("A", interval, bars)).bars


def test_a_daily_bar_is_named_by_its_day_or_by_its_close():
    rows = rows_of(
        opened(),
        DAILY,
        {"timestamp": "2018-12-24", "open": 1, "high": 3, "low": 0.5, "close": 2, "volume": 7},
        {"timestamp": "2018-12-26T21:00:00Z", "close": 4},
        {"timestamp": "2018-12-27T16:00:00-05:00", "close": 5},
    )
    assert rows["session"].to_list() == [date(2018, 12, day) for day in (24, 26, 27)]
    # Christmas Eve ends at one o'clock.
    assert rows["event_time"].to_list() == [
        datetime(2018, 12, 24, 18, tzinfo=UTC),
        datetime(2018, 12, 26, 21, tzinfo=UTC),
        datetime(2018, 12, 27, 21, tzinfo=UTC),
    ]
    assert rows.select("open", "high", "low", "close", "volume").row(0) == (1, 3, 0.5, 2, 7)
    assert rows.select("open", "high", "low", "close", "volume").row(1) == (*[None] * 3, 4, None)


def test_a_day_that_ends_at_midnight_is_the_one_before():
    rows = rows_of(
        opened(calendar="24/7"), DAILY, {"timestamp": "2018-12-27T00:00:00Z", "close": 4}
    )
    assert rows["session"].to_list() == [date(2018, 12, 26)]
    assert rows["event_time"].to_list() == [datetime(2018, 12, 27, tzinfo=UTC)]


def test_a_shorter_bar_is_stamped_with_its_close():
    rows = rows_of(opened(), MINUTES, {"timestamp": "2018-12-27T09:35:00-05:00", "close": 4})
    assert rows["event_time"].to_list() == [datetime(2018, 12, 27, 14, 35, tzinfo=UTC)]
    assert rows["session"].to_list() == [date(2018, 12, 27)]


@pytest.mark.parametrize(
    "bar",
    [
        {"timestamp": "2018-12-27T09:35:00", "close": 4},
        {"timestamp": "2018-12-27", "close": 4},
        {"timestamp": "yesterday", "close": 4},
        {"timestamp": "2018-12-27T09:35:00Z", "close": "much"},
        {"close": 4},
    ],
)
def test_what_is_no_bar_is_refused(bar):
    with pytest.raises(SourceError, match="posted bars: expected bars with timestamp"):
        rows_of(opened(), MINUTES, bar)


def test_it_is_told_and_never_asked(tmp_path: Path):
    source = opened(instruments=["A"])
    assert list(source.fetch("A", DAILY)) == []
    assert Lake(str(tmp_path)).ingest(source, "A", DAILY).received == 0
    with pytest.raises(UnknownNameError, match="unknown instrument 'B' in source api"):
        source.fetch("B", DAILY)


def test_options_that_change_what_numbers_mean_make_another_source():
    assert opened().name == opened(instruments=["A"]).name == "api"
    names = {opened(calendar="24/7").name, opened(may_be_negative=True).name, "api"}
    assert len(names) == 3
    assert opened(calendar="24/7").name == opened(calendar="24/7", instruments=["A"]).name
    later = opened(publication_delay="15m").instrument("A")
    assert later.publication_delay == timedelta(minutes=15)


def test_articles_are_known_from_their_receipt_on(tmp_path: Path):
    lake = Lake(str(tmp_path))
    posted = {
        "headline": "Gold &amp; silver rise",
        "body": "By two percent.",
        "url": "https://a.example/1?utm_source=x",
        "source": "A wire",
        "published_at": "2018-12-28T20:00:00+00:00",
        "instrument": "GC=F",
    }
    with frozen_at(NOW):
        assert lake.ingest_news(ApiNews([posted, {"headline": "Nothing else"}])).added == 2
        assert lake.ingest_news(ApiNews([posted])).unchanged == 1
    first, second = sorted(lake.news("api").known().to_dicts(), key=lambda row: row["title"])
    assert (first["title"], first["publisher"]) == ("Gold & silver rise", "A wire")
    assert (first["summary"], first["symbols"]) == ("By two percent.", ["GC=F"])
    assert first["url"] == "https://a.example/1"
    assert first["known_at"] == second["known_at"] == NOW
    assert first["published_at"] == datetime(2018, 12, 28, 20, tzinfo=UTC)
    assert second["published_at"] is None


def test_that_nothing_was_posted_is_an_answer(tmp_path: Path):
    """A recipe that reads what will be posted can be trained before."""
    lake, news = Lake(str(tmp_path)), open_news_source(Choice(name="api"))
    assert not lake.articles.taken_in("api")
    assert lake.ingest_news(news).received == 0
    assert len(lake.news("api").known()) == 0
    with pytest.raises(UsageError, match="topic"):
        open_news_source(Choice(name="api", parameters={"topic": "gold"}))
