"""The hub: reads the ledger on, and sends each forecast to all who want it.

A client is either *live*, and gets what the hub reads, or it is *fed* by a task of its own from
where it is, until it has come to where the hub is; then it is live. It is fed at first if it asks
for what was written before, and later if it does not read fast enough. Whether it has come there
is asked and answered without a pause, so that nothing is left out or sent twice in between.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Protocol, TypeVar

from anyio import CapacityLimiter, to_thread

from truecast.core.errors import TruecastError
from truecast.ledger.ledger import Ledger
from truecast.serving.stream.messages import (
    REFUSED,
    TRY_LATER,
    StreamError,
    Subscription,
    Told,
    VolumeOf,
    Wanted,
    heartbeat,
    subscribed,
    tell,
)

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: How often the ledger is looked at for what other processes write.
POLL_SECONDS = 0.2
HEARTBEAT_SECONDS = 15.0
_RETRY_SECONDS = 1.0
_SOON_SECONDS = 0.01
#: Clients at once: each holds memory and a file.
MOST_CLIENTS = 2_000
#: Messages that are sent before it is looked again whether a client keeps up.
PAGE = 200
#: The last messages are kept for clients that fell behind; some 2 KB each.
_KEPT = 1_000


class Sink(Protocol):
    """Where a client's frames go; see :class:`truecast.serving.stream.websocket.Connection`."""

    @property
    def is_behind(self) -> bool:
        """Whether it has not read what it was sent."""

    async def caught_up(self) -> None:
        """Wait until it has."""

    def write(self, frames: bytes) -> None:
        """Send frames, without waiting."""


