"""Leaks that real systems have had, planted one by one: each must be caught and named.

The features read the future in ways that flatter a backtest; the other leaks are in how rows are
labelled, split and scored.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from truecast.core.recipe import Recipe
from truecast.core.slot import Slot
from truecast.datasets import assembly, targets
from truecast.datasets.splits import Fold
from truecast.features.results import CheckResult
from truecast.features.user import feature
from truecast.lake.history import BarHistory
from truecast.models.calibration import ScaleCalibration
from truecast.models.naive import Naive
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Researcher, Study
from truecast.pipelines.verify import verify
from truecast.training import fit

Make = Callable[..., Recipe]
Open = Callable[[Recipe], Studies]

_close = {"inputs": ("close",), "unit": "1", "formula": "planted", "reference": "planted"}


def _returns(close: np.ndarray) -> np.ndarray:
    return np.r_[np.nan, np.diff(np.log(close))]


@feature(lookback=5, **_close)
def next_bar_average(close: np.ndarray) -> np.ndarray:
    """Average of five closes that ends with the one to be forecast."""
    average = pl.Series(close).rolling_mean(5).to_numpy()
    return np.r_[average[1:] / close[:-1] - 1, np.nan]


@feature(lookback=1, **_close)
def scaled_by_the_whole_sample(close: np.ndarray) -> np.ndarray:
    """Return in units of a mean and spread that include the future."""
    returns = _returns(close)
    return (returns - np.nanmean(returns)) / np.nanstd(returns)


@feature(lookback=2, **_close)
def smoothed_state(close: np.ndarray) -> np.ndarray:
    """Probability of the turbulent of two states, by forward and backward passes."""
    returns = np.nan_to_num(_returns(close))
    likely = np.stack([norm.pdf(returns, scale=scale) for scale in (0.007, 0.02)], axis=1)
    stay = np.array([[0.98, 0.02], [0.02, 0.98]])
    forward, backward = np.empty_like(likely), np.ones_like(likely)
    state = np.array([0.5, 0.5])
    for row, seen in enumerate(likely):
        state = (state @ stay) * seen
        state /= state.sum()
        forward[row] = state
    for row in range(len(likely) - 2, -1, -1):
        back = stay @ (likely[row + 1] * backward[row + 1])
        backward[row] = back / back.sum()
    both = forward * backward
    return both[:, 1] / both.sum(axis=1)


@feature(lookback=1, **_close)
def best_of_a_hundred(close: np.ndarray) -> np.ndarray:
    """The one of a hundred random signals that goes best with the next return."""
    ahead = np.r_[_returns(close)[1:], 0.0]
    signals = [np.random.default_rng(seed).normal(size=6000)[: len(close)] for seed in range(100)]
    return max(signals, key=lambda signal: float(np.corrcoef(signal[1:], ahead[1:])[0, 1]))


@feature(lookback=20, **_close)
def regime_by_whole_median(close: np.ndarray) -> np.ndarray:
    """Whether the spread of returns is above its median over all time."""
    spread = pl.Series(_returns(close)).rolling_std(20).to_numpy()
    return (spread > np.nanmedian(spread)).astype(float)


def _failed(results: list[CheckResult]) -> list[CheckResult]:
    return [result for result in results if not result.passed]


def test_an_honest_recipe_passes(small_recipe: Make, studies: Open) -> None:
    results = verify(studies(small_recipe()))
    assert _failed(results) == []
    assert {result.check for result in results} == {
        "truncation",
        "perturbation",
        "tail",
        "shuffled known_at of bars",
        "bar by bar",
        "ledger equals training",
        "outcomes come later",
        "training lies before",
        "choice without the evaluation",
        "forecast without the future",
        "serving equals training",
    }


@pytest.mark.parametrize(
    "planted",
    [
        next_bar_average,
        scaled_by_the_whole_sample,
        smoothed_state,
        best_of_a_hundred,
        regime_by_whole_median,
    ],
    ids=lambda planted: planted.__name__,
)
def test_a_feature_that_sees_the_future_is_named(
    planted: Callable[..., np.ndarray],
    small_recipe: Make,
    studies: Open,
    tmp_path: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "planted_leaks", sys.modules[__name__])
    name = f"planted_leaks:{planted.__name__}"
    opened = studies(small_recipe(features=["log_return_1", name]))
    failed = _failed(verify(opened))
    features = {
        result.feature for result in failed if result.check in {"truncation", "perturbation"}
    }
    assert features == {planted.__name__}
    first = [result.first_row for result in failed if result.check == "truncation"]
    assert first
    assert all(row is not None and row.startswith(("1999", "20")) for row in first)


def _planted_rows(
    choose: Callable[[Fold, np.ndarray], np.ndarray],
) -> Callable[..., np.ndarray]:
    def rows(fold: Fold, known_at: np.ndarray, usable: np.ndarray, **_: object) -> np.ndarray:
        return choose(fold, np.flatnonzero(usable & ~np.isnat(known_at)))

    return rows


def _response_of_all_time(self: fit.Trainer, target: str, horizon: int, _fold: Fold) -> targets.F64:
    return self.dataset.response(target, self.dataset.outcomes(horizon))


def _shuffled(fold: Fold, rows: np.ndarray) -> np.ndarray:
    """Nine tenths of all rows at random, as shuffled 10-fold cross-validation takes them."""
    return np.sort(np.random.default_rng(abs(fold.number)).permutation(rows)[: len(rows) * 9 // 10])


def _unpurged(fold: Fold, rows: np.ndarray) -> np.ndarray:
    """All rows before the fold, though the outcomes of the last lie inside it."""
    return rows[rows < fold.start]


def _scored_on_training_rows(fold: Fold, rows: np.ndarray) -> np.ndarray:
    return rows[rows < fold.stop]


@pytest.mark.parametrize("choose", [_shuffled, _unpurged, _scored_on_training_rows])
def test_a_split_that_sees_the_future_is_named(
    choose: Callable[[Fold, np.ndarray], np.ndarray],
    small_recipe: Make,
    studies: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = small_recipe(targets={"direction": {"horizon": 5, "models": ["logistic"]}})
    opened = studies(recipe)
    # The studies of the recipe with the leak in them: nothing of an honest run is read back.
    monkeypatch.setattr(fit, "teachable", _planted_rows(choose))
    monkeypatch.setattr(fit.Trainer, "_response", _response_of_all_time)
    monkeypatch.setattr(Studies, "_read", lambda *_: None)
    found = [result for result in verify(opened) if result.check == "training lies before"]
    assert [result.passed for result in found] == [False]
    researcher = opened.researcher("^GSPC")
    dataset, start = researcher.dataset, researcher.parts.validate.start
    first = researcher.folds_over(range(start, len(dataset)))[0]
    assert found[0].feature == "direction"
    assert found[0].first_row is not None
    # The unpurged rows are the last four before the fold: the outcome of the fifth is just known.
    if choose is _unpurged:
        row = first.start - 4
        assert found[0].first_row.startswith(str(dataset.decisions.as_of[row])[:19])


def test_a_label_of_the_same_bar_is_named(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predict today, call it tomorrow: the label is the close that the features hold."""
    honest = targets.outcomes_of

    def same_bar(event_time: np.ndarray, history: BarHistory, **kwargs: object) -> object:
        found = honest(event_time, history, **kwargs)  # type: ignore[arg-type]
        # When today's close was known: a quarter of an hour after it.
        return replace(found, known_at=event_time + np.timedelta64(15, "m"))

    monkeypatch.setattr(assembly, "outcomes_of", same_bar)
    found = [
        result
        for result in verify(studies(small_recipe()))
        if result.check == "outcomes come later"
    ]
    assert [(result.passed, result.feature) for result in found] == [(False, "direction")]
    assert found[0].first_row == "1999-01-04T21:30:00+00:00"


