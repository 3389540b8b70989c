"""From trained versions to the one that answers: train, judge, promote, roll back."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError, suggestion
from truecast.core.recipe import Recipe
from truecast.core.slot import Slot
from truecast.evaluation.scorecard import Champion, Scorecard
from truecast.models.manifest import Manifest
from truecast.pipelines.contest import contest
from truecast.pipelines.fanout import Fitted, Plan, fit, walk
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Study
from truecast.registry.records import PROMOTE, ROLLBACK
from truecast.registry.registry import ChampionRecord, NoChampionError, VersionRecord
from truecast.serving.answering.standings import noted
from truecast.serving.door.audit import LOCAL
from truecast.serving.planning import candidates, champion_slots
from truecast.serving.workspace import Workspace, decided_by, latest

#: From where whoever can use this machine changes a champion.
COMMAND_LINE = "command line"
#: Version of a model that has been chosen but not trained.
UNTRAINED = "untrained"


def train_slots(studies: Studies) -> list[VersionRecord]:
    """Fit every candidate of each slot on all that is known, and register a version of each.

    Nothing is promoted: the champions go on answering.

    Returns
    -------
    list of VersionRecord
        The chosen version of each slot: the best candidate on the validation rows, or the naive
        forecast where the recipe requires skill and none was shown. ``held`` says why it does not
        replace the champion, if so; see :func:`truecast.pipelines.contest.contest`.
    """
    walk(studies)
    plans = [_plan(studies, slot) for slot in champion_slots(studies.recipe)]
    fitted = fit(studies, plans)
    return [_register(studies, plan, fitted[plan.slot]) for plan in plans]


def _plan(studies: Studies, slot: Slot) -> Plan:
    """Choose a slot's champion, and say what is fitted of it."""
    decisions = studies.researcher(slot.instrument).dataset.decisions
    newest_row = decided_by(decisions, latest(decisions, studies.recipe))
    studies.study(slot)  # its own look counts as well
    champion = studies.gated(slot, decisions.as_of[newest_row], studies.trials(slot)).champion
    # The chosen one last: what is registered last is the newest of equals.
    names = [*dict.fromkeys([*candidates(studies.recipe, slot.target), champion])]
    return Plan(slot, champion, tuple(sorted(names, key=champion.__eq__)), newest_row)


def _register(studies: Studies, plan: Plan, fitted: Mapping[str, Fitted]) -> VersionRecord:
    recipe, workspace, slot = studies.recipe, studies.workspace, plan.slot
    found = studies.study(slot)
    study = replace(found, champion=plan.champion)
    metric = studies.researcher(slot.instrument).metric(slot).name
    beside = contest(workspace, recipe, study, shown=study.champion == found.champion)
    for name in plan.names:
        manifest, gated = workspace.bundles.manifest(slot, fitted[name].version), fitted[name].gated
        losses = {f"validation_{metric}": found.validation_losses.get(name)}
        chosen = name == study.champion
        said, held = _reason(found, study, name, metric), None
        if chosen and beside is not None:
            said, held = f"{said}; {beside.said}", None if beside.won else beside.said
        record = workspace.registry.register(
            slot,
            manifest,
            name=name,
            reason=_kept(workspace, slot, manifest) or said,
            metrics={
                **{name: loss for name, loss in losses.items() if loss is not None},
                **{f"gate_{one.gate}": one.value for one in gated},
            },
            blocked="; ".join(one.failed for one in gated if one.failed) or None,
            chosen=chosen,
            held=held,
        )
    return record


def _kept(workspace: Workspace, slot: Slot, manifest: Manifest) -> str | None:
    """Return why the present champion became it, if this is its version: that stays as it was."""
    try:
        champion = workspace.registry.champion(slot)
    except NoChampionError:
        return None
    if champion.version != manifest.version:
        return None
    return workspace.registry.find(slot, manifest.version).reason


def _reason(study: Study, gated: Study, name: str, metric: str) -> str:
    """Say in words why a model was chosen, or was not."""
    losses = ", ".join(f"{other} {loss:.5g}" for other, loss in study.validation_losses.items())
    figures = f"{metric} on the validation rows: {losses}"
    if name != gated.champion:
        return f"{gated.champion} was chosen; {figures}"
    if gated.champion == study.champion:
        return f"best {figures}"
    return (
        f"no skill shown by {study.champion} on the evaluation rows, and the recipe requires it "
        f"(best {figures})"
    )


