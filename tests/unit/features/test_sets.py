"""The named sets: as many features as the name says, no two alike, none that never changes."""

import math
import os
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from truecast.core.errors import UsageError
from truecast.core.recipe_parts import Choice
from truecast.features.catalog import SETS, members
from truecast.features.compute import compute_columns
from truecast.features.levels import FAMILIES as LEVELS
from truecast.features.plan import FeaturePlan

COUNTS = {
    "gold8": 8,
    "stocks_ema": 8,
    "lstm_ohlcv": 7,
    "returns12": 12,
    "returns22": 22,
    "updown39": 39,
    "volatility23": 23,
    "regime18": 18,
    "alpha158": 158,
}
#: Share of moves that were falls, and of rises less falls: by definition 1 − p and 2p − 1.
FOLLOWS = re.compile(r"alpha_v?sum[nd]_\d+")
COLUMNS = ("open", "high", "low", "close", "volume")


def made_up():
    rng = np.random.default_rng(9)
    n = 2000
    close = np.round(40 * np.exp(np.cumsum(rng.standard_t(4, n) * 0.01)), 1)  # in ticks
    opened = np.concatenate([[40.0], close[:-1]]) * np.exp(rng.normal(0, 0.003, n))
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.004, n)))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.004, n)))
    volume = np.round(rng.lognormal(12, 0.5, n))
    return dict(zip(COLUMNS, (opened, high, low, close, volume), strict=True))


def shares():
    folder = os.environ.get("TRUECAST_REALDATA")
    if not folder:
        pytest.skip("TRUECAST_REALDATA names no folder with real series")
    frame = pl.read_parquet(Path(folder) / "daily/us5_yahoo_adj_2000_2025.parquet")
    frame = frame.filter(pl.col("symbol") == "MSFT").tail(2000)
    return {name: frame[name].cast(pl.Float64).to_numpy() for name in COLUMNS}


@pytest.fixture(scope="module", params=[made_up, shares], ids=["made up", "shares"])
def bars(request):
    return request.param()


@pytest.mark.parametrize("name", COUNTS)
def test_has_as_many_features_as_it_says(name):
    features = members(name)
    assert len(features) == len({feature.name for feature in features}) == COUNTS[name]
    number = re.search(r"\d+$", name)
    assert number is None or COUNTS[name] == int(number[0])
    assert name in SETS


@pytest.mark.parametrize("name", [name for name in COUNTS if name != "gold8"])
def test_no_two_are_alike_and_none_is_constant(name, bars):
    features = [feature for feature in members(name) if not FOLLOWS.fullmatch(feature.name)]
    values = compute_columns(features, bars, np.float64)
    values = values[max(feature.lookback for feature in features) :]
    assert np.isfinite(values).all()
    deviations = values.std(axis=0)
    assert (deviations > 1e-9 * np.abs(values).max(axis=0)).all()
    alike = np.abs(np.corrcoef(values.T)) - np.eye(len(features))
    first, second = np.unravel_index(alike.argmax(), alike.shape)
    # Levels of one series go together, but are not the same up to a factor.
    limit = 1 - 1e-12 if name in {"stocks_ema", "lstm_ohlcv"} else 1 - 1e-5
    assert alike.max() < limit, (features[first].name, features[second].name)


@pytest.mark.parametrize("name", ["returns12", "returns22", "updown39", "volatility23", "regime18"])
def test_holds_nothing_that_depends_on_the_level(name):
    levels = {family.name for family in LEVELS if not family.scale_free}
    assert not levels & {feature.output for feature in members(name)}
    assert all(feature.family.scale_free for feature in members(name))


def test_gold8_reads_the_sp500_beside_gold():
    plan = FeaturePlan.from_choices([Choice(name="gold8")], context=["^GSPC"])
    assert plan.context == ("^GSPC",)
    assert [feature.name for feature in plan.features if feature.of is None] == [
        "close",
        "close_lag_1",
        "sma_5",
        "return_sd_5",
    ]
    with pytest.raises(UsageError, match=r"add \^GSPC to context"):
        FeaturePlan.from_choices([Choice(name="gold8")])


def test_gold8_holds_nothing_of_the_close_to_be_told():
    """Whatever comes next, the row of the last known bar is the same."""
    closes = 1800.0 + np.arange(40.0) ** 1.5
    own = [feature for feature in members("gold8") if feature.of is None]
    rows = [
        compute_columns(own, {"close": np.append(closes, later)}, np.float64)[len(closes) - 1]
        for later in (1.0, 1e6)
    ]
    np.testing.assert_array_equal(rows[0], rows[1])
    close, before, mean, deviation = rows[0]
    assert (close, before) == (closes[-1], closes[-2])
    assert mean == pytest.approx(closes[-5:].mean(), rel=1e-14)
    moved = [100 * math.log(b / a) for a, b in zip(closes[-6:-1], closes[-5:], strict=True)]
    assert deviation == pytest.approx(np.std(moved, ddof=1), rel=1e-10)
