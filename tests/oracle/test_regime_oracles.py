"""Features of volatility against its own past, by brute force over each window."""

import numpy as np
import pytest
from numba import njit

from longbars import NAMES as SERIES
from longbars import load
from truecast.features import regime
from truecast.features.catalog import FAMILIES, resolve
from truecast.features.compute import compute_columns
from truecast.features.kernels.ranks import sorted_rows, window_ranks

TOLERANCE = {"rtol": 1e-9, "atol": 1e-11}
NAMES = (
    *("vol_of_vol_20", "vol_of_vol_5"),
    *("volatility_ratio", "volatility_ratio_5_100"),
    *("high_volatility", "high_volatility_10_30", "market_stress"),
    *(f"volatility_rank_{window}" for window in (2, 251, 1000)),
    *(f"volatility_to_median_{window}" for window in (251, 1000)),
    *("volatility_low_1000", "volatility_high_1000", "volatility_high_250"),
    *("range_mean_1", "range_mean_20"),
)


@pytest.fixture(scope="module", params=SERIES)
def series(request):
    return load(request.param)


def compute(name, columns):
    return compute_columns([resolve(name, {}, None, "")], columns, np.float64)[:, 0]


def windows(values, length):
    """Return the window of each row; those that begin before the first row are NaN."""
    padded = np.concatenate([np.full(length - 1, np.nan), values])
    return np.lib.stride_tricks.sliding_window_view(padded, length)


def spread(values, length):
    return windows(values, length).std(axis=1, ddof=1)


def deviation(columns, length):
    close = columns["close"]
    moved = np.concatenate([[np.nan], 100 * np.log(close[1:] / close[:-1])])
    return spread(moved, length)


def above(a, b):
    return np.where(np.isnan(a + b), np.nan, a > b)


def ratio(columns, fast, slow):
    with np.errstate(invalid="ignore", divide="ignore"):
        found = deviation(columns, fast) / deviation(columns, slow)
    return np.where(np.isfinite(found), found, np.nan)


def stress(columns):
    newest = deviation(columns, 20)
    volumes = [windows(columns["volume"], n).mean(axis=1) for n in (20, 50)]
    past = windows(newest, 252)
    limit = past.mean(axis=1) + 2 * past.std(axis=1, ddof=1)
    return (
        0.5 * above(newest, 1.5 * deviation(columns, 50))
        + 0.3 * above(volumes[0], 1.2 * volumes[1])
        + 0.2 * above(newest, limit)
    )


def rank(values, length):
    """Return the share of each window that is not above the newest, and the median."""
    of = windows(values, length)
    missing = np.isnan(of).any(axis=1)
    share = np.where(missing, np.nan, (of <= values[:, None]).mean(axis=1))
    return share, np.where(missing, np.nan, np.median(of, axis=1))


def to_median(columns, n):
    newest = deviation(columns, 20)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = newest / rank(newest, n)[1]
    return np.where(np.isfinite(found), found, np.nan)


ORACLES = {
    "vol_of_vol": lambda columns, n: spread(deviation(columns, n), n),
    "volatility_ratio": ratio,
    "high_volatility": lambda columns, fast, slow: above(
        deviation(columns, fast), 1.5 * deviation(columns, slow)
    ),
    "market_stress": stress,
    # The rank is of what return_sd says: by another sum, equal values may differ in a last bit.
    "volatility_rank": lambda columns, n: rank(compute("return_sd_20", columns), n)[0],
    "volatility_to_median": to_median,
    "volatility_low": lambda columns, n: above(
        0.7 * rank(deviation(columns, 20), n)[1], deviation(columns, 20)
    ),
    "volatility_high": lambda columns, n: above(
        deviation(columns, 20), 1.5 * rank(deviation(columns, 20), n)[1]
    ),
    "range_mean": lambda columns, n: windows(
        100 * (columns["high"] - columns["low"]) / columns["close"], n
    ).mean(axis=1),
}


