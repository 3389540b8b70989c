"""Leaks that are planted in the aggregation of news must be found, with the feature and the row."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from truecast.core.recipe_parts import Choice
from truecast.features.declaration import FeatureError
from truecast.features.market import Market
from truecast.features.news import FAMILIES, Stories, write_news
from truecast.features.newschecks import PERTURBATION, SHUFFLED, TRUNCATION, check_news
from truecast.features.plan import FeaturePlan
from truecast.lake.history import BarHistory

MINUTE = np.timedelta64(60_000_000, "us")
START = datetime(2024, 3, 4, tzinfo=UTC)
NAMES = ("avg_sentiment_360", "signal_strength_360", "article_count_360", "news_age")
PLAN = FeaturePlan(
    tuple(feature for feature in (family.feature() for family in FAMILIES) if feature.name in NAMES)
)


def make_bars(step=timedelta(minutes=1), bars=12 * 1440):
    closes = [START + step * place for place in range(1, bars + 1)]
    price = 100 * np.exp(np.cumsum(np.random.default_rng(4).normal(0, 1e-3, bars)))
    return BarHistory(
        pl.DataFrame(
            {
                "session": [moment.date() for moment in closes],
                "event_time": closes,
                "known_at": closes,
                "version": [0] * bars,
                **dict.fromkeys(("open", "high", "low", "close"), price),
                "volume": np.ones(bars),
            },
            schema_overrides={
                "event_time": pl.Datetime("us", "UTC"),
                "known_at": pl.Datetime("us", "UTC"),
                "version": pl.Int32,
            },
        )
    )


def make_stories(count=300, days=12, seed=8):
    rng = np.random.default_rng(seed)
    seconds = np.sort(rng.integers(0, days * 86_400, count)).astype("timedelta64[s]")
    known_at = np.datetime64("2024-03-04", "us") + seconds
    return Stories(known_at, *rng.dirichlet([0.4, 0.4, 0.4], count).T, "plain")


@pytest.fixture(scope="module")
def market():
    return Market("A", make_bars(), news=make_stories())


def failed(results):
    return {(one.check, one.feature): one for one in results if not one.passed}


def test_what_is_right_passes_every_check(market):
    results = check_news(PLAN, market)
    assert [one.check for one in results] == [TRUNCATION, PERTURBATION, SHUFFLED]
    assert all(one.passed for one in results)
    assert results[0].detail.startswith("4 features of news, ")


def test_daily_decisions_pass_too():
    market = Market(
        "A",
        make_bars(timedelta(days=1), 300),
        decide_after=timedelta(minutes=30),
        news=make_stories(2000, 300),
    )
    assert not failed(check_news(PLAN, market))


def test_a_plan_without_news_has_nothing_to_check(market):
    plan = FeaturePlan.from_choices([Choice(name="log_return_1")])
    assert check_news(plan, market) == []


def test_news_that_are_not_there_are_an_error():
    with pytest.raises(FeatureError, match="none were given"):
        check_news(PLAN, Market("A", make_bars()))


def test_a_market_without_stories_says_that_nothing_was_checked():
    (result,) = check_news(PLAN, Market("A", make_bars(), news=make_stories()[:0]))
    assert result.passed
    assert "nothing to check" in result.detail


def plant(monkeypatch, leak):
    monkeypatch.setattr("truecast.features.compute.write_news", leak)


def start_stamped(wanted, news, as_of, out):
    """Buckets of an hour, stamped with their start and joined backward: the classic mistake."""
    hour = np.timedelta64(3600, "s")
    floored = news.known_at - (news.known_at - np.datetime64(0, "us")) % hour
    moved = Stories(floored, news.positive, news.negative, news.neutral, news.scorer)
    write_news(wanted, moved, as_of, out)


@pytest.mark.parametrize("check", [TRUNCATION, PERTURBATION, SHUFFLED])
def test_a_bucket_stamped_with_its_start_is_caught_and_named(market, monkeypatch, check):
    plant(monkeypatch, start_stamped)
    found = failed(check_news(PLAN, market))
    assert {feature for _, feature in found} == set(NAMES)
    for name in NAMES[:3]:
        result = found[check, name]
        first = datetime.fromisoformat(result.first_row)
        # The first row that knows of a story too early is the one at the full hour.
        assert first.minute == 0
        assert "bucket of 60 minutes" in result.detail
        assert "stamped with their start" in result.detail


def test_daily_decisions_catch_it_as_well(monkeypatch):
    plant(monkeypatch, start_stamped)
    market = Market(
        "A",
        make_bars(timedelta(days=1), 300),
        decide_after=timedelta(minutes=30),
        news=make_stories(6000, 300),
    )
    found = failed(check_news(PLAN, market))
    assert {(check, "article_count_360") for check in (TRUNCATION, PERTURBATION, SHUFFLED)} <= set(
        found
    )


def ten_minutes_ahead(wanted, news, as_of, out):
    write_news(wanted, news, as_of + 10 * MINUTE, out)


def full_sample_scale(wanted, news, as_of, out):
    write_news(wanted, news, as_of, out)
    for family, _, place in wanted:
        if family == "avg_sentiment":
            out[place] -= np.mean(news.positive - news.negative)


def dated_by_rank(wanted, news, as_of, out):
    """Stories in an even row over the whole span, whenever each became known."""
    even = np.linspace(news.known_at[0].astype(int), news.known_at[-1].astype(int), len(news))
    moved = Stories(
        even.astype("int64").astype("datetime64[us]"),
        news.positive,
        news.negative,
        news.neutral,
        news.scorer,
    )
    write_news(wanted, moved, as_of, out)


def no_end_of_the_window(wanted, news, as_of, out):
    longer = [(family, 400, place) for family, minutes, place in wanted]
    write_news(longer, news, as_of, out)


def deaf(wanted, news, as_of, out):
    out[:] = 1.0


def test_a_look_ahead_is_told_from_a_bucket(market, monkeypatch):
    plant(monkeypatch, ten_minutes_ahead)
    found = failed(check_news(PLAN, market))
    result = found[TRUNCATION, "article_count_360"]
    assert "it looks ahead" in result.detail
    ahead = float(result.detail.split("a story ")[1].split(" minutes")[0])
    assert 9 <= ahead <= 10


def test_a_figure_of_all_stories_is_caught_in_the_one_feature(market, monkeypatch):
    plant(monkeypatch, full_sample_scale)
    found = failed(check_news(PLAN, market))
    assert {feature for _, feature in found} == {"avg_sentiment_360"}
    assert (TRUNCATION, "avg_sentiment_360") in found


def test_stories_that_are_dated_by_something_else_are_caught(market, monkeypatch):
    plant(monkeypatch, dated_by_rank)
    assert (TRUNCATION, "article_count_360") in failed(check_news(PLAN, market))


def test_a_window_that_is_longer_than_it_says_is_caught(market, monkeypatch):
    plant(monkeypatch, no_end_of_the_window)
    found = failed(check_news(PLAN, market))
    assert {check for check, _ in found} == {SHUFFLED}
    assert "reads further back than its window" in found[SHUFFLED, "article_count_360"].detail


def test_a_count_that_does_not_react_is_caught(market, monkeypatch):
    plant(monkeypatch, deaf)
    found = failed(check_news(PLAN, market))
    assert set(found) == {(SHUFFLED, "article_count_360")}
    assert "not counted by known_at" in found[SHUFFLED, "article_count_360"].detail
