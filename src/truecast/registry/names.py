"""What a slot's model is called in MLflow."""

import re

from truecast.core.slot import Slot

_SAFE = re.compile(r"[A-Za-z0-9-]")


def model_name(slot: Slot, prefix: str = "") -> str:
    """Name a slot's model with letters, digits, ``-`` and ``_`` only: any registry takes that.

    Parts are joined by two underscores; every other character, the underscore too, is written as
    ``_`` and two hexadecimal digits for each of its bytes in UTF-8. Two slots never share a name.

    Parameters
    ----------
    slot : Slot
        What the model forecasts.
    prefix : str
        Set before it with a dot: ``catalog.schema`` for Unity Catalog, which wants three levels.

    Examples
    --------
    >>> model_name(Slot("sp500-daily", "sample", "^GSPC", "price", 1))
    'sp500-daily__sample___5EGSPC__price__1'
    >>> model_name(Slot("gold", "files", "GC=F", "return", 5), "main.markets")
    'main.markets.gold__files__GC_3DF__return__5'
    """
    parts = (slot.recipe, slot.source, slot.instrument, slot.target, str(slot.horizon))
    name = "__".join(_escape(part) for part in parts)
    return f"{prefix}.{name}" if prefix else name


def _escape(text: str) -> str:
    return "".join(
        char if _SAFE.fullmatch(char) else "".join(f"_{byte:02X}" for byte in char.encode())
        for char in text
    )
