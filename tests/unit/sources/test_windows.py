"""Windows of time: what is missing, against a plain count of moments."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from truecast.sources.base import Payload
from truecast.sources.windows import Grid, first_moment, floor, gaps, walk

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPANS = st.lists(st.tuples(st.integers(-3, 30), st.integers(1, 8)), max_size=6)


def at(hour: int) -> datetime:
    return START + hour * HOUR


@given(st.integers(0, 20), st.integers(0, 20), SPANS)
def test_gaps_are_the_hours_that_nothing_covers(begin, length, spans):
    done = [(at(first), at(first + size)) for first, size in spans]
    found = gaps(at(begin), at(begin + length), done)
    covered = {hour for first, size in spans for hour in range(first, first + size)}
    missing = [hour for hour in range(begin, begin + length) if hour not in covered]
    assert [hour for hour in range(-5, 45) if any(a <= at(hour) < b for a, b in found)] == missing
    assert found == sorted(found)


@given(SPANS, st.sets(st.integers(0, 23)), st.integers(1, 3))
def test_every_missing_hour_of_every_key_is_asked_for_once_it_is_not_full(spans, busy, keys):
    done = [(at(first), at(first + size)) for first, size in spans]
    names = [f"k{number}" for number in range(keys)]
    complete: list[tuple[str, int]] = []

    def ask(window: tuple[datetime, datetime], key: str) -> tuple[Payload, bool]:
        first, last = ((moment - START) // HOUR for moment in window)
        full = len(busy & set(range(first, last))) > 1
        if not full:
            complete.extend((key, hour) for hour in range(first, last))
        return Payload("s", key, "news", {}, b"", "", at(100)), full

    grid = Grid(usual=8 * HOUR, finest=HOUR, settles=HOUR)
    payloads = list(walk((at(0), at(24)), done, grid, names, ask))
    covered = {hour for first, size in spans for hour in range(first, first + size)}
    missing = [hour for hour in range(24) if hour not in covered]
    assert sorted(complete) == sorted((name, hour) for name in names for hour in missing)
    spoken_for = [payload.covers for payload in payloads if payload.covers is not None]
    assert gaps(at(0), at(24), [*done, *spoken_for]) == []


def test_what_is_too_young_is_not_done():
    grid = Grid(usual=8 * HOUR, finest=HOUR, settles=2 * HOUR)

    def ask(window: tuple[datetime, datetime], key: str) -> tuple[Payload, bool]:
        return Payload("s", key, "news", {}, b"", "", at(10)), False

    payloads = list(walk((at(0), at(10)), [], grid, ["k"], ask))
    assert [payload.covers for payload in payloads] == [(at(0), at(8)), None]


def test_a_backfill_begins_where_it_is_told_to_or_at_a_midnight():
    now = START + 30 * HOUR
    assert first_moment(date(2020, 2, 1), now, HOUR) == datetime(2020, 2, 1, tzinfo=UTC)
    assert first_moment(None, now, 2 * HOUR) == START + 24 * HOUR
    assert floor(now, timedelta(days=1)) == START + 24 * HOUR
