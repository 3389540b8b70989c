"""Who guesses keys is slowed, and nobody else: keys that are not known are counted by address.

Once there are too many of them from an address, what follows is not even looked at until the window
ends: whatever names no key that there is, and every key whose id was sent with a wrong secret after
that. All others are recognised as ever, so a good key waits for nobody, unless somebody at the same
address goes on to guess that very key.
"""

import time

from truecast.serving.door.limiting import Allowance, Limiter

#: Addresses and ids that are kept; those whose windows have ended are dropped first.
MOST_HELD = 10_000


class Guesses:
    """Counts keys that are not known.

    Parameters
    ----------
    limiter : Limiter
        That counts, in this process or for all of them.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        #: What waits, each until when.
        self._held: dict[tuple[str, str | None], tuple[float, Allowance]] = {}

    def __bool__(self) -> bool:
        """Whether anything waits; the rest need not be asked then."""
        return bool(self._held)

    def waits(self, address: str, key_id: str | None) -> Allowance | None:
        """Return how long a key is not looked at, or None if it is.

        Parameters
        ----------
        address : str
            Where it comes from.
        key_id : str, optional
            The id that it names, if there is such a key.
        """
        until, said = self._held.get((address, key_id), (0.0, None))
        left = until - time.monotonic()
        if said is None or left <= 0:
            return None
        return Allowance(said.limit, -1, max(1, round(left)))

    async def count(self, address: str, key_id: str | None) -> Allowance:
        """Count a key that is not known; too many of them, and the next ones wait."""
        left = await self._limiter.count_wrong_key(address)
        if left.remaining < 0:
            if len(self._held) >= MOST_HELD:
                self._drop()
            self._held[address, key_id] = time.monotonic() + left.reset_seconds, left
        return left

    def _drop(self) -> None:
        moment = time.monotonic()
        self._held = {one: held for one, held in self._held.items() if held[0] > moment}
        while len(self._held) >= MOST_HELD:
            del self._held[next(iter(self._held))]
