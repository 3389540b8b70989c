"""Which versions were trained, which one answers, and the two steps that change that.

The same steps as ``truecast promote`` and ``truecast rollback``, for one slot. Who took them is
written down in the same transaction. The service sees a new champion at its next look.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from truecast.core.errors import UsageError
from truecast.core.names import nearest
from truecast.core.slot import Slot
from truecast.registry.records import read_champion
from truecast.registry.registry import ChampionRecord, Noting, Registry, VersionRecord
from truecast.serving.answering.champions import View
from truecast.serving.door.audit import write_audit
from truecast.serving.errors import AskedError, UnknownError
from truecast.serving.routes.shown import (
    ChampionShown,
    Models,
    ModelsAsked,
    ModelShown,
    Promoted,
    VersionShown,
)

_MOST_CHOICES = 20
_HELD = "send a version as `version` to make it the champion all the same"
_SEE = "GET /models shows the versions of each slot"


class Standings:
    """Versions and champions of every slot, and who answers.

    Parameters
    ----------
    registry : Registry
        Says which versions there are, and changes which of them is the champion.
    look : callable
        Returns who answers at the moment.
    """

    def __init__(self, registry: Registry, look: Callable[[], View]) -> None:
        self._registry, self._look = registry, look

    def models(self, asked: ModelsAsked) -> Models:
        """Show every slot that is asked for, with its newest versions."""
        view = self._look()
        answering = {seat.champion.slot: seat.champion.version for seat in view.seats.values()}
        champions = {one.slot: one for one in self._registry.champions()}
        models = [
            ModelShown(
                slot=str(slot),
                **vars(slot),
                champion=_champion(champions.get(slot)),
                answering=answering.get(slot),
                refused=view.refusals[slot].reason if slot in view.refusals else None,
                versions=[_version(one) for one in versions],
            )
            for slot, versions in self._registry.overview(asked.versions).items()
            if _fits(slot, asked)
        ]
        return Models(count=len(models), models=models)

    def promote(self, slot: str, version: str | None, actor: str, place: str) -> Promoted:
        """Make a version the champion: the one that is named, or the newest that was chosen.

        Parameters
        ----------
        slot : str
            In text.
        version : str or None
            Its name; None for the chosen version of the recipe that was trained with last.
        actor, place : str
            Who asks, and from which address.

        Raises
        ------
        UnknownError
            If there is no such slot or version.
        AskedError
            If the version failed a gate, or is not to replace the champion and was not named.
        BundleError
            If its bundle is not as it was written; then the champion stays.
        """
        found, versions = self._versions(slot)
        if version is None:
            chosen = self._candidate(found, versions)
        else:
            chosen = _named(found, versions, version)
        return self._step(
            found,
            lambda noting: self._registry.promote(
                found, chosen.version, reason=chosen.promoted_because, noting=noting
            ),
            ("promote", actor, place),
        )

    def rollback(self, slot: str, actor: str, place: str) -> Promoted:
        """Make the champion before the present one the champion again.

        Raises
        ------
        UnknownError
            If there is no such slot.
        AskedError
            If there was no champion before.
        BundleError
            If its bundle is not as it was written; then the champion stays.
        """
        found, _ = self._versions(slot)
        return self._step(
            found,
            lambda noting: self._registry.rollback(
                found, reason="rolled back by hand", noting=noting
            ),
            ("rollback", actor, place),
        )

    def _step(
        self,
        slot: Slot,
        step: Callable[[Noting], ChampionRecord],
        who: tuple[str, str, str],
    ) -> Promoted:
        action, actor, place = who
        before = self._champion(slot)

        told = len(self._registry.notices)
        try:
            champion = step(noted(slot, action, actor, place))
        except UsageError as error:
            raise AskedError(str(error), _SEE) from error
        return Promoted(
            slot=str(slot),
            champion=ChampionShown.model_validate(champion, from_attributes=True),
            before=before,
            changed=champion.version != before,
            notices=self._registry.notices[told:],
        )

    def _champion(self, slot: Slot) -> str | None:
        champions = {one.slot: one.version for one in self._registry.champions()}
        return champions.get(slot)

    def _versions(self, text: str) -> tuple[Slot, Sequence[VersionRecord]]:
        """Find a slot and its versions by its text, which is never read as anything else."""
        slots = {str(slot): slot for slot in self._registry.slots()}
        if text not in slots:
            close = nearest(text, slots)
            raise UnknownError(
                f"no model was trained for the slot {text!r}",
                f"did you mean {close!r}?" if close else "GET /models shows the slots",
                [{"slot": one} for one in [*slots][:_MOST_CHOICES]],
            )
        return slots[text], self._registry.versions(slots[text])

    def _candidate(self, slot: Slot, versions: Sequence[VersionRecord]) -> VersionRecord:
        found = self._registry.candidate(slot, versions[-1].recipe_hash)
        if found is None:
            raise AskedError(f"{slot}: no version was chosen by its training", _HELD)
        if found.blocked is not None:
            raise AskedError(
                f"{slot}: {found.version} is not promoted: {found.blocked}",
                "change the gate or the models in the recipe, and train again",
            )
        if found.held is not None:
            raise AskedError(
                f"{slot}: {found.version} is not promoted: {found.held}",
                _HELD,
                [{"version": found.version}],
            )
        return found


def noted(slot: Slot, action: str, actor: str, place: str) -> Noting:
    """Return what writes into the audit that a slot has another champion.

    Parameters
    ----------
    slot : Slot
        Whose champion it is.
    action : str
        What was done, such as ``promote``.
    actor, place : str
        Who did it, and from where.
    """

    def noting(connection: Connection) -> None:
        champion = read_champion(connection, slot)
        detail = {"version": champion.version if champion else None, "from": place}
        write_audit(connection, actor, action, str(slot), detail)

    return noting


def _named(slot: Slot, versions: Sequence[VersionRecord], name: str) -> VersionRecord:
    known = {one.version: one for one in versions}
    if name not in known:
        newest = [*known][::-1]
        close = nearest(name, newest)
        raise UnknownError(
            f"{slot} has no version {name!r}",
            f"did you mean {close!r}?" if close else "send one of the choices",
            [{"version": one} for one in newest[:_MOST_CHOICES]],
        )
    return known[name]


def _fits(slot: Slot, asked: ModelsAsked) -> bool:
    wanted = (asked.slot, asked.recipe, asked.instrument, asked.target)
    given = (str(slot), slot.recipe, slot.instrument, slot.target)
    return all(one in (None, has) for one, has in zip(wanted, given, strict=True))


def _champion(record: ChampionRecord | None) -> ChampionShown | None:
    return None if record is None else ChampionShown.model_validate(record, from_attributes=True)


def _version(record: VersionRecord) -> VersionShown:
    return VersionShown.model_validate(record, from_attributes=True)
