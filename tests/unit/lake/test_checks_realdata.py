"""Real bad prints and breaks are found and real crashes are not; TRUECAST_REALDATA has them."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.checks.options import ChecksOptions
from truecast.lake.checks.review import Review, review
from truecast.lake.schemas import SILVER_BARS

FOLDER = os.environ.get("TRUECAST_REALDATA")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(FOLDER is None, reason="TRUECAST_REALDATA names no folder"),
]
NAMES = ("open", "high", "low", "close")


def looked_over(name, time, *, symbol=None, step=timedelta(days=1), negative=False) -> Review:
    """Bars of a file as silver has them, known at their close."""
    rows = pl.read_parquet(Path(FOLDER or "") / name)
    if symbol is not None:
        rows = rows.filter(pl.col("symbol") == symbol)
    began = pl.col(time).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    sound = pl.col("close").is_not_null() & (pl.lit(negative) | (pl.col("close") > 0))
    if not negative:
        rows = rows.with_columns(pl.when(pl.col(name) > 0).then(name) for name in NAMES)
    rows = rows.filter(sound).with_columns(
        session=began.dt.date(),
        event_time=began + step,
        known_at=began + step,
        version=0,
        flags=pl.lit([], dtype=pl.List(pl.String)),
    )
    silver = rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in SILVER_BARS.items()
    ).unique("event_time", keep="first")
    instrument = Instrument("X", "24/7", timedelta(0), may_be_negative=negative)
    interval = Interval("1d" if step == timedelta(days=1) else "1m")
    return review(silver.sort("event_time"), instrument, interval, ChecksOptions())


def sessions(result: Review, check: str) -> list[date]:
    return result.findings.filter(check=check)["session"].to_list()


DAILY = "daily/etf_fut_fx_daily.parquet"


def test_false_prints_of_eurusd_are_found_and_nothing_else():
    false = sessions(looked_over(DAILY, "date", symbol="EURUSD=X"), "false_print")
    assert {date(2008, 1, 8), date(2008, 2, 8), date(2008, 12, 8)} <= set(false)
    # Each of these is a close that the day before and the day after contradict, or a low of 0.07.
    assert len(false) == 7


@pytest.mark.parametrize("symbol", ["SPY", "DIA", "XLK", "XLI", "CL=F"])
def test_funds_and_oil_are_left_alone_below_zero_too(symbol):
    result = looked_over(DAILY, "date", symbol=symbol, negative=symbol == "CL=F")
    assert sessions(result, "false_print") == []
    assert sessions(result, "unit_jump") == []


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT", "GOOG", "TSLA", "AMZN"])
def test_earnings_are_no_false_prints(symbol):
    result = looked_over("daily/us5_yahoo_adj_2000_2025.parquet", "timestamp", symbol=symbol)
    assert len(result.findings.filter(pl.col("check") != "stale")) == 0


def test_crashes_of_an_index_are_no_false_prints():
    result = looked_over("daily/gspc_1927_2025.parquet", "date")
    assert len(result.findings.filter(pl.col("check") != "stale")) == 0


def test_bad_prints_of_bitcoin_are_found_and_its_crashes_are_not():
    result = looked_over(
        "minute/btcusd_bitfinex_1m_2013_2017.parquet", "ts", step=timedelta(minutes=1)
    )
    false = result.findings.filter(check="false_print")["event_time"]
    minutes = {moment - timedelta(minutes=1) for moment in false}
    assert {
        datetime(2013, 4, 10, 17, 37, tzinfo=UTC),
        datetime(2013, 4, 16, 4, 38, tzinfo=UTC),
        datetime(2013, 4, 26, 8, 21, tzinfo=UTC),
        datetime(2013, 7, 1, 18, 1, tzinfo=UTC),
    } <= minutes
    # The crash of 2014-02-10 went on for an hour; it is not called false.
    assert not {m for m in minutes if m.date() == date(2014, 2, 10)}
    assert len(false) < 60


@pytest.mark.parametrize("symbol", ["SPY", "NVDA", "COIN", "IONQ", "MRNA", "XLF", "AFRM"])
def test_breaks_of_the_volumes_unit_are_found_and_nothing_else(symbol):
    result = looked_over(
        "minute/us16_1m_2025_2026.parquet", "ts_et", symbol=symbol, step=timedelta(minutes=1)
    )
    breaks = sessions(result, "volume_unit_jump")
    assert 1 <= len(breaks) <= 3
    assert set(breaks) <= {date(2026, 1, 22), date(2026, 3, 9), date(2026, 3, 12)}
    assert sessions(result, "false_print") == []
