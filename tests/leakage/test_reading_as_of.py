"""Cut the future off before bars are checked and adjusted: nothing of the past may change.

``verify`` cuts what is read; here the stored versions themselves are cut, so that a leak inside the
checks, or inside the adjustment for splits and dividends, would show.
"""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from truecast.core.calendars import get_calendar
from truecast.core.clock import to_datetime64
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.core.recipe_parts import Choice
from truecast.datasets.assembly import RATIO, Dataset
from truecast.features.compute import Market
from truecast.features.plan import FeaturePlan
from truecast.lake.adjust import adjust_bars
from truecast.lake.checks.options import ChecksOptions
from truecast.lake.checks.review import Review, review
from truecast.lake.history import BarHistory
from truecast.lake.schemas import SILVER_ACTIONS, SILVER_BARS

CHECKS = ChecksOptions.of({"stale": {"action": "quarantine"}})
OUTCOMES = ("log_return", "close", "garman_klass", "squared_return", "due", "known_at")


class Story:
    """A series with whatever may happen to one: all of it planted from a seed."""

    def __init__(self, seed: int, calendar: str, interval: str) -> None:
        self.random = np.random.default_rng(seed)
        self.calendar, self.interval = get_calendar(calendar), Interval(interval)
        daily = self.interval.is_daily
        self.instrument = Instrument("X", calendar, timedelta(minutes=15 if daily else 0))
        self.how = ("none", "split", "total")[seed % 3]
        self.actions, ratios = self._actions()
        self.versions = self._versions(ratios)

    def _sessions(self) -> list[date]:
        last = date(2016, 3, 1) if self.interval.is_daily else date(2015, 3, 2)
        return self.calendar.sessions(date(2015, 1, 5), last).tolist()

    def _closes(self, day: date) -> list[datetime]:
        opens, closes = self.calendar.open_of(day), self.calendar.close_of(day)
        if self.interval.is_daily:
            return [closes]
        bars = (closes - opens) // self.interval.length
        return [opens + (place + 1) * self.interval.length for place in range(bars)]

    def _actions(self) -> tuple[pl.DataFrame, dict[date, float]]:
        days, rows, ratios = self._sessions(), [], {}
        for place in self.random.choice(np.arange(5, len(days) - 5), 8, replace=False):
            day, kind = days[place], self.random.choice(["split", "dividend"])
            value = self.random.choice([2, 4, 0.5, 100]) if kind == "split" else 1.5
            told = self.calendar.open_of(day) + timedelta(days=int(self.random.choice([0, -9, 3])))
            row = {"session": day, "kind": kind, "value": value, "version": 0, "known_at": told}
            rows.append(row)
            if kind == "split":
                ratios[day] = value
            if self.random.random() < 0.4:  # corrected, or taken back
                later = told + timedelta(days=float(self.random.uniform(1, 20)))
                other = self.random.choice([None, value * 1.1])
                rows.append({**row, "value": other, "version": 1, "known_at": later})
        frame = pl.DataFrame([{**dict.fromkeys(SILVER_ACTIONS), **row} for row in rows])
        cast = frame.select(pl.col(name).cast(kind) for name, kind in SILVER_ACTIONS.items())
        return cast.sort("session", "kind", "version"), ratios

    def _versions(self, ratios: dict[date, float]) -> pl.DataFrame:
        rows, level, shares = [], 100.0, 1.0
        spread = 0.01 if self.interval.is_daily else 0.002
        for day in self._sessions():
            shares *= ratios.get(day, 1.0)
            for close in self._closes(day):
                level *= np.exp(self.random.normal(0, spread))
                if self.random.random() > 0.01:  # else it is absent
                    rows += self._bar(day, close, level / shares)
        frame = pl.DataFrame([{**dict.fromkeys(SILVER_BARS), **row} for row in rows])
        cast = frame.select(pl.col(name).cast(kind) for name, kind in SILVER_BARS.items())
        return cast.sort("event_time", "version")

    def _bar(self, day: date, event_time: datetime, price: float) -> list[dict[str, object]]:
        luck = self.random.random()
        if luck < 0.03:  # a false print, or another unit
            price *= 1.3 if luck < 0.02 else 100
        flags = ["off_session"] * (0.03 < luck < 0.035) + ["outside_range"] * (luck > 0.96)
        known = event_time + self.instrument.publication_delay
        if self.random.random() < 0.03:  # late
            known += timedelta(days=float(self.random.uniform(0, 6)))
        row = {"session": day, "event_time": event_time, "flags": flags, "volume": 1000.0}
        found = []
        for version in range(self.random.geometric(0.95)):
            prices = dict.fromkeys(("open", "close"), price)
            prices |= {"high": price * 1.002, "low": price * 0.998}
            found.append({**row, **prices, "version": version, "known_at": known})
            known += timedelta(days=float(self.random.choice([0, 0.01, 2, 5])))
            price *= self.random.choice([1.001, 1.4, 0.01])
        return found

    def read(self, until: datetime | None = None) -> tuple[Review, Dataset]:
        """Check, adjust and compute from what was stored by a moment."""
        stored = pl.lit(value=True) if until is None else pl.col("known_at") <= until
        versions, actions = self.versions.filter(stored), self.actions.filter(stored)
        found = review(versions, self.instrument, self.interval, CHECKS, actions)
        bars = BarHistory(adjust_bars(found.versions, actions, self.how))
        delay = timedelta(minutes=30 if self.interval.is_daily else 0)
        plan = FeaturePlan.from_choices((Choice(name="daily"),), context=(), required=(RATIO,))
        dataset = Dataset.build(
            Market("X", bars, decide_after=delay),
            plan,
            inputs=(RATIO,),
            calendar=self.calendar,
            interval=self.interval,
            as_of=until,
        )
        return found, dataset


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("calendar", "interval"), [("XNYS", "1d"), ("XNYS", "30m"), ("XASX", "30m")]
)
def test_what_is_stored_later_changes_nothing_that_was_read(seed, calendar, interval):
    story = Story(seed, calendar, interval)
    found, whole = story.read()
    assert {"false_print", "unit_jump"} <= set(found.findings["check"])
    moments = story.versions["known_at"].unique().sort()[80:]
    for moment in story.random.choice(moments.to_list(), 6, replace=False):
        then_found, then = story.read(moment)
        by_then = pl.col("known_at") <= moment
        assert then_found.findings.equals(found.findings.filter(by_then))
        known, then_known = (one.market.bars.known(moment) for one in (whole, then))
        assert then_known.drop("version").equals(known.drop("version"))
        rows = int((whole.decisions.as_of <= to_datetime64(moment)).sum())
        assert rows == len(then)
        np.testing.assert_array_equal(whole.X[:rows], then.X)
        np.testing.assert_array_equal(whole.last_close[:rows], then.last_close)
        for horizon in (1, 3):
            outcomes, then_outcomes = (one.outcomes(horizon, moment) for one in (whole, then))
            for name in OUTCOMES:
                np.testing.assert_array_equal(
                    getattr(outcomes, name)[:rows], getattr(then_outcomes, name), err_msg=name
                )
