"""Models and series that flatter themselves, planted in a recipe: each is refused, and named.

Features, splits and labels that leak are in ``test_verify``. Here it is the model, which looks at
rows after its own when it answers, and luck, which needs no leak at all.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from truecast.core.recipe import Recipe
from truecast.evaluation.scorecard import Champion
from truecast.evaluation.scoring import score_slot
from truecast.evaluation.slots import SlotForecasts, Trading
from truecast.features import compute
from truecast.models.linear import Logistic
from truecast.pipelines.studies import Studies
from truecast.pipelines.verify import verify

Make = Callable[..., Recipe]
Open = Callable[[Recipe], Studies]


def _centred(values: np.ndarray) -> np.ndarray:
    """Return the mean of each value, two before it and two after."""
    padded = np.pad(values, 2, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 5).mean(axis=1)


def _states_by_both_passes(values: np.ndarray) -> np.ndarray:
    """Return a smoothed state: what a pass forward and one backward say of each row together."""
    forward, backward = np.empty(len(values)), np.empty(len(values))
    for said, places in ((forward, range(len(values))), (backward, range(len(values))[::-1])):
        state = 0.5
        for place in places:
            state = said[place] = 0.9 * state + 0.1 * values[place]
    return np.asarray((forward + backward) / 2)


#: Few rows of few features: a leak is as plain in them.
FEW = {"history": {"start": "2011-01-03"}, "features": ["log_return_1", "return_sd_22"]}


def test_a_model_that_smooths_over_the_rows_it_is_asked_is_named(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As hmmlearn's ``predict`` does: right in a backtest, another answer one row at a time."""
    honest = Logistic.predict

    def smoothed(self: Logistic, X: np.ndarray) -> np.ndarray:
        said = honest(self, X)
        return np.clip(_states_by_both_passes(np.nan_to_num(said, nan=0.5)), 0.0, 1.0)

    monkeypatch.setattr(Logistic, "predict", smoothed)
    failed = {
        (one.check, one.feature) for one in verify(studies(small_recipe(**FEW))) if not one.passed
    }
    assert ("forecast without the future", "direction by logistic") in failed
    assert ("serving equals training", "direction by logistic") in failed


def test_a_model_whose_rows_are_shuffled_is_named(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows drawn at random from all rows, as a generator of shuffled batches hands them over."""
    from truecast.datasets.assembly import Dataset

    honest = Dataset.windows

    def shuffled(self: Dataset, *asked: object) -> np.ndarray:
        rows = np.array(honest(self, *asked))  # type: ignore[arg-type]
        return rows[np.random.default_rng(len(rows)).permutation(len(rows))]

    monkeypatch.setattr(Dataset, "windows", shuffled)
    failed = {one.check for one in verify(studies(small_recipe(**FEW))) if not one.passed}
    assert "forecast without the future" in failed


def test_a_smoothed_series_is_named(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closes that were filtered before features were made of them: a clean chart, and a leak."""
    honest = compute.compute_groups

    def smoothed(groups: object, columns: dict[str, np.ndarray], *rest: object) -> None:
        clean = {name: _centred(one) if name == "close" else one for name, one in columns.items()}
        honest(groups, clean, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(compute, "compute_groups", smoothed)
    failed = {one.check for one in verify(studies(small_recipe(**FEW))) if not one.passed}
    assert {"truncation", "perturbation"} & failed


def test_the_best_of_a_hundred_random_models_is_told_from_skill_by_its_trials() -> None:
    """Counted once its p is below 0.05 and its Sharpe ratio above 0.8; counted rightly, neither."""
    rng = np.random.default_rng(5)
    n = 1250
    returns = rng.standard_normal(n)
    forecasts = {f"random {seed}": 0.01 * rng.standard_normal(n) for seed in range(100)}
    lost = {name: float(np.mean((returns - said) ** 2)) for name, said in forecasts.items()}
    best = min(lost, key=lost.__getitem__)
    days = np.busday_offset("2014-01-14", np.arange(n + 1), roll="forward")
    times = days.astype("datetime64[us]")
    slot = SlotForecasts(
        slot="x@y:z:return:1",
        instrument="z",
        target="return",
        horizon=1,
        champion=Champion(name=best, version="1", model_type="random"),
        event_time=times[:-1],
        session=days[1:].astype("datetime64[D]"),
        outcomes={"value": returns},
        forecasts={"naive": np.zeros(n), best: forecasts[best]},
        trials=1,
        trading=Trading(log_return=returns, due=times[1:], years=n / 252, cost_bps=0.0),
    )
    lucky, _ = score_slot(slot)
    shown = lucky.judged.backtest_illustration
    assert shown is not None
    assert lucky.judged.verdict == "beats naive"
    assert (shown.sharpe or 0) > 0.8
    assert (shown.deflated_sharpe or 0) > 0.95
    counted, _ = score_slot(replace(slot, trials=100))
    told = counted.judged.backtest_illustration
    assert told is not None
    assert counted.judged.verdict == "no skill shown"
    assert (told.deflated_sharpe or 0) < 0.95
