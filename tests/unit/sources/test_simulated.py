"""Bars of the simulation against the process that the package states, and against themselves.

Where a number is drawn, the bound is four standard errors of what is stated: with the seeds given
the tests always say the same, and a wrong process of any size that matters fails them.
"""

import math
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecast.core.bars import PARSED_BARS
from truecast.core.calendars import get_calendar
from truecast.core.clock import frozen_at
from truecast.core.errors import UsageError
from truecast.core.hashing import sha256_of
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.core.recipe_files import load_recipe
from truecast.core.settings import Settings
from truecast.lake.contracts import check_bars
from truecast.lake.lake import Lake
from truecast.pipelines.stages import build, ingest
from truecast.serving.workspace import Workspace
from truecast.sources.base import Payload, SourceError
from truecast.sources.simulated.options import SimulatedOptions
from truecast.sources.simulated.path import path_of, stationary
from truecast.sources.simulated.source import open_simulated

NOW = datetime(2024, 7, 1, 12, tzinfo=UTC)
#: Nothing but a diffusion: one regime of 1 % a session.
PLAIN = {"volatility": [1.0], "jump_rate": 0, "articles_per_day": 0}
MINUTES, DAYS = Interval("1m"), Interval("1d")


def bars_of(options, symbol="A", interval=MINUTES, *, at=NOW, since=None) -> pl.DataFrame:
    source = open_simulated(options)
    with frozen_at(at):
        parts = [source.parse(part).bars for part in source.fetch(symbol, interval, since)]
    return pl.concat(parts)


def mid(bars: pl.DataFrame, price: str) -> np.ndarray:
    """The log price between bid and ask."""
    return np.log((bars[f"bid_{price}"] * bars[f"ask_{price}"]).to_numpy()) / 2


def moved(bars: pl.DataFrame) -> np.ndarray:
    """The mid's log return within each bar."""
    return mid(bars, "close") - mid(bars, "open")


def share_of_session(bars: pl.DataFrame) -> np.ndarray:
    """Where in its session each minute's middle lies, 0 to 1."""
    turn = pl.int_range(pl.len()).over("session")
    return bars.select((turn + 0.5) / pl.len().over("session")).to_series().to_numpy()


def assert_near(found: float, stated: float, error: float) -> None:
    assert abs(found - stated) < 4 * error, f"{found} where {stated} ± {error} is stated"


# The same each time


