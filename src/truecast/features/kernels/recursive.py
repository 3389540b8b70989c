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
            # One row after the other: in any other order a mean would depend on where rows end.
            while i < x.size and x[i] - x[i] == 0.0:
                state = keep * state + alpha * x[i]
                out[i] = state
                i += 1
    return out
