"""The lexicon: the polarity of what it was not written for, and its arithmetic by hand."""

import hashlib
import os
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError
from truecast.core.recipe_parts import Choice
from truecast.sentiment import lexicon, words
from truecast.sentiment.base import SentimentError, article_text, check_scores
from truecast.sentiment.catalog import open_scorer
from truecast.sentiment.lexicon import Lexicon
from truecast.sources.simulated.texts import write_text

SCORER = Lexicon()
REALDATA = os.environ.get("TRUECAST_REALDATA")


def net(text: str) -> float:
    positive, negative, _ = SCORER.score([text])[0]
    return float(positive) - float(negative)


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("Board meets on Tuesday", 0, 0),
        ("", 0, 0),
        ("Shares rise", 1, 0),
        ("Shares soar", 1.5, 0),
        ("Shares rise sharply", 1.5, 0),
        ("Shares slightly lower", 0, 0.5),
        ("Excellent results, weak outlook", 1.5, 1),
        ("Results are not good", 0, 0.5),
        ("Results are not that bad", 0.5, 0),
        ("Results are not in. Good morale", 1, 0),  # a negation ends with its sentence
        ("It isn’t good", 0, 0.5),  # a printer's apostrophe
        ("Quarterly loss widens", 0, 1),
        ("Quarterly loss narrows", 0.5, 0),
        ("Unemployment falls", 1, 0),
        ("A fall in unemployment", 1, 0),
        ("Profit falls 20%", 0, 1),
        ("Treasury yields rise", 0, 0),
        ("Costs rise; sales rise", 1, 1),  # nothing is moved across a clause's end
        ("Profit", 0.5, 0),
        ("Index at record high", 1.5, 0),
        ("Better-than-expected sales", 1.5, 0),
        ("Worse than expected", 0, 1.5),
        ("Shares up to 3 places", 0, 0),
        ("Falls on profit warning", 0, 2.5),  # a phrase is no quantity
        ("GOOD", 1, 0),
    ],
)
def test_follows_its_rules(text, good, bad):
    total = good + bad + 1
    expected = [good / total, bad / total, 1 / total]
    np.testing.assert_allclose(SCORER.score([text])[0], expected, rtol=1e-6)


# Written for this test, in the manner of the wires; none was looked at while choosing words.
HEADLINES = {
    1: (
        "Chipmaker's quarterly profit tops estimates on robust data center demand",
        "Airline raises full-year forecast as bookings surge",
        "Stocks rally to all-time high as inflation eases",
        "Retailer's sales jump 12%, shares soar after upgrade",
        "Drugmaker wins approval for promising cancer treatment",
        "Bank's net income climbs, dividend raised",
        "Jobless claims fall to lowest since May",
        "Carmaker beats delivery expectations despite supply fears",
        "Unemployment drops; wage growth strengthens",
    ),
    -1: (
        "Retailer files for bankruptcy, to close 200 stores",
        "Bank shares plunge as loan losses mount and regulators probe fraud",
        "Chipmaker cuts outlook on weak demand; stock tumbles",
        "Wall Street ends lower as recession worries grow",
        "Airline posts wider loss, warns of job cuts",
        "Oil slumps 6% on fears of a slowdown in China",
        "Carmaker recalls 2 million vehicles over defective airbags",
        "Regulator fines lender $90 million for misconduct",
        "Jobless claims rise more sharply than thought",
    ),
}


@pytest.mark.parametrize("sign", [1, -1])
def test_sees_the_polarity_of_headlines(sign):
    nets = [net(text) for text in HEADLINES[sign]]
    assert min(np.multiply(nets, sign)) > 0.15, dict(zip(HEADLINES[sign], nets, strict=True))


@pytest.mark.parametrize(("sentiment", "sign"), [("positive", 1), ("negative", -1), ("neutral", 0)])
def test_sees_the_polarity_of_simulated_articles(sentiment, sign):
    articles = [write_text(sentiment, "SIM001", number) for number in range(200)]
    texts = [article_text(article.title, article.body) for article in articles]
    assert len(set(texts)) == 200
    scores = SCORER.score(texts)
    nets = scores[:, 0] - scores[:, 1]
    if sign:
        assert (nets * sign > 0.5).all()
        assert {net(article.title) * sign > 0.3 for article in articles} == {True}
    else:
        assert (nets == 0).all()
        assert (scores[:, 2] == 1).all()


