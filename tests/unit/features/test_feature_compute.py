from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from truecast.core.recipe_parts import Choice
from truecast.features.compute import Market, compute_at, compute_columns
from truecast.features.declaration import FeatureError
from truecast.features.plan import FeaturePlan
from truecast.features.user import UserFeatureError, feature
from truecast.features.warmup import warm_up
from truecast.lake.history import BarHistory

START = datetime(2021, 3, 1, 21, tzinfo=UTC)
DECIDE_AFTER = timedelta(minutes=30)
PROMPT = timedelta(minutes=15)


def plan(*names, context=("^VIX",)):
    return FeaturePlan.from_choices([Choice(name=name) for name in names], context=context)


def close_of(day):
    return START + timedelta(days=day)


def history(rows):
    """Rows of day, delay, version and close."""
    rows = sorted(rows, key=lambda row: (row[0], row[2]))
    closes = [row[3] for row in rows]
    return BarHistory(
        pl.DataFrame(
            {
                "session": [close_of(day).date() for day, *_ in rows],
                "event_time": [close_of(day) for day, *_ in rows],
                "known_at": [close_of(day) + delay for day, delay, *_ in rows],
                "version": [version for _, _, version, _ in rows],
                "open": [0.999 * close for close in closes],
                "high": [1.01 * close for close in closes],
                "low": [0.98 * close for close in closes],
                "close": closes,
                "volume": [100.0 + day for day, *_ in rows],
            },
            schema_overrides={
                "event_time": pl.Datetime("us", "UTC"),
                "known_at": pl.Datetime("us", "UTC"),
                "version": pl.Int32,
            },
        )
    )


def random_history(seed, days=120, revisions=(), late=(), level=100.0):
    rng = np.random.default_rng(seed)
    closes = level * np.exp(np.cumsum(rng.normal(0, 0.02, days)))
    rows = [
        (day, timedelta(days=3) if day in late else PROMPT, 0, float(closes[day]))
        for day in range(days)
    ]
    rows += [(day, timedelta(days=after), 1, float(closes[day]) * 1.05) for day, after in revisions]
    return history(rows)


def by_brute_force(market, decisions, window):
    """For each decision alone: what was known then, and a plain formula on it."""
    rows = []
    for when in decisions.as_of.astype("datetime64[us]").tolist():
        moment = when.replace(tzinfo=UTC)
        own = market.bars.known(moment)["close"].to_numpy()
        beside = market.context["^VIX"].known(moment)["close"].to_numpy()
        returns = 100 * np.diff(np.log(own))
        row = [np.nan] * 4
        if len(own) > window:
            row[0] = 100 * np.log(own[-1] / own[-1 - window])
            row[1] = np.std(returns[-window:], ddof=1)
        if len(beside):
            row[2] = np.log(beside[-1])
        if len(own) > window and len(beside):
            row[3] = np.log(beside[-1]) - np.log(np.sqrt(252) * row[1])
        rows.append(row)
    return np.array(rows)


NAMES = ("log_return_10", "return_sd_10", "log_close__vix", "log_premium_10__vix")
MARKETS = {
    "in order": Market("A", random_history(1), {"^VIX": random_history(2)}, DECIDE_AFTER),
    "revised": Market(
        "A",
        random_history(1, revisions=[(20, 2), (50, 5), (51, 4), (100, 15)]),
        {"^VIX": random_history(2, revisions=[(30, 1), (99, 10)])},
        DECIDE_AFTER,
    ),
    "late": Market(
        "A",
        random_history(1, late=(40, 41, 90)),
        {"^VIX": random_history(2, late=(0, 1, 60, 118, 119), revisions=[(60, 9)])},
        DECIDE_AFTER,
    ),
    "context begins later": Market(
        "A",
        random_history(1),
        {"^VIX": BarHistory(random_history(2).versions.slice(70))},
        DECIDE_AFTER,
    ),
    "context is empty": Market(
        "A",
        random_history(1),
        {"^VIX": BarHistory(random_history(2).versions.clear())},
        DECIDE_AFTER,
    ),
}


