from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from truecast.core.calendars import get_calendar
from truecast.core.interval import Interval
from truecast.datasets.targets import DatasetError, Outcomes, garman_klass_variance, outcomes_of
from truecast.lake.adjust import adjust_bars
from truecast.lake.history import BarHistory

XNYS = get_calendar("XNYS")


def _bars(days: list[date], close: list[float], delay: timedelta = timedelta(minutes=15)):
    times = [XNYS.close_of(day) for day in days]
    return pl.DataFrame(
        {
            "session": days,
            "version": 0,
            "event_time": times,
            "known_at": [time + delay for time in times],
            "open": [value * 0.99 for value in close],
            "high": [value * 1.02 for value in close],
            "low": [value * 0.97 for value in close],
            "close": close,
        },
        schema_overrides={name: pl.Datetime("us", "UTC") for name in ("event_time", "known_at")},
    )


def _times(bars: pl.DataFrame, name: str) -> np.ndarray:
    return bars[name].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")


def _settle(bars: pl.DataFrame, horizon: int, interval: str = "1d") -> Outcomes:
    """Say what came of the decision at each bar's first version."""
    closes = _times(bars.filter(pl.col("version") == 0), "event_time")
    return outcomes_of(
        closes, BarHistory(bars), horizon=horizon, calendar=XNYS, interval=Interval(interval)
    )


# Thursday before Christmas 2018 to Wednesday after: a half-day on the 24th, closed on the 25th.
DAYS = [date(2018, 12, day) for day in (20, 21, 24, 26, 27)]
CLOSE = [100.0, 98.0, 95.0, 100.0, 101.0]


def test_a_horizon_of_sessions_passes_over_a_holiday() -> None:
    bars = _bars(DAYS, CLOSE)
    found = _settle(bars, 2)
    np.testing.assert_allclose(found.close[:3], [95.0, 100.0, 101.0])
    np.testing.assert_allclose(found.log_return[:2], 100 * np.log([0.95, 100 / 98]))
    assert np.isnan(found.close[3:]).all()
    assert found.due[0] == np.datetime64("2018-12-24T18:00")  # 13:00 in New York
    assert found.due_session[1] == np.datetime64("2018-12-26")
    assert found.known_at[0] == np.datetime64("2018-12-24T18:15")
    assert np.isnat(found.known_at[3:]).all()
    np.testing.assert_array_equal(found.up[:3], [0, 1, 1])


def test_a_missing_bar_leaves_no_outcome_instead_of_a_later_one() -> None:
    days = [day for day in DAYS if day != date(2018, 12, 24)]
    bars = _bars(days, [100.0, 98.0, 100.0, 101.0])
    one = _settle(bars, 1)
    np.testing.assert_array_equal(np.isnan(one.close), [False, True, False, True])
    two = _settle(bars, 2)
    np.testing.assert_array_equal(np.isnan(two.close), [True, False, True, True])


def test_a_tie_is_no_rise() -> None:
    bars = _bars(DAYS[:3], [100.0, 100.0, 101.0])
    found = _settle(bars, 1)
    np.testing.assert_array_equal(found.up[:2], [0.0, 1.0])


def test_variances_are_means_over_the_bars_on_the_way() -> None:
    bars = _bars(DAYS, CLOSE)
    found = _settle(bars, 2)
    each = [
        1e4 * (0.5 * np.log(1.02 / 0.97) ** 2 - (2 * np.log(2) - 1) * np.log(1 / 0.99) ** 2)
    ] * 2
    np.testing.assert_allclose(found.garman_klass[0], np.mean(each))
    squares = (100 * np.log([98 / 100, 95 / 98])) ** 2
    np.testing.assert_allclose(found.squared_return[0], squares.mean())
    np.testing.assert_allclose(garman_klass_variance(bars), each[0])