def test_another_process_makes_the_same_bytes():
    options = {"start": "2024-05-01", "seed": 3, "calendar": "24/7"}
    code = (
        "from datetime import datetime\n"
        "from truecast.core.clock import frozen_at\n"
        "from truecast.core.hashing import sha256_of\n"
        "from truecast.core.interval import Interval\n"
        "from truecast.sources.simulated.source import open_simulated\n"
        f"with frozen_at(datetime.fromisoformat('{NOW.isoformat()}')):\n"
        f"    part = next(open_simulated({options}).fetch('^GSPC', Interval('1m')))\n"
        "print(sha256_of(part.content))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with frozen_at(NOW):
        here = next(open_simulated(options).fetch("^GSPC", MINUTES))
    assert done.stdout.strip() == sha256_of(here.content)


@pytest.mark.parametrize("calendar", ["XNYS", "FX", "24/7"])
def test_a_part_is_the_same_as_in_the_whole_to_the_bit(calendar):
    options = {"start": "2023-11-20", "calendar": calendar, "articles_per_day": 5}
    whole = bars_of(options)
    numbers = pl.exclude("row")
    for days, hours in ((200, 0), (100, 7), (3, 15)):
        since = NOW - timedelta(days=days, hours=hours)
        part = bars_of(options, since=since)
        assert part["event_time"][0] <= since + timedelta(days=4)
        assert part.select(numbers).equals(whole.tail(len(part)).select(numbers))
        # ... and what was there to be had then was no other.
        then = bars_of(options, at=since)
        assert then.equals(whole.filter(pl.col("event_time") <= since))


def test_seed_symbol_and_start_make_other_bars():
    first = bars_of({"start": "2024-06-03"})
    for options, symbol in (
        ({"start": "2024-06-03"}, "B"),
        ({"start": "2024-06-03", "seed": 1}, "A"),
    ):
        other = bars_of(options, symbol)
        assert abs(np.corrcoef(moved(first), moved(other))[0, 1]) < 0.35
        assert not np.isin(other["volume"], first["volume"]).all()


def test_it_goes_on_as_time_does_and_ends_where_it_shall(tmp_path):
    lake = Lake(str(tmp_path))
    source = open_simulated({"start": "2024-06-03", "years": 1})
    open_ = datetime(2024, 6, 27, 13, 30, tzinfo=UTC)
    added = []
    for at in (open_ + timedelta(minutes=7, seconds=30), open_ + timedelta(minutes=9), NOW):
        with frozen_at(at):
            summary = lake.ingest(source, "A", MINUTES)
            assert source.live
        assert summary.revised == 0
        assert not summary.quarantined
        added.append(summary.added)
    # 17 sessions and 7 minutes; 2 more; the rest of that day and one more.
    assert added == [17 * 390 + 7, 2, 381 + 390]
    with frozen_at(datetime(2025, 6, 2, 20, 1, tzinfo=UTC)):
        assert not source.live
        assert lake.ingest(source, "A", MINUTES).revised == 0
        assert lake.ingest(source, "A", MINUTES).added == 0
    stored = lake.history(source.name, "A", MINUTES).versions
    assert stored["session"][-1] == date(2025, 6, 2)
    assert set(stored["basis"]) == {"assumed", "observed"}
    assert stored["simulated"].all()


# Longer bars are made of minutes


@pytest.mark.parametrize(("interval", "minutes"), [("5m", 5), ("1h", 60), ("1d", 10_000)])
@pytest.mark.parametrize("calendar", ["XNYS", "FX"])
def test_longer_bars_are_the_aggregates_of_the_minutes(interval, minutes, calendar):
    options = {"start": "2023-12-15", "end": "2024-01-31", "calendar": calendar}
    ones = bars_of(options)
    turn = pl.int_range(pl.len()).over("session") // minutes
    sides = ("", "bid_", "ask_")
    joined = (
        ones.with_columns(turn=turn)
        .group_by("session", "turn", maintain_order=True)
        .agg(
            pl.col("event_time").last(),
            *(pl.col(f"{side}open").first() for side in sides),
            *(pl.col(f"{side}high").max() for side in sides),
            *(pl.col(f"{side}low").min() for side in sides),
            *(pl.col(f"{side}close").last() for side in sides),
            pl.col("volume").sum(),
            pl.col("bid_size", "ask_size").last(),
        )
    )
    longer = bars_of(options, interval=Interval(interval))
    columns = [name for name in PARSED_BARS if name not in ("row", "known_at")]
    assert longer.select(columns).equals(joined.select(columns))
    if interval == "1d":
        closes = get_calendar(calendar).closes_of(longer["session"].to_numpy())
        assert (longer["event_time"].dt.replace_time_zone(None).to_numpy() == closes).all()


def test_intraday_bars_come_by_the_year_and_say_what_they_cover():
    source = open_simulated({"start": "2022-03-01", "calendar": "24/7"})
    with frozen_at(NOW):
        parts = list(source.fetch("A", Interval("1h")))
        (daily,) = source.fetch("A", DAYS)
    rows = [source.parse(part).bars for part in parts]
    assert [part["session"].dt.year().unique().to_list() for part in rows] == [
        [2022],
        [2023],
        [2024],
    ]
    for part, bars in zip(parts, rows, strict=True):
        inside = bars["event_time"].is_between(*part.covers, closed="left")
        assert inside.all()
    assert [part.covers[0] for part in parts[1:]] == [part.covers[1] for part in parts[:-1]]
    assert rows[-1]["event_time"][-1] == NOW
    # The session of 1 July is not over.
    assert source.parse(daily).bars["session"][-1] == date(2024, 6, 30)


# The process that is stated


@pytest.fixture(scope="module")
def long_path():
    """A century of sessions, without their minutes."""
    options = SimulatedOptions(
        **{"start": "1924-01-01", "calendar": "24/7", "jump_rate": 0.1, "jump": 3.0},
        transitions=((0.97, 0.02, 0.01), (0.05, 0.9, 0.05), (0.0, 0.2, 0.8)),
        articles_per_day=0,
    )
    return options, path_of(options, "A", NOW)


def test_regimes_are_the_stated_chain(long_path):
    options, path = long_path
    matrix = np.array(options.transitions)
    for start in range(3):
        left = path.regime[:-1] == start
        visits = left.sum()
        for end in range(3):
            stated = matrix[start, end]
            found = (path.regime[1:][left] == end).mean()
            assert_near(found, stated, math.sqrt(stated * (1 - stated) / visits) + 1e-12)
    # By hand: the flows between regimes are in balance.
    assert stationary(matrix) == pytest.approx(stationary(matrix) @ matrix)
    # Visits are not independent: a stay of 33 sessions or fewer counts as one.
    expected = stationary(matrix)
    found = np.bincount(path.regime) / len(path.regime)
    assert np.abs(found - expected).max() < 4 * math.sqrt(2 * 33 / len(path.regime))


def test_jumps_come_as_often_and_as_large_as_stated(long_path):
    _, path = long_path
    sessions = len(path.days)
    jumps = path.jump[path.jump != 0]
    assert_near(len(jumps) / sessions, 0.1, math.sqrt(0.1 * 0.9 / sessions))
    assert_near(jumps.std(), 0.03, 0.03 / math.sqrt(2 * len(jumps)))
    assert_near(jumps.mean(), 0, 0.03 / math.sqrt(len(jumps)))
    minute = path.jump_minute[path.jump != 0]
    assert 0 <= minute.min() < 20
    assert 1420 < minute.max() < 1440
    assert_near(minute.mean(), 719.5, 1440 / math.sqrt(12 * len(jumps)))


def test_each_regime_has_its_volatility_by_night_and_by_day():
    """Daily bars of 12 years: the night's variance is a quarter, the day's the rest."""
    options = {**PLAIN, "start": "2012-01-03", "volatility": [0.5, 2.0], "overnight": 0.25}
    bars = bars_of(options, interval=DAYS)
    regime = path_of(SimulatedOptions(**options), "A", NOW).regime[: len(bars)]
    for state, sd in enumerate((0.005, 0.02)):
        day = moved(bars)[regime == state]
        night = (mid(bars, "open")[1:] - mid(bars, "close")[:-1])[regime[1:] == state]
        for returns, share in ((day, 0.75), (night, 0.25)):
            stated = sd * math.sqrt(share)
            assert_near(returns.std(), stated, stated / math.sqrt(2 * len(returns)))
            assert_near(returns.mean(), 0, stated / math.sqrt(len(returns)))


@pytest.fixture(scope="module")
def plain_minutes():
    return bars_of({**PLAIN, "start": "2023-07-03", "seasonality": 4.0, "overnight": 0.0})


def test_minutes_move_and_trade_most_at_open_and_close(plain_minutes):
    place = share_of_session(plain_minutes)
    busy = 1 + 4 * (2 * place - 1) ** 2
    sessions = plain_minutes["session"].n_unique()
    length = pl.len().over("session")
    sums = plain_minutes.with_columns(busy=busy).select(pl.col("busy").sum().over("session"))
    part = busy / sums.to_series().to_numpy()
    assert plain_minutes.select(length.n_unique()).item() == 2  # half-days too
    squares = (moved(plain_minutes) / 0.01) ** 2
    volume = plain_minutes["volume"].to_numpy() / 1e6
    for low, high in ((0, 0.1), (0.45, 0.55), (0.9, 1)):
        inside = (place >= low) & (place < high)
        stated = part[inside].sum() / sessions
        count = inside.sum()
        assert_near(squares[inside].sum() / sessions, stated, stated * math.sqrt(2 / count))
        # A lognormal of spread ½ has the variance exp(¼) − 1.
        error = stated * math.sqrt((math.exp(0.25) - 1) / count)
        assert_near(volume[inside].sum() / sessions, stated, error + 0.5e-6)


def test_minutes_are_independent_and_sum_to_the_session(plain_minutes):
    returns = moved(plain_minutes)
    day = plain_minutes["session"].to_numpy()
    scaled = returns / np.sqrt(1 + 4 * (2 * share_of_session(plain_minutes) - 1) ** 2)
    for lag in (1, 5):
        pair = np.corrcoef(scaled[:-lag], scaled[lag:])[0, 1]
        assert_near(pair, 0, 1 / math.sqrt(len(scaled)))
    # A minute opens where the one before closed.
    gaps = mid(plain_minutes, "open")[1:] - mid(plain_minutes, "close")[:-1]
    assert np.abs(gaps[day[1:] == day[:-1]]).max() < 1e-12


def test_high_and_low_are_those_of_a_brownian_motion(plain_minutes):
    """Rogers and Satchell's variance, E[h(h−c) + l(l−c)], is the true one for each minute."""
    opened = mid(plain_minutes, "open")
    high, low, close = (mid(plain_minutes, name) - opened for name in ("high", "low", "close"))
    found = high * (high - close) + low * (low - close)
    days = plain_minutes["session"].n_unique()
    assert_near(found.sum() / days, 1e-4, found.std() * math.sqrt(len(found)) / days)


def test_quotes_are_as_wide_and_as_deep_as_stated(plain_minutes):
    width = np.log((plain_minutes["ask_close"] / plain_minutes["bid_close"]).to_numpy()) * 1e4
    spread = math.sqrt((math.exp(1 / 16) - 1) / len(width))
    assert_near(width.mean(), 2.0, 2.0 * spread)
    for side in ("bid", "ask"):
        size = plain_minutes[f"{side}_size"]
        assert_near(size.mean(), 500, 500 * math.sqrt((math.exp(0.25) - 1) / len(size)))
        assert (size == size.round()).all()
    for price in ("open", "close"):
        at_ask = plain_minutes[price] == plain_minutes[f"ask_{price}"]
        at_bid = plain_minutes[price] == plain_minutes[f"bid_{price}"]
        assert (at_ask ^ at_bid).all()
        assert_near(at_ask.mean(), 0.5, 0.5 / math.sqrt(len(at_ask)))


def test_a_wilder_regime_is_wider_thinner_and_busier():
    options = {**PLAIN, "start": "2024-01-02", "volatility": [1.0, 3.0]}
    bars = bars_of(options)
    path = path_of(SimulatedOptions(**options), "A", NOW)
    wild = np.repeat(path.regime, path.minutes)[: len(bars)] == 1
    assert 0.1 < wild.mean() < 0.9
    width = np.log((bars["ask_close"] / bars["bid_close"]).to_numpy()) * 1e4
    few = min(wild.sum(), (~wild).sum())
    for values, stated, variance in (
        (width, (2.0, 6.0), 1 / 16),
        (bars["bid_size"].to_numpy(), (500, 500 / 3), 0.25),
        (bars["volume"].to_numpy() * 390 / 1e6, (1.0, 3.0), 0.6),
    ):
        for here, mean in ((~wild, stated[0]), (wild, stated[1])):
            error = mean * math.sqrt((math.exp(variance) - 1) / few)
            assert_near(values[here].mean(), mean, error)


@pytest.mark.parametrize("loading", [0.0, 0.8])
def test_instruments_share_the_market_and_nothing_else(loading):
    options = {**PLAIN, "start": "2024-03-01", "market_loading": loading, "overnight": 0.5}
    first, second = (bars_of(options, symbol) for symbol in "AB")
    stated = loading**2
    for one, other in (
        (moved(first), moved(second)),
        (moved(first)[::390], moved(second)[::390]),
    ):
        found = np.corrcoef(one, other)[0, 1]
        assert_near(found, stated, (1 - stated**2) / math.sqrt(len(one)) * 1.3)
    volumes = np.corrcoef(np.log(first["volume"]), np.log(second["volume"]))[0, 1]
    busy = np.corrcoef(np.log(first["bid_size"]), np.log(second["bid_size"]))[0, 1]
    assert volumes < 0.6  # the session's shape alone
    assert_near(busy, 0, 1 / math.sqrt(len(first)))


def test_a_jump_comes_after_the_opening_price_of_its_minute():
    options = {**PLAIN, "start": "2024-01-02", "jump_rate": 1.0, "jump": 5.0, "overnight": 0.0}
    bars = bars_of(options)
    path = path_of(SimulatedOptions(**options), "A", NOW)
    sessions = bars["session"].n_unique()
    at = (path.offsets[:-1] + path.jump_minute)[:sessions]
    rest = moved(bars)[at] - path.jump[:sessions]
    # 1 % a session is at most 10 hundredths of a percent a minute, at the open.
    assert np.abs(rest).max() < 5 * 0.01 * math.sqrt(4 / 2 / 390)
    high, low = mid(bars, "high")[at], mid(bars, "low")[at]
    assert (high >= mid(bars, "open")[at] - 1e-12).all()
    assert (high - low >= np.abs(path.jump[:sessions]) - 0.01).all()


# Whatever the options


OPTIONS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**63 - 1),
        "calendar": st.sampled_from(["XNYS", "FX", "24/7"]),
        "start": st.dates(date(1999, 1, 1), date(2024, 6, 1)).map(str),
        "price": st.floats(1e-3, 1e5),
        "volatility": st.lists(st.floats(0.01, 20), min_size=1, max_size=4),
        "overnight": st.floats(0, 0.99),
        "seasonality": st.floats(0, 50),
        "jump_rate": st.floats(0, 1),
        "jump": st.floats(0, 30),
        "market_loading": st.floats(0, 1),
        "spread_bps": st.floats(0.01, 500),
        "volume": st.floats(1, 1e9),
        "depth": st.floats(1, 1e6),
        "articles_per_day": st.floats(0, 50),
        "effect_bps": st.floats(0, 300),
        "effect_minutes": st.integers(1, 3000),
    }
)


