"""The track record of a slot: what its issued forecasts lost, beside what the naive ones did.

A walk-forward says what models would have said. This says what was said: every forecast was
written down before its outcome was known, and none is left out but those that still wait for one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from truecast.core.forecast import Mode
from truecast.core.labels import LABELS
from truecast.core.slot import Slot
from truecast.evaluation.arrays import Floats
from truecast.evaluation.errors import EvaluationError
from truecast.evaluation.intervals import covered, rolling_coverage
from truecast.evaluation.metrics import METRICS, Metric, wrong
from truecast.evaluation.probabilities import accuracy
from truecast.evaluation.scorecard import Window
from truecast.evaluation.significance import LEAST_ROWS, Verdict, Versus, compare, verdict
from truecast.evaluation.slots import COMPARED, SHOWN
from truecast.models.intervals import wilson_interval

T = TypeVar("T")

#: Share of the sessions that a replay may lack, as where a source lacks a bar.
MOST_MISSING = 0.02


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        serialize_by_alias=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )


class Share(_Part):
    """A share of ``n`` forecasts, in [0, 1], with its 95% interval by Wilson.

    Forecasts that are h bars ahead overlap: of n of them, n / h count as independent.
    """

    share: float
    ci95: tuple[float, float]
    n: int


class IntervalRecord(_Part):
    """How well the intervals that went out held the outcomes.

    ``nominal`` is the coverage that was promised, on average; ``mean_width`` is in percent
    return, for volatility in percent standard deviation. ``min_coverage_250`` is the least share
    held of 250 forecasts in a row; null with fewer. Forecasts whose outcome cannot be measured, as
    the range of a bar that has none, do not count.
    """

    nominal: float
    coverage: Share
    mean_width: float
    min_coverage_250: float | None = None


class TrackRecord(_Part):
    """How a slot's forecasts of one mode have fared.

    ``recipe_hash`` is given where each version of the recipe has its own record (``replay``,
    ``historical``); ``since`` and ``until`` are what the record was asked for. ``issued`` =
    ``settled`` + ``open`` + ``superseded``: the last were issued after another forecast of the
    same moment, and do not count. ``missing`` counts the sessions in between that nothing was
    forecast from (null where bars are not daily): a replay that leaves out more than
    :data:`MOST_MISSING` of them shows no skill.

    ``window`` tells the first and last session forecast that has settled; everything below is
    about these forecasts: ``losses`` and ``baseline_losses`` on identical rows (null where a
    metric is not defined), ``versus`` for each loss that models are compared by, the deciding one
    (``metric``) first, ``verdict`` on it after counting ``trials``. ``hits`` is for direction
    and regime, ``intervals`` for all else. ``degraded_share`` is the share for which the naive
    forecast had to stand in. ``notes`` says why a figure is null or on
    fewer rows.
    """

    slot: str
    recipe: str
    source: str
    instrument: str
    target: str
    horizon: int
    mode: Mode
    recipe_hash: str | None
    window: Window | None
    issued: int
    settled: int
    open: int
    superseded: int
    missing: int | None
    since: AwareDatetime | None
    until: AwareDatetime | None
    baseline: str | None
    metric: str
    losses: dict[str, float | None]
    baseline_losses: dict[str, float | None]
    versus: tuple[Versus, ...]
    trials: Annotated[int, Field(ge=1)]
    verdict: Verdict
    hits: Share | None
    intervals: IntervalRecord | None
    degraded_share: float | None
    simulated: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class IssuedForecasts:
    """A slot's forecasts of one mode, those that have settled as arrays.

    Parameters
    ----------
    slot : Slot
        What was forecast.
    mode : str
        Of the forecasts.
    recipe_hash : str or None
        Whose forecasts they are, if one version's only.
    open, superseded : int
        Forecasts that wait for their outcome, and those that do not count.
    simulated : bool
        Whether any was made from simulated data.
    baseline : str or None
        Name of the naive forecast; None if nothing has settled.
    session : array of datetime64[D], shape (n,)
        Sessions that the settled forecasts are about, oldest first.
    forecasts, baselines : array of float64, shape (n,)
        A price, percent return, probability of up, code of a regime, or variance a bar in
        percent².
    outcomes : mapping of str to array of float64, shape (n,)
        ``value``, or for volatility the variances ``gk`` and ``r2`` in percent²; NaN where there
        is none by this proxy.
    lower, upper, nominal : array of float64, shape (n,)
        Ends of the interval in the forecast's own unit (volatility: standard deviation), and the
        coverage promised; NaN where there is none.
    degraded : array of bool, shape (n,)
        Where the naive forecast stood in.
    missing : int or None
        Sessions between the first and the last forecast that nothing was forecast from.
    since, until : datetime or None
        What the record was asked for.
    """

    slot: Slot
    mode: Mode
    recipe_hash: str | None
    open: int
    superseded: int
    simulated: bool
    baseline: str | None
    session: NDArray[np.datetime64]
    forecasts: Floats
    baselines: Floats
    outcomes: Mapping[str, Floats]
    lower: Floats
    upper: Floats
    nominal: Floats
    degraded: NDArray[np.bool_]
    missing: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def track_record(issued: IssuedForecasts, *, trials: int = 1) -> TrackRecord:
    """Judge what was issued beside the naive forecasts that went out with it.

    Parameters
    ----------
    issued : IssuedForecasts
        Forecasts and outcomes.
    trials : int
        How many models were compared before these forecasts were issued, this one included.

    Notes
    -----
    The verdict is beside the naive forecast that went out: for volatility GARCH(1,1), for all
    else no change or climatology. A scorecard holds a volatility model against no change too.
    """
    slot, n = issued.slot, len(issued.session)
    judged = _Judged(issued)
    losses, baseline_losses = judged.losses(issued.forecasts), judged.losses(issued.baselines)
    versus = tuple(judged.versus())
    deciding = COMPARED[slot.target][0]
    shown = verdict([one for one in versus if one.metric == deciding], trials)
    if n < LEAST_ROWS:
        judged.notes[f"{n} settled: fewer than {LEAST_ROWS} are not judged"] = None
    if issued.mode != "live" and (issued.missing or 0) > MOST_MISSING * (n + issued.open):
        # Whoever asks for the past may leave out the days that he does not like.
        shown = "no skill shown"
        judged.notes[f"{issued.missing} sessions in between were left out: no verdict"] = None
    return TrackRecord(
        slot=str(slot),
        recipe=slot.recipe,
        source=slot.source,
        instrument=slot.instrument,
        target=slot.target,
        horizon=slot.horizon,
        mode=issued.mode,
        recipe_hash=issued.recipe_hash,
        window=_window(issued.session),
        issued=n + issued.open + issued.superseded,
        settled=n,
        open=issued.open,
        superseded=issued.superseded,
        missing=issued.missing,
        since=issued.since,
        until=issued.until,
        baseline=issued.baseline,
        metric=deciding,
        losses=losses,
        baseline_losses=baseline_losses,
        versus=versus,
        trials=trials,
        verdict=shown,
        hits=_hits(issued),
        intervals=_intervals(issued),
        degraded_share=float(issued.degraded.mean()) if n else None,
        simulated=issued.simulated,
        notes=tuple(judged.notes),
    )


class _Judged:
    """Figures of one set of forecasts, and why some cannot be had."""

    def __init__(self, issued: IssuedForecasts) -> None:
        self._issued = issued
        self.notes: dict[str, None] = {}

    def losses(self, said: Floats) -> dict[str, float | None]:
        """Return every metric that is shown of the target."""
        metrics = [METRICS[name] for name in SHOWN[self._issued.slot.target]]
        found = {one.name: self._apply(one, one.score, said) for one in metrics}
        return {
            name: value if value is not None and np.isfinite(value) else None
            for name, value in found.items()
        }

    def versus(self) -> Iterator[Versus]:
        """Hold the forecasts against the naive ones by each loss that models are compared by."""
        issued = self._issued
        for metric in (METRICS[name] for name in COMPARED[issued.slot.target]):
            if metric.loss is None:
                continue
            own = self._apply(metric, metric.loss, issued.forecasts)
            naive = self._apply(metric, metric.loss, issued.baselines)
            if own is not None and naive is not None:
                name, horizon = str(issued.baseline), issued.slot.horizon
                yield compare(name, metric.name, own, naive, horizon=horizon)

    def _apply(
        self, metric: Metric, score: Callable[[ArrayLike, ArrayLike], T], said: Floats
    ) -> T | None:
        """Score the rows that have an outcome by the metric's proxy; None if it is not defined."""
        outcomes = self._issued.outcomes[metric.proxy]
        rows = np.isfinite(outcomes)
        if not rows.all():
            count = f"{int(rows.sum())} of {len(rows)}"
            self.notes[f"{metric.name}: on the {count} forecasts that have its outcome"] = None
        if not rows.any():
            return None
        try:
            return score(outcomes[rows], said[rows])
        except EvaluationError as error:
            self.notes[f"{metric.name}: {error}"] = None
            return None


