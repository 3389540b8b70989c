"""When a source is asked for what is new."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from truecast.core.calendars import get_calendar
from truecast.core.clock import frozen_at
from truecast.core.interval import Interval
from truecast.core.recipe import Recipe
from truecast.lake import ingestion
from truecast.lake.lake import Lake
from truecast.serving.feed.polls import Articles, Bars, Polled, next_asked, next_close, poll_all
from truecast.serving.feed.wanted import _bars
from truecast.sources.base import SourceError
from truecast.sources.newsfiles.source import open_news_files
from truecast.sources.simulated.news import open_simulated_news
from truecast.sources.simulated.source import open_simulated

NOON = datetime(2024, 3, 20, 12, tzinfo=UTC)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("calendar", "interval", "after", "expected"),
    [
        # A half-day: Christmas Eve closes at one o'clock; then a holiday.
        ("XNYS", "1d", "2018-12-21T21:00", "2018-12-24T18:00"),
        ("XNYS", "1d", "2018-12-24T18:00", "2018-12-26T21:00"),
        # The clocks change between the two.
        ("XNYS", "1d", "2024-03-08T21:00", "2024-03-11T20:00"),
        ("XNYS", "5m", "2018-12-21T14:35", "2018-12-21T14:40"),
        ("XNYS", "5m", "2018-12-24T18:00", "2018-12-26T14:35"),
        # The last hour of a session has thirty minutes; the first may end at the whole hour.
        ("XNYS", "1h", "2018-12-21T20:30", "2018-12-21T21:00"),
        ("XNYS", "1h", "2018-12-21T21:00", "2018-12-24T15:00"),
        ("FX", "1m", "2024-03-15T20:59", "2024-03-15T21:00"),
        ("FX", "1m", "2024-03-15T21:00", "2024-03-17T21:01"),
        ("24/7", "1h", "2024-03-16T23:00", "2024-03-17T00:00"),
        ("24/7", "1d", "2024-03-16T00:00", "2024-03-17T00:00"),
        # Tokyo has a lunch break.
        ("XTKS", "5m", "2024-03-18T02:30", "2024-03-18T03:35"),
    ],
)
def test_the_next_bar_closes_by_the_exchanges_hours(
    calendar: str, interval: str, after: str, expected: str
) -> None:
    found = next_close(get_calendar(calendar), Interval(interval), moment(after))
    assert found == moment(expected)


class Thing:
    """Something new every hour, unless it fails: what each take is to do is told before."""

    key = ("vendor", "A", "1h")
    pace = timedelta(hours=1)

    def __init__(self, takes: Iterable[Any]) -> None:
        self.takes = iter(takes)
        self.due_at = NOON

    def due(self, lake: Lake) -> datetime:
        return self.due_at

    def take_in(self, lake: Lake) -> bool:
        found = next(self.takes)
        if isinstance(found, Exception):
            raise found
        self.due_at += self.pace if found else timedelta()
        return bool(found)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_it_is_asked_for_again_after_a_wait_that_doubles(lake: Lake) -> None:
    asked_to_wait = SourceError("slow down")
    asked_to_wait.retry_after = timedelta(minutes=40)  # type: ignore[attr-defined]
    takes = [SourceError("down"), False, KeyError("x"), *[False] * 4, asked_to_wait, True]
    with frozen_at(NOON):
        polled = Polled(Thing(takes))  # type: ignore[arg-type]
    waits, errors, now = [], [], NOON
    for _ in takes:
        with frozen_at(now):
            polled.poll(lake)
        waits.append((polled.next_at - now) / timedelta(minutes=1))
        errors.append(polled.error)
        now = polled.next_at
    # From a sixtieth of a bar to a quarter of it.
    assert waits[:8] == [1, 2, 4, 8, 15, 15, 15, 40]
    assert errors == ["down", None, "KeyError: 'x'", *[None] * 4, "slow down", None]
    # The bar has come: the next one is due already, and asked for soon.
    assert (polled.polls, polled.due_at) == (9, NOON + timedelta(hours=1))


def test_it_is_said_what_fails_and_what_is_late(lake: Lake) -> None:
    with frozen_at(NOON):
        polled = Polled(Thing([False, SourceError("down"), True]))  # type: ignore[arg-type]
        polled.poll(lake)
        assert polled.trouble(NOON + timedelta(minutes=59)) is None
        assert polled.trouble(NOON + timedelta(minutes=61)) == (
            "vendor A 1h: what was due at 2024-03-20 12:00:00 UTC has not come; the next try is "
            "at 2024-03-20 12:01:00 UTC"
        )
        polled.poll(lake)
        assert polled.trouble(NOON) == (
            "vendor A 1h: cannot be had since 2024-03-20 12:00:00 UTC: down; the next try is at "
            "2024-03-20 12:02:00 UTC"
        )
        polled.poll(lake)
        assert polled.trouble(NOON) is None


def test_what_is_due_follows_from_the_lake(lake: Lake) -> None:
    source = open_simulated({"calendar": "24/7", "start": "2024-03-01"})
    bars = Bars(source, "", "A", Interval("1h"))
    with frozen_at(NOON):
        assert bars.due(lake) == NOON
        assert bars.take_in(lake)
        assert bars.due(lake) == NOON + timedelta(hours=1)
        assert not bars.take_in(lake)


def test_simulated_news_are_asked_for_when_there_are_any(lake: Lake) -> None:
    options = {"instruments": ["A"], "start": "2024-03-01", "articles_per_day": 20}
    articles = Articles(open_simulated_news(options), "simulated")
    with frozen_at(NOON):
        assert articles.take_in(lake)
        due = articles.due(lake)
        known = lake.news(articles.source.name).versions["known_at"]
    assert NOON < due < NOON + timedelta(days=1)
    with frozen_at(due - timedelta(seconds=1)):
        assert not articles.take_in(lake)
        assert articles.due(lake) == due
    with frozen_at(due):
        assert articles.take_in(lake)
        assert len(lake.news(articles.source.name).versions) == len(known) + 1


def test_files_of_news_are_read_when_they_have_changed(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "news.ndjson"
    path.write_text('{"title": "A", "published_at": "2024-03-20T10:00:00Z"}\n')
    articles = Articles(open_news_files({"path": str(path)}), "files")
    assert articles.take_in(lake)
    receipts = len(lake.bronze.index.read())
    assert not articles.take_in(lake)
    assert len(lake.bronze.index.read()) == receipts
    with path.open("a") as file:
        file.write('{"title": "B", "published_at": "2024-03-20T11:00:00Z"}\n')
    assert articles.take_in(lake)
    assert len(lake.news(articles.source.name).versions) == 2


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of a busy machine takes in as many series as that of another."""
    monkeypatch.setattr(ingestion, "TOGETHER_SECONDS", 60.0)


