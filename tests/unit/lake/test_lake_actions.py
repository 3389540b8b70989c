"""Splits and dividends on their way into the lake."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from truecast.core.bars import PARSED_ACTIONS, PARSED_BARS, PARSED_REPAIRS
from truecast.core.clock import frozen_at
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.lake import Lake
from truecast.lake.summary import IngestSummary
from truecast.sources.base import Parsed, Payload, SourceError

DAILY = Interval("1d")
RECEIVED = datetime(2020, 6, 1, tzinfo=UTC)
EX_DATE = date(2020, 1, 8)
OPEN = datetime(2020, 1, 8, 14, 30, tzinfo=UTC)
WEEK = (datetime(2020, 1, 6, tzinfo=UTC), datetime(2020, 1, 11, tzinfo=UTC))
AAPL = Instrument("AAPL", "XNYS", timedelta(minutes=15))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def actions(*rows: tuple[date, str, float | None]) -> pl.DataFrame:
    told = [
        {"row": place, "session": day, "known_at": None, "kind": kind, "value": value}
        for place, (day, kind, value) in enumerate(rows, start=1)
    ]
    return pl.DataFrame(told, schema=PARSED_ACTIONS)


def bars(*closes: float) -> pl.DataFrame:
    rows = [
        {
            "row": place,
            "session": date(2020, 1, 5 + place),
            "event_time": datetime(2020, 1, 5 + place, 21, tzinfo=UTC),
            "close": close,
        }
        for place, close in enumerate(closes, start=1)
    ]
    return pl.DataFrame(rows, schema=PARSED_BARS)


def store(
    lake: Lake, parsed: Parsed, received_at: datetime = RECEIVED, covers=None
) -> IngestSummary:
    content = f"{parsed.bars.rows()}{parsed.actions.rows()}".encode()
    payload = Payload("feed", "AAPL", "1d", {}, content, "text/plain", received_at, covers)
    return lake.store(payload, parsed, AAPL, simulated=False)


def told(lake: Lake) -> list[tuple]:
    rows = lake.actions("feed", "AAPL", DAILY)
    return rows.select("session", "kind", "value", "version", "known_at", "basis").rows()


def test_an_action_is_known_when_its_ex_date_opens(lake):
    summary = store(lake, Parsed(bars(1.0), actions((EX_DATE, "split", 4.0))))
    assert (summary.actions, summary.received) == (1, 1)
    assert told(lake) == [(EX_DATE, "split", 4.0, 0, OPEN, "assumed")]


def test_the_same_again_adds_nothing_and_another_value_is_a_version(lake):
    paid = actions((EX_DATE, "dividend", 0.5), (EX_DATE, "dividend", 0.25))
    store(lake, Parsed(bars(1.0), paid))
    assert store(lake, Parsed(bars(1.0, 2.0), paid)).actions == 0
    later = RECEIVED + timedelta(days=1)
    changed = actions((EX_DATE, "dividend", 0.8))
    assert store(lake, Parsed(bars(1.0, 2.0), changed), later).actions == 1
    assert told(lake) == [
        (EX_DATE, "dividend", 0.75, 0, OPEN, "assumed"),
        (EX_DATE, "dividend", 0.8, 1, later, "observed"),
    ]


def test_what_a_source_leaves_out_of_all_that_it_has_is_taken_back(lake):
    store(lake, Parsed(bars(1.0), actions((EX_DATE, "split", 4.0))))
    none = Parsed(bars(1.0, 2.0))
    assert store(lake, none, RECEIVED + timedelta(days=1)).actions == 0
    elsewhere = (WEEK[0] - timedelta(days=9), WEEK[0])
    assert store(lake, none, RECEIVED + timedelta(days=2), covers=elsewhere).actions == 0
    gone = RECEIVED + timedelta(days=3)
    assert store(lake, none, gone, covers=WEEK).actions == 1
    assert told(lake)[1] == (EX_DATE, "split", None, 1, gone, "observed")
    again = actions((EX_DATE, "split", 4.0))
    store(lake, Parsed(bars(1.0), again), gone + timedelta(days=1), covers=WEEK)
    assert told(lake)[2][2:4] == (4.0, 2)


def test_an_action_on_a_day_without_a_session_is_known_a_day_before_its_usual_close(lake):
    saturday = date(2020, 1, 11)
    store(lake, Parsed(bars(1.0), actions((saturday, "split", 2.0))))
    assert told(lake)[0][4] == datetime(2020, 1, 10, 21, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 0.0, -2.0])
def test_what_cannot_be_an_action_is_kept_out_with_a_reason(lake, value):
    summary = store(lake, Parsed(bars(1.0), actions((EX_DATE, "split", value))))
    assert (summary.actions, summary.quarantined) == (0, {"impossible_action": 1})
    assert summary.received == summary.added + 1
    (row,) = lake.quarantine("feed", "AAPL", DAILY).rows(named=True)
    assert (row["row"], row["reason"]) == (1, "impossible_action")
    assert row["detail"].startswith("split of ")
    assert told(lake) == []


def test_every_repair_is_written_down_once(lake):
    row = {
        "row": 1,
        "session": EX_DATE,
        "event_time": OPEN,
        "field": "close",
        "original": 0.5,
        "repaired": 50.0,
        "repair": "unit_mixup",
        "detail": "a hundredth of its neighbours",
    }
    parsed = Parsed(bars(50.0), repairs=pl.DataFrame([row], schema=PARSED_REPAIRS))
    assert store(lake, parsed).repaired == {"unit_mixup": 1}
    store(lake, parsed, RECEIVED + timedelta(days=1))
    (kept,) = lake.repairs("feed", "AAPL", DAILY).rows(named=True)
    assert {name: kept[name] for name in row} == row
    assert kept["received_at"] == RECEIVED


class Pages:
    """A source of one bar a payload that fails at one of them."""

    name, live, simulated = "pages", True, False

    def __init__(self, failing: int | None = None) -> None:
        self.failing = failing
        self.asked: list[datetime | None] = []

    def symbols(self) -> tuple[str, ...]:
        return ("AAPL",)

    def instrument(self, symbol: str) -> Instrument:
        return AAPL

    def fetch(self, symbol: str, interval: Interval, since=None) -> Iterator[Payload]:
        self.asked.append(since)
        for place in range(1, 5):
            if place == self.failing:
                raise SourceError("the vendor is down")
            content = str(place).encode()
            yield Payload(self.name, symbol, str(interval), {}, content, "text/plain", RECEIVED)

    def parse(self, payload: Payload) -> Parsed:
        place = int(payload.content)
        return Parsed(bars(1.0, 2.0, 3.0, 4.0).slice(place - 1, 1), notes=("a page",))


def test_what_came_before_a_failure_is_kept_and_the_failure_written_down(lake):
    told_so_far = []
    source = Pages(failing=3)
    with frozen_at(RECEIVED), pytest.raises(SourceError, match="the vendor is down"):
        lake.ingest(source, "AAPL", DAILY, start=date(2020, 1, 2), tell=told_so_far.append)
    assert [one.added for one in told_so_far] == [1, 2]
    (failure,) = lake.failures("pages", "AAPL", DAILY).rows(named=True)
    assert (failure["error"], failure["message"]) == ("SourceError", "the vendor is down")
    assert failure["failed_at"] == RECEIVED
    assert failure["since"] == source.asked[0] == datetime(2020, 1, 2, tzinfo=UTC)
    mended = Pages()
    summary = lake.ingest(mended, "AAPL", DAILY)
    assert mended.asked == [datetime(2020, 1, 7, 21, tzinfo=UTC)]
    assert (summary.received, summary.added, summary.unchanged) == (4, 2, 2)
    assert summary.notes == ("a page",)
    assert len(summary.payloads) == 4
    assert lake.history("pages", "AAPL", DAILY).known()["close"].to_list() == [1.0, 2.0, 3.0, 4.0]
