import numpy as np
import pytest
from scipy import stats

from truecast.models.calibration import ScaleCalibration
from truecast.models.intervals import Bounds, gaussian, step, track, wilson_interval
from truecast.models.shares import ShareCalibration

DAY = np.timedelta64(1, "D")
START = np.datetime64("2014-01-02T21:00", "us")


def _moments(n: int) -> np.ndarray:
    return START + np.arange(n) * DAY


def _one_ahead(scores: np.ndarray, rate: float = 0.05) -> Bounds:
    """Each forecast is made when the outcome of the one before it is known."""
    return track(scores, np.arange(len(scores)), coverage=0.9, rate=rate, before=gaussian(0.9, 1.0))


def test_the_tracker_is_the_recursion_it_says_it_is() -> None:
    scores = np.random.default_rng(0).standard_t(4, 500)
    issued = np.maximum(0, np.arange(500) - 7)  # seven outcomes come between
    bounds = track(scores, issued, coverage=0.8, rate=0.03, before=gaussian(0.8, 2.0))
    low, high = [-2 * stats.norm.ppf(0.9)], [2 * stats.norm.ppf(0.9)]
    for place, score in enumerate(scores):
        then = max(0, place - 7)
        low.append(low[-1] - 0.03 * ((score < low[then]) - 0.1))
        high.append(high[-1] + 0.03 * ((score > high[then]) - 0.1))
    np.testing.assert_allclose(bounds.lower, low, rtol=1e-14)
    np.testing.assert_allclose(bounds.upper, high, rtol=1e-14)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_coverage_is_held_on_each_side_whatever_the_scale_and_centre(scale: float) -> None:
    scores = scale * (0.3 + np.random.default_rng(1).standard_t(4, 10_000))
    two = _one_ahead(scores)
    below, above = scores < two.lower[:-1], scores > two.upper[:-1]
    # What a bound has moved is the sum of its steps, so its error is what it moved by n·rate.
    moved = max(abs(two.lower[500] - two.lower[-1]), abs(two.upper[500] - two.upper[-1]))
    assert abs(below[500:].mean() - 0.05) <= moved / (0.05 * 9500) + 1e-9
    assert abs(above[500:].mean() - 0.05) <= moved / (0.05 * 9500) + 1e-9
    assert abs((below | above)[4000:].mean() - 0.1) < 0.005
    centre = (two.lower[4000:] + two.upper[4000:]).mean() / 2
    assert centre == pytest.approx(0.3 * scale, abs=0.1 * scale)


def test_a_bound_never_knows_its_own_score() -> None:
    scores = np.random.default_rng(2).normal(size=50)
    other = scores.copy()
    scores[30], other[30:] = 0.0, 99.0
    first, second = _one_ahead(scores), _one_ahead(other)
    np.testing.assert_array_equal(first.upper[:31], second.upper[:31])
    assert first.upper[31] != second.upper[31]


def test_the_step_shrinks_with_the_root_of_the_horizon() -> None:
    assert [step(0.05, horizon) for horizon in (1, 4, 25)] == [0.05, 0.025, 0.01]


def _overlapping(horizon: int, n: int = 12_000) -> tuple[ScaleCalibration, np.ndarray, np.ndarray]:
    """Returns over so many bars, known when the last of these is; volatility is as forecast."""
    random = np.random.default_rng(9)
    bars = random.standard_t(5, n + horizon) * np.sqrt(3 / 5)
    sums = np.convolve(bars, np.ones(horizon), mode="valid")[1 : n + 1]
    as_of, known_at = _moments(n), _moments(n) + horizon * DAY
    made = ScaleCalibration.of(
        np.ones(n), sums, np.ones(n), as_of=as_of, known_at=known_at, horizon=horizon
    )
    return made, sums, as_of


@pytest.mark.parametrize("horizon", [5, 22, 60])
def test_overlapping_outcomes_are_held_as_often_as_promised(horizon: int) -> None:
    made, sums, as_of = _overlapping(horizon)
    lower, upper = made.return_band(np.ones(len(sums)), as_of, coverage=0.9)
    held = ((lower <= sums) & (sums <= upper))[1000:].mean()
    assert held == pytest.approx(0.9, abs=0.012)


def test_held_against_the_newest_bounds_overlapping_outcomes_would_not_be() -> None:
    """The fault that ``issued`` mends: 22 days ahead a fast tracker lost two in a hundred."""
    made, _, _ = _overlapping(22)
    scores = made.standardised
    newest = _one_ahead(scores)
    then = np.maximum(0, np.arange(len(scores)) - 21)
    held = (newest.lower[then] <= scores) & (scores <= newest.upper[then])
    assert held[1000:].mean() < 0.885
    mended = track(scores, then, coverage=0.9, rate=0.05, before=gaussian(0.9, 1.0))
    held = (mended.lower[then] <= scores) & (scores <= mended.upper[then])
    assert held[1000:].mean() == pytest.approx(0.9, abs=0.005)


