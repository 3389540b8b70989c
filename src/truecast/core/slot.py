"""A slot: recipe × source × instrument × target × horizon, the unit that has a champion."""

import re
from dataclasses import dataclass, replace
from typing import Self

#: What stands in the place of the instrument where one champion answers for all of a recipe.
POOLED = "pooled"

_SAFE = re.compile(r"[A-Za-z0-9._-]")
_ESCAPED = re.compile(r"~([0-9A-F]{2})")


def escape(text: str) -> str:
    """Write any text with letters, digits and ``. _ - ~`` only: safe in URLs and file names.

    Examples
    --------
    >>> escape("^GSPC"), escape("GC=F")
    ('~5EGSPC', 'GC~3DF')
    """
    return "".join(
        char if _SAFE.fullmatch(char) else "".join(f"~{byte:02X}" for byte in char.encode())
        for char in text
    )


def unescape(text: str) -> str:
    """Undo :func:`escape`."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text).encode("latin-1").decode()


@dataclass(frozen=True)
class Slot:
    """The unit that has a champion.

    The effective source is part of the identity, so that a model trained on simulated or sample
    data can never answer for real data.

    Examples
    --------
    >>> slot = Slot("sp500-daily", "sample", "^GSPC", "price", 1)
    >>> str(slot)
    'sp500-daily@sample:~5EGSPC:price:1'
    >>> Slot.parse(str(slot)) == slot
    True
    """

    recipe: str
    source: str
    instrument: str
    target: str
    horizon: int

    def __str__(self) -> str:
        return f"{self.recipe}@{self.source}:{escape(self.instrument)}:{self.target}:{self.horizon}"

    @property
    def pool(self) -> Self:
        """The slot whose champion answers for all instruments of a pooled recipe."""
        return replace(self, instrument=POOLED)

    @property
    def is_pool(self) -> bool:
        """Whether this is the slot of a pool: it has a champion, and no forecasts of its own."""
        return self.instrument == POOLED

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a slot back from its text.

        Raises
        ------
        ValueError
            If the text is not ``recipe@source:instrument:target:horizon``.
        """
        match = re.fullmatch(r"([^@:]+)@([^@:]+):([^@:]+):([a-z]+):([1-9]\d*)", text)
        if match is None:
            raise ValueError(
                f"{text!r} is not a slot: expected recipe@source:instrument:target:horizon"
            )
        recipe, source, instrument, target, horizon = match.groups()
        return cls(recipe, source, unescape(instrument), target, int(horizon))
