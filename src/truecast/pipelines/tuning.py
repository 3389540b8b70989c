"""Tune a slot's candidates on the validation rows, before they are walked forward."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from truecast.core.clock import to_utc
from truecast.core.errors import UsageError
from truecast.core.hashing import code_hash, hash_of
from truecast.core.progress import SILENT, Progress
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.core.slot import Slot
from truecast.datasets.splits import Fold
from truecast.models.catalog import MODELS
from truecast.models.space import Space, space_of
from truecast.pipelines.study import Researcher
from truecast.pipelines.train import learned_from
from truecast.serving.planning import candidates
from truecast.serving.workspace import Workspace
from truecast.training.tune import Tuned, Tuner

#: Keys of a recipe on which no score on validation rows depends, or only by the bars that they
#: bring, which are named by a hash of their own.
_BESIDE = {
    *("name", "description", "instruments", "context", "source", "simulation", "news"),
    *("sentiment", "adjust", "checks", "features", "targets", "gates", "tune", "evaluate"),
}


def check_tuning(recipe: Recipe) -> None:
    """Refuse a recipe that asks for tuning where there is nothing to tune.

    Raises
    ------
    UsageError
        If it says ``tune`` and no candidate has a range that the recipe leaves open.
    """
    named = [choice for spec in recipe.targets.values() for choice in spec.models]
    if recipe.tune is None or any(_open(choice) for choice in named):
        return
    ranged = {choice.name: space for choice in named if (space := space_of(MODELS[choice.name]))}
    told = "; ".join(f"{name} has {', '.join(space)}" for name, space in ranged.items())
    mend = f"leave one open ({told})" if told else "name a model that has some, such as lightgbm"
    raise UsageError(
        "tune searches for the parameters that the recipe leaves open, and no candidate has any: "
        f"{mend}, or leave tune out"
    )


def tuned(
    workspace: Workspace, researcher: Researcher, slot: Slot, progress: Progress = SILENT
) -> dict[str, Tuned]:
    """Search for the parameters of a slot's candidates that the recipe leaves open.

    Parameters
    ----------
    workspace : Workspace
        Searches are kept in its home, in ``tuning.db``: a search that was killed is gone on with,
        one that was done is read.
    researcher : Researcher
        Of the recipe and instrument.
    slot : Slot
        Which.
    progress : Progress
        Told of each trial.

    Returns
    -------
    dict of str to Tuned
        By the candidate's name. Without those whose family has no range, or whose parameters the
        recipe all gives; empty where the recipe does not say ``tune``.

    Notes
    -----
    A trial is scored as the champion is chosen: walked forward over the validation rows with the
    recipe's refits, on outcomes that were known at the evaluation's first decision. Nothing that
    became known later is seen, so the search says the same as it would have said then.
    """
    budget = researcher.recipe.tune
    if budget is None:
        return {}
    tuner = Tuner(workspace.settings.home / "tuning.db")
    part = researcher.parts.validate
    folds = researcher.folds_over(range(part.start, part.stop))
    found = {}
    for name, choice in candidates(researcher.recipe, slot.target).items():
        space = _open(choice)
        if not space:
            continue

        def step(done: int, name: str = name) -> None:
            progress.step(f"{slot} tune {name}", done, budget.trials)

        found[name] = tuner.tune(
            _search(researcher, slot, choice, space),
            choice,
            space,
            budget,
            lambda tried: _scores(researcher, slot, tried, folds),
            folds=len(folds),
            lower_is_better=researcher.metric(slot).lower_is_better,
            progress=step,
        )
    return found


def _open(choice: Choice) -> Space:
    """Return the ranges of the parameters that the recipe leaves open."""
    space = space_of(MODELS[choice.name])
    return {name: one for name, one in space.items() if name not in choice.parameters}


def _scores(
    researcher: Researcher, slot: Slot, choice: Choice, folds: Sequence[Fold]
) -> Iterator[float]:
    """Walk a trial forward, and yield its score after each fold, over all rows up to there."""
    dataset, part = researcher.dataset, researcher.parts.validate
    outcomes = dataset.outcomes(slot.horizon)
    said = np.full(len(dataset), np.nan)
    for fold in folds:
        model, features = researcher.fit(choice, slot, fold)
        rows = np.arange(max(fold.start, part.start), min(fold.stop, part.stop))
        said[rows] = model.predict(dataset.windows(features, model.window, rows))
        losses = researcher.validation_losses(slot, {choice.name: said}, outcomes)
        yield float("nan") if losses is None else losses[choice.name]


def _search(researcher: Researcher, slot: Slot, choice: Choice, space: Space) -> str:
    """Name a search by everything that its scores and draws depend on: the code too."""
    recipe, dataset = researcher.recipe, researcher.dataset
    begin = dataset.decisions.as_of[researcher.parts.evaluation.start]
    return hash_of(
        {
            "code": code_hash(),
            "slot": [slot.source, slot.instrument, slot.target, slot.horizon],
            "recipe": _settings(recipe, slot.target),
            "plan": dataset.plan.hash,
            "inputs": list(dataset.inputs),
            "data": learned_from(researcher.trainer, to_utc(begin)),
            "choice": choice.model_dump(mode="json"),
            "transfer": recipe.transfer and recipe.transfer.model_dump(mode="json"),
            "space": {name: str(one) for name, one in space.items()},
            "seed": recipe.tune.seed if recipe.tune else None,
        }
    )


def _settings(recipe: Recipe, target: str) -> Mapping[str, object]:
    spec = recipe.targets[target]  # type: ignore[index]
    return {
        **recipe.model_dump(mode="json", by_alias=True, exclude=_BESIDE),
        "evaluate": recipe.evaluate.model_dump(
            mode="json", by_alias=True, exclude={"prior_trials", "backtest"}
        ),
        "target": spec.model_dump(mode="json", exclude={"models", "coverage", "horizon"}),
    }
