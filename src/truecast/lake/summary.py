"""What became of what was received."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

import polars as pl


@dataclass(frozen=True)
class IngestSummary:
    """What became of the rows of one or more payloads.

    ``received`` = ``added`` + ``revised`` + ``unchanged`` + ``duplicates`` + all ``quarantined``.

    Parameters
    ----------
    payloads : tuple of str
        Their SHA-256, in the order of receipt.
    received : int
        Bars in them, and actions that were kept out.
    added, revised, unchanged : int
        New bars, further versions of bars, and rows that say what is known already.
    quarantined : dict of str to int
        Rows kept out, by reason.
    duplicates : int
        Rows that another row of the same payload repeats exactly.
    actions : int
        New or changed splits and dividends.
    repaired : dict of str to int
        Numbers that were changed on their way in, by the rule that changed them.
    notes : tuple of str
        What the parser wants a person to know.
    """

    payloads: tuple[str, ...] = ()
    received: int = 0
    added: int = 0
    revised: int = 0
    unchanged: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    actions: int = 0
    repaired: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __add__(self, other: Self) -> "IngestSummary":
        return IngestSummary(
            payloads=(*self.payloads, *other.payloads),
            received=self.received + other.received,
            added=self.added + other.added,
            revised=self.revised + other.revised,
            unchanged=self.unchanged + other.unchanged,
            quarantined=dict(Counter(self.quarantined) + Counter(other.quarantined)),
            duplicates=self.duplicates + other.duplicates,
            actions=self.actions + other.actions,
            repaired=dict(Counter(self.repaired) + Counter(other.repaired)),
            notes=tuple(dict.fromkeys((*self.notes, *other.notes))),
        )


def counts_of(names: pl.Series) -> dict[str, int]:
    """Return how often each name comes, the most frequent first, then by name.

    Examples
    --------
    >>> counts_of(pl.Series(["b", "a", "c", "b"]))
    {'b': 2, 'a': 1, 'c': 1}
    """
    counted = names.alias("name").value_counts(name="count")
    return dict(counted.sort("count", "name", descending=[True, False]).iter_rows())
