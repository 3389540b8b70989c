"""BarHistory against a model that looks at every version with its own eyes."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truecast.lake.history import BarHistory

START = datetime(2020, 1, 1, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


@st.composite
def histories(draw):
    """Versions as (event minute, version, known minute, close); known later, never earlier."""
    rows = []
    for place in range(draw(st.integers(0, 8))):
        event = 10 * place
        known = event + draw(st.integers(0, 35))
        for version in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
            rows.append((event, version, known, float(len(rows))))
            known += draw(st.integers(0, 40))
    return rows


def frame(rows):
    return pl.DataFrame(
        {
            "event_time": [at(row[0]) for row in rows],
            "version": [row[1] for row in rows],
            "known_at": [at(row[2]) for row in rows],
            "close": [row[3] for row in rows],
        },
        schema={
            "event_time": pl.Datetime("us", "UTC"),
            "version": pl.Int32,
            "known_at": pl.Datetime("us", "UTC"),
            "close": pl.Float64,
        },
    )


def known_by(rows, minute):
    """The last version of each bar that was known, in time order: (event minute, close)."""
    best = {}
    for event, version, known, close in rows:
        if known <= minute and (event not in best or version > best[event][0]):
            best[event] = (version, close)
    return [(at(event), best[event][1]) for event in sorted(best)]


@given(histories(), st.lists(st.integers(-5, 150), max_size=12))
def test_each_epoch_frame_starts_with_what_was_known_at_each_of_its_moments(rows, minutes):
    minutes = sorted(minutes)
    moments = np.array([at(minute).replace(tzinfo=None) for minute in minutes], "datetime64[us]")
    served = []
    for place, bars in BarHistory(frame(rows)).epochs(moments):
        for minute in minutes[place]:
            served.append(minute)
            known = (bars["known_at"] <= at(minute)).to_list()
            assert known == sorted(known, reverse=True), "known bars come first"
            found = bars.head(sum(known)).select("event_time", "close").rows()
            assert found == known_by(rows, minute)
    assert served == minutes


@given(histories(), st.integers(-5, 150))
def test_known_is_the_last_version_of_each_bar(rows, minute):
    history = BarHistory(frame(rows))
    found = history.known(at(minute)).select("event_time", "close").rows()
    assert found == known_by(rows, minute)
    assert history.known().select("event_time", "close").rows() == known_by(rows, 10**6)


def test_quiet_history_is_one_epoch():
    rows = [(10 * place, 0, 10 * place + 15, float(place)) for place in range(50)]
    moments = np.array([at(minute).replace(tzinfo=None) for minute in range(600)], "datetime64[us]")
    epochs = list(BarHistory(frame(rows)).epochs(moments))
    assert [(place.start, place.stop) for place, _ in epochs] == [(0, 600)]


def test_a_revision_starts_an_epoch_at_the_first_moment_that_knows_it():
    rows = [(0, 0, 1, 1.0), (0, 1, 25, 9.0), (10, 0, 11, 2.0), (20, 0, 21, 3.0)]
    moments = np.array(
        [at(minute).replace(tzinfo=None) for minute in (5, 15, 25, 30)], "datetime64[us]"
    )
    epochs = [
        (place, bars["close"].to_list()) for place, bars in BarHistory(frame(rows)).epochs(moments)
    ]
    assert epochs == [(slice(0, 2), [1.0, 2.0]), (slice(2, 4), [9.0, 2.0, 3.0])]


def test_as_of_needs_a_time_zone():
    with pytest.raises(ValueError, match="no time zone"):
        BarHistory(frame([])).known(datetime(2020, 1, 1))  # noqa: DTZ001
