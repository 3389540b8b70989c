"""From a slot's forecasts and outcomes to its scorecard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from truecast.evaluation.arrays import Floats, by_session, finite
from truecast.evaluation.backtest import backtest_of, buy_and_hold
from truecast.evaluation.bootstrap import auc_interval
from truecast.evaluation.errors import EvaluationError
from truecast.evaluation.intervals import (
    ROLLING_ROWS,
    coverage_by_tercile,
    covered,
    crps_from_quantiles,
    rolling_coverage,
    winkler_loss,
)
from truecast.evaluation.metrics import (
    LEVEL_R2,
    METRICS,
    Metric,
    mase,
    r2_of_level,
    r2_out_of_sample,
)
from truecast.evaluation.nested import (
    CONFIDENCE,
    NESTING,
    ClarkWest,
    clark_west,
    model_confidence_set,
)
from truecast.evaluation.probabilities import (
    CalibrationBins,
    calibration_bins,
    expected_calibration_error,
)
from truecast.evaluation.scorecard import IntervalCard, ModelCard, SlotCard, Window
from truecast.evaluation.significance import Verdict, Versus, compare, verdict
from truecast.evaluation.slots import COMPARED, SHOWN, SlotForecasts
from truecast.models.intervals import wilson_interval


@dataclass(frozen=True)
class SlotPlots:
    """What the report draws of a slot, beside its card.

    Parameters
    ----------
    forecasts : SlotForecasts
        The arrays that were judged.
    calibration : CalibrationBins or None
        The champion's: probabilities for direction, variances for volatility, else log returns
        in percent; None for regimes.
    """

    forecasts: SlotForecasts
    calibration: CalibrationBins | None


def score_slot(slot: SlotForecasts) -> tuple[SlotCard, SlotPlots]:
    """Judge a slot's models beside the naive forecasts.

    Parameters
    ----------
    slot : SlotForecasts
        Forecasts and outcomes on identical dates.

    Returns
    -------
    SlotCard, SlotPlots
        The figures, and what to draw.

    Raises
    ------
    EvaluationError
        If a baseline or the champion is missing, arrays do not fit together, or a value is not
        finite.
    """
    _check(slot)
    slot = slot.with_drift()
    losses = _row_losses(slot)
    deciding = losses[COMPARED[slot.target][0]]
    best = model_confidence_set(deciding, horizon=slot.horizon, seed=slot.seed)
    models = tuple(_judge(slot, name, losses, best.get(name)) for name in slot.forecasts)
    card = SlotCard(
        slot=slot.slot,
        instrument=slot.instrument,
        target=slot.target,
        horizon=slot.horizon,
        champion=slot.champion,
        window=Window(
            from_=_day(slot.session[0]), to=_day(slot.session[-1]), n=len(slot.event_time)
        ),
        models=models,
        intervals=next(one.intervals for one in models if one.name == slot.champion.name),
        metric=COMPARED[slot.target][0],
        baselines=slot.naive,
        simulated=slot.simulated,
        assumed_share=slot.assumed_share,
        provenance=dict(slot.provenance),
        data_versions=dict(slot.data_versions),
        notes=slot.notes,
        buy_and_hold_illustration=buy_and_hold(slot),
    )
    return card, plots_of(slot)


def plots_of(slot: SlotForecasts) -> SlotPlots:
    """Return what is drawn of a slot and its champion.

    Parameters
    ----------
    slot : SlotForecasts
        Forecasts and outcomes; whoever wants another model drawn names it as the champion.
    """
    if slot.target == "regime":
        return SlotPlots(slot, None)
    outcome, said = slot.outcomes[slot.proxy], slot.forecasts[slot.champion.name]
    if slot.target == "price":
        outcome, said = (_to_percent(slot, values) for values in (outcome, said))
    return SlotPlots(slot, calibration_bins(outcome, said))


def _day(moment: np.datetime64) -> date:
    day: date = moment.astype("datetime64[D]").item()
    return day


def _check(slot: SlotForecasts) -> None:
    if slot.target not in COMPARED:
        raise EvaluationError(f"expected a target of {', '.join(COMPARED)}; got {slot.target!r}")
    for name in (slot.champion.name, *slot.compared_with):
        if name not in slot.forecasts:
            raise EvaluationError(
                f"{slot.slot}: no forecasts of {name!r}; every score needs "
                f"{', '.join(slot.compared_with)} beside it. Got {', '.join(slot.forecasts)}"
            )
    missing = {METRICS[name].proxy for name in COMPARED[slot.target]} - slot.outcomes.keys()
    if missing:
        raise EvaluationError(f"{slot.slot}: no outcomes named {', '.join(sorted(missing))}")
    n = len(slot.event_time)
    arrays: dict[str, Floats] = {
        **{f"forecasts of {name}": values for name, values in slot.forecasts.items()},
        **{f"outcomes {name}": values for name, values in slot.outcomes.items()},
    }
    for what, values in arrays.items():
        if len(finite(values, f"{slot.slot}: {what}")) != n:
            raise EvaluationError(f"{slot.slot}: expected {n} {what}, got {len(values)}")
    if len(slot.session) != n or (np.diff(slot.event_time) < np.timedelta64(0, "us")).any():
        raise EvaluationError(f"{slot.slot}: expected one session a row, rows in time order")


def _row_losses(slot: SlotForecasts) -> dict[str, dict[str, Floats]]:
    """Return the losses that models are compared by: metric, model, rows or a pool's sessions."""

    def of(losses: Floats) -> Floats:
        return by_session(slot.session, losses)[1] if slot.pooled else losses

    return {
        metric.name: {
            name: of(metric.loss(slot.outcomes[metric.proxy], values))
            for name, values in slot.forecasts.items()
        }
        for metric in _metrics(COMPARED[slot.target])
        if metric.loss is not None
    }


