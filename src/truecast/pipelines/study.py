"""The study of a slot: every model walked forward beside the naive ones, and a champion chosen.

Models are refitted on the recipe's grid and forecast on identical dates. The champion is chosen
on the validation rows alone; the evaluation rows after them are for the report.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.core.slot import Slot
from truecast.datasets.assembly import RATIO, Dataset
from truecast.datasets.splits import (
    MIN_TRAINING_ROWS,
    Fold,
    Parts,
    Rows,
    fold_rows,
    part_folds,
)
from truecast.datasets.targets import F64, Outcomes
from truecast.evaluation.metrics import Metric, metric_for
from truecast.evaluation.slots import COMPARED
from truecast.evaluation.walkforward import walk_forward
from truecast.models.base import Model
from truecast.models.calibration import ScaleCalibration
from truecast.models.catalog import create
from truecast.models.ensemble import Ensemble, combined
from truecast.models.shares import ShareCalibration
from truecast.serving.planning import candidates, roster, scales
from truecast.training.fit import Trained, Trainer, TrainingError
from truecast.training.transfer import Parent
from truecast.training.tune import Tuned

#: Training rows that a model is asked again: all, or so many evenly spaced ones.
ASKED_AGAIN = 100_000


@dataclass(frozen=True)
class Study:
    """What a slot's models forecast on the same dates, and which was chosen.

    Attributes
    ----------
    slot : Slot
        Which one.
    dataset : Dataset
        n rows.
    parts : Parts
        Where validation and evaluation lie.
    folds : tuple of Fold
        The grid of refits, over all rows.
    choices : dict of str to Choice
        Every model that was run.
    predictions : dict of str to array of float64, shape (n,)
        As models predict; NaN before validation.
    variance : array of float64, shape (n,)
        Variance a bar, percent², forecast by the model that scales the intervals; as early as
        it could be fitted.
    outcomes : Outcomes
        What came of each row, as known now.
    validation_losses : dict of str to float
        Of the candidates, by the metric of selection.
    champion : str
        The candidate with the best of them.
    in_sample : dict of str to array of float64, shape (n,)
        What the models fitted for the first validation row say of the rows that taught them:
        of all, or of 100,000 evenly spaced ones. NaN elsewhere.
    scaled_by : str
        The model that ``variance`` is of.
    tried : tuple of Choice
        What the tuning of the candidates tried on the validation rows; empty without one.
    """

    slot: Slot
    dataset: Dataset
    parts: Parts
    folds: tuple[Fold, ...]
    choices: dict[str, Choice]
    predictions: dict[str, F64]
    variance: F64
    outcomes: Outcomes
    validation_losses: dict[str, float]
    champion: str
    in_sample: dict[str, F64] = field(default_factory=dict)
    scaled_by: str = ""
    tried: tuple[Choice, ...] = ()

    @cached_property
    def scale(self) -> ScaleCalibration:
        """How far outcomes fell from the expected volatility, in order of knowing."""
        return scale_calibration(self.dataset, self.variance, self.outcomes, self.slot.horizon)

    @cached_property
    def shares(self) -> ShareCalibration:
        """What came of the champion's probabilities; for direction only."""
        return ShareCalibration.of(
            self.predictions[self.champion], self.outcomes.up, self.outcomes.known_at
        )


def scale_calibration(
    dataset: Dataset, variance: F64, outcomes: Outcomes, horizon: int
) -> ScaleCalibration:
    """Score forecasts of variance against what came of them."""
    return ScaleCalibration.of(
        variance,
        outcomes.log_return,
        dataset.response("volatility", outcomes),
        as_of=dataset.decisions.as_of,
        known_at=outcomes.known_at,
        horizon=horizon,
    )


