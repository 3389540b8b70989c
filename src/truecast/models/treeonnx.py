"""Trees of any library, written as ONNX that sends every row where the library itself would.

The converters of others round a library's float64 thresholds to the nearest float32, and so send
rows that lie between the two the wrong way; for forests they lose where missing values go. This
writer keeps thresholds and leaves in float64 (``TreeEnsemble`` of ``ai.onnx.ml`` 5 has room for
them), and asks the same question as the library: ``x <= threshold`` or ``x < threshold``. Rows
come as float32 and are widened in the graph, which changes no value.

Leaves are summed in float64, one tree after the other, as LightGBM and scikit-learn do.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truecast.models.base import ModelError

#: From 5 on, trees may hold float64; IR 10 is the first format for it.
_OPSET, _TREES_OPSET, _FORMAT = 21, 5, 10

#: Modes of ``TreeEnsemble``: what is asked at a node.
_AT_MOST, _BELOW = 0, 1

#: LightGBM reads a value no further from 0 than this as 0.
_LIGHTGBM_ZERO = float(np.float32(1e-35))


@dataclass(frozen=True)
class Tree:
    """One tree, its root first.

    Parameters
    ----------
    left, right : array of int, shape (nodes,)
        Places of the nodes that a row goes to if the answer is yes, and no; -1 at a leaf.
    feature : array of int, shape (nodes,)
        Column that is asked about.
    threshold : array of float64, shape (nodes,)
        What it is held against.
    missing_left : array of bool, shape (nodes,)
        Whether a row goes left where the value is missing.
    value : array of float64, shape (nodes,)
        What a leaf says.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float64]

    @classmethod
    def constant(cls, value: float) -> "Tree":
        """Return a tree that says the same to every row.

        ONNX has no tree without a question: this one's has the same answer on both sides.
        """
        nothing, leaf = np.zeros(3), np.array([1, -1, -1])
        return cls(
            left=leaf,
            right=np.array([2, -1, -1]),
            feature=np.zeros(3, dtype=np.int64),
            threshold=nothing,
            missing_left=np.zeros(3, dtype=np.bool_),
            value=np.array([0.0, value, value]),
        )


def write(
    trees: Sequence[Tree], columns: int, *, strict: bool = False, mean: bool = False
) -> bytes:
    """Write trees as an ONNX graph from float32 (rows, columns) to float64 (rows, 1).

    Parameters
    ----------
    trees : sequence of Tree
        One or more.
    columns : int
        Features in a row, from 1.
    strict : bool
        Whether a row goes left if its value is below the threshold (XGBoost), or also if it is
        equal (LightGBM, scikit-learn).
    mean : bool
        Whether the trees' mean is said, or their sum.

    Returns
    -------
    bytes
        The same for the same trees.
    """
    from onnx import TensorProto, helper, numpy_helper

    made = _attributes(trees)
    mode = np.uint8(_BELOW if strict else _AT_MOST)
    ensemble = helper.make_node(
        "TreeEnsemble",
        ["wide"],
        ["said"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function=0 if mean else 1,
        post_transform=0,
        tree_roots=made["roots"],
        nodes_featureids=made["feature"],
        nodes_splits=numpy_helper.from_array(made["threshold"]),
        nodes_modes=numpy_helper.from_array(np.full(len(made["feature"]), mode)),
        nodes_truenodeids=made["left"],
        nodes_trueleafs=made["left_is_leaf"],
        nodes_falsenodeids=made["right"],
        nodes_falseleafs=made["right_is_leaf"],
        nodes_missing_value_tracks_true=made["missing_left"],
        leaf_targetids=np.zeros(len(made["value"]), dtype=np.int64),
        leaf_weights=numpy_helper.from_array(made["value"]),
    )
    graph = helper.make_graph(
        [helper.make_node("Cast", ["rows"], ["wide"], to=TensorProto.DOUBLE), ensemble],
        "trees",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", columns])],
        [helper.make_tensor_value_info("said", TensorProto.DOUBLE, ["n", 1])],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _TREES_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_FORMAT)
    return bytes(model.SerializeToString())


def _attributes(trees: Sequence[Tree]) -> dict[str, NDArray[Any]]:
    """Give questions and leaves of all trees numbers from 0, each among its kind."""
    trees = [tree if len(tree.left) > 1 else Tree.constant(float(tree.value[0])) for tree in trees]
    starts = np.cumsum([0, *(len(tree.left) for tree in trees)])
    shift = np.repeat(starts[:-1], np.diff(starts))
    leaf = np.concatenate([tree.left for tree in trees]) < 0
    place = np.where(leaf, np.cumsum(leaf), np.cumsum(~leaf)) - 1
    asked = ~leaf

    def of(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(tree, name) for tree in trees])

    made = {
        "roots": place[starts[:-1]],
        "feature": of("feature")[asked].astype(np.int64),
        "threshold": of("threshold")[asked].astype(np.float64),
        "missing_left": of("missing_left")[asked].astype(np.int64),
        "value": of("value")[leaf].astype(np.float64),
    }
    for side in ("left", "right"):
        child = (of(side) + shift)[asked]
        made[side] = place[child]
        made[f"{side}_is_leaf"] = leaf[child].astype(np.int64)
    return made


