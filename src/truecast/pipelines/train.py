"""Fit a slot's champion at a moment, and keep it as a bundle."""

import hashlib
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from truecast.core.bars import PRICES, QUOTES
from truecast.core.clock import to_utc
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.datasets.splits import Fold
from truecast.datasets.targets import Outcomes
from truecast.evaluation.slots import BASELINES
from truecast.features.compute import Market
from truecast.lake.history import BarHistory
from truecast.models.bundle import Part
from truecast.models.manifest import Manifest, Training
from truecast.models.shares import ShareCalibration
from truecast.pipelines.study import Researcher, Study, scale_calibration
from truecast.registry.store import BundleStore
from truecast.serving.forecaster import (
    BASELINE,
    CALIBRATION,
    PENDING,
    POINT,
    RECIPE,
    SCALE,
    SHARES,
    TERMS,
)
from truecast.training.fit import Trained

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
    """Fit the champion, the naive forecast and the interval's scale for a fold; save the bundle.

    Parameters
    ----------
    store : BundleStore
        Where bundles are kept.
    recipe : Recipe
        What is being trained.
    researcher : Researcher
        Of the recipe and instrument.
    study : Study
        Says which model is the champion, and how past forecasts fared.
    fold : Fold
        Nothing that became known after ``fold.as_of`` is seen, in the models or the intervals.

    Returns
    -------
    Manifest
        Of the bundle; the same training gives the same version.
    """
    slot, dataset = study.slot, study.dataset
    trained = {
        POINT: _fit(researcher, study.choices[study.champion], study, slot.target, fold),
        BASELINE: _fit(researcher, given_baseline(slot.target), study, slot.target, fold),
        SCALE: _fit(researcher, researcher.scale, study, "volatility", fold),
    }
    as_of = to_utc(fold.as_of)
    coverage = recipe.targets[slot.target].coverage  # type: ignore[index]
    outcomes = dataset.outcomes(slot.horizon, as_of)
    scores = scale_calibration(dataset, study.variance, outcomes, slot.horizon)
    documents = {
        RECIPE: recipe.anywhere().model_dump(mode="json", by_alias=True, exclude={"description"}),
        CALIBRATION: scores.recent(coverage).to_document(),
        PENDING: _pending(study, fold, outcomes),
        TERMS: {
            "model": study.champion,
            "coverage": coverage,
            "ranged": dataset.ranged,
            "simulated": _simulated(dataset.market),
        },
    }
    if slot.target == "direction":
        said = study.predictions[study.champion]
        shares = ShareCalibration.of(said, outcomes.up, outcomes.known_at)
        documents[SHARES] = shares.recent().to_document()
    point = trained[POINT]
    return store.save(
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
            data_versions=data_versions(dataset.market, as_of),
        ),
        {label: _part(one, researcher, fold) for label, one in trained.items()},
        documents,
    )


def _pending(study: Study, fold: Fold, outcomes: Outcomes) -> dict[str, Any]:
    """Return what earlier models said of rows whose outcome was not known at the fit.

    Their outcomes come later, and are scored against these statements, not against what the
    new model would have said.
    """
    closes = study.dataset.decisions.event_time[: fold.start]
    said = study.predictions[study.champion][: fold.start]
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


def data_versions(market: Market, as_of: datetime) -> dict[str, str]:
    """Name what was known of all that features are computed from.

    Returns
    -------
    dict of str to str
        Symbol to :func:`fingerprint`; where news are read, also ``silver/news`` to the same of
        the stories, and ``silver/sentiment`` to the id of what scored them.
    """
    series = {market.symbol: market.bars, **market.context}
    found = {symbol: fingerprint(history, as_of) for symbol, history in series.items()}
    if market.news is not None:
        found["silver/news"] = market.news.fingerprint(as_of)
        found["silver/sentiment"] = market.news.scorer
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
    windows = researcher.dataset.windows(trained.features, trained.model.window)
    last = windows[max(0, fold.start - CANARY_ROWS) : fold.start]
    return Part(trained.model, trained.features, np.ascontiguousarray(last))
