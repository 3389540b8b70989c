"""The file of articles that a person sends: one JSON document a line, as ``files`` news reads it.

Each has the keys of an article of the S&P 500 pipeline's news simulator (``headline``, ``body``,
``published_at``, ``source``, ``sentiment_score``, ``sentiment_type``, ``url``, ``streamed_at``,
``mock``, and ``custom`` where a person wrote it), and ``id`` and ``symbols``.
"""

import json
import os
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import numpy as np
from filelock import FileLock

from truecast.core.clock import now
from truecast.core.errors import UsageError
from truecast.sources.base import SourceError
from truecast.sources.simulated.texts import (
    ADDRESS,
    PUBLISHER,
    Sentiment,
    Text,
    score_of,
    sentiment_of,
    write_text,
)

Kind = Literal["positive", "negative", "neutral", "custom"]
Article = dict[str, Any]

#: File in the home, unless another one is named.
FILE = "simulated-news.ndjson"
#: A text of one's own is at least that long.
SHORTEST, LONGEST = 10, 20_000
_LONGEST_TITLE = 120
#: How sure an article sounds, by its kind.
_SCORES: dict[Sentiment, tuple[float, float]] = {
    "positive": (0.5, 0.9),
    "negative": (-0.9, -0.5),
    "neutral": (-0.1, 0.1),
}


def compose(kind: Sentiment, instrument: str) -> Article:
    """Write an article of known sentiment, published now.

    Parameters
    ----------
    kind : {"positive", "negative", "neutral"}
        What it says.
    instrument : str
        Of whom.
    """
    id_ = uuid4()
    text = write_text(kind, instrument, id_.int % 10**9)
    score = float(np.random.default_rng(id_.int).uniform(*_SCORES[kind]))
    return _article(id_.hex, text, instrument, score, kind)


def compose_custom(text: str, instrument: str, title: str | None = None) -> Article:
    """Make an article of a person's own words, scored by the words of opinion in it.

    Parameters
    ----------
    text : str
        What it says: 10 characters at least.
    instrument : str
        Of whom.
    title : str or None
        None for the beginning of the text.

    Raises
    ------
    UsageError
        If the text is too short or too long.
    """
    text = text.strip()
    if not SHORTEST <= len(text) <= LONGEST:
        raise UsageError(
            f"the text of an article has {SHORTEST} to {LONGEST} characters; this has {len(text)}"
        )
    shown = (title or "").strip() or text.splitlines()[0][:_LONGEST_TITLE]
    score = score_of(f"{title or ''} {text}")
    article = _article(uuid4().hex, Text(shown, text), instrument, score, sentiment_of(score))
    return {**article, "custom": True}


def _article(id_: str, text: Text, instrument: str, score: float, sentiment: Sentiment) -> Article:
    moment = now().isoformat()
    return {
        "id": id_,
        "headline": text.title,
        "body": text.body,
        "published_at": moment,
        "source": PUBLISHER,
        "sentiment_score": round(score, 4),
        "sentiment_type": sentiment,
        "url": f"{ADDRESS}/{id_}",
        "streamed_at": moment,
        "symbols": [instrument],
        "mock": True,
    }


def append(path: Path, articles: Sequence[Article]) -> None:
    """Write articles to the end of a file, made if need be; when this returns they are on disk.

    Other programs may append to it and read it at the same time: the lines come whole and in one
    piece. After a line that a kill has cut off, a new one is begun.

    Raises
    ------
    SourceError
        If it cannot be written.
    """
    lines = "".join(json.dumps(article) + "\n" for article in articles).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock")), path.open("a+b") as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                lines = lines if file.read(1) == b"\n" else b"\n" + lines
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SourceError(
            f"{path}: the articles cannot be written: {error.strerror}; give another file, or "
            "make room"
        ) from error


@dataclass
class Tally:
    """What stands in a file of articles: counted on from where it was last looked at.

    Parameters
    ----------
    path : Path
        The file; it may not be there yet.
    keep : int
        How many of the newest articles are kept.
    """

    path: Path
    keep: int = 50
    kinds: Counter[str] = field(default_factory=Counter)
    custom: int = 0
    unreadable: int = 0
    score: float = 0.0
    newest: deque[Article] = field(default_factory=deque)
    _offset: int = 0

    def look(self) -> None:
        """Count what has been appended; all of it anew where the file has been replaced.

        Raises
        ------
        SourceError
            If it cannot be read.
        """
        try:
            size = self.path.stat().st_size if self.path.exists() else 0
            if size < self._offset:
                self.forget()
            if size == self._offset:
                return
            with self.path.open("rb") as file:
                file.seek(self._offset)
                fresh = file.read()
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read: {error.strerror}") from error
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._count(line)

    def forget(self) -> None:
        """Begin again with nothing counted."""
        self.kinds.clear()
        self.newest.clear()
        self.custom = self.unreadable = self._offset = 0
        self.score = 0.0

    @property
    def total(self) -> int:
        """How many articles there are."""
        return self.kinds.total()

    def _count(self, line: bytes) -> None:
        try:
            article = json.loads(line)
            kind, score = str(article["sentiment_type"]), float(article["sentiment_score"])
        except (ValueError, KeyError, TypeError):
            self.unreadable += bool(line.strip())
            return
        self.kinds[kind] += 1
        self.score += score
        self.custom += article.get("custom") is True
        self.newest.appendleft(article)
        while len(self.newest) > self.keep:
            self.newest.pop()
