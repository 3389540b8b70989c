"""From trained versions to the one that answers: train, judge, promote, roll back."""

from collections.abc import Sequence

from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError, suggestion
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Gates
from truecast.core.slot import Slot
from truecast.datasets.splits import Fold
from truecast.evaluation.scorecard import Scorecard
from truecast.models.manifest import Manifest
from truecast.pipelines.gates import (
    GateResult,
    judge_inputs,
    judge_latency,
    judge_parts,
    naive_of,
)
from truecast.pipelines.judge import part_cards
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Researcher, Study
from truecast.pipelines.train import final_fold, train
from truecast.registry.registry import ChampionRecord, NoChampionError, VersionRecord
from truecast.serving.forecaster import POINT
from truecast.serving.workspace import Workspace, decided_by, latest, slots_of

#: Version of a model that has been chosen but not trained.
UNTRAINED = "untrained"


def train_slots(studies: Studies) -> list[VersionRecord]:
    """Choose each slot's model on the validation rows, fit it on all that is known, register it.

    Nothing is promoted: the champions go on answering.
    """
    recipe, workspace = studies.recipe, studies.workspace
    records = []
    for slot in slots_of(recipe):
        researcher = studies.researcher(slot.instrument)
        decisions = researcher.dataset.decisions
        newest_row = decided_by(decisions, latest(decisions, recipe))
        studies.study(slot)  # its own look counts as well
        study = studies.gated(slot, decisions.as_of[newest_row], studies.trials(slot))
        fold = final_fold(study, newest_row)
        manifest = train(workspace.bundles, recipe, researcher, study, fold)
        found = _gated(workspace, recipe, researcher, study, fold, manifest)
        chosen, metric = studies.study(slot), researcher.metric(slot).name
        losses = {f"validation_{metric}": chosen.validation_losses.get(study.champion)}
        records.append(
            workspace.registry.register(
                slot,
                manifest,
                name=study.champion,
                reason=_reason(chosen, study, metric),
                metrics={
                    **{name: loss for name, loss in losses.items() if loss is not None},
                    **{f"gate_{one.gate}": one.value for one in found},
                },
                blocked="; ".join(one.failed for one in found if one.failed) or None,
            )
        )
    return records


def _gated(
    workspace: Workspace,
    recipe: Recipe,
    researcher: Researcher,
    study: Study,
    fold: Fold,
    manifest: Manifest,
) -> list[GateResult]:
    """Hold a trained version against the recipe's gates; the naive forecast passes them all."""
    slot, gates = study.slot, recipe.gates
    naive = naive_of(slot.target)
    if gates == Gates(skill=gates.skill) or study.champion == naive:
        return []
    cards, entry = part_cards(study), manifest.models[POINT]
    rows = researcher.trainer.rows(slot.target, slot.horizon, fold)
    bundle = workspace.bundles.load(slot, manifest.version)
    return [
        *judge_parts(gates, slot.target, cards[study.champion], cards[naive]),
        *judge_inputs(gates, study.dataset, entry.features, rows),
        *judge_latency(gates, bundle, study.dataset),
    ]


def _reason(study: Study, gated: Study, metric: str) -> str:
    """Say in words why a model is the champion."""
    losses = ", ".join(f"{name} {loss:.5g}" for name, loss in study.validation_losses.items())
    chosen = f"best {metric} on the validation rows: {losses}"
    if gated.champion == study.champion:
        return chosen
    return (
        f"no skill shown by {study.champion} on the evaluation rows, and the recipe requires it "
        f"({chosen})"
    )


def judge_versions(workspace: Workspace, card: Scorecard) -> None:
    """Write each verdict on the version that it is about, so that its forecasts carry it."""
    for slot in card.slots:
        if slot.champion.version == UNTRAINED:
            continue
        judged = slot.judged
        losses = {name: loss for name, loss in judged.losses.items() if loss is not None}
        workspace.registry.judge(
            Slot.parse(slot.slot), slot.champion.version, skill=judged.verdict, metrics=losses
        )