class Researcher:
    """Studies the slots of one recipe and instrument, sharing what they have in common.

    Parameters
    ----------
    recipe : Recipe
        What to study.
    dataset : Dataset
        Rows of one of its instruments.
    parent : Parent or None
        Whose networks its own begin with.
    """

    def __init__(self, recipe: Recipe, dataset: Dataset, parent: Parent | None = None) -> None:
        self.recipe = recipe
        self.parts = dataset.parts(recipe)
        # Rows of training say whether bars have a range, before anything is forecast.
        ratio = dataset.feature(RATIO)[: self.parts.validate.start]
        self.dataset = replace(dataset, ranged=bool(np.isfinite(ratio).sum() >= MIN_TRAINING_ROWS))
        self.trainer = Trainer(
            self.dataset, recipe.evaluate.window, recipe.split.embargo or 0, parent
        )
        self.folds = tuple(self._cut())
        self._rows = range(self.parts.validate.start, len(dataset))
        self._variances: dict[int, F64] = {}
        self._last_fits: dict[tuple[Slot, str], tuple[Model, tuple[str, ...]]] = {}
        self._tuned: dict[Slot, Mapping[str, Tuned]] = {}

    def _cut(self) -> Iterator[Fold]:
        decisions, refit_every = self.dataset.decisions, self.recipe.evaluate.refit_every
        if refit_every == "part":
            return part_folds(self.parts, decisions.as_of)
        return fold_rows(
            decisions.session,
            decisions.as_of,
            anchor=self.parts.evaluation.start,
            refit_every=refit_every,
            calendar=self.dataset.calendar,
        )

    def adopt(self, slot: Slot, tuned: Mapping[str, Tuned]) -> None:
        """Take the parameters that a tuning found for a slot's candidates, by their names."""
        self._tuned[slot] = tuned

    def tuned_parameters(self, slot: Slot) -> dict[str, dict[str, Any]]:
        """Return what a tuning found, by the candidate's name; empty without one."""
        return {name: found.choice.parameters for name, found in self._tuned.get(slot, {}).items()}

    def choices(self, slot: Slot) -> dict[str, Choice]:
        """Return every model that is run for a slot, with the parameters that tuning found.

        A member of an ensemble that is a candidate itself has the candidate's parameters.
        """
        models, tuned = roster(self.recipe, slot.target), self._tuned.get(slot, {})
        found = [(models[name], one.choice) for name, one in tuned.items()]
        for name, choice in models.items():
            models[name] = tuned[name].choice if name in tuned else _with_members(choice, found)
        return models

    def check(self, slot: Slot) -> None:
        """Refuse a slot that these bars cannot have.

        Raises
        ------
        UsageError
            If volatility is asked of bars without open, high and low.
        """
        if slot.target == "volatility" and not self.dataset.ranged:
            raise UsageError(
                f"{slot.instrument}: volatility is measured by ranges, and the bars have no open, "
                "high and low before the validation part; leave the target out, or read a source "
                "that has them"
            )

    def walk(
        self, slot: Slot, progress: Callable[[], None]
    ) -> tuple[dict[str, F64], dict[str, F64]]:
        """Walk every model of a slot forward, from validation to the last row.

        An ensemble of models that are walked anyway is their mean, and is not fitted again.

        Returns
        -------
        dict, dict
            What each model predicts, and what it says of the rows that taught it; see
            :attr:`Study.in_sample`.
        """
        fitted, means = self._walked(slot)
        folds = self.folds_over(self._rows)
        taught = evenly(self.trainer.rows(slot.target, slot.horizon, folds[0]), ASKED_AGAIN)
        in_sample = {name: np.full(len(self.dataset), np.nan) for name in fitted}

        def watch(name: str, fold: Fold, model: Model, features: tuple[str, ...]) -> None:
            if fold is folds[0]:
                said = model.predict(self.dataset.windows(features, model.window, taught))
                in_sample[name][taught] = said
            if fold is self._last_evaluated:
                self._last_fits[slot, name] = model, features
            progress()

        predictions = walk_forward(
            self.dataset,
            folds,
            fitted,
            lambda choice, fold: self.fit(choice, slot, fold),
            watch=watch,
        )
        for name, members in means.items():
            for said in (predictions, in_sample):
                said[name] = combined([said[member] for member in members], slot.target)
        return predictions, in_sample

    def last_fit(self, slot: Slot, name: str) -> tuple[Model, tuple[str, ...]]:
        """Return a model as fitted for the evaluation's last rows, and the columns it takes."""
        if (slot, name) not in self._last_fits:
            choice = self.choices(slot)[name]
            self._last_fits[slot, name] = self.fit(choice, slot, self._last_evaluated)
        return self._last_fits[slot, name]

    @property
    def _last_evaluated(self) -> Fold:
        part = self.parts.evaluation
        return self.folds_over(range(part.start, part.stop))[-1]

    def study(
        self,
        slot: Slot,
        predictions: dict[str, F64],
        variance: F64,
        in_sample: dict[str, F64] | None = None,
    ) -> Study:
        """Choose the champion of models that have been walked forward.

        Parameters
        ----------
        slot : Slot
            Which.
        predictions : dict of str to array of float64, shape (n,)
            Of every model of the slot; see :meth:`walk`.
        variance : array of float64, shape (n,)
            See :meth:`variance`.
        in_sample : dict of str to array of float64, shape (n,), or None
            See :attr:`Study.in_sample`.
        """
        outcomes = self.dataset.outcomes(slot.horizon)
        losses = self._validation_losses(slot, predictions, outcomes)
        best = min if self.metric(slot).lower_is_better else max
        return Study(
            slot=slot,
            dataset=self.dataset,
            parts=self.parts,
            folds=self.folds,
            choices=self.choices(slot),
            predictions=predictions,
            variance=variance,
            outcomes=outcomes,
            validation_losses=losses,
            champion=best(losses, key=losses.__getitem__),
            in_sample=in_sample or {},
            scaled_by=self.scale.name,
            tried=tuple(one for found in self._tuned.get(slot, {}).values() for one in found.tried),
        )

    def fits(self, slot: Slot) -> int:
        """Return how many models :meth:`walk` fits for a slot."""
        return len(self.folds_over(self._rows)) * len(self._walked(slot)[0])

    def _walked(self, slot: Slot) -> tuple[dict[str, Choice], dict[str, list[str]]]:
        """Tell the models to be fitted from the ensembles of these: name to names of members."""
        fitted = self.choices(slot)
        means: dict[str, list[str]] = {}
        for name, choice in list(fitted.items()):
            of = [Choice.model_validate(one) for one in choice.parameters.get("of", ())]
            members = [other for member in of for other in fitted if fitted[other] == member]
            weighed = choice.parameters.get("weights", "equal") != "equal"
            if choice.name == Ensemble.name and not weighed and len(members) == len(of):
                means[name] = members
                del fitted[name]
        return fitted, means

    def variance(self, horizon: int) -> F64:
        """Walk the model that scales the intervals forward from where it can first be fitted."""
        if horizon not in self._variances:
            slot = Slot(self.recipe.name, "", self.dataset.market.symbol, "volatility", horizon)
            self._variances[horizon] = walk_forward(
                self.dataset,
                self._teachable_folds(horizon),
                {"scale": self.scale},
                lambda choice, fold: self.fit(choice, slot, fold),
            )["scale"]
        return self._variances[horizon]

    @cached_property
    def scale(self) -> Choice:
        """The model whose volatility scales the intervals: see ``scales``."""
        *better, last = scales(self.recipe)
        before = self.parts.validate.start
        there = (one for one in better if self._whole(one)[:before].sum() >= MIN_TRAINING_ROWS)
        return next(there, last)

    def _whole(self, choice: Choice) -> NDArray[np.bool_]:
        """Mark the rows that have all features of a model that takes its own."""
        names = create(choice, where="scale").features(())
        columns = np.column_stack([self.dataset.feature(name) for name in names])
        return np.asarray(np.isfinite(columns).all(axis=1))

    def fit(self, choice: Choice, slot: Slot, fold: Fold) -> tuple[Model, tuple[str, ...]]:
        """Fit a model of a slot for a fold; return it and the columns that it takes."""
        trained = self.trained(choice, slot, fold)
        return trained.model, trained.features

    def trained(self, choice: Choice, slot: Slot, fold: Fold) -> Trained:
        """Fit a model of a slot for a fold, on the features that the recipe lets it have."""
        keep = self.keep(slot.target)
        return self.trainer.fit(
            choice, target=slot.target, horizon=slot.horizon, fold=fold, keep=keep
        )

    def keep(self, target: str) -> int | None:
        """Return how many of the recipe's features a model of a target gets; None for all."""
        spec = self.recipe.targets.get(target)  # type: ignore[call-overload]
        return None if spec is None else spec.keep

    def folds_over(self, rows: range) -> Sequence[Fold]:
        """Return the folds that hold any of the rows."""
        return [fold for fold in self.folds if fold.start < rows.stop and fold.stop > rows.start]

    def _teachable_folds(self, horizon: int) -> Sequence[Fold]:
        """Return the folds from the first on that has rows enough to fit the scale on."""
        whole = self._whole(self.scale)
        for place, fold in enumerate(self.folds):
            rows = self.trainer.rows("volatility", horizon, fold)
            if whole[rows].sum() >= MIN_TRAINING_ROWS:
                return self.folds[place:]
        return ()

    def metric(self, slot: Slot) -> Metric:
        """Return the metric by which a slot's champion is chosen."""
        select = self.recipe.targets[slot.target].select or COMPARED[slot.target][0]  # type: ignore[index]
        return metric_for(select, slot.target, where=f"targets.{slot.target}.select")

    def _validation_losses(
        self, slot: Slot, predictions: dict[str, F64], outcomes: Outcomes
    ) -> dict[str, float]:
        """Score the candidates on validation rows whose outcome was known before the evaluation."""
        names = tuple(candidates(self.recipe, slot.target))
        found = self.validation_losses(slot, {name: predictions[name] for name in names}, outcomes)
        if found is None:
            edge = self.dataset.decisions.as_of[self.parts.evaluation.start]
            raise TrainingError(
                f"{slot}: no validation row has an outcome known before {edge}; "
                "lengthen split.validate"
            )
        return found

    def validation_losses(
        self, slot: Slot, predictions: dict[str, F64], outcomes: Outcomes
    ) -> dict[str, float] | None:
        """Score models on the validation rows that all of them forecast.

        Parameters
        ----------
        slot : Slot
            What they forecast.
        predictions : dict of str to array of float64, shape (n,)
            As models predict; NaN where they did not.
        outcomes : Outcomes
            Those that became known after the evaluation's first decision are not looked at.

        Returns
        -------
        dict of str to float, or None
            By the slot's metric; None if there is no such row.
        """
        metric = self.metric(slot)
        edge = self.dataset.decisions.as_of[self.parts.evaluation.start]
        rows = np.arange(self.parts.validate.start, self.parts.validate.stop)
        observed, forecast = in_units(self.dataset, slot, outcomes, predictions)
        truth = observed[metric.proxy]
        usable = (outcomes.known_at[rows] <= edge) & np.isfinite(truth[rows])
        for values in forecast.values():
            usable &= np.isfinite(values[rows])
        if not usable.any():
            return None
        rows = rows[usable]
        if slot.is_pool:
            sessions = outcomes.due_session[rows]
            return {
                name: metric.score_by_session(sessions, truth[rows], said[rows])
                for name, said in forecast.items()
            }
        return {name: metric.score(truth[rows], said[rows]) for name, said in forecast.items()}


