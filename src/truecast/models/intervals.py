"""Prediction intervals that adapt as outcomes come.

A score says how far an outcome fell from what was expected, in units of the expected spread. The
interval for the next outcome reaches to a quantile of the scores, and that quantile is tracked
online: each outcome that falls outside moves it out, each one inside lets it come in a little.
The state is a pure function of the scores known so far, in the order in which they became known.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

F64 = NDArray[np.float64]

#: Step of the tracker for standardised returns and for log ratios of volatility. Chosen on the
#: S&P 500 and NASDAQ of 2007–2013: smaller steps let coverage drift in a crisis, larger ones
#: widen the interval.
RETURN_RATE = 0.05
VOLATILITY_RATE = 0.02


@dataclass(frozen=True)
class Bounds:
    """Lower and upper quantile of the next score after each prefix of the scores.

    ``lower[i]`` and ``upper[i]`` depend on the first ``i`` scores only; shape (n + 1,).
    """

    lower: F64
    upper: F64


def track_absolute(
    scores: F64, *, coverage: float, rate: float = RETURN_RATE, start: float | None = None
) -> Bounds:
    """Track a symmetric band that holds the share ``coverage`` of the scores.

    Parameters
    ----------
    scores : array of float64, shape (n,)
        Standardised outcomes in the order in which they became known, such as the return over
        its expected standard deviation.
    coverage : float
        Share of the outcomes that the band is to hold, between 0 and 1.
    rate : float
        Step of the tracker, in units of the scores.
    start : float or None
        Where the tracker stands before the first score; None for the Gaussian quantile.

    Returns
    -------
    Bounds
        ``lower = -upper``; the first pair is the start.

    Notes
    -----
    q ← q + rate·(1[|s| > q] − (1 − coverage)). Each q is known once the score before it is.

    References
    ----------
    Angelopoulos, Candès, Tibshirani (2023), "Conformal PID control for time series prediction":
    the quantile tracker, whose coverage error after n steps is at most of order 1/(n·rate).
    """
    upper = np.empty(len(scores) + 1)
    upper[0] = quantile = float(ndtri(0.5 + coverage / 2)) if start is None else start
    for place, score in enumerate(np.abs(scores)):
        quantile += rate * (float(score > quantile) - (1 - coverage))
        upper[place + 1] = quantile
    return Bounds(-upper, upper)


def track_two_sided(
    scores: F64,
    *,
    coverage: float,
    spread: float = 0.4,
    rate: float = VOLATILITY_RATE,
    start: tuple[float, float] | None = None,
) -> Bounds:
    """Track the lower and the upper bound apart, each with half of what may fall outside.

    Parameters
    ----------
    scores : array of float64, shape (n,)
        Signed scores in the order in which they became known, such as the logarithm of realised
        over expected volatility.
    coverage : float
        Share of the outcomes between the bounds, between 0 and 1.
    spread : float
        Standard deviation of the scores assumed before the first is known.
    rate : float
        Step of the tracker, in units of the scores.
    start : tuple of float or None
        Where the trackers stand before the first score; None for Gaussian with the given spread.

    Returns
    -------
    Bounds
        The first pair is the start.
    """
    tail = (1 - coverage) / 2
    lower, upper = np.empty(len(scores) + 1), np.empty(len(scores) + 1)
    high = float(ndtri(1 - tail)) * spread
    low, high = (-high, high) if start is None else start
    lower[0], upper[0] = low, high
    for place, score in enumerate(scores):
        low -= rate * (float(score < low) - tail)
        high += rate * (float(score > high) - tail)
        lower[place + 1], upper[place + 1] = low, high
    return Bounds(lower, upper)


def wilson_interval(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's confidence interval for a share.

    Parameters
    ----------
    successes, n : float
        ``0 <= successes <= n``: counts, or where cases overlap, what these are worth. Without
        any case the interval is (0, 1).
    level : float
        Confidence, in (0, 1).

    Returns
    -------
    tuple of two floats
        Low and high, in [0, 1].

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(50, 100)]
    [0.404, 0.596]
    """
    if n == 0:
        return 0.0, 1.0
    z = float(ndtri(0.5 + level / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return max(0.0, centre - half), min(1.0, centre + half)
