"""Fit a slot's models at a moment, and keep each as a bundle."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from truecast.core.bars import PRICES, QUOTES
from truecast.core.clock import to_utc
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.datasets.assembly import Dataset
from truecast.datasets.splits import Fold
from truecast.datasets.targets import Outcomes
from truecast.evaluation.slots import BASELINES
from truecast.features.compute import Market
from truecast.lake.history import BarHistory
from truecast.models.bundle import Part
from truecast.models.manifest import Manifest, Training
from truecast.models.shares import ShareCalibration
from truecast.pipelines.pool import Member, PoolResearcher
from truecast.pipelines.study import Researcher, Study, scale_calibration
from truecast.registry.store import BundleStore
from truecast.serving.answering.labels import (
    BASELINE,
    CALIBRATION,
    PENDING,
    POINT,
    RECIPE,
    SCALE,
    SHARES,
    TERMS,
)
from truecast.training.fit import Trained, Trainer

#: Label of the document that says what a child's network began with.
PARENT = "parent"
#: Rows of real features kept in a bundle with what its models say to them.
CANARY_ROWS = 3
#: How many rows before the horizon may still wait for an outcome that comes late.
PENDING_ROWS = 250


def given_baseline(target: str) -> Choice:
    """Return the naive forecast that goes out beside the champion's: the hardest to beat."""
    return Choice(name=BASELINES[target][-1])


def final_fold(study: Study, newest: int) -> Fold:
    """Return the fold after a row: a model fitted for it has seen all that was known there.

    Parameters
    ----------
    study : Study
        Whose rows.
    newest : int
        The last row that has been decided. A row after it is there where its bar is known and
        its decision is still to come.
    """
    return Fold(len(study.folds), newest + 1, newest + 1, study.dataset.decisions.as_of[newest])


def train(
    store: BundleStore, recipe: Recipe, researcher: Researcher, study: Study, fold: Fold
) -> Manifest:
    """Fit the champion for a fold and save its bundle; see :func:`train_models`."""
    return train_models(store, recipe, researcher, study, fold, [study.champion])[study.champion]


def train_models(
    store: BundleStore,
    recipe: Recipe,
    researcher: Researcher,
    study: Study,
    fold: Fold,
    names: Sequence[str],
) -> dict[str, Manifest]:
    """Fit models for a fold, the naive forecast and the interval's scale; save a bundle for each.

    Parameters
    ----------
    store : BundleStore
        Where bundles are kept.
    recipe : Recipe
        What is being trained.
    researcher : Researcher
        Of the recipe and instrument.
    study : Study
        Says how past forecasts of each model fared.
    fold : Fold
        Nothing that became known after ``fold.as_of`` is seen, in the models or the intervals.
    names : sequence of str
        Which of the study's models.

    Returns
    -------
    dict of str to Manifest
        Of each model's bundle; the same training gives the same version.
    """
    slot, dataset, as_of = study.slot, study.dataset, to_utc(fold.as_of)
    shared = {
        BASELINE: _fit(researcher, given_baseline(slot.target), study, slot.target, fold),
        SCALE: _fit(researcher, researcher.scale, study, "volatility", fold),
    }
    coverage = recipe.targets[slot.target].coverage  # type: ignore[index]
    written = recipe.anywhere().model_dump(mode="json", by_alias=True, exclude={"description"})
    terms = {
        "coverage": coverage,
        "ranged": dataset.ranged,
        "simulated": any(_simulated(one.market) for one in dataset.members.values()),
    }
    versions = learned_from(researcher.trainer, as_of)
    manifests = {}
    for name in names:
        point = researcher.trained(study.choices[name], slot, fold)
        manifests[name] = store.save(
            slot,
            Training(
                slot=str(slot),
                recipe=recipe.name,
                recipe_hash=recipe.hash,
                target=slot.target,
                horizon=slot.horizon,
                trained_from=point.trained_from,
                trained_through=point.trained_through,
                rows=point.rows,
                data_versions=versions,
            ),
            {
                label: _part(one, researcher, fold)
                for label, one in {POINT: point, **shared}.items()
            },
            {
                RECIPE: written,
                TERMS: {"model": name, **terms},
                **({PARENT: point.origin.to_document()} if point.origin else {}),
                **_past(researcher, study, name, fold, coverage),
            },
        )
    return manifests


