"""Scores in the lake: each text is scored once by each scorer, whoever asks."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest

from truecast.lake import scores as module
from truecast.lake.lake import Lake
from truecast.lake.schemas import SILVER_SENTIMENT
from truecast.lake.scores import Scores
from truecast.sentiment.base import CLASSES, SentimentError
from truecast.sentiment.lexicon import Lexicon

ARTICLES = pl.DataFrame(
    {
        "item": ["a", "b", "c", "d", "e"],
        "title": ["Gold rises", "Loss widens", None, "Gold rises", "Gold"],
        "summary": [None, "A bad day.", "Profit falls", None, "rises"],
    }
)
POSITIVE = [0.5, 0, 0, 0.5, 0.5]
NEGATIVE = [0, 2 / 3, 0.5, 0, 0]


class Counter:
    """Scores by the number of characters, and remembers what it was given."""

    def __init__(self, scorer_id: str = "counter-1", fails_after: int | None = None) -> None:
        self.id, self.given, self.fails_after = scorer_id, [], fails_after

    def score(self, texts: Sequence[str]) -> np.ndarray:
        if self.fails_after is not None and len(self.given) >= self.fails_after:
            raise SentimentError("the model is gone")
        self.given += texts
        share = np.array([1 / (1 + len(text)) for text in texts], np.float32)
        return np.column_stack([share, 1 - share, 0 * share]).astype(np.float32)


class Heard:
    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int]] = []

    def stage(self, name: str) -> None:
        raise AssertionError(name)

    def step(self, what: str, done: int, total: int) -> None:
        self.steps.append((what, done, total))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path / "a lake"))


def rows_of(lake: Lake) -> pl.DataFrame:
    return Scores(lake.url)._table.read().sort("scorer", "content")


def numbered(count: int) -> pl.DataFrame:
    titles = [f"Headline {number}" for number in range(count)]
    return pl.DataFrame({"title": titles, "summary": [None] * count}).cast({"summary": pl.String})


def test_adds_the_scores_and_changes_nothing_else(lake):
    scored = lake.score_articles(ARTICLES, Lexicon())
    assert scored.columns == [*ARTICLES.columns, *CLASSES]
    assert scored.select(ARTICLES.columns).equals(ARTICLES)
    assert [scored.schema[name] for name in CLASSES] == [pl.Float32] * 3
    np.testing.assert_allclose(scored["positive"], POSITIVE, rtol=1e-6)
    np.testing.assert_allclose(scored["negative"], NEGATIVE, rtol=1e-6)
    np.testing.assert_allclose(scored.select(CLASSES).sum_horizontal(), 1, rtol=1e-6)
    # Again, over scores of an earlier call.
    assert lake.score_articles(scored, Lexicon()).equals(scored)
    assert lake.score_articles(ARTICLES.clear(), Lexicon()).columns == scored.columns


def test_scores_a_text_once(lake):
    scorer, heard = Counter(), Heard()
    first = lake.score_articles(ARTICLES, scorer, heard)
    # Equal texts are one; the break between title and summary is part of the text.
    assert scorer.given == ["Gold rises", "Loss widens\nA bad day.", "Profit falls", "Gold\nrises"]
    assert heard.steps == [("articles scored", 4, 4)]
    version = lake.version("silver/sentiment")
    more = pl.concat([ARTICLES, pl.DataFrame({"item": ["f"], "title": ["New"], "summary": ["x"]})])
    second = lake.score_articles(ARTICLES[::-1], scorer)
    assert second.equals(first[::-1])
    assert lake.version("silver/sentiment") == version
    assert len(scorer.given) == 4
    assert lake.score_articles(more, scorer).head(5).equals(first)
    assert scorer.given[4:] == ["New\nx"]
    rows = rows_of(lake)
    assert dict(rows.schema) == SILVER_SENTIMENT
    assert len(rows) == 5
    assert rows.null_count().sum_horizontal().item() == 0


def test_each_scorer_has_its_own(lake):
    one, two = Counter("counter-1"), Counter("counter-2")
    lake.score_articles(ARTICLES, one)
    lake.score_articles(ARTICLES, two)
    assert one.given == two.given
    assert rows_of(lake)["scorer"].to_list() == ["counter-1"] * 4 + ["counter-2"] * 4


def test_what_was_scored_before_a_failure_is_kept(lake, monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 10)
    monkeypatch.setattr(module, "_SECONDS", -1.0)  # each batch is kept
    articles, heard = numbered(35), Heard()
    with pytest.raises(SentimentError, match="the model is gone"):
        lake.score_articles(articles, Counter(fails_after=20), heard)
    assert heard.steps == [("articles scored", 10, 35), ("articles scored", 20, 35)]
    again = Counter()
    scored = lake.score_articles(articles, again)
    assert again.given == articles["title"].to_list()[20:]
    expected = [1 / (1 + len(title)) for title in articles["title"]]
    np.testing.assert_allclose(scored["positive"], expected, rtol=1e-6)


def test_writers_at_the_same_time_keep_each_text_once(lake):
    articles, begin = numbered(400), threading.Barrier(4)

    def write(part: int) -> None:
        mine = articles[part * 50 : part * 50 + 250]  # each shares texts with the others
        begin.wait(30)
        for start in range(0, 250, 50):
            Lake(lake.url).score_articles(mine[start : start + 50], Counter())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    rows = rows_of(lake)
    assert len(rows) == rows["content"].n_unique() == 400
    idle = Counter()
    lake.score_articles(articles, idle)
    assert idle.given == []


class Wrong(Counter):
    def score(self, texts: Sequence[str]) -> np.ndarray:
        return np.full((len(texts), 3), 0.5, np.float32)


def test_what_is_no_probability_is_not_kept(lake):
    with pytest.raises(SentimentError, match="expected probabilities that sum to 1"):
        lake.score_articles(ARTICLES, Wrong())
    assert lake.version("silver/sentiment") is None


def test_fewer_larger_files_hold_the_same(lake, monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 10)
    monkeypatch.setattr(module, "_SECONDS", -1.0)
    before = lake.score_articles(numbered(50), Counter())
    done = {entry.table: entry for entry in lake.optimize()}["silver/sentiment"]
    assert (done.files_before, done.files_after) == (5, 1)
    idle = Counter()
    assert lake.score_articles(numbered(50), idle).equals(before)
    assert idle.given == []
