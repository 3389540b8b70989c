"""Qlib's Alpha158: 13 figures of the bar and 29 of each of five windows."""

from truecast.features.alpha158 import OF_BARS, OF_WINDOWS, WINDOWS

MEMBERS: tuple[tuple[str, str | None], ...] = (
    *((family.name, None) for family in OF_BARS),
    *((f"{family.name}_{window}", None) for family in OF_WINDOWS for window in WINDOWS),
)
