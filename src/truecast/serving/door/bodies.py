"""How a body comes in: not too much of one, not too much of all at once, and not too slowly."""

import asyncio
from typing import NoReturn

from starlette.types import Message, Receive

from truecast.serving.door.access import Headers, RefusedError
from truecast.serving.door.classes import RouteClass
from truecast.serving.kinds import BUSY, SLOW, TOO_LARGE

#: How long a client may take to send a body: it is one of few that are worked on meanwhile.
BODY_SECONDS = 30.0
#: Bytes of all bodies that are held at once, but for those that are small: few of them are of any
#: weight, and questions are not to wait for what is pushed.
MOST_HELD = 64 * 1024**2
SMALL_BODY = 64 * 1024
#: What was not read of a body is not waited for.
CLOSE = (b"connection", b"close")


class Bodies:
    """How much of all bodies is held."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0


class Body:
    """Takes one body, and refuses it as soon as it is too large, too slow, or there is no room.

    Parameters
    ----------
    receive : callable
        Gives it.
    of : RouteClass
        Says how large it may be.
    said : list of (bytes, bytes)
        Headers of the answer.
    bodies : Bodies
        All of them.
    """

    __slots__ = ("_bodies", "_deadline", "_held", "_of", "_receive", "_said", "_size", "_whole")

    def __init__(self, receive: Receive, of: RouteClass, said: Headers, bodies: Bodies) -> None:
        self._receive, self._of, self._said, self._bodies = receive, of, said, bodies
        self._size = self._held = 0
        self._whole = False
        self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive(self) -> Message:
        """Return its next part; behind it, wait until the client goes away."""
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            self._said.append(CLOSE)
            raise RefusedError(SLOW, f"the body took over {BODY_SECONDS:g} seconds") from None
        self._size += len(message.get("body", b""))
        if self._size > self._of.largest_body:
            self._said.append(CLOSE)
            refuse_size("the body is larger", self._of)
        if self._size > SMALL_BODY:
            self._hold()
        self._whole = not message.get("more_body", False)
        return message

    def let_go(self) -> None:
        """Count it no more."""
        self._bodies.held -= self._held
        self._held = 0

    def _hold(self) -> None:
        more = self._size - self._held
        if self._bodies.held + more > MOST_HELD:
            # The rest is read and dropped, so that a client which sends first hears this, too.
            raise RefusedError(BUSY, f"other bodies fill the {MOST_HELD // 1024**2} MiB for them")
        self._bodies.held += more
        self._held = self._size


def refuse_size(detail: str, of: RouteClass) -> NoReturn:
    """Refuse a body for its size."""
    most = f"at most {of.largest_body // 1024**2} MiB"
    raise RefusedError(TOO_LARGE, f"{detail}, expected {most}", what_to_do=f"send {most}")