def simulated(**options: Any) -> list[Bars]:
    """Return what a recipe is fed from whose source has these options beside the usual ones."""
    options = {"calendar": "24/7", "start": "2024-03-01", **options}
    recipe = {
        "name": "x",
        "instruments": options["instruments"],
        "interval": "1h",
        "source": {"simulated": options},
        "features": ["log_return_1"],
        "targets": {"return": {"horizon": 1, "models": ["ridge"]}},
    }
    return _bars(Recipe.model_validate(recipe))  # type: ignore[return-value]


@pytest.mark.usefixtures("unhurried")
def test_each_series_is_asked_of_the_source_as_its_recipe_configures_it(lake: Lake) -> None:
    wanted = [*simulated(instruments=["A", "B"]), *simulated(instruments=["C", "D"])]
    assert len({one.source.name for one in wanted}) == 1
    with frozen_at(NOON):
        polled = [Polled(one) for one in wanted]
        assert poll_all(polled, lake)
        assert [one.error for one in polled] == [None] * 4
    later, before = NOON + timedelta(hours=1), lake.version("silver/bars")
    with frozen_at(later):
        assert poll_all(polled, lake)
    assert [one.error for one in polled] == [None] * 4
    assert {key[1] for key, last in lake.last_closes().items() if last == later} == {*"ABCD"}
    # Series of sources that are configured alike still share a commit.
    assert before is not None
    assert lake.version("silver/bars") == before + 2


@pytest.mark.usefixtures("unhurried")
def test_what_nobody_foresaw_of_one_series_is_its_own_trouble(lake: Lake, monkeypatch: Any) -> None:
    wanted = simulated(instruments=["A", "B", "C", "D"])
    with frozen_at(NOON):
        polled = [Polled(one) for one in wanted]
        assert poll_all(polled, lake)
    source = wanted[0].source
    fetch, due_after = source.fetch, Bars.due_after

    def fetched(symbol: str, *given: Any) -> Any:
        if symbol == "B":
            raise KeyError("chart")
        return fetch(symbol, *given)

    def due(bars: Bars, last: datetime | None) -> datetime:
        if bars.symbol == "C":
            raise IndexError("no session")
        return due_after(bars, last)

    monkeypatch.setattr(source, "fetch", fetched)
    monkeypatch.setattr(Bars, "due_after", due)
    with frozen_at(NOON + timedelta(hours=1)):
        assert poll_all(polled, lake)
        said = [one.trouble(NOON + timedelta(hours=1)) for one in polled]
        assert [one.error for one in polled] == [
            None,
            "KeyError: 'chart'",
            "IndexError: no session",
            None,
        ]
    assert [one is None for one in said] == [True, False, False, True]
    assert f"{source.name} B 1h: cannot be had since 2024-03-20 13:00:00 UTC" in str(said[1])
    later = {key[1] for key, last in lake.last_closes().items() if last.hour == 13}
    assert later == {"A", "C", "D"}


def test_what_fails_is_asked_alone_and_after_all_others() -> None:
    def thing(minutes: float, error: str | None = None) -> Polled:
        found = Polled(Thing([]), error=error)  # type: ignore[arg-type]
        found.next_at = NOON - timedelta(minutes=minutes)
        return found

    slow, slower = thing(2.5, "timeout"), thing(2.7, "timeout")
    new, old, later = thing(1), thing(2), thing(-1)
    with frozen_at(NOON):
        assert next_asked([slow, new, slower, later, old]) == [old, new]
        assert next_asked([slow, later, slower]) == [slower]
        assert next_asked([later]) == []


@pytest.mark.usefixtures("unhurried")
def test_series_that_time_out_keep_none_from_being_taken_in(lake: Lake, monkeypatch: Any) -> None:
    """At the head of a recipe, each longer than a batch."""
    wanted = simulated(instruments=["A", "B", "C", "D"])
    with frozen_at(NOON):
        polled = [Polled(one) for one in wanted]
        assert poll_all(polled, lake)
    source = wanted[0].source
    fetch, asked = source.fetch, []
    monkeypatch.setattr(ingestion, "TOGETHER_SECONDS", -1.0)  # each request takes longer

    def fetched(symbol: str, *given: Any) -> Any:
        asked.append(symbol)
        if symbol in "AB":
            raise SourceError("timeout")
        return fetch(symbol, *given)

    monkeypatch.setattr(source, "fetch", fetched)
    for hours in (1, 2):
        with frozen_at(NOON + timedelta(hours=hours)):
            while due := next_asked(polled):
                poll_all(due, lake)
    # The first time nobody knows that they will fail.
    assert asked == ["A", "B", "C", "D", "C", "D", "A", "B"]