def test_the_band_follows_returns_that_drift_and_no_model() -> None:
    random = np.random.default_rng(5)
    returns = 0.8 + random.normal(size=3000)  # no forecast of about zero holds both sides of these
    as_of = _moments(3000)
    made = ScaleCalibration.of(
        np.ones(3000), returns, np.ones(3000), as_of=as_of, known_at=as_of + DAY, horizon=1
    )
    lower, upper = made.return_band(np.ones(3000), as_of, coverage=0.9)
    assert (returns < lower)[500:].mean() == pytest.approx(0.05, abs=0.006)
    assert (returns > upper)[500:].mean() == pytest.approx(0.05, abs=0.006)
    assert ((lower + upper) / 2)[500:].mean() == pytest.approx(0.8, abs=0.1)


def test_scores_that_never_change_cross_no_bounds() -> None:
    as_of = _moments(4000)
    made = ScaleCalibration.of(
        np.ones(4000), np.full(4000, 0.4), np.ones(4000), as_of=as_of, known_at=as_of, horizon=1
    )
    lower, upper = made.return_band(np.ones(4000), as_of, coverage=0.9)
    assert (lower <= upper).all()


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
    calibration = ScaleCalibration.of(
        variance, returns, realised, as_of=_moments(n), known_at=known_at, horizon=horizon
    )
    return calibration, variance, returns


def test_scores_are_returns_in_units_of_what_was_expected() -> None:
    calibration, variance, returns = _scale(40, horizon=4)
    np.testing.assert_allclose(calibration.standardised, returns / (2 * np.sqrt(variance)))


@pytest.mark.parametrize("horizon", [1, 6])
def test_a_band_uses_only_scores_known_at_its_moment(horizon: int) -> None:
    calibration, variance, _ = _scale(300, horizon)
    moments = _moments(300)
    lower, upper = calibration.return_band(variance, moments, coverage=0.9)
    for row in (0, 1, 17, 299):
        # Known at the moment of a row: the outcomes of all rows a horizon before it.
        known = max(0, row - horizon + 1)
        bounds = track(
            calibration.standardised[:known],
            np.maximum(0, np.arange(known) - horizon + 1),
            coverage=0.9,
            rate=0.05 / np.sqrt(horizon),
            before=gaussian(0.9, 1.0),
        )
        spread = np.sqrt(horizon * variance[row])
        assert upper[row] == pytest.approx(bounds.upper[-1] * spread, rel=1e-14)
        assert lower[row] == pytest.approx(bounds.lower[-1] * spread, rel=1e-14)
        then = calibration.until(moments[row])
        alone = then.return_band(variance[row : row + 1], moments[row : row + 1], coverage=0.9)
        assert (alone[0][0], alone[1][0]) == (lower[row], upper[row])


def test_scores_in_two_parts_are_the_scores_in_one() -> None:
    calibration, _, _ = _scale(100)
    cut = _moments(100)[60]
    again = calibration.until(cut).joined(calibration)
    np.testing.assert_array_equal(again.standardised, calibration.standardised)
    np.testing.assert_array_equal(again.known_at, calibration.known_at)


def test_unknown_outcomes_give_no_score_and_late_ones_come_late() -> None:
    known_at = _moments(4)[[3, 0, 1, 2]]
    returns = np.array([1.0, 2.0, np.nan, 4.0])
    calibration = ScaleCalibration.of(
        np.ones(4), returns, np.ones(4), as_of=_moments(4), known_at=known_at, horizon=1
    )
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
    found = calibration.return_quantiles(variance, moments, levels=levels)
    assert np.isnan(found[249]).all()
    expected = np.quantile(calibration.standardised[400:1400], levels) * np.sqrt(variance[1400])
    np.testing.assert_allclose(found[1400], expected, rtol=1e-14)


def test_documents_bring_back_the_same_numbers() -> None:
    calibration, _, _ = _scale(50)
    calibration.log_ratio[3] = np.nan
    again = ScaleCalibration.from_document(calibration.to_document(), horizon=1)
    np.testing.assert_array_equal(again.log_ratio, calibration.log_ratio)
    np.testing.assert_array_equal(again.known_at, calibration.known_at)
    np.testing.assert_array_equal(again.as_of, calibration.as_of)
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