def _with_members(choice: Choice, tuned: Sequence[tuple[Choice, Choice]]) -> Choice:
    """Return an ensemble whose members are the candidates as tuned; another model as it is."""
    if choice.name != Ensemble.name or not tuned:
        return choice
    of = []
    for member in choice.parameters.get("of", ()):
        plain = Choice.model_validate(member)
        found = next((new for old, new in tuned if old == plain), None)
        of.append(member if found is None else {found.name: found.parameters})
    return choice.model_copy(update={"parameters": {**choice.parameters, "of": of}})


def evenly(rows: Rows, most: int) -> Rows:
    """Return rows that are spaced evenly among the given ones, at most so many."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]


def in_units(
    dataset: Dataset, slot: Slot, outcomes: Outcomes, predictions: dict[str, F64]
) -> tuple[dict[str, F64], dict[str, F64]]:
    """Return outcomes and forecasts in the units in which they are judged.

    Returns
    -------
    dict, dict
        Outcomes by proxy, forecasts by model; arrays of shape (n,). Prices for price, variance
        a bar in percent² for volatility, percent for return, probability of up for direction.
    """
    if slot.target == "volatility":
        observed = {
            "gk": dataset.response("volatility", outcomes),
            "r2": outcomes.squared_return,
        }
        return observed, predictions
    if slot.target == "price":
        close = dataset.last_close
        prices = {name: price_of(close, values) for name, values in predictions.items()}
        return {"value": outcomes.close}, prices
    return {"value": dataset.response(slot.target, outcomes)}, predictions


def price_of(close: F64, log_return: F64) -> F64:
    """Return the price that a log return in percent leads to: ``close · exp(r / 100)``."""
    return np.asarray(close * np.exp(log_return / 100))
