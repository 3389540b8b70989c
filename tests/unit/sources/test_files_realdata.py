"""Real files, kept outside the project: the folder is named by TRUECAST_REALDATA."""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from truecast.core.interval import Interval
from truecast.core.recipe_parts import Choice
from truecast.lake.lake import IngestSummary, Lake
from truecast.sources.base import SourceError
from truecast.sources.catalog import open_source
from truecast.sources.files.source import FilesSource

FOLDER = os.environ.get("TRUECAST_REALDATA")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(FOLDER is None, reason="TRUECAST_REALDATA names no folder"),
]
DAILY = Interval("1d")


def file_of(name: str) -> Path:
    return Path(FOLDER or "") / name


def source(name: str, **options) -> FilesSource:
    choice = Choice(name="files", parameters={"path": str(file_of(name)), **options})
    opened = open_source(choice)
    assert isinstance(opened, FilesSource)
    return opened


def ingest(
    lake: Lake, name: str, symbol: str, interval: Interval = DAILY, **options
) -> tuple[IngestSummary, pl.DataFrame]:
    opened = source(name, **options)
    summary = lake.ingest(opened, symbol, interval)
    return summary, lake.history(opened.name, symbol, interval).versions


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def test_a_century_of_the_index(lake):
    summary, rows = ingest(lake, "daily/gspc_1927_2025.parquet", "^GSPC")
    raw = pl.read_parquet(file_of("daily/gspc_1927_2025.parquet"))
    assert (summary.added, summary.quarantined) == (24550, {})
    assert rows.select("session", "close").rows() == raw.select("date", "close").rows()
    closes = dict(rows.select("session", "event_time").rows())
    # New York went back to winter time on the last Sunday of September then.
    assert closes[date(1929, 10, 28)] == datetime(1929, 10, 28, 21, tzinfo=UTC)
    assert closes[date(1929, 9, 27)] == datetime(1929, 9, 27, 20, tzinfo=UTC)
    assert closes[date(2024, 7, 3)] == datetime(2024, 7, 3, 17, tzinfo=UTC)


def test_vintages_are_versions_known_when_their_file_came(lake):
    """279 closes of this set were revised by the next day's file."""
    name, key = "pit/pystock_pit_2015_2017.parquet", ["symbol", "date"]
    raw = pl.read_parquet(file_of(name))
    revised = raw.sort("file_date").group_by(key).agg(closes=pl.col("close").n_unique())
    assert len(revised.filter(pl.col("closes") > 1)) == 279
    # A last digit of single precision is no revision: the files' own noise.
    low, high = pl.col("close").min(), pl.col("close").max()
    moved = raw.group_by(key).agg(moved=high / low - 1).filter(pl.col("moved") > 1e-5)
    counts = moved.group_by("symbol").len().sort(["len", "symbol"], descending=[True, False])
    for symbol in counts["symbol"].head(3):
        summary, rows = ingest(lake, name, symbol, known_at="file_date")
        assert summary.revised == (rows["version"] > 0).sum() > 0
        mine = raw.filter(pl.col("symbol") == symbol).sort("date", "file_date")
        history = lake.history(source(name, known_at="file_date").name, symbol, DAILY)
        for day in (date(2015, 9, 1), date(2016, 3, 15), date(2016, 12, 30)):
            # What the files up to that day said, less what the contracts kept out.
            as_of = datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)
            seen = mine.filter(pl.col("file_date") <= day).unique("date", keep="last")
            expected = dict(seen.select("date", "close").rows())
            found = history.known(as_of).select("session", "close").rows()
            assert len(found) >= 0.98 * len(expected)
            for session, close in found:
                assert close == pytest.approx(expected[session], rel=1e-6), session
        again = lake.ingest(source(name, known_at="file_date"), symbol, DAILY)
        assert (again.added, again.revised) == (0, 0)


def test_minutes_of_a_market_that_never_closes(lake):
    name = "minute/btcusd_bitfinex_1m_2013_2017.parquet"
    options = {"calendar": "24/7", "stamps": "open"}
    summary, rows = ingest(lake, name, "BTCUSD", Interval("1m"), **options)
    raw = pl.read_parquet(file_of(name))
    assert summary.received == len(raw) == summary.added + sum(summary.quarantined.values())
    stamps = rows["event_time"].dt.replace_time_zone(None).to_numpy()
    starts = raw["ts"].to_numpy().astype("datetime64[us]")
    assert np.isin(stamps - np.timedelta64(1, "m"), starts).all()
    assert rows["session"].max() == date(2017, 12, 31)


def test_rows_that_break_a_contract_are_counted(lake):
    summary, _ = ingest(lake, "dirty/gspc_open_zero.csv.gz", "^GSPC")
    assert (summary.added, summary.quarantined) == (12831, {})
    assert summary.repaired == {"zero_price": 2827}
    summary, rows = ingest(lake, "daily/gold_gcf_2000_2025.parquet", "GC=F", calendar="CMES")
    assert summary.quarantined == {"inconsistent_ohlc": 1}
    assert rows["flags"].list.contains("outside_range").sum() == 440
    summary, _ = ingest(lake, "daily/gold_gcf_vintage2021.parquet", "GC=F", calendar="CMES")
    assert summary.quarantined["missing_close"] == 81
    summary, rows = ingest(lake, "dirty/wti_negative.csv.gz", "WTI", may_be_negative=True)
    assert rows.filter(pl.col("session") == date(2020, 4, 20))["close"].to_list() == [-36.98]
    summary, _ = ingest(lake, "macro/wti_spot_to_2023.parquet", "WTI")
    assert summary.quarantined == {"not_positive": 1}


def test_crossed_quotes_are_flagged(lake):
    name = "minute/gbpusd_fxcm_bidask_1m_2012.parquet"
    _, rows = ingest(lake, name, "GBPUSD", Interval("1m"), calendar="FX")
    assert rows["flags"].list.contains("crossed_quotes").sum() == 347


def test_what_is_in_doubt_is_refused_with_the_reason():
    for name, interval, message in (
        ("dirty/csv_named.parquet", "1h", "expected Parquet"),
        ("dirty/btc_bitstamp_ticks.csv.gz", "1m", "as a trade has it; say ticks: true"),
        ("dirty/eurusd_5m_mixed_schema.csv.gz", "5m", "line 20296: .*such as timezone: UTC"),
    ):
        opened = source(name)
        with pytest.raises(SourceError, match=message):
            opened.parse(next(opened.fetch("X", Interval(interval))))