def _past(
    researcher: Researcher, study: Study, name: str, fold: Fold, coverage: float
) -> dict[str, Any]:
    """Return what came of past forecasts, from which intervals follow; of a pool by instrument."""
    if not isinstance(researcher, PoolResearcher):
        return _past_of_one(study, name, fold, coverage)
    found: dict[str, Any] = {}
    for symbol in researcher.dataset.members:
        own = researcher.member_fold(symbol, fold)
        if own.start:  # it was traded by then
            part = Member(researcher, symbol).part_of(study)
            for label, document in _past_of_one(part, name, own, coverage).items():
                found.setdefault(label, {})[symbol] = document
    return found


def _past_of_one(study: Study, name: str, fold: Fold, coverage: float) -> dict[str, Any]:
    horizon = study.slot.horizon
    outcomes = study.dataset.outcomes(horizon, to_utc(fold.as_of))
    scores = scale_calibration(study.dataset, study.variance, outcomes, horizon)
    found = {
        CALIBRATION: scores.recent(coverage).to_document(),
        PENDING: _pending(study, name, fold, outcomes),
    }
    if study.slot.target == "direction":
        shares = ShareCalibration.of(study.predictions[name], outcomes.up, outcomes.known_at)
        found[SHARES] = shares.recent().to_document()
    return found


def _pending(study: Study, name: str, fold: Fold, outcomes: Outcomes) -> dict[str, Any]:
    """Return what earlier fits of a model said of rows whose outcome was not known at the fit.

    Their outcomes come later, and are scored against these statements, not against what the
    new model would have said.
    """
    closes = study.dataset.decisions.event_time[: fold.start]
    said = study.predictions[name][: fold.start]
    variance = study.variance[: fold.start]
    open_ = np.isnat(outcomes.known_at[: fold.start]) & np.isfinite(variance)
    # Nothing pending is older than this: a row that far back without an outcome has a hole.
    open_[: max(0, fold.start - study.slot.horizon - PENDING_ROWS)] = False
    return {
        "until": str(closes[-1]),
        "event_time": [str(moment) for moment in closes[open_]],
        "variance": variance[open_].tolist(),
        "said": [None if np.isnan(one) else one for one in said[open_].tolist()],
    }


def _simulated(market: Market) -> bool:
    """Whether any of the bars, or of the news that are read beside them, are made up."""
    bars = bool(market.bars.versions["simulated"].any())
    return bars or (market.news is not None and market.news.simulated)


def learned_from(trainer: Trainer, as_of: datetime) -> dict[str, str]:
    """Name what was known of all that an instrument's models learn from: its parent's too."""
    parent = trainer.parent
    inherited = {} if parent is None else data_versions(parent.trainer.dataset, as_of)
    return {**inherited, **data_versions(trainer.dataset, as_of)}


def data_versions(dataset: Dataset, as_of: datetime) -> dict[str, str]:
    """Name what was known of all that a dataset's features are computed from.

    Returns
    -------
    dict of str to str
        Symbol to :func:`fingerprint`, of each instrument of a pool; where news are read, also
        ``silver/news`` to the same of the stories, and ``silver/sentiment`` to the id of what
        scored them.
    """
    found: dict[str, str] = {}
    for symbol, one in dataset.members.items():
        series = {symbol: one.market.bars, **one.market.context}
        found |= {name: fingerprint(history, as_of) for name, history in series.items()}
        if one.market.news is not None:
            found["silver/news"] = one.market.news.fingerprint(as_of)
            found["silver/sentiment"] = one.market.news.scorer
    return found


def fingerprint(history: BarHistory, as_of: datetime) -> str:
    """Name what was known of a series: the same bars have the same name in every lake.

    Returns
    -------
    str
        ``sha256:`` and 64 hexadecimal digits, over times, prices, volumes and quotes of all
        versions known at the moment.
    """
    versions = history.versions.filter(pl.col("known_at") <= as_of)
    digest = hashlib.sha256()
    for name in ("event_time", "known_at", "session", "version", *PRICES, "volume", *QUOTES):
        values = versions[name].to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()
        digest.update(values.astype("<f8").tobytes())
    return f"sha256:{digest.hexdigest()}"


def _fit(researcher: Researcher, choice: Choice, study: Study, target: str, fold: Fold) -> Trained:
    return researcher.trainer.fit(choice, target=target, horizon=study.slot.horizon, fold=fold)


def _part(trained: Trained, researcher: Researcher, fold: Fold) -> Part:
    rows = np.arange(max(0, fold.start - CANARY_ROWS), fold.start)
    last = researcher.dataset.windows(trained.features, trained.model.window, rows)
    return Part(trained.model, trained.features, np.ascontiguousarray(last))
