"""Headlines of the simulated source, scored: what each is judged good, bad or no news.

``truecast`` is the lexicon, ``truecast_kept`` the same headlines from a lake that has their scores.
``bert`` is a model of FinBERT's architecture, made on the spot, far smaller (2 layers of 128
instead of 12 of 768) and with random weights: the same code with 1/200 of the arithmetic.
``--rows`` is the number of headlines.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
from _measure import OURS, arguments, report, timed

from truecast.core.recipe_parts import Choice
from truecast.lake.lake import Lake
from truecast.sentiment.base import Scorer, article_text
from truecast.sentiment.catalog import open_scorer
from truecast.sources.simulated.texts import Sentiment, write_text

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from vendors.bert import make_bert

_KINDS: tuple[Sentiment, ...] = ("positive", "negative", "neutral")


def make_articles(count: int) -> pl.DataFrame:
    titles = [write_text(_KINDS[place % 3], "SIM001", place).title for place in range(count)]
    return pl.DataFrame({"title": titles, "summary": [None] * count}).cast(pl.String)


def small_bert(folder: Path, articles: pl.DataFrame) -> Scorer:
    """Make a model that knows every word of the articles, as FinBERT knows most."""
    words = {
        word
        for text in articles["title"]
        for word in "".join(c if c.isalnum() else f" {c} " for c in text.lower()).split()
    }
    make_bert(folder, tuple(sorted(words)), layers=2, width=128, heads=2, positions=512)
    return open_scorer(Choice(name="finbert", parameters={"folder": str(folder)}))


def scoring(scorer: Scorer, articles: pl.DataFrame) -> Callable[[], object]:
    texts = [article_text(*row) for row in articles.iter_rows()]
    scorer.score(texts[:1])  # opens what is to be opened
    return lambda: scorer.score(texts)


def main() -> None:
    given = arguments(rows=3_000, rounds=3)
    articles = make_articles(given.rows)
    with tempfile.TemporaryDirectory() as folder:
        lexicon = open_scorer(Choice(name="lexicon"))
        lake = Lake(str(Path(folder) / "lake"))
        lake.score_articles(articles, lexicon)
        sides = {
            OURS: scoring(lexicon, articles),
            f"{OURS}_kept": lambda: lake.score_articles(articles, lexicon),
            "bert": scoring(small_bert(Path(folder) / "bert", articles), articles),
        }
        seconds = timed(sides, given.rounds)
    print(f"{given.rows} headlines; bert is small and has random weights: not FinBERT's speed")
    for name, taken in seconds.items():
        print(f"{name:24} {given.rows / taken:12,.0f} headlines/s")
    report("sentiment", seconds)


if __name__ == "__main__":
    main()
