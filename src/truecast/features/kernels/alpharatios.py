"""What the kernels of Alpha158 share: its ratios, and the windows asked of several families."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Output, Windows
from truecast.features.kernels.compiling import kernel
from truecast.features.kernels.windows import windows_of

#: Added to denominators.
EPSILON = 1e-12


@kernel
def gathered(first: Asked, second: Asked, third: Asked) -> Asked:
    """Return the windows that are asked for of three families, as if they were one."""
    found = np.zeros((first.shape[0] + second.shape[0] + third.shape[0], 2), np.int64)
    count = 0
    for wanted in (first, second, third):
        for asked in wanted:
            found[count, 1] = asked[1]
            count += 1
    return found


@kernel
def windows_of_three(first: Asked, second: Asked, third: Asked) -> Windows:
    """Return the distinct windows that are asked for of three families, in order."""
    found = gathered(first, second, third)
    windows: Windows = windows_of(found, found)
    return windows


@kernel
def share(a: Column, b: Column, base: Column, epsilon: float, nothing: float, out: Output) -> None:
    """Write ``(a − b)/(base + epsilon)``, ``nothing`` where the base is 0; NaN if not finite."""
    for i in range(out.size):
        value = (a[i] - b[i]) / (base[i] + epsilon)
        value = nothing if base[i] == 0.0 else value
        out[i] = value if value - value == 0.0 else math.nan


@kernel
def mean_share(total: Column, window: int, base: Column, out: Output) -> None:
    """Write ``total/window/(base + ε)``; NaN where the base is 0."""
    for i in range(out.size):
        value = total[i] / window / (base[i] + EPSILON)
        out[i] = value if value - value == 0.0 and base[i] != 0.0 else math.nan


@kernel
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


@kernel
def mean_difference(a: Column, b: Column, window: int, out: Output) -> None:
    """Write ``(a − b)/window``."""
    for i in range(out.size):
        out[i] = (a[i] - b[i]) / window
