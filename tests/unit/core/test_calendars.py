from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from truecast.core.calendars import get_calendar
from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError

NEW_YORK = ZoneInfo("America/New_York")


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


def moments(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


@pytest.mark.parametrize(
    ("day", "close"),
    [
        ("2018-03-09", "21:00"),  # the last session of winter time
        ("2018-03-12", "20:00"),
        ("2018-11-02", "20:00"),  # the last session of summer time
        ("2018-11-05", "21:00"),
        ("2018-12-24", "18:00"),  # 13:00 in New York
        ("2018-07-03", "17:00"),
        ("1928-07-02", "20:00"),
    ],
)
def test_close_follows_daylight_saving_and_half_days(day, close):
    expected = datetime.fromisoformat(f"{day}T{close}:00+00:00")
    xnys = get_calendar("XNYS")
    assert xnys.close_of(date.fromisoformat(day)) == expected
    assert xnys.closes_of(days(day)).tolist() == [expected.replace(tzinfo=None)]


def test_day_of_mourning_is_no_session():
    xnys = get_calendar("XNYS")
    assert not xnys.is_session(date(2018, 12, 5))
    assert xnys.offset(date(2018, 12, 4), 1) == date(2018, 12, 6)
    assert xnys.offset(date(2018, 12, 6), -1) == date(2018, 12, 4)
    with pytest.raises(UsageError, match=r"2018-12-05 is not a session of XNYS.*2018-12-06"):
        xnys.close_of(date(2018, 12, 5))


def test_days_without_a_session_have_the_usual_close():
    closes = get_calendar("XNYS").closes_of(days("2018-12-05", "2018-07-08", "2018-12-25"))
    expected = moments("2018-12-05T21:00", "2018-07-08T20:00", "2018-12-25T21:00")
    assert closes.tolist() == expected.tolist()


def test_offset_counts_sessions_from_any_day():
    xnys = get_calendar("XNYS")
    assert xnys.offset(date(2018, 12, 22), 1) == date(2018, 12, 24)  # from a Saturday
    assert xnys.offset(date(2018, 12, 22), -1) == date(2018, 12, 21)
    assert xnys.offset(date(2018, 12, 21), 3) == date(2018, 12, 27)  # over Christmas
    assert xnys.offset(date(2018, 12, 21), 0) == date(2018, 12, 21)
    with pytest.raises(UsageError):
        xnys.offset(date(2018, 12, 22), 0)


def test_offset_equals_stepping_day_by_day():
    xnys = get_calendar("XNYS")
    for start in (date(2001, 9, 10), date(2012, 10, 26), date(1998, 1, 2)):
        day, steps = start, 0
        while steps < 40:
            day += timedelta(days=1)
            steps += xnys.is_session(day)
        assert xnys.offset(start, 40) == day
        assert xnys.offset(day, -40) == start


def test_sessions_equal_weekdays_less_holidays():
    closed = {"2018-01-01", "2018-01-15", "2018-02-19", "2018-03-30", "2018-05-28", "2018-07-04",
              "2018-09-03", "2018-11-22", "2018-12-05", "2018-12-25"}  # fmt: skip
    expected, day = [], date(2018, 1, 1)
    while day.year == 2018:
        if day.weekday() < 5 and day.isoformat() not in closed:
            expected.append(day)
        day += timedelta(days=1)
    found = get_calendar("XNYS").sessions(date(2018, 1, 1), date(2018, 12, 31))
    assert found.tolist() == expected


def test_ordinals_count_sessions_and_do_not_depend_on_what_is_loaded():
    xnys = get_calendar("XNYS")
    get_calendar.cache_clear()
    fresh = get_calendar("XNYS")
    asked = days("2018-12-04", "2018-12-05", "2018-12-06", "2018-12-08")
    before = fresh.ordinals(asked)
    assert (before - before[0]).tolist() == [0, 0, 1, 2]
    assert fresh.ordinals(days("1998-01-02")).tolist() == [0]
    old = fresh.ordinals(days("1997-12-31", "1929-10-28", "1929-10-29"))
    assert old[0] == -1
    assert old[2] - old[1] == 1
    assert fresh.ordinals(asked).tolist() == before.tolist() == xnys.ordinals(asked).tolist()


def test_fx_week_runs_from_sunday_to_friday_at_17_new_york():
    fx = get_calendar("FX")
    assert not fx.is_session(date(2018, 3, 11))
    # The clocks change on Sunday 2018-03-11 at 2:00, before the week opens.
    assert fx.close_of(date(2018, 3, 9)) == datetime(2018, 3, 9, 22, tzinfo=UTC)
    assert fx.open_of(date(2018, 3, 12)) == datetime(2018, 3, 11, 21, tzinfo=UTC)
    assert fx.open_of(date(2018, 11, 5)) == datetime(2018, 11, 4, 22, tzinfo=UTC)
    assert fx.offset(date(2018, 3, 9), 1) == date(2018, 3, 12)


def test_fx_closes_equal_a_loop_with_zoneinfo():
    found = get_calendar("FX").sessions(date(2015, 1, 1), date(2019, 12, 31))
    closes = get_calendar("FX").closes_of(found)
    for day, close in zip(found.tolist(), closes.tolist(), strict=True):
        assert day.weekday() < 5
        local = datetime(day.year, day.month, day.day, 17, tzinfo=NEW_YORK)
        assert close == local.astimezone(UTC).replace(tzinfo=None)


def test_always_open_calendar_closes_at_midnight():
    always = get_calendar("24/7")
    assert always.is_session(date(2018, 12, 25))
    assert always.open_of(date(2018, 12, 25)) == datetime(2018, 12, 25, tzinfo=UTC)
    assert always.close_of(date(2018, 12, 25)) == datetime(2018, 12, 26, tzinfo=UTC)
    assert always.session_of(datetime(2018, 12, 26, tzinfo=UTC)) == date(2018, 12, 25)
    assert always.session_of(datetime(2018, 12, 26, 0, 1, tzinfo=UTC)) == date(2018, 12, 26)


def test_session_of_a_moment():
    xnys = get_calendar("XNYS")
    opened = datetime(2018, 12, 24, 14, 30, tzinfo=UTC)
    assert xnys.session_of(opened) == date(2018, 12, 24)
    assert xnys.session_of(opened - timedelta(minutes=1)) is None
    assert xnys.session_of(datetime(2018, 12, 24, 18, tzinfo=UTC)) == date(2018, 12, 24)
    assert xnys.session_of(datetime(2018, 12, 24, 18, 1, tzinfo=UTC)) is None
    fx = get_calendar("FX")
    assert fx.session_of(datetime(2018, 3, 11, 21, 1, tzinfo=UTC)) == date(2018, 3, 12)
    assert fx.session_of(datetime(2018, 3, 9, 22, 1, tzinfo=UTC)) is None


def test_a_moment_at_the_end_of_time_is_in_no_session():
    for name in ("XNYS", "24/7", "24/5"):
        calendar = get_calendar(name)
        for moment in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)):
            assert calendar.session_of(moment) is None


