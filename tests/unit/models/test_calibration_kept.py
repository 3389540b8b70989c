"""A bundle of a long series keeps the last scores, and says what all of them would."""

import numpy as np
import pytest

from truecast.models.calibration import ScaleCalibration, ShareCalibration

rng = np.random.default_rng(3)
N = 3000
TIMES = np.datetime64("2014-01-01", "us") + np.arange(N + 500) * np.timedelta64(1, "m")


def scores(begin: int, end: int) -> ScaleCalibration:
    local = np.random.default_rng(7)
    values, ratios = local.standard_t(4, N + 500), 0.5 * local.standard_normal(N + 500)
    ratios[::17] = np.nan
    return ScaleCalibration(TIMES[begin:end], values[begin:end], ratios[begin:end])


@pytest.mark.parametrize("most", [0, 1, 400, N])
def test_what_is_kept_bounds_the_same(most: int) -> None:
    whole, kept = scores(0, N), scores(0, N).recent(0.9, most)
    assert len(kept.known_at) == min(most, N)
    restored = ScaleCalibration.from_document(kept.to_document())
    later, as_of = scores(N, N + 500), TIMES[[N, N + 250, N + 499]]
    for one, two in ((whole, restored), (whole.joined(later), restored.joined(later))):
        for name in ("return_band", "volatility_band"):
            more = {"horizon": 30} if name == "return_band" else {}
            bands = [
                getattr(each, name)(np.array([0.01, 0.02, 0.03]), as_of, coverage=0.9, **more)
                for each in (one, two)
            ]
            np.testing.assert_array_equal(bands[0], bands[1])


def test_few_scores_are_kept_as_they_are() -> None:
    whole = scores(0, 400)
    assert whole.recent(0.9) is whole
    assert set(whole.to_document()) == {"known_at", "standardised", "log_ratio"}


def test_scores_that_were_cut_off_before_are_not_forgotten_by_a_second_cut() -> None:
    once = scores(0, N).recent(0.9, 100)
    twice = scores(0, N).recent(0.9, 1000).recent(0.9, 100)
    assert once.start == twice.start


def test_quantiles_are_those_of_the_last_thousand_scores() -> None:
    calibration = scores(0, N)
    places = np.array([10, 249, 250, 251, 999, 1000, 1001, 1001, N - 1])
    levels = (0.05, 0.5, 0.95)
    found = calibration.return_quantiles(
        np.full(len(places), 4.0), TIMES[places - 1], horizon=9, levels=levels
    )
    for row, known in enumerate(places):
        recent = calibration.standardised[max(0, known - 1000) : known]
        expected = 6 * np.quantile(recent, levels) if known >= 250 else np.full(3, np.nan)
        np.testing.assert_allclose(found[row], expected, rtol=1e-15)


def test_like_probabilities_are_those_that_a_bundle_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("truecast.models.calibration.KEPT", 1000)
    p, up = rng.random(N), (rng.random(N) < 0.5).astype(float)
    up[: N - 1000] = 1.0  # what is older would say so
    whole = ShareCalibration(TIMES[:N], p, up)
    band = whole.band(0.5, TIMES[N], coverage=0.9)
    assert band is not None
    assert band == whole.recent(1000).band(0.5, TIMES[N], coverage=0.9)
    assert band[1] < 0.7