def _metrics(names: Sequence[str]) -> list[Metric]:
    return [METRICS[name] for name in names]


def _judge(
    slot: SlotForecasts, name: str, losses: Mapping[str, Mapping[str, Floats]], best: float | None
) -> ModelCard:
    deciding = COMPARED[slot.target][0]
    versus = tuple(
        compare(other, metric, rows[name], rows[other], horizon=slot.horizon, seed=slot.seed)
        for metric, rows in losses.items()
        for other in slot.compared_with
        if other != name
    )
    baseline = name in slot.naive
    return ModelCard(
        name=name,
        model_type=slot.model_types.get(name, name),
        role="baseline" if baseline else "model",
        losses=_losses(slot, name),
        versus=versus,
        trials=slot.trials,
        verdict="baseline" if baseline else _verdict(slot, versus, deciding),
        losses_by_year=_by_year(_sessions(slot), losses[deciding][name]),
        auc_ci95=_auc_interval(slot, name),
        intervals=_intervals(slot, name),
        parts=dict(slot.parts.get(name, {})),
        in_mcs=None if best is None else best > 1 - CONFIDENCE,
        mcs_p_value=best,
        clark_west=_clark_west(slot, name),
        backtest_illustration=backtest_of(slot, name),
    )


def _clark_west(slot: SlotForecasts, name: str) -> ClarkWest | None:
    """Hold a model against the naive forecast that it contains, in percent return or by Brier."""
    family = slot.model_types.get(name, name)
    if family not in NESTING.get(slot.target, ()) or not slot.naive:
        return None
    naive = slot.naive[0]
    values = (slot.outcomes["value"], slot.forecasts[name], slot.forecasts[naive])
    outcome, said, base = (_to_percent(slot, one) for one in values)
    sessions = slot.session if slot.pooled else None
    return clark_west(outcome, said, base, baseline=naive, horizon=slot.horizon, sessions=sessions)


def _verdict(slot: SlotForecasts, versus: Sequence[Versus], deciding: str) -> Verdict:
    naive = [one for one in versus if one.metric == deciding and one.baseline in slot.naive]
    return verdict(naive, slot.trials)


def _sessions(slot: SlotForecasts) -> NDArray[np.datetime64]:
    """Return the session of each loss that models are compared by."""
    return np.unique(slot.session) if slot.pooled else slot.session


def _by_year(session: NDArray[np.datetime64], losses: Floats) -> dict[int, float]:
    years = session.astype("datetime64[Y]").astype(np.int64) + 1970
    return {int(year): float(losses[years == year].mean()) for year in np.unique(years)}