def judge_versions(workspace: Workspace, card: Scorecard) -> None:
    """Write each verdict on the version that it is about, so that its forecasts carry it."""
    for one in card.slots:
        slot = Slot.parse(one.slot)
        for model in one.models:
            version = _judged_version(workspace, card, slot, one.champion, model.name)
            if version is None:
                continue
            losses = {name: loss for name, loss in model.losses.items() if loss is not None}
            workspace.registry.judge(slot, version, skill=model.verdict, metrics=losses)


def _judged_version(
    workspace: Workspace, card: Scorecard, slot: Slot, champion: Champion, name: str
) -> str | None:
    """Return the version that a card's figures of a model are about, None if there is none."""
    if name == champion.name:
        return None if champion.version == UNTRAINED else champion.version
    trained = [
        one
        for one in workspace.registry.versions(slot)
        if one.recipe_hash == card.recipe_hash and one.name == name
    ]
    return max(trained, key=lambda one: one.trained_through).version if trained else None


def _promotable(workspace: Workspace, recipe: Recipe, slot: Slot) -> VersionRecord:
    found = workspace.registry.candidate(slot, recipe.hash)
    if found is not None:
        return found
    trained = workspace.registry.versions(slot)
    other = "only versions trained by another version of the recipe" if trained else "no version"
    raise UsageError(f"{slot} has {other} yet: run `truecast train {recipe.typed}`")


def promote(
    workspace: Workspace,
    recipe: Recipe,
    versions: Sequence[VersionRecord] | None = None,
    *,
    by_hand: bool = False,
) -> list[ChampionRecord]:
    """Make versions the champions of their slots: those given, or the newest of each slot.

    Versions that failed a gate are left out, and those that do not beat the champion as they
    should, unless they are named by hand: the champions of their slots stay; see
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
        versions = [_promotable(workspace, recipe, slot) for slot in champion_slots(recipe)]
    versions = [one for one in versions if one.blocked is None and (by_hand or not one.held)]
    for one in versions:  # all are looked at before any is promoted
        registry.bundle(one.slot, one.version)
    return [
        registry.promote(
            one.slot,
            one.version,
            reason=one.promoted_because,
            noting=noted(one.slot, PROMOTE, LOCAL, COMMAND_LINE),
        )
        for one in versions
    ]


def held_back(workspace: Workspace, recipe: Recipe) -> list[str]:
    """Say of each slot whose newest version is not promoted why, who answers, and what to do."""
    return [said for slot in champion_slots(recipe) if (said := stuck(workspace, recipe, slot))]


def stuck(workspace: Workspace, recipe: Recipe, slot: Slot) -> str | None:
    """Say why the newest version of a slot does not serve, and what to do; None if it may.

    A version that failed a gate can be asked by its model's name only; one that was held can be
    promoted by its own.
    """
    found, name = workspace.registry.candidate(slot, recipe.hash), recipe.typed
    if found is None or (found.blocked is None and found.held is None):
        return None
    try:
        champion = workspace.registry.champion(slot).version
        goes_on = f"the champion stays {champion}"
    except NoChampionError:
        champion, goes_on = None, "nothing answers for the slot yet"
    if champion == found.version and found.blocked is None:
        return None
    ask = f"`truecast predict {name} --model {shlex.quote(found.name)}` asks it all the same"
    if found.blocked is not None:
        do = (
            f"{ask}; to let a model serve, change the gate or the models in the recipe and run "
            f"`truecast train {name}` and `truecast promote {name}`"
        )
    else:
        do = f"{ask}, `truecast promote {name} --version {found.version}` makes it the champion"
    why = found.blocked or found.held
    return f"{slot}: {found.version} is not promoted: {why}; {goes_on}; {do}"


def named(workspace: Workspace, recipe: Recipe, version: str) -> list[VersionRecord]:
    """Find a recipe's version by its name.

    Raises
    ------
    UsageError
        If there is none of that name, it failed a gate, or another version of the recipe trained
        it.
    """
    trained = [one for slot in champion_slots(recipe) for one in workspace.registry.versions(slot)]
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
                f"answer otherwise than this one says; run `truecast train {recipe.typed}`"
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
    slots = [slot for slot in champion_slots(recipe) if target in {None, slot.target}]
    if not slots:
        raise UnknownNameError("target", str(target), recipe.targets)
    for slot in slots:  # all are looked at before any is changed
        try:
            workspace.registry.previous(slot)
        except NoChampionError as error:
            raise error.typed(recipe.typed) from error
    return [
        workspace.registry.rollback(
            slot,
            reason="rolled back by hand",
            noting=noted(slot, ROLLBACK, LOCAL, COMMAND_LINE),
        )
        for slot in slots
    ]
