"""One model over all instruments of a recipe: its study, and each instrument's part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.core.slot import Slot
from truecast.datasets.assembly import Dataset
from truecast.datasets.pooled import PooledDataset
from truecast.datasets.splits import Fold, Parts, Rows
from truecast.datasets.targets import F64, DatasetError
from truecast.evaluation.scorecard import Champion
from truecast.evaluation.slots import IntervalForecasts, SlotForecasts
from truecast.models.base import Model
from truecast.models.catalog import create
from truecast.pipelines.judge import part_cards, slot_forecasts
from truecast.pipelines.study import Researcher, Study
from truecast.serving.planning import candidates
from truecast.training.fit import Trained

#: Why the card of a pool illustrates no trading.
NO_TRADING = (
    "no trading is illustrated for a pool: one capital trades one instrument, and the recipe does "
    "not say how several would share it"
)


class PoolResearcher(Researcher):
    """Studies the slots of a pooled recipe, over the rows of all its instruments."""

    dataset: PooledDataset

    def check(self, slot: Slot) -> None:
        """Refuse models that learn one series, and bars without a range.

        Raises
        ------
        UsageError
            If a candidate takes features of its own, as GARCH or ARIMA do, which know only how one
            series goes on.
        DatasetError
            If bars of an instrument have no open, high and low, which scale the intervals.
        """
        for name, choice in candidates(self.recipe, slot.target).items():
            if create(choice, where=f"targets.{slot.target}.models").features(()):
                raise UsageError(
                    f"{name} learns from one series and cannot be pooled: name models that learn "
                    "from the recipe's features, such as ridge, lightgbm or random_forest"
                )
        if not self.dataset.ranged:
            raise DatasetError(
                f"{self.recipe.name}: a pool's intervals are scaled by ranges, and the bars have "
                "no open, high and low before the validation part; read a source that has them"
            )

    def member_rows(self, symbol: str, part: slice) -> slice:
        """Return where a part of the pool's rows lies among an instrument's own."""
        rows = self.dataset.rows_of[symbol]
        start, stop = np.searchsorted(rows, [part.start, part.stop])
        return slice(int(start), int(stop))

    def member_fold(self, symbol: str, fold: Fold) -> Fold:
        """Return an instrument's rows of a fold of the pool; there may be none."""
        own = self.member_rows(symbol, slice(fold.start, fold.stop))
        return Fold(fold.number, own.start, own.stop, fold.as_of)


class Member(Researcher):
    """One instrument of a pool: its own rows, and the pool's parts, folds and models.

    Parameters
    ----------
    pool : Researcher
        Of all instruments.
    symbol : str
        One of them.
    """

    def __init__(self, pool: Researcher, symbol: str) -> None:
        if not isinstance(pool, PoolResearcher):
            raise TypeError(f"expected the researcher of a pool, got {type(pool).__name__}")
        self.pool, self.symbol = pool, symbol
        self.recipe = pool.recipe
        self.dataset = pool.dataset.members[symbol]
        self.trainer = replace(pool.trainer, dataset=self.dataset)
        self.parts = Parts(
            **{
                name: pool.member_rows(symbol, getattr(pool.parts, name))
                for name in Parts.__dataclass_fields__
            }
        )
        self.scale = pool.scale
        self.folds = tuple(pool.member_fold(symbol, fold) for fold in pool.folds)
        self._rows = range(self.parts.validate.start, len(self.dataset))

    def part_of(self, study: Study) -> Study:
        """Return the instrument's part of the pool's study."""
        rows = self.pool.dataset.rows_of[self.symbol]
        slot = replace(study.slot, instrument=self.symbol)

        def own(said: dict[str, F64]) -> dict[str, F64]:
            return {name: values[rows] for name, values in said.items()}

        return replace(
            study,
            slot=slot,
            dataset=self.dataset,
            parts=self.parts,
            folds=self.folds,
            predictions=own(study.predictions),
            variance=study.variance[rows],
            outcomes=self.dataset.outcomes(slot.horizon),
            in_sample=own(study.in_sample),
        )

    def pooled_fold(self, fold: Fold) -> Fold:
        """Return the pool's fold that one of this instrument's is a part of."""
        return next(one for one in self.pool.folds if one.number == fold.number)

    def choices(self, slot: Slot) -> dict[str, Choice]:
        """Return every model that is run for the pool."""
        return self.pool.choices(slot.pool)

    def variance(self, horizon: int) -> F64:
        """Return the pool's forecasts of variance for this instrument's rows."""
        return self.pool.variance(horizon)[self.pool.dataset.rows_of[self.symbol]]

    def trained(self, choice: Choice, slot: Slot, fold: Fold) -> Trained:
        """Fit a model on the rows of the whole pool."""
        return self.pool.trained(choice, slot.pool, self.pooled_fold(fold))

    def last_fit(self, slot: Slot, name: str) -> tuple[Model, tuple[str, ...]]:
        """Return the pool's model as fitted for the evaluation's last rows."""
        return self.pool.last_fit(slot.pool, name)


