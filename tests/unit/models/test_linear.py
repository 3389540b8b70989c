import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from truecast.models.base import ModelError
from truecast.models.linear import Logistic, Ridge, scaling, standardised
from truecast.models.state import STATE_FILE

N, K = 400, 5


@pytest.fixture(name="X")
def training_rows() -> np.ndarray:
    """Columns of very different scale, some values missing."""
    rng = np.random.default_rng(11)
    X = rng.standard_normal((N, 1, K)) * [1, 1e4, 1e-3, 5, 1] + [0, 1e5, 0, -3, 1]
    X[rng.random(X.shape) < 0.1] = np.nan
    return X.astype(np.float32)


def outcomes(X: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(12).standard_normal(len(X))
    return 0.3 + 0.8 * np.nan_to_num(X[:, 0, 0]) + noise


def by_loop(column: np.ndarray) -> np.ndarray:
    present = [float(value) for value in column if not np.isnan(value)]
    mean = sum(present) / len(present)
    sd = (sum((value - mean) ** 2 for value in present) / len(present)) ** 0.5
    return np.array([0.0 if np.isnan(value) else (float(value) - mean) / sd for value in column])


def test_columns_are_standardised_where_they_are_present(X: np.ndarray) -> None:
    mean, sd, used = scaling(X[:, 0].astype(np.float64))
    assert used.all()
    expected = np.column_stack([by_loop(X[:, 0, place]) for place in range(K)])
    actual = standardised(X[:, 0].astype(np.float64), mean, sd)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("alpha", [1e-3, 10.0, 1e4])
def test_ridge_is_the_closed_form(X: np.ndarray, alpha: float) -> None:
    y = outcomes(X)
    model = Ridge(alpha=alpha).fit(X[:300], y[:300], target="return", horizon=1)
    Z = np.column_stack([by_loop(X[:300, 0, place]) for place in range(K)])
    centred = Z - Z.mean(axis=0)
    weights = np.linalg.solve(centred.T @ centred + alpha * np.eye(K), centred.T @ y[:300])
    intercept = y[:300].mean() - Z.mean(axis=0) @ weights
    np.testing.assert_allclose(model.line_.weights, weights, rtol=1e-9)
    np.testing.assert_allclose(model.predict(X[:300]), intercept + Z @ weights, rtol=1e-9)


def test_new_rows_are_scaled_by_the_training_rows(X: np.ndarray) -> None:
    model = Ridge(alpha=1.0).fit(X[:300], outcomes(X[:300]), target="price", horizon=1)
    line = model.line_
    for row in range(300, 320):
        total = line.intercept
        for place in range(K):
            value = float(X[row, 0, place])
            if not np.isnan(value):
                total += (value - line.mean[place]) / line.sd[place] * line.weights[place]
        np.testing.assert_allclose(model.predict(X[row : row + 1]), [total], rtol=1e-12)


def test_a_row_without_features_gets_the_intercept(X: np.ndarray) -> None:
    model = Ridge().fit(X, outcomes(X), target="return", horizon=1)
    nothing = np.full((2, 1, K), np.nan, dtype=np.float32)
    nothing[1] = np.inf
    np.testing.assert_array_equal(model.predict(nothing), [model.line_.intercept] * 2)


def test_the_strong_default_stays_near_the_mean(X: np.ndarray) -> None:
    y = outcomes(X)
    model = Ridge().fit(X, y, target="return", horizon=1)
    assert np.std(model.predict(X)) < 0.2 * np.std(y)


def test_ridge_without_penalty_of_note_is_least_squares(X: np.ndarray) -> None:
    y = outcomes(X)
    model = Ridge(alpha=1e-9).fit(X, y, target="return", horizon=1)
    Z = np.column_stack([np.ones(N), *(by_loop(X[:, 0, place]) for place in range(K))])
    best = np.linalg.lstsq(Z, y, rcond=None)[0]
    np.testing.assert_allclose(model.predict(X), Z @ best, rtol=1e-8)


def test_constant_and_mostly_missing_columns_are_listed_and_have_no_say(X: np.ndarray) -> None:
    X = X.copy()
    X[:, 0, 1] = np.float32(0.1)  # constant, not exact in binary
    X[: N // 2 + 1, 0, 3] = np.nan  # just over half missing
    X[:, 0, 4] = np.nan
    X[::2, 0, 2] = np.nan  # half missing, not more: used
    X[1::2, 0, 2] = np.arange(N // 2)
    y = outcomes(X)
    for model, answer, target in (
        (Ridge(alpha=5.0), y, "return"),
        (Logistic(C=1.0), (y > 0).astype(float), "direction"),
    ):
        model.fit(X, answer, target=target, horizon=1)
        assert model.line_.unused == (1, 3, 4)
        np.testing.assert_array_equal(model.line_.weights[[1, 3, 4]], [0, 0, 0])
        changed = X.copy()
        changed[:, 0, [1, 3, 4]] = 1e6
        np.testing.assert_array_equal(model.predict(changed), model.predict(X))
        alone = type(model)(**vars_of(model)).fit(X[:, :, [0, 2]], answer, target=target, horizon=1)
        np.testing.assert_allclose(model.predict(X), alone.predict(X[:, :, [0, 2]]), rtol=1e-9)


def vars_of(model: Ridge | Logistic) -> dict[str, float]:
    return {"alpha": model.alpha} if isinstance(model, Ridge) else {"C": model.C}


def test_without_a_usable_column_the_naive_level_is_left() -> None:
    X = np.full((100, 1, 2), 3, dtype=np.float32)
    y = np.r_[np.ones(60), np.zeros(40)]
    ridge = Ridge().fit(X, y, target="return", horizon=1)
    logistic = Logistic().fit(X, y, target="direction", horizon=1)
    np.testing.assert_allclose(ridge.predict(X), 0.6, rtol=1e-15)
    np.testing.assert_allclose(logistic.predict(X), 0.6, rtol=1e-15)


@pytest.mark.parametrize("C", [1e-4, 0.01, 1.0])
def test_logistic_is_sklearns_pipeline(X: np.ndarray, C: float) -> None:
    y = (outcomes(X) > 0.2).astype(np.float64)
    model = Logistic(C=C).fit(X[:300], y[:300], target="direction", horizon=1)
    # StandardScaler skips NaN, and the mean of what it returns is 0.
    oracle = make_pipeline(
        StandardScaler(),
        SimpleImputer(strategy="constant", fill_value=0.0),
        LogisticRegression(C=C, tol=1e-10, max_iter=5000),
    ).fit(X[:300, 0].astype(np.float64), y[:300])
    expected = oracle.predict_proba(X[:, 0].astype(np.float64))[:, 1]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5)


def test_logistic_does_not_overflow(X: np.ndarray) -> None:
    y = (outcomes(X) > 0.2).astype(np.float64)
    model = Logistic(C=1.0).fit(X, y, target="direction", horizon=1)
    extreme = np.zeros((2, 1, K), dtype=np.float32)
    extreme[:, 0, 0] = 1e30, -1e30
    np.testing.assert_array_equal(model.predict(extreme), [1.0, 0.0])


def test_a_payload_of_another_size_is_refused(X: np.ndarray) -> None:
    files = Ridge().fit(X, outcomes(X), target="return", horizon=1).payload()
    cut = files[STATE_FILE].replace(b'"mean":[', b'"mean":[1.0,')
    with pytest.raises(ModelError, match="expected 5 finite numbers as mean"):
        Ridge.from_payload({}, {STATE_FILE: cut})
