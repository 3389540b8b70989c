"""Improvements and AUCs with their confidence intervals, by drawing whole blocks of rows.

Neighbouring losses are alike: volatile days cluster, and horizons overlap. Drawing single rows
would hide that and give intervals that are too narrow. Rows are in time order, oldest first.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from truecast.evaluation.arrays import Floats, paired

#: Draws of the bootstrap.
DRAWS = 1000
#: So many rows that a draw's AUC is taken to first order.
MANY_ROWS = 50_000

_LARGEST = 1e6  # percent: what a loss beside a baseline without any loss is cut off at
_CHUNK = 2_000_000  # cells held at once


def block_length(n: int, horizon: int = 1) -> int:
    """Return how many neighbouring rows the bootstrap draws at once.

    Parameters
    ----------
    n : int
        Rows.
    horizon : int
        Bars from a forecast to its outcome.

    Returns
    -------
    int
        ``max(2 horizon, ceil(2 n^(1/3)))``, at most n: 22 for 1,250 daily rows, about a month.
    """
    return min(n, max(2 * horizon, int(np.ceil(2 * n ** (1 / 3)))))


def improvement(loss_model: ArrayLike, loss_baseline: ArrayLike) -> float:
    """Return ``100 (1 - mean(loss_model) / mean(loss_baseline))``, in percent, positive if better.

    Zero where both lose nothing; never below -1,000,000, for a baseline that loses nothing.
    """
    model, baseline = paired(loss_model, loss_baseline)
    return float(_relative(model.mean(), baseline.mean()))


def _relative(model: float | Floats, baseline: float | Floats) -> Floats:
    model, baseline = np.asarray(model), np.asarray(baseline)
    ratio = np.divide(model, baseline, out=np.full(model.shape, np.inf), where=baseline > 0)
    ratio = np.where((baseline <= 0) & (model <= 0), 1.0, ratio)
    return np.asarray(np.maximum(100.0 * (1.0 - ratio), -_LARGEST), dtype=np.float64)


def improvement_interval(
    loss_model: ArrayLike,
    loss_baseline: ArrayLike,
    *,
    horizon: int = 1,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the bootstrap interval of :func:`improvement`, in percent.

    Parameters
    ----------
    loss_model, loss_baseline : array of float, shape (n,)
        Losses on identical dates, oldest first; each draw takes the same rows of both.
    horizon : int
        Bars from a forecast to its outcome; longer horizons draw longer blocks.
    seed : int
        Of the draws: the same seed gives the same interval.
    draws : int
        How many.
    level : float
        Confidence, in (0, 1).

    Returns
    -------
    tuple of two floats
        Percentiles of the draws.

    Notes
    -----
    A circular block bootstrap. The sum of a block is a difference of two cumulative sums, so a
    draw costs n / block additions and not n.

    References
    ----------
    Politis, D. N. and Romano, J. P. (1992), "A circular block-resampling procedure for stationary
    data", in Exploring the Limits of Bootstrap.
    """
    model, baseline = (
        drawn_means(losses, horizon=horizon, seed=seed, draws=draws)
        for losses in paired(loss_model, loss_baseline)
    )
    return _percentiles(_relative(model, baseline), level)


def drawn_means(values: Floats, *, horizon: int = 1, seed: int = 0, draws: int = DRAWS) -> Floats:
    """Return the mean of each draw of blocks: the same rows for all series of one length.

    Parameters
    ----------
    values : array of float, shape (n,)
        In time order.
    horizon, seed, draws
        As for :func:`improvement_interval`.

    Returns
    -------
    array of float64, shape (draws,)
    """
    n = len(values)
    return _drawn_means(values, *_drawn_blocks(n, block_length(n, horizon), draws, seed))