def instruments_of(dataset: Dataset) -> dict[str, pl.Series]:
    """Return the column that says which instrument each row of a pool is of; else none."""
    if not isinstance(dataset, PooledDataset):
        return {}
    symbols = pl.Series([*dataset.of_each], dtype=pl.String)
    return {"instrument": symbols.gather(dataset.place.tolist())}


def forecasts_of(
    researcher: Researcher,
    study: Study,
    recipe: Recipe,
    rows: Rows,
    *,
    champion: Champion,
    trials: int,
    importances: Mapping[str, float],
    data_versions: Mapping[str, str],
) -> SlotForecasts:
    """Hand a study's rows over to be judged; see :func:`truecast.pipelines.judge.slot_forecasts`.

    Those of a pool are its instruments' rows in the order of time: each with its own interval,
    which knows what came of that instrument's forecasts alone.
    """
    told = {"champion": champion, "trials": trials, "data_versions": data_versions}
    if not isinstance(researcher, PoolResearcher):
        return slot_forecasts(study, recipe, rows, importances=importances, **told)  # type: ignore[arg-type]
    parts, where = [], []
    for symbol, own in researcher.dataset.rows_of.items():
        judged = np.flatnonzero(np.isin(own, rows))
        if len(judged):
            part = Member(researcher, symbol).part_of(study)
            parts.append(slot_forecasts(part, recipe, judged, **told))  # type: ignore[arg-type]
            where.append(own[judged])
    order = np.argsort(np.concatenate(where))

    def joined(values: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate(values)[order]

    def column(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return None if any(one is None for one in values) else joined(values)

    first = parts[0]
    names = ("event_time", "session", "last_close", "mean_return", "volatility")
    return replace(
        first,
        slot=str(study.slot),
        instrument=study.slot.instrument,
        **{name: column(name) for name in names},
        outcomes={key: joined([one.outcomes[key] for one in parts]) for key in first.outcomes},
        forecasts={key: joined([one.forecasts[key] for one in parts]) for key in first.forecasts},
        intervals={key: _joined_intervals(key, parts, order) for key in first.intervals},
        naive_scale=None,  # each instrument has another
        trading=None,
        simulated=any(part.simulated for part in parts),
        assumed_share=float(np.mean([part.assumed_share for part in parts])),
        importances=dict(importances),
        parts=part_cards(study),
        notes=(
            NO_TRADING,
            *(f"{part.instrument}: {note}" for part in parts for note in part.notes),
        ),
        pooled=True,
    )


def _joined_intervals(name: str, parts: list[SlotForecasts], order: Rows) -> IntervalForecasts:
    each = [part.intervals[name] for part in parts]
    quantiles = [one.quantiles for one in each if one.quantiles is not None]
    return replace(
        each[0],
        lower=np.concatenate([one.lower for one in each])[order],
        upper=np.concatenate([one.upper for one in each])[order],
        quantiles=np.concatenate(quantiles)[order] if len(quantiles) == len(each) else None,
    )