def test_a_label_that_says_it_comes_later_but_does_not_is_named(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Today's return under tomorrow's date: only the value gives it away."""
    honest = targets.outcomes_of

    def same_bar(event_time: np.ndarray, history: BarHistory, **kwargs: object) -> object:
        found = honest(event_time, history, **kwargs)  # type: ignore[arg-type]
        shifted = np.r_[np.nan, found.log_return[:-1]]
        return replace(found, log_return=np.where(np.isnan(found.log_return), np.nan, shifted))

    monkeypatch.setattr(assembly, "outcomes_of", same_bar)
    found = [one for one in verify(studies(small_recipe())) if one.check == "outcomes come later"]
    assert [(one.passed, one.feature) for one in found] == [(False, "direction")]
    assert "worked out by hand" in found[0].detail


def test_a_choice_that_saw_the_evaluation_is_named(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Researcher.study

    def peeking(
        self: Researcher, slot: Slot, predictions: dict[str, np.ndarray], *others: object
    ) -> Study:
        study = honest(self, slot, predictions, *others)  # type: ignore[arg-type]
        part = self.parts.evaluation
        losses = {name: float(np.nanmean(predictions[name][part])) for name in ("logistic",)}
        return replace(study, validation_losses=losses)

    monkeypatch.setattr(Researcher, "study", peeking)
    failed = _failed(verify(studies(small_recipe())))
    assert [(one.check, one.feature) for one in failed] == [
        ("choice without the evaluation", "direction by logistic")
    ]


def test_a_baseline_fitted_on_the_future_is_named(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A naive forecast that knows too much makes every other look worse, or itself better."""
    honest = Naive.fit

    def fitted(self: Naive, X: np.ndarray, y: np.ndarray, **kwargs: object) -> Naive:
        model = honest(self, X, y, **kwargs)  # type: ignore[arg-type]
        model.level_ += next(drift)
        return model

    drift = iter(np.linspace(0.0, 0.01, 10_000))
    monkeypatch.setattr(Naive, "fit", fitted)
    failed = _failed(verify(studies(small_recipe())))
    assert ("forecast without the future", "direction by naive") in [
        (one.check, one.feature) for one in failed
    ]


def test_an_interval_that_uses_later_scores_is_named(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_scores(
        self: ScaleCalibration, variance: np.ndarray, as_of: np.ndarray, **_: object
    ) -> tuple[np.ndarray, np.ndarray]:
        width = float(np.quantile(np.abs(self.standardised), 0.9)) * np.sqrt(variance)
        return -width, width

    monkeypatch.setattr(ScaleCalibration, "return_band", all_scores)
    recipe = small_recipe(targets={"price": {"models": ["ridge"]}})
    failed = _failed(verify(studies(recipe)))
    assert ("interval without the future", "price by ridge") in [
        (one.check, one.feature) for one in failed
    ]


def test_a_model_fitted_on_rows_it_should_not_have_seen_changes_its_forecasts(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranks within the whole table, behind the features' back: forecasts move when it is cut."""
    honest = assembly.Dataset.windows

    def scaled(self: assembly.Dataset, *asked: object) -> np.ndarray:
        values = honest(self, *asked)  # type: ignore[arg-type]
        everything = np.sort(self.X, axis=None)
        return np.searchsorted(everything, values).astype(np.float32) / everything.size

    monkeypatch.setattr(assembly.Dataset, "windows", scaled)
    found = {
        result.check: result for result in verify(studies(small_recipe())) if not result.passed
    }
    assert found["forecast without the future"].feature == "direction by logistic"
    assert found["serving equals training"].feature == "direction by logistic"
