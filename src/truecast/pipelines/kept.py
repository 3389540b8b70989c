"""The datasets that a worker built last, kept for what it is told next, within so many bytes.

What is done for an instrument comes in two errands, the walk forward and the last fits, and each
begins with the same rows.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

import numpy as np
import polars as pl

from truecast.datasets.assembly import Dataset
from truecast.datasets.targets import Outcomes
from truecast.features.market import Bars, Decisions, Market
from truecast.features.news import Stories
from truecast.lake.history import BarHistory

#: What all datasets that a process keeps may take together.
MOST_BYTES: Final = 256 * 2**20
#: Whose attributes are looked into; calendars and plans are shared by all datasets.
_PARTS = (Bars, BarHistory, Dataset, Decisions, Market, Outcomes, Stories)


class Kept:
    """Datasets by key, the ones used last, within a bound.

    Parameters
    ----------
    most : int
        Bytes that all of them may take together.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self._datasets: OrderedDict[Hashable, Dataset] = OrderedDict()

    def __len__(self) -> int:
        return len(self._datasets)

    @property
    def bytes(self) -> int:
        """What the datasets take now: columns that were made of their bars since count too."""
        return held_bytes(self._datasets)

    def get(self, key: Hashable, build: Callable[[], Dataset]) -> Dataset:
        """Return the dataset of a key, built unless it is kept.

        Parameters
        ----------
        key : hashable
            Names all that the dataset depends on.
        build : callable
            Builds it.
        """
        dataset = self._datasets.pop(key, None)
        if dataset is None:
            dataset = build()
        self._datasets[key] = dataset
        sizes = {name: held_bytes(one) for name, one in self._datasets.items()}
        over = sum(sizes.values()) - self.most
        for name, size in sizes.items():  # the one used longest ago first
            if over <= 0:
                break
            del self._datasets[name]
            over -= size
        return dataset


def held_bytes(held: Any) -> int:
    """Return how many bytes the arrays and frames of datasets take, each counted once.

    Examples
    --------
    >>> held_bytes({"a": np.zeros(4), "b": np.zeros((2, 3), np.float32)})
    56
    """
    return _bytes(held, set())


def _bytes(held: Any, seen: set[int]) -> int:
    while isinstance(held, np.ndarray) and isinstance(held.base, np.ndarray):
        held = held.base  # a view keeps all of what it is a view of
    if id(held) in seen:
        return 0
    seen.add(id(held))
    if isinstance(held, np.ndarray):
        return int(held.nbytes)
    if isinstance(held, pl.DataFrame):
        return int(held.estimated_size())
    parts = held.values() if isinstance(held, dict) else ()
    if isinstance(held, _PARTS):
        parts = vars(held).values()
    return sum(_bytes(part, seen) for part in parts)
