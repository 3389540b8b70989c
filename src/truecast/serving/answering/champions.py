"""Who answers for each slot: the registry's champions, each loaded, checked and tried once.

The registry and the lake are looked at again at most once a second. What was found is one
:class:`View`, never changed: a look that finds something new makes another and swaps it in, so
that nobody sees half of a change, and nobody waits for one.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from truecast.core.clock import now
from truecast.core.errors import TruecastError
from truecast.core.forecast import Forecast, Mode
from truecast.core.recipe import Recipe
from truecast.core.slot import Slot
from truecast.registry.registry import ChampionRecord, Registry, VersionRecord
from truecast.serving.answering.forecaster import NOT_EVALUATED, Forecaster
from truecast.serving.answering.labels import RECIPE
from truecast.serving.answering.opening import OpenSeries
from truecast.serving.answering.series import Series
from truecast.serving.errors import ServingError, TrainedLaterError
from truecast.serving.planning import source_of
from truecast.serving.workspace import Workspace, latest

_log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
#: A bundle that was refused is tried again: it may have been mended.
RETRY_SECONDS = 30.0


@dataclass(frozen=True, eq=False)
class Seat:
    """What answers for one slot.

    Parameters
    ----------
    champion : ChampionRecord
        Whose version answers; not the registry's champion where that one was refused. A pool's
        answers for each of its instruments, from a seat of its own.
    forecaster : Forecaster
        Its bundle, loaded and checked.
    recipe : Recipe
        That it was trained for, from the bundle.
    live : bool
        Whether new bars of its source still arrive.
    refused : str or None
        Why the registry's champion does not answer, or why this version may not be the champion.
    serves : bool
        Whether it answers for the slot. A model that is asked by its name and does not is never
        scored: its forecasts are ``whatif``.
    """

    champion: ChampionRecord
    forecaster: Forecaster
    recipe: Recipe
    live: bool
    refused: str | None = None
    serves: bool = True

    @property
    def slot(self) -> Slot:
        """What it answers for."""
        return self.forecaster.slot

    @property
    def mode(self) -> Mode:
        """What a forecast of the newest decision counts as."""
        if not self.serves:
            return "whatif"
        return "live" if self.live else "historical"

    def forecast(
        self, series: Series, as_of: datetime, mode: Mode, renewed: datetime | None = None
    ) -> Forecast:
        """Issue the forecast of the last decision up to a moment, or take it again by the news."""
        skill = self.champion.skill or NOT_EVALUATED
        return self.forecaster.forecast(series, as_of, mode=mode, skill=skill, renewed=renewed)

    def marked(self, said: Forecast) -> Forecast:
        """Return a forecast that says so if another model should have made it.

        It says so as it goes out, not in the ledger: the forecast itself is as good as it was
        when its model was the champion, and may be again.
        """
        if self.refused is None:
            return said
        reason = self.refused if said.reason is None else f"{said.reason}; {self.refused}"
        return said.model_copy(update={"degraded": True, "reason": reason})


@dataclass(frozen=True)
class Refusal:
    """A champion that does not answer, and why.

    Parameters
    ----------
    slot : Slot
        Whose champion.
    version : str
        That was refused.
    reason : str
        Why, in words.
    at : datetime
        When it was last tried.
    """

    slot: Slot
    version: str
    reason: str
    at: datetime
    tried: float = field(repr=False)


@dataclass(frozen=True)
class View:
    """What was found at one look.

    Parameters
    ----------
    seats : mapping of Slot to Seat
        Who answers.
    refusals : mapping of Slot to Refusal
        Champions that do not. Another version may have the seat.
    bars : OpenSeries
        What forecasts are computed from.
    trouble : str or None
        Why the registry or the lake could not be read; then the rest is what was found before.
    """

    seats: Mapping[Slot, Seat]
    refusals: Mapping[Slot, Refusal]
    bars: OpenSeries
    trouble: str | None = None

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every slot that has a champion, whether it answers or not; of a pool each that it has."""
        refused = (slot for slot in self.refusals if not slot.is_pool)
        return tuple(dict.fromkeys((*self.seats, *refused)))

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        """The recipes that those who answer were trained for."""
        return tuple({seat.recipe.hash: seat.recipe for seat in self.seats.values()}.values())


