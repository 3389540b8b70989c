import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, r2_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from truecast.core.names import UnknownNameError
from truecast.evaluation.errors import EvaluationError
from truecast.evaluation.metrics import (
    METRICS,
    absolute_percentage_error,
    mase,
    metric_for,
    naive_scale,
    qlike,
    r2_out_of_sample,
    rmse,
    squared_error,
)
from truecast.evaluation.probabilities import (
    accuracy,
    auc,
    brier_loss,
    calibration_bins,
    expected_calibration_error,
    log_loss,
)

RNG = np.random.default_rng(11)
Y = RNG.normal(100, 5, 400)
F = Y + RNG.normal(0, 2, 400)
UP = (RNG.random(400) < 0.55).astype(float)
P = np.round(RNG.random(400), 2)  # rounded, so that there are ties


def test_errors_equal_a_plain_loop() -> None:
    loop = [100 * abs(y - f) / abs(y) for y, f in zip(Y, F, strict=True)]
    np.testing.assert_allclose(absolute_percentage_error(Y, F), loop, rtol=1e-13)
    squares = [(y - f) ** 2 for y, f in zip(Y, F, strict=True)]
    np.testing.assert_allclose(squared_error(Y, F), squares, rtol=1e-13)
    assert rmse(Y, F) == pytest.approx(math.sqrt(sum(squares) / len(squares)), rel=1e-13)


def test_negative_prices_have_a_percentage_error_and_zero_has_none() -> None:
    assert absolute_percentage_error([-37.63], [-30.0])[0] == pytest.approx(100 * 7.63 / 37.63)
    with pytest.raises(EvaluationError, match=r"outcome of zero \(row 1\)"):
        absolute_percentage_error([1.0, 0.0], [1.0, 1.0])


def test_mase_is_one_for_no_change_on_the_series_that_gives_the_scale() -> None:
    assert mase(Y[1:], Y[:-1], naive_scale(Y)) == pytest.approx(1.0, rel=1e-14)
    assert naive_scale([1.0, 2.0, 4.0, 8.0], horizon=2) == pytest.approx((3 + 6) / 2)
    with pytest.raises(EvaluationError, match="never changes"):
        naive_scale([3.0, 3.0])
    with pytest.raises(EvaluationError, match="more than 5 values"):
        naive_scale([3.0, 4.0], horizon=5)


def test_qlike_equals_a_plain_loop_with_its_floor() -> None:
    x = np.concatenate([[0.0, 5e-5], RNG.gamma(1, 1, 300)])
    h = RNG.gamma(2, 0.5, 302) + 1e-3
    loop = []
    for outcome, forecast in zip(x, h, strict=True):
        ratio = max(outcome, 1e-4) / forecast
        loop.append(ratio - math.log(ratio) - 1)
    np.testing.assert_allclose(qlike(x, h), loop, rtol=1e-12)
    assert qlike([2.0], [2.0])[0] == 0.0
    with pytest.raises(EvaluationError, match="above zero, got 0 in row 1"):
        qlike([1.0, 1.0], [1.0, 0.0])


def test_r2_out_of_sample_equals_sklearns_where_the_benchmark_is_the_mean() -> None:
    assert r2_out_of_sample(Y, F, np.full(400, Y.mean())) == pytest.approx(r2_score(Y, F))
    with pytest.raises(EvaluationError, match="benchmark has no error"):
        r2_out_of_sample(Y, F, Y)


def test_direction_losses_equal_sklearns() -> None:
    assert brier_loss(UP, P).mean() == pytest.approx(brier_score_loss(UP, P), rel=1e-13)
    assert log_loss(UP, P).mean() == pytest.approx(sklearn_log_loss(UP, P), rel=1e-9)
    assert auc(UP, P) == pytest.approx(roc_auc_score(UP, P), rel=1e-13)
    assert accuracy(UP, P) == np.mean([(p > 0.5) == bool(y) for p, y in zip(P, UP, strict=True)])


