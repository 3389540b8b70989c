"""What the hidden Markov models of a recipe make of its bars: states, and how they went by."""

from typing import Any

import numpy as np

from truecast.core.clock import to_utc
from truecast.core.errors import UsageError
from truecast.core.labels import REGIMES
from truecast.core.recipe import Recipe
from truecast.core.slot import Slot
from truecast.datasets.assembly import Dataset
from truecast.models.hmm import Hmm
from truecast.registry.registry import VersionRecord
from truecast.serving.answering.labels import POINT
from truecast.serving.planning import candidates, slots_of
from truecast.serving.workspace import Workspace


def regimes(workspace: Workspace, recipe: Recipe) -> list[dict[str, Any]]:
    """Describe the states of each trained hidden Markov model, and filter the history by it.

    Parameters
    ----------
    workspace : Workspace
        Where versions and bars are.
    recipe : Recipe
        Whose target ``regime`` has the model ``hmm``.

    Returns
    -------
    list of dict
        One for each slot and candidate: ``slot``, ``model``, ``version``, ``trained_through``,
        ``states``, ``transitions`` and ``follows`` of :meth:`truecast.models.hmm.Hmm.description`;
        ``now``, the newest row of ``history``; and ``history``, the oldest first: ``session``,
        ``as_of``, ``state`` (the likeliest) and ``probabilities`` of bear, neutral and bull. A row
        is left out where there is no bar to tell it by.

    Raises
    ------
    UsageError
        If the recipe has no such model, or none has been trained.

    Notes
    -----
    Each row of the history is filtered from its own window: no later bar has a part in it. What
    the states look like was learned up to ``trained_through``, though, so a row before that is no
    forecast of then; ``truecast replay`` gives those.
    """
    named = [
        name
        for name, choice in (
            candidates(recipe, "regime") if "regime" in recipe.targets else {}
        ).items()
        if choice.name == Hmm.name
    ]
    if not named:
        raise UsageError(f"{recipe.name} has no model {Hmm.name} of a target regime")
    slots = [slot for slot in slots_of(recipe) if slot.target == "regime"]
    datasets = {slot.instrument: workspace.dataset(recipe, slot.instrument) for slot in slots}
    return [
        _document(
            workspace,
            slot,
            workspace.registry.newest(slot, name, recipe.hash),
            datasets[slot.instrument],
        )
        for slot in slots
        for name in named
    ]


def _document(
    workspace: Workspace, slot: Slot, record: VersionRecord, dataset: Dataset
) -> dict[str, Any]:
    bundle = workspace.registry.bundle(slot, record.version)
    model, entry = bundle.models[POINT], bundle.manifest.models[POINT]
    if not isinstance(model, Hmm):
        raise UsageError(f"{slot}: version {record.version} is a {model.name}, not {Hmm.name}")
    history = _history(dataset, model.states(dataset.windows(entry.features, entry.window)))
    return {
        "slot": str(slot),
        "model": record.name,
        "version": record.version,
        "trained_through": record.trained_through.isoformat(),
        **model.description(),
        "now": history[-1] if history else None,
        "history": history,
    }


def _history(dataset: Dataset, states: np.ndarray) -> list[dict[str, Any]]:
    decisions = dataset.decisions
    return [
        {
            "session": str(decisions.session[row]),
            "as_of": to_utc(decisions.as_of[row]).isoformat(),
            "state": REGIMES[int(np.argmax(states[row]))],
            "probabilities": dict(zip(REGIMES, states[row].tolist(), strict=True)),
        }
        for row in np.flatnonzero(~np.isnat(decisions.as_of) & np.isfinite(states).all(axis=1))
    ]
