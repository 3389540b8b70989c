"""Networks in Keras: built once for a shape, taught by epochs, stopped early.

The rows come in time order. The last fifth of them is not learned from: after each epoch the loss
on these rows says whether it was worth it, and the weights of the best epoch stay. So many rows as
the horizon are left out between the two, since their outcomes reach into the last fifth.

A pass over all rows is one call of a compiled function, and a network whose shape has been asked
for before is used again with its first weights. Compiling takes a second, and Keras's own loop many
times as long as the arithmetic of a network as small as these.

References
----------
Kumar et al. (2022), Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution: first the head alone, then all weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np

from truecast.models.base import ModelError, Windows
from truecast.models.kerasnet import Loss, Network
from truecast.models.netgraphs import Layout, Weights
from truecast.models.onnx import PARITY_ROWS
from truecast.models.scaling import F32, Scaling

#: Share of the rows, the last in time, that say when to stop.
STOP_SHARE = 0.2

#: Told after each epoch: its number, 0 before the first, and the loss on the rows that say when to
#: stop.
Watch = Callable[[int, float], None]


#: A compiled network serves one fit at a time.
_ONE_AT_A_TIME = Lock()
_network = lru_cache(maxsize=16)(Network)


@dataclass(frozen=True)
class Plan:
    """How a network is taught.

    Parameters
    ----------
    loss : {"squared", "logistic"}
        Mean of (ŷ − y)², or log loss of the odds.
    dropout : float
        Share of the last hidden units left out at each step, from 0, below 1.
    batch_size : int
        Rows a step.
    learning_rate : float
        Of Adam.
    epochs, patience : int
        Passes over the rows at most, and passes without a better loss after which it ends.
    seed : int
        Of the first weights, the order of the rows, and what dropout leaves out.
    frozen : bool
        Whether the head alone learns.
    """

    loss: Loss
    dropout: float
    batch_size: int
    learning_rate: float
    epochs: int
    patience: int
    seed: int
    frozen: bool = False


@dataclass(frozen=True)
class Taught:
    """What a network has learned.

    Attributes
    ----------
    weights : dict of str to array of float32
        Of the best epoch.
    epoch : int
        Its number; 0 if no pass over the rows made it better.
    loss : float
        On the rows that say when to stop.
    said : array of float32
        What the network with these weights says to the last 1,000 training rows, or to all.
    """

    weights: dict[str, F32]
    epoch: int
    loss: float
    said: F32


def teach(
    layout: Layout,
    plan: Plan,
    X: Windows,
    label: F32,
    scaling: Scaling,
    *,
    horizon: int,
    start: Weights | None = None,
    watch: Watch = lambda _epoch, _loss: None,
) -> Taught:
    """Teach a network.

    Parameters
    ----------
    layout : Layout
        Its shape.
    plan : Plan
        How.
    X : array of float, shape (n, window, columns)
        Training rows, oldest first, as they are.
    label : array of float32, shape (n,)
        What is learned, standardised; 0 or 1 where the loss is logistic.
    scaling : Scaling
        Of the features.
    horizon : int
        Rows left out before those that say when to stop.
    start : mapping of str to array of float32, or None
        First weights; where the loss is squared, their head is suited to the rows before the first
        epoch. None for random ones, with a head that says 0: the mean, or even odds.
    watch : callable
        Told after each epoch.

    Returns
    -------
    Taught
        The weights, and what they say.

    Raises
    ------
    ModelError
        If Keras is not installed, or too few rows are left to learn from.
    """
    stop = len(X) - max(1, round(STOP_SHARE * len(X)))
    taught_by = stop - horizon
    if taught_by < 1:
        raise ModelError(
            f"{layout.kind}: of {len(X)} training rows the last {len(X) - stop} say when to stop "
            f"and {horizon} before them reach into these: none is left to learn from; use a "
            "longer history"
        )
    with _ONE_AT_A_TIME:
        network = _network(layout, plan.loss, plan.dropout, plan.batch_size, plan.seed, plan.frozen)
        network.begin(plan.learning_rate, start)
        if start is not None and plan.loss == "squared":
            network.suit_head(X[:taught_by], label[:taught_by], scaling)
        best, best_epoch = network.weights(), 0
        least = network.loss(X[stop:], label[stop:], scaling)
        watch(0, least)
        rng = np.random.default_rng(plan.seed)
        for epoch in range(1, plan.epochs + 1):
            network.learn(X, label, rng.permutation(taught_by), scaling)
            loss = network.loss(X[stop:], label[stop:], scaling)
            watch(epoch, loss)
            if loss < least:
                best, best_epoch, least = network.weights(), epoch, loss
            elif epoch - best_epoch >= plan.patience:
                break
        network.take(best)
        return Taught(best, best_epoch, least, network.say(X[-PARITY_ROWS:], scaling))
