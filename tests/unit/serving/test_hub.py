"""The hub between a ledger and its clients: nothing is left out, nothing comes twice."""

import asyncio
import json
import os
import random
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from forecasts import make_numbered
from truecast.core.forecast import Forecast
from truecast.database.engine import open_database
from truecast.database.errors import DatabaseError
from truecast.ledger.ledger import RECORDED, Ledger
from truecast.ledger.query import Page
from truecast.serving.stream import hub as hubs
from truecast.serving.stream.hub import Client, Hub
from truecast.serving.stream.messages import StreamError, Subscription

SOAK = bool(os.environ.get("TRUECAST_SOAK"))
INSTRUMENTS, RECIPES = ("^GSPC", "GC=F", "AAPL"), ("one", "two")
EVERYTHING = Subscription()
INTERLEAVINGS = 400 if SOAK else 10


def said(number: int, mode: str = "live", **changes: Any) -> Forecast:
    """Return one of many forecasts; each number is another."""
    recipe, instrument = RECIPES[number % 2], INSTRUMENTS[number % 3]
    which = {"slot": f"{recipe}@sample:~5EGSPC:price:1", "recipe": recipe, "instrument": instrument}
    return make_numbered(number, mode=mode, **which, **changes)


class Reader:
    """A client's end, that reads when it is told to."""

    def __init__(self, *, room: int = 10**9) -> None:
        self.messages: list[dict[str, Any]] = []
        self._room = room
        self.unread = self.most_unread = 0
        self._free = asyncio.Event()
        self._free.set()

    @property
    def is_behind(self) -> bool:
        return not self._free.is_set()

    async def caught_up(self) -> None:
        await self._free.wait()

    def write(self, frames: bytes) -> None:
        self.messages += parsed(frames)
        self.unread += len(frames)
        self.most_unread = max(self.most_unread, self.unread)
        if self.unread > self._room:
            self._free.clear()

    def read(self) -> None:
        self.unread = 0
        self._free.set()

    def numbers(self) -> list[int]:
        """Return the numbers of the forecasts that came since it asked last."""
        kinds = [one["type"] for one in self.messages]
        last = len(kinds) - kinds[::-1].index("subscribed")
        return [one["seq"] for one in self.messages[last:] if one["type"] == "market_update"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.messages if one["type"] == kind]


def parsed(frames: bytes) -> list[dict[str, Any]]:
    """Read unmasked frames of text as RFC 6455 defines them."""
    messages = []
    while frames:
        assert frames[0] == 0x81  # the last frame of a message of text
        size, start = frames[1], 2
        if size == 126:
            size, start = int.from_bytes(frames[2:4]), 4
        elif size == 127:
            size, start = int.from_bytes(frames[2:10]), 10
        messages.append(json.loads(frames[start : start + size]))
        frames = frames[start + size :]
    return messages


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(open_database(f"sqlite:///{tmp_path / 'truecast.db'}"))


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def test_what_is_written_comes_at_once_and_whatifs_never(ledger: Ledger) -> None:
    async def scene() -> None:
        hub, reader = Hub(ledger, lambda _: 123.0), Reader()
        await hub.join(client := Client(reader), EVERYTHING)
        await until(lambda: client.feeding is None)
        modes = ["live", "whatif", "replay", "shadow", "historical"]
        for number, mode in enumerate(modes):
            await asyncio.to_thread(ledger.write, [said(number, mode)])
        await until(lambda: len(reader.numbers()) == 3)
        assert reader.numbers() == [1, 3, 5]
        first = reader.of("market_update")[0]
        assert first["timestamp"] == "2018-12-28T21:00:00Z"
        assert first["data"] == {
            **{"instrument": "^GSPC", "price": 2485.74, "volume": 123.0, "target": "price"},
            **{"horizon": 1, "prediction": 2500.0, "probability": None},
            "confidence": first["forecast"]["confidence"],
            "signal_strength": first["forecast"]["signal_strength"],
        }
        assert first["forecast"]["id"] == str(said(0).id)
        assert 0 < first["data"]["confidence"] < 1
        hub.leave(client)
        assert not hub._tasks

    asyncio.run(scene())


