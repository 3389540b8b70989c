"""What gradient-boosted trees of every library share: what they learn, and on how many cores."""

import numpy as np
from numpy.typing import NDArray

from truecast.core.threads import available_cores
from truecast.core.units import VARIANCE_FLOOR
from truecast.models.base import Vector, Windows

#: Number of trees for each target, unless a recipe says otherwise.
ROUNDS = {"direction": 30, "price": 10, "return": 10, "volatility": 200}

#: Fewer rows than this are worked on by one core: sharing them out takes longer than the work.
SHARED_ROWS = 50_000


def cores(rows: int) -> int:
    """Return on how many cores trees are grown on, or asked about, so many rows.

    Neither library's trees depend on it: see the tests.
    """
    return 1 if rows < SHARED_ROWS else available_cores()


def newest_rows(X: Windows) -> NDArray[np.float32]:
    """Return the newest row of each window as float32, shape (n, k); a view where it can be.

    Features are float32, and both libraries sort them into the same bins as they would float64.
    """
    rows: NDArray[np.float32] = X[:, -1, :].astype(np.float32, copy=False)
    return rows


def label_of(target: str, y: Vector) -> Vector:
    """Return what trees are grown on: ``ln y`` for volatility, floored; else ``y``."""
    return np.log(np.maximum(y, VARIANCE_FLOOR)) if target == "volatility" else y


def smearing_of(y: Vector, raw: Vector) -> float:
    """Return what ``exp`` of a fit of ``ln y`` is multiplied by to be right on average.

    Parameters
    ----------
    y : array of float64, shape (n,)
        What came of the training rows.
    raw : array of float64, shape (n,)
        What the trees say to them.

    References
    ----------
    Duan (1983), Smearing Estimate: A Nonparametric Retransformation Method.
    """
    return float(np.mean(np.maximum(y, VARIANCE_FLOOR) / np.exp(raw)))
