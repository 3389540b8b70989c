"""What every source promises, checked on each one that can be opened."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from truecast.core import clock
from truecast.core.bars import PARSED_BARS
from truecast.core.calendars import get_calendar
from truecast.core.hashing import sha256_of
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.core.recipe_parts import Choice
from truecast.lake.lake import Lake
from truecast.sources.api.options import ApiOptions
from truecast.sources.api.source import ApiSource
from truecast.sources.catalog import SOURCES, open_source
from vendors.candles import Oanda
from vendors.charts import Yahoo, chart

DAILY = Interval("1d")


NOW = datetime(2018, 12, 28, 22, tzinfo=UTC)
#: Sources that ask a vendor: the vendor's stand-in and how they are opened.
VENDORS = {
    "oanda": (
        lambda: Oanda([NOW - timedelta(days=n) for n in (3, 2, 1)], timedelta(days=1), NOW),
        {"symbols": ["EUR_USD", "XAU_USD"], "start": "2018-12-20"},
    ),
    "yahoo": (
        lambda: Yahoo(chart(["2018-12-27T14:30", "2018-12-28T14:30"], [100.0, 101.0])),
        {"symbols": ["AAPL", "^GSPC"]},
    ),
}


class Posted(ApiSource):
    """What is pushed has nothing to fetch: here it hands over what was posted."""

    def fetch(self, symbol, interval, since=None):
        bars = [{"timestamp": "2018-12-27", "close": 100}, {"timestamp": "2018-12-28", "close": 99}]
        yield self.posted(symbol, interval, bars)


@pytest.fixture(params=sorted(SOURCES))
def source(request, tmp_path: Path, monkeypatch):
    options = {}
    if request.param in VENDORS:
        vendor = request.getfixturevalue("vendor")
        respond, options = VENDORS[request.param]
        vendor.respond, options = respond(), {**options, "base_url": vendor.url}
        monkeypatch.setenv("TRUECAST_OANDA_TOKEN", "made-up")
        with clock.frozen_at(NOW):
            yield open_source(Choice(name=request.param, parameters=options))
        return
    if request.param == "api":
        yield Posted(ApiOptions(instruments=("A", "B")))
        return
    if request.param == "files":
        text = "symbol,date,close\nA,2018-12-24,1\nB,2018-12-24,2\nA,2018-12-26,\n"
        (tmp_path / "prices.csv").write_text(text)
        options = {"path": str(tmp_path / "prices.csv")}
    if request.param == "simulated":
        options = {"instruments": 2, "start": "2018-12-03", "end": "2018-12-31"}
    yield open_source(Choice(name=request.param, parameters=options))


def test_its_name_is_safe_in_urls_and_paths(source):
    assert re.fullmatch(r"[a-z0-9._-]+", source.name)
    assert isinstance(source.live, bool)
    assert isinstance(source.simulated, bool)


def test_its_symbols_are_instruments_with_a_calendar(source):
    symbols = source.symbols()
    assert symbols
    assert list(symbols) == sorted(set(symbols))
    for symbol in symbols:
        instrument = source.instrument(symbol)
        assert instrument.symbol == symbol
        assert get_calendar(instrument.calendar).name == instrument.calendar
        assert instrument.publication_delay.total_seconds() >= 0


def test_an_unknown_symbol_is_named(source):
    with pytest.raises(UnknownNameError, match="no-such-symbol"):
        source.instrument("no-such-symbol")


def test_a_payload_says_what_it_is(source):
    before = clock.now()
    payload = next(source.fetch(source.symbols()[0], DAILY))
    assert (payload.source, payload.symbol) == (source.name, source.symbols()[0])
    assert payload.interval == "1d"
    assert before <= payload.received_at <= clock.now()
    assert payload.content
    assert payload.request


def test_rows_have_the_columns_of_a_bar_and_say_the_same_each_time(source):
    for symbol in source.symbols():
        payload = next(source.fetch(symbol, DAILY))
        rows = source.parse(payload).bars
        assert dict(rows.schema) == PARSED_BARS
        assert rows["event_time"].null_count() == rows["session"].null_count() == 0
        assert rows["row"].is_sorted()
        assert rows["row"].n_unique() == len(rows) > 0
        assert source.parse(payload).bars.equals(rows)


def test_ingest_keeps_the_bytes_and_every_row_is_accounted_for(source, tmp_path: Path):
    lake = Lake(str(tmp_path / "lake"))
    symbol = source.symbols()[0]
    payload = next(source.fetch(symbol, DAILY))
    summary = lake.ingest(source, symbol, DAILY)
    assert summary.payloads[0] == sha256_of(payload.content)
    assert lake.bronze.read(summary.payloads[0]) == payload.content
    assert summary.received == len(source.parse(payload).bars)
    parts = summary.added + summary.revised + summary.unchanged + summary.duplicates
    assert summary.received == parts + sum(summary.quarantined.values())
    again = lake.ingest(source, symbol, DAILY)
    assert (again.added, again.revised) == (0, 0)
    assert set(lake.history(source.name, symbol, DAILY).versions["simulated"]) == {source.simulated}
