"""Versions of bars, from payloads to silver."""

import random
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from truecast.core.bars import PARSED_BARS
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.bars import STORED, Receipt, merge_bars
from truecast.lake.contracts import check_bars
from truecast.lake.schemas import SILVER_BARS

INDEX = Instrument("^X", "XNYS", timedelta(minutes=15))
DAILY = Interval("1d")
LATER = datetime(2020, 6, 1, tzinfo=UTC)
# Four sessions of one week in winter: they close at 21:00 UTC.
WEEK = [date(2020, 1, 6) + timedelta(days=day) for day in range(4)]


def closing(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 21, tzinfo=UTC)


def parsed(rows: list[dict]) -> pl.DataFrame:
    """Build rows of PARSED_BARS from session, close and what else is given."""
    full = []
    for place, row in enumerate(rows, start=1):
        event = closing(row["session"]) if "session" in row else None
        full.append({"row": place, "event_time": event, **row})
    return pl.DataFrame(full, schema=PARSED_BARS)


def receipt(received_at: datetime = LATER, *, live: bool = False, payload: str = "p") -> Receipt:
    return Receipt("test", DAILY, INDEX, payload, received_at, simulated=False, live=live)


def silver(*batches: tuple[list[dict], datetime], live: bool = False) -> pl.DataFrame:
    """Merge batches one after the other and return all versions."""
    versions = pl.DataFrame(schema=SILVER_BARS)
    for rows, received_at in batches:
        checked = check_bars(parsed(rows), INDEX, DAILY, received_at)
        merge = merge_bars(checked.bars, versions.select(STORED), receipt(received_at, live=live))
        versions = pl.concat([versions, merge.rows])
    return versions.sort("event_time", "version")


def test_a_new_bar_is_known_its_close_plus_the_delay():
    rows = silver(([{"session": WEEK[0], "close": 10.0}], LATER))
    assert rows.select("version", "known_at", "basis", "close").rows() == [
        (0, datetime(2020, 1, 6, 21, 15, tzinfo=UTC), "assumed", 10.0)
    ]


def test_a_changed_bar_is_a_new_version_known_from_its_receipt():
    first, second = datetime(2020, 1, 8, tzinfo=UTC), datetime(2020, 1, 9, 5, tzinfo=UTC)
    rows = silver(
        ([{"session": WEEK[0], "close": 10.0, "volume": 5.0}], first),
        ([{"session": WEEK[0], "close": 10.1, "volume": 5.0}], second),
    )
    assert rows.select("version", "known_at", "close").rows() == [
        (0, datetime(2020, 1, 6, 21, 15, tzinfo=UTC), 10.0),
        (1, second, 10.1),
    ]


@pytest.mark.parametrize(
    ("before", "after", "versions"),
    [
        ({"close": 10.0}, {"close": 10.0 * (1 + 9e-7)}, 1),
        ({"close": 10.0}, {"close": 10.0 * (1 + 2e-6)}, 2),
        ({"close": 10.0, "volume": None}, {"close": 10.0, "volume": 0.0}, 2),
        ({"close": 10.0, "volume": 7.0}, {"close": 10.0, "volume": None}, 2),
        ({"close": 10.0, "volume": 7.0}, {"close": 10.0, "volume": 8.0}, 2),
        ({"close": 10.0, "bid_size": 7.0}, {"close": 10.0, "bid_size": 8.0}, 2),
        ({"close": 10.0, "volume": 0.0}, {"close": 10.0, "volume": 0.0}, 1),
    ],
)
def test_what_counts_as_a_change(before, after, versions):
    day = {"session": WEEK[0]}
    rows = silver(([{**day, **before}], LATER), ([{**day, **after}], LATER + timedelta(days=1)))
    assert len(rows) == versions


def test_going_back_to_an_old_value_is_a_version_too():
    days = [LATER + timedelta(days=day) for day in range(3)]
    batches = [
        ([{"session": WEEK[0], "close": close}], day)
        for close, day in zip((1.0, 2.0, 1.0), days, strict=True)
    ]
    assert silver(*batches)["close"].to_list() == [1.0, 2.0, 1.0]


def test_a_later_version_is_never_known_before_an_earlier_one():
    # Received five minutes after the close, revised at ten: the delay says fifteen.
    close = closing(WEEK[0])
    rows = silver(
        ([{"session": WEEK[0], "close": 1.0}], close + timedelta(minutes=5)),
        ([{"session": WEEK[0], "close": 2.0}], close + timedelta(minutes=10)),
    )
    assert rows["known_at"].to_list() == [close + timedelta(minutes=15)] * 2


