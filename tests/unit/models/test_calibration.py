import numpy as np
import pytest
from scipy import stats

from truecast.models.calibration import ScaleCalibration, ShareCalibration
from truecast.models.intervals import track_absolute, track_two_sided, wilson_interval

DAY = np.timedelta64(1, "D")
START = np.datetime64("2014-01-02T21:00", "us")


def _moments(n: int) -> np.ndarray:
    return START + np.arange(n) * DAY


def test_the_tracker_is_the_recursion_it_says_it_is() -> None:
    scores = np.random.default_rng(0).standard_t(4, 500)
    bounds = track_absolute(scores, coverage=0.9, rate=0.05)
    q = stats.norm.ppf(0.95)
    for place, score in enumerate(scores):
        assert bounds.upper[place] == q
        q = q + 0.05 * ((abs(score) > q) - 0.1)
    assert bounds.upper[-1] == q
    np.testing.assert_array_equal(bounds.lower, -bounds.upper)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_coverage_is_held_whatever_the_scale_of_the_scores(scale: float) -> None:
    scores = scale * np.random.default_rng(1).standard_t(4, 4000)
    absolute = track_absolute(scores, coverage=0.9)
    inside = (scores >= absolute.lower[:-1]) & (scores <= absolute.upper[:-1])
    assert abs(inside[500:].mean() - 0.9) < 0.01
    two = track_two_sided(scores, coverage=0.9, rate=0.05)
    below, above = scores < two.lower[:-1], scores > two.upper[:-1]
    # What a bound has moved is the sum of its steps, so its error is what it moved by n·rate.
    moved = max(abs(two.lower[500] - two.lower[-1]), abs(two.upper[500] - two.upper[-1]))
    assert abs(below[500:].mean() - 0.05) <= moved / (0.05 * 3500) + 1e-9
    assert abs(above[500:].mean() - 0.05) <= moved / (0.05 * 3500) + 1e-9
    assert moved < 2.5 * scale


def test_a_bound_never_knows_its_own_score() -> None:
    scores = np.random.default_rng(2).normal(size=50)
    other = scores.copy()
    scores[30], other[30:] = 0.0, 99.0
    for track in (track_absolute, track_two_sided):
        first, second = track(scores, coverage=0.9), track(other, coverage=0.9)
        np.testing.assert_array_equal(first.upper[:31], second.upper[:31])
        assert first.upper[31] != second.upper[31]


def test_wilson_equals_the_textbook() -> None:
    lower, upper = wilson_interval(43, 250, 0.9)
    expected = stats.binomtest(43, 250).proportion_ci(0.9, method="wilson")
    assert (lower, upper) == pytest.approx((expected.low, expected.high), rel=1e-12)


def _scale(n: int, horizon: int = 1) -> tuple[ScaleCalibration, np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    variance = random.uniform(0.5, 2.0, n)
    returns = np.sqrt(horizon * variance) * random.normal(size=n)
    known_at = _moments(n) + horizon * DAY
    realised = variance * np.exp(random.normal(0, 0.5, n))
    calibration = ScaleCalibration.of(variance, returns, realised, known_at, horizon=horizon)
    return calibration, variance, returns


def test_scores_are_returns_in_units_of_what_was_expected() -> None:
    calibration, variance, returns = _scale(40, horizon=4)
    np.testing.assert_allclose(calibration.standardised, returns / (2 * np.sqrt(variance)))


def test_a_band_uses_only_scores_known_at_its_moment() -> None:
    calibration, variance, _ = _scale(300)
    moments = _moments(300)
    lower, upper = calibration.return_band(variance, moments, horizon=1, coverage=0.9)
    for row in (0, 1, 17, 299):
        # Known at the moment of a row: the outcomes of all rows before it.
        quantile = track_absolute(calibration.standardised[:row], coverage=0.9).upper[-1]
        assert upper[row] == pytest.approx(quantile * np.sqrt(variance[row]), rel=1e-14)
        assert lower[row] == -upper[row]
        then = calibration.until(moments[row])
        alone = then.return_band(
            variance[row : row + 1], moments[row : row + 1], horizon=1, coverage=0.9
        )
        assert alone[1][0] == upper[row]


def test_scores_in_two_parts_are_the_scores_in_one() -> None:
    calibration, _, _ = _scale(100)
    cut = _moments(100)[60]
    again = calibration.until(cut).joined(calibration)
    np.testing.assert_array_equal(again.standardised, calibration.standardised)
    np.testing.assert_array_equal(again.known_at, calibration.known_at)


def test_unknown_outcomes_give_no_score_and_late_ones_come_late() -> None:
    known_at = _moments(4)[[3, 0, 1, 2]]
    returns = np.array([1.0, 2.0, np.nan, 4.0])
    calibration = ScaleCalibration.of(np.ones(4), returns, np.ones(4), known_at, horizon=1)
    np.testing.assert_array_equal(calibration.standardised, [2.0, 4.0, 1.0])


def test_volatility_bands_hold_log_ratios() -> None:
    calibration, variance, _ = _scale(2000)
    moments = _moments(2000)
    lower, upper = calibration.volatility_band(variance, moments, coverage=0.9)
    realised = np.sqrt(variance) * np.exp(calibration.log_ratio)
    inside = (realised >= lower) & (realised <= upper)
    assert abs(inside[300:].mean() - 0.9) < 0.015


def test_quantiles_are_those_of_the_last_thousand_scores() -> None:
    calibration, variance, _ = _scale(1500)
    moments = _moments(1500)
    levels = (0.1, 0.5, 0.9)
    found = calibration.return_quantiles(variance, moments, horizon=1, levels=levels)
    assert np.isnan(found[249]).all()
    expected = np.quantile(calibration.standardised[400:1400], levels) * np.sqrt(variance[1400])
    np.testing.assert_allclose(found[1400], expected, rtol=1e-14)


def test_documents_bring_back_the_same_numbers() -> None:
    calibration, _, _ = _scale(50)
    calibration.log_ratio[3] = np.nan
    again = ScaleCalibration.from_document(calibration.to_document())
    np.testing.assert_array_equal(again.log_ratio, calibration.log_ratio)
    np.testing.assert_array_equal(again.known_at, calibration.known_at)
    shares = ShareCalibration.of(np.full(5, 0.5), np.ones(5), _moments(5))
    back = ShareCalibration.from_document(shares.to_document())
    np.testing.assert_array_equal(back.up, shares.up)


def test_a_probability_is_bounded_by_what_came_of_its_like() -> None:
    random = np.random.default_rng(4)
    probability = random.uniform(0.3, 0.7, 3000)
    up = (random.uniform(size=3000) < probability).astype(float)
    shares = ShareCalibration.of(probability, up, _moments(3000))
    now = _moments(3001)[-1]
    band = shares.band(0.65, now, coverage=0.9)
    assert band is not None
    nearest = np.argsort(np.abs(probability - 0.65), kind="stable")[:250]
    assert band == wilson_interval(int(up[nearest].sum()), 250, 0.9)
    assert band[0] < 0.65 < band[1]
    assert shares.band(0.65, _moments(200)[-1], coverage=0.9) is None