def test_every_family_has_an_oracle():
    assert {family.name for family in regime.FAMILIES} == set(ORACLES)
    assert set(ORACLES) <= set(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_oracle(name, series):
    feature = resolve(name, {}, None, "")
    ours = compute(name, series)
    theirs = np.asarray(ORACLES[feature.output](series, *feature.parameters.values()), float)
    warm = feature.warm_up - 1
    assert np.isnan(ours[:warm]).all()
    assert np.isfinite(ours[-300:]).all()  # no column is poisoned
    np.testing.assert_allclose(ours[warm:], theirs[warm:], **TOLERANCE)


def test_the_rank_is_of_the_deviation_computed_otherwise(series):
    """Within what rounding makes of values that are equal."""
    ours = compute("volatility_rank_1000", series)[1019:]
    sd = deviation(series, 20)
    of = windows(sd, 1000)[1019:]
    newest = sd[1019:, None]
    assert (ours >= (of < newest * (1 - 1e-11) - 1e-13).mean(axis=1) - 1e-12).all()
    assert (ours <= (of <= newest * (1 + 1e-11) + 1e-13).mean(axis=1) + 1e-12).all()


@pytest.mark.parametrize("name", NAMES)
def test_one_bar_alone_is_the_same_to_the_bit(name, series):
    feature = resolve(name, {}, None, "")
    whole = compute(name, series)
    rng = np.random.default_rng(0)
    for t in (*rng.integers(feature.lookback, len(whole), 12), 1705, 1760, 2500, 3200, 4600, 4601):
        tail = {key: values[t - feature.lookback + 1 : t + 1] for key, values in series.items()}
        np.testing.assert_array_equal(compute(name, tail)[-1], whole[t])


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_close_is_missed_as_long_as_a_window_holds_it(name, series):
    feature = resolve(name, {}, None, "")
    whole, at = compute(name, series), 2600
    hurt = {key: values.copy() for key, values in series.items()}
    hurt["close"][at] = np.nan
    found = compute(name, hurt)
    assert np.isnan(found[at : at + feature.lookback]).all()
    np.testing.assert_array_equal(found[:at], whole[:at])
    np.testing.assert_array_equal(found[at + feature.lookback :], whole[at + feature.lookback :])


def test_a_market_that_stands_still(series):
    still = series["close"][:1500].copy()
    still[300:] = still[300]
    flat = dict.fromkeys(("open", "high", "low", "close"), still) | {"volume": np.zeros(1500)}
    expected = {
        "vol_of_vol_20": 0.0,
        "volatility_ratio": np.nan,
        "high_volatility": 0.0,
        "market_stress": 0.0,
        "volatility_rank_1000": 1.0,  # all are equal to the newest
        "volatility_to_median_1000": np.nan,
        "volatility_low_1000": 0.0,
        "volatility_high_1000": 0.0,
        "range_mean_20": 0.0,
    }
    for name, value in expected.items():
        np.testing.assert_array_equal(compute(name, flat)[-1], value, err_msg=name)


def kinds(rng, rows):
    """Columns that are hard to sort or to rank."""
    noise = rng.normal(size=rows)
    walk = np.exp(np.cumsum(0.1 * noise))
    walk[rng.integers(0, rows)] = 1e300
    gaps = np.abs(noise)
    gaps[rng.integers(0, rows, 3)] = np.nan
    near = 1 + 1e-12 * noise
    near[: rows // 3] = -1e5
    zeros = np.zeros(rows)
    zeros[rng.integers(0, rows)] = -0.0
    return {
        "noise": noise,
        "ties": np.round(noise, 1),
        "a spike": walk,
        "missing": gaps,
        "nearly equal": near,
        "zeros of both signs": zeros,
        "infinite": np.where(rng.random(rows) < 0.1, np.inf, noise),
        "falling": -np.arange(rows, dtype=float),
    }


@njit
def ranked(values, window, share, median):
    window_ranks(values, window, share, median)


@njit
def in_order(values):
    return sorted_rows(values)


@pytest.mark.parametrize("seed", range(12))
def test_ranks_and_medians_of_any_column(seed):
    rng = np.random.default_rng(seed)
    rows, window = int(rng.integers(1, 1500)), int(rng.integers(1, 300))
    for kind, values in kinds(rng, rows).items():
        share, median = np.empty(rows), np.empty(rows)
        ranked(values, window, share, median)
        expected = rank(values, window)
        np.testing.assert_array_equal(share, expected[0], err_msg=kind)
        np.testing.assert_array_equal(median, expected[1], err_msg=kind)


@pytest.mark.parametrize("seed", range(3))
def test_sorts_any_column(seed):
    rng = np.random.default_rng(seed)
    for rows in (1, 2, 500, 6000):
        for kind, values in kinds(rng, rows).items():
            values = np.nan_to_num(values)
            found, places = in_order(values)
            np.testing.assert_array_equal(found, np.sort(values), err_msg=kind)
            np.testing.assert_array_equal(values[places], found, err_msg=kind)
            assert len(set(places.tolist())) == rows
