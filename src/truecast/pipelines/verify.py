"""Prove for a recipe that nothing sees the future and that serving does what training did."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from truecast.core.clock import to_utc
from truecast.core.labels import LABELS
from truecast.core.recipe import Recipe
from truecast.core.slot import Slot
from truecast.datasets.checks import check_folds, check_outcomes
from truecast.datasets.targets import F64
from truecast.features.checks import check_features
from truecast.features.livechecks import check_live
from truecast.features.newschecks import check_news
from truecast.features.results import CheckResult
from truecast.pipelines.fanout import walk
from truecast.pipelines.judge import interval_of
from truecast.pipelines.predict import Replay
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Researcher, Study
from truecast.pipelines.verify_ledger import AGREEMENT, check_ledger
from truecast.pipelines.verify_serving import agree, check_tail_forecasts, differs
from truecast.serving.planning import champion_slots
from truecast.sources.catalog import open_news_source

#: Where the future is cut off, and how many forecasts are made again.
CUTS = 12
FORECASTS = 4
#: What the model that scales the intervals is called in a result.
SCALE = "the interval's scale"


def verify(studies: Studies, *, seed: int = 0) -> list[CheckResult]:
    """Check features, outcomes, folds, forecasts and ledger of every slot of a recipe.

    Parameters
    ----------
    studies : Studies
        Of the recipe, in a workspace with its bars.
    seed : int
        Of the perturbations and of the sample of forecasts; that of the ledger's is drawn anew.

    Returns
    -------
    list of CheckResult
        In the order of the data's way; each names what failed and the first row that did.
    """
    results: list[CheckResult] = []
    walk(studies)
    for symbol in studies.recipe.instruments:
        studies.progress.stage(f"verify {symbol}")
        researcher = studies.researcher(symbol)
        results += check_features(
            researcher.dataset.plan, researcher.dataset.market, cuts=CUTS, seed=seed
        )
        results += check_live(researcher.dataset.plan, researcher.dataset.market, seed=seed)
        results += check_news(researcher.dataset.plan, researcher.dataset.market, seed=seed)
        results += check_stories(studies, researcher)
        results += _checks_of_slots(studies, symbol, researcher, seed)
    for slot in champion_slots(studies.recipe):
        if slot.is_pool:  # what is of all instruments is checked once
            studies.progress.stage(f"verify {slot}")
            results += _checks_of_models(studies, slot, seed)
    studies.progress.stage("verify the ledger")
    # Whoever changes rows must not know which of them are made again.
    chance = secrets.randbelow(2**32)
    results += check_ledger(studies, studies.workspace.ledger, seed=chance)
    return results


def check_stories(studies: Studies, researcher: Researcher) -> Iterator[CheckResult]:
    """Check that each story counts from a moment at which an article of the lake became known."""
    stories, plan = researcher.dataset.market.news, researcher.dataset.plan
    if stories is None or not plan.of_news:
        return
    lake = studies.workspace.lake
    sources = [open_news_source(choice).name for choice in studies.recipe.news]
    moments = [lake.news(name).versions["known_at"].dt.replace_time_zone(None) for name in sources]
    known = np.concatenate([one.to_numpy().astype("datetime64[us]") for one in moments])
    wrong = stories.known_at[~np.isin(stories.known_at, known)]
    yield CheckResult(
        check="stories count when known",
        passed=len(wrong) == 0,
        feature=", ".join(plan.names[place] for *_, place in plan.of_news) if len(wrong) else None,
        first_row=to_utc(wrong[0]).isoformat() if len(wrong) else None,
        detail=f"{len(wrong)} of {len(stories)} stories count from a moment at which no article "
        "became known, as where they are put into buckets"
        if len(wrong)
        else f"{len(stories)} stories count from when their first article became known",
    )


def _checks_of_slots(
    studies: Studies, symbol: str, researcher: Researcher, seed: int
) -> Iterator[CheckResult]:
    """Check outcomes, intervals and issued forecasts of one instrument."""
    replay = Replay(studies, symbol)
    part = researcher.parts.evaluation
    evaluation = range(part.start, part.stop)
    cuts = np.linspace(evaluation.start, evaluation.stop - 1, CUTS).astype(int).tolist()
    rows = _sample(evaluation, seed)
    for slot in replay.slots:
        study = studies.study(slot)
        yield check_outcomes(study.dataset, slot.target, slot.horizon, cuts)
        if slot == studies.judged(slot):
            yield from _checks_of_models(studies, slot, seed)
        if slot.target not in LABELS:
            yield check_cut_intervals(studies, study, rows)
    yield from check_tail_forecasts(studies, replay, rows)


def _checks_of_models(studies: Studies, slot: Slot, seed: int) -> Iterator[CheckResult]:
    """Check folds, choice and forecasts of a slot's models, over all rows that they forecast."""
    study, researcher = studies.study(slot), studies.researcher(slot.instrument)
    every = range(study.parts.validate.start, study.parts.evaluation.stop)
    yield check_folds(
        study.dataset,
        slot.target,
        study.outcomes,
        researcher.folds_over(every),
        partial(researcher.trainer.rows, slot.target, slot.horizon),
    )
    yield check_choice(study, researcher)
    yield check_cut_forecasts(study, researcher, _sample(every, seed))


