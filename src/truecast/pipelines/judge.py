"""From a study to what the scorecard judges: forecasts beside the naive ones on identical dates."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from truecast.core.hashing import hash_of
from truecast.core.labels import LABELS
from truecast.core.recipe import Recipe
from truecast.datasets.targets import F64
from truecast.evaluation.arrays import by_session
from truecast.evaluation.importances import permutation_importances
from truecast.evaluation.metrics import METRICS, naive_scale
from truecast.evaluation.scorecard import Champion, PartCard
from truecast.evaluation.significance import LEAST_ROWS, Versus, compare
from truecast.evaluation.slots import (
    BASELINES,
    COMPARED,
    DRIFT,
    SHOWN,
    IntervalForecasts,
    SlotForecasts,
    Trading,
    drift_of,
)
from truecast.models.base import Model
from truecast.pipelines.study import Researcher, Study, evenly, in_units, price_of
from truecast.serving.planning import candidates

#: Probabilities of the forecast distribution that the CRPS is computed from.
LEVELS = tuple(round(0.01 * step, 2) for step in range(1, 100))
#: Evaluation rows that importances are measured on: each feature is shuffled and asked once.
IMPORTANCE_ROWS = 5_000


def evaluated_rows(study: Study, as_of: np.datetime64 | None = None) -> NDArray[np.intp]:
    """Return the evaluation rows that every model forecast and whose outcome is known.

    Parameters
    ----------
    study : Study
        What was forecast.
    as_of : datetime64[us] or None
        Only outcomes known by then; None for all.
    """
    observed, forecasts = in_units(study.dataset, study.slot, study.outcomes, study.predictions)
    usable = ~np.isnat(study.outcomes.known_at)
    if as_of is not None:
        usable &= study.outcomes.known_at <= as_of
    for values in (*observed.values(), *forecasts.values()):
        usable &= np.isfinite(values)
    if study.slot.target not in LABELS:
        usable &= np.isfinite(study.variance)  # without it a row has no interval
    part = study.parts.evaluation
    usable[: part.start] = usable[part.stop :] = False
    return np.flatnonzero(usable)


def slot_forecasts(
    study: Study,
    recipe: Recipe,
    rows: NDArray[np.intp],
    *,
    champion: Champion,
    trials: int,
    importances: Mapping[str, float] | None = None,
    data_versions: Mapping[str, str] | None = None,
) -> SlotForecasts:
    """Hand a study's rows over to be judged.

    Parameters
    ----------
    study : Study
        What was forecast, and what came of it.
    recipe : Recipe
        Says which coverage the intervals are to have.
    rows : array of intp, shape (m,)
        Which rows.
    champion : Champion
        The model that serves, or would serve, the slot.
    trials : int
        How many models were compared on these dates.
    importances, data_versions : mapping or None
        What the report states besides.
    """
    slot, dataset = study.slot, study.dataset
    observed, forecasts = in_units(dataset, slot, study.outcomes, study.predictions)
    interval = interval_of(study, rows, recipe)
    missing = _sessions(study) - len(rows)
    bars = dataset.market.bars.versions
    return SlotForecasts(
        slot=str(slot),
        instrument=slot.instrument,
        target=slot.target,
        horizon=slot.horizon,
        champion=champion,
        event_time=dataset.decisions.event_time[rows],
        session=study.outcomes.due_session[rows],
        outcomes={name: values[rows] for name, values in observed.items()},
        forecasts={name: values[rows] for name, values in forecasts.items()},
        trials=trials,
        model_types={name: choice.name for name, choice in study.choices.items()},
        last_close=dataset.last_close[rows] if slot.target == "price" else None,
        naive_scale=_naive_scale(study),
        mean_return=_mean_return(study)[rows] if slot.target in {"price", "return"} else None,
        intervals={} if interval is None else {study.champion: interval},
        volatility=np.sqrt(study.variance[rows]),
        simulated=bool(bars["simulated"].any()),
        assumed_share=float((bars["basis"] == "assumed").sum()) / max(bars.height, 1),
        importances=dict(importances or {}),
        provenance={
            "calendar": dataset.calendar.name,
            "adjustment": ", ".join(sorted(bars["adjustment"].unique())),
            "decided": f"{recipe.decision_delay} after the bar's close",
            "interval scale": study.scaled_by,
        },
        data_versions=dict(data_versions or {}),
        parts=part_cards(study),
        trading=_trading(study, recipe, rows),
        notes=(f"{missing} sessions lack a bar, a forecast or an outcome: not judged",)
        if missing
        else (),
    )


def part_cards(study: Study) -> dict[str, dict[str, PartCard]]:
    """Score every model on each part of the split: model to part to figures.

    A part's rows are those that every model forecast and whose outcome is known; the training
    part's those of :attr:`Study.in_sample`.
    """
    cards: dict[str, dict[str, PartCard]] = {name: {} for name in study.choices}
    metrics = [METRICS[name] for name in SHOWN[study.slot.target]]
    for part in ("train", "validate", "test", "oot"):
        said = study.in_sample if part == "train" else study.predictions
        observed, forecasts = in_units(study.dataset, study.slot, study.outcomes, said)
        place: slice = getattr(study.parts, part)
        usable = ~np.isnat(study.outcomes.known_at[place])
        for values in (*observed.values(), *forecasts.values()):
            usable &= np.isfinite(values[place])
        if not forecasts or not usable.any():
            continue
        truth = {proxy: values[place][usable] for proxy, values in observed.items()}
        for name, values in forecasts.items():
            of_rows = values[place][usable]
            scores = {one.name: one.score(truth[one.proxy], of_rows) for one in metrics}
            losses = {key: value if np.isfinite(value) else None for key, value in scores.items()}
            cards[name][part] = PartCard(n=len(of_rows), losses=losses)
    return cards


def _sessions(study: Study) -> int:
    """Count what there was to forecast in the evaluation: sessions, or intraday rows."""
    part, dataset = study.parts.evaluation, study.dataset
    due = part.stop - study.slot.horizon if part.stop == len(dataset) else part.stop
    if not dataset.interval.is_daily:
        return int((~np.isnat(study.outcomes.known_at[part])).sum())
    days = dataset.calendar.ordinals(dataset.decisions.session[[part.start, due - 1]])
    return int(days[1] - days[0]) + 1


def interval_of(study: Study, rows: NDArray[np.intp], recipe: Recipe) -> IntervalForecasts | None:
    """Return the intervals of a slot's forecasts, in the unit of what is judged.

    Parameters
    ----------
    study : Study
        Holds the volatility that scales them, and the scores that widen or narrow them.
    rows : array of intp, shape (m,)
        Which rows; each interval uses the outcomes known at its row's decision.
    recipe : Recipe
        Says which coverage they are to have.

    Returns
    -------
    IntervalForecasts or None
        None for direction, whose forecast is a probability, for regime, whose forecast is a name,
        and where no volatility is known.
    """
    slot = study.slot
    coverage = recipe.targets[slot.target].coverage  # type: ignore[index]
    variance, as_of = study.variance[rows], study.dataset.decisions.as_of[rows]
    if slot.target in LABELS or not len(rows):
        return None
    if slot.target == "volatility":
        lower, upper = study.scale.volatility_band(variance, as_of, coverage=coverage)
        return IntervalForecasts(coverage, lower**2, upper**2)
    band = study.scale.return_band(variance, as_of, coverage=coverage)
    quantiles = study.scale.return_quantiles(variance, as_of, levels=LEVELS)
    if slot.target == "return":
        return IntervalForecasts(coverage, *band, LEVELS, quantiles)
    close = study.dataset.last_close[rows]
    lower, upper = (close * np.exp(bound / 100) for bound in band)
    return IntervalForecasts(
        coverage, lower, upper, LEVELS, close[:, None] * np.exp(quantiles / 100)
    )


def _trading(study: Study, recipe: Recipe, rows: NDArray[np.intp]) -> Trading | None:
    """Return what the illustration needs; None for volatility and regime, and without rows."""
    if study.slot.target in {"volatility", "regime"} or not len(rows):
        return None
    dataset, due = study.dataset, study.outcomes.due_session[rows]
    every = dataset.decisions.session
    days = dataset.calendar.ordinals(np.array([every[0], every[-1], every[rows[0]], due[-1]]))
    a_year = (days[1] - days[0]) / max((every[-1] - every[0]).astype(int), 1) * 365.25
    sessions = days[3] - days[2] + (0 if dataset.interval.is_daily else 1)
    return Trading(
        log_return=study.outcomes.log_return[rows],
        due=study.outcomes.due[rows],
        years=float(max(sessions, 1) / max(a_year, 1.0)),
        cost_bps=recipe.evaluate.backtest.cost_bps,
        position=recipe.evaluate.backtest.position,
    )


def _naive_scale(study: Study) -> float | None:
    """Return what no change lost on the training rows: the unit of MASE."""
    if study.slot.target != "price":
        return None
    close = study.dataset.last_close[study.parts.train]
    return naive_scale(close, study.slot.horizon)


def _mean_return(study: Study) -> F64:
    """Return the mean of the horizon returns that were known at each row's decision, percent.

    Those of the row's own instrument.
    """
    means = np.empty(len(study.outcomes.known_at))
    for rows in study.dataset.rows_of.values():
        known_at, returns = study.outcomes.known_at[rows], study.outcomes.log_return[rows]
        # A bar that was withdrawn by the time its outcome settled has a moment and no return.
        order = np.flatnonzero(~np.isnat(known_at) & np.isfinite(returns))
        order = order[np.argsort(known_at[order], kind="stable")]
        totals = np.r_[0.0, np.cumsum(returns[order])]
        as_of = study.dataset.decisions.as_of[rows]
        counts = np.searchsorted(known_at[order], as_of, side="right")
        means[rows] = totals[counts] / np.maximum(counts, 1)
    return means


def versus_baselines(study: Study, rows: NDArray[np.intp]) -> list[Versus]:
    """Hold the champion against each naive forecast of its target, on enough rows to tell."""
    if len(rows) < LEAST_ROWS:
        return []
    slot = study.slot
    metric = METRICS[COMPARED[slot.target][0]]
    observed, forecasts = in_units(study.dataset, slot, study.outcomes, study.predictions)
    truth = observed[metric.proxy][rows]
    if metric.loss is None:
        raise TypeError(f"{metric.name} is no mean of row losses")
    loss, sessions = metric.loss, study.outcomes.due_session[rows]
    if slot.target in {"price", "return"} and DRIFT not in forecasts:
        drifted = drift_of(slot.target, _mean_return(study), study.dataset.last_close)
        forecasts |= {} if drifted is None else {DRIFT: drifted}

    def lost(name: str) -> F64:
        losses = loss(truth, forecasts[name][rows])
        return by_session(sessions, losses)[1] if slot.is_pool else losses

    return [
        compare(name, metric.name, lost(study.champion), lost(name), horizon=slot.horizon)
        for name in (*BASELINES[slot.target], *({DRIFT} & forecasts.keys()))
        if name != study.champion
    ]


def champion_importances(researcher: Researcher, study: Study) -> dict[str, float]:
    """Say which features the champion leans on: the last fold's model on the evaluation rows.

    On all of them, or on 5,000 evenly spaced ones.
    """
    model, features = researcher.last_fit(study.slot, study.champion)
    return importances_of(study, model, features, IMPORTANCE_ROWS)


def importances_of(
    study: Study, model: Model, features: tuple[str, ...], most: int
) -> dict[str, float]:
    """Say which features a model leans on, on all evaluation rows or so many of them.

    Parameters
    ----------
    study : Study
        Whose rows.
    model : Model
        Any of its slot.
    features : tuple of str
        The columns that it takes.
    most : int
        Evenly spaced rows at most.

    Returns
    -------
    dict of str to float
        See :func:`truecast.evaluation.importances.permutation_importances`; empty without rows.
    """
    rows = evenly(evaluated_rows(study), most)
    if not len(rows):
        return {}
    metric = METRICS[COMPARED[study.slot.target][0]]

    observed, _ = in_units(study.dataset, study.slot, study.outcomes, {})
    truth, close = observed[metric.proxy][rows], study.dataset.last_close[rows]

    def loss(predictions: F64) -> float:
        priced = study.slot.target == "price"
        return metric.score(truth, price_of(close, predictions) if priced else predictions)

    return permutation_importances(
        model, study.dataset.windows(features, model.window, rows), features, loss
    )


def trial_keys(recipe: Recipe, study: Study) -> dict[str, str]:
    """Name each candidate, and each trial of its tuning, by what would make it another trial.

    Returns
    -------
    dict of str to str
        Candidate, or what its tuning tried, to a hash of its features, parameters, dates, refits
        and training rows.
    """
    keep = recipe.targets[study.slot.target].keep  # type: ignore[index]
    setting = {
        **({} if keep is None else {"keep": keep}),
        "features": study.dataset.plan.hash,
        "inputs": list(study.dataset.inputs),
        "decide_after": str(recipe.decision_delay),
        **({"pooled": [*recipe.instruments]} if recipe.pooled else {}),
        **({"transfer": recipe.transfer.model_dump(mode="json")} if recipe.transfer else {}),
        **{
            name: part.model_dump(mode="json", by_alias=True)
            for name, part in (("split", recipe.split), ("history", recipe.history))
        },
        "evaluate": recipe.evaluate.model_dump(
            mode="json", by_alias=True, exclude={"prior_trials", "backtest"}
        ),
    }
    compared = candidates(recipe, study.slot.target) | {str(one): one for one in study.tried}
    return {
        name: hash_of({**setting, "model": choice.model_dump(mode="json")})
        for name, choice in compared.items()
    }
