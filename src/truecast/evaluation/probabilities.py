"""Losses and calibration of a probability of up.

Outcomes are 1 where the close rose over the horizon, else 0 (a tie is 0).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from truecast.evaluation.arrays import Floats, paired
from truecast.evaluation.errors import EvaluationError
from truecast.models.intervals import wilson_interval

#: Probabilities are kept this far from 0 and 1 before a logarithm is taken.
PROBABILITY_CLIP = 1e-15


def _probabilities(outcomes: ArrayLike, forecasts: ArrayLike) -> tuple[Floats, Floats]:
    y, p = paired(outcomes, forecasts)
    if not np.isin(y, (0.0, 1.0)).all():
        raise EvaluationError(f"expected outcomes 0 or 1, got {y[~np.isin(y, (0.0, 1.0))][0]:g}")
    if p.min() < 0 or p.max() > 1:
        raise EvaluationError(f"expected probabilities in [0, 1], got {p.min():g} to {p.max():g}")
    return y, p


def brier_loss(outcomes: ArrayLike, forecasts: ArrayLike) -> Floats:
    """Return ``(p - y)^2``, shape (n,), in [0, 1].

    Parameters
    ----------
    outcomes : array, shape (n,), 0 or 1
        What happened.
    forecasts : array of float, shape (n,), in [0, 1]
        Probability of 1.

    Raises
    ------
    EvaluationError
        If an outcome is neither 0 nor 1 or a probability lies outside [0, 1].

    References
    ----------
    Brier, G. W. (1950), "Verification of forecasts expressed in terms of probability".
    """
    y, p = _probabilities(outcomes, forecasts)
    return np.square(p - y)


def log_loss(outcomes: ArrayLike, forecasts: ArrayLike) -> Floats:
    """Return ``-ln`` of the probability given to what happened, shape (n,), in nats.

    Probabilities are clipped to ``[1e-15, 1 - 1e-15]``, so that one certain error is very bad
    and not infinite.

    Raises
    ------
    EvaluationError
        If an outcome is neither 0 nor 1 or a probability lies outside [0, 1].
    """
    y, p = _probabilities(outcomes, forecasts)
    given = np.clip(np.where(y == 1, p, 1 - p), PROBABILITY_CLIP, 1 - PROBABILITY_CLIP)
    return np.asarray(-np.log(given), dtype=np.float64)


def auc(outcomes: ArrayLike, forecasts: ArrayLike) -> float:
    """Return the probability that a random up was given more than a random down, ties half.

    Parameters
    ----------
    outcomes : array, shape (n,), 0 or 1
        What happened.
    forecasts : array of float, shape (n,), in [0, 1]
        Probability of 1.

    Returns
    -------
    float
        In [0, 1]; 0.5 without any skill. NaN if all outcomes are the same.

    Notes
    -----
    The Mann-Whitney statistic from mid-ranks.

    Examples
    --------
    >>> auc([0, 1, 0, 1], [0.1, 0.9, 0.5, 0.5])
    0.875
    """
    y, p = _probabilities(outcomes, forecasts)
    ups = float(y.sum())
    downs = len(y) - ups
    if not ups or not downs:
        return float("nan")
    from scipy.stats import rankdata  # takes seconds to import, and few commands need it

    ranks = rankdata(p)
    return float((ranks[y == 1].sum() - ups * (ups + 1) / 2) / (ups * downs))


def accuracy(outcomes: ArrayLike, forecasts: ArrayLike) -> float:
    """Return the share of rows where the likelier side happened; a probability of 0.5 says down."""
    y, p = _probabilities(outcomes, forecasts)
    return float(np.mean((p > 0.5) == (y == 1)))


@dataclass(frozen=True)
class CalibrationBins:
    """What was forecast beside what happened, in bins of equal count by the forecast.

    Parameters
    ----------
    forecast, outcome : array of float, shape (k,)
        Means within each bin.
    low, high : array of float, shape (k,)
        95% interval of the outcome's mean.
    count : array of int, shape (k,)
        Rows in each bin.
    """

    forecast: Floats
    outcome: Floats
    low: Floats
    high: Floats
    count: np.ndarray[tuple[int], np.dtype[np.int64]]


def calibration_bins(outcomes: ArrayLike, forecasts: ArrayLike, bins: int = 10) -> CalibrationBins:
    """Group rows by their forecast into bins of equal count and average both sides.

    Rows with equal forecasts share a bin, so a constant forecast makes one bin. The interval is
    Wilson's where the outcomes are 0 or 1, else the mean's by the normal distribution.

    Parameters
    ----------
    outcomes, forecasts : array of float, shape (n,)
        Probabilities and 0 or 1, or variances in percent^2.
    bins : int
        How many bins at most.
    """
    y, f = paired(outcomes, forecasts)
    edges = np.unique(np.quantile(f, np.arange(1, bins) / bins))
    place = np.searchsorted(edges, f, side="left")
    groups = [place == number for number in np.unique(place)]
    binary = bool(np.isin(y, (0.0, 1.0)).all())
    bounds = [_mean_interval(y[rows], binary) for rows in groups]
    return CalibrationBins(
        forecast=np.array([f[rows].mean() for rows in groups]),
        outcome=np.array([y[rows].mean() for rows in groups]),
        low=np.array([low for low, _ in bounds]),
        high=np.array([high for _, high in bounds]),
        count=np.array([rows.sum() for rows in groups], dtype=np.int64),
    )


def _mean_interval(values: Floats, binary: bool) -> tuple[float, float]:
    if binary:
        return wilson_interval(int(values.sum()), len(values))
    mean = float(values.mean())
    if len(values) < 2:
        return mean, mean
    half = 1.96 * float(values.std(ddof=1)) / float(np.sqrt(len(values)))
    return mean - half, mean + half


def expected_calibration_error(outcomes: ArrayLike, forecasts: ArrayLike, bins: int = 10) -> float:
    """Return the mean distance between what was forecast and what happened, over bins.

    Parameters
    ----------
    outcomes : array, shape (n,), 0 or 1
        What happened.
    forecasts : array of float, shape (n,), in [0, 1]
        Probability of 1.
    bins : int
        Bins of equal count by the forecast, at most.

    Returns
    -------
    float
        In [0, 1], weighted by count. Noise alone keeps it above zero: at 125 rows a bin a
        perfect forecast reads about 0.035.

    References
    ----------
    Naeini, M. P., Cooper, G. and Hauskrecht, M. (2015), "Obtaining well calibrated probabilities
    using Bayesian binning", AAAI. Bins of equal count, after Nixon et al. (2019).
    """
    _probabilities(outcomes, forecasts)
    found = calibration_bins(outcomes, forecasts, bins)
    return float(np.average(np.abs(found.forecast - found.outcome), weights=found.count))
