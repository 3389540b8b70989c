"""Real files with real defects, each by its outcome; TRUECAST_REALDATA names the folder."""

import os
from datetime import date
from pathlib import Path

import pytest

from truecast.core.interval import Interval
from truecast.pipelines.inspect import Inspection, inspect
from truecast.sources.files.source import open_files

FOLDER = os.environ.get("TRUECAST_REALDATA")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(FOLDER is None, reason="TRUECAST_REALDATA names no folder"),
]
DIRTY = Path(FOLDER or "") / "dirty"
ARCHIVE = "yfinance_bad_vs_fixed_a.tar.gz"

#: Each plain file: outcome, rows, bars, rows kept out, numbers repaired.
PLAIN = {
    "btc_bitstamp_ticks.csv.gz": ("refused", 0, 0, {}, {}),
    "csv_named.parquet": ("refused", 0, 0, {}, {}),
    "eurostoxx_min5_2006.csv.gz": ("flagged", 2142, 2142, {}, {}),
    "eurusd_5m_mixed_schema.csv.gz": ("refused", 0, 0, {}, {}),
    "eurusd_d1_scaled_1e5.csv.gz": ("clean", 2400, 2400, {}, {}),
    "eurusd_m1_ninjatrader.csv.gz": ("flagged", 22565, 22565, {}, {}),
    "eurusd_m1_quoted_tabs.csv.gz": ("flagged", 49993, 49993, {}, {}),
    "gbpusd_1m_bom_price_only.csv.gz": ("flagged", 29698, 29698, {}, {}),
    "gspc_open_zero.csv.gz": ("repaired", 12831, 12831, {}, {"zero_price": 2827}),
    "ibm_yf_two_header_lines.csv.gz": ("clean", 16098, 16098, {}, {}),
    "ibovespa_pt_2023_2025.csv.gz": ("clean", 502, 502, {}, {}),
    "spy_1m_descending_2019.csv.gz": ("flagged", 1950, 1950, {}, {}),
    "spy_nt_minute_2011_01.csv.gz": ("flagged", 14180, 14180, {}, {}),
    "wti_negative.csv.gz": ("quarantined", 9571, 9570, {"not_positive": 1}, {}),
    "yhoo_1996_2014.csv.gz": ("clean", 4713, 4713, {}, {}),
}
#: Each file of the archive: rows, bars, rows kept out, the rules that repaired it.
TABLES = {
    "1398-HK-1d-bad-div": (648, 647, {"missing_close": 1}, {"dividend_adjustment"}),
    "4063-T-1d-bad-div": (667, 667, {}, {"dividend_adjustment", "bad_dividend"}),
    "4063-T-1d-bad-stock-split": (22, 22, {}, {"bad_split"}),
    "ABDP-L-1d-bad-div": (665, 665, {}, {"bad_dividend"}),
    "AET-L-1d-100x-error": (23, 23, {}, {"unit_switch"}),
    "ASAI-L-1h-bad-unit": (20, 20, {}, {"unit_switch"}),
    "CALM-1d-no-bad-divs": (662, 662, {}, set()),
    "CNE-L-1d-bad-stock-split": (10, 10, {}, {"bad_split"}),
    "DODFX-1d-cg-double-count": (502, 502, {}, {"capital_gain_double_count"}),
    "ELCO-L-1d-bad-div": (665, 665, {}, {"bad_dividend"}),
    "HSBK-IL-1d-no-bad-divs": (665, 665, {}, set()),
    "JENYX-1d-cg-double-count": (1256, 1256, {}, {"capital_gain_double_count"}),
    "KEN-TA-1d-bad-div": (
        651, 650, {"missing_close": 1},
        {"dividend_adjustment", "phantom_dividend"},
    ),
    "KMR-L-1d-no-bad-divs": (665, 665, {}, set()),
    "LSC-L-1d-bad-div": (
        670, 670, {}, {"dividend_adjustment", "bad_dividend"}
    ),
    "NVT-L-1d-bad-div": (
        725, 725, {}, {"dividend_adjustment", "bad_dividend"}
    ),
    "REL-L-1d-bad-div": (
        665, 664, {"missing_close": 1},
        {"dividend_adjustment", "bad_dividend"},
    ),
    "SAND-1d-bad-div": (662, 662, {}, {"dividend_adjustment", "phantom_dividend"}),
    "SERE-L-1d-bad-div": (665, 665, {}, {"dividend_adjustment"}),
    "SSNLF-1d-bad-div": (6259, 6017, {"missing_close": 242}, {"dividend_adjustment"}),
    "TEM-L-1d-bad-div": (665, 665, {}, {"dividend_adjustment", "phantom_dividend"}),
    "TEP-PA-1d-bad-div": (
        677, 677, {}, {"dividend_adjustment", "phantom_dividend"}
    ),
    "VWILX-1d-cg-double-count": (502, 502, {}, {"capital_gain_double_count"}),
}  # fmt: skip
#: Rows of thin shares whose open and close are middle prices and lie outside what was traded.
OUTSIDE = {
    "ABDP-L-1d-bad-div": 44,
    "ELCO-L-1d-bad-div": 309,
    "KEN-TA-1d-bad-div": 4,
    "KMR-L-1d-no-bad-divs": 2,
    "LSC-L-1d-bad-div": 109,
    "NVT-L-1d-bad-div": 248,
    "REL-L-1d-bad-div": 1,
    "SERE-L-1d-bad-div": 19,
    "TEP-PA-1d-bad-div": 1,
}
#: First and last row as they stand in the file: interval, options, then stamp, close, volume.
ENDS = {
    "eurostoxx_min5_2006.csv.gz": ("5m", {}, ("2006-01-02T09:05", 3582.99, 0.0),
                                   ("2006-01-30T17:30", 3677.52, 0.0)),
    "eurusd_5m_mixed_schema.csv.gz": ("5m", {"timezone": "UTC"},
                                      ("2026-02-02T19:00", 1.178133845329285, 0.0),
                                      ("2026-06-05T21:25", 1.1527377367019653, 0.0)),
    "eurusd_d1_scaled_1e5.csv.gz": ("1d", {"scale": 1e-5, "calendar": "FX"},
                                    ("2012-12-04T22:00", 1.30935, 55870.0),
                                    ("2022-03-04T22:00", 1.09305, 129366.0)),
    "eurusd_m1_ninjatrader.csv.gz": ("1m", {"timezone": "Etc/GMT+5"},
                                     ("2020-05-01T05:00", 1.09448, 0.0),
                                     ("2020-05-22T21:58", 1.08997, 0.0)),
    "eurusd_m1_quoted_tabs.csv.gz": ("1m", {}, ("2022-01-04T18:00", 1.12838, 24.0),
                                     ("2022-02-22T15:25", 1.13265, 41.0)),
    "gbpusd_1m_bom_price_only.csv.gz": ("1m", {}, ("2018-06-01T00:00", 1.326255, None),
                                        ("2018-06-29T16:58", 1.3204625, None)),
    "gspc_open_zero.csv.gz": ("1d", {}, ("1971-02-05T21:00", 96.93, 20480000.0),
                              ("2021-12-17T21:00", 4620.640137, 5609780000.0)),
    "ibm_yf_two_header_lines.csv.gz": ("1d", {}, ("1962-01-02T21:00", 1.463669776916504, 407940.0),
                                       ("2025-12-16T21:00", 303.17999267578125, 3366000.0)),
    "ibovespa_pt_2023_2025.csv.gz": ("1d", {}, ("2025-07-04T17:00", 141264.0, 3.31e9),
                                     ("2023-06-30T20:00", 118087.0, 13.82e6)),
    "spy_1m_descending_2019.csv.gz": ("1m", {"timezone": "America/New_York"},
                                      ("2019-02-15T21:00", 277.39, 2689895.0),
                                      ("2019-02-11T14:31", 271.34, 1488804.0)),
    "spy_nt_minute_2011_01.csv.gz": ("1m", {}, ("2011-01-03T09:01", 126.39, 1579.0),
                                     ("2011-02-01T01:00", 128.83, 2415.0)),
    "wti_negative.csv.gz": ("1d", {}, ("1986-01-02T21:00", 25.56, None),
                            ("2023-12-29T21:00", 71.89, None)),
    "yhoo_1996_2014.csv.gz": ("1d", {}, ("1996-04-12T20:00", 1.375, 408720000.0),
                              ("2014-12-31T21:00", 50.509998, 9305000.0)),
}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> dict[str, Inspection]:
    return {one.file.removeprefix(f"{DIRTY}/"): one for one in inspect([DIRTY])}