def test_what_is_new_does_not_wait_for_those_who_catch_up(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.write([said(0)])
    free, read = threading.Event(), ledger.after

    def slow(seq: int, limit: int, until: int | None = None) -> Page:
        if until is not None:  # for one client
            assert free.wait(20)
        return read(seq, limit, until)

    monkeypatch.setattr(ledger, "after", slow)

    async def scene() -> None:
        hub, live, late = Hub(ledger), Reader(), [Reader() for _ in range(2)]
        clients = [Client(reader) for reader in (live, *late)]
        try:
            await hub.join(clients[0], EVERYTHING)
            for client in clients[1:]:
                await hub.join(client, Subscription(after=0))
            await until(lambda: hub._reading.borrowed_tokens == 2)
            await asyncio.to_thread(ledger.write, [said(1)])
            await until(lambda: live.numbers() == [2])
            assert [reader.numbers() for reader in late] == [[], []]
        finally:
            free.set()
        await until(lambda: all(reader.numbers() == [1, 2] for reader in late))
        for client in clients:
            hub.leave(client)

    asyncio.run(scene())


def test_a_client_without_a_number_gets_what_is_new(ledger: Ledger) -> None:
    async def scene() -> None:
        ledger.write([said(0), said(1)])
        hub, reader = Hub(ledger, slots_of=lambda wanted: 7), Reader()
        await hub.join(client := Client(reader), Subscription(instrument="AAPL"))
        (answer,) = reader.of("subscribed")
        assert {**answer, "timestamp": None} == {
            **{"type": "subscribed", "timestamp": None, "seq": 2, "slots": 7},
            **{"instrument": "AAPL", "recipe": None},
        }
        ledger.write([said(number) for number in range(2, 9)])
        await until(lambda: len(reader.numbers()) == 3)
        assert reader.numbers() == [3, 6, 9]
        hub.leave(client)

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"instrument": "^GSPC"}, [1, 4, 7, 10]),
        ({"recipe": "two"}, [2, 4, 6, 8, 10]),
        ({"recipe": "two@sample"}, [2, 4, 6, 8, 10]),
        ({"recipe": "two@yahoo"}, []),
        ({"instrument": "AAPL", "recipe": "one"}, [3, 9]),
        ({}, list(range(1, 11))),
    ],
)
def test_a_client_gets_what_it_asks_for(
    ledger: Ledger, asked: dict[str, str], numbers: list[int]
) -> None:
    async def scene() -> None:
        hub, reader, everything = Hub(ledger), Reader(), Reader()
        ledger.write([said(number) for number in range(5)])
        await hub.join(client := Client(reader), Subscription(**asked, after=0))
        await hub.join(other := Client(everything), Subscription(after=0))
        ledger.write([said(number) for number in range(5, 10)])
        await until(lambda: len(everything.numbers()) == 10 and client.feeding is None)
        await asyncio.sleep(0.05)
        assert reader.numbers() == numbers
        hub.leave(client)
        hub.leave(other)

    asyncio.run(scene())


def test_a_number_that_was_never_written_is_refused(ledger: Ledger) -> None:
    async def scene() -> None:
        ledger.write([said(0)])
        hub, reader = Hub(ledger), Reader()
        client = Client(reader)
        with pytest.raises(StreamError, match=r"after=2: the last number .* is 1") as refused:
            await hub.join(client, Subscription(after=2))
        assert refused.value.code == 1008
        hub.leave(client)
        assert reader.messages == []

    asyncio.run(scene())


def _expected(ledger: Ledger, wanted: Subscription, after: int) -> list[int]:
    """Ask the ledger itself, all at once."""
    found = [(seq, one) for seq, one in ledger.after(0, 10**6).forecasts if seq > after]
    return [
        seq
        for seq, one in found
        if wanted.instrument in {None, one.instrument} and wanted.recipe in {None, one.recipe}
    ]


class Interleaving:
    """Clients come, resume, read slowly and ask anew while forecasts are written."""

    def __init__(self, ledger: Ledger, dice: random.Random) -> None:
        self._ledger, self._dice = ledger, dice
        self._numbers = iter(range(10**6))
        self._visits: list[tuple[Client, Reader, Subscription, int]] = []
        self._reading: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        hub = Hub(self._ledger)
        await asyncio.gather(self._writer(), *(self._visitor(hub) for _ in range(6)))
        for _, reader, wanted, after in self._visits:
            await until(partial(self._has_all, reader, wanted, after))
        await asyncio.sleep(0.02)
        for _, reader, wanted, after in self._visits:
            assert reader.numbers() == self._expected(wanted, after)
        for client, *_ in self._visits:
            hub.leave(client)
        for task in self._reading:
            task.cancel()

    async def _writer(self) -> None:
        for _ in range(20):
            await asyncio.to_thread(self._write)
            await asyncio.sleep(self._dice.choice([0, 0, 0.001, 0.004]))

    def _write(self) -> None:
        modes = self._dice.choices([*RECORDED, "whatif"], k=self._dice.randint(1, 12))
        self._ledger.write([said(next(self._numbers), mode) for mode in modes])

    async def _visitor(self, hub: Hub) -> None:
        dice = self._dice
        await asyncio.sleep(dice.random() * 0.1)
        reader = Reader(room=dice.choice([1, 5_000, 10**9]))
        client = Client(reader)
        self._reading.append(asyncio.create_task(self._reads(reader)))
        instrument, recipe = dice.choice([None, *INSTRUMENTS]), dice.choice([None, *RECIPES])
        for _ in range(dice.randint(1, 3)):
            after = dice.choice([None, 0, dice.randint(0, self._ledger.newest_seq())])
            wanted = Subscription(instrument=instrument, recipe=recipe, after=after)
            await hub.join(client, wanted)
            await asyncio.sleep(dice.random() * 0.02)
        self._visits.append((client, reader, wanted, reader.of("subscribed")[-1]["seq"]))

    async def _reads(self, reader: Reader) -> None:
        while True:
            await asyncio.sleep(self._dice.random() * 0.01)
            reader.read()

    def _has_all(self, reader: Reader, wanted: Subscription, after: int) -> bool:
        return len(reader.numbers()) >= len(self._expected(wanted, after))

    def _expected(self, wanted: Subscription, after: int) -> list[int]:
        """Ask the ledger itself, all at once."""
        return [
            seq
            for seq, one in self._ledger.after(after, 10**6).forecasts
            if wanted.instrument in {None, one.instrument} and wanted.recipe in {None, one.recipe}
        ]