@settings(max_examples=25)
@given(OPTIONS, st.sampled_from(["1m", "7m", "1h", "4h", "1d"]), st.integers(1, 20))
def test_bars_hold_together_whatever_the_options(options, interval, days):
    source = open_simulated(options)
    at = datetime.fromisoformat(options["start"] + "T17:31:20+00:00") + timedelta(days=days + 5)
    bars = bars_of(options, interval=Interval(interval), at=at)
    checked = check_bars(bars, source.instrument("A"), Interval(interval), at)
    assert len(checked.bars) == len(bars) > 0
    assert checked.bars["flags"].list.len().sum() == 0
    assert bars["event_time"].is_sorted()
    assert bars["event_time"].n_unique() == len(bars)
    assert bars["event_time"][-1] <= at
    for price in ("open", "high", "low", "close"):
        assert (bars[f"bid_{price}"] < bars[f"ask_{price}"]).all()
        assert bars[price].is_between(bars[f"bid_{price}"], bars[f"ask_{price}"]).all()
    assert (bars.select("volume", "bid_size", "ask_size").min_horizontal() >= 1).all()


# What may be asked for


def test_symbols_are_those_of_the_options_or_any():
    assert open_simulated({"instruments": 3}).symbols() == ("SIM001", "SIM002", "SIM003")
    assert open_simulated({"instruments": ["B", "A"]}).symbols() == ("A", "B")
    told = open_simulated({}).instrument("^GSPC")
    assert (told.symbol, told.calendar) == ("^GSPC", "XNYS")
    assert "simulated" in told.description
    with pytest.raises(UnknownNameError, match="did you mean 'GOLD'"):
        next(open_simulated({"instruments": ["GOLD"]}).fetch("GLOD", DAYS))


