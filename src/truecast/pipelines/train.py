"""Fit a slot's champion at a moment, and keep it as a bundle."""

import hashlib
from datetime import datetime

import numpy as np

from truecast.core.bars import PRICES
from truecast.core.clock import to_utc
from truecast.core.recipe import Choice, Recipe
from truecast.datasets.splits import Fold
from truecast.lake.history import BarHistory
from truecast.models.bundle import Part
from truecast.models.calibration import ShareCalibration
from truecast.models.manifest import Manifest, Training
from truecast.pipelines.study import Researcher, Study, scale_calibration
from truecast.registry.store import BundleStore
from truecast.serving.forecaster import BASELINE, CALIBRATION, POINT, SCALE, SHARES, TERMS
from truecast.training.fit import Trained

#: Rows of real features kept in a bundle with what its models say to them.
CANARY_ROWS = 3


def final_fold(study: Study, as_of: np.datetime64) -> Fold:
    """Return the fold after the last row: a model fitted for it has seen all that is known."""
    rows = len(study.dataset)
    return Fold(len(study.folds), rows, rows, as_of)


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
        BASELINE: _fit(researcher, Choice(name="naive"), study, slot.target, fold),
        SCALE: _fit(researcher, researcher.scale, study, "volatility", fold),
    }
    as_of = to_utc(fold.as_of)
    outcomes = dataset.outcomes(slot.horizon, as_of)
    scores = scale_calibration(dataset, study.variance, outcomes, slot.horizon)
    documents = {
        CALIBRATION: scores.to_document(),
        TERMS: {
            "model": study.champion,
            "coverage": recipe.targets[slot.target].coverage,  # type: ignore[index]
            "simulated": bool(dataset.market.bars.versions["simulated"].any()),
        },
    }
    if slot.target == "direction":
        said = study.predictions[study.champion]
        shares = ShareCalibration.of(said, outcomes.up, outcomes.known_at)
        documents[SHARES] = shares.to_document()
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
            data_versions={
                symbol: fingerprint(history, as_of)
                for symbol, history in (
                    (slot.instrument, dataset.market.bars),
                    *dataset.market.context.items(),
                )
            },
        ),
        {label: _part(one, researcher, fold) for label, one in trained.items()},
        documents,
    )


def fingerprint(history: BarHistory, as_of: datetime) -> str:
    """Name what was known of a series: the same bars have the same name in every lake.

    Returns
    -------
    str
        ``sha256:`` and 64 hexadecimal digits, over times, prices and volumes of the bars as
        known at the moment.
    """
    bars = history.known(as_of)
    digest = hashlib.sha256(bars["event_time"].to_physical().to_numpy().tobytes())
    for name in (*PRICES, "volume"):
        values = bars[name].fill_null(float("nan")).to_numpy()
        digest.update(values.astype("<f8").tobytes())
    return f"sha256:{digest.hexdigest()}"


def _fit(researcher: Researcher, choice: Choice, study: Study, target: str, fold: Fold) -> Trained:
    return researcher.trainer.fit(choice, target=target, horizon=study.slot.horizon, fold=fold)


def _part(trained: Trained, researcher: Researcher, fold: Fold) -> Part:
    windows = researcher.dataset.windows(trained.features, trained.model.window)
    last = windows[max(0, fold.start - CANARY_ROWS) : fold.start]
    return Part(trained.model, trained.features, np.ascontiguousarray(last))
