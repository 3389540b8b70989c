"""Families of news: what was said in the hours before a decision, as it was known then.

A window reaches back from the decision, over the stories that became known in (t − window, t].
:class:`Stories` are what is read, :func:`write_news` writes the columns.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.clock import to_datetime64
from truecast.features.declaration import Column, Family, FeatureError, Matrix, Output, Parameter
from truecast.features.lookbacks import one_bar
from truecast.lake.history import Moments
from truecast.lake.news import NewsHistory

#: A week in minutes: the age of the newest story is not told apart from there on.
AGE_CAP = 10_080
#: What it takes to call the news good or bad: of the mean sentiment, and of its strength.
SIGNAL_SENTIMENT, SIGNAL_STRENGTH = 0.2, 0.3

_MINUTE = np.timedelta64(1, "m").astype("timedelta64[us]")
_SCORES = ("positive", "negative", "neutral")


@dataclass(frozen=True)
class Stories:
    """What was told, when it was first known, and how a scorer reads it.

    One entry a story: the first version of the article that told it first. A later version, and
    another article with the same headline, change nothing, so no row of features is ever another
    one afterwards.

    Parameters
    ----------
    known_at : array of datetime64[us], shape (m,), UTC, not decreasing
        When each could first be used. Nothing else about a story is a time.
    positive, negative, neutral : array of float64, shape (m,)
        Probabilities that sum to 1.
    scorer : str
        Id of what they came from.
    simulated : bool
        Whether any of them is made up.
    """

    known_at: Moments
    positive: Column
    negative: Column
    neutral: Column
    scorer: str
    simulated: bool = False

    @classmethod
    def of(cls, scored: pl.DataFrame, scorer: str) -> "Stories":
        """Take in stories with their scores.

        Parameters
        ----------
        scored : pl.DataFrame
            Rows of :func:`first_told` with ``positive``, ``negative`` and ``neutral``, in any
            order.
        scorer : str
            Id of what they came from.
        """
        rows = scored.sort("known_at", maintain_order=True)
        known_at = rows["known_at"].dt.replace_time_zone(None).to_numpy()
        return cls(
            known_at=known_at.astype("datetime64[us]"),
            **{name: rows[name].cast(pl.Float64).to_numpy() for name in _SCORES},
            scorer=scorer,
            simulated=bool(rows["simulated"].any()),
        )

    def __len__(self) -> int:
        return len(self.known_at)

    def __getitem__(self, rows: slice | NDArray[np.generic]) -> "Stories":
        chosen = {name: getattr(self, name)[rows] for name in ("known_at", *_SCORES)}
        return replace(self, **chosen)

    def known_by(self, moment: np.datetime64) -> "Stories":
        """Return the stories that were known at a moment."""
        return self[: int(np.searchsorted(self.known_at, moment, side="right"))]

    def fingerprint(self, as_of: datetime) -> str:
        """Name what was known at a moment: the same stories have the same name in every lake.

        Returns
        -------
        str
            ``sha256:`` and 64 hexadecimal digits, over the scorer and each story's time and
            scores.
        """
        known = self.known_by(to_datetime64(as_of))
        digest = hashlib.sha256(self.scorer.encode() + b"\0")
        digest.update(known.known_at.astype("<i8").tobytes())
        for name in _SCORES:
            digest.update(getattr(known, name).astype("<f8").tobytes())
        return f"sha256:{digest.hexdigest()}"

    @cached_property
    def averaged(self) -> Matrix:
        """What windows take means of, shape (m, 5): score, confidence, and the probabilities.

        The score is p(positive) − p(negative), the confidence the largest of the three.
        """
        scores = np.column_stack([self.positive, self.negative, self.neutral])
        made = (self.positive - self.negative, scores.max(axis=1, initial=0.0))
        return np.ascontiguousarray(np.column_stack([*made, scores]), dtype=np.float64)


def first_told(histories: Iterable[NewsHistory]) -> pl.DataFrame:
    """Return each story of some sources once: as it was when it first became known.

    Parameters
    ----------
    histories : iterable of NewsHistory
        Of one source or more; a story that several of them tell counts once.

    Returns
    -------
    pl.DataFrame
        Rows of ``silver/news``, sorted by ``known_at``. What becomes known later adds rows at the
        end, and changes none.
    """
    versions = pl.concat([history.versions for history in histories])
    ordered = versions.sort(
        "known_at", "published_at", "source", "item", "version", nulls_last=False
    )
    articles = ordered.unique(["source", "item"], keep="first", maintain_order=True)
    return articles.unique("story", keep="first", maintain_order=True)


@dataclass(frozen=True)
class _Window:
    """What was told in a window before each of n decisions, by family; shape (n,)."""

    article_count: Column
    avg_sentiment: Column
    quality_score: Column
    positive_prob: Column
    negative_prob: Column
    neutral_prob: Column

    @classmethod
    def of(cls, news: Stories, minutes: int, as_of: Moments) -> "_Window":
        from truecast.features.kernels.news import stretch_means

        begins = np.searchsorted(news.known_at, as_of - minutes * _MINUTE, side="right")
        ends = np.searchsorted(news.known_at, as_of, side="right")
        means = np.empty((news.averaged.shape[1], len(as_of)))
        stretch_means(news.averaged, begins, ends, means)
        return cls((ends - begins).astype(np.float64), *means)

    @property
    def signal_strength(self) -> Column:
        return np.abs(self.avg_sentiment) * self.quality_score

    @property
    def trading_signal(self) -> Column:
        plain = np.abs(self.avg_sentiment) > SIGNAL_SENTIMENT
        strong = self.signal_strength > SIGNAL_STRENGTH
        return np.where(plain & strong, np.sign(self.avg_sentiment), 0.0)


def write_news(
    wanted: Sequence[tuple[str, int, int]], news: Stories | None, as_of: Moments, out: Output
) -> None:
    """Write features of news at moments of decision.

    Parameters
    ----------
    wanted : sequence of (str, int, int)
        Family, window in minutes (``news_age`` has none), and place in ``out``.
    news : Stories or None
        All stories, also those that became known later.
    as_of : array of datetime64[us], shape (n,)
        The moments.
    out : array of float32 or float64, shape (n_features, n)
        Where to write.

    Raises
    ------
    FeatureError
        If there are no stories to read.

    Notes
    -----
    *Knowable when*: of each story at its ``known_at``; a row reads those with
    ``known_at <= as_of``. A row depends on the stories of its own window alone, added up in their
    order: one row alone is the same to the bit as among others.
    """
    if news is None:
        names = ", ".join(sorted({family for family, _, _ in wanted}))
        raise FeatureError(f"{names}: the features read news, and none were given")
    windows: dict[int, _Window] = {}
    for family, minutes, place in wanted:
        if family == "news_age":
            out[place] = _age(news, as_of)
            continue
        if minutes not in windows:
            windows[minutes] = _Window.of(news, minutes, as_of)
        out[place] = getattr(windows[minutes], family)


def _age(news: Stories, as_of: Moments) -> Column:
    """Return the minutes since the newest story of each moment, at most :data:`AGE_CAP`."""
    last = np.searchsorted(news.known_at, as_of, side="right") - 1
    age = np.full(len(as_of), np.nan)
    some = last >= 0
    age[some] = np.minimum((as_of[some] - news.known_at[last[some]]) / _MINUTE, AGE_CAP)
    return age


_FINBERT = "Araci (2019), FinBERT: Financial Sentiment Analysis with Pre-trained Language Models"
_EMPTY = "0 where there are none"
_OVER = "over the stories that became known in the window minutes up to the decision"

_windowed = partial(
    Family,
    inputs=(),
    lookback=one_bar,
    parameters={"window": Parameter(360, 1, 525_600, "minutes")},
    of_news=True,
)

FAMILIES = (
    _windowed(
        name="avg_sentiment",
        unit="−1 to 1",
        formula=f"mean of p(positive) − p(negative) {_OVER}; {_EMPTY}",
        reference=_FINBERT,
    ),
    _windowed(
        name="quality_score",
        unit="share",
        formula=f"mean of the largest of the three probabilities {_OVER}; {_EMPTY}",
        reference=_FINBERT,
    ),
    _windowed(
        name="article_count",
        unit="stories",
        formula="number of stories that became known in the window minutes up to the decision",
        reference="Antweiler, Frank (2004), Is All That Talk Just Noise?",
    ),
    _windowed(
        name="signal_strength",
        unit="share",
        formula="|avg_sentiment|·quality_score over window minutes",
        reference="practitioners' convention",
    ),
    _windowed(
        name="trading_signal",
        unit="−1, 0 or 1",
        formula=(
            f"the sign of avg_sentiment over window minutes where |avg_sentiment| > "
            f"{SIGNAL_SENTIMENT} and signal_strength > {SIGNAL_STRENGTH}, else 0"
        ),
        reference="practitioners' convention",
    ),
    *(
        _windowed(
            name=f"{which}_prob",
            unit="share",
            formula=f"mean of p({which}) {_OVER}; {_EMPTY}",
            reference=_FINBERT,
        )
        for which in _SCORES
    ),
    Family(
        name="news_age",
        inputs=(),
        lookback=one_bar,
        unit="minutes",
        formula=f"time since the newest story became known, at most {AGE_CAP}",
        reference="practitioners' convention",
        of_news=True,
    ),
)
