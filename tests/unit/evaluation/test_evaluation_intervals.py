import math

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from truecast.evaluation.errors import EvaluationError
from truecast.evaluation.intervals import (
    coverage,
    coverage_by_tercile,
    covered,
    crps_from_quantiles,
    rolling_coverage,
    tercile_of,
    winkler_loss,
)
from truecast.models.intervals import wilson_interval

RNG = np.random.default_rng(5)
Y = RNG.standard_normal(600)
LOW = RNG.normal(-1.2, 0.3, 600)
HIGH = LOW + 2.5
SIGMA = RNG.gamma(4, 0.2, 600)


def test_coverage_and_winkler_equal_plain_loops() -> None:
    hits, scores = [], []
    for y, low, high in zip(Y, LOW, HIGH, strict=True):
        hits.append(low <= y <= high)
        score = high - low
        if y < low:
            score += 2 / 0.2 * (low - y)
        if y > high:
            score += 2 / 0.2 * (y - high)
        scores.append(score)
    assert coverage(Y, LOW, HIGH) == sum(hits) / 600
    np.testing.assert_allclose(winkler_loss(Y, LOW, HIGH, 0.8), scores, rtol=1e-12)


def test_the_ends_belong_to_the_interval() -> None:
    assert covered([1.0, 2.0], [1.0, 1.0], [2.0, 2.0]).all()


def test_coverage_by_tercile_equals_a_plain_loop() -> None:
    order = np.argsort(SIGMA)
    expected = []
    for rows in np.array_split(order, 3):
        expected.append(np.mean([LOW[i] <= Y[i] <= HIGH[i] for i in rows]))
    assert coverage_by_tercile(Y, LOW, HIGH, SIGMA) == pytest.approx(tuple(expected))


def test_a_constant_condition_has_one_tercile() -> None:
    low, middle, top = coverage_by_tercile(Y, LOW, HIGH, np.ones(600))
    assert low == coverage(Y, LOW, HIGH)
    assert math.isnan(middle)
    assert math.isnan(top)
    assert set(tercile_of(SIGMA)) == {0, 1, 2}


def test_rolling_coverage_equals_a_plain_loop() -> None:
    hits = covered(Y, LOW, HIGH)
    loop = [hits[start : start + 250].mean() for start in range(351)]
    np.testing.assert_allclose(rolling_coverage(hits), loop, rtol=1e-14)
    assert len(rolling_coverage(hits[:249])) == 0
    assert len(rolling_coverage(hits[:250])) == 1


def test_crps_is_close_to_the_closed_form_of_the_normal() -> None:
    levels = np.arange(1, 100) / 100
    mean, sigma = 0.3, 1.7
    grid = np.tile(mean + sigma * norm.ppf(levels), (600, 1))
    z = (Y - mean) / sigma
    exact = sigma * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / math.sqrt(math.pi))
    found = crps_from_quantiles(levels, grid, Y)
    assert found.mean() == pytest.approx(exact.mean(), rel=0.01)
    np.testing.assert_allclose(found, exact, atol=0.03)


def test_crps_of_an_uneven_grid_equals_a_plain_loop() -> None:
    levels, grid = [0.05, 0.25, 0.5, 0.95], np.sort(RNG.standard_normal((20, 4)), axis=1)
    weights = [0.15, 0.225, 0.35, 0.275]
    for row in range(20):
        total = 0.0
        for level, weight, quantile in zip(levels, weights, grid[row], strict=True):
            error = Y[row] - quantile
            total += 2 * weight * (level * error if error >= 0 else (level - 1) * error)
        assert crps_from_quantiles(levels, grid, Y[:20])[row] == pytest.approx(total)


def test_crps_of_a_point_forecast_is_the_absolute_error() -> None:
    grid = np.repeat(LOW[:, None], 9, axis=1)
    found = crps_from_quantiles(np.arange(1, 10) / 10, grid, Y)
    np.testing.assert_allclose(found, np.abs(Y - LOW), rtol=1e-12)


def test_what_is_no_interval_or_grid_is_refused() -> None:
    with pytest.raises(EvaluationError, match="got 2 above 1 in row 0"):
        coverage([1.0], [2.0], [1.0])
    with pytest.raises(EvaluationError, match="between 0 and 1, got 90"):
        winkler_loss([1.0], [0.0], [1.0], 90)
    with pytest.raises(EvaluationError, match="increasing levels"):
        crps_from_quantiles([0.5, 0.1], np.zeros((1, 2)), [1.0])
    with pytest.raises(EvaluationError, match=r"shape \(1, 2\), got \(2, 1\)"):
        crps_from_quantiles([0.1, 0.5], np.zeros((2, 1)), [1.0])


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (9, 10), (1120, 1250), (20, 20)])
def test_wilson_equals_statsmodels(successes: int, n: int) -> None:
    expected = proportion_confint(successes, n, method="wilson")
    assert wilson_interval(successes, n) == pytest.approx(expected, abs=1e-12)


def test_wilson_of_nothing_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
