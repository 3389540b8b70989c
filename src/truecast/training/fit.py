"""Fit a model with what was known at a moment, and nothing else."""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from truecast.core.clock import to_utc
from truecast.core.errors import TruecastError
from truecast.core.recipe_parts import Choice
from truecast.core.threads import one_thread
from truecast.datasets.assembly import Dataset
from truecast.datasets.splits import MIN_TRAINING_ROWS, Fold, Rows, teachable
from truecast.datasets.targets import F64
from truecast.models.base import Model, takes_inputs
from truecast.models.catalog import create
from truecast.models.nets import Net
from truecast.training.select import strongest
from truecast.training.transfer import Origin, Parent


class TrainingError(TruecastError):
    """A model cannot be fitted on what is known."""


@dataclass(frozen=True)
class Trained:
    """A fitted model and the rows that taught it.

    Attributes
    ----------
    model : Model
        Fitted.
    features : tuple of str
        Columns it takes, in order.
    rows : int
        Number of training rows.
    trained_from : datetime
        Decision of the first training row.
    trained_through : datetime
        Moment of the fit: nothing that became known later was seen.
    origin : Origin or None
        What the model began with, if it is a parent's child.
    """

    model: Model
    features: tuple[str, ...]
    rows: int
    trained_from: datetime
    trained_through: datetime
    origin: Origin | None = None


@dataclass(frozen=True)
class Trainer:
    """Fits models on one dataset, fold by fold.

    Parameters
    ----------
    dataset : Dataset
        Rows of one instrument.
    window : int or None
        Training rows at most; None for all that are known.
    embargo : int
        Rows left out before each fold.
    parent : Parent or None
        Whose networks those of this instrument begin with; None for chance.
    """

    dataset: Dataset
    window: int | None = None
    embargo: int = 0
    parent: Parent | None = None

    def known_by(self, moment: np.datetime64) -> "Trainer":
        """Return a trainer on what was known at a moment, of the parent too, and no more."""
        parent = None if self.parent is None else self.parent.known_by(moment)
        return replace(self, dataset=self.dataset.known_by(moment), parent=parent)

    def fit(
        self,
        choice: Choice,
        *,
        target: str,
        horizon: int,
        fold: Fold,
        keep: int | None = None,
    ) -> Trained:
        """Fit a model for the rows of a fold.

        Parameters
        ----------
        choice : Choice
            Name and parameters of the model.
        target : str
            What it forecasts.
        horizon : int
            Bars ahead.
        fold : Fold
            Rows whose outcome was known at ``fold.as_of`` teach the model.
        keep : int or None
            How many of the recipe's features the model gets, by :func:`strongest` of the same
            rows; None for all. Features of its own it always gets.

        Raises
        ------
        TrainingError
            If fewer than 250 outcomes were known.

        Notes
        -----
        A model of a pool is told how many rows its outcomes reach over: the horizon's bars of each
        instrument. Rows that it holds out from its own fit are so many behind those that teach it.
        """
        model = create(choice, where=f"targets.{target}.models")
        y = self._response(target, horizon, fold)
        rows = self._taught_by(y, horizon, fold)
        if len(rows) < MIN_TRAINING_ROWS:
            raise TrainingError(
                f"{choice.name} for {target}: expected at least {MIN_TRAINING_ROWS} known outcomes "
                f"at {fold.as_of}, got {len(rows)}; start the evaluation later or ingest more "
                f"history (the features need {self.dataset.plan.lookback(None)} bars before "
                "the first row)"
            )
        features = self._features(model, rows, y[rows], keep)
        X = self.dataset.windows(features, model.window, rows)
        first, origin = to_utc(self.dataset.decisions.as_of[rows[0]]), None
        # Models with features of their own learn one series, and forecast by its bars.
        reach = horizon * (len(self.dataset.members) if takes_inputs(model) else 1)
        # However many fits are shared out, and among how many workers, each gives the same bits.
        with one_thread("blas"):
            if self.parent is not None and isinstance(model, Net):
                start, origin = self.parent.start(
                    model, choice, target=target, horizon=horizon, fold=fold
                )
                model.fit_from(start, X, y[rows], target=target, horizon=horizon)
            else:
                model.fit(X, y[rows], target=target, horizon=reach)
        return Trained(model, features, len(rows), first, to_utc(fold.as_of), origin)

    def _features(self, model: Model, rows: Rows, y: F64, keep: int | None) -> tuple[str, ...]:
        inputs = self.dataset.inputs
        features = features_of(model, self.dataset)
        if keep is None or keep >= len(inputs) or features == model.features(()):
            return features
        kept = strongest(self.dataset.windows(inputs, 1, rows)[:, 0, :], y, keep)
        return model.features(tuple(inputs[place] for place in kept))

    def rows(self, target: str, horizon: int, fold: Fold) -> Rows:
        """Return the rows that teach a fold's model of a target."""
        return self._taught_by(self._response(target, horizon, fold), horizon, fold)

    def _taught_by(self, y: F64, horizon: int, fold: Fold) -> Rows:
        return teachable(
            fold,
            self.dataset.outcomes(horizon).known_at,
            np.isfinite(y),
            window=self.window,
            embargo=self.embargo,
        )

    def _response(self, target: str, horizon: int, fold: Fold) -> F64:
        known = self.dataset.outcomes(horizon, to_utc(fold.as_of))
        return self.dataset.response(target, known)


def features_of(model: Model, dataset: Dataset) -> tuple[str, ...]:
    """Return the columns that a model takes: its own, or those that the recipe names."""
    return model.features(dataset.inputs)
