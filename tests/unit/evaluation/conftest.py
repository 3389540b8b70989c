"""Five years of one instrument, simulated: volatility that persists, unknowable returns."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from truecast.evaluation.scorecard import Champion
from truecast.evaluation.slots import IntervalForecasts, SlotForecasts

LEVELS = tuple(float(level) for level in np.arange(0.02, 0.99, 0.02))


def simulate(n: int = 1250, seed: int = 4) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    warm = 300
    log_variance = np.empty(n + warm)
    shocks = rng.standard_normal(n + warm)
    level = -0.6
    for place in range(n + warm):
        if place:
            level = -0.6 + 0.96 * (level + 0.6) + 0.18 * rng.standard_normal()
            level -= 0.10 * shocks[place - 1]
        log_variance[place] = level
    variance = np.exp(log_variance)
    returns = 0.03 + np.sqrt(variance) * shocks
    close = 1800 * np.exp(np.cumsum(returns) / 100)
    gk = variance * rng.gamma(3.5, 1 / 3.5, n + warm)
    historical = np.array([returns[i - 22 : i].var(ddof=1) for i in range(warm, n + warm)])
    smooth = np.empty(n + warm)
    smooth[0] = variance.mean()
    for place in range(1, n + warm):
        smooth[place] = 0.02 * variance.mean() + 0.90 * smooth[place - 1] + 0.08 * gk[place - 1]
    days = np.busday_offset("2014-01-14", np.arange(n), roll="forward")
    return {
        "n": n,
        "rng": rng,
        "session": days.astype("datetime64[D]"),
        "event_time": (days - np.timedelta64(1, "D")).astype("datetime64[us]")
        + np.timedelta64(21, "h"),
        "last_close": close[warm - 1 : -1],
        "close": close[warm:],
        "returns": returns[warm:],
        "mean_return": np.array([returns[:i].mean() for i in range(warm, n + warm)]),
        "variance": variance[warm:],
        "gk": gk[warm:],
        "historical": historical,
        "garch": smooth[warm:],
    }


def price_slot(data: dict[str, Any]) -> SlotForecasts:
    rng, last = data["rng"], data["last_close"]
    ridge = last * np.exp(rng.normal(0.02, 0.05, data["n"]) / 100)
    trees = last * np.exp(rng.normal(0.02, 0.16, data["n"]) / 100)
    sigma = np.sqrt(data["garch"])
    grid = last[:, None] * np.exp(sigma[:, None] * norm.ppf(LEVELS)[None, :] / 100)
    half = 1.645 * sigma / 100
    return SlotForecasts(
        slot="sp500-daily@sample:~5EGSPC:price:1",
        instrument="^GSPC",
        target="price",
        horizon=1,
        champion=Champion(name="ridge", version="3", model_type="Ridge regression"),
        event_time=data["event_time"],
        session=data["session"],
        outcomes={"value": data["close"]},
        forecasts={"naive": last, "ridge": ridge, "lightgbm": trees},
        trials=43,
        model_types={"naive": "No change", "ridge": "Ridge regression", "lightgbm": "LightGBM"},
        last_close=last,
        mean_return=data["mean_return"],
        naive_scale=11.5,
        intervals={
            "ridge": IntervalForecasts(0.9, last * np.exp(-half), last * np.exp(half), LEVELS, grid)
        },
        volatility=data["garch"],
        assumed_share=1.0,
        importances={"log_return_1": 0.4, "log_return_5": 0.22, "log_gk_22": 0.18, "rsi_14": 0.09},
        provenance={"session": "XNYS", "adjustment": "raw", "source": "sample", "data": "9f1c" * 4},
        data_versions={"silver/bars": "1"},
    )


def direction_slot(data: dict[str, Any]) -> SlotForecasts:
    rng = data["rng"]
    up = (data["returns"] > 0).astype(float)
    return SlotForecasts(
        slot="sp500-daily@sample:~5EGSPC:direction:1",
        instrument="^GSPC",
        target="direction",
        horizon=1,
        champion=Champion(name="logistic", version="1", model_type="Logistic regression"),
        event_time=data["event_time"],
        session=data["session"],
        outcomes={"value": up},
        forecasts={
            "naive": np.full(data["n"], 0.53),
            "logistic": np.clip(0.53 + rng.normal(0, 0.03, data["n"]), 0, 1),
            "lightgbm": np.clip(0.53 + rng.normal(0, 0.08, data["n"]), 0, 1),
        },
        trials=43,
        model_types={"naive": "Climatology", "logistic": "Logistic regression"},
        assumed_share=1.0,
        provenance={"session": "XNYS", "adjustment": "raw", "source": "sample"},
        data_versions={"silver/bars": "1"},
    )


def volatility_slot(data: dict[str, Any]) -> SlotForecasts:
    rng, variance = data["rng"], data["variance"]
    har = variance * np.exp(rng.normal(0, 0.18, data["n"]))
    trees = variance * np.exp(rng.normal(0, 0.30, data["n"]))
    return SlotForecasts(
        slot="sp500-daily@sample:~5EGSPC:volatility:1",
        instrument="^GSPC",
        target="volatility",
        horizon=1,
        champion=Champion(name="har_leverage", version="2", model_type="HAR with leverage"),
        event_time=data["event_time"],
        session=data["session"],
        outcomes={"gk": data["gk"], "r2": data["returns"] ** 2},
        forecasts={
            "naive": data["historical"],
            "garch": data["garch"],
            "har_leverage": har,
            "lightgbm": trees,
        },
        trials=43,
        model_types={
            "naive": "22-day historical",
            "garch": "GARCH(1,1)",
            "har_leverage": "HAR with leverage",
            "lightgbm": "LightGBM",
        },
        intervals={"har_leverage": IntervalForecasts(0.9, har * 0.4, har * 1.9)},
        volatility=data["garch"],
        assumed_share=1.0,
        importances={
            "log_gk_1": 0.31,
            "log_gk_5": 0.36,
            "log_gk_22": 0.21,
            "downside_1": 0.12,
        },
        provenance={
            "session": "XNYS",
            "proxy": "Garman-Klass times its 1,000-day ratio to squared returns",
        },
        data_versions={"silver/bars": "1"},
    )


SLOTS: dict[str, Callable[[dict[str, Any]], SlotForecasts]] = {
    "direction": direction_slot,
    "price": price_slot,
    "volatility": volatility_slot,
}


@pytest.fixture(scope="session")
def slots() -> dict[str, SlotForecasts]:
    data = simulate()
    return {name: build(data) for name, build in SLOTS.items()}
