"""Networks as ONNX graphs: from the features as they are to the forecast, in one graph.

A graph of few operations is written directly: it takes milliseconds where a converter traces the
network again, has no nodes that a converter needs, and its numbers have names, from which a child
takes its parent's weights. Each fit measures that graph and network agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from truecast.models.base import ModelError
from truecast.models.scaling import CLIP, F32, Scaling

Kind = Literal["mlp", "cnn", "lstm"]
Weights = Mapping[str, F32]

#: A graph says a probability (``logistic``), a number (``plain``), or e to its power.
Output = Literal["plain", "logistic", "exponential"]

#: Beyond these log odds a float32 cannot tell a probability from 0 or 1.
_SURE = 15.0
_OPSET, _IR_VERSION = 17, 8
#: Keras keeps the gates of an LSTM in the order i, f, c, o; ONNX has i, o, f, c.
_TO_ONNX, _TO_KERAS = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass(frozen=True)
class Layout:
    """The shape of a network.

    Parameters
    ----------
    kind : {"mlp", "cnn", "lstm"}
        Of its hidden layers.
    window, columns : int
        Shape of a row of features.
    units, layers : int
        Width and number of the hidden layers.
    kernel_size : int
        Rows that a convolution spans; 0 for the others.
    """

    kind: Kind
    window: int
    columns: int
    units: int
    layers: int
    kernel_size: int = 0

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weights as Keras keeps them, in its order."""
        found: dict[str, tuple[int, ...]] = {}
        width = self.columns * (self.window if self.kind == "mlp" else 1)
        for place in range(self.layers):
            name, units = f"{self.kind}{place}", self.units
            if self.kind == "lstm":
                found[f"{name}.kernel"] = (width, 4 * units)
                found[f"{name}.recurrent"] = (units, 4 * units)
                found[f"{name}.bias"] = (4 * units,)
            else:
                span = (self.kernel_size,) if self.kind == "cnn" else ()
                found[f"{name}.kernel"] = (*span, width, units)
                found[f"{name}.bias"] = (units,)
            width = units
        return found | {"head.kernel": (width * self._rows_left, 1), "head.bias": (1,)}

    @property
    def _rows_left(self) -> int:
        """How many rows of units the head sees."""
        if self.kind != "cnn":
            return 1
        return self.window - self.layers * (self.kernel_size - 1)


