"""The model cards of a recipe's versions: written beside the report, and shown by MLflow."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from truecast.core.clock import now
from truecast.core.slot import Slot, escape
from truecast.evaluation.scorecard import Scorecard, SlotCard
from truecast.evaluation.scoring import SlotPlots, plots_of
from truecast.evaluation.versioncard import (
    CardData,
    CardGates,
    VersionCard,
    as_champion,
    card_limits,
    read_card,
    write_card,
)
from truecast.models.bundle import Bundle
from truecast.models.manifest import BundleError
from truecast.pipelines.judge import importances_of
from truecast.pipelines.studies import Studies
from truecast.registry.errors import RegistryError
from truecast.registry.registry import NoChampionError, VersionRecord
from truecast.serving.answering.labels import POINT

#: Folder of a recipe's report that holds a folder for each version.
CARDS = "cards"
#: Evaluation rows that a version's importances are measured on.
ROWS = 500
#: Versions that look at more rows of more columns than this are not asked again for importances.
MOST_CELLS = 20_000
_GATE = "gate_"


def write_cards(studies: Studies, card: Scorecard, plots: Sequence[SlotPlots]) -> Path:
    """Write the card of the newest version of every model that a scorecard judges.

    Parameters
    ----------
    studies : Studies
        Of the recipe.
    card : Scorecard
        Its newest.
    plots : sequence of SlotPlots
        From the same call of ``evaluate``, one a slot.

    Returns
    -------
    Path
        The folder of all of them. A card that says what it said before is left as it is; of a
        version whose bundle is refused there is none, and the registry's notices say so.
    """
    workspace, recipe = studies.workspace, studies.recipe
    folder = workspace.report_folder(recipe) / CARDS
    for judged, drawn in zip(card.slots, plots, strict=True):
        slot = Slot.parse(judged.slot)
        place = folder / f"{escape(slot.instrument)}-{slot.target}-{slot.horizon}"
        for record in _newest(studies, slot):
            if record.name in judged.by_name:
                _write(studies, record, judged, drawn, place / record.version)
    return folder


def _newest(studies: Studies, slot: Slot) -> list[VersionRecord]:
    """Return the newest version of each model that this recipe trained for a slot."""
    registry, recipe_hash = studies.workspace.registry, studies.recipe.hash
    trained = [one.name for one in registry.versions(slot) if one.recipe_hash == recipe_hash]
    return [registry.newest(slot, name, recipe_hash) for name in dict.fromkeys(trained)]


def _write(
    studies: Studies, record: VersionRecord, judged: SlotCard, drawn: SlotPlots, folder: Path
) -> None:
    registry = studies.workspace.registry
    try:
        bundle = registry.bundle(record.slot, record.version)
    except (BundleError, RegistryError) as error:
        registry.notices.append(f"{error}; there is no model card of it")
        return
    slot = as_champion(judged, record.name, record.version)
    made = _card(studies, record, slot, bundle)
    before = read_card(folder)
    if before is not None and before.digest == made.digest:
        return
    of_version = replace(drawn.forecasts, champion=slot.champion, importances=made.importances)
    write_card(folder, made, slot, plots_of(of_version))
    registry.attach(record, folder)


def _card(studies: Studies, record: VersionRecord, slot: SlotCard, bundle: Bundle) -> VersionCard:
    recipe, manifest = studies.recipe, bundle.manifest
    entry = manifest.models[POINT]
    gates = recipe.gates.model_dump(mode="json")
    series = {name: str(version) for name, version in manifest.data_versions.items()}
    return VersionCard(
        slot=slot.slot,
        instrument=slot.instrument,
        target=slot.target,
        horizon=slot.horizon,
        name=record.name,
        model_type=record.model_type,
        version=record.version,
        role="champion" if _serves(studies, record) else "candidate",
        recipe=recipe.name,
        recipe_hash=recipe.hash,
        made_at=now(),
        reason=record.reason,
        held=record.held,
        skill=slot.judged.verdict,
        data=CardData(
            series=series,
            rows=manifest.rows,
            trained_from=manifest.trained_from,
            trained_through=manifest.trained_through,
            assumed_share=slot.assumed_share,
            simulated=slot.simulated,
            provenance=slot.provenance,
        ),
        features=entry.features,
        window=entry.window,
        parameters=dict(entry.parameters),
        split=recipe.split.model_dump(mode="json", by_alias=True, exclude_none=True),
        evaluate=recipe.evaluate.model_dump(mode="json", by_alias=True, exclude_none=True),
        metric=slot.metric,
        window_judged=slot.window,
        model=slot.judged,
        baselines=tuple(slot.by_name[name] for name in slot.baselines if name != record.name),
        gates=CardGates(
            asked={name: value for name, value in gates.items() if value is not None},
            found={
                name.removeprefix(_GATE): value
                for name, value in record.metrics.items()
                if name.startswith(_GATE)
            },
            blocked=record.blocked,
        ),
        importances=_importances(studies, record, bundle),
        limits=tuple(card_limits(slot, entry.features, series)),
    )


def _serves(studies: Studies, record: VersionRecord) -> bool:
    try:
        return studies.workspace.registry.champion(record.slot).version == record.version
    except NoChampionError:
        return False


def _importances(studies: Studies, record: VersionRecord, bundle: Bundle) -> dict[str, float]:
    """Shuffle each column of the version's own model, where that takes no more than a moment."""
    entry = bundle.manifest.models[POINT]
    if len(entry.features) * entry.window > MOST_CELLS:
        return {}
    model, study = bundle.models[POINT], studies.study(record.slot)
    return importances_of(study, model, entry.features, ROWS)
