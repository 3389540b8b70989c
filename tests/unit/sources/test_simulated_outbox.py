"""The file of made-up articles: whole lines whoever writes, and counts that keep up."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from truecast.core.clock import frozen_at
from truecast.core.errors import UsageError
from truecast.sources.base import SourceError
from truecast.sources.simulated.outbox import Tally, append, compose, compose_custom
from truecast.sources.simulated.texts import score_of, write_text

NOW = datetime(2024, 7, 1, 12, tzinfo=UTC)
#: The keys of an article of the S&P 500 pipeline's simulator.
KEYS = {
    *("headline", "body", "published_at", "source", "sentiment_score", "url"),
    *("streamed_at", "sentiment_type", "mock"),
}


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [("positive", 0.5, 0.9), ("negative", -0.9, -0.5), ("neutral", -0.1, 0.1)],
)
def test_an_article_has_the_keys_and_scores_that_users_know(kind, low, high):
    with frozen_at(NOW):
        articles = [compose(kind, "^GSPC") for _ in range(50)]
    for article in articles:
        assert set(article) >= KEYS
        assert low <= article["sentiment_score"] <= high
        assert article["sentiment_type"] == kind
        assert article["published_at"] == "2024-07-01T12:00:00+00:00"
        assert article["symbols"] == ["^GSPC"]
        assert "^GSPC" in article["headline"]
        assert article["mock"] is True
    assert len({article["url"] for article in articles}) == 50


@pytest.mark.parametrize(
    ("text", "score", "kind"),
    [
        ("Profit rises, growth is strong", 1, "positive"),
        ("A LOSS, and weak demand.", -1, "negative"),
        ("Strong growth, yet fears of loss: weak", -0.2, "negative"),
        ("Nothing happened at the office", 0, "neutral"),
    ],
)
def test_a_text_of_ones_own_is_scored_by_its_words(text, score, kind):
    article = compose_custom(text, "A")
    assert article["sentiment_score"] == pytest.approx(score)
    assert article["sentiment_type"] == kind
    assert (article["headline"], article["body"], article["custom"]) == (text, text, True)


def test_all_templates_are_scored_as_what_they_are():
    for number in range(40):
        scores = {
            kind: score_of(" ".join(vars(write_text(kind, "A", number)).values()))
            for kind in ("positive", "negative", "neutral")
        }
        assert scores["positive"] > 0.5
        assert scores["negative"] < -0.5
        assert scores["neutral"] == 0


def test_a_text_that_is_too_short_is_refused():
    with pytest.raises(UsageError, match="has 10 to 20000 characters; this has 5"):
        compose_custom("  short ", "A")


def test_many_writers_lose_no_line(tmp_path):
    path = tmp_path / "new" / "news.ndjson"
    articles = [compose("neutral", f"S{place}") for place in range(120)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda article: append(path, [article]), articles))
    lines = path.read_text().splitlines()
    assert sorted(lines) == sorted(map(json.dumps, articles))


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path):
    path = tmp_path / "news.ndjson"
    first, second = compose("positive", "A"), compose("negative", "A")
    append(path, [first])
    with path.open("ab") as file:
        file.write(b'{"headline": "cut o')
    tally = Tally(path)
    tally.look()
    assert (tally.total, tally.unreadable) == (1, 0)
    append(path, [second])
    tally.look()
    assert (tally.total, tally.unreadable) == (2, 1)
    assert list(tally.newest) == [second, first]


def test_the_tally_counts_on_and_begins_again_for_another_file(tmp_path):
    path = tmp_path / "news.ndjson"
    tally = Tally(path, keep=2)
    tally.look()
    assert tally.total == 0
    articles = [compose("positive", "A"), compose("neutral", "A"), compose("positive", "B")]
    append(path, articles)
    append(path, [compose_custom("A weak and bad day for gold", "A")])
    tally.look()
    assert dict(tally.kinds) == {"positive": 2, "neutral": 1, "negative": 1}
    assert (tally.total, tally.custom, len(tally.newest)) == (4, 1, 2)
    assert tally.score == pytest.approx(sum(one["sentiment_score"] for one in articles) - 1)
    path.write_text(json.dumps(articles[1]) + "\n")
    tally.look()
    assert dict(tally.kinds) == {"neutral": 1}
    assert tally.custom == 0


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot be written"):
        append(tmp_path / "file" / "news.ndjson", [compose("positive", "A")])
