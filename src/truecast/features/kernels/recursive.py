"""Loops that carry a state from row to row."""

import math

from numba import njit

from truecast.features.declaration import Column, Output


@njit(cache=True, error_model="numpy", nogil=True)
def exponential_mean(x: Column, alpha: float, out: Output) -> None:
    """Write the exponentially weighted mean with weight ``alpha`` on the newest row.

    Notes
    -----
    The weights (1−α)ᵏα of the rows that are there, divided by their sum. A row that is NaN or
    infinite is passed over: it weighs nothing, its own result is NaN, and later rows forget it
    as fast as any other. Where more than half of the weight is missing (the first rows, or a
    long gap) the result is NaN.
    """
    keep = 1.0 - alpha
    state = 0.0
    missing = 1.0
    for i in range(out.size):
        value = x[i]
        if value - value == 0.0:
            state = keep * state + alpha * value
            missing = keep * missing
            if missing < 1e-18:
                missing = 0.0
                out[i] = state
            else:
                out[i] = state / (1.0 - missing) if missing <= 0.5 else math.nan
        else:
            state = keep * state
            missing = keep * missing + alpha
            out[i] = math.nan
