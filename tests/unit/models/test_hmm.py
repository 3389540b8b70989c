"""The hidden Markov model against a walk over all paths, planted regimes, and hmmlearn."""

from itertools import pairwise, product

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import norm

from truecast.core.errors import UsageError
from truecast.models.base import ModelError
from truecast.models.hmm import Hmm
from truecast.models.markov import Chain, observed

CHAIN = Chain(
    start=np.array([0.2, 0.3, 0.5]),
    transitions=np.array([[0.9, 0.07, 0.03], [0.05, 0.85, 0.1], [0.02, 0.08, 0.9]]),
    means=np.array([[-0.3, 0.7], [0.0, 0.1], [0.2, -0.6]]),
    variances=np.array([[4.0, 0.2], [1.0, 0.1], [0.3, 0.15]]),
)


def by_all_paths(chain: Chain, seen: np.ndarray) -> np.ndarray:
    """The definition: every path of states, its probability, and where it ends."""
    densities = norm.pdf(seen[:, None, :], chain.means, np.sqrt(chain.variances)).prod(axis=2)
    densities[np.isnan(densities)] = 1.0
    ends = np.zeros(3)
    for path in product(range(3), repeat=len(seen)):
        chance = chain.start[path[0]] * densities[range(len(seen)), path].prod()
        for before, after in pairwise(path):
            chance *= chain.transitions[before, after]
        ends[path[-1]] += chance
    return ends / ends.sum()


