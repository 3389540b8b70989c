"""Loops that carry a state from row to row."""

import math

import numpy as np

from truecast.features.declaration import Column
from truecast.features.kernels.compiling import helper

#: What is left of the weights before the first row once it no longer counts.
FORGOTTEN = 1e-18


@helper
def exponential_mean(x: Column, alpha: float) -> Column:
    """Return the exponentially weighted mean with weight ``alpha`` on the newest row.

    Notes
    -----
    The weights (1−α)ᵏα of the rows that are there, divided by their sum. A row that is NaN or
    infinite is passed over: it weighs nothing, its own result is NaN, and later rows forget it
    as fast as any other. Where more than half of the weight is missing (the first rows, or a
    long gap) the result is NaN.
    """
    out = np.empty(x.size)
    keep = 1.0 - alpha
    state = 0.0
    missing = 1.0
    i = 0
    while i < x.size:
        value = x[i]
        if value - value == 0.0:
            state = keep * state + alpha * value
            missing = keep * missing
            if missing < FORGOTTEN:
                missing = 0.0
            out[i] = state / (1.0 - missing) if missing <= 0.5 else math.nan
        else:
            state = keep * state
            missing = keep * missing + alpha
            out[i] = math.nan
        i += 1
        if missing == 0.0:
            # Nearly all rows: nothing is missing, so there is nothing to divide by.
            i, state = _carried_on(x, alpha, i, state, out)
    return out


@helper
def _carried_on(x: Column, alpha: float, i: int, state: float, out: Column) -> tuple[int, float]:
    """Write means up to the first row that is not finite; return its place and the last mean.

    Four rows at a time: what they add to the state does not have to wait for it.
    """
    keep = 1.0 - alpha
    keep2, keep3, keep4 = keep * keep, keep * keep * keep, keep * keep * keep * keep
    while i + 4 <= x.size:
        a = alpha * x[i]
        b = keep * a + alpha * x[i + 1]
        c = keep * b + alpha * x[i + 2]
        d = keep * c + alpha * x[i + 3]
        if d - d != 0.0:
            break
        out[i] = keep * state + a
        out[i + 1] = keep2 * state + b
        out[i + 2] = keep3 * state + c
        state = keep4 * state + d
        out[i + 3] = state
        i += 4
    while i < x.size and x[i] - x[i] == 0.0:
        state = keep * state + alpha * x[i]
        out[i] = state
        i += 1
    return i, state
