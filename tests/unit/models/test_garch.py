from typing import Any

import numpy as np
import pytest
from arch import arch_model
from numpy.lib.stride_tricks import sliding_window_view

from truecast.models.archfamily import backcast, filtered
from truecast.models.base import ModelError
from truecast.models.garch import Garch

TRUE = (0.05, 0.02, 0.08, 0.9)  # mean, omega, alpha, beta


def simulated(size: int, seed: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mean, omega, alpha, beta = TRUE
    h, returns = omega / (1 - alpha - beta), []
    for shock in rng.standard_normal(size):
        returns.append(mean + h**0.5 * shock)
        h = omega + alpha * (returns[-1] - mean) ** 2 + beta * h
    return np.array(returns, dtype=np.float32)


def windows(returns: np.ndarray, window: int) -> Any:
    return sliding_window_view(returns, window)[:, :, None]


def by_loop(row: np.ndarray, model: Garch, horizon: int) -> float:
    """The definition, one return at a time."""
    mean, omega, alpha, beta = model.parameters_.tolist()
    h = omega + alpha * model.backcast_ + beta * model.backcast_
    for value in row.astype(float).tolist():
        if value == value:
            h = omega + alpha * (value - mean) ** 2 + beta * h
    path = [h]
    for _ in range(horizon - 1):
        path.append(omega + (alpha + beta) * path[-1])
    return sum(path) / horizon


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    return simulated(2000)


@pytest.fixture(scope="module")
def fitted(returns: np.ndarray) -> Garch:
    X = windows(returns, 300)
    return Garch(window=300).fit(X[-1000:], np.ones(1000), target="volatility", horizon=1)


@pytest.mark.parametrize("horizon", [1, 2, 22])
@pytest.mark.parametrize("mean", ["constant", "zero"])
def test_the_forecast_is_the_recursion(returns: np.ndarray, mean: Any, horizon: int) -> None:
    X = windows(returns, 300)
    model = Garch(mean=mean, window=300)
    model.fit(X[-1000:], np.ones(1000), target="volatility", horizon=horizon)
    assert (model.parameters_[0] == 0) == (mean == "zero")
    expected = [by_loop(X[row, :, 0], model, horizon) for row in range(-20, 0)]
    np.testing.assert_allclose(model.predict(X[-20:]), expected, rtol=1e-12)


def test_over_its_training_rows_it_is_archs_conditional_volatility(returns: np.ndarray) -> None:
    series = returns[:1000].astype(np.float64)
    X = windows(np.r_[np.full(999, np.nan), returns[:1000]].astype(np.float32), 1000)
    model = Garch().fit(X, np.ones(1000), target="volatility", horizon=1)
    oracle = arch_model(series, mean="Constant", vol="GARCH", p=1, q=1, rescale=False)
    fixed = oracle.fix(model.parameters_)  # filters with our parameters, but its own backcast
    predicted = model.predict(X)
    np.testing.assert_allclose(
        predicted[299:-1], fixed.conditional_volatility[300:] ** 2, rtol=1e-8
    )
    np.testing.assert_allclose(predicted[:-1], fixed.conditional_volatility[1:] ** 2, rtol=5e-3)
    ahead = fixed.forecast(horizon=1).variance.to_numpy()[-1, 0]
    np.testing.assert_allclose(predicted[-1], ahead, rtol=1e-10)


def test_the_horizon_is_archs_mean_variance_ahead(returns: np.ndarray) -> None:
    X = windows(returns, 1000)
    model = Garch().fit(X, np.ones(len(X)), target="volatility", horizon=10)
    series = X[-1, :, 0].astype(np.float64)
    fixed = arch_model(series, mean="Constant", vol="GARCH", rescale=False).fix(model.parameters_)
    ahead = fixed.forecast(horizon=10).variance.to_numpy()[-1]
    np.testing.assert_allclose(model.predict(X[-1:]), [ahead.mean()], rtol=1e-10)


def test_the_parameters_are_archs(returns: np.ndarray, fitted: Garch) -> None:
    series = returns[-1000:].astype(np.float64)
    oracle = arch_model(series, mean="Constant", vol="GARCH", p=1, q=1, rescale=False)
    best = oracle.fit(disp="off", backcast=fitted.backcast_)
    np.testing.assert_allclose(fitted.parameters_, best.params.to_numpy(copy=True), rtol=2e-2)
    ours = oracle.fix(fitted.parameters_)
    assert fitted.second_start_ is False
    assert ours.loglikelihood > best.loglikelihood - 0.01


def test_the_parameters_are_near_the_truth(returns: np.ndarray) -> None:
    X = returns[:, None, None]
    model = Garch(window=1).fit(X, np.ones(2000), target="volatility", horizon=1)
    np.testing.assert_allclose(model.parameters_, TRUE, atol=0.05)


@pytest.mark.parametrize("scale", [1e-3, 1e2])
def test_the_scale_of_returns_does_not_matter(returns: np.ndarray, scale: float) -> None:
    X = windows(returns.astype(np.float64), 300)
    one = Garch(window=300).fit(X, np.ones(len(X)), target="volatility", horizon=1)
    other = Garch(window=300).fit(X * scale, np.ones(len(X)), target="volatility", horizon=1)
    expected = one.parameters_ * [scale, scale**2, 1, 1]
    np.testing.assert_allclose(other.parameters_, expected, rtol=1e-4)


def test_the_backcast_is_archs() -> None:
    residuals = simulated(200).astype(np.float64)
    model = arch_model(residuals, mean="Zero", vol="GARCH", rescale=False)
    np.testing.assert_allclose(
        backcast(residuals), model.volatility.backcast(residuals), rtol=1e-12
    )
    np.testing.assert_allclose(
        backcast(residuals[:20]), model.volatility.backcast(residuals[:20]), rtol=1e-12
    )


def test_missing_returns_are_passed_over(fitted: Garch, returns: np.ndarray) -> None:
    row = returns[:300].copy()
    row[:120] = np.nan
    row[200] = np.nan
    predicted = fitted.predict(row[None, :, None])
    np.testing.assert_allclose(predicted, [by_loop(row, fitted, 1)], rtol=1e-12)
    alone = filtered(row[~np.isnan(row)][None], *fitted.parameters_.tolist(), fitted.backcast_)
    np.testing.assert_array_equal(predicted, alone)


def test_a_window_without_returns_has_no_forecast(fitted: Garch) -> None:
    assert np.isnan(fitted.predict(np.full((1, 300, 1), np.nan, dtype=np.float32))).all()


def test_missing_returns_teach_nothing(returns: np.ndarray) -> None:
    holed = np.r_[np.full(7, np.nan), returns].astype(np.float32)[:, None, None]
    model = Garch(window=1).fit(holed, np.ones(len(holed)), target="volatility", horizon=1)
    whole = Garch(window=1).fit(holed[7:], np.ones(2000), target="volatility", horizon=1)
    assert model.dropped_ == 7
    np.testing.assert_array_equal(model.parameters_, whole.parameters_)


def test_constant_returns_are_refused() -> None:
    X = np.full((100, 1, 1), 0.5, dtype=np.float32)
    with pytest.raises(ModelError, match=r"all 100 training returns are 0\.5"):
        Garch(window=1).fit(X, np.ones(100), target="volatility", horizon=1)


def failing(monkeypatch: pytest.MonkeyPatch, times: int) -> list[Any]:
    """Let arch's first searches end without an optimum."""
    from arch.univariate.base import ARCHModel

    original, starts = ARCHModel.fit, []

    def fit(self: Any, **options: Any) -> Any:
        result = original(self, **options)
        starts.append(options["starting_values"])
        if len(starts) <= times:
            result._optim_output["status"] = 9
        return result

    monkeypatch.setattr(ARCHModel, "fit", fit)
    return starts


def test_a_failed_search_starts_again_and_says_so(
    monkeypatch: pytest.MonkeyPatch, returns: np.ndarray, fitted: Garch
) -> None:
    starts = failing(monkeypatch, times=1)
    X = windows(returns, 300)
    model = Garch(window=300).fit(X[-1000:], np.ones(1000), target="volatility", horizon=1)
    assert model.second_start_ is True
    assert starts[0] is None
    np.testing.assert_allclose(starts[1][1:], [0.05 * 1.0, 0.10, 0.85], rtol=1e-6)
    np.testing.assert_allclose(model.parameters_, fitted.parameters_, rtol=0.05)
    again = Garch.from_payload({"window": 300}, model.payload())
    assert again.second_start_ is True


def test_a_search_that_fails_twice_is_an_error(
    monkeypatch: pytest.MonkeyPatch, returns: np.ndarray
) -> None:
    failing(monkeypatch, times=2)
    with pytest.raises(ModelError, match="did not converge on 2000 returns, nor from the second"):
        Garch(window=1).fit(returns[:, None, None], np.ones(2000), target="volatility", horizon=1)