def test_an_outcome_does_not_wait_for_a_bar_on_the_way() -> None:
    """Nobody knew on the 24th that the bar of the 21st would come: the outcome was settled."""
    late = datetime(2019, 1, 5, tzinfo=UTC)
    bars = _bars(DAYS, CLOSE).with_columns(
        known_at=pl.when(pl.col("session") == date(2018, 12, 21))
        .then(pl.lit(late))
        .otherwise("known_at")
    )
    found = _settle(bars, 2)
    then = np.datetime64("2018-12-24T18:15")
    assert found.known_at[0] == then
    assert found.close[0] == 95.0
    assert np.isnan([found.garman_klass[0], found.squared_return[0]]).all()
    # As whoever asked at that moment, without what came later, found it.
    seen = bars.filter(pl.col("known_at") <= pl.lit(then).dt.replace_time_zone("UTC"))
    again = _settle(seen, 2)
    assert again.horizon == found.horizon == 2
    arrays = {name: values for name, values in vars(again).items() if name != "horizon"}
    for name, values in arrays.items():
        np.testing.assert_array_equal(getattr(found, name)[0], values[0], err_msg=name)


def test_a_regime_is_a_move_beyond_its_share_of_what_bars_moved_before() -> None:
    found = _settle(_bars(DAYS, CLOSE), 2)  # moves of 95/100, 100/98 and 101/95
    edges = 0.4307 * np.sqrt(2) * np.array([8.0, 3.4, 5.0, 5.0, 5.0])
    expected = [
        2.0 if 100 * np.log(end / start) > edge else 0.0 if 100 * np.log(end / start) < -edge else 1
        for start, end, edge in zip(CLOSE, CLOSE[2:], edges, strict=False)
    ]
    assert expected == [0.0, 1.0, 2.0]
    deviation = np.array([8.0, 3.4, 5.0, 5.0, np.nan])
    np.testing.assert_array_equal(found.regime(deviation), [*expected, np.nan, np.nan])
    # Without a deviation nothing can be said; in wild times the same move is within the edge.
    np.testing.assert_array_equal(found.regime(np.full(5, np.nan)), np.full(5, np.nan))
    np.testing.assert_array_equal(found.regime(3 * deviation)[:3], [1.0, 1.0, 1.0])


def test_regimes_of_a_gaussian_walk_are_thirds() -> None:
    moves = np.random.default_rng(0).normal(0, 2 * np.sqrt(5), 90_000)
    one = _settle(_bars(DAYS, CLOSE), 2)
    walk = replace(one, log_return=moves, horizon=5).regime(np.full(len(moves), 2.0))
    shares = np.bincount(walk.astype(int)) / len(walk)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.005)


def test_intraday_takes_the_last_bar_of_the_last_interval_in_the_session() -> None:
    start = datetime(2018, 12, 24, 17, 56, tzinfo=UTC)  # four minutes before the early close
    minutes = [0, 1, 2, 4, 1440 * 2 + 1]  # 17:59 is missing, the last is of the 26th
    times = [start + timedelta(minutes=minute) for minute in minutes]
    bars = pl.DataFrame(
        {
            "session": [date(2018, 12, 24)] * 4 + [date(2018, 12, 26)],
            "version": 0,
            "event_time": times,
            "known_at": times,
            **{name: [1.0, 2.0, 3.0, 4.0, 5.0] for name in ("open", "high", "low", "close")},
        },
        schema_overrides={name: pl.Datetime("us", "UTC") for name in ("event_time", "known_at")},
    )
    one = _settle(bars, 1, "1m")
    np.testing.assert_array_equal(one.close, [2.0, 3.0, np.nan, np.nan, np.nan])
    # The bar of 17:59 is missing: (17:58, 17:59] holds none, (17:59, 18:00] holds the last.
    two = _settle(bars, 2, "1m")
    np.testing.assert_array_equal(two.close, [3.0, np.nan, 4.0, np.nan, np.nan])


def test_what_cannot_be_asked() -> None:
    bars = _bars(DAYS, CLOSE)
    times = _times(bars, "event_time")
    with pytest.raises(DatasetError, match="horizon of at least 1 bar, got 0"):
        _settle(bars, 0)
    with pytest.raises(DatasetError, match="some bars are not known"):
        outcomes_of(times, BarHistory(bars[:3]), horizon=1, calendar=XNYS, interval=Interval("1d"))


