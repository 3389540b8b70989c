"""Live through the past beside the routes: the forecasts of a replay, each at its time."""

import logging
import threading
import time
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter

from truecast.core.clock import now, to_utc
from truecast.core.errors import TruecastError, UsageError
from truecast.core.slot import Slot
from truecast.pipelines.fanout import walk
from truecast.pipelines.predict import Replay
from truecast.pipelines.replay import decisions_of
from truecast.pipelines.settle import settle
from truecast.pipelines.studies import Studies
from truecast.serving.answering.past import Past
from truecast.serving.feed.live import Role
from truecast.serving.planning import slots_of
from truecast.serving.service import Service
from truecast.serving.workspace import series_of

_log = logging.getLogger(__name__)

_LAST = date(2100, 12, 31)
#: How often outcomes are written down, of time as it passes here.
_SETTLE_SECONDS = 5.0
_STOP_SECONDS = 5.0


class ReplayFeed:
    """Issues what would have been said, by models of then, at a multiple of the time it took.

    The first decision is made when the server begins, and every other one as much later as it
    was, divided by the speed. What a replay said before is found in the ledger and not said twice.

    Parameters
    ----------
    studies : Studies
        Of the recipe; told of the progress of the walk-forward, which is done here.
    first : date
        First session that is forecast from.
    speed : float
        Seconds of then in one of now, above 0.

    Raises
    ------
    UsageError
        If there is no session from then on, or it lies before ``evaluate.from``.
    """

    role: Role = "replays"

    def __init__(self, studies: Studies, first: date, speed: float) -> None:
        self._studies, self._speed = studies, speed
        walk(studies)
        decisions = sorted(decisions_of(studies, first, _LAST))
        if not decisions:
            every = ", ".join(studies.recipe.instruments)
            raise UsageError(f"there is no session of {every} from {first} on")
        self._steps = [
            (to_utc(as_of), [symbol for _, symbol, _ in some])
            for as_of, some in groupby(decisions, itemgetter(0))
        ]
        workspace = studies.workspace
        symbols = {symbol for _, some in self._steps for symbol in some}
        self._replays = {symbol: Replay(studies, symbol) for symbol in symbols}
        self._series = {symbol: series_of(workspace, studies.recipe, symbol) for symbol in symbols}
        for symbol in self._steps[0][1]:  # a day that may not be replayed is refused now
            self._replays[symbol].forecasts(self._steps[0][0], self._series[symbol])
        slots = [slot for slot in slots_of(studies.recipe) if slot.instrument in symbols]
        self._past = Past(studies.recipe, slots)
        self._service: Service | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)

    def attend(self, service: Service) -> None:
        """Become what a service's forecasts come from, and its answers."""
        self._service = service
        service.live, service.past = self, self._past

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End within seconds; a fit that is under way ends with the process."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)

    def poke(self) -> None:
        """Hear that something new is in the lake, which is not of then."""

    def refresh(self, slot: Slot) -> bool:
        """Fetch nothing."""
        del slot
        return False

    def troubles(self) -> list[str]:
        """Say why the replay has ended early, if it has."""
        return [] if self._past.trouble is None else [self._past.trouble]

    def _run(self) -> None:
        try:
            self._play()
        except TruecastError as error:
            _log.warning("the replay has ended: %s", error)
            self._past.trouble = f"the replay has ended: {error}"
        except Exception as error:  # noqa: BLE001 - nobody else would tell that the thread is gone
            _log.exception("the replay has ended")
            self._past.trouble = f"the replay has ended: {type(error).__name__}: {error}"

    def _play(self) -> None:
        began, settled = time.monotonic(), time.monotonic()
        start = self._steps[0][0]
        for as_of, symbols in self._steps:
            wait = (as_of - start).total_seconds() / self._speed - (time.monotonic() - began)
            if self._stopping.wait(max(wait, 0)):
                return
            self._issue(as_of, symbols)
            if time.monotonic() - settled > _SETTLE_SECONDS:
                self._settle(as_of)
                settled = time.monotonic()
        self._settle(now())

    def _issue(self, as_of: datetime, symbols: list[str]) -> None:
        said = [
            forecast
            for symbol in symbols
            for forecast in self._replays[symbol].forecasts(as_of, self._series[symbol])
        ]
        assert self._service is not None  # noqa: S101 - nothing begins before it attends
        self._past.tell(self._service.ledger.write(said))

    def _settle(self, known_by: datetime) -> None:
        studies = self._studies
        ledger = studies.workspace.ledger
        settle(studies.workspace, ledger, studies.recipe, moment=known_by, at_known=True)
