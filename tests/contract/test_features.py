"""What holds for every family: whatever is registered is found and put through the same checks."""

import numpy as np
import pytest

from truecast.features.catalog import FAMILIES, all_features, description
from truecast.features.compute import compute_columns
from truecast.features.declaration import INPUTS

BARS = 1600
EVERY = {feature.name: feature for feature in all_features()}
#: Those that are computed from bars; tests/oracle/test_news_oracles.py has the others.
FEATURES = {name: feature for name, feature in EVERY.items() if not feature.family.of_news}
PRICES = ("open", "high", "low", "close")
SIDES, SIZES = ("bid_close", "ask_close"), ("bid_size", "ask_size")


def make_bars(seed=3, bars=BARS):
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, bars)))
    opened = np.concatenate([[50.0], close[:-1]]) * np.exp(rng.normal(0, 0.002, bars))
    minute = np.arange(bars) * 7.0 % 1440
    # Trades at the bid, between the two, and at the ask.
    quotes = np.random.default_rng(seed + 1)
    spread, at = close * quotes.uniform(1e-4, 5e-4, bars), quotes.choice([0.0, 0.4, 1.0], bars)
    return {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.004, bars))),
        "low": np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.004, bars))),
        "close": close,
        "volume": rng.lognormal(12, 0.5, bars),
        "bid_close": close - at * spread,
        "ask_close": close + (1.0 - at) * spread,
        "bid_size": quotes.lognormal(3, 0.5, bars),
        "ask_size": quotes.lognormal(3, 0.5, bars),
        "session": 12_000.0 + np.arange(bars) * 7 // 5,
        "local_minute": minute,
        "since_open": minute - 570,
        "until_close": 960 - minute,
        "us_since_open": minute - 540,
        "us_until_close": 930 - minute,
        "^VIX:close": 20 * np.exp(np.cumsum(rng.normal(0, 0.02, bars))),
    }


def compute(feature, bars, dtype=np.float64):
    return compute_columns([feature], bars, dtype)[:, 0]


every_feature = pytest.mark.parametrize("feature", FEATURES.values(), ids=FEATURES)


def test_every_family_is_covered():
    assert {feature.output for feature in EVERY.values()} == set(FAMILIES)


@pytest.mark.parametrize("feature", EVERY.values(), ids=EVERY)
def test_says_what_it_is(feature):
    (row,) = [row for row in description() if row["name"] == feature.name]
    assert list(row) == ["name", "set", "inputs", "lookback", "unit", "formula", "source"]
    assert all(row[key] for key in ("inputs", "unit", "formula", "source"))
    assert set(feature.family.inputs) <= set(INPUTS)
    for parameter in feature.parameters:
        assert parameter in feature.family.formula


@every_feature
def test_has_values_from_its_lookback_on(feature):
    values = compute(feature, make_bars())
    assert values.shape == (BARS,)
    assert 1 <= feature.lookback <= 1020
    assert 1 <= feature.warm_up <= feature.lookback
    assert np.isnan(values[: feature.warm_up - 1]).all()
    assert np.isfinite(values[feature.warm_up - 1 :]).all()


@every_feature
def test_is_the_same_wherever_the_computation_starts(feature):
    bars = make_bars()
    whole = compute(feature, bars)
    for start in (1, 37, 512):
        part = compute(feature, {name: values[start:] for name, values in bars.items()})
        ours, theirs = part[feature.lookback - 1 :], whole[start + feature.lookback - 1 :]
        if feature.recursive:
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-13)
        else:
            np.testing.assert_array_equal(ours, theirs)


@every_feature
def test_forgets_what_was_before_a_market_stood_still(feature):
    """Means of what no longer moves fade away, and neither a ratio nor a root may remember."""
    bars, begin = make_bars(bars=2600), 600
    for name in (*PRICES, *SIDES):
        bars[name][begin:] = bars[name][begin]
    whole = compute(feature, bars)
    part = compute(feature, {name: values[begin:] for name, values in bars.items()})
    ours, theirs = part[feature.lookback - 1 :], whole[begin + feature.lookback - 1 :]
    if feature.recursive:
        usual = np.nanmedian(np.abs(compute(feature, make_bars())))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * usual)
    else:
        np.testing.assert_array_equal(ours, theirs)