def write_graph(
    layout: Layout, weights: Weights, scaling: Scaling, output: Output, mean: float, sd: float
) -> bytes:
    """Write a network as ONNX: scaled inputs, hidden layers, head, and the head's unit.

    Parameters
    ----------
    layout : Layout
        Its shape.
    weights : mapping of str to array of float32
        As ``layout.shapes`` says.
    scaling : Scaling
        Of the features.
    output : {"plain", "logistic", "exponential"}
        With h what the head says and ``v = mean + sd·h``: v, ``1/(1 + exp(−v))`` or ``exp(v)``.
    mean, sd : float
        See ``output``.

    Returns
    -------
    bytes
        Input ``rows``, float32 of shape (rows, window, columns); output ``said``, float32 of shape
        (rows,). The same network gives the same bytes.
    """
    from onnx import TensorProto, helper

    writer = _Writer()
    rows = writer.scaled("rows", scaling)
    hidden = {"mlp": writer.dense, "cnn": writer.convolved, "lstm": writer.recurrent}
    head = writer.add(
        "Gemm", hidden[layout.kind](rows, layout, weights), "head.kernel", "head.bias"
    )
    writer.numbers({name: weights[name] for name in ("head.kernel", "head.bias")})
    said = writer.in_unit(head, output, mean, sd)
    graph = helper.make_graph(
        [*writer.nodes, helper.make_node("Squeeze", [said, writer.whole("last", 1)], ["said"])],
        layout.kind,
        [
            helper.make_tensor_value_info(
                "rows", TensorProto.FLOAT, ["rows", layout.window, layout.columns]
            )
        ],
        [helper.make_tensor_value_info("said", TensorProto.FLOAT, ["rows"])],
        [*writer.initializers],
    )
    model = helper.make_model(
        graph,
        producer_name="truecast",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    content: bytes = model.SerializeToString(deterministic=True)
    return content


class _Writer:
    """Collects nodes and numbers; each step takes and returns the name of a value."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def add(self, operation: str, *inputs: str, place: int = 0, **attributes: Any) -> str:
        """Add a node; return the name of its output, of several the one at ``place``."""
        from onnx import helper

        name = f"{operation.lower()}_{len(self.nodes)}"
        outputs = [*[""] * place, name]
        self.nodes.append(helper.make_node(operation, inputs, outputs, **attributes))
        return name

    def numbers(self, values: Weights) -> None:
        from onnx import numpy_helper

        self.initializers += [
            numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name)
            for name, value in values.items()
        ]

    def number(self, name: str, value: float) -> str:
        self.numbers({name: np.array(value, np.float32)})
        return name

    def whole(self, name: str, value: int) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.array([value], np.int64), name))
        return name

    def scaled(self, rows: str, scaling: Scaling) -> str:
        self.numbers({"features.mean": scaling.mean, "features.sd": scaling.sd})
        centred = self.add("Sub", rows, "features.mean")
        scaled = self.add("Div", centred, "features.sd")
        missing = self.add("IsNaN", scaled)
        filled = self.add("Where", missing, self.number("zero", 0.0), scaled)
        ends = self.number("lowest", -CLIP), self.number("highest", CLIP)
        return self.add("Clip", filled, *ends)

    def dense(self, rows: str, layout: Layout, weights: Weights) -> str:
        values = self.add("Flatten", rows, axis=1)
        for place in range(layout.layers):
            names = f"mlp{place}.kernel", f"mlp{place}.bias"
            self.numbers({name: weights[name] for name in names})
            values = self.add("Relu", self.add("Gemm", values, *names))
        return values

    def convolved(self, rows: str, layout: Layout, weights: Weights) -> str:
        values = self.add("Transpose", rows, perm=(0, 2, 1))
        for place in range(layout.layers):
            kernel, bias = f"cnn{place}.kernel", f"cnn{place}.bias"
            self.numbers({kernel: weights[kernel].transpose(2, 1, 0), bias: weights[bias]})
            size = [layout.kernel_size]
            values = self.add("Relu", self.add("Conv", values, kernel, bias, kernel_shape=size))
        return self.add("Flatten", self.add("Transpose", values, perm=(0, 2, 1)), axis=1)

    def recurrent(self, rows: str, layout: Layout, weights: Weights) -> str:
        values = self.add("Transpose", rows, perm=(1, 0, 2))
        for place in range(layout.layers):
            names = [f"lstm{place}.{part}" for part in ("kernel", "recurrent", "bias")]
            kernel, recurrent, bias = (weights[name] for name in names)
            self.numbers(
                {
                    names[0]: _gates(kernel, _TO_ONNX).T[None],
                    names[1]: _gates(recurrent, _TO_ONNX).T[None],
                    names[2]: np.concatenate([_gates(bias, _TO_ONNX), np.zeros_like(bias)])[None],
                }
            )
            # A layer hands all its states to the next (rows, 1, n, units), the last one its newest.
            last = place == layout.layers - 1
            states = self.add("LSTM", values, *names, place=int(last), hidden_size=layout.units)
            values = self.add("Squeeze", states, self.whole(f"direction_{place}", 0 if last else 1))
        return values

    def in_unit(self, head: str, output: Output, mean: float, sd: float) -> str:
        spread = self.add("Mul", head, self.number("outcome.sd", sd))
        value = self.add("Add", spread, self.number("outcome.mean", mean))
        if output == "exponential":
            return self.add("Exp", value)
        if output == "logistic":
            ends = self.number("surely_not", -_SURE), self.number("surely", _SURE)
            return self.add("Sigmoid", self.add("Clip", value, *ends))
        return value


def _gates(values: F32, order: tuple[int, ...]) -> F32:
    """Put the four blocks along the last axis into another order."""
    blocks = np.split(values, 4, axis=-1)
    return np.concatenate([blocks[place] for place in order], axis=-1)


def read_weights(content: bytes, layout: Layout, *, model: str) -> dict[str, F32]:
    """Return the weights of a graph that :func:`write_graph` wrote, as Keras keeps them.

    Raises
    ------
    ModelError
        If they are not those of the layout.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(content).graph
    held = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    found = {name: _as_keras(name, held[name]) for name in layout.shapes if name in held}
    shapes = {name: value.shape for name, value in found.items()}
    if shapes != layout.shapes:
        raise ModelError(f"{model}: expected weights {layout.shapes}, found {shapes}")
    return found


def _as_keras(name: str, value: F32) -> F32:
    layer, _, part = name.partition(".")
    if layer.startswith("cnn") and part == "kernel":
        return value.transpose(2, 1, 0)
    if not layer.startswith("lstm"):
        return value
    if part == "bias":
        return _gates(value[0, : value.shape[1] // 2], _TO_KERAS)
    return _gates(value[0].T, _TO_KERAS)