@pytest.mark.parametrize("market", MARKETS.values(), ids=MARKETS)
def test_each_row_is_what_was_known_then(market):
    decisions = market.decisions()
    rows = compute_at(plan(*NAMES), market, decisions, np.float64)
    np.testing.assert_allclose(rows, by_brute_force(market, decisions, 10), rtol=1e-9)


@pytest.mark.parametrize("market", MARKETS.values(), ids=MARKETS)
def test_a_few_decisions_equal_the_batch_to_the_bit(market):
    decisions = market.decisions()
    batch = compute_at(plan(*NAMES), market, decisions)
    assert batch.dtype == np.float32
    for place in range(len(decisions)):
        few = compute_at(plan(*NAMES), market, decisions[max(0, place - 2) : place + 1])
        np.testing.assert_array_equal(few, batch[max(0, place - 2) : place + 1])


def test_rows_that_skip_decisions_equal_the_batch():
    market = MARKETS["in order"]
    decisions = market.decisions()
    batch = compute_at(plan(*NAMES), market, decisions)
    places = np.array([15, 16, 40, 119])
    np.testing.assert_array_equal(
        compute_at(plan(*NAMES), market, decisions[places]), batch[places]
    )
    assert compute_at(plan(*NAMES), market, decisions[:0]).shape == (0, 4)


def test_decisions_are_those_whose_bar_was_known():
    market = MARKETS["late"]
    decisions = market.decisions()
    assert len(decisions) == 117  # days 40, 41 and 90 were three days late
    assert np.datetime64("2021-04-10T21:00:00") not in decisions.event_time
    assert (decisions.as_of - decisions.event_time == np.timedelta64(30, "m")).all()
    assert decisions.session[0] == np.datetime64("2021-03-01")
    assert len(market.decisions(close_of(9) + timedelta(minutes=29))) == 9
    assert len(market.decisions(close_of(9) + timedelta(minutes=30))) == 10
    assert decisions[-1].session.tolist() == [close_of(119).date()]


def test_a_decision_without_its_bar_is_refused():
    market = Market("A", random_history(1, late=(40,)), {}, DECIDE_AFTER)
    everything = Market("A", random_history(1), {}, DECIDE_AFTER).decisions()
    with pytest.raises(FeatureError, match=r"closed 2021-04-10T21:00:00.* was not known"):
        compute_at(plan("log_return_1"), market, everything[40])


def test_missing_context_is_refused():
    market = Market("A", random_history(1), {}, DECIDE_AFTER)
    with pytest.raises(FeatureError, match=r"need bars of \^VIX"):
        compute_at(plan("log_close__vix"), market, market.decisions())


def test_inputs_must_be_there_and_of_one_length():
    features = plan("log_range").features
    with pytest.raises(FeatureError, match="not there: high, low"):
        compute_columns(features, {"close": np.ones(3), "open": np.ones(3)})
    columns = {name: np.ones(3) for name in ("open", "high", "low")}
    with pytest.raises(FeatureError, match="one length"):
        compute_columns(features, columns | {"close": np.ones(2)})


def test_the_result_is_features_by_bars_in_memory():
    found = compute_columns(plan("log_return_1", "log_return_2").features, {"close": np.ones(5)})
    assert found.shape == (5, 2)
    assert found.T.flags.c_contiguous


def test_inputs_may_be_read_only_and_of_whole_numbers():
    close = np.arange(1, 30)
    expected = compute_columns(plan("log_return_3").features, {"close": close.astype(float)})
    close.flags.writeable = False
    found = compute_columns(plan("log_return_3").features, {"close": close})
    np.testing.assert_array_equal(found, expected)


def users_plan(monkeypatch, function, lookback=2):
    import sys
    import types

    module = types.ModuleType("users")
    module.own = feature(inputs=["close"], lookback=lookback, unit="", formula="")(function)
    module.own.__name__ = "own"
    monkeypatch.setitem(sys.modules, "users", module)
    return plan("users:own")


