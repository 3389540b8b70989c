"""Adjusted prices, as of then, against a naive reading of the same rows."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truecast.lake.adjust import adjust_bars
from truecast.lake.history import BarHistory

DAYS = [date(2024, 1, 1) + timedelta(days=place) for place in range(8)]
DELAY = timedelta(minutes=15)


def close_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 21, tzinfo=UTC)


def open_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)


def bar(day: date, close: float, version: int = 0, known_at: datetime | None = None) -> dict:
    return {
        "session": day,
        "event_time": close_of(day),
        "known_at": known_at or close_of(day) + DELAY,
        "version": version,
        "open": close,
        "high": close,
        "low": close,
        "close": close,
        "volume": 1000.0,
    }


def action(
    day: date, kind: str, value: float | None, version: int = 0, known_at: datetime | None = None
) -> dict:
    return {
        "session": day,
        "kind": kind,
        "value": value,
        "version": version,
        "known_at": known_at or open_of(day),
    }


ACTIONS = pl.Schema(
    {
        "session": pl.Date(),
        "kind": pl.String(),
        "value": pl.Float64(),
        "version": pl.Int32(),
        "known_at": pl.Datetime("us", "UTC"),
    }
)


def frames(bars: list[dict], actions: list[dict]) -> tuple[pl.DataFrame, pl.DataFrame]:
    versions = pl.DataFrame(bars).with_columns(
        pl.col("event_time", "known_at").cast(pl.Datetime("us", "UTC")),
        pl.col("version").cast(pl.Int32),
    )
    return versions.sort("event_time", "version"), pl.DataFrame(actions, schema=ACTIONS)


def close_before(bars: list[dict], paid: dict) -> float:
    """Return the raw close before an ex-date, as it was known when the dividend was."""
    ex = datetime(paid["session"].year, paid["session"].month, paid["session"].day, tzinfo=UTC)
    since = max(paid["known_at"], ex)
    then = [one for one in bars if one["session"] < paid["session"] and one["known_at"] <= since]
    last = max(then, key=lambda one: (one["session"], one["version"]), default=None)
    return last["close"] if last else float("inf")


def naive(bars: list[dict], actions: list[dict], how: str, as_of: datetime) -> list[tuple]:
    """Adjust by the definition: one bar after another, one action after another."""
    newest: dict[date, dict] = {}
    for one in sorted(bars, key=lambda row: row["version"]):
        if one["known_at"] <= as_of:
            newest[one["session"]] = one
    told: dict[tuple, dict] = {}
    for one in sorted(actions, key=lambda row: row["version"]):
        ex = datetime(one["session"].year, one["session"].month, one["session"].day, tzinfo=UTC)
        if max(one["known_at"], ex) <= as_of:
            told[one["session"], one["kind"]] = one
    result = []
    for day in sorted(newest):
        price, volume = newest[day]["close"], newest[day]["volume"]
        for ex in {session for session, _ in told if session > day and how != "none"}:
            here = {kind: one for (session, kind), one in told.items() if session == ex}
            split = (here.pop("split", None) or {"value": None})["value"] or 1.0
            # Amounts are for a new share; so much of the close before, in new shares, was paid.
            left = 1.0
            for one in here.values():
                if how == "total" and one["value"] is not None:
                    left -= one["value"] / (close_before(bars, one) / split)
            price *= (left if left > 0 else 1.0) / split
            volume *= split
        result.append((day, pytest.approx(price, rel=1e-12), pytest.approx(volume, rel=1e-12)))
    return result


def read(bars: list[dict], actions: list[dict], how: str, as_of: datetime) -> list[tuple]:
    versions, told = frames(bars, actions)
    known = BarHistory(adjust_bars(versions, told, how)).known(as_of)
    return known.select("session", "close", "volume").rows()


def test_a_split_changes_the_units_of_the_past_from_its_ex_date_on():
    bars = [bar(DAYS[0], 100.0), bar(DAYS[1], 104.0), bar(DAYS[2], 27.0)]
    split = [action(DAYS[2], "split", 4.0)]
    before = read(bars, split, "split", close_of(DAYS[1]) + DELAY)
    assert before == [(DAYS[0], 100.0, 1000.0), (DAYS[1], 104.0, 1000.0)]
    at_open = read(bars, split, "split", open_of(DAYS[2]))
    assert at_open == [(DAYS[0], 25.0, 4000.0), (DAYS[1], 26.0, 4000.0)]
    after = read(bars, split, "split", close_of(DAYS[2]) + DELAY)
    assert after == [*at_open, (DAYS[2], 27.0, 1000.0)]
    assert read(bars, split, "none", close_of(DAYS[3]))[0] == (DAYS[0], 100.0, 1000.0)


def test_a_dividend_counts_for_the_total_return_only():
    bars = [bar(DAYS[0], 100.0), bar(DAYS[1], 98.0)]
    paid = [action(DAYS[1], "dividend", 2.0)]
    assert read(bars, paid, "split", close_of(DAYS[2]))[0][1] == 100.0
    (first, *_), (second, *_) = (
        [row[1] for row in read(bars, paid, "total", moment)]
        for moment in (close_of(DAYS[0]) + DELAY, close_of(DAYS[2]))
    )
    assert (first, second) == (100.0, pytest.approx(98.0))


def test_where_a_session_opens_before_midnight_in_utc_its_first_bar_is_in_new_shares():
    opens = datetime(2024, 1, 2, 23, tzinfo=UTC)  # ten o'clock in Sydney, the 3rd
    versions, split = frames(
        [
            bar(DAYS[1], 100.0) | {"event_time": opens - timedelta(hours=18)},
            bar(DAYS[2], 50.0) | {"event_time": opens + timedelta(minutes=30)},
        ],
        [action(DAYS[2], "split", 2.0, known_at=opens)],
    )
    versions = versions.with_columns(known_at="event_time")
    history = BarHistory(adjust_bars(versions, split, "split"))
    assert history.known(opens + timedelta(minutes=29))["close"].to_list() == [100.0]
    assert history.known(opens + timedelta(minutes=30))["close"].to_list() == [50.0, 50.0]


def test_what_comes_on_one_day_is_one_step():
    """100 new shares at 100, of which 1 is paid, follow 100 at 200; and 40 are paid of 200."""
    both = [action(DAYS[2], "split", 2.0), action(DAYS[2], "dividend", 1.0)]
    bars = [bar(DAYS[1], 200.0), bar(DAYS[2], 99.0)]
    assert read(bars, both, "total", close_of(DAYS[3])) == [
        (DAYS[1], pytest.approx(99.0), 2000.0),
        (DAYS[2], 99.0, 1000.0),
    ]
    paid = [action(DAYS[2], "dividend", 20.0), action(DAYS[2], "capital_gain", 20.0)]
    assert read(bars, paid, "total", close_of(DAYS[3]))[0][1] == pytest.approx(160.0)


def test_a_dividend_is_held_against_a_close_that_is_still_there():
    versions, paid = frames(
        [
            bar(DAYS[0], 200.0),
            bar(DAYS[1], 600.0),
            bar(DAYS[1], 600.0, 1, open_of(DAYS[2]) - timedelta(hours=1)),
            bar(DAYS[2], 199.0),
        ],
        [action(DAYS[2], "dividend", 1.0)],
    )
    withdrawn = versions.with_columns(withdrawn=pl.col("version") == 1)
    read = BarHistory(adjust_bars(withdrawn, paid, "total")).known(close_of(DAYS[3]))
    assert read["close"].to_list() == [pytest.approx(199.0), 199.0]


def test_what_a_vendor_takes_back_counts_no_longer():
    bars = [bar(DAYS[0], 100.0), bar(DAYS[1], 100.0)]
    split = [
        action(DAYS[1], "split", 2.0),
        action(DAYS[1], "split", None, 1, close_of(DAYS[3])),
    ]
    assert [row[1] for row in read(bars, split, "split", close_of(DAYS[2]))] == [50.0, 100.0]
    assert [row[1] for row in read(bars, split, "split", close_of(DAYS[3]))] == [100.0, 100.0]


def test_without_actions_nothing_changes():
    versions, none = frames([bar(DAYS[0], 100.0), bar(DAYS[0], 101.0, 1, close_of(DAYS[4]))], [])
    adjusted = adjust_bars(versions, none, "total")
    assert adjusted.drop("scale").equals(versions)
    assert adjusted["scale"].to_list() == [1.0, 1.0]


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[dict], list[dict]]:
    bars, actions = [], []
    prices = st.floats(10, 1000)
    hours = st.integers(0, 240)
    for day in draw(st.lists(st.sampled_from(DAYS), min_size=2, max_size=6, unique=True)):
        bars.append(bar(day, draw(prices)))
        known = bars[-1]["known_at"]
        for version in range(1, draw(st.integers(1, 3))):
            known += timedelta(hours=draw(hours))
            bars.append(bar(day, draw(prices), version, known))
    first = min(one["session"] for one in bars)
    days = [day for day in DAYS if day > first]
    kinds = st.sampled_from(["split", "dividend", "capital_gain"])
    pairs = st.tuples(st.sampled_from(days), kinds)
    for day, kind in draw(st.lists(pairs, max_size=4, unique=True)):
        value = draw(st.sampled_from([2.0, 4.0, 0.5, 1.5]))
        known = open_of(day) - timedelta(hours=draw(st.integers(0, 48)))
        actions.append(action(day, kind, value, 0, known))
        if draw(st.booleans()):
            changed = draw(st.sampled_from([None, 3.0]))
            actions.append(action(day, kind, changed, 1, known + timedelta(hours=draw(hours))))
    return bars, actions


@given(stories(), st.integers(0, 24 * 20), st.sampled_from(["none", "split", "total"]))
def test_every_moment_equals_the_definition(
    story: tuple[list[dict], list[dict]], hour: int, how: str
):
    bars, actions = story
    as_of = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    assert read(bars, actions, how, as_of) == naive(bars, actions, how, as_of)
