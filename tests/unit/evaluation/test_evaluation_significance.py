import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.tsa.stattools import diebold_mariano_test

from truecast.evaluation.bootstrap import (
    auc_interval,
    block_length,
    improvement,
    improvement_interval,
)
from truecast.evaluation.errors import EvaluationError
from truecast.evaluation.metrics import squared_error
from truecast.evaluation.probabilities import brier_loss
from truecast.evaluation.significance import (
    Versus,
    adjusted_p,
    bartlett_lag,
    compare,
    diebold_mariano,
    verdict,
)

RNG = np.random.default_rng(8)
Y = RNG.standard_normal(1250)
GOOD = 0.5 * Y + RNG.normal(0, 0.4, 1250)
POOR = RNG.normal(0, 0.4, 1250)


def versus(**changes: object) -> Versus:
    made = {"baseline": "naive", "metric": "mape", "improvement_pct": 5.0, "dm": 3.0}
    made |= {"p_value": 0.001, "ci95": (1.0, 9.0), "n": 1250}
    return Versus.model_validate(made | changes)


@pytest.mark.parametrize("horizon", [1, 5, 22])
def test_dm_equals_statsmodels_on_the_forecasts_themselves(horizon: int) -> None:
    lag = max(horizon - 1, 7)
    expected = diebold_mariano_test(Y, POOR, GOOD, lags=lag, harvey_adj=True, horizon=horizon)
    found = diebold_mariano(squared_error(Y, GOOD), squared_error(Y, POOR), horizon)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-10)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-8)
    assert found.lag == lag
    assert found.statistic > 0


def test_dm_equals_a_plain_loop() -> None:
    d = squared_error(Y[:200], POOR[:200]) - squared_error(Y[:200], GOOD[:200])
    n, lag, mean = 200, bartlett_lag(200), d.mean()
    long_run = sum((x - mean) ** 2 for x in d) / n
    for step in range(1, lag + 1):
        covariance = sum((d[i] - mean) * (d[i - step] - mean) for i in range(step, n)) / n
        long_run += 2 * (1 - step / (lag + 1)) * covariance
    expected = mean / (long_run / n) ** 0.5 * ((n - 1) / n) ** 0.5
    found = diebold_mariano(squared_error(Y[:200], GOOD[:200]), squared_error(Y[:200], POOR[:200]))
    assert found.statistic == pytest.approx(expected, rel=1e-10)


def test_the_lag_of_the_reference_figures() -> None:
    assert bartlett_lag(1250) == 7
    assert bartlett_lag(1250, horizon=22) == 21
    assert bartlett_lag(3) == 1


def test_losses_that_never_differ_tell_nothing() -> None:
    loss = squared_error(Y, GOOD)
    assert diebold_mariano(loss, loss)[:2] == (0.0, 1.0)
    assert diebold_mariano(loss, loss + 1.0)[:2] == (0.0, 1.0)
    assert diebold_mariano([1.0], [2.0])[:2] == (0.0, 1.0)
    assert diebold_mariano(loss[:8], loss[:8] ** 2, horizon=5)[:2] == (0.0, 1.0)
    same = compare("naive", "mse", loss, loss)
    assert (same.improvement_pct, same.ci95) == (0.0, (0.0, 0.0))
    assert verdict([same], trials=1) == "no skill shown"


def test_losses_that_are_not_finite_are_refused() -> None:
    with pytest.raises(EvaluationError, match="not finite"):
        compare("naive", "mse", [np.inf, 1.0], [1.0, 1.0])


def test_improvement_is_relative_and_bounded_where_the_baseline_loses_nothing() -> None:
    assert improvement([1.0, 2.0], [2.0, 4.0]) == 50.0
    assert improvement([4.0], [2.0]) == -100.0
    assert improvement([0.0, 0.0], [0.0, 0.0]) == 0.0
    assert improvement([1.0, 0.0], [0.0, 0.0]) == -1e6


