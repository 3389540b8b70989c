"""Issue forecasts: today's by the champion, those of the past by models of then."""

from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime

from truecast.core.calendars import get_calendar
from truecast.core.clock import to_utc
from truecast.core.errors import UsageError
from truecast.core.forecast import Forecast, Mode
from truecast.core.recipe import Recipe
from truecast.core.slot import Slot
from truecast.datasets.splits import Fold
from truecast.evaluation.significance import verdict
from truecast.pipelines.judge import evaluated_rows, versus_baselines
from truecast.pipelines.study import Researcher, Study
from truecast.pipelines.train import train
from truecast.pipelines.workspace import (
    Workspace,
    decided_by,
    feature_plan,
    latest,
    slots_of,
    source_of,
)
from truecast.serving.forecaster import Forecaster, Series

#: What a forecast says of a model that no scorecard has judged.
NOT_EVALUATED = "not evaluated yet"


def series_of(workspace: Workspace, recipe: Recipe, symbol: str) -> Series:
    """Open what a forecaster reads of an instrument."""
    instrument = source_of(recipe).instrument(symbol)
    return Series(
        market=workspace.market(recipe, symbol),
        plan=feature_plan(recipe)[0],
        calendar=get_calendar(instrument.calendar),
        interval=recipe.bar_interval,
    )


def predict(workspace: Workspace, recipe: Recipe, verdicts: dict[str, str]) -> list[Forecast]:
    """Let each slot's champion say what comes next.

    Parameters
    ----------
    workspace : Workspace
        Where bars and bundles are.
    recipe : Recipe
        Whose slots.
    verdicts : dict of str to str
        Slot to the verdict on its champion, from the newest scorecard.

    Returns
    -------
    list of Forecast
        One a slot, mode ``live``, or ``historical`` where the source has ended.

    Raises
    ------
    NoChampionError
        If a slot has none.
    UsageError
        If the champion was trained by another version of the recipe.
    """
    mode: Mode = "live" if source_of(recipe).live else "historical"
    forecasts = []
    series = {symbol: series_of(workspace, recipe, symbol) for symbol in recipe.instruments}
    for slot in slots_of(recipe):
        record = workspace.bundles.champion(slot)
        bundle = workspace.bundles.load(slot, record.version)
        if bundle.manifest.recipe_hash != recipe.hash:
            raise UsageError(
                f"{slot}: the champion was trained by another version of the recipe; "
                f"run `truecast run {recipe.name}` or `truecast train {recipe.name}`"
            )
        market = series[slot.instrument].market
        forecasts.append(
            Forecaster(bundle).forecast(
                series[slot.instrument],
                latest(market.decisions(), recipe),
                mode=mode,
                skill=verdicts.get(str(slot), NOT_EVALUATED),
            )
        )
    return forecasts


@dataclass
class Replay:
    """Forecasts of the past, by models that saw only what was known then.

    Parameters
    ----------
    workspace : Workspace
        Where the bundles of each refit are kept.
    recipe : Recipe
        What is replayed.
    researcher : Researcher
        Of one of its instruments.
    studies : dict of Slot to Study
        Of that instrument's slots: which model is the champion, and how past forecasts fared.
    trials : callable
        Slot to how many models were compared on its evaluation dates.
    """

    workspace: Workspace
    recipe: Recipe
    researcher: Researcher
    studies: dict[Slot, Study]
    trials: InitVar[Callable[[Slot], int]]
    _forecasters: dict[tuple[Slot, int], Forecaster] = field(default_factory=dict, repr=False)

    def __post_init__(self, trials: Callable[[Slot], int]) -> None:
        self._trials = {slot: trials(slot) for slot in self.studies}

    def forecasts(self, moment: datetime | date, series: Series) -> list[Forecast]:
        """Issue the forecasts of the last decision made by a moment, or on or before a session.

        Raises
        ------
        UsageError
            If the moment lies before ``evaluate.from``: the choice of the champion has seen
            those rows.
        """
        dataset = self.researcher.dataset
        row = decided_by(dataset.decisions, moment)
        first = self.researcher.parts.evaluation.start
        if row < first:
            begin = dataset.decisions.session[first]
            raise UsageError(
                f"{moment} is before the evaluation starts ({begin}): the choice of the champion "
                f"has seen those sessions; ask for {begin} or later"
            )
        as_of = to_utc(dataset.decisions.as_of[row])
        return [
            self._forecaster(slot, self._fold(row)).forecast(
                series, as_of, mode="replay", skill=self._skill(study, row)
            )
            for slot, study in self.studies.items()
        ]

    def _fold(self, row: int) -> Fold:
        return next(fold for fold in self.researcher.folds if fold.start <= row < fold.stop)

    def _forecaster(self, slot: Slot, fold: Fold) -> Forecaster:
        key = (slot, fold.number)
        if key not in self._forecasters:
            store = self.workspace.bundles
            manifest = train(store, self.recipe, self.researcher, self.studies[slot], fold)
            self._forecasters[key] = Forecaster(store.load(slot, manifest.version))
        return self._forecasters[key]

    def _skill(self, study: Study, row: int) -> str:
        rows = evaluated_rows(study, study.dataset.decisions.as_of[row])
        return verdict(versus_baselines(study, rows), self._trials[study.slot])