def _window(session: NDArray[np.datetime64]) -> Window | None:
    if not len(session):
        return None
    first, last = (day.astype("datetime64[D]").item() for day in (session.min(), session.max()))
    return Window(from_=first, to=last, n=len(session))


def _share(hits: int, n: int, horizon: int) -> Share:
    return Share(share=hits / n, ci95=wilson_interval(hits / horizon, n / horizon), n=n)


def _hits(issued: IssuedForecasts) -> Share | None:
    n = len(issued.session)
    if issued.slot.target not in LABELS or not n:
        return None
    said, came = issued.forecasts, issued.outcomes["value"]
    named = issued.slot.target == "regime"
    right = 1 - wrong(came, said).mean() if named else accuracy(came, said)
    hits = round(n * right)
    return _share(hits, n, issued.slot.horizon)


def _intervals(issued: IssuedForecasts) -> IntervalRecord | None:
    """Say how intervals did; that of a direction bounds the probability and holds no outcome."""
    volatility = issued.slot.target == "volatility"
    outcomes = np.sqrt(issued.outcomes["gk"]) if volatility else issued.outcomes["value"]
    rows = np.isfinite(issued.lower) & np.isfinite(issued.upper) & np.isfinite(outcomes)
    if issued.slot.target == "direction" or not rows.any():
        return None
    lower, upper = issued.lower[rows], issued.upper[rows]
    hits = covered(outcomes[rows], lower, upper)
    rolling = rolling_coverage(hits)
    width = 100 * np.log(upper / lower) if issued.slot.target == "price" else upper - lower
    return IntervalRecord(
        nominal=fmean(issued.nominal[rows]),
        coverage=_share(int(hits.sum()), len(hits), issued.slot.horizon),
        mean_width=float(width.mean()),
        min_coverage_250=float(rolling.min()) if len(rolling) else None,
    )
