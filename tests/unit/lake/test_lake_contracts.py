"""What a bar must be to enter silver."""

import math
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from truecast.core.bars import PARSED_BARS, PARSED_REPAIRS
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.contracts import check_bars, without_false_ranges

DAY = date(2020, 1, 6)
CLOSE = datetime(2020, 1, 6, 21, tzinfo=UTC)
RECEIVED = datetime(2020, 1, 8, tzinfo=UTC)
INDEX = Instrument("^X", "XNYS", timedelta(minutes=15))
OIL = Instrument("CL", "XNYS", timedelta(days=7), may_be_negative=True)
GOOD = {
    "session": DAY,
    "event_time": CLOSE,
    "open": 10.0,
    "high": 12.0,
    "low": 9.0,
    "close": 11.0,
    "volume": 100.0,
}  # fmt: skip
LATER = {"session": date(2020, 1, 7), "event_time": CLOSE + timedelta(days=1)}
QUOTES = {
    "bid_open": 1.0, "bid_high": 1.2, "bid_low": 0.9, "bid_close": 1.1, "bid_size": 5.0,
    "ask_open": 1.1, "ask_high": 1.3, "ask_low": 1.0, "ask_close": 1.2, "ask_size": 5.0,
}  # fmt: skip


def check(*changes: dict, instrument: Instrument = INDEX, interval: str = "1d"):
    rows = [{"row": place, **GOOD, **change} for place, change in enumerate(changes, start=1)]
    frame = pl.DataFrame(rows, schema=PARSED_BARS)
    return check_bars(frame, instrument, Interval(interval), RECEIVED)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event_time": None}, "unreadable"),
        ({"session": None}, "unreadable"),
        ({"close": None}, "missing_close"),
        ({"close": math.nan}, "not_finite"),
        ({"high": math.inf}, "not_finite"),
        ({"volume": math.nan}, "not_finite"),
        ({"volume": -math.inf}, "not_finite"),
        ({**QUOTES, "ask_high": math.inf}, "not_finite"),
        ({"close": 0.0, "low": 0.0}, "not_positive"),
        ({"low": -1.0}, "not_positive"),
        ({"close": -11.0}, "not_positive"),
        ({**QUOTES, "bid_low": 0.0}, "not_positive"),
        ({"high": 8.0}, "inconsistent_ohlc"),
        ({"open": 15.1}, "inconsistent_ohlc"),
        ({"close": 5.9, "open": None}, "inconsistent_ohlc"),
        ({**QUOTES, "ask_close": 1.7}, "inconsistent_ohlc"),
        ({**QUOTES, "bid_high": 0.8}, "inconsistent_ohlc"),
        ({"volume": -1.0}, "negative_volume"),
        ({**QUOTES, "ask_size": -1.0}, "negative_volume"),
        ({"session": date(2020, 1, 8), "event_time": CLOSE + timedelta(days=2)}, "not_yet_closed"),
        ({"known_at": CLOSE - timedelta(seconds=1)}, "known_before_close"),
        # The first that fails names the reason.
        ({"close": None, "volume": -1.0}, "missing_close"),
        ({"close": math.nan, "open": 0.0}, "not_finite"),
        ({"open": -1.0, "volume": -1.0}, "not_positive"),
    ],
)
def test_a_bad_row_is_kept_out_with_its_reason(change, reason):
    checked = check(change)
    assert checked.quarantined["reason"].to_list() == [reason]
    assert len(checked.bars) == 0
    assert checked.quarantined["detail"][0]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"close": 12.0 * (1 + 1e-10)},
        {"open": None, "high": None, "low": None, "volume": None},
        {"open": 11.0, "high": 11.0, "low": 11.0},
        {"volume": 0.0},
        {"event_time": RECEIVED},
        {"known_at": CLOSE},
        QUOTES,
    ],
)
def test_a_good_row_passes_unchanged(change):
    checked = check(change)
    assert checked.bars.row(0, named=True) == {
        **dict.fromkeys(PARSED_BARS), "row": 1, **GOOD, **change, "flags": []
    }  # fmt: skip
    assert len(checked.quarantined) == 0


def test_a_price_below_zero_is_legal_where_the_instrument_says_so():
    change = {"open": -14.0, "high": 13.7, "low": -40.3, "close": -37.6}
    assert check(change, instrument=OIL).bars["close"].to_list() == [-37.6]
    assert check({**change, "close": -51.0}, instrument=OIL).quarantined["reason"].to_list() == [
        "inconsistent_ohlc"
    ]


