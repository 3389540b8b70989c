"""Who answers where a model is asked by its name: the newest version of it that can."""

import logging
from collections import OrderedDict

from truecast.core.errors import TruecastError
from truecast.core.names import suggestion
from truecast.core.slot import Slot
from truecast.registry.registry import Registry, VersionRecord
from truecast.serving.answering.champions import Champions, Seat, View
from truecast.serving.errors import NotReadyError, UnknownError

_log = logging.getLogger(__name__)

#: Versions that stay loaded.
_KEPT = 256


class Named:
    """Versions that were asked for by their model's name, loaded once.

    Parameters
    ----------
    registry : Registry
        Knows the versions.
    champions : Champions
        Loads them.
    """

    def __init__(self, registry: Registry, champions: Champions) -> None:
        self._registry, self._champions = registry, champions
        self._seats: OrderedDict[tuple[Slot, str], Seat] = OrderedDict()

    def seat(self, view: View, slot: Slot, model: str) -> Seat:
        """Return who answers for a slot by a model's name.

        Parameters
        ----------
        view : View
            Who answers unasked: the champion's own version answers as it always does.
        slot : Slot
            About what.
        model : str
            Name of a candidate, such as ``random_forest``; ``-`` counts as ``_``.

        Raises
        ------
        UnknownError
            If no model of that name was trained for the slot.
        NotReadyError
            If none of its versions may answer, or can.
        """
        trained_for = view.seats[slot].champion.slot if slot in view.seats else slot
        versions = self._registry.versions(trained_for)
        name = model.replace("-", "_")
        named = sorted(
            (one for one in versions if one.name == name), key=lambda one: one.trained_through
        )
        if not named:
            known = sorted({one.name for one in versions})
            raise UnknownError(
                f"no model {model[:60]!r} of {slot} was trained",
                suggestion(model[:60], known) if known else f"run `truecast run {slot.recipe}`",
                [{"model": one} for one in known],
            )
        reasons = []
        for version in reversed(named):
            if version.blocked is not None:
                reasons.append(f"{version.version} failed a gate: {version.blocked}")
                continue
            try:
                return self._seat(view, slot, version)
            except TruecastError as error:
                _log.warning("%s: version %s: %s", slot, version.version, error)
                reasons.append(f"{version.version}: {error}")
        raise NotReadyError(
            f"no version of {model} may answer for {slot}: {'; '.join(reasons)}",
            f"run `truecast run {slot.recipe}`",
        )

    def _seat(self, view: View, slot: Slot, version: VersionRecord) -> Seat:
        champion = view.seats.get(slot)
        if champion is not None and champion.champion.version == version.version:
            return champion
        key = (slot, version.version)
        seat = self._seats.get(key)
        if seat is None:
            loaded = self._champions.look_for([version]).seats
            self._seats |= {(one, version.version): seat for one, seat in loaded.items()}
            seat = loaded[slot]
            while len(self._seats) > _KEPT:
                self._seats.popitem(last=False)
        else:
            self._seats.move_to_end(key)
        return seat
