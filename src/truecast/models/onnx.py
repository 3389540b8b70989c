"""A model in ONNX, from its bytes, asked on one core or, for many rows, on all.

ONNX is what trees, forests and networks are kept in: a graph of named operations and numbers,
which runs without the library that fitted it and holds no code. A graph that names another file,
as ONNX allows for large weights, is refused: a bundle's hashes would not cover that file.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truecast.models.base import ModelError, Vector
from truecast.models.boosting import cores

ONNX_FILE = "model.onnx"

#: Rows that are handed to onnxruntime at once: few enough to stay small in memory.
CHUNK_ROWS = 8_192

#: A graph may differ from the library that fitted it by this share of its largest value.
PARITY = 1e-5
#: On so many training rows at most that is measured.
PARITY_ROWS = 1_000

#: The key under which ONNX names another file; nothing that is exported here is called so.
_OTHER_FILE = b"location"


class Session:
    """A graph of one input and one output, ready to run.

    Parameters
    ----------
    content : bytes
        The graph as ONNX. Its input is float32 of shape (rows, k) or (rows, window, k) with the
        rows left open, its output float32 or float64, one number a row.
    model : str
        Name of the model, for the messages.

    Attributes
    ----------
    content : bytes
        As given.
    shape : tuple of int
        Of one row: (k,) or (window, k).

    Raises
    ------
    ModelError
        If the bytes are no such graph, or it names another file.

    Notes
    -----
    One graph runs on one core: sharing one row out takes longer than the row. Many rows are cut
    into pieces, each of which runs on a core of its own; a row's forecast depends neither on the
    cores nor on the other rows.
    """

    def __init__(self, content: bytes, *, model: str) -> None:
        self.content = content
        self._model = model
        self._session = _started(content, model)
        self.shape, self._input, self._outputs = _described(self._session, model)

    @property
    def columns(self) -> int:
        """Number of features in a row, k."""
        return self.shape[-1]

    def run(self, rows: NDArray[np.float32]) -> Vector:
        """Return what the graph says to each row.

        Parameters
        ----------
        rows : array of float32, shape (n, k) or (n, window, k)
            Features; NaN means what the graph makes of it.

        Returns
        -------
        array of float64, shape (n,)

        Raises
        ------
        ModelError
            If the shape is not the graph's, or the graph fails.
        """
        if rows.shape[1:] != self.shape:
            raise ModelError(
                f"{self._model}: expected rows of shape (n, {', '.join(map(str, self.shape))}), "
                f"got {rows.shape}"
            )
        if len(rows) <= CHUNK_ROWS:
            return self._piece(rows)
        pieces = [rows[start : start + CHUNK_ROWS] for start in range(0, len(rows), CHUNK_ROWS)]
        with ThreadPoolExecutor(cores(len(rows))) as threads:
            return np.concatenate(list(threads.map(self._piece, pieces)))

    def _piece(self, rows: NDArray[np.float32]) -> Vector:
        given = {self._input: np.ascontiguousarray(rows, dtype=np.float32)}
        try:
            (said,) = self._session.run(self._outputs, given)
        except Exception as error:  # onnxruntime's errors share no other class
            raise ModelError(f"{self._model}: {ONNX_FILE} cannot be run: {error}") from error
        if said.size != len(rows):
            raise ModelError(
                f"{self._model}: {ONNX_FILE} gives shape {said.shape} for {len(rows)} rows: "
                "expected one number a row"
            )
        return np.asarray(said.reshape(-1), dtype=np.float64)


def _started(content: bytes, model: str) -> Any:
    import onnxruntime

    if _OTHER_FILE in content:
        raise ModelError(
            f"{model}: {ONNX_FILE} names another file ({_OTHER_FILE.decode()!r}): a graph must "
            "hold all of its numbers itself"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what is wrong is raised, not printed as well
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no other class
        raise ModelError(f"{model}: {ONNX_FILE} is not an ONNX graph: {error}") from error


def _described(session: Any, model: str) -> tuple[tuple[int, ...], str, list[str]]:
    """Return the shape of a row, the input's name and the output's."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = list(inputs[0].shape) if inputs else []
    fits = (
        [value.type for value in inputs] == ["tensor(float)"]
        and [value.type for value in outputs] in (["tensor(float)"], ["tensor(double)"])
        and len(shape) in {2, 3}
        and not isinstance(shape[0], int)
        and all(isinstance(size, int) and size > 0 for size in shape[1:])
    )
    if not fits:
        raise ModelError(
            f"{model}: {ONNX_FILE} has inputs {[(i.type, i.shape) for i in inputs]} and outputs "
            f"{[(o.type, o.shape) for o in outputs]}: expected one tensor(float) of shape "
            "(rows, k) or (rows, window, k), rows left open, and one number a row"
        )
    return tuple(shape[1:]), inputs[0].name, [outputs[0].name]


def parity(model: str, said: Vector, native: Vector) -> float:
    """Return how far a graph is from the library that fitted it, and refuse more than 1e-5.

    Parameters
    ----------
    model : str
        Name of the model, for the message.
    said, native : array of float64, shape (n,)
        What graph and library say to the same rows.

    Returns
    -------
    float
        ``max |said - native| / max |native|``: the largest difference as a share of the largest
        value, from 0.

    Raises
    ------
    ModelError
        If it is more than ``PARITY`` or not a number.
    """
    scale = float(np.abs(native).max())
    apart = float(np.abs(said - native).max()) / (scale or 1.0)
    if not apart <= PARITY:
        raise ModelError(
            f"{model}: {ONNX_FILE} differs from the fitted model by {apart:.3g} of its largest "
            f"value on {len(native)} training rows: expected at most {PARITY:g}"
        )
    return apart
