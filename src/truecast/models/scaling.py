"""Features and outcomes of networks in units of their own training rows."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from truecast.models.base import Vector, Windows

F32 = NDArray[np.float32]

#: A scaled feature lies within so many standard deviations of its mean; what is beyond is cut.
CLIP = 5.0
#: A column that varies by less than this share of its mean is constant to float32.
_CONSTANT = 1e-7


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each feature over training rows.

    Parameters
    ----------
    mean, sd : array of float32, shape (k,)
        In each feature's own unit; ``sd`` is 1 where the feature does not vary.

    Notes
    -----
    ``(x − mean) / sd``, cut at ±5; a missing value becomes 0, which is the training mean. Both
    are those of the training rows' own values, so they are known when the fit is.
    """

    mean: F32
    sd: F32

    @classmethod
    def of(cls, X: Windows) -> Self:
        """Measure the newest row of each training window.

        Parameters
        ----------
        X : array of float, shape (n, window, k)
            Training rows; NaN and infinite values are left out.
        """
        rows = X[:, -1, :].astype(np.float64)
        present = np.isfinite(rows)
        count = np.maximum(present.sum(axis=0), 1)
        mean = np.where(present, rows, 0.0).sum(axis=0) / count
        sd = np.sqrt(np.where(present, (rows - mean) ** 2, 0.0).sum(axis=0) / count)
        varies = sd > _CONSTANT * np.abs(mean)
        return cls(mean.astype(np.float32), np.where(varies, sd, 1.0).astype(np.float32))

    def apply(self, X: Windows) -> F32:
        """Scale windows of features, shape (n, window, k); returns a new array."""
        scaled = X.astype(np.float32)
        scaled -= self.mean
        scaled /= self.sd
        scaled[np.isnan(scaled)] = 0.0
        return np.clip(scaled, -CLIP, CLIP, out=scaled)


@dataclass(frozen=True)
class Standard:
    """Mean and standard deviation of what is learned.

    Parameters
    ----------
    mean, sd : float
        Of the training rows; ``sd`` is 1 where they do not vary.
    """

    mean: float
    sd: float

    @classmethod
    def of(cls, label: Vector) -> Self:
        """Measure the labels of the training rows, shape (n,)."""
        return cls(float(label.mean()), float(label.std()) or 1.0)

    def apply(self, label: Vector) -> F32:
        """Scale labels, shape (n,)."""
        return ((label - self.mean) / self.sd).astype(np.float32)
