"""Yahoo's real errors come out as their expected repair; TRUECAST_REALDATA names the folder."""

import io
import os
import tarfile
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from truecast.core.interval import Interval
from truecast.sources.yahoo.mend import mend
from truecast.sources.yahoo.rows import NUMBERS, YAHOO_ROWS

FOLDER = os.environ.get("TRUECAST_REALDATA")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(FOLDER is None, reason="TRUECAST_REALDATA names no folder"),
]
COLUMNS = {
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Adj Close": "adj_close",
    "Volume": "volume",
    "Dividends": "dividend",
    "Stock Splits": "split",
    "Capital Gains": "capital_gain",
}


def read(content: bytes) -> tuple[pl.DataFrame, str]:
    table = pl.read_csv(io.BytesIO(content), infer_schema=False)
    stamps = [datetime.fromisoformat(text) for text in table.to_series(0)]
    numbers = [
        pl.col(column).cast(pl.Float64).alias(name)
        for column, name in COLUMNS.items()
        if column in table.columns
    ]
    rows = table.select(numbers).with_columns(
        row=pl.int_range(1, pl.len() + 1),
        session=pl.Series([stamp.date() for stamp in stamps]),
        event_time=pl.Series(stamps, dtype=YAHOO_ROWS["event_time"]),
    )
    absent = [pl.lit(None).alias(name) for name in YAHOO_ROWS if name not in rows.columns]
    zone = stamps[-1].strftime("%z")
    completed = rows.with_columns(absent).select(*YAHOO_ROWS).cast(YAHOO_ROWS)
    return completed, f"{zone[:3]}:{zone[3:]}"


def files() -> dict[str, bytes]:
    """Every archive of the folder, name of the file to its content."""
    found = {}
    for archive in sorted((Path(FOLDER or "") / "dirty").glob("yfinance_bad_vs_fixed*.tar.gz")):
        with tarfile.open(archive) as members:
            for member in members.getmembers():
                content = members.extractfile(member)
                if content is not None and member.name.endswith(".csv"):
                    found[Path(member.name).name] = content.read()
    return found


FILES = files()


def repaired(name: str) -> pl.DataFrame:
    rows, zone = read(FILES[name])
    interval = Interval("1h" if rows["event_time"].diff().dt.total_hours().min() == 1 else "1d")
    return mend(rows, interval=interval, zone=zone, currency=None)[0]


def assert_same(mine: pl.DataFrame, expected: pl.DataFrame) -> None:
    # Some repaired files are in the other order of time; where nothing traded yfinance writes a
    # volume of 0 for none, and without an event it writes 0.
    mine, expected = (
        one.sort("event_time")
        .filter(pl.col("close").is_not_null())
        .with_columns(pl.col("dividend", "split", "capital_gain").fill_null(0.0))
        for one in (mine, expected)
    )
    assert mine["event_time"].equals(expected["event_time"])
    for name in NUMBERS:
        np.testing.assert_allclose(mine[name], expected[name], rtol=1e-6, err_msg=name)


PAIRS = [name for name in FILES if name.replace(".csv", "-fixed.csv") in FILES]
# Their expected files leave the capital gain in the dividend: what was paid out is the same.
GAINS = [name for name in PAIRS if "cg-double-count" in name]
GOOD = [name for name in FILES if "-fixed" in name or "-no-bad-" in name]


@pytest.mark.parametrize("name", sorted(set(PAIRS) - set(GAINS)))
def test_a_bad_file_becomes_its_expected_repair(name):
    expected, _ = read(FILES[name.replace(".csv", "-fixed.csv")])
    assert_same(repaired(name), expected)


@pytest.mark.parametrize("name", GAINS)
def test_a_capital_gain_is_counted_once(name):
    expected, _ = read(FILES[name.replace(".csv", "-fixed.csv")])
    paid = pl.col("dividend") + pl.col("capital_gain")
    assert_same(repaired(name).with_columns(dividend=paid), expected)


@pytest.mark.parametrize(
    "name", sorted(set(GOOD) - {n.replace(".csv", "-fixed.csv") for n in GAINS})
)
def test_a_good_file_stays_as_it_is(name):
    assert repaired(name).equals(read(FILES[name])[0])
