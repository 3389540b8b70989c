"""Build a version again from the lake as it was known then, and see whether it says the same."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from truecast.core.clock import to_datetime64
from truecast.core.errors import TruecastError, UsageError
from truecast.core.names import suggestion
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.core.slot import Slot
from truecast.datasets.assembly import RATIO, Dataset
from truecast.datasets.pooled import PooledDataset
from truecast.datasets.splits import MIN_TRAINING_ROWS, Fold
from truecast.datasets.targets import F64
from truecast.models.bundle import Bundle
from truecast.models.manifest import CANARY_FILE, ModelEntry
from truecast.pipelines.train import learned_from
from truecast.serving.answering.labels import PENDING, POINT, RECIPE, SCALE, TERMS
from truecast.serving.workspace import Workspace
from truecast.training.fit import Trainer
from truecast.training.transfer import Parent

#: Newest rows before the fit that both are asked about, besides the bundle's canary rows.
ASKED_ROWS = 250


class ReproduceError(TruecastError):
    """A version cannot be built again."""


@dataclass(frozen=True)
class Rebuilt:
    """One model of a bundle beside the one that was fitted again.

    Parameters
    ----------
    label, name : str
        Its place in the bundle, and its family.
    rows : int
        Newest rows that both were asked about.
    difference, canary_difference : float
        Largest difference of what they say, over the largest of what is said: to those rows, and
        to the bundle's canary rows. 0 is equal to the bit.
    tolerance : float
        What is allowed: 0, but for families that say ``refit_tolerance``.
    features : str or None
        What features the new one got that the old one did not, in words; None if the same.
    """

    label: str
    name: str
    rows: int
    difference: float
    canary_difference: float
    tolerance: float
    features: str | None

    @property
    def same(self) -> bool:
        """Whether both say the same."""
        largest = max(self.difference, self.canary_difference)
        return largest <= self.tolerance and self.features is None


@dataclass(frozen=True)
class Reproduction:
    """A version, and what came of building it again.

    Parameters
    ----------
    slot : Slot
        What it forecasts.
    version : str
        Its name.
    trained_through : datetime
        As of when the lake was read.
    models : tuple of Rebuilt
        Each of the bundle's models.
    differing : tuple of str
        In words, each series of which the lake says something else as of then than it did when
        the version was trained.
    """

    slot: Slot
    version: str
    trained_through: datetime
    models: tuple[Rebuilt, ...]
    differing: tuple[str, ...]

    @property
    def reproduced(self) -> bool:
        """Whether every model says what it said."""
        return all(one.same for one in self.models)


def find_run(workspace: Workspace, run: str) -> tuple[Slot, str]:
    """Find a version by its name, or by its slot's and its own as ``SLOT@VERSION``.

    Raises
    ------
    UsageError
        If there is none, or one of several slots is meant.
    """
    place, _, version = run.rpartition("@")
    try:
        slots = [Slot.parse(place)] if place else workspace.registry.slots()
    except ValueError as error:
        raise UsageError(f"{run!r}: {error}") from error
    known = {slot: [one.version for one in workspace.registry.versions(slot)] for slot in slots}
    # A replay keeps bundles that are no versions: they are found by their slot.
    found = [
        slot for slot in slots if version in known[slot] or workspace.bundles.has(slot, version)
    ]
    if not found:
        every = [one for versions in known.values() for one in versions]
        raise UsageError(f"no version {version!r} is known: {suggestion(version, every)}")
    if len(found) > 1:
        raise UsageError(
            f"{version} is a version of {len(found)} slots: say which, such as {found[0]}@{version}"
        )
    return found[0], version


def reproduce(workspace: Workspace, run: str) -> Reproduction:
    """Fit a version's models again on what the lake knew then, and compare what they say.

    Parameters
    ----------
    workspace : Workspace
        Holds the bundle and the lake.
    run : str
        See :func:`find_run`.

    Raises
    ------
    UsageError
        If there is no such version.
    BundleError
        If its bundle is not as it was written.
    ReproduceError
        If the lake lacks what it was made from, or it cannot be fitted again.

    Notes
    -----
    Recipe, parameters and moment are read from the bundle, so neither a recipe that has changed
    nor a tuning that would end otherwise matters. The lake is read as of the moment of the fit:
    what became known later, revisions of older bars too, is not looked at.
    """
    slot, version = find_run(workspace, run)
    bundle = workspace.registry.bundle(slot, version)
    recipe = Recipe.model_validate(bundle.documents[RECIPE])
    moment = bundle.manifest.trained_through
    try:
        trainer = _trainer(workspace, recipe, slot, bundle)
        folder = workspace.bundles.path(slot, version)
        models = tuple(
            _rebuilt(recipe, trainer, bundle, label, folder / label)
            for label in bundle.manifest.models
        )
    except TruecastError as error:
        raise ReproduceError(
            f"{slot}@{version} cannot be built again from what the lake knew at "
            f"{moment.isoformat()}: {error}"
        ) from error
    differing = tuple(_differences(bundle.manifest.data_versions, learned_from(trainer, moment)))
    return Reproduction(slot, version, moment, models, differing)


def _trainer(workspace: Workspace, recipe: Recipe, slot: Slot, bundle: Bundle) -> Trainer:
    """Open what taught the bundle's models, as of then: the instrument, its pool, or its parent."""
    moment, window = bundle.manifest.trained_through, recipe.evaluate.window
    transfer, embargo = recipe.transfer, recipe.split.embargo or 0

    def read(symbol: str) -> Dataset:
        return workspace.dataset(recipe, symbol, moment)

    parent = None
    if transfer is not None and slot.instrument != transfer.parent:
        first = read(transfer.parent)
        ranged = np.isfinite(first.feature(RATIO)).sum() >= MIN_TRAINING_ROWS
        origin = Trainer(replace(first, ranged=bool(ranged)), window, embargo)
        parent = Parent(transfer.parent, transfer, origin)
    dataset: Dataset
    if slot.is_pool:
        dataset = PooledDataset.over({name: read(name) for name in recipe.instruments})
    else:
        dataset = read(slot.instrument)
    ranged = bool(bundle.documents[TERMS]["ranged"])
    return Trainer(replace(dataset, ranged=ranged), window, embargo, parent)


