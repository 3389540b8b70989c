"""When bars were that are sent with a question."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from truecast.core.calendars import get_calendar
from truecast.core.clock import frozen_at
from truecast.core.interval import Interval
from truecast.serving.answering.placing import Grid, When
from truecast.serving.errors import AskedError
from truecast.serving.schemas import PostedBar

DAILY = Grid("^GSPC", get_calendar("XNYS"), Interval("1d"))
MINUTES = Grid("SPY", get_calendar("XNYS"), Interval("5m"))
CURRENCY = Grid("EUR_USD", get_calendar("FX"), Interval("1m"))


def bar(**when: Any) -> PostedBar:
    return PostedBar(open=1.0, high=1.0, low=1.0, close=1.0, **when)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def session(day: str) -> When:
    return When(date.fromisoformat(day), DAILY.calendar.close_of(date.fromisoformat(day)))


@pytest.mark.parametrize(
    ("last", "following", "closes"),
    [
        ("2018-12-21", "2018-12-24", "2018-12-24T18:00"),  # half a day before Christmas
        ("2018-12-24", "2018-12-26", "2018-12-26T21:00"),
        ("2018-12-04", "2018-12-06", "2018-12-06T21:00"),  # a president's funeral
        ("2018-11-21", "2018-11-23", "2018-11-23T18:00"),  # the day after Thanksgiving
        ("2018-03-09", "2018-03-12", "2018-03-12T20:00"),  # clocks were put forward
    ],
)
def test_a_day_without_a_date_is_the_next_session(last: str, following: str, closes: str) -> None:
    (found,) = DAILY.place([bar()], [session(last)], live=False)
    assert found == When(date.fromisoformat(following), at(closes))


def test_a_day_is_told_by_its_date_or_by_a_moment_of_its_session() -> None:
    stored = [session("2018-12-20")]
    for when in (
        {"date": date(2018, 12, 21)},
        {"ds": date(2018, 12, 21)},
        {"timestamp": at("2018-12-21T21:00")},
        {"timestamp": at("2018-12-21T15:00")},
    ):
        assert DAILY.place([bar(**when)], stored, live=False) == (session("2018-12-21"),)
    with pytest.raises(AskedError, match=r"no session of \^GSPC is open or closes at 2018-12-21"):
        DAILY.place([bar(timestamp=at("2018-12-21T00:00"))], stored, live=False)
    with pytest.raises(AskedError, match="2018-12-22 is not a session of XNYS; the next one is"):
        DAILY.place([bar(date=date(2018, 12, 22))], stored, live=False)


def test_a_history_without_dates_is_the_newest_that_is_stored() -> None:
    stored = [session("2018-12-20"), session("2018-12-21")]
    placed = DAILY.place([bar(), bar(), bar()], stored, live=False)
    assert placed == (*stored, session("2018-12-24"))
    dated = [bar(date=date(2018, 12, 24)), bar(date=date(2018, 12, 26)), bar()]
    assert DAILY.place(dated, stored, live=False)[-1] == session("2018-12-27")
    with pytest.raises(AskedError, match=r"has 3 bars without a date, .* only 2 are stored"):
        DAILY.place([bar()] * 4, stored, live=False)
    with pytest.raises(AskedError, match="others do not"):
        DAILY.place([bar(), bar(date=date(2018, 12, 21)), bar()], stored, live=False)
    with pytest.raises(AskedError, match="the bar of 2018-12-20 comes after that of 2018-12-20"):
        DAILY.place([bar(date=date(2018, 12, 20))] * 2, stored, live=False)


def test_where_several_bars_are_due_one_has_to_say_which_it_is() -> None:
    stored = [session("2018-12-21")]
    with frozen_at(at("2018-12-26T20:59")):
        assert DAILY.place([bar()], stored, live=True) == (session("2018-12-24"),)
    with frozen_at(at("2018-12-26T21:00")):
        assert DAILY.place([bar()], stored, live=False) == (session("2018-12-24"),)
        with pytest.raises(AskedError, match="it is not said when the bar was") as refused:
            DAILY.place([bar()], stored, live=True)
        assert refused.value.choices == [{"date": "2018-12-24"}]
        said = DAILY.place([bar(date=date(2018, 12, 24))], stored, live=True)
        assert said == (session("2018-12-24"),)


def test_no_session_may_be_left_out() -> None:
    stored = session("2018-12-21")
    DAILY.require_joined([session("2018-12-24"), session("2018-12-26")], stored, stored)
    DAILY.require_joined([session("2018-12-20"), stored], None, stored)
    with pytest.raises(AskedError, match="missing between 2018-12-21 and 2018-12-26") as refused:
        DAILY.require_joined([session("2018-12-26")], stored, stored)
    assert refused.value.choices == [{"date": "2018-12-24"}]
    with pytest.raises(AskedError, match="missing between 2018-12-24 and 2018-12-27"):
        DAILY.require_joined([session("2018-12-24"), session("2018-12-27")], stored, stored)


def test_shorter_bars_follow_the_hours_of_the_market() -> None:
    monday = When(date(2018, 12, 24), at("2018-12-24T17:55"))
    (last,) = MINUTES.place([bar()], [monday], live=False)
    assert last == When(date(2018, 12, 24), at("2018-12-24T18:00"))
    (first,) = MINUTES.place([bar()], [last], live=False)
    assert first == When(date(2018, 12, 26), at("2018-12-26T14:35"))
    friday = When(date(2018, 12, 21), at("2018-12-21T22:00"))
    assert CURRENCY.after(friday) == When(date(2018, 12, 24), at("2018-12-23T22:01"))


def test_shorter_bars_say_when_they_closed() -> None:
    stored = [When(date(2018, 12, 21), at("2018-12-21T15:00"))]
    said = MINUTES.place([bar(timestamp=at("2018-12-21T15:05"))], stored, live=False)
    assert said == (When(date(2018, 12, 21), at("2018-12-21T15:05")),)
    with pytest.raises(AskedError, match="told by when it closed") as refused:
        MINUTES.place([bar(date=date(2018, 12, 21))], stored, live=False)
    assert refused.value.what_to_do == "send `timestamp` in place of `date`"
    with pytest.raises(AskedError, match="no bar of 5m closes at 2018-12-21T15:07") as refused:
        MINUTES.place([bar(timestamp=at("2018-12-21T15:07"))], stored, live=False)
    assert [one["timestamp"][11:16] for one in refused.value.choices] == ["15:05", "15:10"]
    # The vendor's own phase: what is stored ends three minutes past.
    odd = [When(date(2018, 12, 21), at("2018-12-21T15:03"))]
    MINUTES.place([bar(timestamp=at("2018-12-21T15:08"))], odd, live=False)


def test_minutes_without_trade_may_be_left_out_but_no_session_and_no_future() -> None:
    stored = When(date(2018, 12, 21), at("2018-12-21T15:00"))
    later = When(date(2018, 12, 21), at("2018-12-21T17:00"))
    with frozen_at(at("2018-12-21T17:00")):
        MINUTES.require_joined([later], stored, stored)
    with frozen_at(at("2018-12-21T15:01")):
        MINUTES.require_joined([MINUTES.after(stored)], stored, stored)
        with pytest.raises(AskedError, match="lies in the future") as refused:
            MINUTES.require_joined([later], stored, stored)
    assert refused.value.choices == [{"timestamp": "2018-12-21T15:05:00+00:00"}]
    gap = When(date(2018, 12, 26), at("2018-12-26T15:00"))
    with frozen_at(at("2018-12-27T00:00")), pytest.raises(AskedError, match="are missing between"):
        MINUTES.require_joined([gap], stored, stored)
    assert MINUTES.after(stored).closed - stored.closed == timedelta(minutes=5)
