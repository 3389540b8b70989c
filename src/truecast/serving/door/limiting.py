"""How often one may ask: requests of each class are counted, by key or by address.

Counted by the library ``limits``, in windows that begin with the first request: in this process,
or in Redis for all processes together. While Redis is away, each process counts for itself, and
what must not go uncounted is refused.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from math import ceil
from typing import cast

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.errors import ConfigurationError, StorageError

from truecast.core.errors import SettingsError, TruecastError
from truecast.core.settings import Settings
from truecast.serving.door.classes import CLASSES, RouteClass

_log = logging.getLogger(__name__)

#: How long Redis may take over one step, and how long it is left alone when it did not answer.
PATIENCE_SECONDS = 0.25
AWAY_SECONDS = 2.0
#: Keys that are not known here and may yet come from one address.
WRONG_KEYS = "30/minute"
#: Windows whose names and ends are kept in memory.
_REMEMBERED = 4096


class UncountedError(TruecastError):
    """Requests cannot be counted where that was set, and this one must be."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a window.

    Parameters
    ----------
    limit : int
        Requests in a window.
    remaining : int
        Negative if this request is over the limit.
    reset_seconds : int
        Until the window ends; at least 1.
    """

    limit: int
    remaining: int
    reset_seconds: int

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What an answer says of it."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % max(0, self.remaining)),
            (b"ratelimit-reset", b"%d" % self.reset_seconds),
        ]


class Limiter:
    """Counts requests.

    Parameters
    ----------
    rates : mapping of str to str
        By name of the class, such as ``600/minute``.
    redis : RedisStorage, optional
        Where all processes count together.
    """

    def __init__(self, rates: Mapping[str, str], redis: RedisStorage | None = None) -> None:
        self._rates = {name: parse(rate) for name, rate in rates.items()}
        self._wrong_keys = parse(WRONG_KEYS)
        self._memory = _Windows(MemoryStorage())
        self._redis = None if redis is None else _Windows(redis)
        self._away_until = 0.0

    async def count(self, of: RouteClass, who: str) -> Allowance:
        """Count one request, and say what is left.

        Parameters
        ----------
        of : RouteClass
            What is asked.
        who : str
            Id of a key, or an address.

        Raises
        ------
        UncountedError
            If it must be counted in Redis, which does not answer.
        """
        return await self._count(self._rates[of.name], of.name, who, demanded=of.counted)

    async def count_wrong_key(self, address: str) -> Allowance:
        """Count a key that is not known, and say how many more may come from that address."""
        return await self._count(self._wrong_keys, "wrong-key", address, demanded=False)

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._redis is not None:
            redis = cast(RedisStorage, self._redis.storage)
            closing: Awaitable[None] = redis.bridge.get_connection().aclose()  # type: ignore[attr-defined]
            await closing

    async def _count(self, rate: RateLimitItem, of: str, who: str, *, demanded: bool) -> Allowance:
        name = _name(rate, of, who)
        if self._redis is not None:
            found = await self._count_in_redis(self._redis, rate, name)
            if found is not None:
                return found
            if demanded:
                raise UncountedError(
                    "requests are counted in Redis (TRUECAST_REDIS_URL), which does not answer"
                )
        return await self._memory.count(rate, name)

    async def _count_in_redis(
        self, redis: "_Windows", rate: RateLimitItem, name: str
    ) -> Allowance | None:
        """Return None while Redis is away: it is asked again, but not by every request."""
        if time.monotonic() < self._away_until:
            return None
        try:
            return await redis.count(rate, name)
        except (StorageError, OSError) as error:
            # Its words may hold more than an address.
            cause = type(getattr(error, "storage_error", error)).__name__
            _log.error("Redis does not answer (%s): each process counts for itself", cause)
            self._away_until = time.monotonic() + AWAY_SECONDS
            return None


def open_limiter(settings: Settings) -> Limiter:
    """Return the limiter that the settings say; Redis is not asked yet.

    Raises
    ------
    SettingsError
        If the address of Redis is none, or its client is not installed.
    """
    rates = {of.name: getattr(settings, f"limit_{of.name}") for of in CLASSES}
    url = settings.redis_url
    return Limiter(rates, None if url is None else _redis(url.get_secret_value()))


def _redis(url: str) -> RedisStorage:
    if find_spec("redis") is None:
        raise SettingsError(
            "TRUECAST_REDIS_URL is set, but the client for Redis is not installed: "
            "run pip install 'truecast[scale]'"
        )
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    scheme, _, rest = url.partition("://")
    known = {"redis": "redis", "rediss": "rediss", "unix": "redis+unix"}
    try:
        return RedisStorage(
            f"async+{known[scheme]}://{rest}",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="truecast:limits",
            socket_timeout=PATIENCE_SECONDS,
            socket_connect_timeout=PATIENCE_SECONDS,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]
        )
    except (KeyError, ValueError, TypeError, ConfigurationError):
        # What they say repeats the address, with its password.
        raise SettingsError(
            "TRUECAST_REDIS_URL: expected redis://[user:password@]host[:port][/number], "
            "rediss://… for TLS, or unix:///path of a socket"
        ) from None


@lru_cache(maxsize=_REMEMBERED)
def _name(rate: RateLimitItem, of: str, who: str) -> str:
    return rate.key_for(of, who)


class _Windows:
    """Windows that begin with their first request, and when they end.

    The end is asked for once: it stands for as long as the window's count goes up.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def count(self, rate: RateLimitItem, name: str) -> Allowance:
        """Count a request in the window of that name, or in a new one."""
        count = await self.storage.incr(name, rate.get_expiry())
        before, end = self._seen.get(name, (count, 0.0))
        # The library's windows are of the system's time, in every process and in Redis.
        if count <= before or end <= time.time():
            end = await self.storage.get_expiry(name)
        self._seen[name] = (count, end)
        self._seen.move_to_end(name)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return Allowance(rate.amount, rate.amount - count, max(1, ceil(end - time.time())))
