"""Features of bid and ask against plain loops, on real quotes and on some with what is rare."""

import math
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from truecast.features.catalog import FAMILIES, members
from truecast.features.compute import compute_columns

TOLERANCE = {"rtol": 1e-9, "atol": 1e-11}
COLUMNS = ("close", "volume", "bid_close", "ask_close", "bid_size", "ask_size")
CROSSED, LOCKED, MISSING, ONE_SIDED, SPIKE = 300, 310, 400, 500, 700


def planted():
    """Return quotes in ticks of 0.01 and trades on, between and outside them."""
    rng = np.random.default_rng(5)
    bid = np.round(50 * np.exp(np.cumsum(rng.normal(0, 5e-4, 2000))), 2)
    ask = np.round(bid + rng.integers(1, 5, 2000) / 100, 2)
    close = bid + rng.choice([-0.5, 0.0, 0.3, 0.5, 1.0, 1.5], 2000) * (ask - bid)
    made = {
        "close": np.where(rng.random(2000) < 0.3, ask, close),
        "volume": np.round(rng.lognormal(5, 1, 2000)),
        "bid_close": bid,
        "ask_close": ask,
        "bid_size": rng.integers(0, 9, 2000) * 100.0,
        "ask_size": rng.integers(0, 9, 2000) * 100.0,
    }
    bid[CROSSED] = ask[CROSSED] + 0.03
    bid[LOCKED] = ask[LOCKED] = close[LOCKED]
    bid[MISSING] = ask[MISSING] = np.nan
    bid[ONE_SIDED] = 0.0
    made["volume"][SPIKE] *= 1e9
    made["bid_size"][SPIKE] = 1e9
    made["volume"][1100:1150] = made["bid_size"][1200:1250] = made["ask_size"][1200:1250] = 0.0
    return made


def sides_alone(frame):
    """Return a source's quotes as bars: their midpoint is the close, their ticks the volume."""
    names = {"bsize": "bid_size", "asize": "ask_size"}
    frame = frame.rename({old: new for old, new in names.items() if old in frame.columns})
    columns = {name: frame[name].cast(pl.Float64).to_numpy() for name in COLUMNS[2:]}
    columns["close"] = (columns["bid_close"] + columns["ask_close"]) / 2
    reach = frame["ask_high"] - frame["ask_low"]
    return columns | {"volume": (reach * 1e5).round().to_numpy()}


def beside_trades(quotes, trades):
    """Return the bars of a share's trades with the quotes at their closes."""
    both = trades.filter(pl.col("symbol") == "SPY").join(
        quotes.filter(pl.col("symbol") == "SPY"), on=["ts", "symbol"]
    )
    return {name: both.sort("ts")[name].cast(pl.Float64).to_numpy() for name in COLUMNS}


def real(name, folder):
    def read(path):
        return pl.read_parquet(folder / path)

    if name == "SPY":
        quotes = read("minute/us3_quote_1m_lean.parquet")
        return beside_trades(quotes, read("minute/us3_trade_1m_lean.parquet"))
    if name == "GBPUSD":  # with crossed and locked quotes, without sizes
        frame = read("minute/gbpusd_fxcm_bidask_1m_2012.parquet")
        return sides_alone(frame.with_columns(bsize=pl.lit(None), asize=pl.lit(None)))
    if name == "EURUSD by day":
        frame = read("daily/fx_oanda_bidask_daily.parquet")
        return sides_alone(frame.filter(pl.col("symbol") == "EURUSD"))
    return sides_alone(read("minute/eurusd_2brokers_bidask_1m.parquet")[:15_000])


@pytest.fixture(
    scope="module", params=["planted", "EURUSD by minute", "EURUSD by day", "GBPUSD", "SPY"]
)
def bars(request):
    if request.param == "planted":
        return planted()
    folder = os.environ.get("TRUECAST_REALDATA")
    if not folder:
        pytest.skip("TRUECAST_REALDATA is not set: no real quotes to compare on")
    return real(request.param, Path(folder))


def midpoints(b):
    pairs = zip(b["bid_close"], b["ask_close"], strict=True)
    return [(bid + ask) / 2 if bid > 0 and ask > 0 else math.nan for bid, ask in pairs]


def sign(x):
    return math.nan if math.isnan(x) else float(np.sign(x))


def sides(b):
    """Who pressed in each bar, by the rule of Ellis, Michaely and O'Hara."""
    mid, out = midpoints(b), [math.nan]
    for t in range(1, len(mid)):
        tick = sign(mid[t] - mid[t - 1])
        at_ask, at_bid = b["close"][t] >= b["ask_close"][t], b["close"][t] <= b["bid_close"][t]
        if math.isnan(tick) or at_ask == at_bid:
            out.append(tick)
        else:
            out.append(1.0 if at_ask else -1.0)
    return out


def arrivals(b):
    """The order flow of Cont, Kukanov and Stoikov from close to close."""
    bid, ask, bids, asks = (b[name] for name in COLUMNS[2:])
    out = [math.nan]
    for t in range(1, len(bid)):
        flow = 0.0 if not np.isnan(bid[t] + bid[t - 1] + ask[t] + ask[t - 1]) else math.nan
        flow += bids[t] if bid[t] >= bid[t - 1] else 0.0
        flow -= bids[t - 1] if bid[t] <= bid[t - 1] else 0.0
        flow -= asks[t] if ask[t] <= ask[t - 1] else 0.0
        flow += asks[t - 1] if ask[t] >= ask[t - 1] else 0.0
        out.append(flow)
    return out