def _fold(dataset: Dataset, bundle: Bundle) -> Fold:
    """Return the fold that the bundle was fitted for: it begins after the last rows it knew."""
    pending = bundle.documents[PENDING]
    # Of a pool there is a document for each instrument that was traded by then.
    of_each = {symbol: pending.get(symbol, pending) for symbol in dataset.members}
    start = sum(
        int(np.searchsorted(one.decisions.event_time, np.datetime64(known["until"]), side="right"))
        for symbol, one in dataset.members.items()
        if "until" in (known := of_each[symbol])
    )
    return Fold(0, start, start, to_datetime64(bundle.manifest.trained_through))


def _rebuilt(recipe: Recipe, trainer: Trainer, bundle: Bundle, label: str, folder: Path) -> Rebuilt:
    """Fit one of a bundle's models again, and ask both."""
    manifest, entry = bundle.manifest, bundle.manifest.models[label]
    fold, dataset = _fold(trainer.dataset, bundle), trainer.dataset
    spec = recipe.targets[manifest.target]  # type: ignore[index]
    trained = trainer.fit(
        Choice(name=entry.name, parameters=entry.parameters),
        target="volatility" if label == SCALE else manifest.target,
        horizon=manifest.horizon,
        fold=fold,
        keep=spec.keep if label == POINT else None,
    )
    old, new = bundle.models[label], trained.model
    tolerance = float(getattr(new, "refit_tolerance", 0.0))
    if trained.features != entry.features:
        words = _features(entry, trained.features)
        return Rebuilt(label, entry.name, 0, np.inf, np.inf, tolerance, words)
    asked = np.arange(max(0, fold.start - ASKED_ROWS), fold.start)
    rows = dataset.windows(entry.features, entry.window, asked)
    canary = json.loads((folder / CANARY_FILE).read_bytes())
    inputs = np.array(canary["inputs"], dtype=np.float32)
    expected = np.array(canary["expected"], dtype=np.float64)
    return Rebuilt(
        label,
        entry.name,
        len(asked),
        difference(new.predict(rows), old.predict(rows)),
        difference(new.predict(inputs), expected),
        tolerance,
        None,
    )


def difference(found: F64, expected: F64) -> float:
    """Return the largest difference over the largest expected value.

    Returns
    -------
    float
        0 if all are equal to the bit, a missing value being equal to another; infinite if one is
        missing and the other is not.
    """
    both: NDArray[np.bool_] = np.isfinite(found) & np.isfinite(expected)
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return float("inf")
    apart = np.abs(found[both] - expected[both])
    largest = float(apart.max(initial=0.0))
    return largest and largest / float(np.abs(expected[both]).max())


def _features(entry: ModelEntry, now: tuple[str, ...]) -> str:
    """Say how the features differ."""
    new = [name for name in now if name not in entry.features]
    gone = [name for name in entry.features if name not in now]
    return f"now with {', '.join(new) or 'no other'}, without {', '.join(gone) or 'none of them'}"


def _differences(then: dict[str, int | str], now: dict[str, str]) -> list[str]:
    """Say of each series what the lake says otherwise than at the training."""
    said = []
    for name in sorted({*then, *now}):
        if name not in now:
            said.append(f"{name} was read then, and is not now")
        elif name not in then:
            said.append(f"{name} is read now, and was not then")
        elif then[name] != now[name]:
            said.append(
                f"{name} is another one as of then: {then[name]} when it was trained, "
                f"{now[name]} now"
            )
    return said