def newest(workspace: Workspace, recipe: Recipe, slot: Slot) -> VersionRecord | None:
    """Return the version that this recipe trained on most, or None.

    It is judged, and promoted unless another one is named.
    """
    trained = workspace.registry.versions(slot)[::-1]  # of equals, the one registered last
    fitting = [one for one in trained if one.recipe_hash == recipe.hash]
    return max(fitting, key=lambda one: one.trained_through, default=None)


def _promotable(workspace: Workspace, recipe: Recipe, slot: Slot) -> VersionRecord:
    found = newest(workspace, recipe, slot)
    if found is not None:
        return found
    trained = workspace.registry.versions(slot)
    other = "only versions trained by another version of the recipe" if trained else "no version"
    raise UsageError(f"{slot} has {other} yet: run `truecast train {recipe.name}`")


def promote(
    workspace: Workspace, recipe: Recipe, versions: Sequence[VersionRecord] | None = None
) -> list[ChampionRecord]:
    """Make versions the champions of their slots: those given, or the newest of each slot.

    Versions that failed a gate are left out, and the champions of their slots stay: see
    :func:`held_back`.

    Raises
    ------
    UsageError
        If a slot has no version trained by this recipe.
    BundleError
        If a bundle is not as it was written; nothing is changed then.
    """
    registry = workspace.registry
    if versions is None:
        versions = [_promotable(workspace, recipe, slot) for slot in slots_of(recipe)]
    versions = [one for one in versions if one.blocked is None]
    for one in versions:  # all are looked at before any is promoted
        registry.bundle(one.slot, one.version)
    return [registry.promote(one.slot, one.version, reason=one.reason) for one in versions]


def held_back(workspace: Workspace, recipe: Recipe) -> list[str]:
    """Say of each slot whose newest version failed a gate why, and who answers instead."""
    registry, notices = workspace.registry, []
    for slot in slots_of(recipe):
        found = newest(workspace, recipe, slot)
        if found is None or found.blocked is None:
            continue
        try:
            goes_on = f"the champion stays {registry.champion(slot).version}"
        except NoChampionError:
            goes_on = "nothing answers for the slot yet"
        notices.append(f"{slot}: {found.version} is not promoted: {found.blocked}; {goes_on}")
    return notices


def named(workspace: Workspace, recipe: Recipe, version: str) -> list[VersionRecord]:
    """Find a recipe's version by its name.

    Raises
    ------
    UsageError
        If there is none of that name, it failed a gate, or another version of the recipe trained
        it.
    """
    trained = [one for slot in slots_of(recipe) for one in workspace.registry.versions(slot)]
    found = [one for one in trained if one.version == version]
    if not found:
        known = [one.version for one in trained]
        raise UsageError(f"{recipe.name} has no version {version!r}: {suggestion(version, known)}")
    for one in found:
        if one.blocked is not None:
            raise UsageError(f"{one.slot}: {version} cannot be promoted: {one.blocked}")
        if one.recipe_hash != recipe.hash:
            raise UsageError(
                f"{one.slot}: {version} was trained by another version of the recipe, which would "
                f"answer otherwise than this one says; run `truecast train {recipe.name}`"
            )
    return found


def rollback(
    workspace: Workspace, recipe: Recipe, target: str | None = None
) -> list[ChampionRecord]:
    """Give each slot of a recipe, or of one of its targets, the champion before its present one.

    Raises
    ------
    UsageError
        If the recipe has no such target, or a slot has no champion to go back to.
    """
    slots = [slot for slot in slots_of(recipe) if target in {None, slot.target}]
    if not slots:
        raise UnknownNameError("target", str(target), recipe.targets)
    for slot in slots:  # all are looked at before any is changed
        workspace.registry.previous(slot)
    return [workspace.registry.rollback(slot, reason="rolled back by hand") for slot in slots]
