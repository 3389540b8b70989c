"""A source that hands over pages with everything in them, and a lake's state as plain values."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from truecast.core.bars import PARSED_ACTIONS, PARSED_BARS, PARSED_REPAIRS
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.lake import Lake
from truecast.sources.base import Parsed, Payload

DAILY = Interval("1d")
START = date(2020, 1, 6)
#: What differs between two runs that did the same.
CLOCKS = {"written_at", "received_at"}

Page = dict[str, Any]


def closing(day: date) -> datetime:
    """Return when a day's session ends on a market that never closes."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def page(
    first: int,
    closes: Sequence[float | None],
    received: int,
    actions: Sequence[tuple[int, str, float]] = (),
    repairs: Sequence[int] = (),
) -> Page:
    """Return one page: bars of consecutive days from ``first`` on, counted from ``START``."""
    return {
        "first": first,
        "closes": list(closes),
        "received": received,
        "actions": list(actions),
        "repairs": list(repairs),
    }


#: Two ingests, a day apart: a backfill of three pages, then corrections, a split that is taken
#: back, rows that no bar can be, and new bars.
STORY: tuple[tuple[Page, ...], ...] = (
    (
        page(0, [10.0, 11.0, None, 12.5, -3.0, 13.0], 400, [(1, "split", 2.0)], [3]),
        page(6, [14.0, 15.0, float("inf"), 16.0], 400, [(7, "dividend", 0.5)], [6, 7]),
        page(10, [17.0, 18.0, 19.0, None], 400),
    ),
    (
        page(0, [10.0, 11.5, 11.75, 12.5, -3.0, 13.0], 401, (), [1]),
        page(6, [14.0, 15.0, 15.5, 16.0, 17.0, 18.25, 19.0, 20.0, 21.0], 401, [(7, "dividend", 1)]),
    ),
)


@dataclass(frozen=True)
class Pages:
    """The source of some pages."""

    pages: Sequence[Page]
    name: str = "pages"
    live: bool = True
    simulated: bool = True

    def symbols(self) -> tuple[str, ...]:
        return ("^X",)

    def instrument(self, symbol: str) -> Instrument:
        return Instrument(symbol, "24/7", timedelta())

    def fetch(
        self, symbol: str, interval: Interval, since: datetime | None = None
    ) -> Iterator[Payload]:
        for one in self.pages:
            first = START + timedelta(days=one["first"])
            yield Payload(
                source=self.name,
                symbol=symbol,
                interval=str(interval),
                request={"first": str(first)},
                content=json.dumps(one).encode(),
                media_type="application/json",
                received_at=closing(START + timedelta(days=one["received"])),
                covers=(closing(first), closing(first + timedelta(days=len(one["closes"])))),
            )

    def parse(self, payload: Payload) -> Parsed:
        one = json.loads(payload.content)
        days = [START + timedelta(days=one["first"] + step) for step in range(len(one["closes"]))]
        bars = [
            {"row": row, "session": day, "event_time": closing(day), "close": close, "volume": 5.0}
            for row, (day, close) in enumerate(zip(days, one["closes"], strict=True), start=1)
        ]
        actions = [
            {"row": row, "session": START + timedelta(days=day), "kind": kind, "value": value}
            for row, (day, kind, value) in enumerate(one["actions"], start=1)
        ]
        repairs = [
            {
                "row": row,
                "session": START + timedelta(days=day),
                "event_time": closing(START + timedelta(days=day)),
                "field": "volume",
                "original": 4.0,
                "repaired": 5.0,
                "repair": "made_up",
                "detail": "for a test",
            }
            for row, day in enumerate(one["repairs"], start=1)
        ]
        return Parsed(
            pl.DataFrame(bars, schema=PARSED_BARS),
            pl.DataFrame(actions, schema=PARSED_ACTIONS, orient="row"),
            pl.DataFrame(repairs, schema=PARSED_REPAIRS, orient="row"),
        )


def tell(lake: Lake, story: Sequence[Sequence[Page]] = STORY, symbol: str = "^X") -> None:
    """Ingest a story, one ingest after the other."""
    for pages in story:
        lake.ingest(Pages(pages), symbol, DAILY)


def noise(rows: int, seed: int) -> Page:
    """Return a page of bars that do not compress."""
    rng = random.Random(seed)
    return page(0, [rng.uniform(1, 2) for _ in range(rows)], rows + 1)


def state_of(root: Path) -> dict[str, list[str]]:
    """Read every table of a lake with Polars alone: rows in an order of their own, to the bit."""
    tables = {}
    for log in sorted(root.rglob("_delta_log")):
        frame = pl.read_delta(str(log.parent))
        name = str(log.parent.relative_to(root))
        # A receipt is one row for each time that bytes came: a killed run has received too.
        frame = frame.unique("payload") if name == "bronze/index" else frame
        kept = frame.select(sorted(set(frame.columns) - CLOCKS))
        tables[name] = sorted(repr(row) for row in kept.rows())
    return tables


def rows_of(lake: Lake, symbol: str = "^X") -> list[tuple[Any, ...]]:
    """Return a series' versions through the lake, without the clocks."""
    return lake.history("pages", symbol, DAILY).versions.drop(CLOCKS).rows()
