"""A bundle of a long series keeps the last scores, and says what all of them would."""

import numpy as np
import pytest

from truecast.models.calibration import ScaleCalibration
from truecast.models.intervals import gaussian
from truecast.models.shares import ShareCalibration

rng = np.random.default_rng(3)
N = 3000
NORMAL_95 = 1.6448536269514722
TIMES = np.datetime64("2014-01-01", "us") + np.arange(N + 500) * np.timedelta64(1, "m")


def scores(begin: int, end: int, horizon: int = 1) -> ScaleCalibration:
    local = np.random.default_rng(7)
    values, ratios = local.standard_t(4, N + 500), 0.5 * local.standard_normal(N + 500)
    ratios[::17] = np.nan
    made = TIMES - horizon * np.timedelta64(1, "m")
    part = slice(begin, end)
    return ScaleCalibration(TIMES[part], made[part], values[part], ratios[part], horizon)


@pytest.mark.parametrize("horizon", [1, 30])
@pytest.mark.parametrize("most", [0, 1, 400, N - 10, N])
def test_what_is_kept_bounds_the_same(most: int, horizon: int) -> None:
    whole = scores(0, N, horizon)
    kept = whole.recent(0.9, most)
    assert len(kept.known_at) == min(most, N)
    restored = ScaleCalibration.from_document(kept.to_document(), horizon=horizon)
    later, as_of = scores(N, N + 500, horizon), TIMES[[N, N + 250, N + 499]]
    for one, two in ((whole, restored), (whole.joined(later), restored.joined(later))):
        for name in ("return_band", "volatility_band"):
            bands = [
                getattr(each, name)(np.array([0.01, 0.02, 0.03]), as_of, coverage=0.9)
                for each in (one, two)
            ]
            np.testing.assert_array_equal(bands[0], bands[1])


def test_few_scores_are_kept_as_they_are() -> None:
    whole = scores(0, 400)
    assert whole.recent(0.9) is whole
    assert set(whole.to_document()) == {"known_at", "as_of", "standardised", "log_ratio"}


def test_scores_that_were_cut_off_before_are_not_forgotten_by_a_second_cut() -> None:
    once = scores(0, N).recent(0.9, 100)
    twice = scores(0, N).recent(0.9, 1000).recent(0.9, 100)
    assert once.to_document() == twice.to_document()


def test_a_document_of_the_first_version_goes_on_as_it_did() -> None:
    """It has no moments of forecast, and of what was cut off the last bounds alone."""
    old = scores(0, N, horizon=30).to_document()
    del old["as_of"]
    went_on = ScaleCalibration.from_document(old, horizon=30).joined(scores(N, N + 50, horizon=30))
    quantile, low, high = gaussian(0.9, 1.0).upper[0], *(0.4 * np.array([-1, 1]) * NORMAL_95)
    for score, ratio in zip(went_on.standardised, went_on.log_ratio, strict=True):
        quantile += 0.05 * ((abs(score) > quantile) - 0.1)
        if ratio == ratio:
            low, high = low - 0.02 * ((ratio < low) - 0.05), high + 0.02 * ((ratio > high) - 0.05)
    now = TIMES[[N + 100]]
    band = went_on.return_band(np.ones(1), now, coverage=0.9)
    expected = np.array([-quantile, quantile]) * np.sqrt(30)
    np.testing.assert_allclose(np.ravel(band), expected, rtol=1e-10)
    band = went_on.volatility_band(np.ones(1), now, coverage=0.9)
    np.testing.assert_allclose(np.ravel(band), np.exp([low, high]), rtol=1e-10)
    empty = {"known_at": [], "standardised": [], "log_ratio": []}
    cut = {**empty, "start": {"return": [1.5], "volatility": [-0.7, 0.9]}}
    left = ScaleCalibration.from_document(cut, horizon=4)
    assert left.return_band(np.ones(1), now, coverage=0.9) == (-3.0, 3.0)
    assert left.volatility_band(np.ones(1), now, coverage=0.9) == (np.exp(-0.7), np.exp(0.9))
    fresh = ScaleCalibration.from_document(empty, horizon=1)
    high = gaussian(0.9, 1.0).upper[0]
    assert fresh.return_band(np.ones(1), now, coverage=0.9) == (-high, high)


def test_quantiles_are_those_of_the_last_thousand_scores() -> None:
    calibration = scores(0, N, horizon=9)
    places = np.array([10, 249, 250, 251, 999, 1000, 1001, 1001, N - 1])
    levels = (0.05, 0.5, 0.95)
    found = calibration.return_quantiles(
        np.full(len(places), 4.0), TIMES[places - 1], levels=levels
    )
    for row, known in enumerate(places):
        recent = calibration.standardised[max(0, known - 1000) : known]
        expected = 6 * np.quantile(recent, levels) if known >= 250 else np.full(3, np.nan)
        np.testing.assert_allclose(found[row], expected, rtol=1e-15)


def test_like_probabilities_are_those_that_a_bundle_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("truecast.models.shares.KEPT", 1000)
    p, up = rng.random(N), (rng.random(N) < 0.5).astype(float)
    up[: N - 1000] = 1.0  # what is older would say so
    whole = ShareCalibration(TIMES[:N], p, up)
    band = whole.band(0.5, TIMES[N], coverage=0.9)
    assert band is not None
    assert band == whole.recent(1000).band(0.5, TIMES[N], coverage=0.9)
    assert band[1] < 0.7