@every_feature
def test_reads_nothing_later(feature):
    bars = make_bars()
    cut = 1300
    changed = {name: np.where(np.arange(BARS) < cut, x, x * 1.7) for name, x in bars.items()}
    shorter = compute(feature, {name: values[:cut] for name, values in bars.items()})
    np.testing.assert_array_equal(compute(feature, bars)[:cut], shorter)
    np.testing.assert_array_equal(compute(feature, changed)[:cut], shorter)


@every_feature
def test_float32_is_the_rounded_float64(feature):
    bars = make_bars()
    single = compute(feature, bars, np.float32)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, compute(feature, bars).astype(np.float32))


@every_feature
def test_is_free_of_the_units_of_price_and_volume(feature):
    bars = make_bars()
    scaled = bars | {name: bars[name] * 1024 for name in ("volume", *SIZES)}
    scaled |= {name: bars[name] * 4096 for name in (*PRICES, *SIDES)}
    ours, theirs = compute(feature, scaled), compute(feature, bars)
    if feature.family.context_only or not feature.family.scale_free:
        assert not np.allclose(ours, theirs, rtol=1e-9, atol=1e-10, equal_nan=True)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


def hurt(bars, kind, at):
    """Return bars with one that is strange, or a long stretch that is flat."""
    damaged = {name: values.copy() for name, values in bars.items()}
    if kind == "spike":
        damaged["volume"][at] = 1.9e9 * damaged["volume"][at]
        damaged["high"][at] *= 1000
    elif kind == "missing":
        for name in (*PRICES, *SIDES, *SIZES, "volume", "^VIX:close"):
            damaged[name][at] = np.nan
    elif kind == "infinite":
        for name in (*PRICES, *SIDES, *SIZES, "volume", "^VIX:close"):
            damaged[name][at] = np.inf
    elif kind == "zero":
        for name in (*PRICES, *SIDES, *SIZES, "volume", "^VIX:close"):
            damaged[name][at] = 0.0
    return damaged


@every_feature
@pytest.mark.parametrize("kind", ["spike", "missing", "infinite", "zero"])
def test_a_strange_bar_is_gone_with_the_window(feature, kind):
    bars = make_bars(bars=2600)
    at = 1100
    values = compute(feature, hurt(bars, kind, at))
    clean = compute(feature, bars)
    assert not np.isinf(values).any()
    np.testing.assert_array_equal(values[:at], clean[:at])
    after = at + feature.lookback
    assert np.isfinite(values[after:]).all()
    if feature.recursive:
        np.testing.assert_allclose(values[after:], clean[after:], rtol=1e-9, atol=1e-8)
    else:
        np.testing.assert_array_equal(values[after:], clean[after:])


@every_feature
def test_a_market_that_stands_still_gives_no_nonsense(feature):
    """Prices and volume do not move for 60 bars: neutral values or NaN, nothing infinite."""
    bars = make_bars(bars=2600)
    begin, end = 1200, 1260
    for name in (*PRICES, "volume"):
        bars[name][begin:end] = bars["close"][begin] if name in PRICES else 0.1
    values = compute(feature, bars)
    assert not np.isinf(values).any()
    neutral = {
        "bollinger_position": 0.5,
        "stochastic": 0.5,
        "close_in_range": 0.5,
        "volume_zscore": 0.0,
        "return_sd": 0.0,
        "garman_klass": 0.0,
        "yang_zhang": 0.0,
        "log_gk": np.log(1e-4),
    }
    if feature.output in neutral:
        np.testing.assert_array_equal(values[end - 5 : end], neutral[feature.output])
    assert np.isfinite(values[end + feature.lookback :]).all()


@every_feature
def test_a_short_history_gives_nothing(feature):
    for bars in (0, 1, feature.warm_up - 1):
        values = compute(feature, {name: x[:bars] for name, x in make_bars().items()})
        assert values.shape == (bars,)
        assert np.isnan(values[: feature.warm_up - 1]).all()