def _sample(part: range, seed: int) -> list[int]:
    """Choose a few rows of a part, in order."""
    size = min(FORECASTS, len(part))
    return sorted(np.random.default_rng(seed).choice(part, size, replace=False).tolist())


def check_choice(study: Study, researcher: Researcher) -> CheckResult:
    """Choose the champion again with nonsense for all that the evaluation forecasts."""
    spoiled = {name: values.copy() for name, values in study.predictions.items()}
    for values in spoiled.values():
        values[study.parts.evaluation] = 1.0
    again = researcher.study(study.slot, spoiled, study.variance)
    if again.validation_losses != study.validation_losses:
        row = study.parts.evaluation.start
        before, after = study.validation_losses, again.validation_losses
        return differs("choice without the evaluation", study, row, before, after)
    return agree(
        "choice without the evaluation", study, len(study.validation_losses), "validation losses"
    )


def check_cut_forecasts(study: Study, researcher: Researcher, rows: list[int]) -> CheckResult:
    """Make forecasts of every model again with the future removed, and compare.

    Parameters
    ----------
    study : Study
        Whose walk-forward forecasts are checked, and the variances that scale its intervals.
    researcher : Researcher
        Of the instrument.
    rows : list of int
        Which forecasts.
    """
    for row in rows:
        fold = next(fold for fold in study.folds if fold.start <= row < fold.stop)
        trainer = researcher.trainer.known_by(study.dataset.decisions.as_of[row])
        cut = trainer.dataset
        said = {name: (choice, study.slot.target) for name, choice in study.choices.items()}
        said[SCALE] = (researcher.scale, "volatility")
        for name, (choice, target) in said.items():
            values = study.variance if name == SCALE else study.predictions[name]
            trained = trainer.fit(
                choice,
                target=target,
                horizon=study.slot.horizon,
                fold=fold,
                keep=researcher.keep(target),
            )
            windows = cut.windows(trained.features, trained.model.window)[row : row + 1]
            again, before = float(trained.model.predict(windows)[0]), float(values[row])
            if not np.isclose(again, before, rtol=AGREEMENT, atol=AGREEMENT, equal_nan=True):
                changed = replace(study, champion=name)
                return differs("forecast without the future", changed, row, before, again)
    return agree("forecast without the future", study, len(rows) * (len(study.choices) + 1))


def check_cut_intervals(studies: Studies, study: Study, rows: list[int]) -> CheckResult:
    """Draw intervals and quantiles again from the outcomes known at each decision alone."""
    for row in rows:
        moment = to_utc(study.dataset.decisions.as_of[row])
        known = study.dataset.outcomes(study.slot.horizon, moment)
        before = _drawn(study, row, studies.recipe)
        again = _drawn(replace(study, outcomes=known), row, studies.recipe)
        if not np.array_equal(before, again, equal_nan=True):
            first, second = before[:2].tolist(), again[:2].tolist()
            return differs("interval without the future", study, row, first, second)
    return agree("interval without the future", study, len(rows), "intervals")


def _drawn(study: Study, row: int, recipe: Recipe) -> F64:
    """Return a row's bounds and the quantiles of its forecast distribution, if it has any."""
    drawn = interval_of(study, np.array([row]), recipe)
    if drawn is None:
        return np.zeros(0)
    quantiles = np.zeros(0) if drawn.quantiles is None else drawn.quantiles[0]
    return np.concatenate([drawn.lower, drawn.upper, quantiles])