def test_basis_says_what_was_seen_live():
    received = closing(WEEK[1]) + timedelta(minutes=1)
    bars = [{"session": day, "close": 1.0} for day in WEEK[:2]]
    # The first bar came after the next one's close: when it was known is assumed.
    assert silver((bars, received), live=True)["basis"].to_list() == ["assumed", "observed"]
    assert silver((bars, received))["basis"].to_list() == ["assumed", "assumed"]
    friday, holiday_weekend = date(2020, 1, 17), datetime(2020, 1, 21, 20, tzinfo=UTC)
    rows = silver(([{"session": friday, "close": 1.0}], holiday_weekend), live=True)
    assert rows["basis"].to_list() == ["observed"]


def test_vintages_become_versions_in_the_order_they_were_known():
    known = [closing(WEEK[1]) + timedelta(days=day) for day in range(4)]
    bars = [
        {"session": WEEK[0], "close": close, "known_at": moment}
        for close, moment in zip((1.0, 2.0, 2.0, 1.0), known, strict=True)
    ]
    random.Random(7).shuffle(bars)
    rows = silver((bars, LATER))
    assert rows.select("version", "close", "known_at", "basis").rows() == [
        (0, 1.0, known[0], "vintage"),
        (1, 2.0, known[1], "vintage"),
        (2, 1.0, known[3], "vintage"),
    ]


def test_a_vintage_that_would_rewrite_the_past_is_late():
    known = [closing(WEEK[0]) + timedelta(days=day) for day in range(4)]

    def bar(place: int, close: float) -> dict:
        return {"session": WEEK[0], "close": close, "known_at": known[place]}

    there = silver(([bar(0, 1.0), bar(2, 3.0)], LATER)).select(STORED)
    rows = parsed([bar(0, 1.0), bar(1, 2.0), bar(2, 3.0), bar(3, 4.0)])
    merge = merge_bars(check_bars(rows, INDEX, DAILY, LATER).bars, there, receipt())
    assert merge.late["close"].to_list() == [2.0]
    assert merge.rows.select("version", "close").rows() == [(2, 4.0)]
    assert merge.unchanged == 2


PRICE = st.sampled_from([1.0, 1.5, 2.0])
BAR = st.builds(
    lambda day, close, volume, delay: {
        "session": WEEK[day],
        "close": close,
        "volume": volume,
        "known_at": None if delay is None else closing(WEEK[day]) + timedelta(hours=delay),
    },
    st.integers(0, 3),
    PRICE,
    st.sampled_from([None, 0.0, 3.0]),
    st.none(),
)
VINTAGE = st.builds(
    lambda bar, delay: {**bar, "known_at": closing(bar["session"]) + timedelta(hours=delay)},
    BAR,
    st.integers(0, 5),
)
MEANING = [name for name in SILVER_BARS if name not in {"written_at", "received_at", "payload"}]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.one_of(st.lists(BAR, max_size=8), st.lists(VINTAGE, max_size=8)),
    st.randoms(use_true_random=False),
)
def test_order_and_repetition_of_rows_change_nothing(rows, rng):
    shuffled = rows + [rng.choice(rows) for _ in range(3) if rows]
    rng.shuffle(shuffled)
    expected = silver((rows, LATER))
    assert silver((shuffled, LATER)).select(MEANING).equals(expected.select(MEANING))
    twice = silver((rows, LATER), (shuffled, LATER + timedelta(days=1)))
    assert twice.select(MEANING).equals(expected.select(MEANING))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.lists(BAR, max_size=5), max_size=5))
def test_batches_equal_a_plain_loop(batches):
    arrivals = [(rows, LATER + timedelta(days=place)) for place, rows in enumerate(batches)]
    model: dict[date, list[tuple]] = {}
    for rows, received_at in arrivals:
        for day in WEEK:
            said = {(row["close"], row["volume"]) for row in rows if row["session"] == day}
            if len(said) != 1:  # nothing was said of the day, or two things
                continue
            versions = model.setdefault(day, [])
            value = said.pop()
            if not versions:
                versions.append((closing(day) + timedelta(minutes=15), *value))
            elif versions[-1][1:] != value:
                versions.append((received_at, *value))
    expected = [
        (day, version, *rest) for day in sorted(model) for version, rest in enumerate(model[day])
    ]
    found = silver(*arrivals).select("session", "version", "known_at", "close", "volume").rows()
    assert found == expected