@given(st.lists(st.text(max_size=200), max_size=5))
def test_gives_probabilities_of_any_text(texts):
    scores = check_scores(SCORER.score(texts), len(texts), SCORER.id)
    assert scores.dtype == np.float32
    # A text's row is the same alone.
    for text, row in zip(texts, scores, strict=True):
        assert SCORER.score([text])[0].tolist() == row.tolist()


def test_takes_a_text_of_any_length_at_a_steady_pace():
    long = "profit rises but losses widen sharply. " * 20_000
    positive, negative, neutral = SCORER.score([long])[0]
    # 1 for each sentence, 1.5 against it, and 1 for nothing.
    assert positive == pytest.approx(20_000 / 50_001, rel=1e-5)
    assert negative == pytest.approx(30_000 / 50_001, rel=1e-5)
    assert neutral == pytest.approx(1 / 50_001, rel=1e-5)


def test_has_an_id_of_its_words_and_rules():
    source = Path(lexicon.__file__).read_bytes() + Path(words.__file__).read_bytes()
    assert SCORER.id == f"lexicon-{hashlib.sha256(source).hexdigest()[:16]}"
    assert SCORER.id == open_scorer(Choice(name="lexicon")).id


def test_its_words_are_told_apart():
    tables = [words.OPINIONS, words.MOVEMENTS, words.QUANTITIES, dict.fromkeys(words.NEGATORS)]
    counts = Counter(word for table in tables for word in table)
    assert [word for word, count in counts.items() if count > 1] == []
    assert len(words.OPINIONS) + len(words.MOVEMENTS) > 500
    texts = (words._OPINIONS, words._MOVEMENTS, words._BURDENS, words._MERITS)
    for table in texts:  # a word that stood under two weights would have one of them by chance
        counts = Counter(word for listed in table.values() for word in listed.split())
        assert [word for word, count in counts.items() if count > 1] == []


def test_options_and_names_are_checked():
    with pytest.raises(UsageError, match=r"sentiment\.lexicon: .*words"):
        open_scorer(Choice(name="lexicon", parameters={"words": "mine"}))
    with pytest.raises(UnknownNameError, match="unknown scorer 'lexcon' in sentiment: did you"):
        open_scorer(Choice(name="lexcon"))


@pytest.mark.parametrize(
    "scores",
    [
        [[0.5, 0.5, 0.5]],
        [[np.nan, 0.5, 0.5]],
        [[1.5, -0.5, 0.0]],
        [[0.5, 0.5]],
        [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]],
    ],
)
def test_what_is_no_probability_is_refused(scores):
    with pytest.raises(SentimentError, match="mine: expected"):
        check_scores(np.array(scores, np.float32), 1, "mine")


@pytest.mark.realdata
@pytest.mark.skipif(not REALDATA, reason="needs the folder of real data TRUECAST_REALDATA")
def test_agrees_with_people_and_with_a_language_model():
    """Not tuned to either file: the bounds only tell a working lexicon from a coin."""
    news = Path(REALDATA or "") / "news"
    hours = pl.read_parquet(news / "gdelt_finbert_hourly_2020_2024.parquet").filter(
        pl.col("article_count") == 1, pl.max_horizontal("positive_prob", "negative_prob") > 0.5
    )
    assert _agreement(hours["latest_headline"], hours["avg_sentiment"].to_numpy()) > 0.65
    labels = pl.read_parquet(news / "gold_headlines_a.parquet").filter(
        pl.col("price_sentiment").is_in(["positive", "negative"])
    )
    signs = np.where(labels["price_sentiment"].to_numpy() == "positive", 1, -1)
    assert _agreement(labels["news"], signs) > 0.65


def _agreement(texts: pl.Series, signs: np.ndarray) -> float:
    """Return the share of equal signs where the lexicon has an opinion at all."""
    scores = SCORER.score(texts.to_list())
    nets = scores[:, 0] - scores[:, 1]
    opinionated = nets != 0
    assert opinionated.mean() > 0.4
    return float(np.mean(np.sign(nets[opinionated]) == np.sign(signs[opinionated])))
