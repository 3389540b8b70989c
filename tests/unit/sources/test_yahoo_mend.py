"""Yahoo's known errors, planted in made-up prices, are undone, and clean prices are left alone."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest

from truecast.core.interval import Interval
from truecast.sources.base import SourceError
from truecast.sources.yahoo import offline
from truecast.sources.yahoo.mend import mend
from truecast.sources.yahoo.rows import NUMBERS, YAHOO_ROWS

DAILY = Interval("1d")
COUNT = 400
DIVIDENDS = {60: 1.1, 150: 1.2, 240: 1.2, 330: 1.3}


def clean(dividends=DIVIDENDS, splits=None, gains=None, seed=7) -> pl.DataFrame:
    """Prices near 100 as Yahoo gives them: ex-dates cost their dividend, adj_close is exact."""
    random = np.random.default_rng(seed)
    paid, split, gain = np.zeros(COUNT), np.zeros(COUNT), np.zeros(COUNT)
    for place, value in dividends.items():
        paid[place] = value
    for place, value in (splits or {}).items():
        split[place] = value
    for place, value in (gains or {}).items():
        gain[place] = value
    close = 100 + np.cumsum(random.normal(0, 0.3, COUNT) - paid - gain)
    first = close + random.normal(0, 0.1, COUNT)
    factor = np.ones(COUNT)
    factor[1:] -= (paid + gain)[1:] / close[:-1]
    sessions = [date(2020, 1, 1) + timedelta(days=place) for place in range(COUNT)]
    rows = {
        "row": np.arange(1, COUNT + 1),
        "session": sessions,
        "event_time": [datetime.combine(day, time(21), UTC) for day in sessions],
        "open": first,
        "high": np.maximum(first, close) + 0.2,
        "low": np.minimum(first, close) - 0.2,
        "close": close,
        "adj_close": close * np.append(np.cumprod(factor[::-1])[::-1][1:], 1.0),
        "volume": np.round(random.uniform(9e5, 1.1e6, COUNT)),
        "dividend": paid,
        "split": split,
        "capital_gain": gain,
    }
    return pl.DataFrame(rows, schema=YAHOO_ROWS)


def changed(rows: pl.DataFrame, places, **factors: float) -> pl.DataFrame:
    hit = pl.col("row").is_in([place + 1 for place in places])
    return rows.with_columns(
        pl.when(hit).then(pl.col(name) * factor).otherwise(name).alias(name)
        for name, factor in factors.items()
    )


def mended(rows, **options):
    return mend(rows, **{"interval": DAILY, "zone": "-05:00", "currency": None, **options})


def assert_equal(mine, expected, part=1e-6):
    for name in NUMBERS:
        np.testing.assert_allclose(mine[name], expected[name], rtol=part, atol=1e-12, err_msg=name)


PRICES = dict.fromkeys(("open", "high", "low", "close", "adj_close"), 100.0)


@pytest.mark.parametrize(
    "rows",
    [
        clean(),
        clean(dividends={}),
        clean(splits={200: 4.0}),
        clean(dividends={}, splits={200: 1.0}),
        clean(dividends={100: 2.0, 300: 2.5}, gains={100: 3.0, 300: 3.5}),
        clean().with_columns(adj_close=pl.lit(None, dtype=pl.Float64)),
        clean().with_columns(pl.col("dividend", "split", "capital_gain").replace(0.0, None)),
        clean().clear(),
        clean().head(1),
    ],
)
def test_clean_prices_stay_as_they_are(rows):
    out, repairs = mended(rows)
    assert out.equals(rows)
    assert len(repairs) == 0


def test_a_run_of_bars_in_another_unit_is_scaled_and_each_number_noted():
    good = clean(dividends={})
    bad = changed(good, range(250), **PRICES)
    out, repairs = mended(bad)
    assert_equal(out, good)
    assert set(repairs["repair"]) == {"unit_switch"}
    counts = dict(repairs["field"].value_counts().iter_rows())
    assert counts == {"open": 250, "high": 250, "low": 250, "close": 250, "adj_close": 1}
    first = repairs.filter(field="close").row(0, named=True)
    assert first["original"] == bad["close"][0]
    assert first["repaired"] == pytest.approx(good["close"][0])
    run = repairs.filter(field="adj_close").row(0, named=True)
    assert (run["row"], run["detail"]) == (250, "250 bars since 2020-01-01, times 0.01")


@pytest.mark.parametrize(("count", "bad"), [(400, 1), (400, 12), (15, 1), (15, 3), (15, 12)])
@pytest.mark.parametrize("dividends", [{}, {5: 0.5, 200: 0.5}])
def test_some_bad_bars_at_the_end_do_not_turn_those_before_them(count, bad, dividends):
    """What came before is read the same whether the document is long or short."""
    good = clean(dividends=dividends).head(count)
    out, _ = mended(changed(good, range(count - bad, count), **PRICES))
    for name in ("open", "high", "low", "close", "volume", "dividend"):
        np.testing.assert_array_equal(out[name][: count - bad], good[name][: count - bad], name)


def test_single_prices_in_another_unit_are_scaled_where_the_bar_allows_it():
    good = clean()
    bad = changed(changed(good, [100], close=100.0, adj_close=100.0), [200], low=0.01)
    bad = changed(bad, [300], high=100.0)
    out, repairs = mended(bad)
    assert_equal(out, good)
    assert repairs.select("row", "field", "repair").rows() == [
        (101, "adj_close", "unit_mixup"),
        (101, "close", "unit_mixup"),
        (201, "low", "unit_mixup"),
        (301, "high", "unit_mixup"),
    ]


def test_units_that_go_back_and_forth_among_dividends_are_left_to_the_reader():
    bad = changed(changed(clean(), range(100, 130), **PRICES), range(200, 240), **PRICES)
    out, repairs = mended(bad)
    assert out.select("open", "high", "low", "close").equals(
        bad.select("open", "high", "low", "close")
    )
    assert "unit_switch" not in set(repairs["repair"])


def test_a_split_that_was_not_applied_is_applied():
    good = clean(dividends={}, splits={200: 4.0})
    bad = changed(good, range(200), **{**dict.fromkeys(PRICES, 4.0), "volume": 0.25})
    out, repairs = mended(bad)
    assert_equal(out, good, part=1e-5)
    assert set(repairs["repair"]) == {"bad_split"}
    assert set(repairs["field"]) == {"open", "high", "low", "close", "adj_close", "volume"}


def test_the_first_of_several_splits_that_was_not_applied_is_applied(caplog):
    good = clean(dividends={}, splits={200: 4.0, 300: 2.0})
    bad = changed(good, range(190, 200), open=4, high=4, low=4, close=4, adj_close=4)
    out, repairs = mended(bad)
    assert not caplog.text
    assert set(repairs["repair"]) == {"bad_split"}
    for name in ("open", "high", "low", "close"):
        np.testing.assert_allclose(out[name], good[name], rtol=1e-6)


def test_a_dividend_a_hundred_times_too_big_is_scaled():
    good = clean()
    out, repairs = mended(changed(good, DIVIDENDS, dividend=100.0))
    assert_equal(out, good)
    assert repairs.select("field", "repair").unique().rows() == [("dividend", "bad_dividend")]


def test_dividends_in_pounds_beside_prices_in_pence_are_brought_to_pence():
    good = clean()
    bad = changed(good, DIVIDENDS, dividend=0.01)
    out, repairs = mended(bad)
    assert_equal(out, good)
    assert set(repairs["repair"]) == {"dividend_unit"}
    # Adjusted by the dividend in the wrong unit, only the currency tells.
    wrong = bad.with_columns(
        adj_close=clean(dividends=dict.fromkeys(DIVIDENDS, 0.012))["adj_close"] / 1
    )
    assert set(mended(wrong, currency="GBp")[1]["repair"]) >= {"dividend_unit"}


def test_an_adjustment_that_forgot_a_dividend_is_made():
    good = clean()
    forgotten = good["adj_close"].to_numpy().copy()
    forgotten[:240] /= 1 - 1.2 / good["close"][239]
    out, repairs = mended(good.with_columns(adj_close=pl.Series(forgotten)))
    assert_equal(out, good)
    assert repairs.select("field", "repair").rows() == [("adj_close", "dividend_adjustment")]


def test_a_dividend_that_is_there_twice_is_taken_out():
    good = clean()
    twice = good["dividend"].to_numpy().copy()
    twice[245] = 1.2
    adjusted = good["adj_close"].to_numpy().copy()
    adjusted[:245] *= 1 - 1.2 / good["close"][244]
    out, repairs = mended(
        good.with_columns(dividend=pl.Series(twice), adj_close=pl.Series(adjusted))
    )
    assert_equal(out, good)
    phantom = repairs.filter(field="dividend").row(0, named=True)
    assert (phantom["row"], phantom["original"], phantom["repaired"]) == (246, 1.2, 0.0)
    assert phantom["repair"] == "phantom_dividend"


def test_a_capital_gain_that_is_counted_in_the_dividend_too_is_counted_once():
    good = clean(dividends={100: 2.0, 300: 2.5}, gains={100: 6.0, 300: 7.0})
    total = (good["dividend"] + good["capital_gain"]).to_numpy()
    adjusted = np.ones(COUNT)
    adjusted[1:] -= (total + good["capital_gain"].to_numpy())[1:] / good["close"].to_numpy()[:-1]
    factor = np.append(np.cumprod(adjusted[::-1])[::-1][1:], 1.0)
    bad = good.with_columns(dividend=pl.Series(total), adj_close=good["close"] * pl.Series(factor))
    out, repairs = mended(bad)
    assert_equal(out, good)
    assert set(repairs["repair"]) == {"capital_gain_double_count"}


def test_the_order_of_rows_and_repeats_of_them_make_no_difference():
    good = clean(dividends={})
    bad = changed(good, range(250), **PRICES)
    expected, repairs = mended(bad)
    shuffled = pl.concat([bad, bad.sample(40, seed=1)]).sample(fraction=1, shuffle=True, seed=2)
    out, again = mended(shuffled)
    assert out["row"].equals(shuffled["row"])
    assert out.unique().sort("row").equals(expected)
    assert again.equals(repairs)


def test_a_row_without_a_time_or_prices_stays_where_it_is():
    bad = changed(clean(dividends={}), range(250), **PRICES)
    holed = bad.with_columns(
        event_time=pl.when(pl.col("row") == 3).then(None).otherwise("event_time"),
        close=pl.when(pl.col("row") == 9).then(None).otherwise("close"),
    )
    out, _ = mended(holed)
    assert out.row(2) == holed.row(2)
    assert out["close"][8] is None
    assert out["close"][7] == pytest.approx(bad["close"][7] / 100)


def test_intraday_dividends_are_not_judged():
    rows = changed(clean(), DIVIDENDS, dividend=100.0)
    out, repairs = mended(rows, interval=Interval("1h"))
    assert out.equals(rows)
    assert len(repairs) == 0


def test_a_library_without_a_rule_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(offline, "METHODS", (*offline.METHODS, "_fix_everything"))
    offline._offline_history.cache_clear()
    with pytest.raises(SourceError, match=r"yfinance [\d.]+ has no _fix_everything"):
        mended(clean())
    monkeypatch.undo()
    offline._offline_history.cache_clear()
    assert len(mended(clean())[1]) == 0


def test_a_rule_that_fails_leaves_the_table_and_says_so(monkeypatch, caplog):
    def broken(*_):
        raise IndexError("out of bounds")

    monkeypatch.setattr(offline._offline_history(), "_fix_bad_div_adjust", broken)
    rows = changed(clean(), DIVIDENDS, dividend=100.0)
    out, repairs = mended(rows)
    assert out.equals(rows)
    assert len(repairs) == 0
    assert "_fix_bad_div_adjust failed on 400 rows" in caplog.text


def test_nothing_is_asked_of_the_network():
    history = offline._offline_history()(None, "", "UTC", session=object())
    with pytest.raises(SourceError, match="asked for more"):
        history.history(period="1mo")
