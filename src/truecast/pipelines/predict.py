"""Issue forecasts: today's by the champion, those of the past by models of then."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from truecast.core.clock import frozen_at, now, to_utc
from truecast.core.errors import UsageError
from truecast.core.forecast import Forecast
from truecast.core.names import UnknownNameError
from truecast.core.recipe import Recipe
from truecast.core.slot import Slot
from truecast.datasets.splits import Fold
from truecast.pipelines.champions import stuck
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Study
from truecast.registry.registry import NoChampionError
from truecast.serving.answering.forecaster import Forecaster
from truecast.serving.answering.series import Series
from truecast.serving.errors import OverdueError, TrainedLaterError
from truecast.serving.planning import candidates, champion_slots, slots_of
from truecast.serving.service import open_service
from truecast.serving.workspace import Workspace, decided_by, latest, series_of


def predict(
    workspace: Workspace, recipe: Recipe, slots: Sequence[Slot] | None = None
) -> list[Forecast]:
    """Let each slot's champion say what comes next; each forecast is in the ledger.

    Parameters
    ----------
    workspace, recipe
        Who answers.
    slots : sequence of Slot or None
        Which of the recipe's slots; None for all.

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
    slots = slots_of(recipe) if slots is None else slots
    _check_champions(workspace, recipe, slots)
    return open_service(workspace.settings).predict_slots(slots) if slots else []


#: Models of a slot that a replay keeps loaded: it goes on, and seldom back.
_KEPT = 4


@dataclass(frozen=True)
class Predicted:
    """The forecasts that there are, and why there is none of the other slots."""

    forecasts: list[Forecast]
    left_out: dict[Slot, str] = field(default_factory=dict)


def predict_those_that_can(
    workspace: Workspace, recipe: Recipe, slots: Sequence[Slot] | None = None
) -> Predicted:
    """Predict as :func:`predict` does, and leave out instruments that lack their newest bar.

    Returns
    -------
    Predicted
        With a forecast at least.

    Raises
    ------
    OverdueError, TrainedLaterError
        If all instruments lack it.
    NoChampionError, UsageError
        See :func:`predict`.
    """
    slots = slots_of(recipe) if slots is None else slots
    try:
        return Predicted(predict(workspace, recipe, slots))
    except (OverdueError, TrainedLaterError):
        symbols = dict.fromkeys(slot.instrument for slot in slots)
        if len(symbols) < 2:
            raise
    service, found = open_service(workspace.settings), Predicted([])
    for symbol in symbols:
        mine = [slot for slot in slots if slot.instrument == symbol]
        try:
            found.forecasts.extend(service.predict_slots(mine))
        except (OverdueError, TrainedLaterError) as error:
            found.left_out.update(dict.fromkeys(mine, str(error)))
            reason = error
    if not found.forecasts:
        raise reason
    return found


def _check_champions(workspace: Workspace, recipe: Recipe, slots: Sequence[Slot]) -> None:
    """Refuse slots that nobody answers for, or whom another version of the recipe trained."""
    registry = workspace.registry
    for slot in dict.fromkeys(slot.pool if recipe.pooled else slot for slot in slots):
        try:
            champion = registry.champion(slot)
        except NoChampionError as error:
            if said := stuck(workspace, recipe, slot):
                raise UsageError(said) from error
            raise error.typed(recipe.typed) from error
        if registry.find(slot, champion.version).recipe_hash != recipe.hash:
            raise UsageError(
                f"{slot}: the champion was trained by another version of the recipe; "
                + (
                    stuck(workspace, recipe, slot)
                    or f"run `truecast run {recipe.typed}`, or `truecast train {recipe.typed}` "
                    f"and `truecast promote {recipe.typed}`"
                )
            )


