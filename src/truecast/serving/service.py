"""All that can be asked, as plain calls. HTTP is a shell around this; so is ``truecast predict``.

A question is answered in this order: the slot is chosen, its seat and the decision are looked
up, and what was said of that decision before is said again from memory. Else it is computed,
written into the ledger, and only then given out.
"""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from truecast.core.calendars import Calendar
from truecast.core.clock import now
from truecast.core.forecast import Forecast
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.evaluation.trackrecord import TrackRecord
from truecast.ledger.ledger import Guard, Ledger
from truecast.ledger.query import Entry, Query
from truecast.registry.registry import Registry, VersionRecord
from truecast.serving.answering.answered import Answered
from truecast.serving.answering.answers import Answer, Answers, Question
from truecast.serving.answering.champions import Champions, Seat, View
from truecast.serving.answering.choosing import choose
from truecast.serving.answering.named import Named
from truecast.serving.answering.past import Past
from truecast.serving.answering.posted import question_of
from truecast.serving.answering.track_record import track_records
from truecast.serving.condition import LOOKED_AT, health_of, index_of, ready_of
from truecast.serving.errors import NotReadyError, OverdueError, UnknownError
from truecast.serving.feed.live import Live
from truecast.serving.planning import calendar_of
from truecast.serving.schemas import (
    Asked,
    Health,
    History,
    HistoryAsked,
    Index,
    PostedBar,
    Ready,
    RecordAsked,
    Recorded,
)
from truecast.serving.workspace import Workspace, trials_of_record


