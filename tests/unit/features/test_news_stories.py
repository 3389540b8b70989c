"""Stories: the first version of the article that told each first, whatever comes later."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from truecast.features.news import Stories, first_told
from truecast.lake.news import NewsHistory

START = datetime(2024, 3, 4, 10, tzinfo=UTC)
SCHEMA = {
    "source": pl.String,
    "item": pl.String,
    "story": pl.String,
    "version": pl.String,
    "published_at": pl.Datetime("us", "UTC"),
    "known_at": pl.Datetime("us", "UTC"),
    "title": pl.String,
    "summary": pl.String,
    "simulated": pl.Boolean,
}


def history(*rows, source="a", simulated=False):
    """Make versions from (item, story, minute of knowing, title)."""
    return NewsHistory(
        pl.DataFrame(
            [
                {
                    "source": source,
                    "item": item,
                    "story": story,
                    "version": f"v{place}",
                    "published_at": START,
                    "known_at": START + timedelta(minutes=minute),
                    "title": title,
                    "summary": None,
                    "simulated": simulated,
                }
                for place, (item, story, minute, title) in enumerate(rows)
            ],
            schema=SCHEMA,
        )
    )


def scored(*minutes, simulated=False):
    share = np.linspace(0.1, 0.9, len(minutes))
    return pl.DataFrame(
        {
            "known_at": [START + timedelta(minutes=minute) for minute in minutes],
            "positive": share.astype(np.float32),
            "negative": (1 - share).astype(np.float32),
            "neutral": np.zeros(len(minutes), np.float32),
            "simulated": [simulated] * len(minutes),
        },
        schema_overrides={"known_at": pl.Datetime("us", "UTC")},
    )


def test_a_story_is_what_was_known_of_it_first():
    told = first_told(
        [
            history(
                ("one", "s1", 5, "first"),
                ("one", "s2", 9, "the same article under another headline"),
                ("two", "s1", 7, "another article with the first one's headline"),
                ("three", "s3", 2, "a second story"),
            )
        ]
    )
    assert told["title"].to_list() == ["a second story", "first"]


def test_sources_share_their_stories():
    told = first_told(
        [
            history(("x", "s1", 5, "later"), source="a"),
            history(("x", "s1", 3, "earlier"), ("y", "s2", 8, "own"), source="b"),
        ]
    )
    assert told.select("source", "title").rows() == [("b", "earlier"), ("b", "own")]


def test_what_becomes_known_later_changes_no_story():
    rows = [
        ("one", "s1", 5, "a"),
        ("two", "s2", 5, "b"),
        ("one", "s4", 6, "edited"),
        ("three", "s2", 6, "retold"),
        ("four", "s3", 8, "c"),
    ]
    whole = first_told([history(*rows)])
    for minute in range(10):
        part = first_told([history(*(row for row in rows if row[2] <= minute))])
        assert part.equals(whole.head(len(part)))
    # In whichever order the rows lie.
    backwards = history(*rows).versions.reverse()
    assert first_told([NewsHistory(backwards)]).equals(whole)


def test_scores_become_columns_sorted_by_when_they_were_known():
    stories = Stories.of(scored(9, 2, 4), "lexicon")
    minutes = (stories.known_at - np.datetime64(START.replace(tzinfo=None), "us")).astype(int)
    assert stories.known_at.dtype == "datetime64[us]"
    assert (minutes / 6e7).tolist() == [2, 4, 9]
    np.testing.assert_array_equal(stories.positive, np.float32([0.5, 0.9, 0.1]).astype(float))
    assert not stories.simulated
    assert Stories.of(scored(1, simulated=True), "lexicon").simulated


def test_known_by_takes_the_moment_itself_in():
    stories = Stories.of(scored(2, 4, 9), "lexicon")
    at = np.datetime64("2024-03-04T10:04", "us")
    assert len(stories.known_by(at)) == 2
    assert len(stories.known_by(at - np.timedelta64(1, "us"))) == 1


def test_a_fingerprint_is_of_what_was_known_and_who_scored_it():
    first, longer = Stories.of(scored(2, 4, 9), "x"), Stories.of(scored(2, 4, 9), "x")
    moment = START + timedelta(minutes=5)
    shorter = longer.known_by(np.datetime64("2024-03-04T10:05", "us"))
    assert first.fingerprint(moment) == shorter.fingerprint(moment)
    assert first.fingerprint(moment) != first.fingerprint(START + timedelta(minutes=9))
    other = Stories.of(scored(2, 4, 9), "y")
    assert other.fingerprint(moment) != first.fingerprint(moment)
    assert first.fingerprint(moment).startswith("sha256:")