def test_a_certain_error_is_very_bad_and_finite() -> None:
    assert log_loss([1.0], [0.0])[0] == pytest.approx(-math.log(1e-15))


def test_auc_of_a_constant_is_a_half_and_of_one_class_is_not_defined() -> None:
    assert auc(UP, np.full(400, 0.5)) == 0.5
    assert math.isnan(auc(np.ones(3), P[:3]))


def test_calibration_error_equals_a_plain_loop() -> None:
    probabilities = RNG.random(1000)
    outcomes = (RNG.random(1000) < probabilities**2).astype(float)
    order = np.argsort(probabilities)
    total = 0.0
    for rows in np.array_split(order, 10):
        total += len(rows) * abs(probabilities[rows].mean() - outcomes[rows].mean())
    assert expected_calibration_error(outcomes, probabilities) == pytest.approx(total / 1000)


def test_a_constant_forecast_makes_one_bin() -> None:
    bins = calibration_bins(UP, np.full(400, 0.53))
    assert bins.count.tolist() == [400]
    assert bins.outcome[0] == UP.mean()
    assert bins.low[0] < UP.mean() < bins.high[0]


@pytest.mark.parametrize(
    ("outcomes", "forecasts", "message"),
    [
        ([1.0, 2.0], [1.0], "2 outcomes and 1 forecasts"),
        ([1.0, np.nan], [1.0, 1.0], "outcomes: 1 of 2 are not finite, the first is nan in row 1"),
        ([], [], "n >= 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    outcomes: list[float], forecasts: list[float], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        squared_error(outcomes, forecasts)


def test_probabilities_and_outcomes_are_checked() -> None:
    with pytest.raises(EvaluationError, match="outcomes 0 or 1, got 2"):
        brier_loss([2.0], [0.5])
    with pytest.raises(EvaluationError, match=r"in \[0, 1\], got 0.5 to 1.5"):
        auc([0.0, 1.0], [0.5, 1.5])


def test_regimes_are_right_or_wrong() -> None:
    came, said = [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 1, 0]
    assert METRICS["error_rate"].score(came, said) == 3 / 6
    assert METRICS["balanced_accuracy"].score(came, said) == pytest.approx((1 / 3 + 1 + 0) / 3)
    # A constant forecast has a third, whatever is frequent.
    assert METRICS["balanced_accuracy"].score([1] * 8 + [0, 2], [1] * 10) == pytest.approx(1 / 3)
    assert not METRICS["balanced_accuracy"].lower_is_better
    with pytest.raises(EvaluationError, match="2 outcomes and 1 forecasts"):
        METRICS["error_rate"].score([1, 2], [1])


def test_metrics_are_found_by_target() -> None:
    assert set(METRICS) == {
        *("mape", "mae", "rmse", "mase", "brier", "log_loss", "auc", "accuracy"),
        *("qlike_gk", "qlike_r2", "mse_gk", "mse"),
        *("error_rate", "balanced_accuracy"),
    }
    assert metric_for("qlike_r2", "volatility").proxy == "r2"
    with pytest.raises(UnknownNameError, match=r"metric for price 'mapee' in select.*'mape'"):
        metric_for("mapee", "price", "select")
    with pytest.raises(UnknownNameError, match="accuracy, auc, brier, log_loss"):
        metric_for("mape", "direction")


def test_better_knows_which_way_and_never_prefers_nan() -> None:
    assert METRICS["auc"].better(0.6, 0.5)
    assert METRICS["brier"].better(0.2, 0.25)
    assert not METRICS["auc"].better(float("nan"), 0.5)
    assert not METRICS["brier"].better(0.25, 0.25)


def test_each_metric_is_the_mean_of_its_loss() -> None:
    given = {"direction": (UP, P), "volatility": (np.abs(Y), np.abs(F))}
    for metric in METRICS.values():
        outcomes, forecasts = given.get(next(iter(metric.targets)), (Y, F))
        if metric.loss is not None:
            expected = metric.loss(outcomes, forecasts).mean()
            assert metric.score(outcomes, forecasts) == pytest.approx(expected, rel=1e-14)