def test_other_bars_have_another_name():
    names = {
        open_simulated(options).name
        for options in ({}, {"seed": 1}, {"calendar": "FX"}, {"effect_bps": 0})
    }
    assert len(names) == 4
    assert open_simulated({}).name == "simulated"
    for same in ({"instruments": 2}, {"years": 3}, {"end": "2020-01-01"}, {"seed": 0}):
        assert open_simulated(same).name == "simulated"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sede": 1}, "did you mean 'seed'"),
        ({"calendar": "NYSE!"}, "unknown calendar 'NYSE!'"),
        ({"start": "2020-01-02", "end": "2019-01-01"}, "wrong way round"),
        ({"end": "2020-01-01", "years": 2}, "give one of them"),
        ({"transitions": [[1.0]]}, "expected 3 rows of 3"),
        ({"volatility": [1, 2], "transitions": [[0.5, 0.4], [0, 1]]}, "sums to 0.9"),
        ({"instruments": ["A B"]}, "instruments"),
        ({"volatility": [0]}, "volatility"),
        ({"volatility": [True]}, "volatility"),
        ({"seed": True}, "seed: input should be a valid integer"),
        ({"instruments": True}, "instruments"),
        ({"price": "100"}, "price: input should be a valid number"),
        ({"start": 86400}, "start: write a date such as 2018-06-01, got 86400"),
    ],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(UsageError, match=r"source\.simulated") as refused:
        open_simulated(options)
    assert said in str(refused.value)


