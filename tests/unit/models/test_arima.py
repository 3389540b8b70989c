"""statsmodels' own state-space forecasts, by its exact Kalman filter, are the oracle."""

import numpy as np
import pytest
from arch.data import sp500
from numpy.lib.stride_tricks import sliding_window_view
from statsmodels.tsa.arima.model import ARIMA

from truecast.models.arima import Arima, weights
from truecast.models.base import ModelError

WINDOW = 300


def simulated(phi: list[float], theta: list[float], count: int = 1300) -> np.ndarray:
    rng = np.random.default_rng(3)
    errors = rng.standard_normal(count + 100)
    series = np.zeros(count + 100)
    for t in range(5, len(series)):
        series[t] = errors[t]
        series[t] += sum(one * series[t - lag] for lag, one in enumerate(phi, 1))
        series[t] += sum(one * errors[t - lag] for lag, one in enumerate(theta, 1))
    return (0.2 + series[100:]).astype(np.float32)


def real() -> np.ndarray:
    closes = sp500.load()["Adj Close"].to_numpy()
    return (100 * np.diff(np.log(closes)))[1400:2700].astype(np.float32)


def windows(series: np.ndarray) -> np.ndarray:
    return sliding_window_view(series, WINDOW)[:, :, None]


def fitted(series: np.ndarray, p: int, q: int, horizon: int = 1) -> Arima:
    X = windows(series[:1200])
    return Arima(p=p, q=q, window=WINDOW).fit(X, np.zeros(len(X)), target="price", horizon=horizon)


def oracle(model: Arima, series: np.ndarray):
    """Return statsmodels' model of the series with the fitted parameters."""
    found = np.concatenate([[model.mean_], model.phi_, model.theta_, [model.sigma2_]])
    order = (model.p, 0, model.q)
    return ARIMA(series.astype(np.float64), order=order, trend="c").filter(found)


@pytest.mark.parametrize(
    ("series", "p", "q"),
    [
        (simulated([0.5, -0.2], [0.4]), 2, 1),
        (simulated([], [0.6, 0.2]), 0, 2),
        (simulated([0.7], []), 1, 0),
        (simulated([0.3], [0.3]), 0, 0),
        (real(), 1, 1),
        (real(), 2, 0),
    ],
    ids=["2-1", "0-2", "1-0", "mean", "real 1-1", "real 2-0"],
)
def test_forecasts_are_statsmodels_own(series: np.ndarray, p: int, q: int) -> None:
    for horizon, later in ((1, 59), (7, 0)):  # the last row, and one before it
        model = fitted(series, p, q, horizon)
        known = series[: len(series) - 59 + later]
        expected = oracle(model, known).forecast(horizon).sum()
        assert model.predict(windows(known)[-1:]) == pytest.approx(expected, abs=1e-6)


def test_the_parameters_are_the_likeliest() -> None:
    series = simulated([0.5], [0.4])
    model = fitted(series, 1, 1)
    training = series[WINDOW - 1 : 1200]
    result = ARIMA(training.astype(np.float64), order=(1, 0, 1), trend="c").fit()
    assert oracle(model, training).llf == pytest.approx(result.llf, abs=0.01)
    assert model.phi_ == pytest.approx([0.5], abs=0.1)
    assert model.theta_ == pytest.approx([0.4], abs=0.1)
    assert model.sigma2_ == pytest.approx(1.0, abs=0.15)


def test_a_missing_return_is_passed_over() -> None:
    series = simulated([0.5], [0.4])
    model = fitted(series, 1, 1)
    row = windows(series)[-1:].copy()
    holed = row.copy()
    holed[0, [50, 298], 0] = np.nan
    shorter = np.delete(row, [50, 298], axis=1)
    padded = np.concatenate([np.full((1, 2, 1), np.nan, dtype=np.float32), shorter], axis=1)
    np.testing.assert_array_equal(model.predict(holed), model.predict(padded))
    assert model.predict(padded) == pytest.approx(
        oracle(model, shorter[0, :, 0]).forecast(1), abs=1e-6
    )
    assert np.isnan(model.predict(np.full((1, WINDOW, 1), np.nan, dtype=np.float32))).all()


def test_missing_training_returns_are_left_out() -> None:
    series = simulated([0.5], [])
    holed = np.insert(series, 700, np.nan).astype(np.float32)
    whole, missing = fitted(series[1:], 1, 0), fitted(holed, 1, 0)
    assert (whole.dropped_, missing.dropped_) == (0, 1)
    assert missing.phi_ == pytest.approx(whole.phi_, abs=0.01)


def test_weights_are_the_recursion_written_out() -> None:
    phi, theta = np.array([0.4, -0.3]), np.array([0.5, 0.2, -0.1])
    past = np.random.default_rng(2).standard_normal(12)
    errors: list[float] = []
    series = list(past)
    for t in range(12):
        expected = sum(phi[lag] * past[t - lag - 1] for lag in range(2) if t > lag)
        expected += sum(theta[lag] * errors[t - lag - 1] for lag in range(3) if t > lag)
        errors.append(past[t] - expected)
    for t in range(12, 17):
        errors_known = sum(theta[lag] * errors[t - lag - 1] for lag in range(3) if t - lag - 1 < 12)
        series.append(sum(phi[lag] * series[t - lag - 1] for lag in range(2)) + errors_known)
    for horizon in (1, 2, 5):
        said = np.sum(weights(phi, theta, horizon, 12) * past)
        assert said == pytest.approx(sum(series[12 : 12 + horizon]), abs=1e-12)
    assert weights(phi, theta, 3, 1).shape == (1,)


def test_returns_that_never_change_are_refused() -> None:
    with pytest.raises(ModelError, match="arima: all 701 training returns are 0"):
        Arima().fit(
            np.zeros((701, 500, 1), dtype=np.float32), np.zeros(701), target="price", horizon=1
        )


def test_too_few_returns_for_the_order_are_refused() -> None:
    X = np.random.default_rng(1).standard_normal((35, 500, 1)).astype(np.float32)
    with pytest.raises(ModelError, match="35 usable training rows are too few for 6 features"):
        Arima(p=3, q=2).fit(X, np.zeros(35), target="price", horizon=1)
