"""One bar after the other from the tail against the batch."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from truecast.core.calendars import get_calendar
from truecast.core.recipe_parts import Choice
from truecast.features.compute import compute_at
from truecast.features.declaration import FeatureError
from truecast.features.market import Market
from truecast.features.plan import FeaturePlan
from truecast.features.tail import Tail
from truecast.features.user import feature
from truecast.lake.history import BarHistory

CALENDAR = get_calendar("XNYS")
SETS = ["sp500_daily", "rsi_30", "log_return_3"]


@feature(inputs=["close"], lookback=3, unit="price", formula="mean of three closes")
def mean_of_three(close):
    out = np.full(close.size, np.nan)
    out[2:] = (close[2:] + close[1:-1] + close[:-2]) / 3
    return out


def bars(days, seed):
    rng = np.random.default_rng(seed)
    sessions = CALENDAR.sessions(date(2010, 1, 4), date(2030, 1, 1))[:days]
    closes = CALENDAR.closes_of(sessions)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, days)))
    opened = close * np.exp(rng.normal(0, 0.003, days))
    moment = pl.Series(closes).dt.replace_time_zone("UTC")
    return pl.DataFrame(
        {
            "session": sessions,
            "event_time": moment,
            "known_at": moment,
            "version": np.zeros(days, np.int32),
            "open": opened,
            "high": np.maximum(opened, close) * 1.002,
            "low": np.minimum(opened, close) / 1.003,
            "close": close,
            "volume": rng.integers(1, 1000, days).astype(float),
        }
    )


@pytest.fixture(scope="module")
def market():
    return Market(
        "^GSPC",
        BarHistory(bars(1300, 1)),
        {"^VIX": BarHistory(bars(1290, 2))},  # it ends earlier
        timedelta(minutes=30),
        CALENDAR,
    )


@pytest.fixture
def plan():
    made = FeaturePlan.from_choices([Choice(name=name) for name in SETS], context=["^VIX"])
    family = mean_of_three.__truecast_feature__
    return FeaturePlan((*made.features, family.feature()))


def test_bars_pushed_one_by_one_give_the_rows_of_the_batch(market, plan):
    decisions = market.decisions()
    batch = compute_at(plan, market, decisions, np.float64)
    start = 1200
    tail = Tail.of(plan, market, decisions.as_of[start - 1], np.float64)
    for place in range(start, len(decisions)):
        if place < 1290:
            tail.push(market.context["^VIX"].versions.row(place, named=True), "^VIX")
        tail.push(market.bars.versions.row(place, named=True))
        row = tail.row(decisions.as_of[place])
        for column, one in enumerate(plan.features):
            if one.recursive and one.family.function is None:
                usual = np.nanmedian(np.abs(batch[:, column]))
                np.testing.assert_allclose(
                    row[column], batch[place, column], rtol=1e-9, atol=1e-9 * usual
                )
            else:
                np.testing.assert_array_equal(row[column], batch[place, column], one.name)


def test_a_tail_that_begins_empty_gives_the_first_rows_of_the_batch(market, plan):
    decisions = market.decisions()[:60]
    batch = compute_at(plan, market, decisions)
    tail = Tail(plan, CALENDAR)
    for place in range(60):
        tail.push(market.context["^VIX"].versions.row(place, named=True), "^VIX")
        tail.push(market.bars.versions.row(place, named=True))
        np.testing.assert_allclose(tail.row(decisions.as_of[place]), batch[place], rtol=1e-6)


def test_a_context_that_has_ended_is_missing(market, plan):
    decisions = market.decisions()
    place = plan.names.index("log_close__vix")
    tail = Tail.of(plan, market, decisions.as_of[1289])
    assert np.isfinite(tail.row(decisions.as_of[1289])[place])
    assert np.isnan(tail.row(decisions.as_of[1289] + np.timedelta64(22, "D"))[place])


def test_an_earlier_bar_and_an_unknown_series_are_refused(market, plan):
    tail = Tail.of(plan, market, market.decisions().as_of[100])
    with pytest.raises(FeatureError, match="not later than the last one"):
        tail.push(market.bars.versions.row(100, named=True))
    with pytest.raises(FeatureError, match="no feature of the plan reads DXY"):
        tail.push(market.bars.versions.row(101, named=True), "DXY")


def test_nothing_is_known_before_the_first_bar(plan):
    row = Tail(plan).row(np.datetime64("2020-01-01", "us"))
    assert np.isnan(row).all()
