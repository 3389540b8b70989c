"""Issue forecasts from a bundle: nothing is fitted here."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np

from truecast.core.calendars import Calendar
from truecast.core.clock import now, to_utc
from truecast.core.forecast import Forecast, Mode, forecast_id
from truecast.core.interval import Interval
from truecast.core.labels import REGIMES
from truecast.core.slot import Slot
from truecast.datasets.assembly import Dataset
from truecast.features.compute import Market
from truecast.features.plan import FeaturePlan
from truecast.models.base import Probabilities, Vector
from truecast.models.bundle import Bundle
from truecast.models.calibration import ScaleCalibration
from truecast.models.shares import ShareCalibration
from truecast.serving.errors import OverdueError, ServingError, TrainedLaterError

#: Labels of what every bundle holds.
POINT, BASELINE, SCALE = "point", "baseline", "scale"
CALIBRATION, PENDING, SHARES, TERMS = "calibration", "pending", "shares", "terms"
RECIPE = "recipe"
#: What a forecast says of a model that no evaluation has judged.
NOT_EVALUATED = "not evaluated yet"


@dataclass(frozen=True)
class Series:
    """What a forecaster reads: one instrument's bars, and how to turn them into features.

    Parameters
    ----------
    market : Market
        Bars of the instrument and of its context, every version.
    plan : FeaturePlan
        All features of the recipe.
    calendar : Calendar
        The instrument's sessions.
    interval : Interval
        Length of a bar.
    crossing : frozenset of int
        Horizons at which an outcome may lie in a later session; see ``Dataset``.
    """

    market: Market
    plan: FeaturePlan
    calendar: Calendar
    interval: Interval
    crossing: frozenset[int] = frozenset()

    def tail(self, as_of: datetime, since: np.datetime64, before: int) -> Dataset:
        """Compute the rows from one bar on, up to a moment.

        Parameters
        ----------
        as_of : datetime
            Moment of the last decision, at most.
        since : datetime64[us]
            Rows whose bar closed then or later are wanted; the last row always is.
        before : int
            Rows wanted before them.
        """
        decisions = self.market.decisions(as_of)
        if not len(decisions):
            raise ServingError(
                f"{self.market.symbol}: no bar was known at {as_of.isoformat()}; "
                "ask for a later moment or ingest more history"
            )
        first = int(np.searchsorted(decisions.event_time, since))
        first = max(0, min(first, len(decisions) - 1) - before)
        rows = Dataset.of(
            self.market,
            self.plan,
            inputs=self.plan.names,
            calendar=self.calendar,
            interval=self.interval,
            decisions=decisions[first:],
        )
        return replace(rows, crossing=self.crossing)


@dataclass(frozen=True)
class Forecaster:
    """A bundle that can answer.

    Parameters
    ----------
    bundle : Bundle
        Loaded and checked.
    instrument : str or None
        Of which it speaks where the bundle is a pool's; None for the bundle's own.
    """

    bundle: Bundle
    instrument: str | None = None

    @cached_property
    def slot(self) -> Slot:
        """What it answers for."""
        trained_for = Slot.parse(self.bundle.manifest.slot)
        if not trained_for.is_pool:
            return trained_for
        if self.instrument is None:
            raise ServingError(f"{trained_for} forecasts each of a pool's instruments: say which")
        return replace(trained_for, instrument=self.instrument)

    def _past(self, label: str) -> Any:
        """Return a document about past forecasts: of a pool the instrument's own."""
        document = self.bundle.documents[label]
        if not Slot.parse(self.bundle.manifest.slot).is_pool:
            return document
        if self.instrument not in document:
            raise ServingError(
                f"{self.slot}: version {self.bundle.manifest.version} was trained when there were "
                "no bars of it yet; train again"
            )
        return document[self.instrument]

    @property
    def trained_through(self) -> datetime:
        """When the last outcome that it has learned from became known."""
        return self.bundle.manifest.trained_through

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that its point model takes, in order."""
        return self.bundle.manifest.models[POINT].features

    @property
    def model_type(self) -> str:
        """Family of its point model."""
        return self.bundle.manifest.models[POINT].name

    @cached_property
    def calibration(self) -> ScaleCalibration:
        """Scores of the past, up to the moment of training."""
        return ScaleCalibration.from_document(self._past(CALIBRATION), horizon=self.slot.horizon)

    @cached_property
    def shares(self) -> ShareCalibration:
        """What came of the model's past probabilities; for direction only."""
        return ShareCalibration.from_document(self._past(SHARES))

    def forecast(
        self,
        series: Series,
        as_of: datetime,
        *,
        mode: Mode,
        skill: str,
        renewed: datetime | None = None,
    ) -> Forecast:
        """Say what comes after the last decision up to a moment.

        Parameters
        ----------
        series : Series
            The instrument's.
        as_of : datetime
            The forecast is of the last decision made by then.
        mode : str
            What the forecast counts as.
        skill : str
            The verdict on the model, in words.
        renewed : datetime or None
            When the decision is taken again, by the news since then; None for as it was.

        Raises
        ------
        TrainedLaterError
            If the model saw what became known after the decision.
        OverdueError
            If a live forecast would be issued after its outcome.
        ServingError
            If no bar was known then, or not enough of them for even the naive forecast.
        """
        started = time.perf_counter()
        manifest = self.bundle.manifest
        before = max(entry.window for entry in manifest.models.values()) - 1
        rows = series.tail(as_of, self._since, before)
        rows = rows if renewed is None else rows.renewed(renewed)
        rows = replace(rows, ranged=bool(self.bundle.documents[TERMS]["ranged"]))
        decided = to_utc(rows.decisions.as_of[-1])
        if manifest.trained_through > decided:
            raise TrainedLaterError(
                f"{self.slot}: version {manifest.version} was trained through "
                f"{manifest.trained_through.isoformat()}, after the decision of "
                f"{decided.isoformat()}; a forecast of the past needs a model of then: "
                "use `truecast predict --as-of` or `truecast replay`"
            )
        said = self._say(rows)
        due = _due(rows, self.slot.horizon)
        issued_at = now()
        following = _due(rows, 1)[1]
        if mode == "live" and following <= issued_at:
            raise OverdueError(
                f"{self.slot}: the newest bar is of "
                f"{to_utc(rows.decisions.event_time[-1]).isoformat()}, and the one after it was "
                f"due at {following.isoformat()}, which is past: ingest newer bars"
            )
        return self._forecast(rows, said, due, mode, skill, issued_at, started)

    def restate(self, rows: Dataset, said: Forecast) -> Forecast:
        """Issue a forecast again as it was issued, from rows that were computed in any way.

        Parameters
        ----------
        rows : Dataset
            Of the forecast's instrument; the last row is its decision's.
        said : Forecast
            Gives mode, verdict and moment; all else is said anew.
        """
        started = time.perf_counter()
        rows = replace(rows, ranged=bool(self.bundle.documents[TERMS]["ranged"]))
        due = _due(rows, self.slot.horizon)
        stated = self._say(rows)
        return self._forecast(rows, stated, due, said.mode, said.skill, said.issued_at, started)

    def _say(self, rows: Dataset) -> "_Statement":
        point, baseline, variance = (
            self._predict(label, rows) for label in (POINT, BASELINE, SCALE)
        )
        usable = bool(np.isfinite(point[-1]))
        if not np.isfinite(baseline[-1]):
            raise ServingError(
                f"{self.slot}: the bars known at {to_utc(rows.decisions.as_of[-1]).isoformat()} "
                "are too few or lack what even the naive forecast needs: ingest more history"
            )
        chosen = point[-1] if usable else baseline[-1]
        sure = self._probability(POINT if usable else BASELINE, rows, float(chosen))
        naive = self._probability(BASELINE, rows, float(baseline[-1]))
        missing = None if usable else f"{self._missing(rows)} missing: the naive forecast is given"
        close = float(rows.last_close[-1])
        lower, upper = self._interval(rows, point, variance, close)
        return _Statement(
            float(chosen), float(baseline[-1]), sure, naive, close, lower, upper, missing
        )

    def _predict(self, label: str, rows: Dataset) -> Vector:
        model, entry = self.bundle.models[label], self.bundle.manifest.models[label]
        return model.predict(rows.windows(entry.features, entry.window))

    def _probability(self, label: str, rows: Dataset, said: float) -> float | None:
        """Return how likely a model takes what it says of the last row to be."""
        if self.slot.target == "direction":
            return said
        model, entry = self.bundle.models[label], self.bundle.manifest.models[label]
        if self.slot.target != "regime" or not isinstance(model, Probabilities):
            return None
        newest = rows.windows(entry.features, entry.window)[-1:]
        return float(model.probabilities(newest)[0, int(said)])

    def _missing(self, rows: Dataset) -> str:
        absent = [name for name in self.features if not np.isfinite(rows.feature(name)[-1])]
        return f"features {', '.join(absent)} are" if absent else "the model's answer is"

    def _interval(
        self, rows: Dataset, point: Vector, variance: Vector, close: float
    ) -> tuple[float, float] | tuple[None, None]:
        """Bound the outcome by what came of past forecasts, those since the training too."""
        coverage = float(self.bundle.documents[TERMS]["coverage"])
        as_of, target = rows.decisions.as_of[-1:], self.slot.target
        if target == "regime":
            return None, None
        outcomes = rows.outcomes(self.slot.horizon, to_utc(as_of[0]))
        spoken = self._as_said(rows, point, "said")
        scaled = self._as_said(rows, variance, "variance")
        if target == "direction":
            recent = ShareCalibration.of(spoken, outcomes.up, outcomes.known_at)
            shares = self.shares.joined(recent)
            return shares.band(float(point[-1]), as_of[0], coverage=coverage) or (None, None)
        new = ScaleCalibration.of(
            scaled,
            outcomes.log_return,
            rows.response("volatility", outcomes),
            as_of=rows.decisions.as_of,
            known_at=outcomes.known_at,
            horizon=self.slot.horizon,
        )
        scores = self.calibration.joined(new)
        if target == "volatility":
            band = scores.volatility_band(variance[-1:], as_of, coverage=coverage)
        else:
            band = scores.return_band(variance[-1:], as_of, coverage=coverage)
        ends = tuple(float(end[0]) for end in band)
        if not np.isfinite(ends).all():
            return None, None
        if target == "price":
            return close * float(np.exp(ends[0] / 100)), close * float(np.exp(ends[1] / 100))
        return ends[0], ends[1]

    @property
    def _since(self) -> np.datetime64:
        """Close of the first row whose outcome may become known after the fit."""
        pending = self._past(PENDING)
        return np.datetime64(min([*pending["event_time"], pending["until"]]), "us")

    def _as_said(self, rows: Dataset, own: Vector, label: str) -> Vector:
        """Put what earlier models said of rows before the fit where this one would have spoken."""
        pending = self._past(PENDING)
        closes = rows.decisions.event_time
        said = np.where(closes > np.datetime64(pending["until"]), own, np.nan)
        waiting = np.array(pending["event_time"], dtype="datetime64[us]")
        places = np.searchsorted(closes, waiting)
        if not np.isin(waiting, closes).all():
            raise ServingError(
                f"{self.slot}: bars that version {self.bundle.manifest.version} was trained on are "
                f"not in the lake: train again"
            )
        said[places] = np.array(pending[label], dtype=np.float64)
        return said

    def _forecast(
        self,
        rows: Dataset,
        said: "_Statement",
        due: tuple[date, datetime],
        mode: Mode,
        skill: str,
        issued_at: datetime,
        started: float,
    ) -> Forecast:
        manifest = self.bundle.manifest
        target, as_of = self.slot.target, to_utc(rows.decisions.as_of[-1])
        inputs = self._input_hash(rows)
        terms: Mapping[str, Any] = self.bundle.documents[TERMS]
        return Forecast(
            id=forecast_id(str(self.slot), as_of, due[1], manifest.version, mode, inputs),
            slot=str(self.slot),
            recipe=self.slot.recipe,
            recipe_hash=manifest.recipe_hash,
            source=self.slot.source,
            instrument=self.slot.instrument,
            interval=str(rows.interval),
            target=target,
            horizon=self.slot.horizon,
            mode=mode,
            event_time=to_utc(rows.decisions.event_time[-1]),
            as_of=as_of,
            issued_at=issued_at,
            due_at=due[1],
            today_date=rows.decisions.session[-1].item(),
            predicted_date=due[0],
            last_close=said.close,
            prediction=_worded(target, said.chosen, said.close),
            lower=said.lower,
            upper=said.upper,
            coverage=None if said.lower is None else float(terms["coverage"]),
            probability=said.probability,
            baseline=_worded(target, said.baseline, said.close),
            baseline_probability=said.baseline_probability,
            baseline_name=manifest.models[BASELINE].name,
            skill=skill,
            model_name=str(terms["model"]),
            model_type=self.model_type,
            model_version=manifest.version,
            trained_through=manifest.trained_through,
            features_used=len(set(self.features)),
            input_hash=inputs,
            simulated=bool(terms["simulated"]),
            degraded=said.missing is not None,
            reason=said.missing,
            latency_ms=1000 * (time.perf_counter() - started),
        )

    def _input_hash(self, rows: Dataset) -> str:
        digest = hashlib.sha256()
        for label in sorted(self.bundle.manifest.models):
            entry = self.bundle.manifest.models[label]
            window = rows.windows(entry.features, entry.window)[-1]
            digest.update(np.ascontiguousarray(window, dtype="<f4").tobytes())
        digest.update(np.float64(rows.last_close[-1]).astype("<f8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class _Statement:
    """What the models say, as they say it, and the interval in the forecast's unit."""

    chosen: float
    baseline: float
    probability: float | None
    baseline_probability: float | None
    close: float
    lower: float | None
    upper: float | None
    missing: str | None


def _worded(target: str, said: float, close: float) -> float | str:
    """Turn what a model says into what a forecast says."""
    if target == "direction":
        return "up" if said > 0.5 else "down"
    if target == "regime":
        return REGIMES[int(said)]
    if target == "price":
        return close * float(np.exp(said / 100))
    return float(np.sqrt(said)) if target == "volatility" else said


def _due(rows: Dataset, horizon: int) -> tuple[date, datetime]:
    """Return the session and the moment that the last row's forecast is about."""
    session: date = rows.decisions.session[-1].item()
    if rows.interval.is_daily:
        due = rows.calendar.offset(session, horizon)
        return due, rows.calendar.close_of(due)
    moment = to_utc(rows.decisions.event_time[-1]) + horizon * rows.interval.length
    return rows.calendar.session_of(moment) or session, moment
