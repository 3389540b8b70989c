"""The runner of BERT's kind against the same arithmetic in numpy, one text at a time."""

import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest

from truecast.sentiment import classifier as module
from truecast.sentiment.base import SentimentError
from truecast.sentiment.classifier import Classifier
from vendors.bert import EPSILON, SPECIAL, Weights, make_bert

WORDS = ("gold", "rise", "##s", "fall", "on", "strong", "##er", "weak", "demand", ".", "the", "a")
VOCABULARY = (*SPECIAL, *WORDS)
TEXTS = (
    "Gold rises on stronger demand.",
    "GOLD falls\non weak demand",
    "",
    "the xyzzy rises",
    "gold " * 200,
    "a",
    "the strong demand falls . the weak demand rises . gold",
)


def ids_of(text: str, most: int) -> list[int]:
    """Cut words greedily from the left, as WordPiece does."""
    found: list[str] = []
    for word in text.lower().replace(".", " . ").split():
        pieces: list[str] = []
        while word:
            prefix = "##" if pieces else ""
            ends = (end for end in range(len(word), 0, -1) if prefix + word[:end] in VOCABULARY)
            end = next(ends, 0)
            if not end:
                pieces = ["[UNK]"]
                break
            pieces.append(prefix + word[:end])
            word = word[end:]
        found += pieces
    return [VOCABULARY.index(token) for token in ("[CLS]", *found[: most - 2], "[SEP]")]


def softmax(values: np.ndarray) -> np.ndarray:
    raised = np.exp(values - values.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def norm(values: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    spread = np.sqrt(values.var(axis=-1, keepdims=True) + EPSILON)
    centred = (values - values.mean(axis=-1, keepdims=True)) / spread
    return centred * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def dense(values: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    return values @ weights[f"{name}.weight"] + weights[f"{name}.bias"]


def expected(text: str, weights: Weights, *, layers: int = 2, heads: int = 4, most: int = 64):
    """Compute BERT for one text in float64, head by head, without padding."""
    weights = {name: held.astype(np.float64) for name, held in weights.items()}
    ids = ids_of(text, most)
    hidden = weights["word"][ids] + weights["position"][: len(ids)] + weights["kind"][0]
    hidden = norm(hidden, weights, "embeddings")
    for layer in range(layers):
        parts = [dense(hidden, weights, f"{layer}.{name}") for name in ("query", "key", "value")]
        size = hidden.shape[1] // heads
        mixed = []
        for head in range(heads):
            query, key, value = (part[:, head * size : (head + 1) * size] for part in parts)
            mixed.append(softmax(query @ key.T / math.sqrt(size)) @ value)
        attended = dense(np.concatenate(mixed, axis=1), weights, f"{layer}.mix")
        hidden = norm(hidden + attended, weights, f"{layer}.attention")
        raised = dense(hidden, weights, f"{layer}.up")
        raised = raised * np.vectorize(lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2))))(raised)
        hidden = norm(hidden + dense(raised, weights, f"{layer}.down"), weights, f"{layer}.output")
    pooled = np.tanh(dense(hidden[0], weights, "pooler"))
    return softmax(dense(pooled, weights, "classifier"))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Weights]:
    folder = tmp_path_factory.mktemp("bert") / "files"
    return folder, make_bert(folder, WORDS)


def opened(folder: Path, most_tokens: int = 512) -> Classifier:
    files = ((folder / name).read_bytes() for name in ("tokenizer.json", "config.json"))
    return Classifier(folder / "onnx" / "model.onnx", *files, most_tokens)


def test_agrees_with_numpy(bert):
    folder, weights = bert
    classifier = opened(folder)
    assert classifier.classes == ("positive", "negative", "neutral")
    found = classifier.probabilities(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [expected(text, weights) for text in TEXTS], atol=2e-6)
    # Not all the same: the weights do tell texts apart.
    assert np.ptp(found, axis=0).min() > 0.05


def test_a_long_text_is_cut_where_it_is_said(bert):
    folder, weights = bert
    text = "gold rises on demand " * 20
    for most in (8, 64):
        found = opened(folder, most).probabilities([text])
        np.testing.assert_allclose(found, [expected(text, weights, most=most)], atol=2e-6)
    # The model has places for 64 tokens, whatever is asked for.
    assert opened(folder, 512).probabilities([text]).tolist() == found.tolist()


