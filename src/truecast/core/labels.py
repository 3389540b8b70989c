"""Targets whose forecast is a name and not a number, and the codes that models know them by."""

from collections.abc import Mapping

#: Names of a regime in the order of their codes: 0 bear, 1 neutral, 2 bull.
REGIMES = ("bear", "neutral", "bull")
#: Target to what it may come to, in the order of the codes 0, 1, … of arrays and outcomes.
LABELS: Mapping[str, tuple[str, ...]] = {"direction": ("down", "up"), "regime": REGIMES}


def code_of(target: str, label: str) -> float:
    """Return the code of a name.

    Raises
    ------
    ValueError
        If the target has no such name.

    Examples
    --------
    >>> code_of("regime", "bull")
    2.0
    """
    return float(LABELS[target].index(label))
