"""Where chance comes from: numbers that depend on what they are for, and on nothing else.

Philox counts instead of going from state to state, so the numbers of one day or year can be had
without those of any other.

References
----------
Salmon, Moraes, Dror, Shaw (2011), Parallel random numbers: as easy as 1, 2, 3.
"""

import hashlib

import numpy as np

#: Stands for the market in the place of a symbol; no symbol has a space in it.
MARKET = "the market"


class Stream:
    """Random numbers for one purpose of one instrument.

    Parameters
    ----------
    seed : int
        The market's.
    purpose : str
        What they are for: two purposes share no number.
    symbol : str
        Whose they are.
    """

    def __init__(self, seed: int, purpose: str, symbol: str) -> None:
        digest = hashlib.sha256(f"{seed}\0{purpose}\0{symbol}".encode()).digest()
        self._key = np.frombuffer(digest[:16], np.uint64)

    def at(self, place: int) -> np.random.Generator:
        """Return the numbers of one day or year, from the first one on."""
        counter = np.array([0, 0, 0, place], np.uint64)
        return np.random.Generator(np.random.Philox(key=self._key, counter=counter))