@pytest.mark.parametrize(
    ("change", "side"),
    [
        ({"open": 12.1}, ""),
        ({"open": 8.9}, ""),
        ({"close": 12.0 * (1 + 1e-5)}, ""),
        ({"close": 8.5, "open": None}, ""),
        ({**QUOTES, "ask_close": 1.4}, "ask_"),
        ({**QUOTES, "bid_open": 0.8}, "bid_"),
    ],
)
def test_a_range_that_does_not_hold_open_and_close_is_flagged_and_may_be_made_missing(change, side):
    checked = check({}, {**change, **LATER})
    row = {**dict.fromkeys(PARSED_BARS), "row": 2, **GOOD, **change, **LATER}
    assert checked.bars.row(1, named=True) == {**row, "flags": ["outside_range"]}
    assert len(checked.quarantined) == len(checked.repairs) == 0
    missing = {side + "high": None, side + "low": None, "flags": ["outside_range"]}
    assert without_false_ranges(checked.bars).row(1, named=True) == {**row, **missing}
    assert without_false_ranges(checked.bars).row(0) == checked.bars.row(0)


@pytest.mark.parametrize("missing", [["open"], ["high"], ["low"], ["high", "low", "open"]])
def test_a_zero_beside_a_good_close_becomes_missing_and_is_written_down(missing):
    checked = check({}, {**dict.fromkeys(missing, 0.0), **LATER})
    assert checked.bars.row(1, named=True) == {
        **dict.fromkeys(PARSED_BARS), "row": 2, **GOOD, **LATER, **dict.fromkeys(missing),
        "flags": [],
    }  # fmt: skip
    assert checked.repairs.rows(named=True) == [
        {
            "row": 2,
            **LATER,
            "field": name,
            "original": 0.0,
            "repaired": None,
            "repair": "zero_price",
            "detail": "beside a good close",
        }
        for name in missing
    ]
    assert list(checked.repairs.schema.items()) == list(PARSED_REPAIRS.items())


def test_what_is_kept_out_keeps_its_zeros():
    broken = check({"open": 0.0, "volume": -1.0})
    assert broken.quarantined.select("open", "reason").rows() == [(0.0, "negative_volume")]
    disputed = check({"open": 0.0}, {"open": 0.0, "close": 11.5})
    assert disputed.quarantined["open"].to_list() == [0.0, 0.0]
    assert (len(broken.repairs), len(disputed.repairs)) == (0, 0)


def test_a_zero_is_a_price_where_prices_may_be_negative():
    checked = check({"low": 0.0}, instrument=OIL)
    assert checked.bars["low"].to_list() == [0.0]
    assert len(checked.repairs) == 0


def test_a_repeat_with_a_zero_for_none_is_the_same_row():
    checked = check({"open": 0.0}, {"open": None})
    assert checked.bars["open"].to_list() == [None]
    assert checked.duplicates == 1


def test_rows_that_contradict_each_other_are_all_kept_out():
    checked = check(
        {},
        {"close": 11.5},
        {},
        {"session": date(2020, 1, 7), "event_time": CLOSE + timedelta(days=1)},
    )
    assert checked.quarantined.select("row", "reason").rows() == [
        (1, "conflicting_duplicate"), (2, "conflicting_duplicate"), (3, "conflicting_duplicate")
    ]  # fmt: skip
    assert checked.bars["row"].to_list() == [4]
    assert checked.duplicates == 0


def test_exact_repeats_are_one_row():
    checked = check(
        {},
        {},
        {"volume": None, "session": date(2020, 1, 7), "event_time": CLOSE + timedelta(hours=24)},
    )
    assert checked.bars["session"].to_list() == [DAY, date(2020, 1, 7)]
    assert (checked.duplicates, len(checked.quarantined)) == (1, 0)


def test_a_broken_repeat_does_not_condemn_the_good_row():
    checked = check({}, {"close": None})
    assert checked.bars["row"].to_list() == [1]
    assert checked.quarantined.select("row", "reason").rows() == [(2, "missing_close")]


def test_vintages_of_one_bar_are_no_contradiction():
    checked = check({"known_at": CLOSE}, {"known_at": CLOSE + timedelta(days=1), "close": 11.5})
    assert checked.bars["close"].to_list() == [11.0, 11.5]
    twice = check({"known_at": CLOSE}, {"known_at": CLOSE, "close": 11.5})
    assert len(twice.quarantined) == 2


def test_what_is_odd_but_may_be_true_is_flagged():
    rounded = {"close": 12.0 * (1 + 1e-7), **LATER}
    assert check(rounded).bars["flags"].to_list() == [["rounded_ohlc"]]
    sunday = {"session": date(2020, 1, 5), "event_time": CLOSE - timedelta(days=1)}
    crossed = {**QUOTES, "bid_close": 1.2, "ask_close": 1.1}
    checked = check(sunday, crossed)
    assert checked.bars["flags"].to_list() == [["off_session"], ["crossed_quotes"]]
    early = {"event_time": datetime(2020, 1, 6, 13, tzinfo=UTC)}
    assert check(early, {}, interval="1m").bars["flags"].to_list() == [["off_session"], []]


def test_no_rows():
    checked = check()
    assert (len(checked.bars), len(checked.quarantined), checked.duplicates) == (0, 0, 0)
    assert len(checked.repairs) == 0