def of_lightgbm(text: str) -> Iterator[Tree]:
    """Yield the trees of LightGBM's own text, ``Booster.model_to_string()``.

    Raises
    ------
    ModelError
        If a tree asks what ONNX has no question for: about a category, a line in a leaf, or
        zero taken for missing.

    Notes
    -----
    A node's children are numbered from 0, its leaves from -1 downwards. ``decision_type`` has
    the bits: 1 a category, 2 missing goes left, and 0, 4 or 8 for what counts as missing: nothing,
    zero, or NaN. Where nothing does, LightGBM takes NaN for 0. Values within 1e-35 of 0 it takes
    for 0 itself, so a threshold among them is moved to the end of them.
    """
    for block in text.partition("\nend of trees")[0].split("\nTree=")[1:]:
        lines = (line.partition("=") for line in block.splitlines() if "=" in line)
        fields = {key: value for key, _, value in lines}
        leaves = _numbers(fields, "leaf_value")
        if len(leaves) == 1:
            yield Tree.constant(leaves[0])
            continue
        kind = _numbers(fields, "decision_type").astype(np.int64)
        missing = kind & 12
        if (kind & 1).any() or (missing == 4).any() or fields.get("is_linear", "0") != "0":
            raise ModelError(
                "lightgbm: a tree asks about a category, has a line in a leaf or takes zero for "
                "missing: expected numbers, with NaN for missing"
            )
        threshold = _numbers(fields, "threshold")
        ends = np.where(threshold < 0, np.nextafter(-_LIGHTGBM_ZERO, -1), _LIGHTGBM_ZERO)
        threshold = np.where(np.abs(threshold) <= _LIGHTGBM_ZERO, ends, threshold)
        padding = np.zeros(len(leaves))
        yield Tree(
            left=_children(fields, "left_child", len(leaves)),
            right=_children(fields, "right_child", len(leaves)),
            feature=np.concatenate([_numbers(fields, "split_feature"), padding]).astype(np.int64),
            threshold=np.concatenate([threshold, padding]),
            missing_left=np.concatenate(
                [np.where(missing == 8, kind & 2, threshold >= 0), padding]
            ).astype(np.bool_),
            value=np.concatenate([np.zeros(len(threshold)), leaves]),
        )


def _numbers(fields: dict[str, str], key: str) -> NDArray[np.float64]:
    return np.array(fields[key].split(), dtype=np.float64)


def _children(fields: dict[str, str], key: str, leaves: int) -> NDArray[np.int64]:
    """Return places among the nodes, of which the questions come first and then the leaves."""
    child = _numbers(fields, key).astype(np.int64)
    places = np.where(child < 0, leaves - 1 + ~child, child)
    return np.concatenate([places, np.full(leaves, -1)])


def of_xgboost(content: bytes | bytearray) -> Iterator[Tree]:
    """Yield the trees of XGBoost's own JSON, ``Booster.save_raw("json")``; the intercept first.

    Notes
    -----
    Thresholds and leaves are float32, and a leaf's stands in the place of its threshold. The
    intercept is said as the objective's mean: for a logistic one it is a probability.
    """
    learner = json.loads(content)["learner"]
    start = float(learner["learner_model_param"]["base_score"].strip("[]"))
    if learner["objective"]["name"] == "binary:logistic":
        start = float(np.log(start / (1 - start)))
    yield Tree.constant(start)
    for tree in learner["gradient_booster"]["model"]["trees"]:
        said = np.array(tree["split_conditions"], dtype=np.float32).astype(np.float64)
        yield Tree(
            left=np.array(tree["left_children"], dtype=np.int64),
            right=np.array(tree["right_children"], dtype=np.int64),
            feature=np.array(tree["split_indices"], dtype=np.int64),
            threshold=said,
            missing_left=np.array(tree["default_left"], dtype=np.bool_),
            value=said,
        )


def of_sklearn(trees: Sequence[Any]) -> Iterator[Tree]:
    """Yield the trees of a forest of scikit-learn's regressors, ``forest.estimators_``."""
    for grown in trees:
        tree = grown.tree_
        yield Tree(
            left=tree.children_left,
            right=tree.children_right,
            feature=tree.feature,
            threshold=tree.threshold,
            missing_left=tree.missing_go_to_left.astype(np.bool_),
            value=tree.value[:, 0, 0],
        )
