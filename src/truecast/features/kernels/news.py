"""Means over stretches of stories, each from the stories of its own stretch alone."""

import numpy as np

from truecast.features.declaration import Matrix, Windows
from truecast.features.kernels.compiling import kernel


@kernel
def stretch_means(values: Matrix, begins: Windows, ends: Windows, out: Matrix) -> None:
    """Write the mean of each column over ``values[begin:end]``, row by row; 0 where that is empty.

    Parameters
    ----------
    values : float64, shape (m, k)
    begins, ends : int64, shape (n,), each from 0 to m
    out : float64, shape (k, n)

    Notes
    -----
    A stretch is added up from its first row, whatever came before: the same rows give the same
    bits. Neighbouring decisions mostly look at the same stories, which are added up once.
    """
    columns = values.shape[1]
    mean = np.zeros(columns)
    for i in range(begins.size):
        begin, end = begins[i], ends[i]
        if i == 0 or begin != begins[i - 1] or end != ends[i - 1]:
            mean[:] = 0.0
            for j in range(begin, end):
                for k in range(columns):
                    mean[k] += values[j, k]
            for k in range(columns):
                mean[k] /= max(end - begin, 1)
        for k in range(columns):
            out[k, i] = mean[k]
