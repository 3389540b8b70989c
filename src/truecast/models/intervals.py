"""Prediction intervals that adapt as outcomes come.

A score says how far an outcome fell from what was expected, in units of the expected spread. The
interval for the next outcome reaches from a low to a high quantile of the scores, and these are
tracked online: each outcome that falls beyond a bound moves it out, each other one lets it come
in a little. The state is a pure function of the scores known so far, in the order in which they
became known, and of what was known when each of their forecasts was made.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

F64 = NDArray[np.float64]

#: Step of the tracker for standardised returns and for log ratios of volatility, one bar ahead.
#: Chosen on the S&P 500 and NASDAQ of 2006–2013: smaller steps let coverage drift in a crisis,
#: larger ones widen the interval.
RETURN_RATE = 0.05
VOLATILITY_RATE = 0.02
#: Standard deviation of the scores before the first is known.
RETURN_SPREAD = 1.0
VOLATILITY_SPREAD = 0.4


@dataclass(frozen=True)
class Bounds:
    """A low and a high bound of scores, one pair after another in time.

    Attributes
    ----------
    lower, upper : array of float64, shape (m,)
        In units of the scores.
    """

    lower: F64
    upper: F64

    def __getitem__(self, places: slice) -> "Bounds":
        return Bounds(self.lower[places], self.upper[places])


def gaussian(coverage: float, spread: float) -> Bounds:
    """Return the one pair that holds a share of normal scores of a standard deviation."""
    high = float(ndtri(0.5 + coverage / 2)) * spread
    return Bounds(np.array([-high]), np.array([high]))


def track(
    scores: F64, issued: NDArray[np.intp], *, coverage: float, rate: float, before: Bounds
) -> Bounds:
    """Track a low and a high quantile of scores, each with half of what may fall outside.

    Parameters
    ----------
    scores : array of float64, shape (n,)
        Signed scores in the order in which they became known, such as a return over its expected
        standard deviation.
    issued : array of intp, shape (n,)
        Which pair of the result the forecast of each score went out with: a place up to that of
        the pair before the score's own.
    coverage : float
        Share of the outcomes that are to lie between the bounds, between 0 and 1.
    rate : float
        Step, in units of the scores; see :func:`step`.
    before : Bounds, shape (k,), k from 1
        Where the bounds stood, the last of them before the first score.

    Returns
    -------
    Bounds, shape (k + n,)
        Those of ``before``, then the pair after each score.

    Notes
    -----
    With ``a = (1 - coverage)/2``: ``u ← u + rate·(1[s > v] - a)``, ``v`` the upper bound that
    the forecast of ``s`` went out with, and likewise below. Where forecasts are one bar ahead,
    ``v`` is ``u``. Where they overlap, it is not: the first outcome of a sharp move widens the
    bounds before the next ones of the same move are known, though their forecasts had gone out
    with narrow ones. Held against ``u`` they would count as held.

    What a bound has moved is the sum of its steps, so after n scores the share outside is off
    by what it moved, over n·rate.

    References
    ----------
    Angelopoulos, Candès, Tibshirani (2023), "Conformal PID control for time series prediction":
    the quantile tracker.
    Gibbs, Candès (2021), "Adaptive Conformal Inference Under Distribution Shift".
    """
    out = (1 - coverage) / 2
    lower, upper = before.lower.tolist(), before.upper.tolist()
    for score, place in zip(scores.tolist(), issued.tolist(), strict=True):
        lower.append(lower[-1] - rate * ((score < lower[place]) - out))
        upper.append(upper[-1] + rate * ((score > upper[place]) - out))
    return Bounds(np.array(lower), np.array(upper))


def step(rate: float, horizon: int) -> float:
    """Return the tracker's step at a horizon: ``rate / √horizon``.

    Outcomes that overlap fall outside together, up to ``horizon`` of them: with this step the
    bounds are as noisy as those of one bar ahead. On the S&P 500 and NASDAQ of 2006–2013, 5 and 22
    days ahead, the whole rate held as much with intervals that scored 1% to 10% worse, and
    ``rate / horizon`` was too slow to leave where it starts.
    """
    return rate / float(np.sqrt(horizon))


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