@pytest.mark.parametrize("seed", range(INTERLEAVINGS))
def test_no_gap_and_no_double_however_things_interleave(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    monkeypatch.setattr(hubs, "PAGE", dice.choice([1, 2, 7, 200]))
    monkeypatch.setattr(hubs, "_KEPT", dice.choice([0, 1, 5, 1000]))
    monkeypatch.setattr(hubs, "POLL_SECONDS", 0.003)
    asyncio.run(Interleaving(ledger, dice).run())


def test_one_who_does_not_read_is_sent_little_and_gets_all_of_it_later(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "PAGE", 5)

    async def scene() -> None:
        hub, slow, fast = Hub(ledger), Reader(room=1_000), Reader()
        await hub.join(one := Client(slow), EVERYTHING)
        await hub.join(other := Client(fast), EVERYTHING)
        await until(lambda: one.feeding is None and other.feeding is None)
        for number in range(0, 200, 5):
            await asyncio.to_thread(ledger.write, [said(n) for n in range(number, number + 5)])
        await until(lambda: len(fast.numbers()) == 200)
        a_message = len(json.dumps(fast.of("market_update")[0]))
        assert slow.unread == slow.most_unread < 7 * a_message
        while len(slow.numbers()) < 200:
            slow.read()
            await asyncio.sleep(0.001)
        assert slow.numbers() == fast.numbers() == list(range(1, 201))
        assert slow.most_unread < 7 * a_message
        hub.leave(one)
        hub.leave(other)

    asyncio.run(scene())


def test_trouble_is_told_and_what_was_missed_comes_later(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hubs, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(hubs, "_RETRY_SECONDS", 0.02)
    after = ledger.after

    async def scene() -> None:
        hub, reader = Hub(ledger), Reader()
        await hub.join(client := Client(reader), EVERYTHING)
        await until(lambda: reader.of("heartbeat"))
        assert reader.of("heartbeat")[0] == {
            **reader.of("heartbeat")[0],
            **{"seq": 0, "degraded": False, "reason": None},
        }

        def refuse(*given: object) -> None:
            raise DatabaseError("the disk is gone")

        monkeypatch.setattr(ledger, "after", refuse)
        ledger.write([said(0)])
        await until(lambda: reader.of("heartbeat")[-1]["degraded"])
        assert reader.of("heartbeat")[-1]["reason"] == "the disk is gone"
        assert reader.of("heartbeat")[-1]["seq"] == 0
        monkeypatch.setattr(ledger, "after", after)
        await until(lambda: reader.numbers() == [1])
        await until(lambda: reader.of("heartbeat")[-1]["seq"] == 1)
        assert not reader.of("heartbeat")[-1]["degraded"]
        hub.leave(client)

    asyncio.run(scene())
    assert [one.message for one in caplog.records].count("the stream waits for the ledger") == 1


def test_too_many_clients_are_told_to_come_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "MOST_CLIENTS", 2)

    async def scene() -> None:
        hub = Hub(ledger)
        clients = [Client(Reader()) for _ in range(3)]
        await hub.join(clients[0], EVERYTHING)
        await hub.join(clients[1], EVERYTHING)
        with pytest.raises(StreamError, match="2 clients are connected") as refused:
            await hub.join(clients[2], EVERYTHING)
        assert refused.value.code == 1013
        await hub.join(clients[0], EVERYTHING)  # who is there may ask anew
        hub.leave(clients[2])
        hub.leave(clients[0])
        await hub.join(clients[2], EVERYTHING)
        hub.leave(clients[1])
        hub.leave(clients[2])
        assert not hub._tasks

    asyncio.run(scene())


def test_nothing_is_kept_of_subscriptions_that_ended(ledger: Ledger) -> None:
    async def scene() -> None:
        hub = Hub(ledger)
        client = Client(Reader())
        for number in range(50):
            await hub.join(client, Subscription(instrument=f"T{number}"))
            await until(lambda: client.feeding is None)
        assert len(hub._live) == 1
        hub.leave(client)
        assert len(hub._live) == 0

    asyncio.run(scene())
