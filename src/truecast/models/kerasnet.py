"""A network in Keras, compiled once: epochs in, weights out."""

import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from truecast.models.base import ModelError, Windows
from truecast.models.netgraphs import Layout, Weights
from truecast.models.scaling import F32, Scaling

#: Rows that are scaled and handed over at once: few enough to stay small in memory.
CHUNK_ROWS = 8_192
#: Windows of up to so many rows are unrolled: twice as fast, and longer to compile.
_UNROLLED = 40
#: A head that is suited is pulled towards what it was as by so many rows for each that there is.
_PULL = 0.01
#: Gradients are shortened to this length, so that one odd batch cannot throw the weights off.
_GRADIENT_NORM = 1.0

Loss = Literal["squared", "logistic"]


class Network:
    """A compiled network of one shape.

    Parameters
    ----------
    layout : Layout
        Its shape.
    loss, dropout, batch_size, seed, frozen
        See :class:`Plan`.
    """

    def __init__(
        self,
        layout: Layout,
        loss: Loss,
        dropout: float,
        batch_size: int,
        seed: int,
        frozen: bool,
    ) -> None:
        self._keras, self._tensorflow = _libraries()
        self._layout = layout
        self._model = _built(self._keras, layout, dropout, seed)
        learned = self._model.trainable_variables[-2 if frozen else 0 :]
        self._optimizer = self._keras.optimizers.Adam(1.0, clipnorm=_GRADIENT_NORM)
        self._optimizer.build(learned)
        # All that an epoch changes, as it is before the first: what chance has drawn as well.
        state = [*self._model.variables, *self._optimizer.variables]
        self._first = [(one, np.array(one.numpy())) for one in state]
        self._compile(loss, batch_size, learned)

    def _compile(self, loss: Loss, batch_size: int, learned: list[Any]) -> None:
        tf, model, optimizer = self._tensorflow, self._model, self._optimizer

        def losses(rows: Any, label: Any, training: bool) -> Any:
            said = model(rows, training=training)[:, 0]
            if loss == "logistic":
                return tf.nn.sigmoid_cross_entropy_with_logits(label, said)
            return tf.square(said - label)

        def epoch(rows: Any, label: Any) -> None:
            # Whole batches alone: the order is another one each time, so no row is left out always.
            last = tf.maximum(1, tf.shape(rows)[0] - batch_size + 1)

            def step(begin: Any) -> Any:
                batch = slice(begin, begin + batch_size)
                with tf.GradientTape() as tape:
                    mean = tf.reduce_mean(losses(rows[batch], label[batch], True))
                optimizer.apply(tape.gradient(mean, learned), learned)
                return begin + batch_size

            tf.while_loop(lambda begin: begin < last, step, [0])

        def compiled(function: Callable[..., Any], *inputs: Any) -> Any:
            # Autograph reads the source, which need not be there.
            return tf.function(function, autograph=False).get_concrete_function(*inputs)

        rows = tf.TensorSpec((None, self._layout.window, self._layout.columns), tf.float32)
        label = tf.TensorSpec((None,), tf.float32)
        hidden = self._keras.Model(model.input, model.layers[-1].input)
        self._epoch = compiled(epoch, rows, label)
        self._losses = compiled(lambda rows, label: losses(rows, label, False), rows, label)
        self._hidden = compiled(lambda rows: hidden(rows, training=False), rows)
        self._say = compiled(lambda rows: model(rows, training=False)[:, 0], rows)

    def begin(self, learning_rate: float, start: Weights | None) -> None:
        """Forget all that was learned; begin with the given weights, or with the first ones."""
        for one, value in self._first:
            one.assign(value)
        self._optimizer.learning_rate = learning_rate
        if start is not None:
            self.take(start)

    def take(self, weights: Weights) -> None:
        """Take weights by their names."""
        for one, name in zip(self._model.trainable_variables, self._layout.shapes, strict=True):
            one.assign(weights[name])

    def suit_head(self, X: Windows, label: F32, scaling: Scaling) -> None:
        """Move the head to the least squares of rows, pulled towards what it is."""
        kernel, bias = self._model.trainable_variables[-2:]
        size = kernel.shape[0] + 1
        gram = np.diag(np.r_[np.full(size - 1, _PULL * len(X)), 0.0])
        moment = np.zeros(size)
        for places in _chunks(np.arange(len(X))):
            hidden = self._hidden(*self._tensors(scaling.apply(X[places]))).numpy()
            design = np.column_stack([hidden.astype(np.float64), np.ones(len(hidden))])
            gap = label[places] - design[:, :-1] @ kernel.numpy()[:, 0] - bias.numpy()
            gram, moment = gram + design.T @ design, moment + design.T @ gap
        step = np.linalg.solve(gram, moment)
        kernel.assign_add(step[:-1, None])
        bias.assign_add(step[-1:])

    def weights(self) -> dict[str, F32]:
        """Return a copy of the weights by their names."""
        values = self._model.trainable_variables
        return {
            name: np.array(one.numpy())
            for name, one in zip(self._layout.shapes, values, strict=True)
        }

    def learn(self, X: Windows, label: F32, order: NDArray[np.intp], scaling: Scaling) -> None:
        """Pass once over rows, in an order."""
        for places in _chunks(order):
            self._epoch(*self._tensors(scaling.apply(X[places]), label[places]))

    def loss(self, X: Windows, label: F32, scaling: Scaling) -> float:
        """Return the mean loss on rows."""
        losses = [
            self._losses(*self._tensors(scaling.apply(X[places]), label[places])).numpy()
            for places in _chunks(np.arange(len(X)))
        ]
        return float(np.concatenate(losses).mean(dtype=np.float64))

    def say(self, X: Windows, scaling: Scaling) -> F32:
        """Return what the network says to rows."""
        said = [
            self._say(*self._tensors(scaling.apply(X[places]))).numpy()
            for places in _chunks(np.arange(len(X)))
        ]
        return np.concatenate(said)

    def _tensors(self, *values: F32) -> list[Any]:
        return [self._tensorflow.constant(value) for value in values]


