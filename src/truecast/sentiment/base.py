"""What a scorer of texts is."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from truecast.core.errors import TruecastError

#: The classes of a score, in the order of its columns.
CLASSES = ("positive", "negative", "neutral")

# Probabilities are float32: what rounding leaves of their sum, with room.
_TOLERANCE = 1e-4


class SentimentError(TruecastError):
    """A text cannot be scored: the model cannot be had, is damaged, or gave no probabilities."""


class Scorer(Protocol):
    """Says how likely texts are good, bad or no news."""

    @property
    def id(self) -> str:
        """Name of everything that a score depends on, ``[a-z0-9-]+``: other rules, other id."""
        ...

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Score texts.

        Parameters
        ----------
        texts : sequence of str
            Each an article's title, and after a line break its summary; may be empty.

        Returns
        -------
        ndarray of float32, shape (n, 3)
            Probabilities of :data:`CLASSES`, in [0, 1]; each row sums to 1. A text's row does not
            depend on the other texts.

        Raises
        ------
        SentimentError
            If the scorer cannot be had or does not work.
        """
        ...


def article_text(title: str | None, summary: str | None) -> str:
    r"""Return what of an article is scored.

    Examples
    --------
    >>> article_text("Gold rises", "Demand is strong.")
    'Gold rises\nDemand is strong.'
    >>> article_text(None, "Demand is strong.")
    'Demand is strong.'
    """
    return "\n".join(part for part in (title, summary) if part)


def check_scores(scores: NDArray[np.float32], count: int, scorer_id: str) -> NDArray[np.float32]:
    """Return scores if they are what :meth:`Scorer.score` promises.

    Raises
    ------
    SentimentError
        If they are not: what is kept of them would stay wrong.
    """
    expected = (count, len(CLASSES))
    if scores.shape != expected:
        raise SentimentError(
            f"{scorer_id}: expected scores of shape {expected}, got {scores.shape}"
        )
    wrong = ~((scores >= 0).all(axis=1) & (np.abs(scores.sum(axis=1) - 1) <= _TOLERANCE))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise SentimentError(
            f"{scorer_id}: expected probabilities that sum to 1, got {scores[first].tolist()} for "
            f"text {first} of {count}"
        )
    return scores
