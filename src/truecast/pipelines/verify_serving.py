"""Prove that what is served of the past is what the walk-forward said."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from truecast.core.clock import to_utc
from truecast.core.forecast import Forecast
from truecast.core.labels import code_of
from truecast.features.results import CheckResult
from truecast.models.base import Probabilities
from truecast.pipelines.judge import interval_of
from truecast.pipelines.predict import Replay
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Study, in_units
from truecast.pipelines.verify_ledger import AGREEMENT
from truecast.serving.workspace import series_of


def check_tail_forecasts(
    studies: Studies, replay: Replay, rows: list[int]
) -> Iterator[CheckResult]:
    """Issue forecasts of the past from the tail of the series, and compare with the walk-forward.

    Parameters
    ----------
    studies : Studies
        Of the recipe.
    replay : Replay
        Of one instrument.
    rows : list of int
        Which decisions.

    Yields
    ------
    CheckResult
        One a slot.
    """
    series = series_of(studies.workspace, studies.recipe, replay.symbol)
    decisions = studies.researcher(replay.symbol).dataset.decisions
    issued = {row: replay.forecasts(to_utc(decisions.as_of[row]), series) for row in rows}
    for place, slot in enumerate(replay.slots):
        study = studies.study(slot)
        failed = None
        for row in rows:
            forecast = issued[row][place]
            expected, said = _walked(studies, study, row, forecast), _issued(forecast)
            if not np.allclose(said, expected, rtol=AGREEMENT, atol=0, equal_nan=True):
                failed = differs("serving equals training", study, row, expected, said)
                break
        yield failed or agree("serving equals training", study, len(rows))


def _issued(forecast: Forecast) -> list[float]:
    """Return what a forecast says, and its interval: numbers, NaN where there is none.

    Of a regime its code, and in place of the interval how likely it and the naive forecast's are.
    """
    said = forecast.probability if forecast.target == "direction" else forecast.prediction
    ends = (forecast.lower, forecast.upper)
    if isinstance(said, str):
        said = code_of(forecast.target, said)
        ends = (forecast.probability, forecast.baseline_probability)
    return [float(said or 0.0), *(np.nan if end is None else end for end in ends)]


def _walked(studies: Studies, study: Study, row: int, forecast: Forecast) -> list[float]:
    """Return what the walk-forward says of a row, in the forecast's own unit."""
    rows, slot = np.array([row]), study.slot
    _, forecasts = in_units(study.dataset, slot, study.outcomes, study.predictions)
    name = forecast.baseline_name if forecast.degraded else forecast.model_name
    said = float(forecasts[name][row])
    if slot.target == "direction":
        as_of = study.dataset.decisions.as_of[row]
        shares = replace(study, champion=forecast.model_name).shares
        band = shares.band(said, as_of, coverage=studies.recipe.targets["direction"].coverage)
        return [said, *(band or (np.nan, np.nan))]
    if slot.target == "regime":
        return [
            said,
            *(_likely(studies, study, row, one) for one in (name, forecast.baseline_name)),
        ]
    interval = interval_of(study, rows, studies.recipe)
    ends = [np.nan, np.nan] if interval is None else [interval.lower[0], interval.upper[0]]
    if slot.target == "volatility":
        return [float(np.sqrt(value)) for value in (said, *ends)]
    return [said, *(float(end) for end in ends)]


def _likely(studies: Studies, study: Study, row: int, name: str) -> float:
    """Return how likely a model, fitted again, takes the regime that it names for a row to be.

    The walk-forward keeps the names alone. NaN of a model that gives no probabilities.
    """
    researcher = studies.researcher(study.slot.instrument)
    fold = next(fold for fold in researcher.folds if fold.start <= row < fold.stop)
    model, features = researcher.fit(study.choices[name], study.slot, fold)
    if not isinstance(model, Probabilities):
        return np.nan
    windows = study.dataset.windows(features, model.window)[row : row + 1]
    return float(model.probabilities(windows)[0, int(study.predictions[name][row])])


def _about(study: Study) -> str:
    ahead = f", {study.slot.horizon} bars ahead" if study.slot.horizon > 1 else ""
    return f"{study.slot.target} by {study.champion}{ahead}"


def differs(check: str, study: Study, row: int, expected: object, got: object) -> CheckResult:
    """Return that a row made again is another one."""
    return CheckResult(
        check=check,
        passed=False,
        feature=_about(study),
        first_row=to_utc(study.dataset.decisions.as_of[row]).isoformat(),
        detail=f"the walk-forward said {expected!r}, made again it is {got!r}",
    )


def agree(check: str, study: Study, count: int, what: str = "forecasts") -> CheckResult:
    """Return that so many things made again are the same."""
    return CheckResult(
        check=check,
        passed=True,
        feature=_about(study),
        first_row=None,
        detail=f"{count} {what} made again agree",
    )