def test_the_bootstrap_interval_equals_a_plain_loop() -> None:
    model, baseline = squared_error(Y[:100], GOOD[:100]), squared_error(Y[:100], POOR[:100])
    block = block_length(100)
    starts = np.random.default_rng(3).integers(0, 100, size=(1000, -(-100 // block)))
    drawn = []
    for blocks in starts:
        rows = [(start + step) % 100 for start in blocks for step in range(block)][:100]
        drawn.append(100 * (1 - model[rows].mean() / baseline[rows].mean()))
    expected = np.percentile(drawn, [2.5, 97.5])
    assert improvement_interval(model, baseline, seed=3) == pytest.approx(expected, rel=1e-9)


def test_the_auc_interval_equals_a_plain_loop() -> None:
    up = (Y[:100] > 0).astype(float)
    probability = np.clip(np.round(0.5 + 0.2 * GOOD[:100], 2), 0, 1)
    block = block_length(100)
    starts = np.random.default_rng(3).integers(0, 100, size=(200, -(-100 // block)))
    drawn = []
    for blocks in starts:
        rows = [(start + step) % 100 for start in blocks for step in range(block)][:100]
        drawn.append(roc_auc_score(up[rows], probability[rows]))
    expected = np.percentile(drawn, [2.5, 97.5])
    found = auc_interval(up, probability, seed=3, draws=200)
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_auc_interval_has_the_width_of_the_reference_figures() -> None:
    """An AUC of random scores has a standard deviation of 0.0165 at 1,250 rows."""
    widths = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        up = (rng.random(1250) < 0.53).astype(float)
        low, high = auc_interval(up, rng.random(1250), draws=300)
        widths.append(high - low)
    assert np.mean(widths) == pytest.approx(2 * 1.96 * 0.0165, rel=0.07)
    assert auc_interval(np.ones(10), np.linspace(0, 1, 10)) == (0.0, 1.0)


def test_the_interval_covers_as_often_as_it_says_on_dependent_losses() -> None:
    """Losses with an autocorrelation of 0.5 and a true improvement of 10%."""
    held = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal(900)
        for place in range(1, 900):
            noise[place] += 0.5 * noise[place - 1]
        baseline = 10 + rng.standard_normal(900)
        low, high = improvement_interval(baseline - 1 + noise, baseline, seed=seed, draws=300)
        held += low <= 10.0 <= high
    assert 0.87 <= held / 120 <= 0.99


def test_a_thousand_draws_of_five_years_are_quick() -> None:
    model, baseline = squared_error(Y, GOOD), squared_error(Y, POOR)
    start = time.perf_counter()
    improvement_interval(model, baseline)
    assert time.perf_counter() - start < 0.3


def test_seeds_decide_the_interval() -> None:
    model, baseline = squared_error(Y, GOOD), squared_error(Y, POOR)
    assert improvement_interval(model, baseline) == improvement_interval(model, baseline)
    assert improvement_interval(model, baseline) != improvement_interval(model, baseline, seed=1)


def test_adjusted_p() -> None:
    assert adjusted_p(0.001, 40) == pytest.approx(0.04)
    assert adjusted_p(0.2, 40) == 1.0
    with pytest.raises(ValueError, match="at least one trial"):
        adjusted_p(0.2, 0)


@pytest.mark.parametrize(
    ("changes", "trials", "expected"),
    [
        ({}, 1, "beats naive"),
        ({}, 49, "beats naive"),
        ({}, 50, "no skill shown"),
        ({"ci95": (0.0, 9.0)}, 1, "no skill shown"),
        ({"ci95": (-1.0, 9.0)}, 1, "no skill shown"),
        ({"improvement_pct": 0.0}, 1, "no skill shown"),
        ({"improvement_pct": -5.0, "ci95": (-9.0, -1.0), "dm": -3.0}, 1, "no skill shown"),
        ({"p_value": 0.05}, 1, "no skill shown"),
        ({"n": 29}, 1, "no skill shown"),
        ({"n": 30}, 1, "beats naive"),
    ],
)
def test_verdicts(changes: dict[str, object], trials: int, expected: str) -> None:
    assert verdict([versus(**changes)], trials) == expected


def test_every_naive_baseline_must_be_beaten() -> None:
    garch = versus(baseline="garch", ci95=(-0.1, 4.0))
    assert verdict([versus(), garch], 1) == "no skill shown"
    assert verdict([versus(), versus(baseline="garch")], 1) == "beats naive"
    assert verdict([], 1) == "no skill shown"


def test_the_best_of_a_hundred_random_signals_shows_no_skill() -> None:
    """Chosen on the dates that it is judged by, it looks skilled until the trials are counted."""
    rng = np.random.default_rng(21)
    up = (rng.random(1250) < 0.53).astype(float)
    naive = brier_loss(up, np.full(1250, 0.53))
    signals = 0.53 + 0.01 * rng.standard_normal((100, 1250))
    best = min(signals, key=lambda signal: float(brier_loss(up, signal).mean()))
    found = compare("naive", "brier", brier_loss(up, best), naive)
    assert found.p_value < 0.05
    assert verdict([found], trials=1) == "beats naive"
    assert verdict([found], trials=100) == "no skill shown"
