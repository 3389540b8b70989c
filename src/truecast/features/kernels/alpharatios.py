"""What the kernels of Alpha158 share: its ratios."""

import math

from truecast.features.declaration import Column, Output
from truecast.features.kernels.compiling import helper

#: Added to denominators.
EPSILON = 1e-12


@helper
def share(a: Column, b: Column, base: Column, epsilon: float, nothing: float, out: Output) -> None:
    """Write ``(a − b)/(base + epsilon)``, ``nothing`` where the base is 0; NaN if not finite."""
    for i in range(out.size):
        value = (a[i] - b[i]) / (base[i] + epsilon)
        value = nothing if base[i] == 0.0 else value
        out[i] = value if value - value == 0.0 else math.nan


@helper
def mean_share(total: Column, window: int, base: Column, out: Output) -> None:
    """Write ``total/window/(base + ε)``; NaN where the base is 0."""
    for i in range(out.size):
        value = total[i] / window / (base[i] + EPSILON)
        out[i] = value if value - value == 0.0 and base[i] != 0.0 else math.nan


@helper
def deviation_share(
    squares: Column,
    window: int,
    base: Column,
    scale: float,
    epsilon: float,
    nothing: float,
    out: Output,
) -> None:
    """Write ``SD/(scale·base + epsilon)`` of windows given by their moments; as :func:`share`."""
    for i in range(out.size):
        value = math.sqrt(squares[i] / (window - 1)) / (scale * base[i] + epsilon)
        value = nothing if base[i] == 0.0 else value
        out[i] = value if value - value == 0.0 else math.nan


@helper
def mean_difference(a: Column, b: Column, window: int, out: Output) -> None:
    """Write ``(a − b)/window``."""
    for i in range(out.size):
        out[i] = (a[i] - b[i]) / window
