from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from truecast.models import onnx as onnx_module
from truecast.models.base import ModelError
from truecast.models.onnx import CHUNK_ROWS, Session, parity

rng = np.random.default_rng(4)
FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE


def graph(shape: list, out: list, *nodes, weights=(), kind: int = FLOAT) -> bytes:
    """Write a graph from X of that shape to Y of that shape."""
    made = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("X", FLOAT, shape)],
        [helper.make_tensor_value_info("Y", kind, out)],
        list(weights),
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(made, opset_imports=opset, ir_version=8).SerializeToString()


WEIGHTS = np.array([[1.0], [2.0], [-3.0]], dtype=np.float32)
LINE = graph(
    ["n", 3],
    ["n", 1],
    helper.make_node("MatMul", ["X", "w"], ["Y"]),
    weights=[numpy_helper.from_array(WEIGHTS, "w")],
)


def test_a_graph_over_rows() -> None:
    session = Session(LINE, model="m")
    assert (session.shape, session.columns, session.content) == ((3,), 3, LINE)
    said = session.run(np.array([[1, 1, 1], [0, 5, 1]], dtype=np.float32))
    assert said.dtype == np.float64
    assert said.tolist() == [0.0, 7.0]
    assert session.run(np.empty((0, 3), dtype=np.float32)).shape == (0,)


def test_a_graph_over_windows_in_any_layout() -> None:
    total = helper.make_node("ReduceMean", ["X"], ["Y"], axes=[1, 2], keepdims=0)
    session = Session(graph(["n", 4, 2], ["n"], total), model="m")
    assert (session.shape, session.columns) == ((4, 2), 2)
    X = rng.standard_normal((5, 4, 2)).astype(np.float32)
    expected = X.astype(np.float64).mean(axis=(1, 2))
    np.testing.assert_allclose(session.run(X), expected, atol=1e-6)
    np.testing.assert_array_equal(session.run(np.asfortranarray(X)), session.run(X))


def test_an_output_of_float64_keeps_its_digits() -> None:
    nodes = [
        helper.make_node("Cast", ["X"], ["D"], to=DOUBLE),
        helper.make_node("Div", ["D", "three"], ["Y"]),
    ]
    three = numpy_helper.from_array(np.array([3.0]), "three")
    session = Session(graph(["n", 1], ["n", 1], *nodes, weights=[three], kind=DOUBLE), model="m")
    assert session.run(np.ones((1, 1), dtype=np.float32))[0] == 1 / 3


def test_many_rows_are_cut_into_pieces_and_come_back_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X = rng.standard_normal((3 * CHUNK_ROWS + 7, 3)).astype(np.float32)
    session = Session(LINE, model="m")
    said = session.run(X)
    np.testing.assert_allclose(said, (X @ WEIGHTS)[:, 0], atol=1e-5)
    edges = [0, 5, CHUNK_ROWS - 1, 2 * CHUNK_ROWS + 1, len(X)]
    for start, stop in pairwise(edges):
        np.testing.assert_array_equal(session.run(X[start:stop]), said[start:stop])
    monkeypatch.setattr(onnx_module, "cores", lambda rows: 3)
    np.testing.assert_array_equal(session.run(X), said)


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x80\x04.", LINE[:-5], LINE[:10]])
def test_bytes_that_are_no_graph_are_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"^m: model.onnx is not an ONNX graph: "):
        Session(content, model="m")


def test_a_graph_that_names_another_file_is_refused(tmp_path, monkeypatch) -> None:
    WEIGHTS.tofile(tmp_path / "weights.bin")
    monkeypatch.chdir(tmp_path)
    model = onnx.load_from_string(LINE)
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")
    with pytest.raises(ModelError, match="names another file"):
        Session(model.SerializeToString(), model="m")


def test_an_operation_that_is_not_onnx_s_is_refused() -> None:
    own = helper.make_node("Run", ["X"], ["Y"], domain="someone")
    made = helper.make_graph(
        [own],
        "test",
        [helper.make_tensor_value_info("X", FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("Y", FLOAT, ["n", 1])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("someone", 1)]
    content = helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString()
    with pytest.raises(ModelError, match="not an ONNX graph"):
        Session(content, model="m")


@pytest.mark.parametrize("shape", [[1, 3], ["n", "k"], ["n"], ["n", 1, 1, 3]])
def test_another_input_is_refused(shape: list) -> None:
    content = graph(shape, shape, helper.make_node("Identity", ["X"], ["Y"]))
    with pytest.raises(ModelError, match=r"expected one tensor\(float\) of shape"):
        Session(content, model="m")


def test_other_rows_are_refused() -> None:
    session = Session(LINE, model="m")
    with pytest.raises(ModelError, match=r"m: expected rows of shape \(n, 3\), got \(2, 4\)"):
        session.run(np.zeros((2, 4), dtype=np.float32))


def test_more_than_one_number_a_row_is_refused() -> None:
    session = Session(
        graph(["n", 3], ["n", 3], helper.make_node("Identity", ["X"], ["Y"])), model="m"
    )
    with pytest.raises(ModelError, match=r"gives shape \(2, 3\) for 2 rows"):
        session.run(np.zeros((2, 3), dtype=np.float32))


def test_parity_is_a_share_of_the_largest_value() -> None:
    native = np.array([4.0, 0.0, -2.0])
    assert parity("m", native + np.array([0, 2e-5, 0]), native) == pytest.approx(5e-6)
    assert parity("m", np.zeros(3), np.zeros(3)) == 0.0
    with pytest.raises(ModelError, match="differs from the fitted model by 2e-05"):
        parity("m", native + np.array([0, 8e-5, 0]), native)
    with pytest.raises(ModelError, match="differs from the fitted model by nan"):
        parity("m", np.array([np.nan, 0, 0]), native)
