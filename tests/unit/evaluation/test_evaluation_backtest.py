import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from truecast.evaluation.backtest import (
    apart,
    backtest_of,
    buy_and_hold,
    deflated_sharpe,
    luckiest_sharpe,
    positions,
    probabilistic_sharpe,
    sharpe_ratio,
)
from truecast.evaluation.errors import EvaluationError
from truecast.evaluation.scoring import score_slot
from truecast.evaluation.slots import SlotForecasts, Trading

RNG = np.random.default_rng(31)


def tradable(slot: SlotForecasts, horizon: int = 1, **changes: object) -> SlotForecasts:
    """Give the simulated prices what a backtest needs; of h bars, returns that overlap."""
    closes = np.r_[slot.last_close, slot.outcomes["value"][-1]]
    n = len(closes) - horizon
    days = np.r_[slot.event_time, slot.event_time[-1] + np.timedelta64(1, "D")]
    rows = slice(0, n)
    trading = Trading(
        log_return=100 * np.log(closes[horizon:] / closes[:-horizon]),
        due=days[horizon:],
        years=5.0,
        **changes,
    )
    return replace(
        slot,
        horizon=horizon,
        event_time=slot.event_time[rows],
        session=days[horizon:].astype("datetime64[D]"),
        outcomes={"value": closes[horizon:]},
        forecasts={name: values[rows] for name, values in slot.forecasts.items()},
        last_close=slot.last_close[rows],
        volatility=slot.volatility[rows],
        mean_return=None,
        intervals={},
        trading=trading,
    )


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_backtest_equals_a_plain_loop(slots: dict[str, SlotForecasts], horizon: int) -> None:
    slot = tradable(slots["price"], horizon, cost_bps=10.0)
    found = backtest_of(slot, "ridge")
    assert found is not None
    closes = np.r_[slots["price"].last_close, slots["price"].outcomes["value"][-1]].tolist()
    said, gross, worth, top, fall, turnover, held, nets = (
        slot.forecasts["ridge"].tolist(), 1.0, 1.0, 1.0, 0.0, 0.0, 0, [],
    )  # fmt: skip
    places = range(0, len(closes) - horizon, horizon)
    for place in places:
        side = 1 if said[place] > closes[place] else -1
        change = abs(side - held) + (1 if place == places[-1] else 0)
        gain = side * (closes[place + horizon] / closes[place] - 1)
        gross *= 1 + gain
        nets.append(gain - change * 0.001)
        worth *= 1 + nets[-1]
        top = max(top, worth)
        fall = min(fall, worth / top - 1)
        turnover, held = turnover + change, side
    assert found.trades == len(places)
    assert found.gross_return_pct == pytest.approx(100 * (gross - 1))
    assert found.net_return_pct == pytest.approx(100 * (worth - 1))
    assert found.max_drawdown_pct == pytest.approx(100 * fall)
    assert found.turnover_a_year == pytest.approx(turnover / 5)
    series = pd.Series(nets)
    a_year = len(nets) / 5
    assert found.sharpe == pytest.approx(series.mean() / series.std() * math.sqrt(a_year))
    assert found.trials == 43


def test_holding_makes_what_the_price_made(slots: dict[str, SlotForecasts]) -> None:
    slot = tradable(slots["price"], cost_bps=0.0)
    held = buy_and_hold(slot)
    assert held is not None
    made = 100 * (slot.outcomes["value"][-1] / slot.last_close[0] - 1)
    assert held.net_return_pct == pytest.approx(made)
    assert (held.trials, held.turnover_a_year) == (1, pytest.approx(2 / 5))
    naive = backtest_of(slot, "naive")
    assert naive is not None
    assert (naive.trades, naive.net_return_pct, naive.sharpe) == (0, 0.0, None)
    card, _ = score_slot(slot)
    assert card.buy_and_hold_illustration == held
    assert card.by_name["naive"].backtest_illustration == naive