class Client:
    """Who is connected.

    Parameters
    ----------
    sink : Sink
        Where its frames go.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.wanted = Wanted(None, None)
        #: Everything up to here went to it, while it is fed; None before it is first sent anything.
        self.seq: int | None = None
        self.feeding: asyncio.Task[None] | None = None


class Hub:
    """Sends what is written for the record to all clients of one process.

    All of it is called in one event loop.

    Parameters
    ----------
    ledger : Ledger
        That is read on.
    volume_of : callable
        Gives the volume of a forecast's last bar; called in a thread.
    slots_of : callable
        Counts the champions that a subscription fits; called in a thread.
    """

    def __init__(
        self,
        ledger: Ledger,
        volume_of: VolumeOf = lambda _: None,
        slots_of: Callable[[Wanted], int] = lambda _: 0,
    ) -> None:
        self._ledger, self._volume_of, self._slots_of = ledger, volume_of, slots_of
        self._clients: set[Client] = set()
        self._live: defaultdict[Wanted, set[Client]] = defaultdict(set)
        #: Everything up to here went to the clients that are live.
        self._seq = 0
        #: What was written after ``_kept_after`` and up to ``_seq``.
        self._kept: deque[Told] = deque()
        self._kept_after = 0
        self._trouble: str | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._starting = asyncio.Lock()
        self._written = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        # A thousand clients that come back at once take turns at the database, and what is new
        # does not wait for them.
        self._reading, self._following = CapacityLimiter(2), CapacityLimiter(1)
        ledger.listen(self._wake)

    async def join(self, client: Client, asked: Subscription) -> None:
        """Send a client what it asks for, from now on and instead of what it asked for before.

        Raises
        ------
        StreamError
            If there are too many clients, or ``after`` lies beyond what was ever written.
        TruecastError
            If the ledger cannot be read.
        """
        if client not in self._clients and len(self._clients) >= MOST_CLIENTS:
            raise StreamError(TRY_LATER, f"{MOST_CLIENTS} clients are connected: try again later")
        self._clients.add(client)
        await self._start()
        if asked.after is not None:
            newest = await self._in_thread(self._ledger.newest_seq)
            if asked.after > newest:
                said = f"after={asked.after}: the last number that was written is {newest}"
                raise StreamError(REFUSED, said)
        wanted = Wanted(asked.instrument, asked.recipe)
        slots = await self._in_thread(lambda: self._slots_of(wanted))
        reached = self._withdraw(client)
        client.wanted = wanted
        client.seq = reached if asked.after is None else asked.after
        client.sink.write(subscribed(client.seq, wanted, slots))
        self._feed(client)

    def leave(self, client: Client) -> None:
        """Send a client nothing more; when the last one leaves, nothing is read any more."""
        self._withdraw(client)
        self._clients.discard(client)
        if not self._clients:
            tasks, self._tasks = self._tasks, ()
            for task in tasks:
                task.cancel()

    async def _start(self) -> None:
        async with self._starting:
            if not self._tasks:
                self._loop = asyncio.get_running_loop()
                self._seq = self._kept_after = await self._in_thread(self._ledger.newest_seq)
                self._kept.clear()
                self._tasks = tuple(map(asyncio.create_task, (self._follow(), self._beat())))

    async def _follow(self) -> None:
        """Read the ledger on, for all clients that are live."""
        while True:
            self._written.clear()
            told, seq = await self._page(self._seq)
            self.broadcast(told, seq)
            if len(told) < PAGE:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._written.wait(), POLL_SECONDS)

    def broadcast(self, told: Sequence[Told], seq: int) -> None:
        """Send messages, which are all up to a number, to all who are live and want them."""
        before, self._seq = self._seq, seq
        self._kept.extend(told)
        while len(self._kept) > _KEPT:
            self._kept_after = self._kept.popleft().seq
        behind: list[Client] = []
        for wanted, clients in self._live.items():
            frames = _frames(told, wanted)
            if not frames:
                continue
            for client in clients:
                if client.sink.is_behind:
                    behind.append(client)
                else:
                    client.sink.write(frames)
        for client in behind:
            self._withdraw(client)
            client.seq = before
            self._feed(client)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            live = heartbeat(self._seq, self._trouble)
            for client in self._clients:
                if client.seq is None or client.sink.is_behind:
                    continue
                fed = client.feeding is not None
                client.sink.write(heartbeat(client.seq, self._trouble) if fed else live)

    def _feed(self, client: Client) -> None:
        client.feeding = asyncio.create_task(self._catch_up(client))

    async def _catch_up(self, client: Client) -> None:
        """Send a client what it is behind, as fast as it reads; then it is live."""
        while (seq := client.seq or 0) != self._seq:
            if seq > self._seq:
                # It has heard by another process of what this one has not read yet.
                self._written.set()
                await asyncio.sleep(_SOON_SECONDS)
                continue
            await client.sink.caught_up()
            told, until = self._kept_page(seq) or await self._page(seq, self._seq)
            if frames := _frames(told, client.wanted):
                client.sink.write(frames)
            client.seq = until
            await asyncio.sleep(0)  # others have their turn, and what is written goes out
        client.feeding = None
        self._live[client.wanted].add(client)

    def _withdraw(self, client: Client) -> int:
        """Send a client nothing for now; return how far it has come."""
        if client.feeding is not None:
            client.feeding.cancel()
            client.feeding = None
            return client.seq or 0
        clients = self._live.get(client.wanted, set())
        clients.discard(client)
        if not clients:
            self._live.pop(client.wanted, None)
        return self._seq

    def _kept_page(self, after: int) -> tuple[list[Told], int] | None:
        if after < self._kept_after:
            return None
        told = list(islice((one for one in self._kept if one.seq > after), PAGE))
        return told, told[-1].seq if len(told) == PAGE else self._seq

    async def _page(self, after: int, until: int | None = None) -> tuple[list[Told], int]:
        """Read from the ledger, as often as it takes; a heartbeat says if it takes long."""
        while True:
            try:
                limiter = self._following if until is None else self._reading
                page = await to_thread.run_sync(self._read, after, until, limiter=limiter)
            except Exception as error:  # noqa: BLE001 - it is told, and tried again
                if self._trouble is None:
                    _log.exception("the stream waits for the ledger")
                known = isinstance(error, TruecastError)
                self._trouble = str(error) if known else "the output of the server says why"
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._trouble = None
                return page

    def _read(self, after: int, until: int | None) -> tuple[list[Told], int]:
        page = self._ledger.after(after, PAGE, until)
        return [tell(seq, one, self._volume_of(one)) for seq, one in page.forecasts], page.until

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._reading)

    def _wake(self) -> None:
        if self._loop is not None and self._tasks:
            # The loop may end meanwhile, and with it whoever would be told.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._written.set)


def _frames(told: Iterable[Told], wanted: Wanted) -> bytes:
    """Return the frames of what is wanted, to be sent at once."""
    return b"".join(one.frame for one in told if wanted.takes(one))
