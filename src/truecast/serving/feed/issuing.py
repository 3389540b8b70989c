"""Which forecasts the live feed issues: those whose inputs have changed, and new decisions."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from truecast.core.clock import now
from truecast.core.errors import TruecastError
from truecast.core.slot import Slot
from truecast.database.errors import DatabaseError
from truecast.lake.errors import LakeError
from truecast.serving.answering.answers import Question
from truecast.serving.answering.champions import Seat, View
from truecast.serving.errors import BusyError, NotReadyError
from truecast.serving.feed.lease import FencedError, Lease
from truecast.serving.service import Service

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Issued:
    """What a slot's forecast was issued from, and from when on there is another decision."""

    inputs: tuple[object, ...]
    until: datetime | None


class Issuing:
    """Issues what is new, all in one write that the lease's token guards.

    Parameters
    ----------
    service : Service
        That issues.
    lease : Lease
        Held by this process when :meth:`issue` is called.
    """

    def __init__(self, service: Service, lease: Lease) -> None:
        self._service, self._lease = service, lease
        self._issued: dict[Slot, _Issued] = {}
        self._found: tuple[View, dict[Slot, tuple[object, ...]]] | None = None

    def begin_again(self) -> None:
        """Take nothing for issued: another process may have brought and issued anything."""
        self._issued.clear()

    def issue(self, view: View, seats: Mapping[Slot, Seat]) -> None:
        """Issue the forecasts of the slots whose inputs have changed, or that decide anew."""
        if self._found is None or self._found[0] is not view:
            self._found = view, {slot: _inputs(view, seat) for slot, seat in seats.items()}
        inputs, moment = self._found[1], now()
        stale = [slot for slot in seats if self._is_stale(slot, inputs[slot], moment)]
        if not stale:
            return
        # Found out first: what is decided meanwhile is issued at the next look.
        until = {slot: _until(view, seats[slot]) for slot in stale}
        for slot in self._said(stale):
            self._issued[slot] = _Issued(inputs[slot], until[slot])

    def _is_stale(self, slot: Slot, inputs: tuple[object, ...], moment: datetime) -> bool:
        last = self._issued.get(slot)
        if last is None or last.inputs != inputs:
            return True
        return last.until is not None and last.until <= moment

    def _said(self, slots: Sequence[Slot]) -> Iterator[Slot]:
        """Issue forecasts, all in one write; yield the slots that need not be tried again."""
        try:
            self._service.issue(slots, self._lease.guard)
            yield from slots
            return
        except (DatabaseError, LakeError, FencedError, BusyError):
            raise
        except TruecastError as error:
            if len(slots) == 1:
                _log.info("%s: no live forecast: %s", slots[0], error)
                # Until something changes it would be refused again; who answers is changing now.
                if not isinstance(error, NotReadyError):
                    yield slots[0]
                return
        for slot in slots:
            yield from self._said([slot])


def _inputs(view: View, seat: Seat) -> tuple[object, ...]:
    """Return what a slot's forecast depends on: its version, and its series as it is open.

    A series of which nothing has changed is the same object in the next view.
    """
    try:
        return seat.champion.version, view.bars.of(seat.recipe, seat.slot.instrument)
    except TruecastError:
        # Like nothing that was issued: why not is said when it is to be.
        return seat.champion.version, object()


def _until(view: View, seat: Seat) -> datetime | None:
    """Return when the next decision is made from bars and news that are there."""
    try:
        return Question.of(view, seat, None).until
    except LakeError:
        return now()  # it is looked at again
    except TruecastError:
        return None