def test_every_file_has_the_outcome_that_it_should(found):
    plain = {name: one for name, one in found.items() if "/" not in name}
    assert {
        name: (one.outcome, one.rows, one.bars, one.quarantined, one.repaired)
        for name, one in plain.items()
        if name in PLAIN
    } == PLAIN
    tables = {
        name.removeprefix(f"{ARCHIVE}/").removesuffix(".csv"): one
        for name, one in found.items()
        if name.startswith(ARCHIVE)
    }
    assert {
        name: (one.rows, one.bars, one.quarantined, set(one.repaired))
        for name, one in tables.items()
    } == TABLES
    for name, one in tables.items():
        rules, kept_out = TABLES[name][3], TABLES[name][2]
        odd = "flagged" if one.flags else "clean"
        assert one.outcome == ("quarantined" if kept_out else "repaired" if rules else odd), name
        assert one.flags.get("outside_range", 0) == OUTSIDE.get(name, 0), name


def test_repaired_tables_equal_their_fixed_versions(found):
    pairs = {name: one.pair for name, one in found.items() if one.pair is not None}
    assert len(pairs) == 20
    assert {name: pair.differences for name, pair in pairs.items() if not pair.equal} == {}


def test_refusals_say_where_and_what_to_do(found):
    for name, message in {
        "btc_bitstamp_ticks.csv.gz": "say ticks: true",
        "csv_named.parquet": "expected Parquet, as the name says; found a file that begins",
        "eurusd_5m_mixed_schema.csv.gz": "line 20296: expected an offset from UTC on every time",
    }.items():
        assert message in found[name].error
        assert name in found[name].error
    assert "timezone: UTC" in found["eurusd_5m_mixed_schema.csv.gz"].error