class Champions:
    """The newest view.

    Parameters
    ----------
    workspace : Workspace
        Where the bars are.
    registry : Registry
        Says who the champions are, and loads their bundles.
    computing : lock
        Held while anything is computed: compiled kernels of one process take turns.
    """

    def __init__(
        self, workspace: Workspace, registry: Registry, computing: threading.RLock
    ) -> None:
        self._workspace, self._registry, self._computing = workspace, registry, computing
        self._looking = threading.Lock()
        self._view: View | None = None
        self._looked = float("-inf")

    def peek(self) -> View | None:
        """Return the view if it need not be looked for; never waits."""
        if self._looking.locked() or time.monotonic() - self._looked < LOOK_SECONDS:
            return self._view
        return None

    def look(self, *, anew: bool = False, wait: bool = False) -> View:
        """Return the view; if the last look is over a second ago, there is another one.

        A question waits for it only where the last one is over two seconds ago: in a steady stream
        of questions nobody does.

        Parameters
        ----------
        anew : bool
            Look again in any case: something has just been written.
        wait : bool
            Wait for a look that is due.
        """
        if not (anew or wait) and (view := self._beside()) is not None:
            return view
        return self._again(anew=anew)

    def _beside(self) -> View | None:
        """Return the view if it is new enough, and have it looked for if it is about to age."""
        view = self.peek()
        if view is None and time.monotonic() - self._looked < 2 * LOOK_SECONDS:
            view = self._view
            # The clock may be a replay's, which other threads do not know.
            of_now = copy_context()
            threading.Thread(target=of_now.run, args=(self._again,), daemon=True).start()
        return view

    def _again(self, *, anew: bool = False) -> View:
        with self._looking:
            if anew or self._view is None or time.monotonic() - self._looked >= LOOK_SECONDS:
                self._view = self._looked_again(self._view)
                self._looked = time.monotonic()
            return self._view

    def look_at(self, slots: Collection[Slot]) -> View:
        """Look at some slots alone, and load no other's champion.

        Raises
        ------
        TruecastError
            If the registry or the lake cannot be read.
        """
        wanted = {*slots, *(slot.pool for slot in slots)}
        champions = [record for record in self._registry.champions() if record.slot in wanted]
        return self._found(champions, self._workspace.lake.versions(), self._nothing())

    def look_for(self, versions: Sequence[VersionRecord]) -> View:
        """Load versions whether they are champions or not, at most one a slot.

        Raises
        ------
        ServingError
            If one cannot be loaded, or does not forecast.
        TruecastError
            If the registry or the lake cannot be read.
        """
        champions = {record.slot: record for record in self._registry.champions()}
        bars = OpenSeries(self._workspace, self._workspace.lake.versions())
        seats: dict[Slot, Seat] = {}
        for one in versions:
            champion = champions.get(one.slot)
            if champion is not None and champion.version == one.version:
                seats |= {seat.slot: seat for seat in self._load(champion, bars)}
                continue
            asked = ChampionRecord(
                one.slot, one.version, one.name, one.reason, one.skill, one.trained_at
            )
            refused = None if one.blocked is None else f"{one.version} failed a gate: {one.blocked}"
            for seat in self._load(asked, bars):
                seats[seat.slot] = replace(seat, serves=False, refused=refused)
        return View(seats, {}, bars)

    def _nothing(self) -> View:
        return View({}, {}, OpenSeries(self._workspace, {}))

    def _looked_again(self, before: View | None) -> View:
        before = before or self._nothing()
        try:
            champions = self._registry.champions()
            versions = self._workspace.lake.versions()
        except TruecastError as error:
            if before.trouble is None:
                _log.warning("the registry or the lake cannot be read: %s", error)
            return replace(before, trouble=str(error))
        if champions and not versions:
            return replace(before, trouble="the lake has no bars: run `truecast ingest RECIPE`")
        return self._found(champions, versions, before)

    def _found(
        self, champions: Sequence[ChampionRecord], versions: Mapping[str, int], before: View
    ) -> View:
        bars = before.bars
        if versions != bars.versions:
            bars = bars.renewed(versions)
        seats: dict[Slot, Seat] = {}
        refusals: dict[Slot, Refusal] = {}
        # A slot that has been its own and a pool's is answered for by who was promoted last.
        for record in sorted(champions, key=lambda one: one.promoted_at):
            seated, refusal = self._seated(record, before, bars)
            seats |= {seat.slot: seat for seat in seated}
            if refusal is not None:
                refusals[record.slot] = refusal
        view = View(dict(sorted(seats.items(), key=lambda one: str(one[0]))), refusals, bars)
        return before if view == before else view

    def _seated(
        self, record: ChampionRecord, before: View, bars: OpenSeries
    ) -> tuple[list[Seat], Refusal | None]:
        """Keep who answers if it is the champion, else try the champion, else fall back."""
        seats = [seat for seat in before.seats.values() if seat.champion.slot == record.slot]
        refusal = before.refusals.get(record.slot)
        if seats and all(seat.champion.version == record.version for seat in seats):
            return [_renewed(seat, record) for seat in seats], None
        if refusal is not None and refusal.version == record.version and not _due(refusal):
            return seats, refusal
        try:
            return self._load(record, bars), None
        except _UnfitError as error:
            reason = f"the champion {record.version} was refused: {error}"
            if refusal is None or refusal.version != record.version:
                _log.warning("%s: %s", record.slot, reason)
        said = f"the champion {record.version} was refused (see /health)"
        seats = [
            replace(seat, refused=f"{said}; version {seat.champion.version} answers")
            for seat in seats or self._fallback(record, bars)
        ]
        return seats, Refusal(record.slot, record.version, reason, now(), time.monotonic())

    def _fallback(self, refused: ChampionRecord, bars: OpenSeries) -> list[Seat]:
        """Return the newest of the champions before that can answer."""
        for record in self._earlier(refused):
            try:
                return self._load(record, bars)
            except _UnfitError as error:
                _log.warning("%s: version %s too: %s", record.slot, record.version, error)
        return []

    def _earlier(self, refused: ChampionRecord) -> Iterator[ChampionRecord]:
        for record in self._registry.standing(refused.slot):
            if record.version != refused.version:
                yield record

    def _load(self, record: ChampionRecord, bars: OpenSeries) -> list[Seat]:
        """Load and check a version, and let it forecast once, before anyone is answered by it."""
        try:
            bundle = self._registry.bundle(record.slot, record.version)
            recipe = Recipe.model_validate(bundle.documents[RECIPE])
            symbols = recipe.instruments if record.slot.is_pool else (record.slot.instrument,)
            live = source_of(recipe).live
            seats = [Seat(record, Forecaster(bundle, one), recipe, live) for one in symbols]
            if not any([self._speaks(seat, bars) for seat in seats]):
                raise ServingError("none of the pool's instruments has a decision since its fit")
        except TruecastError as error:
            raise _UnfitError(str(error)) from error
        except Exception as error:
            # Whatever is wrong with it, the one before goes on answering.
            _log.exception("%s: version %s", record.slot, record.version)
            raise _UnfitError(f"{type(error).__name__} at its first forecast") from error
        return seats

    def _speaks(self, seat: Seat, bars: OpenSeries) -> bool:
        """Let a seat forecast once; False where a pool's instrument lacks the bars of the others.

        Its newest decision is older than the pool's fit then: it goes without a forecast until its
        next bar comes, and holds up no other.
        """
        opened = bars.of(seat.recipe, seat.slot.instrument)
        try:
            with self._computing:
                seat.forecast(opened.series, latest(opened.decisions, seat.recipe), "whatif")
        except TrainedLaterError:
            if not seat.champion.slot.is_pool:
                raise
            return False
        return True


def _renewed(seat: Seat, record: ChampionRecord) -> Seat:
    """Return a seat with what the registry says of its champion now."""
    same = seat.champion == record and seat.refused is None
    return seat if same else replace(seat, champion=record, refused=None)


class _UnfitError(ServingError):
    """A version cannot be loaded, or does not forecast."""


def _due(refusal: Refusal) -> bool:
    return time.monotonic() - refusal.tried >= RETRY_SECONDS