def predict_by(workspace: Workspace, recipe: Recipe, model: str) -> list[Forecast]:
    """Let the newest version of one model say what comes next, whether it is champion or not.

    Parameters
    ----------
    workspace, recipe
        Who answers.
    model : str
        Name of a candidate; it is asked for every slot of the recipe of which it is one.

    Returns
    -------
    list of Forecast
        Written into the ledger; not scored, but where the version is the champion's.

    Raises
    ------
    UsageError
        If no slot has such a candidate, or it has not been trained by this recipe.
    """
    slots = champion_slots(recipe)
    named = [slot for slot in slots if model in candidates(recipe, slot.target)]
    if not named:
        known = {name for slot in slots for name in candidates(recipe, slot.target)}
        raise UnknownNameError("model", model, sorted(known), f"the recipe {recipe.name}")
    newest = workspace.registry.newest
    versions = [newest(slot, model, recipe.hash, typed=recipe.typed) for slot in named]
    return open_service(workspace.settings).predict_versions(versions)


def predict_as_of(studies: Studies, moment: datetime | date) -> list[Forecast]:
    """Say what would have been said at a past moment; each forecast is in the ledger."""
    said = [
        forecast
        for symbol in studies.recipe.instruments
        for forecast in Replay(studies, symbol).forecasts(
            moment, series_of(studies.workspace, studies.recipe, symbol)
        )
    ]
    return studies.workspace.ledger.write(said)


@dataclass
class Replay:
    """Forecasts of the past, by models that saw only what was known then.

    Parameters
    ----------
    studies : Studies
        Of the recipe: which model is each slot's champion, and how past forecasts fared.
    symbol : str
        One of the recipe's instruments.
    """

    studies: Studies
    symbol: str
    _forecasters: OrderedDict[tuple[Slot, str, int], Forecaster] = field(
        default_factory=OrderedDict, repr=False
    )

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots of the instrument."""
        return tuple(
            slot for slot in slots_of(self.studies.recipe) if slot.instrument == self.symbol
        )

    def forecasts(self, moment: datetime | date, series: Series) -> list[Forecast]:
        """Issue the forecasts of the last decision made by a moment, or on or before a session.

        Parameters
        ----------
        moment : datetime or date
            A time-zone-aware moment, or a session.
        series : Series
            The instrument's.

        Returns
        -------
        list of Forecast
            One for each of :attr:`slots`, mode ``replay``, issued at the decision. The verdict
            in each is the one of then.

        Raises
        ------
        UsageError
            If the moment lies before ``evaluate.from``: the choice of the champion has seen
            those rows.
        """
        researcher = self.studies.researcher(self.symbol)
        decisions = researcher.dataset.decisions
        _require_past(moment)
        newest = decided_by(decisions, latest(decisions, self.studies.recipe))
        row = min(decided_by(decisions, moment), newest)
        first = researcher.parts.evaluation.start
        if row < first:
            raise UsageError(
                f"{moment} is before the evaluation starts: the choice of the champion has seen "
                f"those sessions; ask for {decisions.session[first]} or later"
            )
        as_of = decisions.as_of[row]
        fold = next(fold for fold in researcher.folds if fold.start <= row < fold.stop)
        forecasts = []
        for slot in self.slots:
            study = self.studies.gated(slot, as_of)
            skill = "baseline" if study.champion == "naive" else self.studies.verdict(study, as_of)
            forecaster = self._forecaster(study, fold)
            with frozen_at(to_utc(as_of)) as then:
                forecasts.append(forecaster.forecast(series, then, mode="replay", skill=skill))
        return forecasts

    def _forecaster(self, study: Study, fold: Fold) -> Forecaster:
        key = (study.slot, study.champion, fold.number)
        if key not in self._forecasters:
            store = self.studies.workspace.bundles
            slot = self.studies.judged(study.slot)
            version = self.studies.trained(slot, study.champion, fold)
            bundle = store.load(slot, version)
            self._forecasters[key] = Forecaster(bundle, study.slot.instrument)
            if len(self._forecasters) > _KEPT * len(self.slots):
                self._forecasters.popitem(last=False)
        self._forecasters.move_to_end(key)
        return self._forecasters[key]


def _require_past(moment: datetime | date) -> None:
    present = now()
    day = moment.date() if isinstance(moment, datetime) else moment
    if day > present.date() or (isinstance(moment, datetime) and moment > present):
        raise UsageError(f"{moment} lies in the future: leave it out for the newest forecast")
