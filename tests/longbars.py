"""Series of thousands of bars to compare features on: made up with what is rare, and real ones."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

COLUMNS = ("open", "high", "low", "close", "volume")
REAL = {
    "^GSPC": ("daily/gspc_ohlcv_1971_2021.parquet", slice(None)),
    "GC=F": ("daily/gold_gcf_2000_2025.parquet", slice(None)),
    "SPY": ("minute/spy_1m_2024_2025.parquet", slice(20_000, 32_000)),
    "BTC": ("minute/btcusd_bitfinex_1m_2013_2017.parquet", slice(250_000, 262_000)),
}
NAMES = ("made up", *REAL)


def made_up() -> dict[str, np.ndarray]:
    """Return bars in ticks of 0.01 with spikes, bars without range and stretches without moves."""
    rng = np.random.default_rng(5)
    bars = 6000
    close = np.round(80 * np.exp(np.cumsum(rng.normal(0, 2e-3, bars))), 2)
    opened = np.concatenate([[80.0], close[:-1]])
    high = np.maximum(opened, close) + rng.integers(0, 20, bars) / 100
    low = np.minimum(opened, close) - rng.integers(0, 20, bars) / 100
    volume = np.round(rng.lognormal(8, 1, bars))
    for begin, end in ((1500, 1502), (1700, 1900), (3000, 3600)):
        close[begin:end] = close[begin - 1]
        opened[begin:end] = high[begin:end] = low[begin:end] = close[begin - 1]
        volume[begin:end] = 0.0
    volume[2200] *= 1e9
    high[2400] *= 1000
    close[4600] *= 100  # a misprint: up by 460 percent of its logarithm, and back
    high[4600] = close[4600]
    return dict(zip(COLUMNS, (opened, high, low, close, volume), strict=True))


def load(name: str) -> dict[str, np.ndarray]:
    """Return a series as columns of float64; skip the test where there are no real ones.

    One bar of gold has its high below its low, and is left out.
    """
    if name not in REAL:
        return made_up()
    folder = os.environ.get("TRUECAST_REALDATA")
    if not folder:
        pytest.skip("TRUECAST_REALDATA names no folder with real series")
    path, rows = REAL[name]
    frame = pl.read_parquet(Path(folder) / path)[rows].filter(pl.col("high") >= pl.col("low"))
    return {column: frame[column].cast(pl.Float64).to_numpy() for column in COLUMNS}