def simulated(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw states that last, and returns and volatilities that go with them."""
    rng = np.random.default_rng(seed)
    stay = np.array([[0.98, 0.015, 0.005], [0.01, 0.98, 0.01], [0.005, 0.015, 0.98]])
    states = np.empty(rows, dtype=int)
    state = 1
    for row in range(rows):
        state = rng.choice(3, p=stay[state])
        states[row] = state
    returns = rng.normal(np.array([-0.4, 0.0, 0.2])[states], np.array([2.0, 1.0, 0.5])[states])
    deviations = np.exp(rng.normal(np.log([2.0, 1.0, 0.5])[states], 0.25))
    return states, np.column_stack([returns, deviations]).astype(np.float32)


def windows(table: np.ndarray, window: int) -> np.ndarray:
    padded = np.full((window - 1 + len(table), 2), np.nan, dtype=np.float32)
    padded[window - 1 :] = table
    return np.moveaxis(sliding_window_view(padded, window, axis=0), 2, 1)


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray, Hmm]:
    states, table = simulated(3000)
    X = windows(table, 60)
    y = np.random.default_rng(1).choice(3, size=3000).astype(float)
    likely = np.random.default_rng(2).random(3000) < 0.6
    y[likely] = np.array([0.0, 1.0, 1.0])[states[likely]]  # calm markets come to neutral
    model = Hmm(window=60).fit(X[:2000], y[:2000], target="regime", horizon=5)
    return states, y, X, model


@pytest.mark.parametrize("missing", [(), (2,), (0, 1), (5,)])
def test_the_filter_is_the_sum_over_all_paths(missing: tuple[int, ...]) -> None:
    seen = np.random.default_rng(3).normal(0, 1, (4, 6, 2))
    seen[:, missing, :] = np.nan
    expected = [by_all_paths(CHAIN, window) for window in seen]
    np.testing.assert_allclose(CHAIN.filtered(seen), expected, rtol=1e-10)
    np.testing.assert_allclose(CHAIN.filtered(seen).sum(axis=1), 1.0, rtol=1e-12)


def test_a_window_without_any_bar_says_nothing() -> None:
    assert np.isnan(CHAIN.filtered(np.full((2, 5, 2), np.nan))).all()


def test_a_bar_that_no_state_explains_does_not_break_the_filter() -> None:
    seen = np.array([[[0.0, 0.0], [400.0, 30.0], [0.2, -0.6], [0.2, -0.6]]])
    assert np.isfinite(CHAIN.filtered(seen)).all()


def test_volatility_is_seen_as_a_logarithm_with_a_floor() -> None:
    found = observed(np.array([1.0, 2.0, np.nan]), np.array([np.e, 0.0, 1.0]))
    np.testing.assert_allclose(found[:2], [[1.0, 1.0], [2.0, np.log(0.01)]])
    assert np.isnan(found[2]).all()


def test_planted_regimes_are_found(planted) -> None:
    states, _, X, model = planted
    found = model.states(X[2000:])
    assert np.mean(found.argmax(axis=1) == states[2000:]) > 0.93
    told = model.description()["states"]
    assert [one["regime"] for one in told] == ["bear", "neutral", "bull"]
    drawn = [X[:2000, -1, 0][states[:2000] == state] for state in range(3)]
    means, deviations = ([one[name] for one in told] for name in ("mean_return", "volatility"))
    np.testing.assert_allclose(means, [one.mean() for one in drawn], atol=0.03)
    np.testing.assert_allclose(deviations, [one.std() for one in drawn], rtol=0.05)
    shares = np.bincount(states[:2000], minlength=3) / 2000
    np.testing.assert_allclose([one["share"] for one in told], shares, atol=0.02)
    durations = [one["mean_duration"] for one in told]
    assert all(25 < duration < 100 for duration in durations)  # 50 bars were planted
    np.testing.assert_allclose(np.sum(model.description()["transitions"], axis=1), 1.0)


def test_a_forecast_is_the_likeliest_regime_after_the_states(planted) -> None:
    states, y, X, model = planted
    found = model.states(X[:2000])
    follows = np.array(
        [
            [
                sum(found[i, s] for i in range(2000) if y[i] == g) + np.mean(y[:2000] == g)
                for g in range(3)
            ]
            / (found[:, s].sum() + 1)
            for s in range(3)
        ]
    )
    np.testing.assert_allclose(model.description()["follows"], follows, rtol=1e-9)
    chances = model.probabilities(X[2000:])
    np.testing.assert_allclose(chances, model.states(X[2000:]) @ follows, rtol=1e-9)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    said = model.predict(X[2000:])
    np.testing.assert_array_equal(said, chances.argmax(axis=1))
    certain = found.max(axis=1) > 0.99
    assert certain.sum() > 500
    calm = (states[2000:] == 2) & (model.states(X[2000:])[:, 2] > 0.9)
    assert (said[calm] == 1).all()  # the state is bull, what comes of it neutral


def test_later_bars_change_no_state(planted) -> None:
    _, _, X, model = planted
    whole = model.states(X)
    for cut in (1, 59, 60, 1234, 2999):
        np.testing.assert_array_equal(model.states(X[:cut]), whole[:cut])
        np.testing.assert_array_equal(model.states(X[cut - 1 : cut]), whole[cut - 1 : cut])


def test_posted_windows_alone_are_filtered_alike(planted) -> None:
    _, _, X, model = planted
    for row in (100, 2500):
        alone = model.filter_windows(X[row, :, 0].tolist(), X[row, :, 1].tolist())
        np.testing.assert_allclose(alone, model.states(X[row : row + 1])[0], rtol=1e-12)
    assert model.filter_windows([2.5, -3.0, -4.0], [2.4, 2.4, 2.6]).argmax() == 0
    assert model.filter_windows([0.3], [0.45]).argmax() == 2


@pytest.mark.parametrize(
    ("returns", "deviations", "message"),
    [
        ([], [], "at least one of each; got 0 and 0"),
        ([1.0], [1.0, 2.0], "as many returns as volatilities.*got 1 and 2"),
        ([1.0], [float("nan")], "finite numbers"),
        ([1.0], [-1.0], "0 or above, got -1"),
    ],
)
def test_windows_that_cannot_be_are_refused(planted, returns, deviations, message) -> None:
    with pytest.raises(UsageError, match=message):
        planted[3].filter_windows(returns, deviations)
    with pytest.raises(ModelError, match="not fitted"):
        Hmm().filter_windows([1.0], [1.0])


def test_states_that_returns_cannot_tell_apart_are_named_by_volatility() -> None:
    """Two refits of which each draws other means must call the wild state bear both times."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        scale = np.repeat([0.5, 2.0, 1.0, 0.5, 2.0, 1.0], 200)
        table = np.column_stack([rng.normal(0, scale), scale * np.exp(rng.normal(0, 0.1, 1200))])
        X = table.astype(np.float32)[:, None, :]
        y = rng.choice(3, 1200).astype(float)
        told = Hmm(window=1).fit(X, y, target="regime", horizon=1).description()["states"]
        np.testing.assert_allclose([one["volatility"] for one in told], [2.0, 1.0, 0.5], rtol=0.15)


def test_returns_name_the_states_where_they_can() -> None:
    """A crash that is calm, a rally that is wild: the mean decides."""
    rng = np.random.default_rng(0)
    scale = np.repeat([0.5, 2.0, 1.0, 0.5, 2.0, 1.0], 200)
    mean = np.repeat([-0.5, 0.9, 0.0, -0.5, 0.9, 0.0], 200)
    table = np.column_stack([rng.normal(mean, scale), scale * np.exp(rng.normal(0, 0.1, 1200))])
    y = rng.choice(3, 1200).astype(float)
    X = table.astype(np.float32)[:, None, :]
    told = Hmm(window=1).fit(X, y, target="regime", horizon=1).description()["states"]
    np.testing.assert_allclose([one["volatility"] for one in told], [0.5, 1.0, 2.0], rtol=0.15)
    drawn = [table[scale == one, 0].mean() for one in (0.5, 1.0, 2.0)]
    np.testing.assert_allclose([one["mean_return"] for one in told], drawn, atol=0.05)


def test_the_end_of_the_filter_is_what_hmmlearn_says_of_the_last_bar(planted) -> None:
    """Of the last bar smoothing knows no more than filtering: there the two agree."""
    from hmmlearn.hmm import GaussianHMM

    _, _, X, model = planted
    chain = model.chain_
    other = GaussianHMM(3, covariance_type="diag", init_params="")
    other.startprob_, other.transmat_ = chain.start, chain.transitions
    other.means_, other.covars_ = chain.means, chain.variances
    rows = observed(X[2500, :, 0], X[2500, :, 1])
    smoothed = other.predict_proba(rows)
    np.testing.assert_allclose(model.states(X[2500:2501])[0], smoothed[-1], rtol=1e-8)
    filtered = np.array([chain.filtered(rows[None, : end + 1])[0] for end in range(len(rows))])
    assert np.abs(filtered - smoothed).max() > 0.05  # before it they do not


def test_what_is_no_chain_is_refused(planted) -> None:
    model = planted[3]
    (content,) = model.payload().values()
    broken = content.replace(b'"start":[', b'"start":[1.0,1.0,1.0],"x":[')
    with pytest.raises(ModelError, match="expected"):
        Hmm.from_payload({}, {"model.json": broken})
    state = {**model.chain_.state(), "start": [0.5, 0.5, 0.5]}
    with pytest.raises(ModelError, match="holds no Markov chain"):
        Chain.from_state("hmm", state)


def test_bars_that_never_change_are_refused() -> None:
    X = np.ones((300, 1, 2), dtype=np.float32)
    with pytest.raises(ModelError, match="the same in all training rows"):
        Hmm(window=1).fit(X, np.zeros(300), target="regime", horizon=1)
