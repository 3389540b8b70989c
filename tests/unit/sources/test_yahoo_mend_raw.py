"""Raw prices and actions give Yahoo's numbers back."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truecast.core.bars import PARSED_ACTIONS, PARSED_BARS, PRICES
from truecast.sources.yahoo.raw import to_raw
from truecast.sources.yahoo.rows import YAHOO_ROWS

START = date(2020, 1, 1)
SPLITS = [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 7.0, 0.1, 1.5]


def rows(closes, splits=None, dividends=None, gains=None) -> pl.DataFrame:
    """Yahoo's rows, all prices of a bar alike, with an exact adj_close."""
    count = len(closes)
    splits, dividends, gains = (part or [0.0] * count for part in (splits, dividends, gains))
    paid = np.add(dividends, gains)
    factor = np.append(1 - paid[1:] / np.array(closes)[:-1], 1.0)
    sessions = [START + timedelta(days=place) for place in range(count)]
    return pl.DataFrame(
        {
            "row": range(1, count + 1),
            "session": sessions,
            "event_time": [datetime.combine(day, time(21), UTC) for day in sessions],
            **dict.fromkeys(PRICES, closes),
            "adj_close": closes * np.cumprod(factor[::-1])[::-1],
            "volume": [1000.0] * count,
            "dividend": dividends,
            "split": splits,
            "capital_gain": gains,
        },
        schema=YAHOO_ROWS,
    )


def test_later_splits_are_undone():
    bars, actions = to_raw(
        rows([10.0, 11.0, 12.0, 13.0], [0, 4.0, 0, 0.5], [0, 0.1, 0.2, 0.3], [0, 0, 0.4, 0])
    )
    assert list(bars.schema.items()) == list(PARSED_BARS.items())
    assert list(actions.schema.items()) == list(PARSED_ACTIONS.items())
    # Before both splits, before the second, before the second, after both.
    assert bars["close"].to_list() == [20.0, 5.5, 6.0, 13.0]
    assert bars["volume"].to_list() == [500.0, 2000.0, 2000.0, 1000.0]
    assert actions.select("session", "kind", "value", "row").rows() == [
        (date(2020, 1, 2), "dividend", 0.05, 2),
        (date(2020, 1, 2), "split", 4.0, 2),
        (date(2020, 1, 3), "capital_gain", 0.2, 3),
        (date(2020, 1, 3), "dividend", 0.1, 3),
        (date(2020, 1, 4), "dividend", 0.3, 4),
        (date(2020, 1, 4), "split", 0.5, 4),
    ]


def test_a_missing_action_is_none():
    table = rows([10.0, 11.0]).with_columns(
        pl.lit(None, dtype=pl.Float64).alias(name) for name in ("dividend", "split")
    )
    bars, actions = to_raw(table)
    assert bars["close"].to_list() == [10.0, 11.0]
    assert actions.is_empty()
    assert to_raw(table.clear())[0].is_empty()


def test_an_hourly_split_counts_for_its_whole_session():
    hours = rows([8.0, 8.0, 2.0, 2.0], [0, 0, 0, 4.0]).with_columns(
        session=pl.Series([START, START, START + timedelta(days=1), START + timedelta(days=1)])
    )
    bars, actions = to_raw(hours)
    assert bars["close"].to_list() == [32.0, 32.0, 2.0, 2.0]
    assert actions["value"].to_list() == [4.0]


@given(
    st.lists(
        st.tuples(
            st.floats(1, 1000), st.sampled_from(SPLITS), st.sampled_from([0.0, 0.0, 0.01, 0.05]),
            st.sampled_from([0.0, 0.0, 0.0, 0.02]),
        ),
        min_size=1,
        max_size=30,
    ),
    st.randoms(),
)  # fmt: skip
def test_adjusting_raw_prices_by_the_actions_gives_yahoos_numbers(parts, random):
    closes = [part[0] for part in parts]
    before = [closes[0], *closes[:-1]]
    table = rows(
        closes,
        [part[1] for part in parts],
        [part[2] * last for part, last in zip(parts, before, strict=True)],
        [part[3] * last for part, last in zip(parts, before, strict=True)],
    )
    order = list(range(len(table)))
    random.shuffle(order)
    bars, actions = to_raw(table[order])
    assert bars["row"].to_list() == [place + 1 for place in order]
    bars = bars.sort("event_time")
    by_session = {
        (day, kind): value for day, kind, value in actions.select("session", "kind", "value").rows()
    }
    split, total = 1.0, 1.0
    adjusted, volumes, adj_closes = [], [], []
    for place in reversed(range(len(bars))):
        day, close, volume = bars.select("session", "close", "volume").row(place)
        adjusted.append(close / split)
        volumes.append(volume * split)
        adj_closes.append(close / split * total)
        ratio = by_session.get((day, "split"), 1.0)
        paid = by_session.get((day, "dividend"), 0.0) + by_session.get((day, "capital_gain"), 0.0)
        if place:
            total *= 1 - paid * ratio / bars["close"][place - 1]
        split *= ratio
    assert adjusted[::-1] == pytest.approx(closes, rel=1e-9)
    assert volumes[::-1] == pytest.approx([1000.0] * len(bars), rel=1e-9)
    assert adj_closes[::-1] == pytest.approx(table["adj_close"].to_list(), rel=1e-9)