def test_futures_session_opens_the_evening_before():
    cmes = get_calendar("CMES")
    assert cmes.session_of(datetime(2018, 12, 6, 1, tzinfo=UTC)) == date(2018, 12, 6)
    assert cmes.session_of(datetime(2018, 12, 6, 23, 30, tzinfo=UTC)) == date(2018, 12, 7)


def test_moments_outside_sessions_have_the_local_day():
    found, inside = get_calendar("XNYS").locate(
        moments("2018-12-06T13:00", "2018-12-06T15:00", "2018-12-07T01:00", "2018-12-05T15:00")
    )
    assert found.astype(str).tolist() == ["2018-12-06", "2018-12-06", "2018-12-06", "2018-12-05"]
    assert inside.tolist() == [False, True, False, False]


def test_lunch_breaks_lie_inside_the_session():
    assert get_calendar("XTKS").session_of(datetime(2018, 12, 6, 3, tzinfo=UTC)) == date(
        2018, 12, 6
    )


def test_years_that_a_calendar_does_not_know():
    shanghai = get_calendar("XSHG")
    with pytest.raises(UsageError, match="known from 1990-12-03"):
        shanghai.is_session(date(1985, 1, 4))
    with pytest.raises(UsageError, match="no session"):
        shanghai.offset(date(1990, 12, 3), -5)
    assert shanghai.closes_of(days("1985-01-04")) == moments("1985-01-04T07:00")
    assert shanghai.are_sessions(days("1985-01-04", "2018-12-06")).tolist() == [False, True]


def test_empty_input_gives_empty_output():
    xnys = get_calendar("XNYS")
    none = days()
    assert (
        len(xnys.closes_of(none)) == len(xnys.ordinals(none)) == len(xnys.are_sessions(none)) == 0
    )
    assert len(xnys.locate(moments())[0]) == 0
    assert len(xnys.sessions(date(2018, 12, 8), date(2018, 12, 9))) == 0


def test_unknown_calendar_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'XNYS'"):
        get_calendar("XNYSE")
    assert get_calendar("FX") is get_calendar("FX")


def test_holidays_before_1970_are_no_sessions():
    xnys = get_calendar("XNYS")
    closed = days("1928-07-04", "1928-12-25", "1940-01-01", "1955-05-30", "1969-11-27")
    assert not xnys.are_sessions(closed).any()
    assert xnys.are_sessions(closed + np.timedelta64(1, "D")).tolist() == [True] * 5


def test_stretches_part_a_session_at_its_lunch_break():
    found, opens, closes = get_calendar("XHKG").stretches(date(2024, 2, 8), date(2024, 2, 9))
    # 2024-02-09, the day before the new year, ends at noon.
    assert found.tolist() == days("2024-02-08", "2024-02-08", "2024-02-09").tolist()
    expected = [f"2024-02-{at}" for at in ("08T01:30", "08T05:00", "09T01:30")]
    assert opens.tolist() == moments(*expected).tolist()
    expected = [f"2024-02-{at}" for at in ("08T04:00", "08T08:00", "09T04:00")]
    assert closes.tolist() == moments(*expected).tolist()
    found, opens, closes = get_calendar("XNYS").stretches(date(2018, 12, 22), date(2018, 12, 25))
    assert found.tolist() == days("2018-12-24").tolist()
    assert closes.tolist() == moments("2018-12-24T18:00").tolist()
