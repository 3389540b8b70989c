"""Judge a text by the words it uses: no model, no download, the same on every machine."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truecast.sentiment.words import (
    MILDER,
    MOVEMENTS,
    NEGATORS,
    OPINIONS,
    PHRASES,
    QUANTITIES,
    STRONGER,
)
from truecast.sources.options import Options, read_options

# A word, a number, or what ends a clause; whatever else stands between them says nothing.
_TOKENS = re.compile(r"\d[\d.,]*|[a-z]+(?:'[a-z]+)?|[.!?;:\n]")
_ENDS = frozenset(".!?;:\n")
# How many words a negation reaches, and how far a quantity is from what moves it.
_REACH = 3
_NEGATED, _STRONGER, _MILDER = -0.5, 1.5, 0.5
# What speaks for a text that says nothing: that of one plain word of opinion.
_NEUTRAL = 1.0


class Lexicon:
    """Weighs the words of opinion in a text.

    Notes
    -----
    Each word, or phrase, of :mod:`truecast.sentiment.words` has a weight w. A word that says
    which way something goes takes the sign of the nearest quantity within three words of it: a
    loss that widens is bad, and so is a profit that shrinks; the quantity's own weight then does
    not count. A negator within the three words before turns w into −w/2. A strengthening word
    beside it makes w half as large again, a softening one half as large. With P the sum of the
    weights above 0 and N that of those below, without sign::

        positive = P / (P + N + 1)    negative = N / (P + N + 1)    neutral = 1 / (P + N + 1)

    Nothing is fitted to prices or to other scorers.
    """

    @property
    def id(self) -> str:
        """``lexicon-`` and a hash of its words and rules: of the two files that hold them."""
        return _identity()

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Score texts; see :meth:`truecast.sentiment.base.Scorer.score`.

        Examples
        --------
        >>> Lexicon().score(["Profit rises sharply", "Quarterly loss widens", "Board meets"])
        array([[0.6, 0. , 0.4],
               [0. , 0.5, 0.5],
               [0. , 0. , 1. ]], dtype=float32)
        """
        good, bad = np.array([_weigh(text) for text in texts], np.float64).reshape(-1, 2).T
        total = good + bad + _NEUTRAL
        return np.column_stack([good / total, bad / total, _NEUTRAL / total]).astype(np.float32)


def open_lexicon(options: Mapping[str, Any]) -> Lexicon:
    """Return the lexicon; it has no options.

    Raises
    ------
    UsageError
        If any is given.
    """
    read_options(Options, options, "sentiment.lexicon")
    return Lexicon()


@cache
def _identity() -> str:
    here = Path(__file__)
    digest = hashlib.sha256()
    for path in (here, here.with_name("words.py")):
        digest.update(path.read_bytes())
    return f"lexicon-{digest.hexdigest()[:16]}"


@dataclass
class _Look:
    """What was found in a text, by the place of its token."""

    weights: dict[int, float] = field(default_factory=dict)
    movements: list[int] = field(default_factory=list)
    rises: dict[int, float] = field(default_factory=dict)


def _weigh(text: str) -> tuple[float, float]:
    """Return P and N of a text."""
    tokens = _TOKENS.findall(text.lower().replace("’", "'"))
    look = _look_at(tokens)
    for place in look.movements:
        _settle(place, tokens, look)
    good = bad = 0.0
    for place, weight in look.weights.items():
        if weight:
            weight *= _emphasis(place, tokens, look.weights) * _negation(place, tokens)
            good, bad = good + max(weight, 0.0), bad + max(-weight, 0.0)
    return good, bad


def _look_at(tokens: list[str]) -> _Look:
    look, behind = _Look(), 0
    for place, token in enumerate(tokens):
        if place < behind:
            continue
        if token in PHRASES and (found := _phrase_at(place, tokens)):
            behind, look.weights[place] = place + found[0], found[1]
        elif token in MOVEMENTS:
            look.weights[place] = MOVEMENTS[token]
            look.movements.append(place)
        elif token in OPINIONS:
            look.weights[place] = OPINIONS[token]
        elif token in QUANTITIES:
            look.rises[place], look.weights[place] = QUANTITIES[token]
    return look


def _phrase_at(place: int, tokens: list[str]) -> tuple[int, float] | None:
    """Return length and weight of the phrase that begins at a place."""
    for words, weight in PHRASES[tokens[place]]:
        if tuple(tokens[place : place + len(words)]) == words:
            return len(words), weight
    return None


def _settle(place: int, tokens: list[str], look: _Look) -> None:
    """Give a word that says which way something goes the sign of what it moves."""
    for distance in range(1, _REACH + 1):
        for other in (place - distance, place + distance):
            if other in look.rises and _joined(place, other, tokens):
                look.weights[place] *= look.rises[other]
                look.weights[other] = 0.0
                return


def _joined(one: int, other: int, tokens: list[str]) -> bool:
    """Whether two places are in one clause."""
    return _ENDS.isdisjoint(tokens[min(one, other) : max(one, other)])


def _emphasis(place: int, tokens: list[str], weights: dict[int, float]) -> float:
    """Return by how much the words beside a place change its weight."""
    factor = 1.0
    for beside in (place - 1, place + 1):
        if 0 <= beside < len(tokens) and beside not in weights:
            if tokens[beside] in STRONGER:
                factor *= _STRONGER
            elif tokens[beside] in MILDER:
                factor *= _MILDER
    return factor


def _negation(place: int, tokens: list[str]) -> float:
    """Return what a negator shortly before a place makes of its weight."""
    for before in range(place - 1, max(place - _REACH, 0) - 1, -1):
        if tokens[before] in _ENDS:
            return 1.0
        if tokens[before] in NEGATORS:
            return _NEGATED
    return 1.0
