"""The live feed: bars and news are fetched when they are due, and forecasts issued from them.

Of all processes that serve a home one holds the lease. It polls, one thread for each vendor, and
looks at the lake every second: whatever has come in, by polling or by another process, the
forecasts that hang on it are issued in one write, which the lease's token guards. Nothing is kept
in memory that matters: who takes over, or begins again after a crash, finds what is missing in
the lake and issues it; what is in the ledger already is found there.
"""

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from truecast.core.clock import now
from truecast.core.errors import TruecastError
from truecast.core.slot import Slot
from truecast.lake.lake import Lake
from truecast.serving.answering.champions import Seat, View
from truecast.serving.feed.issuing import Issuing
from truecast.serving.feed.lease import SECONDS, FencedError, Lease
from truecast.serving.feed.live import Role
from truecast.serving.feed.polls import Polled, What, next_asked, poll_all
from truecast.serving.feed.wanted import wanted_by
from truecast.serving.service import Service

_log = logging.getLogger(__name__)

#: How often the lake and the lease are looked at.
TICK_SECONDS = 1.0
_RESTS_SECONDS = 5.0
#: How long a question waits for a bar that is due.
REFRESH_SECONDS = 2.0
#: How long nobody waits again for a bar that was waited for in vain.
_VAIN = timedelta(seconds=10)
#: A source that could not be opened is tried again: its key may have been set right.
_OPENED_AGAIN = 30.0
#: Puts a series that is asked about before all that are due.
_AT_ONCE = timedelta(days=1)
#: How long the end of the server waits for what is half done.
_STOP_SECONDS = 3.0


