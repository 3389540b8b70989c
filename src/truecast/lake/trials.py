"""Which models were compared on which dates: every look at an evaluation counts.

``gold/trials`` is only ever appended to. The more models were tried on the same dates, the
better the best of them looks by luck; a verdict has to know how many there were.
"""

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

    def record(self, slot: Slot, keys: dict[str, str], sessions: pl.Series) -> int:
        """Write down models that have not been compared before.

        Parameters
        ----------
        slot : Slot
            What they forecast. The recipe's name does not matter: a look is a look.
        keys : dict of str to str
            Model to a hash of everything that makes it another trial.
        sessions : pl.Series of Date
            The dates they were compared on.

        Returns
        -------
        int
            How many were new.
        """
        snapshot = self._table.snapshot()
        known = self._keys(slot)
        new = [
            {
                **{name: getattr(slot, name) for name in _SERIES},
                "model": model,
                "key": key,
                "first": sessions.min(),
                "last": sessions.max(),
            }
            for model, key in keys.items()
            if key not in known
        ]
        if new:
            snapshot.append(pl.DataFrame(new, schema=SCHEMA))
        return len(new)

    def _keys(self, slot: Slot) -> set[str]:
        rows = self._table.read()
        same = [pl.col(name) == getattr(slot, name) for name in _SERIES]
        return set(rows.filter(*same)["key"])
