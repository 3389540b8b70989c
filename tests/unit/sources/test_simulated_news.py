"""Articles of the simulation: when they come, what they say, and what they do to the bars."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from truecast.core.clock import frozen_at
from truecast.core.errors import UsageError
from truecast.core.interval import Interval
from truecast.core.news import PARSED_NEWS, story_of
from truecast.lake.lake import Lake
from truecast.sources.base import Payload, SourceError
from truecast.sources.simulated.news import open_simulated_news
from truecast.sources.simulated.source import open_simulated
from truecast.sources.simulated.texts import sentiment_of, write_text

NOW = datetime(2024, 7, 1, 12, tzinfo=UTC)
MARKET = {"start": "2023-07-03", "seed": 5, "volatility": [0.5], "jump_rate": 0}


def articles_of(options, *, at=NOW, done=()) -> pl.DataFrame:
    source = open_simulated_news({"instruments": ["A"], **options})
    with frozen_at(at):
        parts = [source.parse(part) for part in source.fetch(done)]
    return pl.concat(parts) if parts else pl.DataFrame(schema=PARSED_NEWS)


def minutes_of(options, *, at=NOW) -> pl.DataFrame:
    source = open_simulated(options)
    with frozen_at(at):
        parts = [source.parse(part).bars for part in source.fetch("A", Interval("1m"))]
    return pl.concat(parts)


def mid(bars: pl.DataFrame, price: str) -> np.ndarray:
    return np.log((bars[f"bid_{price}"] * bars[f"ask_{price}"]).to_numpy()) / 2


def times(column: pl.Series) -> np.ndarray:
    return column.dt.replace_time_zone(None).to_numpy()


# When they come, and what they say


def test_articles_come_at_poisson_times_with_the_stated_sentiments():
    rows = articles_of({"start": "2014-07-01", "articles_per_day": 1.5})
    days = (NOW - datetime(2014, 7, 1, tzinfo=UTC)).total_seconds() / 86400
    assert abs(len(rows) - 1.5 * days) < 4 * math.sqrt(1.5 * days)
    hours = np.diff(times(rows["published_at"])).astype("timedelta64[s]").astype(float) / 3600
    # Waiting times are exponential: their mean is their standard deviation, 16 hours.
    for found in (hours.mean(), hours.std()):
        assert abs(found - 16) < 4 * 16 * math.sqrt(2 / len(rows))
    for score, share in ((1, 0.4), (-1, 0.4), (0, 0.2)):
        found = (rows["vendor_score"] == score).mean()
        assert abs(found - share) < 4 * math.sqrt(share * (1 - share) / len(rows))
    assert (rows["known_at"] - rows["published_at"] == timedelta(minutes=5)).all()
    assert (rows["known_at"] < NOW).all()
    assert rows["known_at"].is_sorted()


def test_an_article_says_what_it_is():
    rows = articles_of({"news_delay": "30m"})
    first = rows.row(0, named=True)
    assert dict(rows.schema) == PARSED_NEWS
    assert first["symbols"] == ["A"]
    assert first["publisher"] == "simulated"
    assert first["vendor_label"] == sentiment_of(first["vendor_score"])
    assert first["known_at"] - first["published_at"] == timedelta(minutes=30)
    assert first["url"].startswith("https://news.example/")
    for column in ("url", "vendor_id"):
        assert rows[column].n_unique() == len(rows)
    assert rows["title"].map_elements(story_of, pl.String).n_unique() == len(rows)


def test_the_words_are_read_right_by_a_lexicon():
    """Words of opinion, written down here apart from the templates."""
    good = {"profit", "gain", "gains", "strong", "upgrade", "record", "best", "success"}
    bad = {"loss", "losses", "weak", "downgrade", "worst", "decline", "fraud", "plunges"}
    for wording in range(0, 4000, 7):
        said = {}
        for sentiment in ("positive", "negative", "neutral"):
            text = write_text(sentiment, "A", wording)
            words = f"{text.title} {text.body}".lower().replace(",", " ").replace(".", " ").split()
            said[sentiment] = sum(word in good for word in words) - sum(
                word in bad for word in words
            )
        assert said["positive"] > 0 > said["negative"]
        assert said["neutral"] == 0


def test_what_was_taken_in_is_not_made_again():
    options = {"start": "2021-03-01", "articles_per_day": 3}
    whole = articles_of(options).drop("row")
    noon = datetime(2022, 5, 5, 12, tzinfo=UTC)
    then = articles_of(options, at=noon).drop("row")
    begin = datetime(2021, 3, 1, tzinfo=UTC)
    later = articles_of(options, done=[(begin, noon)]).drop("row")
    assert pl.concat([then, later]).equals(whole)
    middle = [(noon, noon + timedelta(days=90)), (begin, begin + timedelta(days=1))]
    left = articles_of(options, done=middle).drop("row")
    known = pl.col("known_at")
    inside = known.is_between(*middle[0], closed="left") | (known < middle[1][1])
    assert left.equals(whole.filter(~inside))
    assert articles_of(options, done=[(begin, NOW)]).is_empty()


def test_the_lake_takes_in_each_article_once(tmp_path):
    lake = Lake(str(tmp_path))
    source = open_simulated_news({"start": "2023-01-02", "end": "2024-06-20", "instruments": 2})
    with frozen_at(datetime(2024, 3, 1, tzinfo=UTC)):
        first = lake.ingest_news(source)
        assert source.live
    with frozen_at(NOW):
        second = lake.ingest_news(source)
        third = lake.ingest_news(source)
        assert not source.live
    assert first.revised == second.revised == 0
    assert not first.quarantined
    assert (third.received, third.added) == (0, 0)
    alone = [
        articles_of({"start": "2023-01-02", "end": "2024-06-20", "instruments": [symbol]})
        for symbol in ("SIM001", "SIM002")
    ]
    assert first.added + second.added == sum(map(len, alone))


def test_other_instruments_are_another_source_of_the_same_articles():
    one = open_simulated_news({"instruments": ["A"]})
    two = open_simulated_news({"instruments": ["A", "B"]})
    assert one.name != two.name
    recent = {"start": "2023-01-02"}
    both = articles_of({"instruments": ["B", "A"], **recent})
    about_a = both.filter(pl.col("symbols") == ["A"])
    assert about_a.drop("row").equals(articles_of(recent).drop("row"))


def test_options_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match=r"news\.simulated: say whose news it is"):
        open_simulated_news({"seed": 1})
    with pytest.raises(UsageError, match=r"news\.simulated: unknown key 'effect'"):
        open_simulated_news({"instruments": 1, "effect": 1})


@pytest.mark.parametrize("content", [b"", b"[]", b'{"articles": [{"id": 1}]}'])
def test_bytes_of_something_else_are_refused(content):
    payload = Payload("simulated", "A", "news", {}, content, "application/json", NOW)
    with pytest.raises(SourceError, match="not JSON with articles"):
        open_simulated_news({"instruments": 1}).parse(payload)


# What they do to the bars


def first_minutes(bars: pl.DataFrame, known_at: pl.Series) -> np.ndarray:
    """Number of the first bar that begins once each article is known."""
    begins = times(bars["event_time"]) - np.timedelta64(60, "s")
    return np.searchsorted(begins, times(known_at), side="left")


def test_bars_with_and_without_the_effect_differ_by_what_is_stated():
    """Worked out by loops, from the articles as the source of news gives them."""
    options = {**MARKET, "start": "2024-04-01", "articles_per_day": 4, "effect_minutes": 500}
    moved = minutes_of({**options, "effect_bps": 40.0})
    still = minutes_of({**options, "effect_bps": 0.0})
    expected = np.zeros(len(moved))
    q = math.exp(-3 / 500)
    rows = articles_of({**options, "effect_bps": 40.0})
    starts = first_minutes(moved, rows["known_at"])
    for start, score in zip(starts.tolist(), rows["vendor_score"].to_list(), strict=True):
        for j in range(min(500, len(expected) - start)):
            expected[start + j] += score * 40e-4 * q**j * (1 - q) / (1 - q**500)
    found = mid(moved, "close") - mid(still, "close")
    assert found == pytest.approx(np.cumsum(expected), abs=1e-10)
    # The article is no part of the bar during which it becomes known, or of any before.
    assert (found[: starts.min()] == 0).all()
    assert moved["volume"].equals(still["volume"])


def slope(sentiment: np.ndarray, returns: np.ndarray) -> tuple[float, float]:
    """Least squares through the mean: the coefficient and its standard error."""
    x, y = sentiment - sentiment.mean(), returns - returns.mean()
    found = (x @ y) / (x @ x)
    rest = y - found * x
    return found, math.sqrt((rest @ rest) / (len(x) - 2) / (x @ x))


@pytest.mark.parametrize("effect", [0.0, 30.0])
def test_returns_follow_sentiment_by_the_stated_coefficient(effect):
    options = {**MARKET, "articles_per_day": 2, "effect_bps": effect, "effect_minutes": 60}
    bars = minutes_of(options)
    rows = articles_of(options)
    level = np.append(mid(bars, "open"), mid(bars, "close")[-1])
    start = first_minutes(bars, rows["known_at"])
    inside = (start >= 60) & (start + 60 < len(level))
    start, score = start[inside], rows["vendor_score"].to_numpy()[inside]
    after, error = slope(score, level[start + 60] - level[start])
    assert abs(after - effect / 1e4) < 4 * error
    assert error < 3e-4
    # A third of the time brings (1 − 1/e)/(1 − 1/e³) of it.
    part, error = slope(score, level[start + 20] - level[start])
    assert abs(part - effect / 1e4 * (1 - math.exp(-1)) / (1 - math.exp(-3))) < 4 * error
    before, error = slope(score, level[start] - level[start - 60])
    assert abs(before) < 4 * error
    if effect:
        assert after > 4 * error
