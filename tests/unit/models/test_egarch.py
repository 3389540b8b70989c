from math import exp, log, pi, sqrt
from typing import Any

import numpy as np
import pytest
from arch import arch_model
from numpy.lib.stride_tricks import sliding_window_view
from scipy.integrate import quad
from scipy.stats import norm

from truecast.models.egarch import Egarch, _log_mean

TRUE = (0.03, -0.01, 0.15, -0.1, 0.97)  # mean, omega, alpha, gamma, beta


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    rng = np.random.default_rng(8)
    mean, omega, alpha, gamma, beta = TRUE
    level, made = 0.0, []
    for z in rng.standard_normal(1500):
        made.append(mean + exp(level / 2) * z)
        level = omega + alpha * (abs(z) - sqrt(2 / pi)) + gamma * z + beta * level
    return np.array(made, dtype=np.float32)


@pytest.fixture(scope="module")
def fitted(returns: np.ndarray) -> Egarch:
    X = windows(returns, 500)
    return Egarch(window=500).fit(X, np.ones(len(X)), target="volatility", horizon=1)


def windows(returns: np.ndarray, window: int) -> Any:
    return sliding_window_view(returns, window)[:, :, None]


def arch_of(series: np.ndarray) -> Any:
    return arch_model(series.astype(np.float64), vol="EGARCH", p=1, o=1, q=1, rescale=False)


def by_loop(row: np.ndarray, model: Egarch) -> float:
    """The definition, one return at a time."""
    mean, omega, alpha, gamma, beta = model.parameters_.tolist()
    level = omega + beta * log(model.backcast_)
    for value in row.astype(float).tolist():
        if value == value:
            z = (value - mean) / exp(level / 2)
            level = omega + alpha * (abs(z) - sqrt(2 / pi)) + gamma * z + beta * level
    return exp(level)


def test_one_bar_ahead_it_is_archs(returns: np.ndarray, fitted: Egarch) -> None:
    # arch starts its filter from the row's own returns: at 1,500 bars that is forgotten.
    model = Egarch(window=1500)
    model.parameters_, model.backcast_, model.horizon_ = fitted.parameters_, fitted.backcast_, 1
    ahead = arch_of(returns).fix(fitted.parameters_).forecast(horizon=1).variance.to_numpy()[-1]
    np.testing.assert_allclose(model.predict(returns[None, :, None]), ahead, rtol=1e-6)


def test_the_parameters_are_archs(returns: np.ndarray) -> None:
    model = Egarch(window=1).fit(
        returns[:, None, None], np.ones(1500), target="volatility", horizon=1
    )
    oracle = arch_of(returns)
    best = oracle.fit(disp="off", backcast=model.backcast_)
    assert oracle.fix(model.parameters_).loglikelihood > best.loglikelihood - 0.05
    np.testing.assert_allclose(model.parameters_, TRUE, atol=0.08)


def test_the_filter_is_the_recursion_and_passes_missing_returns_over(
    returns: np.ndarray, fitted: Egarch
) -> None:
    X = np.array(windows(returns, 500)[-6:])
    X[0, :120] = np.nan
    X[1, 499] = np.nan
    expected = [by_loop(row[:, 0], fitted) for row in X]
    np.testing.assert_allclose(fitted.predict(X), expected, rtol=1e-12)
    nothing = np.full((1, 500, 1), np.nan, dtype=np.float32)
    assert np.isnan(fitted.predict(nothing)).all()


@pytest.mark.parametrize(("size", "sign"), [(0.15, -0.1), (0.3, 0.0), (0.0, 0.4), (0.02, 0.3)])
def test_the_mean_of_the_news_is_its_integral(size: float, sign: float) -> None:
    value, _ = quad(
        lambda z: exp(size * (abs(z) - sqrt(2 / pi)) + sign * z) * norm.pdf(z),
        -12,
        12,
        points=[0],
    )
    assert _log_mean(size, sign) == pytest.approx(log(value), abs=1e-9)


def test_further_ahead_it_is_the_mean_of_many_paths(returns: np.ndarray, fitted: Egarch) -> None:
    X = windows(returns, 500)[-1:]
    ahead = Egarch(window=500)
    ahead.parameters_, ahead.backcast_, ahead.horizon_ = fitted.parameters_, fitted.backcast_, 10
    _mean, omega, alpha, gamma, beta = fitted.parameters_.tolist()
    level = np.full(400_000, log(fitted.predict(X)[0]))
    rng, total = np.random.default_rng(1), 0.0
    for _ in range(10):
        total += np.exp(level).mean()
        z = rng.standard_normal(len(level))
        level = omega + alpha * (np.abs(z) - sqrt(2 / pi)) + gamma * z + beta * level
    np.testing.assert_allclose(ahead.predict(X), [total / 10], rtol=3e-3)
    assert ahead.predict(X)[0] != pytest.approx(fitted.predict(X)[0], rel=1e-3)


def test_a_return_that_nothing_explains_ends_in_no_infinity(fitted: Egarch) -> None:
    X = np.zeros((1, 500, 1), dtype=np.float32)
    X[0, 100] = 1e30
    assert np.isfinite(fitted.predict(X)).all()
    assert fitted.predict(X)[0] > 0


def test_the_scale_of_returns_does_not_matter(returns: np.ndarray) -> None:
    X = returns.astype(np.float64)[:, None, None]
    one, other = (
        Egarch(window=1).fit(X * times, np.ones(1500), target="volatility", horizon=1)
        for times in (1.0, 1e-2)
    )
    shift = (1 - one.parameters_[4]) * np.log(1e-4)
    expected = one.parameters_ * [1e-2, 1, 1, 1, 1] + [0, shift, 0, 0, 0]
    np.testing.assert_allclose(other.parameters_, expected, rtol=1e-3, atol=1e-6)