@lru_cache(maxsize=1)
def _drawn_blocks(
    n: int, block: int, draws: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the blocks that all losses of a slot share: the same numbers cost time each time."""
    return _blocks(n, block, draws, np.random.default_rng(seed))


def _blocks(
    n: int, block: int, draws: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw where blocks start, (draws, k), and how long each is, (k,): n rows in all."""
    count = -(-n // block)
    lengths = np.full(count, block, dtype=np.int64)
    lengths[-1] = n - block * (count - 1)
    return rng.integers(0, n, size=(draws, count)), lengths


def _drawn_means(values: Floats, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Floats:
    """Return the mean of each draw's rows, shape (draws,)."""
    # Taken from the mean first, so that long sums lose no digits.
    centre = values.mean()
    total = np.concatenate([[0.0], np.cumsum(np.tile(values - centre, 2))])
    drawn = (total[starts + lengths] - total[starts]).sum(axis=1) / len(values) + centre
    return np.asarray(drawn, dtype=np.float64)


def _percentiles(values: Floats, level: float) -> tuple[float, float]:
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(values, [tail, 100.0 - tail])
    return float(low), float(high)


def auc_interval(
    outcomes: ArrayLike,
    forecasts: ArrayLike,
    *,
    horizon: int = 1,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the block-bootstrap interval of the AUC.

    Parameters
    ----------
    outcomes : array, shape (n,), 0 or 1
        What happened, oldest first.
    forecasts : array of float, shape (n,), in [0, 1]
        Probability of 1.
    horizon, seed, draws, level
        As for :func:`improvement_interval`.

    Returns
    -------
    tuple of two floats
        In [0, 1]; (0, 1) where no draw held both outcomes.

    Notes
    -----
    Each draw's AUC is computed anew from its rows. From 50,000 rows on it is taken to first order
    instead: an AUC is a mean over rows of the share of the other side that each beats, and that
    share is taken from all rows. What this leaves out falls with 1/n; blocks are drawn as before.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), "Comparing the areas under two or more correlated
    receiver operating characteristic curves", for these shares (placement values).
    """
    y, p = paired(outcomes, forecasts)
    n = len(y)
    if n >= MANY_ROWS:
        blocks = _drawn_blocks(n, block_length(n, horizon), draws, seed)
        found = _first_order_aucs(y, p, *blocks)
        return _percentiles(found, level) if len(found) else (0.0, 1.0)
    rng = np.random.default_rng(seed)
    group = np.unique(p, return_inverse=True)[1]
    per_chunk = max(1, _CHUNK // n)
    values = [
        _drawn_aucs(y, group, block_length(n, horizon), min(per_chunk, draws - done), rng)
        for done in range(0, draws, per_chunk)
    ]
    found = np.concatenate(values)
    found = found[np.isfinite(found)]
    return _percentiles(found, level) if len(found) else (0.0, 1.0)


def _drawn_aucs(
    y: Floats, group: NDArray[np.int64], block: int, draws: int, rng: np.random.Generator
) -> Floats:
    """Return the AUC of each draw from counts of ups and downs in each group of equal forecasts."""
    n, size = len(y), int(group.max()) + 1
    starts, lengths = _blocks(n, block, draws, rng)
    within = np.concatenate([np.arange(length) for length in lengths])
    rows = (np.repeat(starts, lengths, axis=1) + within) % n
    cell = group[rows] + size * np.arange(draws)[:, None]
    every = np.bincount(cell.ravel(), minlength=draws * size).reshape(draws, size)
    ups = np.bincount(cell.ravel(), weights=y[rows].ravel(), minlength=draws * size)
    ups = ups.reshape(draws, size)
    downs = every - ups
    below = np.cumsum(downs, axis=1) - 0.5 * downs
    pairs = ups.sum(axis=1) * downs.sum(axis=1)
    won = (ups * below).sum(axis=1)
    found = np.divide(won, pairs, out=np.full(draws, np.nan), where=pairs > 0)
    return np.asarray(found, dtype=np.float64)


def _first_order_aucs(
    y: Floats, p: Floats, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> Floats:
    """Return each draw's mean of the shares of the other side that its ups and downs beat."""
    up = y == 1
    if up.all() or not up.any():
        return np.zeros(0)
    _, group = np.unique(p, return_inverse=True)
    # A group's middle: of equal forecasts, half count as beaten.
    places = [np.bincount(group, weights=rows) for rows in (~up, up)]
    downs_below, ups_below = ((np.cumsum(one) - one / 2) / one.sum() for one in places)
    beaten = np.where(up, downs_below[group], 1 - ups_below[group])
    means = [_drawn_means(np.where(rows, beaten, 0.0), starts, lengths) for rows in (up, ~up)]
    shares = [_drawn_means(rows.astype(np.float64), starts, lengths) for rows in (up, ~up)]
    ups, downs = (mean / share for mean, share in zip(means, shares, strict=True))
    # Each mean is the whole sample's AUC and what the draw moves it: both moves count once.
    return np.asarray(ups + downs - beaten[up].mean(), dtype=np.float64)
