"""A small BERT for texts, made on the spot: the architecture of the real one, random weights.

``make_bert`` writes the files that an ONNX export on a hub has, and returns the weights, so that a
test can compute the same by other means.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

#: Tokens that every vocabulary begins with.
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
EPSILON = 1e-12

Weights = dict[str, np.ndarray]


def make_bert(
    folder: Path,
    words: tuple[str, ...],
    *,
    labels: tuple[str, ...] = ("positive", "negative", "neutral"),
    layers: int = 2,
    width: int = 32,
    heads: int = 4,
    positions: int = 64,
    seed: int = 7,
) -> Weights:
    """Write ``onnx/model.onnx``, ``tokenizer.json`` and ``config.json``; return the weights."""
    vocabulary = (*SPECIAL, *words)
    weights = _draw(len(vocabulary), len(labels), layers, width, positions, seed)
    (folder / "onnx").mkdir(parents=True)
    onnx.save(_graph(weights, layers, width, heads), folder / "onnx" / "model.onnx")
    _tokenizer(vocabulary).save(str(folder / "tokenizer.json"))
    config = {
        "model_type": "bert",
        "id2label": {str(place): label for place, label in enumerate(labels)},
        "max_position_embeddings": positions,
        "num_attention_heads": heads,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    return weights


def _tokenizer(vocabulary: tuple[str, ...]) -> Tokenizer:
    numbers = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(WordPiece(numbers, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # As exports often carry them; whoever reads the file has to set its own.
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16)
    return tokenizer


def _draw(words: int, classes: int, layers: int, width: int, positions: int, seed: int) -> Weights:
    draw = np.random.default_rng(seed)
    weights: Weights = {}

    def dense(name: str, rows: int, columns: int, scale: float) -> None:
        weights[f"{name}.weight"] = draw.normal(0, scale, (rows, columns)).astype(np.float32)
        weights[f"{name}.bias"] = draw.normal(0, 0.1, columns).astype(np.float32)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = draw.normal(1, 0.1, width).astype(np.float32)
        weights[f"{name}.bias"] = draw.normal(0, 0.1, width).astype(np.float32)

    for name, rows in (("word", words), ("position", positions), ("kind", 2)):
        weights[name] = draw.normal(0, 1, (rows, width)).astype(np.float32)
    norm("embeddings")
    for layer in range(layers):
        for name in ("query", "key", "value", "mix"):
            dense(f"{layer}.{name}", width, width, width**-0.5)
        dense(f"{layer}.up", width, 4 * width, width**-0.5)
        dense(f"{layer}.down", 4 * width, width, (4 * width) ** -0.5)
        norm(f"{layer}.attention")
        norm(f"{layer}.output")
    dense("pooler", width, width, width**-0.5)
    dense("classifier", width, classes, 2 * width**-0.5)
    return weights


class _Graph:
    """Collects nodes; each call of ``op`` returns the name of its result."""

    def __init__(self, weights: Weights) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants = [numpy_helper.from_array(held, name) for name, held in weights.items()]

    def op(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: object, kind: type = np.int64) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def dense(self, given: str, name: str) -> str:
        return self.op("Add", self.op("MatMul", given, f"{name}.weight"), f"{name}.bias")

    def norm(self, given: str, name: str) -> str:
        return self.op(
            "LayerNormalization", given, f"{name}.weight", f"{name}.bias", axis=-1, epsilon=EPSILON
        )

    def gelu(self, given: str) -> str:
        half, one = self.constant(0.5, np.float32), self.constant(1, np.float32)
        inner = self.op("Mul", given, self.constant(2**-0.5, np.float32))
        share = self.op("Mul", self.op("Add", self.op("Erf", inner), one), half)
        return self.op("Mul", given, share)


def _graph(weights: Weights, layers: int, width: int, heads: int) -> onnx.ModelProto:
    graph = _Graph(weights)
    hidden, bias = _embedded(graph)
    for layer in range(layers):
        hidden = _layer(graph, hidden, bias, str(layer), width, heads)
    first = graph.op("Gather", hidden, graph.constant(0), axis=1)
    pooled = graph.op("Tanh", graph.dense(first, "pooler"))
    graph.nodes.append(
        helper.make_node("Identity", [graph.dense(pooled, "classifier")], ["logits"])
    )
    shape = ["batch", "length"]
    model = helper.make_graph(
        graph.nodes,
        "bert",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, shape)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "classes"])],
        graph.constants,
    )
    made = helper.make_model(model, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made


def _embedded(graph: _Graph) -> tuple[str, str]:
    """Return the embeddings, and what is added to attention so that padding has none."""
    length = graph.op("Gather", graph.op("Shape", "input_ids"), graph.constant(1))
    places = graph.op("Range", graph.constant(0), length, graph.constant(1))
    words = graph.op("Gather", "word", "input_ids")
    kinds = graph.op("Gather", "kind", "token_type_ids")
    both = graph.op("Add", words, graph.op("Gather", "position", places))
    hidden = graph.norm(graph.op("Add", both, kinds), "embeddings")
    wide = graph.op("Unsqueeze", "attention_mask", graph.constant([1, 2]))
    there = graph.op("Cast", wide, to=TensorProto.FLOAT)
    away = graph.op("Sub", graph.constant(1, np.float32), there)
    return hidden, graph.op("Mul", away, graph.constant(-1e9, np.float32))


def _layer(graph: _Graph, hidden: str, bias: str, name: str, width: int, heads: int) -> str:
    parted = graph.constant([0, 0, heads, width // heads])

    def head(part: str, order: list[int]) -> str:
        made = graph.op("Reshape", graph.dense(hidden, f"{name}.{part}"), parted)
        return graph.op("Transpose", made, perm=order)

    query, value = head("query", [0, 2, 1, 3]), head("value", [0, 2, 1, 3])
    scores = graph.op("MatMul", query, head("key", [0, 2, 3, 1]))
    scale = graph.constant((width / heads) ** -0.5, np.float32)
    scaled = graph.op("Add", graph.op("Mul", scores, scale), bias)
    mixed = graph.op("MatMul", graph.op("Softmax", scaled, axis=-1), value)
    joined = graph.op("Transpose", mixed, perm=[0, 2, 1, 3])
    joined = graph.op("Reshape", joined, graph.constant([0, 0, width]))
    attended = graph.op("Add", hidden, graph.dense(joined, f"{name}.mix"))
    hidden = graph.norm(attended, f"{name}.attention")
    inner = graph.dense(graph.gelu(graph.dense(hidden, f"{name}.up")), f"{name}.down")
    return graph.norm(graph.op("Add", hidden, inner), f"{name}.output")