class Service:
    """Forecasts by the champions, and what is known of how good they were.

    Any thread may call it.

    Parameters
    ----------
    settings : Settings
        Say where the bars are.
    registry : Registry
        Says who answers.
    ledger : Ledger
        Keeps what is said.
    """

    def __init__(self, settings: Settings, registry: Registry, ledger: Ledger) -> None:
        # Compiled kernels of one process take turns.
        computing = threading.RLock()
        self.registry = registry
        self._ledger = ledger
        self._workspace = Workspace(settings)
        self._champions = Champions(self._workspace, registry, computing)
        self._answers = Answers(ledger, computing)
        self._named = Named(registry, self._champions)
        # What was answered from a view: gone with it as soon as bars or champions are new.
        self._newest: tuple[View | None, dict[Asked, Answer]] = (None, {})
        #: What keeps forecasts new while a server runs; None where nothing does.
        self.live: Live | None = None
        #: What a replay has said, where one runs: it answers in the champions' place.
        self.past: Past | None = None

    @property
    def ledger(self) -> Ledger:
        """What was said."""
        return self._ledger

    @property
    def workspace(self) -> Workspace:
        """Where the bars are."""
        return self._workspace

    @property
    def slots(self) -> Sequence[Slot]:
        """What is answered for."""
        return self._champions.look().slots if self.past is None else self.past.slots

    @property
    def recipes(self) -> Sequence[Recipe]:
        """Whose slots those are."""
        return self._champions.look().recipes if self.past is None else (self.past.recipe,)

    def start(self) -> View:
        """Load every champion and let it forecast once, so that nobody waits for that."""
        return self._champions.look()

    def look(self, *, anew: bool = False, wait: bool = False) -> View:
        """Return who answers and from what; see :meth:`Champions.look`."""
        return self._champions.look(anew=anew, wait=wait)

    def peek(self, asked: Asked) -> bytes | None:
        """Return the answer at once if it is in memory and still holds; never waits."""
        view = self._champions.peek()
        of, answers = self._newest
        if view is None or view is not of:
            return None
        answer = answers.get(asked)
        return answer.body if answer is not None and answer.holds else None

    def answer(self, asked: Asked) -> Answer:
        """Return the forecast that is asked for, with its JSON.

        Raises
        ------
        AskedError
            If what is asked is not known, fits several slots, or lies where no model that
            serves may answer.
        ServingError
            If nothing can answer now.
        DatabaseError, LedgerError
            If it cannot be written down: then it is not given out.
        """
        slot = self._chosen(asked)
        view, (answer,) = self._asked([slot], asked.timestamp, asked.posted)
        if asked.timestamp is None and not asked.posted:
            self._remember(view, asked, answer)
        return answer

    def choose(self, asked: Asked) -> Slot:
        """Return the slot of a question that names its target; see :func:`.choosing.choose`."""
        return self._chosen(asked, usual=True)

    def seat(self, slot: Slot, model: str | None = None) -> Seat:
        """Return who answers for a slot, or its newest version of a model's name.

        Raises
        ------
        NotReadyError
            If nobody does.
        UnknownError
            If there is no such model.
        AskedError
            While the past is lived through: who answers now has seen what came after.
        """
        if self.past is not None:
            raise self.past.refusal()
        return self._seat(self._champions.look(), slot, model)

    def answers(
        self,
        slots: Sequence[Slot],
        *,
        timestamp: datetime | None = None,
        posted: Sequence[PostedBar] = (),
        model: str | None = None,
    ) -> list[Answer]:
        """Return a forecast of each slot, all written down at once.

        Parameters
        ----------
        slots : sequence of Slot
            Whose; in the order of the answer.
        timestamp : datetime or None
            The last decision made by then is meant; None for the newest.
        posted : sequence of PostedBar
            The newest bars, if they are not stored; see :mod:`.posted`.
        model : str or None
            Name of the model that is to answer in the champion's place.

        Raises
        ------
        AskedError, ServingError, DatabaseError, LedgerError
            As :meth:`answer` does.
        """
        return self._asked(slots, timestamp, posted, model)[1]

    def predict(self, asked: Asked) -> Forecast:
        """Return the forecast that is asked for; see :meth:`answer`."""
        return self.answer(asked).forecast

    def predict_slots(self, slots: Sequence[Slot]) -> list[Forecast]:
        """Return what each slot's champion says of the newest decision.

        Parameters
        ----------
        slots : sequence of Slot
            Whose; in the order of the answer. Other champions are not loaded for it.

        Raises
        ------
        NotReadyError
            If a slot has no champion that can answer.
        """
        view = self._champions.look_at(slots)
        questions = [Question.of(view, _seat(view, slot), None) for slot in slots]
        return [answer.forecast for answer in self._answers.of(questions)]

    def issue(self, slots: Sequence[Slot], guard: Guard | None = None) -> list[Forecast]:
        """Issue what each slot's champion says of the newest decision, all in one write.

        Parameters
        ----------
        slots : sequence of Slot
            Whose; in the order of the answer.
        guard : callable or None
            May refuse the write; see :meth:`truecast.ledger.ledger.Ledger.write`.

        Raises
        ------
        ServingError
            If one of them cannot be issued; then none is.
        DatabaseError, LedgerError
            If they cannot be written down.
        """
        view = self._champions.look()
        questions = [Question.of(view, _seat(view, slot), None) for slot in slots]
        return [answer.forecast for answer in self._answers.of(questions, guard)]

    def predict_versions(self, versions: Sequence[VersionRecord]) -> list[Forecast]:
        """Return what versions say of the newest decision, champions or not, at most one a slot.

        Parameters
        ----------
        versions : sequence of VersionRecord
            Such as the newest ones of a model's name; see :meth:`Registry.newest`. What one says
            that is not the champion is ``whatif``: written down, and never scored.

        Raises
        ------
        ServingError
            If one cannot be loaded, or does not forecast.
        """
        view = self._champions.look_for(versions)
        asked = {one.slot for one in versions}
        seats = [seat for seat in view.seats.values() if seat.champion.slot in asked]
        questions = [Question.of(view, seat, None) for seat in seats]
        return [answer.forecast for answer in self._answers.of(questions)]

    def history(self, asked: HistoryAsked) -> History:
        """Return forecasts as they were issued, the newest first, with what came of them."""
        end = now()
        start = None if asked.hours is None else end - timedelta(hours=asked.hours)
        given = asked.model_dump(exclude={"hours"})
        entries = self._ledger.history(Query(since=start, **given))
        return History(
            start_time=start,
            end_time=end,
            instrument=asked.instrument,
            count=len(entries),
            predictions=[_recorded(entry) for entry in entries],
        )

    def prediction(self, forecast_id: UUID) -> Recorded:
        """Return one forecast as it was issued, with what came of it.

        Raises
        ------
        UnknownError
            If the ledger has none of that id.
        """
        entry = self._ledger.read(forecast_id)
        if entry is None:
            raise UnknownError(
                f"no forecast has the id {forecast_id}",
                "look it up in /predictions/history",
            )
        return _recorded(entry)

    def track_record(self, asked: RecordAsked) -> list[TrackRecord]:
        """Say how the forecasts of slots have fared, beside the naive forecast's."""
        seats = self._champions.look().seats
        recipes = {slot: seat.recipe for slot, seat in seats.items()}

        def trials(slot: Slot) -> int:
            return trials_of_record(self._workspace, recipes.get(slot), asked.mode, slot)

        def calendar(slot: Slot) -> Calendar | None:
            recipe = recipes.get(slot)
            return None if recipe is None else calendar_of(recipe, slot.instrument)

        query = Query(**asked.model_dump())
        return track_records(self._ledger, query, trials=trials, calendar=calendar)

    def health(self) -> Health:
        """Say whether all is well, and what is not."""
        return health_of(self._champions.look(), self._workspace.settings, self.live, self.past)

    def ready(self) -> Ready:
        """Say that forecasts can be asked for.

        Raises
        ------
        NotReadyError
            If there is no champion that answers, or the database or the lake cannot be read.
        """
        return ready_of(self._champions.look(), self.past)

    def index(self) -> Index:
        """Say what this is and what it serves."""
        return index_of(self._champions.look())

    def _asked(
        self,
        slots: Sequence[Slot],
        timestamp: datetime | None,
        posted: Sequence[PostedBar],
        model: str | None = None,
    ) -> tuple[View, list[Answer]]:
        """Do as :meth:`answers` does; return what it was answered from, too."""
        if self.past is not None:
            as_said = timestamp is None and not posted and model is None
            return self._champions.look(), self.past.answers(slots, as_said=as_said)
        new = False
        if self.live is not None and (timestamp is None or posted):
            series = {(slot.recipe, slot.instrument): slot for slot in slots}
            new = any([self.live.refresh(slot) for slot in series.values()])
        view = self._champions.look(anew=new)
        seats = [self._seat(view, slot, model) for slot in slots]
        questions = [_question(view, seat, timestamp, posted) for seat in seats]
        try:
            return view, self._answers.of(questions)
        except OverdueError as error:
            return view, [self._answers.last(seat, error) for seat in seats]

    def _chosen(self, asked: Asked, *, usual: bool = False) -> Slot:
        if self.past is not None:
            return self.past.choose(asked, usual=usual)
        view = self._champions.look()
        if view.trouble is not None and not view.slots:
            raise NotReadyError(view.trouble, LOOKED_AT)
        return choose(asked, view.slots, view.recipes, usual=usual)

    def _seat(self, view: View, slot: Slot, model: str | None) -> Seat:
        return _seat(view, slot) if model is None else self._named.seat(view, slot, model)

    def _remember(self, view: View, asked: Asked, answer: Answer) -> None:
        of, answers = self._newest
        if of is view:
            answers[asked] = answer
        else:
            self._newest = (view, {asked: answer})


def open_service(settings: Settings) -> Service:
    """Open the service of one home.

    Raises
    ------
    DatabaseError
        If the database cannot be opened.
    """
    workspace = Workspace(settings)
    return Service(settings, workspace.registry, workspace.ledger)


def _seat(view: View, slot: Slot) -> Seat:
    if slot in view.seats:
        return view.seats[slot]
    refusal = view.refusals.get(slot) or view.refusals.get(slot.pool)
    raise NotReadyError(
        f"{slot} has no champion yet" if refusal is None else f"{slot}: {refusal.reason}",
        f"run `truecast run {slot.recipe}`",
    )


def _question(
    view: View, seat: Seat, timestamp: datetime | None, posted: Sequence[PostedBar]
) -> Question:
    return question_of(view, seat, posted) if posted else Question.of(view, seat, timestamp)


def _recorded(entry: Entry) -> Recorded:
    # It was checked when it was issued.
    return Recorded.model_construct(
        **dict(Answered.of(entry.forecast)),
        time=entry.forecast.as_of,
        supersedes=entry.supersedes,
        outcome=entry.outcome,
    )
