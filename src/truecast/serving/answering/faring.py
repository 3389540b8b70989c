"""How what a bundle says has fared: past forecasts' scores, which bound the next one."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truecast.core.clock import to_utc
from truecast.core.slot import Slot
from truecast.datasets.assembly import Dataset
from truecast.models.base import Vector
from truecast.models.bundle import Bundle
from truecast.models.calibration import ScaleCalibration
from truecast.models.shares import ShareCalibration
from truecast.serving.answering.labels import CALIBRATION, PENDING, POINT, SCALE, SHARES, TERMS
from truecast.serving.answering.series import Rows
from truecast.serving.errors import ServingError


@dataclass(frozen=True)
class Faring:
    """Scores of past forecasts: those that the bundle holds, and of what came since.

    Parameters
    ----------
    bundle : Bundle
        Loaded and checked.
    slot : Slot
        What it answers for.
    past : callable
        Returns a document about past forecasts by its label: of a pool the instrument's own.
    """

    bundle: Bundle
    slot: Slot
    past: Callable[[str], Any]

    @cached_property
    def calibration(self) -> ScaleCalibration:
        """Scores of the past, up to the moment of training."""
        return ScaleCalibration.from_document(self.past(CALIBRATION), horizon=self.slot.horizon)

    @cached_property
    def shares(self) -> ShareCalibration:
        """What came of the model's past probabilities; for direction only."""
        return ShareCalibration.from_document(self.past(SHARES))

    @cached_property
    def coverage(self) -> float:
        """What share of outcomes the interval is to hold."""
        return float(self.bundle.documents[TERMS]["coverage"])

    @cached_property
    def before(self) -> int:
        """How many rows before its own a forecast needs."""
        return max(entry.window for entry in self.bundle.manifest.models.values()) - 1

    @cached_property
    def since(self) -> np.datetime64:
        """Close of the first row whose outcome may become known after the fit."""
        pending = self.past(PENDING)
        return np.datetime64(min([*pending["event_time"], pending["until"]]), "us")

    def scores(self, rows: Rows) -> ScaleCalibration | ShareCalibration:
        """Return how past forecasts have fared up to the newest bar."""
        past = self._fared(rows.past)
        if not rows.open:
            return past.scores
        places = np.arange(len(rows.newest) - rows.open, len(rows.newest))
        return self._followed(
            past.scores, rows.newest.last(rows.open), self._own(rows.newest, places)
        )

    @cached_property
    def _kept(self) -> "deque[_Past]":
        return deque(maxlen=1)

    def _fared(self, rows: Dataset) -> "_Past":
        """Return what was said of rows in the lake and how it has fared: once for the same rows."""
        kept = self._kept
        if kept and kept[-1].rows is rows:
            return kept[-1]
        closes = rows.decisions.event_time
        first = max(0, int(np.searchsorted(closes, self.since)) - self.before)
        own = rows.last(len(rows) - first)
        said = self._said_of(own)
        known = self.shares if self.slot.target == "direction" else self.calibration
        kept.append(_Past(rows, said, self._followed(known, own, said)))
        return kept[-1]

    def _followed(
        self, past: ScaleCalibration | ShareCalibration, rows: Dataset, said: Vector
    ) -> ScaleCalibration | ShareCalibration:
        """Return past scores and those of rows, as far as their outcome is known by the last."""
        as_of = rows.decisions.as_of
        outcomes = rows.outcomes(self.slot.horizon, to_utc(as_of[-1]))
        if isinstance(past, ShareCalibration):
            return past.joined(ShareCalibration.of(said, outcomes.up, outcomes.known_at))
        later = ScaleCalibration.of(
            said,
            outcomes.log_return,
            rows.response("volatility", outcomes),
            as_of=as_of,
            known_at=outcomes.known_at,
            horizon=self.slot.horizon,
        )
        return past.followed(later, self.coverage)

    def _said_of(self, rows: Dataset) -> Vector:
        """Return what was said of rows: before the fit by earlier models, since then by this one.

        For direction the probability of a rise, else the expected variance.
        """
        pending = self.past(PENDING)
        closes = rows.decisions.event_time
        said = np.full(len(rows), np.nan)
        own = np.flatnonzero(closes > np.datetime64(pending["until"]))
        if len(own):
            said[own] = self._own(rows, own)
        waiting = np.array(pending["event_time"], dtype="datetime64[us]")
        places = np.searchsorted(closes, waiting)
        if (np.searchsorted(closes, waiting, side="right") == places).any():
            raise ServingError(
                f"{self.slot}: bars that version {self.bundle.manifest.version} was trained on are "
                "not in the lake: train again"
            )
        name = "said" if self.slot.target == "direction" else "variance"
        said[places] = np.array(pending[name], dtype=np.float64)
        return said

    def _own(self, rows: Dataset, places: NDArray[np.intp]) -> Vector:
        """Return what this model says of some rows, as :meth:`_said_of` does."""
        label = POINT if self.slot.target == "direction" else SCALE
        entry = self.bundle.manifest.models[label]
        windows = rows.windows(entry.features, entry.window, places)
        return self.bundle.models[label].predict(windows)


@dataclass(frozen=True, eq=False)
class _Past:
    """Rows in the lake, what was said of each (NaN where nothing was), and how that has fared."""

    rows: Dataset
    said: Vector
    scores: ScaleCalibration | ShareCalibration