def each(x, n, of=math.fsum):
    """Return the exact sum over each window, NaN where a value is missing."""
    out = []
    for t in range(len(x)):
        seen = [*x[t - n + 1 : t + 1]] if t >= n - 1 else [math.nan]
        out.append(math.nan if any(map(math.isnan, seen)) else of(seen))
    return np.array(out)


def spread(b):
    return 1e4 * (b["ask_close"] - b["bid_close"]) / midpoints(b)


def mid_return(b, n):
    mid = np.array(midpoints(b))
    return 100 * np.log(mid / np.concatenate([np.full(n, np.nan), mid[:-n]]))


def realised_impact(b, horizon, n):
    mid, side = midpoints(b), sides(b)
    terms = [math.nan] * horizon
    for t in range(horizon, len(mid)):
        terms.append(2e4 * side[t - horizon] * np.log(mid[t] / mid[t - horizon]))
    return each(terms, n) / n


ORACLES = {
    "quoted_spread": spread,
    "spread_mean": lambda b, n: each(spread(b), n) / n,
    "effective_spread": lambda b: 2e4 * np.abs(b["close"] - midpoints(b)) / midpoints(b),
    "mid_return": mid_return,
    "quoted_depth": lambda b: np.log(b["bid_size"] + b["ask_size"]),
    "depth_imbalance": lambda b: (b["bid_size"] - b["ask_size"]) / (b["bid_size"] + b["ask_size"]),
    "order_flow_imbalance": lambda b, n: (
        each(arrivals(b), n) / (each(b["bid_size"] + b["ask_size"], n) / (2 * n))
    ),
    "order_imbalance": lambda b, n: each(sides(b) * b["volume"], n) / each(b["volume"], n),
    "realised_impact": realised_impact,
}
FEATURES = (*members("quotes"), FAMILIES["mid_return"].feature({"window": 10}))


def test_every_family_has_an_oracle():
    assert {feature.output for feature in FEATURES} == set(ORACLES)


@pytest.mark.parametrize("place", range(len(FEATURES)), ids=[f.name for f in FEATURES])
def test_equals_a_plain_loop(place, bars):
    feature = FEATURES[place]
    ours = compute_columns([feature], bars, np.float64)[:, 0]
    with np.errstate(all="ignore"):
        expected = ORACLES[feature.output](bars, *feature.parameters.values())
    expected = np.where(np.isfinite(expected), expected, np.nan)
    np.testing.assert_allclose(ours, expected, **TOLERANCE)
    together = compute_columns(FEATURES, bars, np.float64)[:, place]
    np.testing.assert_array_equal(ours, together)


def test_what_is_rare_among_quotes():
    bars = planted()
    values = dict(zip(FEATURES, compute_columns(FEATURES, bars, np.float64).T, strict=True))
    found = {feature.name: column for feature, column in values.items()}
    assert found["quoted_spread"][CROSSED] < 0
    assert found["quoted_spread"][LOCKED] == 0
    assert np.flatnonzero(np.isnan(found["quoted_spread"])).tolist() == [MISSING, ONE_SIDED]
    for feature, column in values.items():
        assert not np.isinf(column).any()
        for at in (MISSING, ONE_SIDED):
            after = column[at + feature.lookback : at + feature.lookback + 20]
            if feature.output not in ("quoted_depth", "depth_imbalance"):
                assert np.isfinite(after).all(), feature.name
    assert np.isnan(found["order_imbalance_20"][1119:1150]).all()  # a window without volume
    assert np.isfinite(found["order_imbalance_20"][1150:1200]).all()
    assert np.isnan(found["order_flow_imbalance_20"][1220:1250]).all()  # one without sizes
    assert np.isfinite(found["order_flow_imbalance_20"][1250:]).all()


def test_a_spike_is_gone_with_the_window():
    bars = planted()
    calm = bars | {name: bars[name].copy() for name in ("volume", "bid_size")}
    calm["volume"][SPIKE], calm["bid_size"][SPIKE] = 100.0, 100.0
    ours = compute_columns(FEATURES, bars, np.float64)
    theirs = compute_columns(FEATURES, calm, np.float64)
    for place, feature in enumerate(FEATURES):
        after = SPIKE + feature.lookback
        np.testing.assert_array_equal(ours[after:, place], theirs[after:, place])


def test_without_quotes_there_is_nothing():
    bars = planted()
    bars |= {name: np.full(2000, np.nan) for name in COLUMNS[2:]}
    assert np.isnan(compute_columns(FEATURES, bars)).all()


def test_effective_spread_and_sides_of_four_trades():
    """A bid of 99 and an ask of 101: trades at the ask, the bid, the middle and above."""
    bars = {
        "close": np.array([101.0, 99.0, 100.0, 101.5]),
        "bid_close": np.full(4, 99.0),
        "ask_close": np.full(4, 101.0),
        "volume": np.array([1.0, 3.0, 2.0, 5.0]),
    }
    effective = FAMILIES["effective_spread"].feature()
    pressed = FAMILIES["order_imbalance"].feature({"window": 3})
    found = compute_columns([effective, pressed], bars, np.float64)
    np.testing.assert_allclose(found[:, 0], [200.0, 200.0, 0.0, 300.0])
    np.testing.assert_allclose(found[3, 1], (-3 + 0 + 5) / 10)
