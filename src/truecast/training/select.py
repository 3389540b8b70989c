"""Which features a model gets: those that went most with the outcome in the rows that teach it."""

import numpy as np

from truecast.datasets.targets import F64
from truecast.models.base import LEAST_ROWS, Windows

#: Training rows that ranks are made of: all, or so many evenly spaced ones.
MOST_ROWS = 20_000


def strongest(values: Windows, y: F64, keep: int) -> tuple[int, ...]:
    """Return the places of the columns with the largest rank correlation with the outcome.

    Parameters
    ----------
    values : array of float, shape (n, k)
        Features of the training rows; NaN where a value is missing.
    y : array of float64, shape (n,)
        What came of each row; no NaN.
    keep : int
        How many columns to keep, from 1.

    Returns
    -------
    tuple of int, length min(keep, k)
        Increasing. Of columns that are equally strong the first is kept.

    Notes
    -----
    Spearman's correlation, in absolute value, over the rows in which the column is there; none
    for one that is constant or is there in fewer than 30. It sees the training rows alone, so it
    is knowable when their outcomes are. A rank does not change when a value is scaled, and hardly
    when it is an outlier.

    References
    ----------
    Spearman (1904), The Proof and Measurement of Association between Two Things.
    """
    if len(y) > MOST_ROWS:
        rows = np.linspace(0, len(y) - 1, MOST_ROWS).astype(np.intp)
        values, y = values[rows], y[rows]
    strength = np.array([_association(values[:, place], y) for place in range(values.shape[1])])
    chosen = np.argsort(-strength, kind="stable")[:keep]
    return tuple(int(place) for place in np.sort(chosen))


def _association(column: Windows, y: F64) -> float:
    """Return the absolute rank correlation of a column with the outcome, 0 where there is none."""
    from scipy.stats import rankdata

    there = np.isfinite(column)
    if there.sum() < LEAST_ROWS:
        return 0.0
    ranks, outcomes = (rankdata(one[there]) for one in (column, y))
    ranks, outcomes = ranks - ranks.mean(), outcomes - outcomes.mean()
    scale = float(np.sqrt((ranks @ ranks) * (outcomes @ outcomes)))
    return abs(float(ranks @ outcomes)) / scale if scale > 0 else 0.0
