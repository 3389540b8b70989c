import numpy as np
import pytest

from truecast.models.base import ModelError
from truecast.models.drift import Drift


def test_it_forecasts_the_mean_known_return_times_the_horizon() -> None:
    rng = np.random.default_rng(1)
    X = (0.1 + rng.standard_normal((200, 1, 1))).astype(np.float32)
    X[7] = np.nan
    known = [float(value) for value in X[:, 0, 0] if np.isfinite(value)]
    for target in ("price", "return"):
        for horizon in (1, 5):
            model = Drift().fit(X, np.zeros(200), target=target, horizon=horizon)
            expected = horizon * sum(known) / 199
            np.testing.assert_allclose(model.predict(X[:3]), [expected] * 3, rtol=1e-12)
            assert model.dropped_ == 1


def test_too_few_returns_are_refused() -> None:
    X = np.full((40, 1, 1), np.nan, dtype=np.float32)
    X[:30] = 1
    with pytest.raises(ModelError, match="drift: 30 usable training rows are too few"):
        Drift().fit(X, np.zeros(40), target="return", horizon=1)