def test_notes_say_what_was_detected_and_what_may_be_said(found):
    for name, note in {
        "eurusd_d1_scaled_1e5.csv.gz": "say by how much, such as scale: 1e-5",
        "eurusd_m1_quoted_tabs.csv.gz": "whole lines are quoted",
        "gbpusd_1m_bom_price_only.csv.gz": "it begins with a byte order mark",
        "ibm_yf_two_header_lines.csv.gz": "line 2 is a header too: it names IBM",
        "ibovespa_pt_2023_2025.csv.gz": "dates are read as day/month/year: line 6 has 30.06.2025",
        "spy_1m_descending_2019.csv.gz": "say timezone=, such as timezone=America/New_York",
        "wti_negative.csv.gz": "say may_be_negative=true",
    }.items():
        assert note in " / ".join(found[name].notes), name


@pytest.mark.parametrize("name", ENDS)
def test_the_first_and_the_last_row_are_those_of_the_file(name):
    interval, options, first, last = ENDS[name]
    source = open_files({"path": str(DIRTY / name), **options})
    rows = source.parse(next(source.fetch("X", Interval(interval)))).bars
    stamps = rows["event_time"].dt.strftime("%Y-%m-%dT%H:%M")
    for place, (stamp, close, volume) in ((0, first), (-1, last)):
        assert (rows["close"][place], rows["volume"][place]) == (pytest.approx(close), volume)
        if not name.startswith("ibovespa"):  # the default calendar is not that of São Paulo
            assert stamps[place] == stamp
    if name.startswith("ibovespa"):
        assert (rows["session"][0], rows["session"][-1]) == (date(2025, 7, 4), date(2023, 6, 30))


def test_what_a_refusal_says_to_say_is_enough():
    mixed, ticks = DIRTY / "eurusd_5m_mixed_schema.csv.gz", DIRTY / "btc_bitstamp_ticks.csv.gz"
    (one,) = inspect([mixed], {"timezone": "UTC"})
    assert (one.outcome, one.rows, one.quarantined) == ("flagged", 32822, {})
    assert (one.bars, one.duplicates) == (32822 - 9414, 9414)
    (one,) = inspect([ticks], {"ticks": True}, Interval("1h"))
    assert (one.outcome, one.bars, one.calendar) == ("clean", 1598, "24/7")
    (one,) = inspect([DIRTY / "wti_negative.csv.gz"], {"may_be_negative": True})
    assert (one.outcome, one.bars) == ("flagged", 9571)
