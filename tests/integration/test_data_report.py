"""What an ingest and the lake say of their data: as a document, on the terminal, as a page."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from truecast.core.bars import PARSED_ACTIONS, PARSED_BARS, PARSED_REPAIRS
from truecast.core.calendars import get_calendar
from truecast.core.clock import frozen_at
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.lake import Lake
from truecast.pipelines.data_examples import find_examples
from truecast.pipelines.data_page import write_data_page, write_intake_page
from truecast.pipelines.data_report import DataReport, SeriesReport, examine_series
from truecast.pipelines.intake import Intake
from truecast.sources.base import Parsed, Payload, SourceError

DAILY = Interval("1d")
SESSIONS = get_calendar("XNYS").sessions(date(2024, 1, 2), date(2024, 1, 31)).tolist()
EVIL = "<script>alert('x')</script>"


class Feed:
    """A source that sends one answer a day, and cannot be read on the day that it is told."""

    name = "feed"
    live = True
    simulated = True

    def __init__(self) -> None:
        self.closes: dict[date, float] = {}
        self.received_at = datetime(2024, 1, 1, tzinfo=UTC)
        self.repairs: list[dict[str, Any]] = []
        self.actions: list[dict[str, Any]] = []
        self.down = ""

    def symbols(self) -> tuple[str, ...]:
        return ("^X", "^Y")

    def instrument(self, symbol: str) -> Instrument:
        return Instrument(symbol, "XNYS", timedelta(minutes=15), description=f"made up {EVIL}")

    def fetch(
        self, symbol: str, interval: Interval, since: datetime | None = None
    ) -> Iterator[Payload]:
        if self.down:
            raise SourceError(self.down)
        content = json.dumps({f"{day}": close for day, close in self.closes.items()})
        covers = (datetime(2024, 1, 1, tzinfo=UTC), self.received_at)
        yield Payload(
            *(self.name, symbol, str(interval), {"q": symbol}, content.encode()),
            *("application/json", self.received_at, covers),
        )

    def parse(self, payload: Payload) -> Parsed:
        rows = [
            {
                "row": place,
                "session": date.fromisoformat(day),
                "event_time": datetime.fromisoformat(f"{day}T21:00:00+00:00"),
                "close": close,
            }
            for place, (day, close) in enumerate(json.loads(payload.content).items(), start=1)
        ]
        return Parsed(
            pl.DataFrame(rows, schema=PARSED_BARS),
            pl.DataFrame(self.actions, schema=PARSED_ACTIONS),
            pl.DataFrame(self.repairs, schema=PARSED_REPAIRS),
            ("read as a note",),
        )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def feed(lake: Lake) -> Feed:
    """A source that was read three times, and was down the last time but one.

    The lake then lacks 4 January (quarantined), 8 January (no trade), the 12th to the 17th
    (outage), and all from the 19th on.
    """
    feed = Feed()
    feed.closes = {day: 100.0 + place for place, day in enumerate(SESSIONS) if day.day < 12}
    feed.closes[date(2024, 1, 4)] = -1.0
    feed.closes[date(2024, 1, 6)] = 103.0  # a Saturday
    del feed.closes[date(2024, 1, 8)]
    feed.received_at = datetime(2024, 1, 11, 22, tzinfo=UTC)
    lake.ingest(feed, "^X", DAILY)
    feed.down = f"feed: timed out {EVIL}"
    with frozen_at(datetime(2024, 1, 18, 12, tzinfo=UTC)), pytest.raises(SourceError):
        lake.ingest(feed, "^X", DAILY)
    feed.down = ""
    feed.closes[date(2024, 1, 9)] = 200.5
    feed.actions = [{"row": 1, "session": date(2024, 1, 9), "kind": "split", "value": 2.0}]
    feed.repairs = [
        {
            "row": 5,
            "session": date(2024, 1, 10),
            "event_time": datetime(2024, 1, 10, 21, tzinfo=UTC),
            "field": "close",
            "original": 10600.0,
            "repaired": 106.0,
            "repair": "hundredfold",
            "detail": "100 times its neighbours",
        }
    ]
    return feed


def examine(lake: Lake, feed: Feed) -> SeriesReport:
    with frozen_at(datetime(2024, 1, 23, 12, tzinfo=UTC)):
        return examine_series(lake, feed, "^X", DAILY)


def test_a_series_is_told_in_numbers_with_examples(lake: Lake, feed: Feed) -> None:
    feed.received_at = datetime(2024, 1, 11, 23, tzinfo=UTC)
    lake.ingest(feed, "^X", DAILY)
    one = examine(lake, feed)
    # 2, 3, 5, 6 (a Saturday), 9, 10 and 11 January.
    assert (one.bars, one.revisions, one.off_session) == (7, 1, 1)
    assert one.first == datetime(2024, 1, 2, 21, tzinfo=UTC)
    assert one.last == datetime(2024, 1, 11, 21, tzinfo=UTC)
    assert one.due == datetime(2024, 1, 22, 21, tzinfo=UTC)
    assert (one.state, one.overdue, one.age_seconds) == ("stale", 6, 11 * 86400 + 15 * 3600)
    assert one.expected == 14
    # The 12th, 16th and 17th were asked for in vain, the 18th, 19th and 22nd not at all.
    assert one.absent == {"outage": 3, "not asked": 3, "quarantined": 1, "no trade": 1}
    assert [(span.bars, span.cause, span.reason) for span in one.spans] == [
        (3, "outage", None),
        (3, "not asked", None),
        (1, "quarantined", "not_positive"),
        (1, "no trade", None),
    ]
    assert [(month.expected, month.absent) for month in one.months] == [(14, 8)]
    assert [bar.session for bar in one.outside] == [date(2024, 1, 6)]
    assert one.flags == {"off_session": 1}
    assert one.actions == {"split": 1}
    # The first answer came after all but the last of its bars could have been known.
    assert one.basis == {"assumed": 5, "observed": 2}
    assert one.assumed_share == 5 / 7
    assert one.simulated_share == 1.0
    assert one.failures == 1
    assert one.last_failure is not None
    assert one.last_failure.message == f"feed: timed out {EVIL}"
    (reason,) = one.quarantined.items()
    assert (reason[0], reason[1].rows) == ("not_positive", 1)
    assert reason[1].examples[0].row == 3
    assert reason[1].examples[0].detail == "close=-1.0"
    (rule,) = one.repaired.items()
    assert (rule[0], rule[1].numbers) == ("hundredfold", 1)
    assert (rule[1].examples[0].original, rule[1].examples[0].repaired) == (10600.0, 106.0)
    (revised,) = one.revised
    (change,) = revised.changes
    assert (change.field, change.before, change.after) == ("close", 105.0, 200.5)


def test_a_series_that_has_all_that_is_due_is_current(lake: Lake, feed: Feed) -> None:
    feed.closes = {day: 100.0 for day in SESSIONS if day.day <= 22}
    feed.received_at = datetime(2024, 1, 22, 22, tzinfo=UTC)
    lake.ingest(feed, "^X", DAILY)
    one = examine(lake, feed)
    assert (one.state, one.overdue) == ("current", 0)
    feed.live = False
    assert examine(lake, feed).state == "ended"
    empty = examine_series(lake, feed, "^Y", DAILY)
    assert (empty.state, empty.bars, empty.absent, empty.revised) == ("empty", 0, {}, ())


def test_an_ingest_shows_its_own_rows_first(lake: Lake, feed: Feed) -> None:
    feed.closes = {SESSIONS[0]: 100.0, **dict.fromkeys(SESSIONS[1:5], -2.0)}
    feed.received_at = datetime(2024, 1, 12, tzinfo=UTC)
    summary = lake.ingest(feed, "^X", DAILY)
    found = find_examples(lake, "feed", "^X", DAILY, summary)
    assert found.quarantined["not_positive"].rows == 4
    shown = found.quarantined["not_positive"].examples
    assert [one.payload for one in shown] == [summary.payloads[0]] * 3
    assert [one.detail for one in shown] == ["close=-2.0"] * 3
    assert found.revised == ()


def test_what_the_checks_find_is_told(lake: Lake, feed: Feed) -> None:
    year = get_calendar("XNYS").sessions(date(2023, 1, 3), date(2024, 1, 5)).tolist()
    # The second of January is quoted in cents.
    feed.closes = {day: 100.0 + place % 2 for place, day in enumerate(year)}
    feed.closes[date(2024, 1, 2)] *= 100
    feed.received_at = datetime(2024, 1, 5, 22, tzinfo=UTC)
    feed.actions = feed.repairs = []
    fresh = Lake(f"{lake.url}-2")
    fresh.ingest(feed, "^X", DAILY)
    found = examine(fresh, feed).findings["unit_jump"]
    assert (found.action, found.bars) == ("repair", 1)
    (one,) = found.examples
    assert one.event_time == datetime(2024, 1, 2, 21, tzinfo=UTC)
    assert one.factor == pytest.approx(0.01)


class Words(HTMLParser):
    """Gathers a page's text, tags and what it would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.fetched: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [str(value) for name, value in attrs if name in {"src", "srcset"}]
        self.fetched += [
            str(value) for name, value in attrs if name == "href" and value and value[0] != "#"
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_pages_show_it_all_and_escape_what_came(lake: Lake, feed: Feed, tmp_path: Path) -> None:
    feed.received_at = datetime(2024, 1, 11, 23, tzinfo=UTC)
    summary = lake.ingest(feed, "^X", DAILY)
    report = DataReport(
        recipe="mine",
        source="feed",
        as_of=datetime(2024, 1, 23, tzinfo=UTC),
        series=(examine(lake, feed), examine_series(lake, feed, "^Y", DAILY)),
    )
    data = write_data_page(tmp_path / "new" / "data.html", report)
    intake = Intake("feed", {"^X": summary}, failed={"^X": f"no answer {EVIL}"})
    examples = {"^X": find_examples(lake, "feed", "^X", DAILY, summary)}
    ingest = write_intake_page(tmp_path / "ingest.html", "mine", intake, examples)
    for path, expected in (
        (data, ("3 outage", "quarantined: not_positive", "stale", "empty", "made up")),
        (ingest, ("unchanged", "read as a note", "no answer", "not complete")),
    ):
        page = Words(path.read_text("utf-8"))
        assert "script" not in page.tags
        assert page.fetched == []
        assert EVIL in page.text
        for words in (*expected, "close=-1.0", "hundredfold", "close 105 → 200.5"):
            assert words in page.text, words
    assert list(tmp_path.rglob(".*html*")) == []


# --- the program

RECIPE = {
    "name": "pair",
    "instruments": ["AAA", "BBB"],
    "features": ["log_return_1"],
    "targets": {"price": {"models": ["ridge"]}},
}


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A recipe of two files, of which the second is no CSV."""
    folder = tmp_path / "prices"
    folder.mkdir()
    days = [day for day in SESSIONS if day.day != 17]
    rows = [f"{day},{100 + place}" for place, day in enumerate(days)]
    rows[3] = f"{days[3]},"
    (folder / "AAA.csv").write_text("date,close\n" + "\n".join(rows) + "\n")
    (folder / "BBB.csv").write_text("date,close\n2024-01-02,1[b]2\n")
    recipe = tmp_path / "pair.yaml"
    recipe.write_text(yaml.safe_dump({**RECIPE, "source": {"files": {"path": str(folder)}}}))
    return recipe


def test_a_series_that_fails_does_not_stop_the_others(
    pair: Path, tmp_path: Path, typed: Callable[..., Any]
) -> None:
    home = tmp_path / "home"
    page = tmp_path / "ingest.html"
    done = typed("ingest", str(pair), "--html", str(page), home=home)
    assert done.code == 1
    assert "AAA" in done.out
    assert "1 missing_close" in done.out
    assert "missing_close (1)" in done.out
    assert "error: BBB is not complete: " in done.err
    assert "BBB.csv" in done.err
    assert "not complete" in page.read_text("utf-8")
    done = typed("ingest", str(pair), "--json", home=home)
    document = json.loads(done.out)
    assert done.code == 1
    assert list(document["failed"]) == ["BBB"]
    assert document["series"]["AAA"]["unchanged"] == len(SESSIONS) - 2
    assert document["series"]["BBB"]["received"] == 0
    assert set(document["series"]["AAA"]) <= named()
    (example,) = document["examples"]["AAA"]["quarantined"]["missing_close"]["examples"]
    assert (example["row"], example["event_time"]) == (4, "2024-01-05T21:00:00Z")


def test_doctor_tells_of_the_data_and_still_of_the_rest(
    pair: Path, tmp_path: Path, typed: Callable[..., Any]
) -> None:
    home = tmp_path / "home"
    content = yaml.safe_load(pair.read_text())
    pair.write_text(yaml.safe_dump({**content, "instruments": ["AAA"]}))
    empty = typed("doctor", "data", str(pair), home=home)
    assert empty.code == 0
    assert "no bar is in the lake; run `truecast ingest`" in " ".join(empty.out.split())
    assert typed("ingest", str(pair), home=home).code == 0
    page = tmp_path / "data.html"
    done = typed("doctor", "data", str(pair), "--html", str(page), home=home)
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert f"absent, of {len(SESSIONS)} expected by XNYS: 1 quarantined, 1 unknown" in said
    assert "quarantined: missing_close" in said
    assert "2024-01-17 21:00" in said
    assert "ended: the source gives no more bars" in said
    assert page.exists()
    done = typed("doctor", "data", str(pair), "--json", home=home)
    document = json.loads(done.out)
    assert set(keys_in(document)) <= named()
    (one,) = document["series"]
    assert (one["state"], one["absent"]) == ("ended", {"unknown": 1, "quarantined": 1})
    assert one["spans"][0]["first"] == "2024-01-05T21:00:00Z"
    assert [
        row["instrument"] for row in json.loads(typed("doctor", "--json", home=home).out)["series"]
    ] == ["AAA"]
    assert "TRUECAST_HOME" in typed("doctor", home=home).out
    done = typed("doctor", "data", "no-such-recipe", home=home)
    assert done.code == 2


def named() -> set[str]:
    """Return what the page of JSON names."""
    page = Path(__file__).resolve().parents[2] / "docs" / "json.md"
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"`([^`]+)`", text)) | set(re.findall(r'"(\w+)"', text))


def keys_in(value: Any) -> Iterator[str]:
    """Yield the keys of a report, but not those that are names of reasons, rules or causes."""
    if isinstance(value, list):
        for item in value:
            yield from keys_in(item)
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            names = key in {
                "absent",
                "quarantined",
                "repaired",
                "findings",
                "flags",
                "actions",
                "basis",
            }
            yield from keys_in(list(item.values()) if names and isinstance(item, dict) else item)
