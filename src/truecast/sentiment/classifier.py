"""Run a text classifier of BERT's kind that was exported to ONNX."""

import json
import os
from collections.abc import Iterator, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from truecast.sentiment.base import SentimentError

# Tokens and texts that run at once: what a batch's attention takes stays under 200 MB.
_TOKENS, _TEXTS = 4096, 64
_THREADS = 4
# Such a model scales by what else is in the batch, so that a score would depend on it.
_SCALES_BY_BATCH = b"DynamicQuantizeLinear"


class Classifier:
    """A tokenizer, a model, and the names of its classes.

    Parameters
    ----------
    model : Path
        ONNX file; inputs ``input_ids`` and any of ``attention_mask`` and ``token_type_ids``, its
        first output one logit a class.
    tokenizer, config : bytes
        ``tokenizer.json`` and ``config.json`` as they come with the model.
    most_tokens : int
        A longer text is cut.

    Raises
    ------
    SentimentError
        If the files are not those of such a model.
    """

    def __init__(self, model: Path, tokenizer: bytes, config: bytes, most_tokens: int) -> None:
        settings = _read_config(config)
        self.classes = _classes(settings)
        self._padding = int(settings.get("pad_token_id") or 0)
        most = min(most_tokens, int(settings.get("max_position_embeddings") or most_tokens))
        self._tokenizer = _open_tokenizer(tokenizer, most)
        self._session = _open_session(model)
        self._inputs = {entry.name for entry in self._session.get_inputs()}
        known = {"input_ids", "attention_mask", "token_type_ids"}
        if not {"input_ids"} <= self._inputs <= known:
            raise SentimentError(
                f"{model}: expected inputs among {', '.join(sorted(known))}, got "
                f"{', '.join(sorted(self._inputs))}: it is no text classifier of BERT's kind"
            )
        self._texts = 1 if _holds(model, _SCALES_BY_BATCH) else _TEXTS

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return how likely each class is: the softmax of the model's logits.

        Returns
        -------
        ndarray of float32, shape (n, number of classes)
            Columns in the order of ``classes``; each row sums to 1.
        """
        encoded = self._tokenizer.encode_batch_fast(list(texts))
        rows = [(entry.ids, entry.type_ids) for entry in encoded]
        found = np.empty((len(rows), len(self.classes)), np.float32)
        for places in self._batches([len(ids) for ids, _ in rows]):
            found[places] = self._run([rows[place] for place in places])
        return found

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Yield places of texts of about one length, so that little is padded, the longest first.

        Memory is taken at the first batch, and not again.
        """
        batch: list[int] = []
        for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
            longest = lengths[batch[0]] if batch else 0
            if batch and (len(batch) == self._texts or (len(batch) + 1) * longest > _TOKENS):
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    def _run(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> NDArray[np.float32]:
        longest = max(len(ids) for ids, _ in rows)
        ids = np.full((len(rows), longest), self._padding, np.int64)
        kinds, mask = np.zeros_like(ids), np.zeros_like(ids)
        for row, (given, types) in enumerate(rows):
            ids[row, : len(given)], kinds[row, : len(types)] = given, types
            mask[row, : len(given)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds}
        try:
            logits = np.asarray(
                self._session.run(None, {name: feed[name] for name in sorted(self._inputs)})[0],
                np.float64,
            )
        except Exception as error:  # the runtime's errors share no narrower base
            raise SentimentError(f"the model does not run: {_one_line(error)}") from error
        expected = (len(rows), len(self.classes))
        if logits.shape != expected:
            raise SentimentError(f"expected logits of shape {expected}, got {logits.shape}")
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: NDArray[np.float32] = (raised / raised.sum(axis=1, keepdims=True)).astype(
            np.float32
        )
        return shares


def _read_config(config: bytes) -> dict[str, Any]:
    try:
        read = json.loads(config)
    except ValueError as error:
        raise SentimentError(f"config.json is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise SentimentError(f"config.json: expected an object, got {type(read).__name__}")
    return read


def _classes(settings: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the model's outputs in their order, in lower case."""
    labels = settings.get("id2label")
    if not isinstance(labels, dict) or set(labels) != {str(n) for n in range(len(labels))}:
        raise SentimentError(
            f"config.json: expected id2label to name the outputs 0, 1, ..., got {labels!r}"
        )
    return tuple(str(labels[str(place)]).lower() for place in range(len(labels)))


def _open_tokenizer(content: bytes, most_tokens: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises nothing narrower
        raise SentimentError(f"tokenizer.json cannot be read: {_one_line(error)}") from error
    tokenizer.enable_truncation(most_tokens)
    tokenizer.no_padding()
    return tokenizer


def _open_session(model: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(_THREADS, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no narrower base
        raise SentimentError(f"{model} is not a model that runs: {_one_line(error)}") from error


def _holds(model: Path, words: bytes) -> bool:
    with model.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(words) >= 0


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
