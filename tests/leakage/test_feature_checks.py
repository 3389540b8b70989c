"""Leaks that are planted in users' features must be found, with the name and the first row."""

import sys
import types
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from truecast.core.recipe_parts import Choice
from truecast.features.checks import check_features
from truecast.features.compute import Market, compute_at
from truecast.features.declaration import FeatureError
from truecast.features.plan import FeaturePlan
from truecast.features.user import feature
from truecast.lake.history import BarHistory

BARS = 420
FIRST_CUT = 109  # the first day after which seed 5 takes the future away
DELAY = timedelta(minutes=15)
DECIDE_AFTER = timedelta(minutes=30)


def make_history(seed, bars=BARS, delay=DELAY, level=100.0):
    rng = np.random.default_rng(seed)
    # Calm and wild spells, so that a regime is there to be found.
    spread = np.where(np.sin(np.arange(bars) / 25) > 0, 0.02, 0.006)
    close = level * np.exp(np.cumsum(rng.normal(0, 1, bars) * spread))
    opened = np.concatenate([[level], close[:-1]])
    closes = [datetime(2020, 1, 1, 21, tzinfo=UTC) + timedelta(days=day) for day in range(bars)]
    return BarHistory(
        pl.DataFrame(
            {
                "session": [moment.date() for moment in closes],
                "event_time": closes,
                "known_at": [moment + delay for moment in closes],
                "version": [0] * bars,
                "open": opened,
                "high": np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.004, bars))),
                "low": np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.004, bars))),
                "close": close,
                "volume": rng.lognormal(12, 0.5, bars),
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
    context = {"^VIX": make_history(2, level=20.0)}
    return Market("^GSPC", make_history(1), context, DECIDE_AFTER)


@pytest.fixture
def check(market, monkeypatch):
    def run(function, **declared):
        declared = {"inputs": ["close"], "lookback": 20, "unit": "", "formula": ""} | declared
        module = types.ModuleType("planted")
        setattr(module, function.__name__, feature(**declared)(function))
        monkeypatch.setitem(sys.modules, "planted", module)
        name = f"planted:{function.__name__}"
        plan = FeaturePlan.from_choices([Choice(name=name), Choice(name="log_return_5")])
        return check_features(plan, market, cuts=3, seed=5)

    return run


def failures(results, check):
    return [result for result in results if result.check == check and not result.passed]


def moment(day):
    decided = datetime(2020, 1, 1, 21, 30, tzinfo=UTC) + timedelta(days=day)
    return decided.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def rolling(x, n):
    out = np.full(len(x), np.nan)
    out[n - 1 :] = np.lib.stride_tricks.sliding_window_view(x, n).mean(axis=1)
    return out


def later(x, bars):
    return np.concatenate([x[bars:], np.full(bars, np.nan)])


def average_with_next_close(close):
    return close / later(rolling(close, 5), 1) - 1


def centred_average(close):
    return close / later(rolling(close, 11), 5) - 1


def negative_shift_behind_a_lag(close):
    ahead = later(close, 3)
    lagged = np.concatenate([np.full(1, np.nan), ahead[:-1]])
    return lagged / close - 1


#: Function to the number of bars that it looks ahead.
AHEAD = {average_with_next_close: 1, centred_average: 5, negative_shift_behind_a_lag: 2}


def full_sample_scale(close):
    returns = np.diff(np.log(close), prepend=np.nan)
    return (returns - np.nanmean(returns)) / np.nanstd(returns)


def full_sample_median_regime(close):
    spread = rolling(np.abs(np.diff(np.log(close), prepend=np.nan)), 10)
    return spread / np.nanmedian(spread)


def smoothed_state(close):
    """Probability of the wild state given the whole series: forward and backward."""
    x = np.diff(np.log(close), prepend=np.log(close[0]))
    spread, stay = np.array([0.006, 0.02]), np.array([[0.97, 0.03], [0.03, 0.97]])
    density = np.exp(-0.5 * (x[:, None] / spread) ** 2) / spread
    forward, backward = np.empty((len(x), 2)), np.ones((len(x), 2))
    state = np.array([0.5, 0.5])
    for t in range(len(x)):
        state = (state @ stay) * density[t]
        state /= state.sum()
        forward[t] = state
    for t in range(len(x) - 2, -1, -1):
        backward[t] = stay @ (density[t + 1] * backward[t + 1])
        backward[t] /= backward[t].sum()
    both = forward * backward
    return both[:, 1] / both.sum(axis=1)


def filtered_state(close):
    """The same from the past alone: no leak, but it remembers further back than 60 bars do."""
    x = np.diff(np.log(close), prepend=np.log(close[0]))
    spread, stay = np.array([0.006, 0.02]), np.array([[0.6, 0.4], [0.4, 0.6]])
    density = np.exp(-0.5 * (x[:, None] / spread) ** 2) / spread
    out, state = np.empty(len(x)), np.array([0.5, 0.5])
    for t in range(len(x)):
        state = (state @ stay) * density[t]
        state /= state.sum()
        out[t] = state[1]
    return out


