"""Issue forecasts from a bundle: nothing is fitted here."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np

from truecast.core.clock import now, to_utc
from truecast.core.forecast import Forecast, Mode, forecast_id
from truecast.core.labels import REGIMES
from truecast.core.slot import Slot
from truecast.datasets.assembly import Dataset
from truecast.models.base import Probabilities, Vector
from truecast.models.bundle import Bundle
from truecast.models.shares import ShareCalibration
from truecast.serving.answering.faring import Faring
from truecast.serving.answering.labels import BASELINE, PENDING, POINT, SCALE, TERMS
from truecast.serving.answering.series import Rows, Series
from truecast.serving.errors import OverdueError, ServingError, TrainedLaterError

#: What a forecast says of a model that no evaluation has judged.
NOT_EVALUATED = "not evaluated yet"


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

    @cached_property
    def faring(self) -> Faring:
        """How what it says has fared."""
        return Faring(self.bundle, self.slot, self._past)

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
        manifest, horizon = self.bundle.manifest, self.slot.horizon
        ranged = bool(self.bundle.documents[TERMS]["ranged"])
        rows = series.rows(
            as_of,
            self.faring.since,
            self.faring.before,
            horizon=horizon,
            fitted=np.datetime64(self._past(PENDING)["until"], "us"),
            ranged=ranged,
        )
        if renewed is not None:
            rows = Rows.of(rows.newest.renewed(renewed))
        decided = to_utc(rows.newest.decisions.as_of[-1])
        if manifest.trained_through > decided:
            raise TrainedLaterError(
                f"{self.slot}: version {manifest.version} was trained through "
                f"{manifest.trained_through.isoformat()}, after the decision of "
                f"{decided.isoformat()}; a forecast of the past needs a model of then: "
                "use `truecast predict --as-of` or `truecast replay`"
            )
        said = self._say(rows)
        due = _due(rows.newest, horizon)
        issued_at = now()
        following = due[1] if horizon == 1 or mode != "live" else _due(rows.newest, 1)[1]
        if mode == "live" and following <= issued_at:
            raise OverdueError(
                f"{self.slot}: the newest bar is of "
                f"{to_utc(rows.newest.decisions.event_time[-1]).isoformat()}, and the one after "
                f"it was due at {following.isoformat()}, which is past: ingest newer bars"
            )
        return self._forecast(rows.newest, said, due, mode, skill, issued_at, started)

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
        stated = self._say(Rows.of(rows))
        return self._forecast(rows, stated, due, said.mode, said.skill, said.issued_at, started)

    def _say(self, rows: Rows) -> "_Statement":
        newest = rows.newest
        point, baseline, variance = (
            float(self._predict(label, newest)[0]) for label in (POINT, BASELINE, SCALE)
        )
        usable = bool(np.isfinite(point))
        if not np.isfinite(baseline):
            raise ServingError(
                f"{self.slot}: the bars known at {to_utc(newest.decisions.as_of[-1]).isoformat()} "
                "are too few or lack what even the naive forecast needs: ingest more history"
            )
        chosen = point if usable else baseline
        sure = self._probability(POINT if usable else BASELINE, newest, chosen)
        naive = self._probability(BASELINE, newest, baseline)
        missing = None
        if not usable:
            missing = f"{self._missing(newest)} missing: the naive forecast is given"
        lower, upper = self._interval(rows, point, variance)
        return _Statement(chosen, baseline, sure, naive, rows.close, lower, upper, missing)

    def _predict(self, label: str, rows: Dataset) -> Vector:
        """Return what a model says of the last row, shape (1,)."""
        model, entry = self.bundle.models[label], self.bundle.manifest.models[label]
        return model.predict(rows.last(entry.window).windows(entry.features, entry.window)[-1:])

    def _probability(self, label: str, rows: Dataset, said: float) -> float | None:
        """Return how likely a model takes what it says of the last row to be."""
        if self.slot.target == "direction":
            return said
        model, entry = self.bundle.models[label], self.bundle.manifest.models[label]
        if self.slot.target != "regime" or not isinstance(model, Probabilities):
            return None
        newest = rows.last(entry.window).windows(entry.features, entry.window)[-1:]
        return float(model.probabilities(newest)[0, int(said)])

    def _missing(self, rows: Dataset) -> str:
        absent = [name for name in self.features if not np.isfinite(rows.feature(name)[-1])]
        return f"features {', '.join(absent)} are" if absent else "the model's answer is"

    def _interval(
        self, rows: Rows, point: float, variance: float
    ) -> tuple[float, float] | tuple[None, None]:
        """Bound the outcome by what came of past forecasts, those since the training too."""
        as_of, target = rows.newest.decisions.as_of[-1:], self.slot.target
        if target == "regime":
            return None, None
        scores = self.faring.scores(rows)
        if isinstance(scores, ShareCalibration):
            return scores.band(point, as_of[0], coverage=self.faring.coverage) or (None, None)
        bound = scores.volatility_band if target == "volatility" else scores.return_band
        band = bound(np.array([variance]), as_of, coverage=self.faring.coverage)
        ends = tuple(float(end[0]) for end in band)
        if not np.isfinite(ends).all():
            return None, None
        if target == "price":
            ends = tuple(rows.close * float(np.exp(end / 100)) for end in ends)
        return ends[0], ends[1]

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
        inputs = self._input_hash(rows, said.close)
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

    def _input_hash(self, rows: Dataset, close: float) -> str:
        digest = hashlib.sha256()
        for label in sorted(self.bundle.manifest.models):
            entry = self.bundle.manifest.models[label]
            window = rows.last(entry.window).windows(entry.features, entry.window)[-1]
            digest.update(np.ascontiguousarray(window, dtype="<f4").tobytes())
        digest.update(np.float64(close).astype("<f8").tobytes())
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