def _revised(bars: pl.DataFrame, day: date, known_at: datetime, **values: float) -> pl.DataFrame:
    again = bars.filter(pl.col("session") == day).with_columns(
        version=pl.lit(1, dtype=pl.Int32),
        known_at=pl.lit(known_at).cast(pl.Datetime("us", "UTC")),
        **{name: pl.lit(value) for name, value in values.items()},
    )
    columns = bars.with_columns(pl.col("version").cast(pl.Int32))
    return pl.concat([columns, again]).sort("event_time", "version")


def test_an_outcome_is_settled_once() -> None:
    """A revision years later neither changes it nor makes it, or any later one, unknown again."""
    bars = _bars(DAYS, CLOSE)
    plain = _settle(bars, 1)
    late = _revised(bars, date(2018, 12, 21), datetime(2020, 1, 6, tzinfo=UTC), close=50.0)
    again = _settle(late, 1)
    for name, values in vars(plain).items():
        np.testing.assert_array_equal(getattr(again, name), values, err_msg=name)


def test_an_outcome_uses_the_versions_known_when_it_settles() -> None:
    bars = _bars(DAYS, CLOSE)
    soon = datetime(2018, 12, 22, tzinfo=UTC)  # after the close of the 21st, before the 24th
    revised = _revised(bars, date(2018, 12, 21), soon, close=99.0)
    found = _settle(revised, 1)
    # The outcome of the 20th settled at 98 on the 21st; that of the 21st starts from 99.
    np.testing.assert_allclose(found.log_return[:2], 100 * np.log([98 / 100, 95 / 99]))


def test_a_late_bar_delays_only_the_outcomes_that_need_it() -> None:
    late = datetime(2019, 1, 5, tzinfo=UTC)
    bars = _bars(DAYS, CLOSE).with_columns(
        known_at=pl.when(pl.col("session") == date(2018, 12, 21))
        .then(pl.lit(late))
        .otherwise("known_at")
    )
    found = _settle(bars, 1)
    assert (found.known_at[:2] == np.datetime64("2019-01-05")).all()
    assert found.known_at[2] == np.datetime64("2018-12-26T21:15")


def test_a_missing_bar_on_the_way_leaves_no_variance() -> None:
    days = [day for day in DAYS if day != date(2018, 12, 24)]
    bars = _bars(days, [100.0, 98.0, 100.0, 101.0])
    found = _settle(bars, 3)
    assert found.log_return[0] == pytest.approx(0.0)  # 100 on the 20th, 100 on the 26th
    assert np.isnan(found.garman_klass[0])
    assert np.isnan(found.squared_return[0])


def test_what_was_known_by_a_moment() -> None:
    bars = _bars(DAYS, CLOSE)
    found = _settle(bars, 1).known_by(np.datetime64("2018-12-24T18:15"))
    np.testing.assert_array_equal(np.isnan(found.close), [False, False, True, True, True])
    assert np.isnat(found.due[2:]).all()


def _split(bars: pl.DataFrame, ex_date: date, ratio: float) -> pl.DataFrame:
    actions = pl.DataFrame(
        {
            "session": [ex_date],
            "kind": ["split"],
            "value": [ratio],
            "version": [0],
            "known_at": [XNYS.open_of(ex_date)],
        },
        schema_overrides={"known_at": pl.Datetime("us", "UTC")},
    )
    return adjust_bars(bars, actions, "split")


def test_a_split_on_the_way_is_no_fall_and_changes_no_price_that_was_forecast() -> None:
    whole = _settle(_bars(DAYS, CLOSE), 2)
    halves = [value / (2 if day >= DAYS[2] else 1) for day, value in zip(DAYS, CLOSE, strict=True)]
    found = _settle(_split(_bars(DAYS, halves), DAYS[2], 2.0), 2)
    np.testing.assert_allclose(found.log_return, whole.log_return, rtol=1e-12)
    np.testing.assert_allclose(found.garman_klass, whole.garman_klass, rtol=1e-12)
    # Of the 20th and 21st in old shares, from the 24th on in new ones.
    np.testing.assert_allclose(found.close[:3], [95.0, 100.0, 101.0 / 2], rtol=1e-12)
    np.testing.assert_array_equal(found.known_at, whole.known_at)


