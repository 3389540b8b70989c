"""What a trained version must pass before it may be promoted, and what it says if it does not."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Gates
from truecast.datasets.assembly import Dataset
from truecast.datasets.splits import Fold, Rows
from truecast.datasets.targets import F64
from truecast.evaluation.scorecard import PartCard
from truecast.evaluation.slots import BASELINES, COMPARED
from truecast.models.bundle import Bundle
from truecast.models.manifest import Manifest
from truecast.pipelines.judge import part_cards
from truecast.pipelines.study import Researcher, Study
from truecast.serving.answering.labels import POINT
from truecast.serving.workspace import Workspace

#: Which part of the outliers that any distribution can have, 1/n² beyond n standard deviations, a
#: feature may have. Heavy tails alone stay below: the kurtosis of an hour's returns has 1.1% of 4%.
OUTLIER_PART = 0.5
#: Most that a graph may differ from what its library says, relative to that.
PARITY = 1e-5
#: One-row answers that a latency is measured on, and those before that only warm up.
ANSWERS, WARMING = 300, 30


@dataclass(frozen=True)
class GateResult:
    """What one gate found.

    Parameters
    ----------
    gate : str
        Its key in the recipe.
    value : float
        What was measured.
    failed : str or None
        In words, why it lets nothing through; None if it was passed.
    """

    gate: str
    value: float
    failed: str | None


def judge_parts(
    gates: Gates, target: str, champion: dict[str, PartCard], naive: dict[str, PartCard]
) -> Iterator[GateResult]:
    """Hold a model's figures on the parts of the split against ``oot_auc`` and ``overfit_gap``.

    Parameters
    ----------
    gates : Gates
        What the recipe asks.
    target : str
        What is forecast.
    champion, naive : dict of str to PartCard
        Of the model and of the naive forecast: ``train``, ``validate``, ``test``, ``oot``.

    Notes
    -----
    The gap of direction is the AUC on the training rows minus the AUC out of time. Losses of
    other targets are not alike in calm and wild times, so theirs is the difference of
    ``1 - loss / naive loss``.
    """
    if gates.oot_auc is not None and target == "direction":
        auc = _figure(champion, "oot", "auc")
        low = not auc >= gates.oot_auc
        said = f"AUC out of time is {auc:.4f}, expected at least {gates.oot_auc:g}"
        yield GateResult("oot_auc", auc, said if low else None)
    if gates.overfit_gap is not None:
        taught, later = (_skill(target, champion, naive, part) for part in ("train", "oot"))
        gap = taught - later
        what = "AUC" if target == "direction" else "the share better than naive"
        said = (
            f"{what} falls from {taught:.4f} on the training rows to {later:.4f} out of time, by "
            f"{gap:.4f}, expected at most {gates.overfit_gap:g}"
        )
        yield GateResult("overfit_gap", gap, None if gap <= gates.overfit_gap else said)


def _figure(parts: dict[str, PartCard], part: str, metric: str) -> float:
    value = parts[part].losses.get(metric) if part in parts else None
    return float("nan") if value is None else value


def _skill(
    target: str, champion: dict[str, PartCard], naive: dict[str, PartCard], part: str
) -> float:
    if target == "direction":
        return _figure(champion, part, "auc")
    metric = COMPARED[target][0]
    base = _figure(naive, part, metric)
    return 1 - _figure(champion, part, metric) / base if base > 0 else float("nan")


def naive_of(target: str) -> str:
    """Return the name of the naive forecast that a gap is measured by."""
    return BASELINES[target][0]


def judge_inputs(
    gates: Gates, dataset: Dataset, features: tuple[str, ...], rows: Rows
) -> Iterator[GateResult]:
    """Hold the training rows' features against ``missing_share`` and ``outliers_sd``.

    Parameters
    ----------
    gates : Gates
        What the recipe asks.
    dataset : Dataset
        Rows of the instrument.
    features : tuple of str
        The inputs of the model.
    rows : array of intp, shape (m,)
        The rows that taught it.

    Notes
    -----
    An outlier lies more than so many standard deviations from the mean of the feature's values in
    these rows. Flags, which have two or three values, have none.

    References
    ----------
    Chebyshev (1867): whatever the distribution, at most 1/n² lie so far out. A feature comes near
    that where a few percent of its rows are of another unit, or of another series.
    """
    if gates.missing_share is None and gates.outliers_sd is None:
        return
    missing, outliers = {}, {}
    for name in features:
        values = dataset.feature(name)[rows]
        there = np.isfinite(values)
        missing[name] = float((~there).mean())
        outliers[name] = _outlying(values[there], gates.outliers_sd or np.inf)
    if gates.missing_share is not None:
        yield _worst("missing_share", missing, gates.missing_share, "of its values missing")
    if gates.outliers_sd is not None:
        what = f"of its values beyond {gates.outliers_sd:g} standard deviations"
        yield _worst("outliers_sd", outliers, OUTLIER_PART / gates.outliers_sd**2, what)


def _outlying(values: F64, deviations: float) -> float:
    if not len(values) or _is_flag(values):
        return 0.0
    distance = np.abs(values - values.mean())
    return float((distance > deviations * values.std()).mean())


def _is_flag(values: F64) -> bool:
    """Say whether there are three values at most."""
    others = values[(values != values.min()) & (values != values.max())]
    return not len(others) or bool((others == others[0]).all())


def _worst(gate: str, shares: dict[str, float], most: float, what: str) -> GateResult:
    name = max(shares, key=shares.__getitem__)
    failing = sum(share > most for share in shares.values())
    said = f"{name} has {shares[name]:.2%} {what}, expected at most {most:.2%}"
    if failing > 1:
        said += f" ({failing} features have more)"
    return GateResult(gate, shares[name], said if failing else None)


def judge_parity(bundle: Bundle) -> Iterator[GateResult]:
    """Hold what serves against what was fitted, where that is something else: asked or not.

    Parameters
    ----------
    bundle : Bundle
        As it will serve. Models that are served by ONNX say by ``parity_`` how far that was from
        their library's own forecasts when they were fitted.
    """
    differences = {model.name: getattr(model, "parity_", None) for model in bundle.models.values()}
    found = {name: float(one) for name, one in differences.items() if one is not None}
    if not found:
        return
    name = max(found, key=found.__getitem__)
    said = f"{name} by ONNX is {found[name]:.2g} from its library's forecasts, {PARITY:g} at most"
    yield GateResult("parity", found[name], None if found[name] <= PARITY else said)


def judge_latency(gates: Gates, bundle: Bundle, dataset: Dataset) -> Iterator[GateResult]:
    """Hold the time of one-row answers by all of a bundle's models against ``latency_ms``.

    Parameters
    ----------
    gates : Gates
        What the recipe asks.
    bundle : Bundle
        As it will serve.
    dataset : Dataset
        Its last rows are asked about, one at a time.
    """
    if gates.latency_ms is None:
        return
    entries = bundle.manifest.models
    last = np.arange(max(0, len(dataset) - ANSWERS - WARMING), len(dataset))
    rows = {
        label: np.ascontiguousarray(dataset.windows(entry.features, entry.window, last))
        for label, entry in entries.items()
    }
    took = np.empty(len(last))
    for place in range(len(last)):
        started = time.perf_counter()
        for label, windows in rows.items():
            bundle.models[label].predict(windows[place : place + 1])
        took[place] = 1000 * (time.perf_counter() - started)
    p99 = float(np.quantile(took[WARMING:] if len(took) > WARMING else took, 0.99))
    said = f"99 of 100 answers take up to {p99:.1f} ms, expected {gates.latency_ms:g}"
    yield GateResult("latency_ms", p99, said if p99 > gates.latency_ms else None)


@dataclass
class Gatekeeper:
    """Holds the versions of one slot against the recipe's gates.

    Parameters
    ----------
    workspace, recipe : Workspace, Recipe
        Where bundles are, and what is asked.
    researcher, study : Researcher, Study
        Of the slot.
    fold : Fold
        For which the versions were fitted.
    """

    workspace: Workspace
    recipe: Recipe
    researcher: Researcher
    study: Study
    fold: Fold
    _inputs: dict[tuple[str, ...], list[GateResult]] = field(default_factory=dict)

    def judge(self, name: str, manifest: Manifest) -> list[GateResult]:
        """Judge a model's version; the naive forecast passes every gate."""
        slot, gates, study = self.study.slot, self.recipe.gates, self.study
        naive = naive_of(slot.target)
        if name == naive:
            return []
        bundle = self.workspace.bundles.load(slot, manifest.version)
        parity = list(judge_parity(bundle))
        if gates == Gates(skill=gates.skill):
            return parity
        return [
            *judge_parts(gates, slot.target, self._cards[name], self._cards[naive]),
            *self._judged_inputs(manifest.models[POINT].features),
            *judge_latency(gates, bundle, study.dataset),
            *parity,
        ]

    @cached_property
    def _cards(self) -> dict[str, dict[str, PartCard]]:
        return part_cards(self.study)

    def _judged_inputs(self, features: tuple[str, ...]) -> list[GateResult]:
        if features not in self._inputs:
            slot = self.study.slot
            rows = self.researcher.trainer.rows(slot.target, slot.horizon, self.fold)
            judged = judge_inputs(self.recipe.gates, self.study.dataset, features, rows)
            self._inputs[features] = list(judged)
        return self._inputs[features]
