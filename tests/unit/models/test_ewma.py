import numpy as np
import pytest
from arch.univariate import EWMAVariance, ZeroMean

from truecast.core.errors import UsageError
from truecast.models.archfamily import backcast
from truecast.models.ewma import Ewma


@pytest.mark.parametrize("decay", [0.94, 0.8])
@pytest.mark.parametrize("horizon", [1, 5])
def test_it_is_archs_riskmetrics(decay: float, horizon: int) -> None:
    returns = np.random.default_rng(2).standard_t(5, 400).astype(np.float32)
    X = np.lib.stride_tricks.sliding_window_view(returns, 300)[:, :, None]
    model = Ewma(decay=decay, window=300).fit(X, np.ones(101), target="volatility", horizon=horizon)
    oracle = ZeroMean(X[-1, :, 0].astype(np.float64), volatility=EWMAVariance(decay), rescale=False)
    ahead = oracle.fix([]).forecast(horizon=horizon).variance.to_numpy()[-1]
    np.testing.assert_allclose(model.predict(X[-1:]), [ahead.mean()], rtol=1e-6)


def test_short_windows_start_from_the_training_returns() -> None:
    returns = np.random.default_rng(3).standard_normal(200)
    model = Ewma(decay=0.9, window=2).fit(
        np.lib.stride_tricks.sliding_window_view(returns, 2)[:, :, None],
        np.ones(199),
        target="volatility",
        horizon=1,
    )
    start = backcast(returns[1:])
    expected = 0.9 * (0.9 * start + 0.1 * 4.0) + 0.1 * 1.0
    found = model.predict(np.array([[[2.0], [-1.0]]]))
    np.testing.assert_allclose(found, [expected], rtol=1e-14)


def test_a_decay_lies_between_zero_and_one() -> None:
    with pytest.raises(UsageError, match="decay of ewma: input should be less than 1, got 1"):
        Ewma(decay=1.0).fit(np.zeros((50, 1000, 1)), np.ones(50), target="volatility", horizon=1)