def best_of_random_signals(close):
    signals = np.random.default_rng(0).standard_normal((len(close), 100))
    following = later(np.diff(np.log(close), prepend=np.nan), 1)
    kept = np.isfinite(following)
    scores = [np.corrcoef(signal[kept], following[kept])[0, 1] for signal in signals.T]
    return signals[:, int(np.argmax(scores))]


@pytest.mark.parametrize("planted", AHEAD, ids=lambda function: function.__name__)
def test_a_look_ahead_is_found_with_its_reach(check, planted):
    results = check(planted)
    for name in ("truncation", "perturbation"):
        (found,) = failures(results, name)
        assert found.feature == planted.__name__
        assert found.first_row == moment(FIRST_CUT - AHEAD[planted] + 1)
        assert f"looks {AHEAD[planted]} bar(s) ahead" in found.detail
    (found,) = failures(results, "tail")
    assert (found.feature, found.first_row) == (planted.__name__, moment(FIRST_CUT))


@pytest.mark.parametrize(
    "planted", [full_sample_scale, full_sample_median_regime, best_of_random_signals]
)
def test_a_figure_of_the_whole_series_is_found(check, planted):
    results = check(planted)
    (found,) = failures(results, "truncation")
    assert found.feature == planted.__name__
    assert found.first_row == moment(19)  # the first row past the warm-up already changes
    assert "whole series" in found.detail
    (found,) = failures(results, "tail")
    assert found.feature == planted.__name__
    assert "lookback of 20 bars" in found.detail


def test_a_smoothed_state_is_found(check):
    results = check(smoothed_state, lookback=200)
    for name in ("truncation", "perturbation"):
        (found,) = failures(results, name)
        assert found.feature == "smoothed_state"
        assert found.first_row is not None


def test_a_filtered_state_passes(check):
    assert all(result.passed for result in check(filtered_state, lookback=60))


def test_too_short_a_lookback_is_found_by_the_tail(check):
    def slow_average(close):
        return close / pl.Series(close).rolling_mean(30)

    results = check(slow_average, lookback=29)
    assert {result.check for result in results if not result.passed} == {"tail"}
    (found,) = failures(results, "tail")
    assert found.feature == "slow_average"
    assert all(result.passed for result in check(slow_average, lookback=30))


def test_a_function_that_fails_on_its_lookback_is_found(check):
    def needs_more(close):
        return close / rolling(close, 30)

    (found,) = failures(check(needs_more, lookback=29), "tail")
    assert found.feature == "needs_more"
    assert "failed on 29 bars: ValueError" in found.detail


def test_an_honest_polars_feature_passes(check):
    def polars_average(close):
        return pl.Series(close).rolling_mean(10) / close

    results = check(polars_average)
    assert [(result.check, result.passed) for result in results] == [
        ("truncation", True),
        ("perturbation", True),
        ("tail", True),
    ]


def test_only_the_leaking_feature_is_named(check):
    names = {result.feature for result in check(full_sample_scale) if not result.passed}
    assert names == {"full_sample_scale"}


def test_the_shipped_set_passes(market):
    plan = FeaturePlan.from_choices([Choice(name="sp500_daily")], context=["^VIX"])
    results = check_features(plan, market, cuts=3, seed=0)
    assert [(result.check, result.passed) for result in results] == [
        ("truncation", True),
        ("perturbation", True),
        ("tail", True),
    ]


def test_context_is_read_only_as_far_as_it_was_known(market):
    """A context bar that becomes known after the decision is not used for it."""
    plan = FeaturePlan.from_choices([Choice(name="log_close__vix")], context=["^VIX"])
    late = Market(
        "^GSPC",
        market.bars,
        {"^VIX": make_history(2, delay=timedelta(minutes=31), level=20.0)},
        DECIDE_AFTER,
    )
    vix = market.context["^VIX"].versions["close"].to_numpy()
    prompt_rows = compute_at(plan, market, market.decisions(), np.float64)[:, 0]
    late_rows = compute_at(plan, late, late.decisions(), np.float64)[:, 0]
    np.testing.assert_allclose(prompt_rows, np.log(vix), rtol=1e-15)
    assert np.isnan(late_rows[0])
    np.testing.assert_allclose(late_rows[1:], np.log(vix[:-1]), rtol=1e-15)


def test_too_few_decisions_are_refused():
    short = Market("^GSPC", make_history(1, bars=19), {}, DECIDE_AFTER)
    plan = FeaturePlan.from_choices([Choice(name="log_return_1")])
    with pytest.raises(FeatureError, match="at least 20"):
        check_features(plan, short)
