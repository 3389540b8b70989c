"""A challenger beside the champion: on identical dates, or not at all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truecast.core.clock import to_datetime64, to_utc
from truecast.core.recipe import Recipe
from truecast.datasets.assembly import Dataset
from truecast.datasets.targets import F64
from truecast.evaluation.arrays import by_session
from truecast.evaluation.metrics import METRICS
from truecast.evaluation.significance import (
    LEAST_ROWS,
    SIGNIFICANCE,
    DieboldMariano,
    diebold_mariano,
)
from truecast.evaluation.slots import COMPARED
from truecast.models.bundle import Bundle
from truecast.pipelines.judge import evaluated_rows
from truecast.pipelines.study import Study, in_units
from truecast.registry.registry import NoChampionError, VersionRecord
from truecast.serving.answering.labels import POINT, RECIPE
from truecast.serving.answering.series import Series
from truecast.serving.workspace import Workspace, series_of

#: Name of the champion's forecasts among those of the study.
_CHAMPION = "the champion"


@dataclass(frozen=True)
class Contest:
    """What came of it.

    Parameters
    ----------
    said : str
        In words.
    won : bool
        Whether the challenger takes the champion's place.
    """

    said: str
    won: bool


def contest(
    workspace: Workspace, recipe: Recipe, study: Study, *, shown: bool = True
) -> Contest | None:
    """Hold a study's chosen model against the champion that serves the slot.

    Parameters
    ----------
    workspace : Workspace
        Whose registry says who the champion is.
    recipe : Recipe
        That was studied.
    study : Study
        Its ``champion`` is the challenger.
    shown : bool
        False where the challenger is the naive forecast, because no model has shown the skill
        that the recipe requires: it takes any champion's place.

    Returns
    -------
    Contest or None
        None where there is no champion, or it is the same model of the same recipe: then the
        challenger is no other model, but has seen more.

    Notes
    -----
    Both are out of sample on the rows that are compared. Two models of one recipe have been walked
    forward over its evaluation. A champion of another recipe, or of another version of it, says
    what it says to the rows after it was trained, and the challenger's walk-forward to the same.

    The challenger is held where it loses more with a Diebold-Mariano p below 0.05; and where the
    recipe requires skill, unless it loses less with such a p. Fewer than 30 common dates show
    neither.
    """
    slot = study.slot
    try:
        version = workspace.registry.champion(slot).version
    except NoChampionError:
        return None
    champion = workspace.registry.find(slot, version)
    same = champion.recipe_hash == recipe.hash
    if same and champion.name == study.champion:
        return None
    if not shown:
        return Contest(f"it takes the place of {version} ({champion.name})", won=True)
    if same and champion.name in study.predictions:
        said = study.predictions[champion.name]
    else:
        said = _said_since(workspace, study, champion)
    rows = evaluated_rows(study)
    rows = rows[np.isfinite(said[rows])]
    dates = len(np.unique(study.outcomes.due_session[rows])) if slot.is_pool else len(rows)
    required = recipe.gates.skill == "require"
    beside = f"beside the champion {version} ({champion.name}) on {dates} common dates"
    if dates < LEAST_ROWS:
        few = f"{beside}, too few to compare ({LEAST_ROWS} at least)"
        return Contest(
            f"{few}, and the recipe requires skill to be shown" if required else few,
            won=not required,
        )
    return _judged(study, said, rows, beside, required)


def _judged(
    study: Study, said: F64, rows: NDArray[np.intp], beside: str, required: bool
) -> Contest:
    metric = METRICS[COMPARED[study.slot.target][0]]
    own, other = _losses(study, said, rows)
    test: DieboldMariano = diebold_mariano(own, other, study.slot.horizon)
    certain = test.p_value < SIGNIFICANCE
    won = certain and test.statistic > 0 if required else not (certain and test.statistic < 0)
    figures = (
        f"{beside}: {metric.name} {own.mean():.5g} against {other.mean():.5g}, "
        f"Diebold-Mariano {test.statistic:.2f}, p {test.p_value:.3f}"
    )
    if won:
        return Contest(figures, won=True)
    short = "is not better beyond chance, which the recipe requires" if required else "is worse"
    return Contest(f"{figures}: it {short}", won=False)


def _losses(study: Study, said: F64, rows: NDArray[np.intp]) -> tuple[F64, F64]:
    metric = METRICS[COMPARED[study.slot.target][0]]
    both = {study.champion: study.predictions[study.champion], _CHAMPION: said}
    observed, forecasts = in_units(study.dataset, study.slot, study.outcomes, both)
    if metric.loss is None:
        raise TypeError(f"{metric.name} is no mean of row losses")
    truth = observed[metric.proxy][rows]
    own, other = (metric.loss(truth, forecasts[name][rows]) for name in both)
    if study.slot.is_pool:
        sessions = study.outcomes.due_session[rows]
        own, other = (by_session(sessions, losses)[1] for losses in (own, other))
    return own, other


def _said_since(workspace: Workspace, study: Study, champion: VersionRecord) -> F64:
    """Return what a champion says to the study's rows after it was trained; NaN to the others."""
    said, since = np.full(len(study.dataset), np.nan), to_datetime64(champion.trained_through)
    if (study.dataset.decisions.as_of > since).sum() < LEAST_ROWS:
        return said  # before bars are opened, which may be millions
    bundle = workspace.registry.bundle(study.slot, champion.version)
    recipe = Recipe.model_validate(bundle.documents[RECIPE])
    for symbol, dataset in study.dataset.members.items():
        if symbol in recipe.instruments:
            series = series_of(workspace, recipe, symbol)
            said[study.dataset.rows_of[symbol]] = _said_of(bundle, series, dataset, since)
    return said


def _said_of(
    bundle: Bundle, series: Series, dataset: Dataset, trained_through: np.datetime64
) -> F64:
    decisions, said = dataset.decisions, np.full(len(dataset), np.nan)
    later = decisions.as_of > trained_through
    if not later.any():
        return said
    entry = bundle.manifest.models[POINT]
    first = decisions.event_time[int(np.argmax(later))]
    rows = series.tail(to_utc(decisions.as_of[-1]), first, entry.window - 1)
    values = bundle.models[POINT].predict(rows.windows(entry.features, entry.window))
    closes = rows.decisions.event_time
    _, mine, theirs = np.intersect1d(decisions.event_time, closes, return_indices=True)
    known = later[mine] & (rows.decisions.as_of[theirs] == decisions.as_of[mine])
    said[mine[known]] = values[theirs[known]]
    return said
