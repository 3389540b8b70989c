"""A series that goes on with newer bars is the one that is opened anew, whatever came before."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.checks.options import ChecksOptions
from truecast.lake.opened import OpenedBars
from truecast.lake.schemas import SILVER_ACTIONS, SILVER_BARS

CLOSE = datetime(2024, 1, 2, 21, tzinfo=UTC)
DAY = timedelta(days=1)
USUAL = Instrument("A", "24/7", timedelta())
CHECKS: dict[str, dict[str, dict[str, Any]]] = {
    "usual": {},
    "flagged": {"unit_jump": {"action": "flag"}, "false_print": {"action": "flag"}},
    "strict": {
        "unit_jump": {"action": "quarantine"},
        "false_print": {"smallest": 0.0, "sigmas": 4.0, "longest": 5},
        "off_session": {"action": "quarantine"},
    },
    "wide": {"false_print": {"smallest": 10.0}, "unit_jump": {"factor": 10.0}},
    "stale": {"stale": {"action": "quarantine", "bars": 2}},
}


class Story:
    """What is stored of a series, bar by bar, with all that may happen to one."""

    def __init__(self, seed: int, step: timedelta) -> None:
        self.chance = np.random.default_rng(seed)
        self.step = step
        self.price = 100.0
        self.at = CLOSE
        self.rows: list[dict[str, Any]] = []
        self.acts: list[dict[str, Any]] = []

    def bar(self, at: datetime, **given: Any) -> dict[str, Any]:
        close = given.pop("close", self.price)
        row: dict[str, Any] = {name: None for name in SILVER_BARS}
        row |= {"source": "s", "instrument": "A", "interval": "1d", "version": 0, "flags": []}
        row |= {"open": close, "high": close * 1.002, "low": close * 0.998, "close": close}
        row |= {"event_time": at, "known_at": at, "session": at.date(), "volume": 5.0}
        return row | given

    def newer(self, **given: Any) -> list[dict[str, Any]]:
        self.at += self.step
        self.price *= float(np.exp(self.chance.normal(0, 0.008)))
        return [self.bar(self.at, **given)]

    def next(self) -> tuple[str, list[dict[str, Any]]]:
        """Return what comes, and what it is."""
        which = str(self.chance.choice(KINDS, p=CHANCES))
        return which, getattr(self, f"_{which}")()

    def _plain(self) -> list[dict[str, Any]]:
        return self.newer()

    def _two(self) -> list[dict[str, Any]]:
        return self.newer() + self.newer()

    def _jump(self) -> list[dict[str, Any]]:
        self.price *= float(np.exp(self.chance.choice([-1, 1]) * 0.05))
        return self.newer()

    def _false(self) -> list[dict[str, Any]]:
        return self.newer(close=1.4 * self.price)

    def _unit(self) -> list[dict[str, Any]]:
        return self.newer(close=100 * self.price)

    def _close_alone(self) -> list[dict[str, Any]]:
        return self.newer(open=None, high=None, low=None)

    def _repeated(self) -> list[dict[str, Any]]:
        last = self.rows[-1]["close"]
        return self.newer(**dict.fromkeys(("open", "high", "low"), last), close=last)

    def _flagged(self) -> list[dict[str, Any]]:
        return self.newer(flags=["off_session"])

    def _known_later(self) -> list[dict[str, Any]]:
        return self.newer(known_at=self.at + 4 * self.step)

    def _revised(self) -> list[dict[str, Any]]:
        place = int(self.chance.integers(len(self.rows) - 30, len(self.rows)))
        old = self.rows[place]
        same = [row for row in self.rows if row["event_time"] == old["event_time"]]
        known = max(self.at, *(row["known_at"] for row in self.rows)) + timedelta(minutes=5)
        changed = {"version": len(same), "known_at": known, "close": old["close"] * 1.001}
        return [old | changed]

    def _false_revised(self) -> list[dict[str, Any]]:
        old = self.rows[-1]
        came = {"version": old["version"] + 1, "known_at": old["known_at"] + timedelta(minutes=5)}
        return [old | came | {name: 1.4 * self.price for name in ("open", "high", "low", "close")}]

    def _late(self) -> list[dict[str, Any]]:
        self.at += self.step
        missed = self.bar(self.at, known_at=self.at + 2 * self.step)
        return [*self.newer(), missed]

    def _action(self) -> list[dict[str, Any]]:
        kind = str(self.chance.choice(["split", "dividend"]))
        session = (self.at + int(self.chance.integers(0, 3)) * DAY).date()
        value = 2.0 if kind == "split" else 0.5
        self.acts.append({"session": session, "kind": kind, "value": value, "known_at": self.at})
        return self.newer()

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        bars = pl.DataFrame(self.rows, schema=SILVER_BARS).sort("event_time", "version")
        series = dict.fromkeys(SILVER_ACTIONS) | {"source": "s", "instrument": "A", "version": 0}
        acts = pl.DataFrame([series | row for row in self.acts], schema=SILVER_ACTIONS)
        first = acts.unique(["session", "kind"], keep="first", maintain_order=True)
        return bars, first.sort("session", "kind")


CHANCES_OF = {
    **{"plain": 0.72, "two": 0.05, "jump": 0.04, "false": 0.03, "unit": 0.02, "close_alone": 0.03},
    **{"repeated": 0.03, "flagged": 0.01, "known_later": 0.01, "revised": 0.02, "late": 0.01},
    **{"action": 0.01, "false_revised": 0.02},
}
KINDS, CHANCES = [*CHANCES_OF], [*CHANCES_OF.values()]


@pytest.mark.parametrize(("adjust", "seed"), [("split", 1), ("total", 2)])
@pytest.mark.parametrize("checks", CHECKS)
def test_a_series_that_goes_on_is_the_one_that_is_opened_anew(
    checks: str, adjust: Any, seed: int
) -> None:
    story = Story(seed, DAY if seed % 2 else timedelta(hours=6))
    options = ChecksOptions.of(CHECKS[checks])
    interval = Interval("1d" if seed % 2 else "6h")

    def anew() -> OpenedBars:
        return OpenedBars.of(*story.frames(), USUAL, interval, options, adjust)

    story.rows += [row for _ in range(30) for row in story.newer()]
    opened, went_on = anew(), dict.fromkeys(KINDS, 0)
    for _ in range(80):
        what, came = story.next()
        story.rows += came
        rows = pl.DataFrame(came, schema=SILVER_BARS)
        longer = None if what == "action" else opened.longer(rows)
        whole = anew()
        if longer is not None:
            went_on[what] += 1
            assert_frame_equal(longer.history.versions, whole.history.versions)
            assert_frame_equal(longer.last, whole.last)
            assert (longer.level, longer.instrument, longer.checks) == (
                whole.level,
                whole.instrument,
                whole.checks,
            )
        opened = longer or whole
    assert not any(went_on[one] for one in ("revised", "late", "flagged", "unit"))
    if checks == "usual":
        assert went_on["plain"] > 40


def test_what_is_plainly_newer_goes_on_and_nothing_else() -> None:
    story = Story(5, DAY)
    story.rows += [row for _ in range(40) for row in story.newer()]
    bars, actions = story.frames()
    opened = OpenedBars.of(bars, actions, USUAL, Interval("1d"), ChecksOptions(), "total")
    after = story.at + DAY

    def goes_on(*rows: dict[str, Any], by: OpenedBars = opened) -> bool:
        return by.longer(pl.DataFrame(rows, schema=SILVER_BARS)) is not None

    assert goes_on(story.bar(after))
    assert goes_on(story.bar(after, open=None, high=None, low=None))
    assert goes_on(story.bar(after + DAY), story.bar(after))
    assert not goes_on(story.bar(story.at))
    assert not goes_on(story.bar(after), story.bar(after))
    assert not goes_on(story.bar(after, version=1))
    assert not goes_on(story.bar(after, known_at=story.at - DAY))
    assert not goes_on(story.bar(after, close=1.05 * story.price))
    assert not goes_on(story.bar(after, close=100 * story.price))
    assert not goes_on(story.bar(after, flags=["crossed_quotes"]))
    # The last bar may be false, which the next one decides.
    story.rows += story.newer(close=2 * story.price)
    undecided = OpenedBars.of(*story.frames(), USUAL, Interval("1d"), ChecksOptions(), "total")
    assert np.isnan(undecided.level)
    assert not goes_on(story.bar(after + DAY), by=undecided)
    # So may a further version of it.
    story.rows[-1] |= dict.fromkeys(("open", "high", "low", "close"), story.price)
    story.rows += story._false_revised()
    undecided = OpenedBars.of(*story.frames(), USUAL, Interval("1d"), ChecksOptions(), "total")
    assert not goes_on(story.bar(after + DAY), by=undecided)
    negative = Instrument("A", "24/7", timedelta(), may_be_negative=True)
    other = OpenedBars.of(bars, actions, negative, Interval("1d"), ChecksOptions(), "total")
    assert not goes_on(story.bar(after), by=other)


def test_nothing_goes_on_before_a_session_after_the_last_ex_date() -> None:
    story = Story(6, DAY)
    story.rows += [row for _ in range(40) for row in story.newer()]
    story.acts.append(
        {"session": date(2024, 2, 13), "kind": "split", "value": 2.0, "known_at": CLOSE}
    )

    def opened() -> OpenedBars:
        return OpenedBars.of(*story.frames(), USUAL, Interval("1d"), ChecksOptions(), "split")

    found = []
    for _ in range(4):
        before, came = opened(), story.newer()
        story.price = story.rows[-1]["close"] * (0.5 if story.at.day == 13 else 1.0)
        came = [story.bar(story.at)]
        longer = before.longer(pl.DataFrame(came, schema=SILVER_BARS))
        story.rows += came
        found.append((story.at.date().isoformat(), longer is not None))
    assert found == [
        ("2024-02-12", False),
        ("2024-02-13", False),
        ("2024-02-14", False),
        ("2024-02-15", True),
    ]