def test_trades_never_overlap_and_nights_are_not_held() -> None:
    """Two sessions of six minutes, three minutes ahead: two trades each, closed at the end."""
    minutes = np.r_[np.arange(6), 1440 + np.arange(6)]
    start = np.datetime64("2024-01-02T14:30", "us")
    moment = start + minutes * np.timedelta64(60, "s")
    rows = np.array([0, 1, 2, 6, 7, 8])
    slot = SlotForecasts(
        slot="x", instrument="x", target="return", horizon=3, champion=None,  # type: ignore[arg-type]
        event_time=moment[rows],
        session=moment[rows].astype("datetime64[D]"),
        outcomes={"value": np.ones(6)},
        forecasts={"up": np.ones(6)},
        trials=1,
        trading=Trading(
            log_return=np.full(6, 100 * math.log(1.01)),
            due=moment[rows] + np.timedelta64(180, "s"),
            years=2 / 252,
            cost_bps=100.0,
        ),
    )  # fmt: skip
    assert apart(slot.event_time, slot.trading.due).tolist() == [0, 3]
    found = backtest_of(slot, "up")
    assert found is not None
    assert found.trades == 2
    assert found.turnover_a_year == pytest.approx(4 * 252 / 2)  # in and out, each day
    assert found.gross_return_pct == pytest.approx(100 * (1.01**2 - 1))
    assert found.net_return_pct == pytest.approx(100 * (0.99**2 - 1))


def test_sizes_follow_the_forecast(slots: dict[str, SlotForecasts]) -> None:
    slot = tradable(slots["price"], position="size")
    said = 100 * np.log(slot.forecasts["ridge"] / slot.last_close) / slot.volatility
    found = positions(slot, slot.trading, "ridge")
    np.testing.assert_allclose(found, np.clip(said, -1, 1))
    chance = replace(slot, target="direction", forecasts={"p": np.array([0.2, 0.5, 1.0])})
    assert positions(chance, slot.trading, "p").tolist() == pytest.approx([-0.6, 0.0, 1.0])
    with pytest.raises(EvaluationError, match="sizes need the volatility"):
        positions(replace(slot, volatility=None), slot.trading, "ridge")
    assert backtest_of(replace(slot, target="volatility"), "ridge") is None


def test_the_deflated_sharpe_of_the_paper() -> None:
    """Bailey and Lopez de Prado (2014): a ratio of 2.5 a year, the best of 100, is not enough."""
    luck = luckiest_sharpe(100, math.sqrt(0.5 / 250))
    assert luck == pytest.approx(0.1132, abs=5e-5)
    found = probabilistic_sharpe(2.5 / math.sqrt(250), luck, 1250, skewness=-3, kurtosis=10)
    assert found == pytest.approx(0.9004, abs=5e-5)


def test_the_luckiest_of_many_is_as_lucky_as_simulated() -> None:
    best = [RNG.standard_normal(100).max() for _ in range(4000)]
    assert luckiest_sharpe(100, 1.0) == pytest.approx(np.mean(best), rel=0.02)
    assert luckiest_sharpe(1, 1.0) == 0.0


def test_the_best_of_a_hundred_random_signals_is_deflated() -> None:
    """Ten times over: its plain Sharpe ratio looks good, deflated it is a toss."""
    market = RNG.standard_normal((10, 1250))
    shown = []
    for returns in market:
        signals = np.sign(RNG.standard_normal((100, 1250)))
        made = signals * returns
        best = made[made.mean(axis=1).argmax()]
        assert math.sqrt(252) * (sharpe_ratio(best) or 0) > 0.7
        assert (deflated_sharpe(best, 1) or 0) > 0.95
        shown.append(deflated_sharpe(best, 100) or 0)
    assert max(shown) < 0.95
    assert 0.2 < np.mean(shown) < 0.8


def test_returns_that_do_not_differ_have_no_ratio() -> None:
    assert sharpe_ratio([0.1, 0.1, 0.1]) is None
    assert deflated_sharpe(np.zeros(50), 3) is None
