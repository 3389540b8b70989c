"""What is done for each of many instruments, in workers: walking forward, and the last fits.

A worker opens the home by itself, as the main process does, and writes where it would have
written: a table a slot, a bundle a version. Only what all instruments share is written by the main
process, once: trials, and what the registry knows of versions.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from truecast.core.clock import frozen_at, now
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.features.warmup import warm_up
from truecast.lake.trials import Look, Trials
from truecast.pipelines import engine
from truecast.pipelines.studies import Studies
from truecast.serving.workspace import Workspace, champion_slots, feature_plan, slots_of


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
    """

    settings: Settings
    recipe: dict[str, Any]
    symbol: str
    moment: datetime

    def open(self) -> Studies:
        """Open the studies of the recipe where the worker is."""
        return Studies(Workspace(self.settings), Recipe.model_validate(self.recipe))


def errands(studies: Studies, symbols: list[str]) -> dict[str, Errand]:
    """Write down what workers are to do, one errand an instrument."""
    settings = studies.workspace.settings
    told = Settings.model_construct(
        home=settings.home.absolute(), lake=settings.lake_url, workers=1, hub_url=settings.hub_url
    )
    recipe = studies.recipe.model_dump(mode="json", by_alias=True)
    return {symbol: Errand(told, recipe, symbol, now()) for symbol in symbols}


def walk(studies: Studies) -> None:
    """Walk every slot of a recipe forward; those of many instruments by the engine.

    Afterwards each study is in the lake, and its models are counted as trials.
    """
    recipe, settings = studies.recipe, studies.workspace.settings
    left: dict[str, list[Slot]] = {}
    for slot in champion_slots(recipe):
        if not studies.knows(slot):
            left.setdefault(slot.instrument, []).append(slot)
    if engine.works_here(settings, len(left)):
        engine.run(lambda slots: [studies.study(slot) for slot in slots], left, settings)
        return
    warm_up(feature_plan(recipe)[0], studies.progress)

    def tell(done: int, total: int) -> None:
        studies.progress.step("walk forward", done, total)

    found = engine.run(_walked, errands(studies, [*left]), settings, tell=tell)
    Trials(settings.lake_url).record([look for looks in found.values() for look in looks])


def _walked(errand: Errand) -> list[Look]:
    """Walk the slots of one instrument forward into the lake; return what was compared."""
    with frozen_at(errand.moment):
        studies = errand.open()
        mine = [slot for slot in slots_of(studies.recipe) if slot.instrument == errand.symbol]
        return [studies.look(slot) for slot in mine]
