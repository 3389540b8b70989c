"""What is done otherwise with very many rows gives what the plain way gives."""

import numpy as np
import pytest

from truecast.evaluation import bootstrap
from truecast.evaluation.importances import permutation_importances

rng = np.random.default_rng(11)


def forecasts(n: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    trend = np.repeat(rng.standard_normal(n // 50 + 1), 50)[
        :n
    ]  # runs, as overlapping outcomes have
    y = (trend + rng.standard_normal(n) > 0).astype(float)
    p = np.clip(0.5 + 0.02 * trend + 0.05 * rng.standard_normal(n), 0.01, 0.99)
    return y, np.round(p, decimals)


@pytest.mark.parametrize("decimals", [2, 9])
def test_the_first_order_auc_interval_is_that_of_whole_aucs(
    decimals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    y, p = forecasts(20_000, decimals)
    whole = bootstrap.auc_interval(y, p, horizon=30, draws=300)
    monkeypatch.setattr(bootstrap, "MANY_ROWS", 1)
    quick = bootstrap.auc_interval(y, p, horizon=30, draws=300)
    assert whole[1] - whole[0] > 0.02
    np.testing.assert_allclose(quick, whole, atol=0.002)


def test_a_first_order_auc_needs_both_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "MANY_ROWS", 1)
    assert bootstrap.auc_interval(np.ones(100), np.linspace(0.1, 0.9, 100)) == (0.0, 1.0)


class Line:
    window = 1

    def predict(self, X: np.ndarray) -> np.ndarray:
        return X[:, -1, :].astype(float) @ np.array([3.0, 0.0, 1.0])


def test_shuffling_one_feature_leaves_the_others_as_they_are() -> None:
    X = rng.standard_normal((2000, 1, 3)).astype(np.float32)
    kept = X.copy()
    truth = Line().predict(X)
    found = permutation_importances(
        Line(), X, ("three", "none", "one"), lambda said: float(np.mean((said - truth) ** 2))
    )
    np.testing.assert_array_equal(X, kept)
    # A shuffled column of unit variance adds twice its squared weight.
    assert found["three"] == pytest.approx(18, rel=0.15)
    assert found["one"] == pytest.approx(2, rel=0.15)
    assert found["none"] == pytest.approx(0, abs=1e-9)