def test_a_bar_that_was_withdrawn_when_its_outcome_settles_gives_none() -> None:
    bars = _bars(DAYS, CLOSE)
    false = bars.filter(pl.col("session") == DAYS[1]).with_columns(
        version=pl.lit(1, pl.Int32), known_at=pl.lit(XNYS.close_of(DAYS[2]) + timedelta(hours=1))
    )
    versions = pl.concat(
        [
            bars.with_columns(pl.col("version").cast(pl.Int32), withdrawn=False),
            false.with_columns(pl.col("known_at").cast(bars.schema["known_at"]), withdrawn=True),
        ],
    ).sort("event_time", "version")
    one, two = _settle(versions, 1), _settle(versions, 2)
    # The first outcome was settled before anyone knew; the next rests on a bar that is there still.
    np.testing.assert_array_equal(np.isnan(one.close), [False, False, False, False, True])
    # Two sessions on, the withdrawn bar is no longer there to count from.
    np.testing.assert_array_equal(np.isnan(two.close), [False, True, False, True, True])
    # Nor is it there to make up a variance on the way from the 20th to the 24th, which it is not
    # when the outcome settles an hour later.
    soon = versions.with_columns(
        known_at=pl.when(pl.col("withdrawn"))
        .then(pl.lit(XNYS.close_of(DAYS[2])))
        .otherwise("known_at")
    )
    on_the_way = _settle(soon, 2)
    assert on_the_way.close[0] == 95.0
    assert np.isnan([on_the_way.garman_klass[0], on_the_way.squared_return[0]]).all()


def _minutes(days: list[date], close: list[float]) -> pl.DataFrame:
    """Bars of the last two minutes of each day's session and the first two of the next one's."""
    rows = []
    for day in days:
        opening, closing = XNYS.open_of(day), XNYS.close_of(day)
        ends = [opening + timedelta(minutes=one) for one in (1, 2)]
        ends += [closing - timedelta(minutes=1), closing]
        rows += [(day, end) for end in ends]
    return _bars([day for day, _ in rows], close).with_columns(
        event_time=pl.Series([end for _, end in rows], dtype=pl.Datetime("us", "UTC")),
        known_at=pl.Series([end for _, end in rows], dtype=pl.Datetime("us", "UTC")),
    )


def test_an_outcome_lies_in_another_session_only_if_that_is_asked_for() -> None:
    bars = _minutes([date(2018, 6, 4), date(2018, 6, 5)], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    closes = _times(bars, "event_time")
    night = 17 * 60 + 30 + 2  # from 20:00 UTC to the second bar of the next day

    def settle(horizon: int, *, crossing: bool) -> Outcomes:
        return outcomes_of(
            closes,
            BarHistory(bars),
            horizon=horizon,
            calendar=XNYS,
            interval=Interval("1m"),
            crossing=crossing,
        )

    stays, crosses = (settle(night, crossing=crossing) for crossing in (False, True))
    assert np.isnan(stays.close[3])
    assert np.isnat(stays.known_at[3])
    assert crosses.close[3] == 6.0
    assert crosses.log_return[3] == pytest.approx(100 * np.log(6 / 4))
    assert crosses.due_session[3] == np.datetime64("2018-06-05")
    assert crosses.known_at[3] == closes[5]
    # Only the third bar comes upon one so much later: nothing is carried forward to the others.
    np.testing.assert_array_equal(
        np.isnan(settle(night + 1, crossing=True).close[:4]), [1, 1, 0, 1]
    )
    for crossing in (False, True):
        found = settle(1, crossing=crossing).close
        np.testing.assert_array_equal(found[:4], [2.0, np.nan, 4.0, np.nan])
