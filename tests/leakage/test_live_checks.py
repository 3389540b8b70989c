"""Bars used before they are known, and a tail that is not the batch, must be found."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from truecast.core.recipe_parts import Choice
from truecast.features import compute, livechecks
from truecast.features.checks import LATE, check_features
from truecast.features.livechecks import LIVE, check_live
from truecast.features.market import Bars, Market
from truecast.features.plan import FeaturePlan
from truecast.features.tail import Tail
from truecast.features.user import feature
from truecast.lake.history import BarHistory

BARS = 400


def make_history(seed, delay):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, BARS)))
    closes = [datetime(2020, 1, 1, 21, tzinfo=UTC) + timedelta(days=day) for day in range(BARS)]
    return BarHistory(
        pl.DataFrame(
            {
                "session": [moment.date() for moment in closes],
                "event_time": closes,
                "known_at": [moment + delay for moment in closes],
                "version": [0] * BARS,
                "open": close,
                "high": close * 1.01,
                "low": close / 1.01,
                "close": close,
                "volume": rng.lognormal(12, 0.5, BARS),
            },
            schema_overrides={
                "event_time": pl.Datetime("us", "UTC"),
                "known_at": pl.Datetime("us", "UTC"),
                "version": pl.Int32,
            },
        )
    )


@pytest.fixture(scope="module")
def market():
    minutes = timedelta(minutes=1)
    context = {"^VIX": make_history(2, 15 * minutes)}
    return Market("^GSPC", make_history(1, 15 * minutes), context, 30 * minutes)


@pytest.fixture(scope="module")
def plan():
    names = ("log_return_5", "rsi_5", "garman_klass_22", "log_close__vix", "log_premium_22__vix")
    return FeaturePlan.from_choices([Choice(name=name) for name in names], context=["^VIX"])


def failed(results):
    return {(one.check, one.feature) for one in results if not one.passed}


@pytest.mark.parametrize("seed", range(4))
def test_what_is_shipped_passes(plan, market, seed):
    results = check_live(plan, market, seed=seed)
    assert [one.check for one in results] == ["shuffled known_at of bars", "bar by bar"]
    assert all(one.passed for one in results)


def test_a_context_joined_by_when_its_bars_closed_is_found(plan, market, monkeypatch):
    honest = compute._views

    def by_close(market, of, begin, moments):
        if of is None:
            yield from honest(market, of, begin, moments)
        else:
            frame = market.history(of).known().with_columns(known_at=pl.col("event_time"))
            yield slice(0, len(moments)), Bars(frame)

    monkeypatch.setattr(compute, "_views", by_close)
    found = check_live(plan, market)
    assert {one for one in failed(found) if one[0] == "shuffled known_at of bars"} == {
        ("shuffled known_at of bars", "log_close__vix"),
        ("shuffled known_at of bars", "log_premium_22__vix"),
    }
    first = next(one for one in found if not one.passed)
    assert first.first_row is not None
    assert first.first_row.startswith("20")
    assert "a bar is used before it is known" in first.detail


def test_a_tail_that_forgets_to_move_on_is_found(plan, market, monkeypatch):
    honest = Tail.push

    def stuck(self, bar, of=None):
        honest(self, {**bar, "close": 100.0} if of is None else bar, of)

    monkeypatch.setattr(livechecks.Tail, "push", stuck)
    assert failed(check_live(plan, market)) == {
        ("bar by bar", "log_return_5"),
        ("bar by bar", "rsi_5"),
        ("bar by bar", "garman_klass_22"),
        ("bar by bar", "log_premium_22__vix"),
    }


def test_a_revised_bar_makes_a_new_tail(plan, market):
    rows = market.bars.versions
    revised = rows[-3:].with_columns(
        version=pl.lit(1, pl.Int32),
        close=pl.col("close") * 1.05,
        high=pl.col("high") * 1.05,
        known_at=pl.col("known_at") + timedelta(hours=5),
    )
    history = BarHistory(pl.concat([rows, revised]).sort("event_time", "version"))
    changed = Market("^GSPC", history, market.context, market.decide_after)
    assert failed(check_live(plan, changed)) == set()


def test_decisions_may_be_made_when_later_bars_are_known(plan, market):
    revised = market.bars.versions[::7].with_columns(
        version=pl.lit(1, pl.Int32),
        close=pl.col("close") * 1.001,
        known_at=pl.col("known_at") + timedelta(hours=5),
    )
    bars = BarHistory(pl.concat([market.bars.versions, revised]).sort("event_time", "version"))
    slow = Market("^GSPC", bars, market.context, timedelta(days=9, minutes=30))
    results = check_features(plan, slow) + check_live(plan, slow)
    assert {one.check for one in results} == {"truncation", "perturbation", "tail", LATE, LIVE}
    assert failed(results) == set()


@feature(inputs=["close"], lookback=1, unit="percent", formula="C over the close before it")
def needs_two_bars(close):
    return np.r_[np.nan, close[1:] / close[:-1]] + 0 * close[1]


def test_a_function_that_fails_on_its_lookback_is_a_finding(market):
    plan = FeaturePlan((needs_two_bars.__truecast_feature__.feature(),))
    found = [one for one in check_live(plan, market) if not one.passed]
    assert {(one.check, one.feature) for one in found} == {
        (LATE, "needs_two_bars"),
        (LIVE, "needs_two_bars"),
    }
    assert all("failed on 1 bars: IndexError" in one.detail for one in found)
