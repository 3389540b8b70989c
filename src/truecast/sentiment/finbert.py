"""FinBERT: a language model for financial texts, as it was published, run without its framework."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from truecast.core.errors import UsageError
from truecast.core.hashing import hash_of
from truecast.core.settings import load_settings
from truecast.sentiment.base import CLASSES, SentimentError
from truecast.sentiment.hub import Hub
from truecast.sentiment.modelfiles import ModelFiles, Wanted, fetch, open_folder
from truecast.sources.options import Options, read_options

if TYPE_CHECKING:
    from truecast.sentiment.classifier import Classifier

#: What BERT reads of a text at most.
MOST_TOKENS = 512

_TOKENIZER, _CONFIG = "tokenizer.json", "config.json"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"


class FinbertOptions(Options):
    """Which files to use.

    Parameters
    ----------
    repo : str
        Repository on the hub: an ONNX export with its ``tokenizer.json`` and ``config.json``.
    revision : str
        Branch, tag or commit. What a branch stands for is asked once, at the download.
    file : str
        The model in the repository, or in the folder. ``onnx/model_quantized.onnx`` is a quarter
        of the size; its scores are less exact, and differ a little between processors.
    folder : Path or None
        A folder that holds the files as the repository does; then nothing is downloaded.
    """

    repo: str = Field(default="Xenova/finbert", pattern=f"^{_NAME}/{_NAME}$")
    revision: str = Field(default="main", pattern=f"^{_NAME}(/{_NAME})*$")
    file: str = Field(default="onnx/model.onnx", pattern=f"^({_NAME}/)*{_NAME}\\.onnx$")
    folder: Path | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "FinbertOptions":
        given = self.model_fields_set
        if "folder" in given and given & {"repo", "revision"}:
            raise ValueError("give either folder, or repo and revision")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that are needed, the model first."""
        return (self.file, _TOKENIZER, _CONFIG)


class Finbert:
    """Scores texts by FinBERT.

    Parameters
    ----------
    options : FinbertOptions
        Which files to use.
    models : Path
        Folder that keeps what is downloaded, at the first use.

    References
    ----------
    Araci, D. (2019). FinBERT: Financial Sentiment Analysis with Pre-trained Language Models.
    arXiv:1908.10063.

    Notes
    -----
    A text is cut after 512 tokens. The score is the softmax of the model's three logits; which is
    which is read from its ``config.json``. Rows agree with those of the text alone but for
    rounding, about 1e-6.
    """

    def __init__(self, options: FinbertOptions, models: Path) -> None:
        self.options, self._models = options, models

    @property
    def id(self) -> str:
        """``finbert-`` and a hash of the model, its tokenizer, its configuration and the cut.

        Raises
        ------
        SentimentError
            If the files cannot be had.
        """
        hashes = [self.files.hashes[path] for path in self.options.paths]
        return f"finbert-{hash_of([*hashes, MOST_TOKENS])[:16]}"

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Score texts; see :meth:`truecast.sentiment.base.Scorer.score`."""
        found = self._classifier.probabilities(texts)
        return found[:, [self._classifier.classes.index(name) for name in CLASSES]]

    @cached_property
    def files(self) -> ModelFiles:
        """The files, downloaded if need be, and checked.

        Raises
        ------
        SentimentError
            If they cannot be had, or are not what was downloaded.
        """
        options = self.options
        if options.folder is not None:
            return open_folder(options.folder.expanduser(), options.paths)
        wanted = Wanted(options.repo, options.revision, options.paths)
        kept = fetch(wanted, self._models, Hub(load_settings().hub_url))
        return open_folder(kept, options.paths)

    @cached_property
    def _classifier(self) -> "Classifier":
        # Here, since the runtime takes its time to import.
        from truecast.sentiment.classifier import Classifier

        files = self.files
        classifier = Classifier(
            files.folder / self.options.file,
            files.read(_TOKENIZER),
            files.read(_CONFIG),
            MOST_TOKENS,
        )
        if sorted(classifier.classes) != sorted(CLASSES):
            raise SentimentError(
                f"{files.folder}: expected a model of the classes {', '.join(CLASSES)}, got "
                f"{', '.join(classifier.classes)}"
            )
        return classifier


def open_finbert(options: Mapping[str, Any], models: Path) -> Finbert:
    """Return FinBERT; nothing is downloaded yet.

    Raises
    ------
    UsageError
        If an option has no valid value, or the folder lacks a file.
    """
    read = read_options(FinbertOptions, options, "sentiment.finbert")
    if read.folder is not None:
        folder = read.folder.expanduser()
        if missing := [path for path in read.paths if not (folder / path).is_file()]:
            raise UsageError(
                f"sentiment.finbert: expected {', '.join(read.paths)} in the folder {folder}, "
                f"found no {', '.join(missing)}"
            )
    return Finbert(read, models)
