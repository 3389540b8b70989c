"""Features of news against a plain loop over all stories, one decision at a time."""

import math

import numpy as np
import pytest

from truecast.features.declaration import FeatureError
from truecast.features.news import FAMILIES, Stories, write_news

MINUTE = np.timedelta64(60_000_000, "us")
START = np.datetime64("2024-03-04T00:00:00", "us")
WINDOWED = [family.name for family in FAMILIES if family.name != "news_age"]
WANTED = [
    *((name, minutes, 0) for name in WINDOWED for minutes in (7, 360, 1440)),
    ("news_age", 0, 0),
]
WANTED = [(name, minutes, place) for place, (name, minutes, _) in enumerate(WANTED)]


def make_stories(seed=0, count=400, days=12):
    rng = np.random.default_rng(seed)
    seconds = np.sort(rng.integers(0, days * 86_400, count))
    seconds[10:14] = seconds[10]  # several at one moment
    scores = rng.dirichlet([0.5, 0.5, 0.5], count).astype(np.float32).astype(np.float64)
    return Stories(START + np.sort(seconds).astype("timedelta64[s]"), *scores.T, "plain")


def make_moments(stories, seed=1):
    """Return moments on a grid, and at the very edges of windows."""
    rng = np.random.default_rng(seed)
    grid = START - 600 * MINUTE + np.arange(0, 14 * 1440, 5) * MINUTE
    known = stories.known_at[rng.integers(0, len(stories), 60)]
    edges = [known, known - np.timedelta64(1, "us"), known + 360 * MINUTE]
    edges.append(known + 360 * MINUTE - np.timedelta64(1, "us"))
    return np.sort(np.concatenate([grid, *edges]))


def said(minutes, stories, moment):
    """Work the values of one row out, as one would by hand; times are whole microseconds."""
    told = []
    age = math.nan
    for known, *scores in stories:
        if known > moment:
            continue
        age = min((moment - known) / 6e7, 10_080.0)
        if known > moment - minutes * 60_000_000:
            told.append(scores)
    if not told:
        return dict.fromkeys(WINDOWED, 0.0) | {"news_age": age}
    mean = math.fsum(p - n for p, n, _ in told) / len(told)
    quality = math.fsum(max(one) for one in told) / len(told)
    strength = abs(mean) * quality
    signal = 0.0
    if mean > 0.2 and strength > 0.3:
        signal = 1.0
    elif mean < -0.2 and strength > 0.3:
        signal = -1.0
    return {
        "avg_sentiment": mean,
        "quality_score": quality,
        "article_count": len(told),
        "signal_strength": strength,
        "trading_signal": signal,
        "positive_prob": math.fsum(one[0] for one in told) / len(told),
        "negative_prob": math.fsum(one[1] for one in told) / len(told),
        "neutral_prob": math.fsum(one[2] for one in told) / len(told),
        "news_age": age,
    }


def written(stories, moments, dtype=np.float64):
    out = np.full((len(WANTED), len(moments)), -99.0, dtype)
    write_news(WANTED, stories, moments, out)
    return out


def test_every_feature_equals_a_plain_loop():
    stories = make_stories()
    moments = make_moments(stories)
    out = written(stories, moments)
    columns = [stories.positive, stories.negative, stories.neutral]
    plain = list(zip(stories.known_at.astype(int).tolist(), *map(list, columns), strict=True))
    chosen = moments[::7].astype(int).tolist()
    for minutes in (7, 360, 1440):
        rows = [said(minutes, plain, moment) for moment in chosen]
        for name, window, place in WANTED:
            if window in {minutes, 0}:
                expected = [row[name] for row in rows]
                np.testing.assert_allclose(
                    out[place, ::7], expected, rtol=1e-9, atol=1e-12, err_msg=name
                )
    assert {-1.0, 0.0, 1.0} == set(out[[name for name, _, _ in WANTED].index("trading_signal")])


def test_a_row_alone_is_the_row_among_others_to_the_bit():
    stories = make_stories()
    moments = make_moments(stories)
    for dtype in (np.float32, np.float64):
        batch = written(stories, moments, dtype)
        for place in (0, 1, 500, 2222, len(moments) - 1):
            row = written(stories, moments[place : place + 1], dtype)
            np.testing.assert_array_equal(row[:, 0], batch[:, place])
    np.testing.assert_array_equal(
        written(stories, moments, np.float32), written(stories, moments).astype(np.float32)
    )


def test_stories_outside_a_window_do_not_touch_it():
    stories = make_stories()
    moment = stories.known_at[250]
    inside = stories.known_at > moment - 360 * MINUTE
    wanted = [(name, 360, place) for place, name in enumerate(WINDOWED)]
    whole, alone = np.empty((2, len(wanted), 1))
    write_news(wanted, stories, np.array([moment]), whole)
    write_news(wanted, stories[inside].known_by(moment), np.array([moment]), alone)
    np.testing.assert_array_equal(whole, alone)


def test_no_story_is_zero_and_no_age():
    stories = make_stories()[:0]
    out = written(stories, np.array([START]))
    assert np.isnan(out[-1, 0])
    np.testing.assert_array_equal(out[:-1, 0], 0.0)


def test_news_that_was_not_opened_is_an_error():
    with pytest.raises(FeatureError, match="avg_sentiment: the features read news"):
        write_news([("avg_sentiment", 360, 0)], None, np.array([START]), np.empty((1, 1)))