def test_a_score_does_not_depend_on_company_or_order(bert, monkeypatch):
    folder, _ = bert
    classifier = opened(folder)
    texts = [*TEXTS, *(f"gold rises {'on demand ' * (n % 9)}" for n in range(150))]
    together = classifier.probabilities(texts)
    alone = np.concatenate([classifier.probabilities([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=2e-6)
    backwards = classifier.probabilities(texts[::-1])[::-1]
    np.testing.assert_allclose(together, backwards, atol=2e-6)
    assert classifier.probabilities([]).shape == (0, 3)


def test_batches_hold_texts_of_about_one_length(bert):
    classifier = opened(bert[0])
    lengths = [5, 512, 20, 500, 7, 21, *[6] * 100, *[512] * 20]
    batches = list(classifier._batches(lengths))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[place] for place in batch)
        assert len(batch) <= 64
        assert len(batch) * longest <= 4096
    assert [lengths[batch[0]] for batch in batches] == sorted(
        (lengths[batch[0]] for batch in batches), reverse=True
    )


def test_a_model_that_scales_by_its_batch_runs_alone(bert, tmp_path):
    folder, _ = bert
    model = onnx.load(folder / "onnx" / "model.onnx")
    graph = model.graph
    name = graph.input[0].name
    # Quantise the logits, as a dynamically quantised export does with what passes through it.
    logits = graph.node[-1].input[0]
    graph.node.insert(
        len(graph.node) - 1,
        onnx.helper.make_node("DynamicQuantizeLinear", [logits], ["q", "scale", "zero"]),
    )
    graph.node.insert(
        len(graph.node) - 1,
        onnx.helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["rounded"]),
    )
    graph.node[-1].input[0] = "rounded"
    assert name == "input_ids"
    path = tmp_path / "quantized.onnx"
    onnx.save(model, path)
    files = ((folder / name).read_bytes() for name in ("tokenizer.json", "config.json"))
    classifier = Classifier(path, *files, 512)
    together = classifier.probabilities(TEXTS)
    alone = np.concatenate([classifier.probabilities([text]) for text in TEXTS])
    assert together.tolist() == alone.tolist()
    classifier._texts = module._TEXTS  # as if it were no such model
    assert np.abs(classifier.probabilities(TEXTS) - alone).max() > 1e-4


def changed_config(folder: Path, **changes: object) -> bytes:
    return json.dumps(json.loads((folder / "config.json").read_text()) | changes).encode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id2label": None}, "expected id2label to name the outputs"),
        ({"id2label": {"1": "positive"}}, "expected id2label to name the outputs"),
        ({"id2label": {"0": "a", "1": "b"}}, r"expected logits of shape \(1, 2\), got \(1, 3\)"),
    ],
)
def test_a_configuration_of_another_model_is_refused(bert, changes, message):
    folder, _ = bert
    tokenizer = (folder / "tokenizer.json").read_bytes()
    with pytest.raises(SentimentError, match=message):
        Classifier(
            folder / "onnx" / "model.onnx", tokenizer, changed_config(folder, **changes), 512
        ).probabilities(["gold"])


def test_files_that_are_none_are_refused(bert, tmp_path):
    folder, _ = bert
    model = folder / "onnx" / "model.onnx"
    tokenizer, config = ((folder / n).read_bytes() for n in ("tokenizer.json", "config.json"))
    with pytest.raises(SentimentError, match=r"tokenizer\.json cannot be read: .*Model missing"):
        Classifier(model, b"{}", config, 512)
    with pytest.raises(SentimentError, match=r"config\.json is not JSON"):
        Classifier(model, tokenizer, b"<html>", 512)
    with pytest.raises(SentimentError, match=r"config\.json: expected an object, got list"):
        Classifier(model, tokenizer, b"[]", 512)
    other = tmp_path / "other.onnx"
    other.write_bytes(b"<html>no such file</html>")
    with pytest.raises(SentimentError, match=r"other\.onnx is not a model that runs"):
        Classifier(other, tokenizer, config, 512)


def test_a_model_of_another_kind_is_refused(bert, tmp_path):
    folder, _ = bert
    kinds = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"])
        for name in ("pixels", "logits")
    ]
    node = onnx.helper.make_node("Identity", ["pixels"], ["logits"])
    graph = onnx.helper.make_graph([node], "image", kinds[:1], kinds[1:])
    opset = [onnx.helper.make_opsetid("", 17)]
    path = tmp_path / "image.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    files = ((folder / name).read_bytes() for name in ("tokenizer.json", "config.json"))
    with pytest.raises(SentimentError, match=r"expected inputs among .*, got pixels"):
        Classifier(path, *files, 512)
