"""Which features a model leans on."""

from collections.abc import Callable, Sequence

import numpy as np

from truecast.datasets.targets import F64
from truecast.models.base import Model, Windows


def permutation_importances(
    model: Model,
    X: Windows,
    features: Sequence[str],
    loss: Callable[[F64], float],
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Say how much worse a model gets when one feature's rows are shuffled.

    Parameters
    ----------
    model : Model
        Fitted.
    X : array of float, shape (n, window, k)
        Rows that it forecasts.
    features : sequence of str, length k
        Names of the columns.
    loss : callable
        Predictions of shape (n,) to a mean loss, lower being better.
    seed : int
        Of the shuffles.

    Returns
    -------
    dict of str to float
        Increase of the loss by feature, at least 0, largest first.

    References
    ----------
    Breiman (2001), "Random forests"; Fisher, Rudin and Dominici (2019).
    """
    base = loss(model.predict(X))
    random = np.random.default_rng(seed)
    rises = {}
    shuffled = np.array(X)
    for column, name in enumerate(features):
        shuffled[:, :, column] = X[random.permutation(len(X)), :, column]
        rises[name] = max(0.0, loss(model.predict(shuffled)) - base)
        shuffled[:, :, column] = X[:, :, column]
    return dict(sorted(rises.items(), key=lambda item: -item[1]))
