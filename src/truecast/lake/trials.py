"""Which models were compared on which dates: every look at an evaluation counts.

``gold/trials`` is only ever appended to. The more models were tried on the same dates, the
better the best of them looks by luck; a verdict has to know how many there were.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from truecast.core.slot import Slot
from truecast.lake.tables import Table

SCHEMA: dict[str, pl.DataType] = {
    "source": pl.String(),
    "instrument": pl.String(),
    "target": pl.String(),
    "horizon": pl.Int64(),
    "model": pl.String(),
    "key": pl.String(),
    "first": pl.Date(),
    "last": pl.Date(),
}
_SERIES = ("source", "instrument", "target", "horizon")


@dataclass(frozen=True)
class Look:
    """Models that were compared on the same dates.

    Parameters
    ----------
    slot : Slot
        What they forecast. The recipe's name does not matter: a look is a look.
    keys : dict of str to str
        Model to a hash of everything that makes it another trial.
    first, last : date
        The sessions they were compared on.
    """

    slot: Slot
    keys: dict[str, str]
    first: date
    last: date


class Trials:
    """The trials of one lake.

    Parameters
    ----------
    url : str
        The lake's folder.
    """

    def __init__(self, url: str) -> None:
        self._table = Table(f"{url}/gold/trials", SCHEMA)

    def count(self, slot: Slot) -> int:
        """Return how many different models were compared on a slot's series and target."""
        return len(self._keys(slot))

    def record(self, looks: Sequence[Look]) -> int:
        """Write down models that have not been compared before, in one commit.

        Returns
        -------
        int
            How many were new.
        """
        snapshot = self._table.snapshot()
        rows = self._table.read()
        known = set(rows.select(*_SERIES, "key").iter_rows())
        new = {}
        for look in looks:
            series = {name: getattr(look.slot, name) for name in _SERIES}
            for model, key in look.keys.items():
                if (*series.values(), key) not in known:
                    dates = {"first": look.first, "last": look.last}
                    new[*series.values(), key] = {**series, "model": model, "key": key, **dates}
        if new:
            snapshot.append(pl.DataFrame([*new.values()], schema=SCHEMA))
        return len(new)

    def _keys(self, slot: Slot) -> set[str]:
        rows = self._table.read()
        same = [pl.col(name) == getattr(slot, name) for name in _SERIES]
        return set(rows.filter(*same)["key"])