def test_a_users_function_gets_arrays_it_cannot_change(monkeypatch):
    def own(close):
        assert close.dtype == np.float64
        assert not close.flags.writeable
        return pl.Series(close).pct_change()

    found = compute_columns(users_plan(monkeypatch, own).features, {"close": np.array([1, 2, 3.0])})
    np.testing.assert_array_equal(found[:, 0], np.array([np.nan, 1.0, 0.5], np.float32))


def test_what_is_infinite_is_missing(monkeypatch):
    def own(close):
        return close / (close - 2)

    found = compute_columns(
        users_plan(monkeypatch, own, 1).features, {"close": np.array([1.0, 2, 3])}
    )
    np.testing.assert_array_equal(found[:, 0], np.array([-1.0, np.nan, 3.0], np.float32))


def test_a_users_function_that_fails_is_named(monkeypatch):
    def own(close):
        raise KeyError("gone")

    with pytest.raises(
        UserFeatureError, match="feature own: its function failed on 3 bars: KeyError"
    ):
        compute_columns(users_plan(monkeypatch, own).features, {"close": np.ones(3)})

    def own(close):
        return close[1:]

    with pytest.raises(UserFeatureError, match=r"one value for each of 3 bars, got shape \(2,\)"):
        compute_columns(users_plan(monkeypatch, own).features, {"close": np.ones(3)})


def test_what_a_dataset_cannot_hold_is_missing(monkeypatch):
    def own(close):
        return np.array([1e39, -1e39, 3e38])

    for dtype in (np.float32, np.float64):
        found = compute_columns(
            users_plan(monkeypatch, own, 1).features, {"close": np.ones(3)}, dtype
        )
        np.testing.assert_array_equal(found[:, 0], np.array([np.nan, np.nan, 3e38], dtype))


def test_what_is_masked_is_missing(monkeypatch):
    def own(close):
        return np.ma.masked_array(close, mask=[False, True, False])

    found = compute_columns(users_plan(monkeypatch, own, 1).features, {"close": np.ones(3)})
    np.testing.assert_array_equal(found[:, 0], [1.0, np.nan, 1.0])


@pytest.mark.parametrize("values", [[1j], ["1"], np.array(["2020-01-01"], "M8[s]")])
def test_what_is_no_real_number_is_refused(monkeypatch, values):
    def own(close):
        return np.repeat(values, len(close))

    with pytest.raises(UserFeatureError, match=r"feature own: .*not real numbers"):
        compute_columns(users_plan(monkeypatch, own, 1).features, {"close": np.ones(3)})


def test_a_users_function_does_not_end_the_program(monkeypatch):
    def own(close):
        raise SystemExit(0)

    with pytest.raises(UserFeatureError, match="SystemExit: 0"):
        compute_columns(users_plan(monkeypatch, own, 1).features, {"close": np.ones(3)})


def test_warm_up_compiles_without_calling_users_functions(monkeypatch):
    def own(close):
        raise AssertionError("called")

    warm_up(users_plan(monkeypatch, own))
    warm_up(plan("sp500_daily"))


def test_a_strength_forgets_what_was_before_a_market_stood_still():
    """Two means that fade away at one pace keep their ratio for ever."""
    rng = np.random.default_rng(5)
    close = np.r_[100 * np.exp(np.cumsum(rng.normal(0.001, 0.01, 700))), np.full(900, 120.0)]
    (one,) = plan("rsi_14").features
    batch = compute_columns([one], {"close": close}, np.float64)[:, 0]
    for row in (700, 760, 900, 1000, 1300, 1599):
        alone = {"close": close[row + 1 - one.lookback : row + 1]}
        tail = compute_columns([one], alone, np.float64)[-1, 0]
        assert tail == pytest.approx(batch[row], rel=1e-9)
    assert abs(batch[760] - 50) > 30  # it has not forgotten yet
    assert batch[1599] == 50