def test_a_market_that_has_not_begun_says_so():
    with frozen_at(NOW), pytest.raises(UsageError, match="no session from 2024-08-01"):
        next(open_simulated({"start": "2024-08-01"}).fetch("A", DAYS))
    weekend = {"start": "2024-06-29", "end": "2024-06-30"}
    with frozen_at(NOW), pytest.raises(UsageError, match="no session from 2024-06-29"):
        next(open_simulated(weekend).fetch("A", DAYS))


def test_bytes_of_something_else_are_refused():
    payload = Payload("simulated", "A", "1d", {"process": "simulated"}, b"PAR1", "", NOW)
    with pytest.raises(SourceError, match="not a Parquet file with the columns session"):
        open_simulated({}).parse(payload)


def test_the_shipped_recipe_runs_on_it(tmp_path):
    recipe = load_recipe("sp500-daily").with_source("simulated")
    workspace = Workspace(Settings(home=tmp_path))
    with frozen_at(datetime(2015, 1, 2, 22, tzinfo=UTC)):
        taken = ingest(workspace, recipe)
        (built,) = build(workspace, recipe)
    assert {symbol: summary.added for symbol, summary in taken.series.items()} == {
        "^GSPC": 4026,
        "^VIX": 4026,
    }
    assert built.rows == 4026
    assert built.present > 0.97