def _chunks(order: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(order), CHUNK_ROWS):
        yield order[start : start + CHUNK_ROWS]


def _built(keras: Any, layout: Layout, dropout: float, seed: int) -> Any:
    """Build the Keras model, with first weights that the seed alone decides."""
    layers, seeds = keras.layers, iter(range(seed, seed + 3 * layout.layers + 1))

    def drawn() -> Any:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    rows = keras.Input((layout.window, layout.columns))
    values = layers.Flatten()(rows) if layout.kind == "mlp" else rows
    for place in range(layout.layers):
        if layout.kind == "mlp":
            layer = layers.Dense(layout.units, "relu", kernel_initializer=drawn())
        elif layout.kind == "cnn":
            layer = layers.Conv1D(
                layout.units, layout.kernel_size, activation="relu", kernel_initializer=drawn()
            )
        else:
            layer = layers.LSTM(
                layout.units,
                return_sequences=place < layout.layers - 1,
                unroll=layout.window <= _UNROLLED,
                kernel_initializer=drawn(),
                recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
            )
        values = layer(values)
    if layout.kind == "cnn":
        values = layers.Flatten()(values)
    if dropout:
        values = layers.Dropout(dropout, seed=next(seeds))(values)
    return keras.Model(rows, layers.Dense(1, kernel_initializer="zeros")(values))


def _libraries() -> tuple[Any, Any]:
    """Import Keras and TensorFlow: quiet, on one core, and the same numbers each time."""
    # The same weights need the same number of cores, and networks as small gain by none.
    for name, value in {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    }.items():
        os.environ.setdefault(name, value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries that they import
            import keras
            import tensorflow
    except ImportError as error:
        raise ModelError(
            f"networks are fitted by Keras on TensorFlow ({error}): pip install 'truecast[nets]'"
        ) from error
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"networks are fitted by Keras on TensorFlow, and Keras is set to "
            f"{keras.backend.backend()!r}: unset KERAS_BACKEND or set it to tensorflow"
        )
    tensorflow.config.experimental.enable_op_determinism()
    return keras, tensorflow