class Feed:
    """Fetches what is due and issues what hangs on it, in the one process that holds the lease.

    Parameters
    ----------
    service : Service
        That issues; its ``live`` becomes this.
    seconds : float
        How long the lease holds unless it is renewed.
    """

    def __init__(self, service: Service, *, seconds: float = SECONDS) -> None:
        self._service = service
        self._lease = Lease(service.registry.database, "feed", seconds)
        self._polled: dict[tuple[str, ...], Polled] = {}
        self._vendors: dict[str, list[Polled]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._issuing = Issuing(service, self._lease)
        self._troubles: dict[str, str] = {}
        self._in_vain: dict[tuple[str, ...], datetime] = {}
        self._seen: View | None = None
        self._fed: frozenset[tuple[Slot, str]] | None = None
        self._unopened: dict[str, str] = {}
        self._opened = float("-inf")
        self._kept = float("-inf")
        self._live = False
        self._stopping = threading.Event()
        self._poked = threading.Event()
        self._due = threading.Condition()
        self._stepping = threading.Lock()
        service.live = self

    @property
    def role(self) -> Role:
        """What this process does."""
        if not self._live:
            return "rests"
        return "ingests" if self._lease.held else "stands by"

    def start(self) -> None:
        """Begin; returns at once."""
        self._begin("feed", self._run)

    def stop(self) -> None:
        """End within seconds. A thread that waits for a vendor ends with the process."""
        self._stopping.set()
        self._wake()
        ends = time.monotonic() + _STOP_SECONDS
        for thread in list(self._threads.values()):
            thread.join(max(0.0, ends - time.monotonic()))
        with self._told("the lease"):
            self._lease.release()

    def poke(self) -> None:
        """Say that something new has come into the lake: it is looked at at once."""
        self._poked.set()

    def step(self) -> bool:
        """Look once: at the lease, at what is to be polled, and at what is to be issued.

        Returns
        -------
        bool
            Whether this process holds the lease.
        """
        with self._stepping:
            poked = self._poked.is_set()
            self._poked.clear()
            view = self._service.look(anew=poked, wait=True)
            seats = {slot: seat for slot, seat in view.seats.items() if seat.mode == "live"}
            self._live = bool(seats)
            with self._told("polling"):
                self._watch(view, seats)
            if not seats or not self._keeps_lease():
                return False
            with self._told("issuing"):
                self._issuing.issue(view, seats)
            return True

    def poll(self) -> int:
        """Poll all that is to be asked for by now, in this thread; return how much that was."""
        asked = 0
        while due := next_asked(list(self._polled.values())):
            asked += self._poll(due)
        return asked

    def refresh(self, slot: Slot) -> bool:
        """Have the bar of a slot that is due fetched first, for :data:`REFRESH_SECONDS` at most.

        A source that fails, or did not have it when it was last asked, is not waited for, nor is
        it asked before its turn: the last good data answer.
        """
        polled = self._series_of(slot)
        if polled is None or self._stopping.is_set():
            return False
        moment = now()
        if polled.due_at > moment or polled.error is not None:
            return False
        if self._lease.held and polled.tries and polled.next_at > moment:
            return False
        vain, before = self._in_vain.get(polled.what.key), polled.due_at
        if vain is not None and moment - vain < _VAIN:
            return False
        if self._lease.held:
            polls, polled.next_at = polled.polls, moment - _AT_ONCE
            self._wake()
            came = polled.wait(polls, REFRESH_SECONDS)
        else:
            came = self._await_other(polled)
        if not came:
            self._in_vain[polled.what.key] = now()
        return polled.due_at != before

    def troubles(self) -> list[str]:
        """Say in words what is amiss: in this process, and with the sources if it polls them."""
        own = [*self._troubles.values(), *self._unopened.values()]
        if not self._lease.held:
            return own
        said = (one.trouble(now()) for one in list(self._polled.values()))
        return own + [text for text in said if text is not None]

    def _await_other(self, polled: Polled) -> bool:
        """Wait until the process that polls has brought what is due; say whether it has."""
        ends, before = time.monotonic() + REFRESH_SECONDS, polled.due_at
        while polled.due_at == before and time.monotonic() < ends:
            with self._told("the lake"):
                polled.look(self._lake)
            self._stopping.wait(0.1)
        return polled.due_at != before

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.step()
            except FencedError as error:
                _log.warning("%s", error)
            except Exception:  # noqa: BLE001 - see below
                # Whatever it is, the next look may find it gone, and nobody else issues.
                _log.exception("the live feed")
                self._stopping.wait(TICK_SECONDS)
            self._poked.wait(TICK_SECONDS if self._live else _RESTS_SECONDS)

    def _keeps_lease(self) -> bool:
        """Renew the lease in good time, or take it if it is free."""
        if self._lease.held and time.monotonic() - self._kept < self._lease.seconds / 3:
            return True
        with self._told("the lease"):
            before, kept = self._lease.held, self._lease.keep()
            self._kept = time.monotonic()
            if kept and not before:
                # Another process may have brought and issued anything meanwhile.
                self._issuing.begin_again()
                for polled in self._polled.values():
                    polled.look(self._lake)
                self._wake()
        return self._lease.held

    def _watch(self, view: View, seats: Mapping[Slot, Seat]) -> None:
        """Find out what is to be polled for the recipes that are served."""
        again = self._unopened and time.monotonic() - self._opened > _OPENED_AGAIN
        if view is not self._seen or again:
            self._find_polled(seats)
            self._seen = view
        if "feed" in self._threads:
            for vendor in self._vendors.keys() - self._threads.keys():
                self._begin(vendor, lambda name=vendor: self._serve(name))  # type: ignore[misc]

    def _find_polled(self, seats: Mapping[Slot, Seat]) -> None:
        fed = frozenset((slot, seat.champion.version) for slot, seat in seats.items())
        if fed == self._fed and not self._unopened:
            return
        recipes = {seat.recipe.hash: seat.recipe for seat in seats.values()}
        found: dict[tuple[str, ...], Polled] = {}
        vendors: dict[str, list[Polled]] = {}
        unopened: dict[str, str] = {}
        for recipe in recipes.values():
            for vendor, wanted in wanted_by(recipe):
                try:
                    new = [what for what in wanted() if what.key not in found]
                except Exception as error:  # noqa: BLE001 - all the others are polled
                    name = f"{recipe.name}, {vendor}"
                    unopened[name] = f"{name}: cannot be polled: {error}"
                    if name not in self._unopened:
                        _log.warning(
                            "%s", unopened[name], exc_info=not isinstance(error, TruecastError)
                        )
                    continue
                for what in new:
                    found[what.key] = self._polled.get(what.key) or self._begun(what)
                    vendors.setdefault(vendor, []).append(found[what.key])
        hurry = found.keys() != self._polled.keys()
        # Swapped whole: other threads go through what was there.
        self._polled, self._vendors, self._fed = found, vendors, fed
        self._unopened, self._opened = unopened, time.monotonic()
        if hurry:
            self._wake()

    def _begun(self, what: What) -> Polled:
        polled = Polled(what)
        try:
            polled.look(self._lake)
        except TruecastError as error:
            # It is due at once then, and polling it says what is amiss.
            _log.warning("%s: %s", " ".join(what.key), error)
        return polled

    def _serve(self, vendor: str) -> None:
        """Poll what one vendor has, for as long as the server runs."""
        while not self._stopping.is_set():
            wanted = self._vendors.get(vendor, ())
            # Somebody waits for these, and for no others.
            hurried = [one for one in wanted if one.next_at < now() - _AT_ONCE / 2]
            due = next_asked(hurried or wanted)
            if due and self._lease.held:
                self._poll(due)
                continue
            with self._due:
                self._due.wait(TICK_SECONDS / 5)

    def _poll(self, due: Sequence[Polled]) -> int:
        """Ask for what is due, as far as there is time for it; return how much that was."""
        before = [(one, one.polls, one.error) for one in due]
        if poll_all(due, self._lake):
            self.poke()
        for one, _, error in before:
            if one.error is not None and one.error != error:
                _log.warning("%s: %s", " ".join(one.what.key), one.error)
        return sum(one.polls > polls for one, polls, _ in before)

    def _series_of(self, slot: Slot) -> Polled | None:
        found = (
            one for key, one in self._polled.items() if key[:2] == (slot.source, slot.instrument)
        )
        return next(found, None)

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        # In the clock of whoever begins.
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(work,), name=name, daemon=True)
        self._threads[name] = thread
        thread.start()

    def _wake(self) -> None:
        self._poked.set()
        with self._due:
            self._due.notify_all()

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Keep what goes wrong for `/health`, and say it once."""
        try:
            yield
        except FencedError:
            raise
        except TruecastError as error:
            if self._troubles.get(what) != str(error):
                _log.warning("the live feed, %s: %s", what, error)
            self._troubles[what] = str(error)
        else:
            self._troubles.pop(what, None)

    @property
    def _lake(self) -> Lake:
        return self._service.workspace.lake
