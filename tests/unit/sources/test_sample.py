"""The sample against the files that the package ships, read by the standard library alone."""

import csv
import gzip
import io
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from truecast.core.clock import frozen_at
from truecast.core.errors import UsageError
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.core.recipe_parts import Choice
from truecast.lake.lake import Lake
from truecast.sources.base import SourceError
from truecast.sources.catalog import open_source
from truecast.sources.sample.client import read_sample

DAILY = Interval("1d")
FILES = {"^GSPC": "sp500", "^IXIC": "nasdaq", "^VIX": "vix", "DCOILWTICO": "wti"}


@pytest.fixture
def sample():
    return open_source(Choice(name="sample"))


def raw(symbol: str) -> list[dict[str, str]]:
    text = gzip.decompress(read_sample(FILES[symbol])).decode()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("symbol", ["^GSPC", "^IXIC"])
def test_prices_equal_the_file(sample, symbol):
    found = sample.parse(next(sample.fetch(symbol, DAILY))).bars
    expected = [
        (
            place,
            datetime.strptime(row["Date"], "%m/%d/%Y").replace(tzinfo=UTC).date(),
            *(float(row[name]) for name in ("Open", "High", "Low", "Close", "Volume")),
        )
        for place, row in enumerate(raw(symbol), start=1)
    ]
    columns = ("row", "session", "open", "high", "low", "close", "volume")
    assert found.select(columns).rows() == expected
    assert len(found) == 5031


@pytest.mark.parametrize(("symbol", "column"), [("^VIX", "vix"), ("DCOILWTICO", "DCOILWTICO")])
def test_rows_without_a_price_are_kept_for_quarantine(sample, symbol, column):
    found = sample.parse(next(sample.fetch(symbol, DAILY))).bars
    # FRED writes a missing value as a dot.
    expected = [float(row[column]) if row[column] != "." else None for row in raw(symbol)]
    assert found["close"].to_list() == expected
    assert found["open"].null_count() == len(found)


def test_bars_close_when_the_session_does(sample):
    rows = sample.parse(next(sample.fetch("^GSPC", DAILY))).bars.select("session", "event_time")
    closes = dict(rows.rows())
    assert closes[date(2018, 12, 24)] == datetime(2018, 12, 24, 18, tzinfo=UTC)
    assert closes[date(2018, 12, 31)] == datetime(2018, 12, 31, 21, tzinfo=UTC)
    assert closes[date(2018, 7, 3)] == datetime(2018, 7, 3, 17, tzinfo=UTC)
    assert date(2018, 12, 5) not in closes


def test_when_each_series_is_known(sample):
    delays = {symbol: sample.instrument(symbol).publication_delay for symbol in sample.symbols()}
    quarter = timedelta(minutes=15)
    assert delays == {
        "DCOILWTICO": timedelta(days=7), "^GSPC": quarter, "^IXIC": quarter, "^VIX": quarter
    }  # fmt: skip
    assert sample.instrument("DCOILWTICO").may_be_negative
    assert not sample.instrument("^GSPC").may_be_negative
    assert (sample.name, sample.live, sample.simulated) == ("sample", False, False)


def test_wrong_questions_are_answered_with_what_is_right(sample):
    with pytest.raises(UnknownNameError, match=r"did you mean '\^GSPC'"):
        next(sample.fetch("GSPC", DAILY))
    with pytest.raises(UsageError, match=r"daily bars only.*asked for 1h.*source files"):
        next(sample.fetch("^GSPC", Interval("1h")))
    with pytest.raises(UsageError, match=r"unknown key 'path' in source\.sample"):
        open_source(Choice(name="sample", parameters={"path": "x"}))
    with pytest.raises(UnknownNameError, match="did you mean 'sample'"):
        open_source(Choice(name="smaple"))


def test_a_damaged_package_is_noticed(sample):
    payload = next(sample.fetch("^VIX", DAILY))
    for content in (payload.content[:100], gzip.compress(b"Date,vixx\n1/3/2014,13.76\n")):
        with pytest.raises(SourceError, match="not a gzipped CSV with the columns Date, vix"):
            sample.parse(type(payload)(**{**vars(payload), "content": content}))
    odd = gzip.compress(b"Date,vix\n1/3/2014,13.76\n1/6/2014,x\n")
    with pytest.raises(SourceError, match=r"cannot be read.*1/6/2014.*x"):
        sample.parse(type(payload)(**{**vars(payload), "content": odd}))
    with pytest.raises(SourceError, match="ships inside the package 'arch'"):
        read_sample("gold")


def test_the_heavy_package_is_not_imported():
    code = "import sys; from truecast.sources.sample.client import read_sample as r; r('vix')"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('arch' in sys.modules, 'pandas' in sys.modules)"],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.stdout.split() == ["False", "False"]


def test_the_sample_in_the_lake(sample, tmp_path: Path):
    lake = Lake(str(tmp_path))
    summaries = {symbol: lake.ingest(sample, symbol, DAILY) for symbol in sample.symbols()}
    assert {symbol: (one.added, one.quarantined) for symbol, one in summaries.items()} == {
        "^GSPC": (5031, {}),
        "^IXIC": (5031, {}),
        "^VIX": (1259, {"missing_close": 46}),
        "DCOILWTICO": (8321, {"missing_close": 290}),
    }
    vix = lake.history("sample", "^VIX", DAILY).versions
    known = dict(vix.select("session", "known_at").rows())
    assert known[date(2018, 12, 31)] == datetime(2018, 12, 31, 21, 15, tzinfo=UTC)
    # A US holiday on which the EIA has a price all the same.
    oil = lake.history("sample", "DCOILWTICO", DAILY).versions
    flagged = dict(oil.select("session", "flags").rows())
    assert flagged[date(1987, 7, 3)] == ["off_session"]
    assert flagged[date(1987, 7, 6)] == []
    assert set(vix["basis"]) == {"assumed"}


def test_a_replay_does_not_see_what_had_not_closed(sample, tmp_path: Path):
    lake = Lake(str(tmp_path))
    with frozen_at(datetime(2018, 12, 28, 20, 59, tzinfo=UTC)):
        summary = lake.ingest(sample, "^GSPC", DAILY)
    assert summary.quarantined == {"not_yet_closed": 2}
    assert lake.ingest(sample, "^GSPC", DAILY).added == 2