def _losses(slot: SlotForecasts, name: str) -> dict[str, float | None]:
    values = slot.forecasts[name]

    def score(metric: Metric) -> float:
        outcomes = slot.outcomes[metric.proxy]
        if slot.pooled:
            return metric.score_by_session(slot.session, outcomes, values)
        return metric.score(outcomes, values)

    found = {metric.name: score(metric) for metric in _metrics(SHOWN[slot.target])}
    if slot.target == "direction":
        found["ece"] = expected_calibration_error(slot.outcomes["value"], values)
    if slot.target == "price" and slot.naive_scale is not None:
        found["mase"] = mase(slot.outcomes["value"], values, slot.naive_scale)
    if slot.target == "price":
        found[LEVEL_R2] = r2_of_level(slot.outcomes["value"], values)
    has_returns = slot.target == "return" or (
        slot.target == "price" and slot.last_close is not None
    )
    if has_returns and slot.mean_return is not None:
        outcome, forecast = (_to_percent(slot, one) for one in (slot.outcomes["value"], values))
        found["r2_oos"] = r2_out_of_sample(outcome, forecast, slot.mean_return)
    return {key: value if np.isfinite(value) else None for key, value in found.items()}


def _to_percent(slot: SlotForecasts, values: Floats) -> Floats:
    """Turn prices into log returns from the last close, variances into standard deviations."""
    if slot.target == "volatility":
        return np.asarray(np.sqrt(np.maximum(values, 0)), dtype=np.float64)
    if slot.target != "price":
        return np.asarray(values, dtype=np.float64)
    if slot.last_close is None:
        raise EvaluationError(f"{slot.slot}: prices need last_close to be judged in percent return")
    base = np.asarray(slot.last_close, dtype=np.float64)
    relative = values / (base[:, None] if np.ndim(values) == 2 else base)
    if np.min(relative) <= 0:
        raise EvaluationError(f"{slot.slot}: a price of zero or below has no log return")
    return np.asarray(100.0 * np.log(relative), dtype=np.float64)


def _auc_interval(slot: SlotForecasts, name: str) -> tuple[float, float] | None:
    if slot.target != "direction" or slot.pooled:
        return None  # it draws rows, and those of a pool's session go together
    return auc_interval(
        slot.outcomes["value"], slot.forecasts[name], horizon=slot.horizon, seed=slot.seed
    )


def _intervals(slot: SlotForecasts, name: str) -> IntervalCard | None:
    given = slot.intervals.get(name)
    if given is None:
        return None
    outcome, lower, upper = (
        _to_percent(slot, values)
        for values in (slot.outcomes[slot.proxy], given.lower, given.upper)
    )
    grid = None if given.quantiles is None else _to_percent(slot, given.quantiles)
    # The first rows of a short series come before there are scores enough for an interval.
    there = np.isfinite(lower) & np.isfinite(upper)
    if grid is not None:
        there &= np.isfinite(grid.sum(axis=1))
    if not there.any():
        return None
    # A copy of many rows of quantiles takes longer than their score.
    kept = slice(None) if there.all() else np.flatnonzero(there)
    outcome, lower, upper = outcome[kept], lower[kept], upper[kept]
    hits = covered(outcome, lower, upper)
    shares = by_session(slot.session[kept], hits.astype(float))[1] if slot.pooled else hits
    rolling = rolling_coverage(shares, ROLLING_ROWS)
    terciles = None
    if slot.volatility is not None:
        low, middle, top = (
            value if np.isfinite(value) else None
            for value in coverage_by_tercile(outcome, lower, upper, slot.volatility[kept])
        )
        terciles = (low, middle, top)
    crps = None
    if grid is not None:
        crps = float(crps_from_quantiles(given.levels, grid[kept], outcome).mean())
    return IntervalCard(
        model=name,
        nominal=given.nominal,
        coverage=float(hits.mean()),
        # Outcomes h bars ahead overlap: h of them tell as much as one.
        coverage_ci95=wilson_interval(
            float(shares.sum()) / slot.horizon, len(shares) / slot.horizon
        ),
        coverage_top_volatility_tercile=terciles[2] if terciles else None,
        coverage_by_tercile=terciles,
        min_coverage_250=float(rolling.min()) if len(rolling) else None,
        mean_width=float((upper - lower).mean()),
        winkler=float(winkler_loss(outcome, lower, upper, given.nominal).mean()),
        crps=crps,
    )
