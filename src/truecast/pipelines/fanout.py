"""What is done for each of many instruments, in workers: walking forward, and the last fits.

A worker opens the home by itself, as the main process does, and writes where it would have
written: a table a slot, a bundle a version. Only what all instruments share is written by the main
process, once: trials, and what the registry knows of versions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from truecast.core.clock import frozen_at, now
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.features.warmup import warm_up
from truecast.lake.trials import Look, Trials
from truecast.pipelines import engine
from truecast.pipelines.gates import Gatekeeper, GateResult
from truecast.pipelines.kept import Kept
from truecast.pipelines.studies import Studies
from truecast.pipelines.train import final_fold, train_models
from truecast.serving.planning import champion_slots, feature_plan, slots_of, source_of
from truecast.serving.workspace import Workspace

#: Of this process, where it is a worker.
_KEPT = Kept()


@dataclass(frozen=True)
class Plan:
    """Which models of a slot are fitted for the last time.

    Parameters
    ----------
    slot : Slot
        Which.
    champion : str
        The chosen one.
    names : tuple of str
        All of them, in the order in which they are registered.
    newest : int
        The last row that has been decided.
    """

    slot: Slot
    champion: str
    names: tuple[str, ...]
    newest: int


@dataclass(frozen=True)
class Fitted:
    """A version whose bundle is in the store, and what the gates said of it."""

    version: str
    gated: tuple[GateResult, ...]


@dataclass(frozen=True)
class Errand:
    """What a worker is told: plain enough to be sent to another machine.

    Parameters
    ----------
    settings : Settings
        Where the home and the lake are, and no keys.
    recipe : dict
        As JSON holds it.
    symbol : str
        One of its instruments.
    moment : datetime
        What the clock says until all workers have ended.
    plans : tuple of Plan
        What is to be fitted of it, if anything is.
    """

    settings: Settings
    recipe: dict[str, Any]
    symbol: str
    moment: datetime
    plans: tuple[Plan, ...] = ()

    def open(self) -> Studies:
        """Open the studies of the recipe where the worker is, on rows that it may have kept."""
        studies = Studies(Workspace(self.settings), Recipe.model_validate(self.recipe))
        workspace, recipe = studies.workspace, studies.recipe
        # The lake's versions in place of the moment: rows are made of what the lake has.
        key = (
            self.settings.model_dump_json(),
            recipe.hash,
            source_of(recipe).name,  # of files, by where they lie
            self.symbol,
            tuple(workspace.lake.versions().items()),
        )
        warm_up(feature_plan(recipe)[0])
        dataset = _KEPT.get(key, lambda: workspace.dataset(recipe, self.symbol))
        studies.take(self.symbol, dataset)
        return studies


def _errands(studies: Studies, plans: Mapping[str, Sequence[Plan]]) -> dict[str, Errand]:
    """Write down what workers are to do, one errand an instrument."""
    settings = studies.workspace.settings
    told = Settings.model_construct(
        home=settings.home.absolute(), lake=settings.lake_url, workers=1, hub_url=settings.hub_url
    )
    recipe = studies.recipe.model_dump(mode="json", by_alias=True)
    return {
        symbol: Errand(told, recipe, symbol, now(), tuple(of_symbol))
        for symbol, of_symbol in plans.items()
    }


def _engine_of(studies: Studies) -> Settings:
    """Return the settings of the engine: one process where instruments learn from each other.

    A parent's networks are fitted once in a process, and every child begins with them.
    """
    settings = studies.workspace.settings
    if studies.recipe.transfer is None:
        return settings
    return settings.model_copy(update={"engine": "local", "workers": 1})


def walk(studies: Studies) -> None:
    """Walk every slot of a recipe forward; those of many instruments by the engine.

    Afterwards each study is in the lake, and its models are counted as trials.
    """
    recipe, settings = studies.recipe, _engine_of(studies)
    left: dict[str, list[Slot]] = {}
    for slot in champion_slots(recipe):
        if not studies.knows(slot):
            left.setdefault(slot.instrument, []).append(slot)
    if not left:
        return

    def here(slots: list[Slot]) -> list[Look]:
        return [look for slot in slots for look in studies.look(slot)]

    def tell(done: int, total: int) -> None:
        studies.progress.step("walk forward", done, total)

    if engine.works_here(settings, len(left)):
        found = engine.run(here, left, settings)
    else:
        warm_up(feature_plan(recipe)[0], studies.progress)
        errands = _errands(studies, dict.fromkeys(left, ()))
        found = engine.run(_walked, errands, settings, tell=tell)
    Trials(settings.lake_url).record([look for looks in found.values() for look in looks])


def _walked(errand: Errand) -> list[Look]:
    """Walk the slots of one instrument forward into the lake; return what was compared."""
    with frozen_at(errand.moment):
        studies = errand.open()
        mine = [slot for slot in slots_of(studies.recipe) if slot.instrument == errand.symbol]
        return [look for slot in mine for look in studies.look(slot)]


def fit(studies: Studies, plans: Sequence[Plan]) -> dict[Slot, dict[str, Fitted]]:
    """Fit models on all that is known, into the store of bundles; of many by the engine.

    Parameters
    ----------
    studies : Studies
        Of the recipe.
    plans : sequence of Plan
        One a slot.

    Returns
    -------
    dict of Slot to dict of str to Fitted
        What came of each of the plan's models, by name.
    """
    settings = _engine_of(studies)
    by_symbol: dict[str, list[Plan]] = {}
    for plan in plans:
        by_symbol.setdefault(plan.slot.instrument, []).append(plan)

    def here(mine: list[Plan]) -> list[dict[str, Fitted]]:
        return [_fitted(studies, plan) for plan in mine]

    def tell(done: int, total: int) -> None:
        studies.progress.step("train", done, total)

    if engine.works_here(settings, len(by_symbol)):
        found = engine.run(here, by_symbol, settings)
    else:
        # Those that were walked last first: workers may still have their rows.
        errands = dict(reversed(_errands(studies, by_symbol).items()))
        found = engine.run(_fitted_there, errands, settings, tell=tell)
    return {
        plan.slot: fitted
        for symbol, mine in by_symbol.items()
        for plan, fitted in zip(mine, found[symbol], strict=True)
    }


def _fitted_there(errand: Errand) -> list[dict[str, Fitted]]:
    with frozen_at(errand.moment):
        studies = errand.open()
        for plan in errand.plans:
            studies.look(plan.slot)  # the main process has counted it
        return [_fitted(studies, plan) for plan in errand.plans]


def _fitted(studies: Studies, plan: Plan) -> dict[str, Fitted]:
    """Fit one slot's models, and hold each against the recipe's gates."""
    workspace, recipe = studies.workspace, studies.recipe
    researcher = studies.researcher(plan.slot.instrument)
    study = replace(studies.study(plan.slot), champion=plan.champion)
    fold = final_fold(study, plan.newest)
    manifests = train_models(workspace.bundles, recipe, researcher, study, fold, plan.names)
    gates = Gatekeeper(workspace, recipe, researcher, study, fold)
    return {
        name: Fitted(manifest.version, tuple(gates.judge(name, manifest)))
        for name, manifest in manifests.items()
    }
