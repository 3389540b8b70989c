"""Prove for a recipe that nothing sees the future and that serving does what training did."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

import numpy as np
import polars as pl

from truecast.core.clock import to_utc
from truecast.core.forecast import Forecast
from truecast.datasets.assembly import Dataset
from truecast.datasets.checks import check_folds, check_outcomes
from truecast.features.checks import check_features
from truecast.features.market import Market
from truecast.features.results import CheckResult
from truecast.lake.history import BarHistory
from truecast.pipelines.judge import interval_of
from truecast.pipelines.predict import Replay, series_of
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Researcher, Study, in_units

#: Where the future is cut off, and how many forecasts are made again.
CUTS = 12
FORECASTS = 4
#: Forecasts made from the whole table and from the tail agree within this, relative.
AGREEMENT = 1e-6


def verify(studies: Studies, *, seed: int = 0) -> list[CheckResult]:
    """Check features, outcomes, folds and forecasts of every slot of a recipe.

    Parameters
    ----------
    studies : Studies
        Of the recipe, in a workspace with its bars.
    seed : int
        Of the perturbations and of the sample of forecasts.

    Returns
    -------
    list of CheckResult
        In the order of the data's way; each names what failed and the first row that did.
    """
    results: list[CheckResult] = []
    for symbol in studies.recipe.instruments:
        studies.progress.stage(f"verify {symbol}")
        researcher = studies.researcher(symbol)
        results += check_features(
            researcher.dataset.plan, researcher.dataset.market, cuts=CUTS, seed=seed
        )
        results += _checks_of_slots(studies, symbol, researcher, seed)
    return results


def _checks_of_slots(
    studies: Studies, symbol: str, researcher: Researcher, seed: int
) -> Iterator[CheckResult]:
    replay = Replay(studies, symbol)
    part = researcher.parts.evaluation
    evaluation = range(part.start, part.stop)
    cuts = np.linspace(part.start, part.stop - 1, CUTS).astype(int).tolist()
    sample = np.random.default_rng(seed).choice(
        evaluation, min(FORECASTS, len(evaluation)), replace=False
    )
    rows: list[int] = sorted(sample.tolist())
    for slot in replay.slots:
        study = studies.study(slot)
        name, horizon = slot.target, slot.horizon
        yield check_outcomes(study.dataset, name, horizon, cuts)
        folds = researcher.folds_over(evaluation)
        yield check_folds(
            study.dataset,
            name,
            study.outcomes,
            folds,
            partial(researcher.trainer.rows, name, horizon),
        )
        yield check_cut_forecasts(study, researcher, rows)
    yield from check_tail_forecasts(studies, replay, rows)


def check_cut_forecasts(study: Study, researcher: Researcher, rows: list[int]) -> CheckResult:
    """Make forecasts of the past again with the future removed, and compare.

    Parameters
    ----------
    study : Study
        Whose champion's walk-forward forecasts are checked.
    researcher : Researcher
        Of the instrument.
    rows : list of int
        Which forecasts.
    """
    for row in rows:
        fold = next(fold for fold in study.folds if fold.start <= row < fold.stop)
        cut = _cut_off(study.dataset, row)
        trainer = replace(researcher.trainer, dataset=cut, _known={})
        choice = study.choices[study.champion]
        trained = trainer.fit(
            choice, target=study.slot.target, horizon=study.slot.horizon, fold=fold
        )
        windows = cut.windows(trained.features, trained.model.window)[row : row + 1]
        again = float(trained.model.predict(windows)[0])
        said = float(study.predictions[study.champion][row])
        if not np.isclose(again, said, rtol=AGREEMENT, atol=AGREEMENT, equal_nan=True):
            return _differs("forecast without the future", study, row, said, again)
    return _agree("forecast without the future", study, len(rows))


def _cut_off(dataset: Dataset, row: int) -> Dataset:
    """Build the dataset again from what was known at a row's decision."""
    moment = to_utc(dataset.decisions.as_of[row])
    return Dataset.build(
        _known_at(dataset.market, moment),
        dataset.plan,
        inputs=dataset.inputs,
        calendar=dataset.calendar,
        interval=dataset.interval,
        as_of=moment,
    )


def _known_at(market: Market, moment: datetime) -> Market:
    """Forget all versions of bars that became known after a moment."""

    def known(history: BarHistory) -> BarHistory:
        return BarHistory(history.versions.filter(pl.col("known_at") <= moment))

    return replace(
        market,
        bars=known(market.bars),
        context={of: known(history) for of, history in market.context.items()},
    )


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
                failed = _differs("serving equals training", study, row, expected, said)
                break
        yield failed or _agree("serving equals training", study, len(rows))


def _issued(forecast: Forecast) -> list[float]:
    """Return what a forecast says, and its interval: numbers, NaN where there is none."""
    said = forecast.probability if forecast.target == "direction" else forecast.prediction
    ends = (forecast.lower, forecast.upper)
    return [float(said or 0.0), *(np.nan if end is None else end for end in ends)]


def _walked(studies: Studies, study: Study, row: int, forecast: Forecast) -> list[float]:
    """Return what the walk-forward says of a row, in the forecast's own unit."""
    rows, slot = np.array([row]), study.slot
    _, forecasts = in_units(study.dataset, slot, study.outcomes, study.predictions)
    said = float(forecasts[forecast.model_name][row])
    if slot.target == "direction":
        as_of = study.dataset.decisions.as_of[row]
        shares = replace(study, champion=forecast.model_name).shares
        band = shares.band(said, as_of, coverage=studies.recipe.targets["direction"].coverage)
        return [said, *(band or (np.nan, np.nan))]
    interval = interval_of(study, rows, studies.recipe)
    ends = [np.nan, np.nan] if interval is None else [interval.lower[0], interval.upper[0]]
    if slot.target == "volatility":
        return [float(np.sqrt(value)) for value in (said, *ends)]
    return [said, *(float(end) for end in ends)]


def _differs(check: str, study: Study, row: int, expected: object, got: object) -> CheckResult:
    return CheckResult(
        check=check,
        passed=False,
        feature=f"{study.slot.target} by {study.champion}",
        first_row=to_utc(study.dataset.decisions.as_of[row]).isoformat(),
        detail=f"the walk-forward said {expected!r}, made again it is {got!r}",
    )


def _agree(check: str, study: Study, count: int) -> CheckResult:
    return CheckResult(
        check=check,
        passed=True,
        feature=f"{study.slot.target} by {study.champion}",
        first_row=None,
        detail=f"{count} forecasts made again agree",
    )
