"""Who may ask what, and how often: the keys that are good, and the counts of requests."""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import NoReturn

from starlette.types import Receive, Scope, Send

from truecast.core.settings import Settings
from truecast.database.engine import open_database
from truecast.database.errors import DatabaseError
from truecast.serving.door.audit import LOCAL
from truecast.serving.door.classes import READ, RouteClass
from truecast.serving.door.guesses import Guesses
from truecast.serving.door.keys import Key, KeyRing, Keys, key_id_of
from truecast.serving.door.limiting import Allowance, Limiter, UncountedError, open_limiter
from truecast.serving.kinds import KEY, LIMIT, SCOPE, UNAVAILABLE, Kind
from truecast.serving.problems import RequestError, respond

_log = logging.getLogger(__name__)

#: A key that was made or revoked is known after this; requests do not wait for the look.
LOOK_SECONDS = 1.0
#: They do once the last look is older than this, for so long at most.
OLDEST_SECONDS = 2.0
PATIENCE_SECONDS = 2.0
_HOW = "send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
Headers = list[tuple[bytes, bytes]]


class RefusedError(RequestError):
    """A request is refused at the door.

    Parameters
    ----------
    kind, detail
        As of :class:`RequestError`.
    headers : list of (bytes, bytes)
        Of the answer.
    what_to_do : str, optional
        If there is something better to say than the kind does.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        headers: Iterable[tuple[bytes, bytes]] = (),
        what_to_do: str | None = None,
    ) -> None:
        super().__init__(kind, detail)
        self.headers, self.what_to_do = [*headers], what_to_do


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who was let in.

    Parameters
    ----------
    key : Key, optional
        None where no key is needed.
    headers : list of (bytes, bytes)
        Say how often it may ask.
    """

    key: Key | None
    headers: Headers

    @property
    def actor(self) -> str:
        """Who it is, for the audit."""
        return LOCAL if self.key is None else self.key.name


class Access:
    """Knows the keys and counts requests.

    Parameters
    ----------
    keys : Keys
        Looked at again once a second.
    limiter : Limiter
        That counts.
    demanded : bool
        Whether a key is demanded even while there is none. Else one is demanded as soon as there
        is one.

    Raises
    ------
    DatabaseError
        If the keys cannot be read.
    """

    def __init__(self, keys: Keys, limiter: Limiter, *, demanded: bool) -> None:
        self._keys, self._limiter, self.demanded = keys, limiter, demanded
        self._guesses = Guesses(limiter)
        self._ring = keys.ring()
        self._looked_at = time.monotonic()
        self._looking: asyncio.Task[None] | None = None

    async def admit(self, of: RouteClass, secret: str | None, address: str) -> Admitted:
        """Let a request in, and count it.

        Parameters
        ----------
        of : RouteClass
            What it asks.
        secret : str, optional
            The key that it sends.
        address : str
            Where it comes from.

        Returns
        -------
        Admitted
            Who asks, and how often it may.

        Raises
        ------
        RefusedError
            If it is refused.
        """
        ring = await self._newest()
        key = None
        if self.demanded or ring:
            key = await self._recognise(ring, secret, address)
            if of.scope not in key.scopes:
                # Counted with what it may ask: nobody asks for ever what is refused.
                await self._count(READ, key.id)
                _refuse_scope(key, of)
        left = await self._count(of, _network(address) if key is None else key.id)
        return Admitted(key, left.headers)

    async def still_admits(self, key: Key | None) -> bool:
        """Say whether who was let in by a key, or without one, would be now."""
        ring = await self._newest()
        return key.id in ring if key is not None else not (self.demanded or ring)

    async def close(self) -> None:
        """Close what is open."""
        await self._limiter.close()

    async def _count(self, of: RouteClass, who: str) -> Allowance:
        try:
            left = await self._limiter.count(of, who)
        except UncountedError as error:
            raise RefusedError(
                UNAVAILABLE, str(error), what_to_do="ask again once Redis is back"
            ) from error
        if left.remaining < 0:
            _refuse_often(
                left,
                f"over {left.limit} requests of the class {of.name!r}",
                f"TRUECAST_LIMIT_{of.name.upper()} sets it",
            )
        return left

    async def _recognise(self, ring: KeyRing, secret: str | None, address: str) -> Key:
        if secret is None:
            refuse_key("this server answers only to who has a key, and none was sent")
        if self._guesses:
            waits = self._guesses.waits(_network(address), _known_id(ring, secret))
            if waits is not None:
                _refuse_guesses(waits)
        key = ring.find(secret)
        if key is None:
            left = await self._guesses.count(_network(address), _known_id(ring, secret))
            if left.remaining < 0:
                _refuse_guesses(left)
            refuse_key("the key that was sent is not known here, or was revoked")
        return key

    async def _newest(self) -> KeyRing:
        age = time.monotonic() - self._looked_at
        if age > LOOK_SECONDS:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            if age > OLDEST_SECONDS:
                await asyncio.wait({self._looking}, timeout=PATIENCE_SECONDS)
        return self._ring

    async def _look(self) -> None:
        try:
            self._ring = await asyncio.to_thread(self._keys.ring)
        except DatabaseError as error:
            # Those read last hold: who has a good key is not locked out with the database.
            _log.error("the keys cannot be read: %s", error)
        self._looked_at = time.monotonic()


def open_access(settings: Settings, *, demanded: bool = False) -> Access:
    """Return what the settings say of access.

    Parameters
    ----------
    settings : Settings
        Say where keys are, and the limits.
    demanded : bool
        Whether a key is demanded even while there is none.

    Raises
    ------
    SettingsError
        If the address of Redis is none.
    DatabaseError
        If the keys cannot be read.
    """
    keys = Keys(open_database(settings.database))
    return Access(keys, open_limiter(settings), demanded=demanded)


@lru_cache(maxsize=1024)
def _network(address: str) -> str:
    """Return what is counted together: one who has an IPv6 address has 2^64 of them."""
    return str(ip_network((address, 64), strict=False)) if ":" in address else address


def refuse_key(detail: str) -> NoReturn:
    """Refuse for want of a key that is known."""
    raise RefusedError(KEY, detail, [(b"www-authenticate", b'Bearer realm="truecast"')], _HOW)


def _known_id(ring: KeyRing, secret: str) -> str | None:
    named = key_id_of(secret)
    return named if named in ring else None


def _refuse_scope(key: Key, of: RouteClass) -> NoReturn:
    raise RefusedError(
        SCOPE,
        f"the key {key.name!r} is good for {', '.join(key.scopes)}, not for {of.scope}",
        what_to_do=f"use a key that was made with --scope {of.scope}",
    )


def _refuse_guesses(left: Allowance) -> NoReturn:
    _refuse_often(
        left,
        f"over {left.limit} keys that are not known here came from this address",
        "look whether the key was copied whole, and was not revoked",
    )


def _refuse_often(left: Allowance, detail: str, advice: str) -> NoReturn:
    raise RefusedError(
        LIMIT,
        detail,
        [(b"retry-after", b"%d" % left.reset_seconds), *left.headers],
        f"ask again in {left.reset_seconds} s; {advice}",
    )


async def deny(refused: RefusedError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or a WebSocket before it is open, with why it is refused."""
    openly = scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", ())
    if not openly:
        await send({"type": "websocket.close", "code": 1008, "reason": refused.kind.title})
        return
    path = scope["path"][:200]
    answer = respond(refused.kind, str(refused), path, what_to_do=refused.what_to_do)
    answer.raw_headers += refused.headers
    await answer(scope, receive, send)
