from typing import Any

import numpy as np
import pytest
from arch import arch_model
from numpy.lib.stride_tricks import sliding_window_view

from truecast.models.archfamily import filtered
from truecast.models.gjr import Gjr

TRUE = (0.03, 0.02, 0.02, 0.12, 0.9)  # mean, omega, alpha, gamma, beta


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    rng = np.random.default_rng(6)
    mean, omega, alpha, gamma, beta = TRUE
    h, made = 0.8, []
    for shock in rng.standard_t(7, 2000) * np.sqrt(5 / 7):
        made.append(mean + h**0.5 * shock)
        fall = made[-1] < mean
        h = omega + (alpha + gamma * fall) * (made[-1] - mean) ** 2 + beta * h
    return np.array(made, dtype=np.float32)


def windows(returns: np.ndarray, window: int) -> Any:
    return sliding_window_view(returns, window)[:, :, None]


def arch_of(returns: np.ndarray, errors: str) -> Any:
    series = returns.astype(np.float64)
    return arch_model(series, vol="GARCH", p=1, o=1, q=1, dist=errors, rescale=False)


@pytest.mark.parametrize("errors", ["normal", "t"])
@pytest.mark.parametrize("horizon", [1, 10])
def test_the_forecast_is_archs(returns: np.ndarray, errors: Any, horizon: int) -> None:
    X = windows(returns, 1000)
    model = Gjr(errors=errors).fit(X, np.ones(len(X)), target="volatility", horizon=horizon)
    oracle = arch_of(X[-1, :, 0], errors).fix(model.parameters_)
    ahead = oracle.forecast(horizon=horizon).variance.to_numpy()[-1]
    np.testing.assert_allclose(model.predict(X[-1:]), [ahead.mean()], rtol=1e-6)


@pytest.mark.parametrize(("errors", "size"), [("normal", 5), ("t", 6)])
def test_the_parameters_are_archs(returns: np.ndarray, errors: Any, size: int) -> None:
    X = returns[:, None, None]
    model = Gjr(errors=errors, window=1).fit(X, np.ones(2000), target="volatility", horizon=1)
    oracle = arch_of(returns, errors)
    best = oracle.fit(disp="off", backcast=model.backcast_)
    assert len(model.parameters_) == size
    assert oracle.fix(model.parameters_).loglikelihood > best.loglikelihood - 0.05
    np.testing.assert_allclose(model.parameters_[:5], TRUE, atol=0.06)
    assert model.parameters_[3] > 0.05  # falls count for more


def test_the_scale_of_returns_does_not_matter(returns: np.ndarray) -> None:
    X = returns.astype(np.float64)[:, None, None]
    one, other = (
        Gjr(window=1).fit(X * times, np.ones(2000), target="volatility", horizon=1)
        for times in (1.0, 1e-3)
    )
    expected = one.parameters_ * [1e-3, 1e-6, 1, 1, 1, 1]
    np.testing.assert_allclose(other.parameters_, expected, rtol=1e-4)


def test_the_filter_counts_falls_twice_over_and_half_the_start() -> None:
    row = np.array([[1.0, np.nan, -2.0]])
    h = 0.1 + (0.05 + 0.2 / 2 + 0.8) * 3.0
    h = 0.1 + 0.05 * 1.0 + 0.8 * h
    h = 0.1 + (0.05 + 0.2) * 4.0 + 0.8 * h
    found = filtered(row, 0.0, 0.1, 0.05, 0.8, 3.0, gamma=0.2)
    np.testing.assert_allclose(found, [h], rtol=1e-14)
