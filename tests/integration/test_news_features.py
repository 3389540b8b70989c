"""News from a source to a forecast: read, scored, learned from, and named in what was made."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from truecast.cli.options import open_recipe
from truecast.core.clock import frozen_at, to_utc
from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.features.news import Stories
from truecast.lake.errors import NoDataError
from truecast.pipelines.stages import build, fetch_missing, ingest, notices_of
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Researcher
from truecast.pipelines.train import final_fold, train
from truecast.pipelines.verify import check_stories
from truecast.serving.planning import feature_plan, slots_of
from truecast.serving.workspace import Workspace, series_of

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
#: A market that trades all day, and moves by little but its news.
MARKET = {
    "seed": 11,
    "calendar": "24/7",
    "start": "2024-01-02",
    "end": "2024-03-20",
    "volatility": [0.4],
    "jump_rate": 0,
    "articles_per_day": 5,
    "effect_bps": 120,
    "effect_minutes": 240,
}
RECIPE = {
    "name": "newsy",
    "instruments": ["A"],
    "interval": "15m",
    "source": {"simulated": MARKET},
    "news": [{"simulated": {**MARKET, "instruments": ["A"]}}],
    "features": ["return_sd_22", "avg_sentiment_60", "news_age"],
    "targets": {"return": {"horizon": 4, "models": [{"ridge": {"alpha": 10}}]}},
    "split": {"train": 0.5, "validate": 0.25, "test": 0.25},
    "evaluate": {"refit_every": 30},
}


def recipe_of(**changes: object) -> Recipe:
    return Recipe.model_validate({**RECIPE, **changes})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home with bars and news; studies may be added."""
    workspace = Workspace(Settings(home=tmp_path_factory.mktemp("newsy")))
    with frozen_at(NOW):
        ingest(workspace, recipe_of())
    return workspace


def verdict_of(studies: Studies) -> str:
    (slot,) = slots_of(studies.recipe)
    return studies.verdict(studies.study(slot))


def test_a_model_learns_from_news_and_has_nothing_to_learn_from_without(filled: Workspace) -> None:
    with frozen_at(NOW):
        told = Studies(filled, recipe_of())
        assert verdict_of(told) == "beats naive"
        (slot,) = slots_of(told.recipe)
        said = told.study(slot).predictions["ridge"]
        sentiment = told.researcher("A").dataset.feature("avg_sentiment_60")
        heard = np.isfinite(said)
        assert said[heard & (sentiment > 0.5)].mean() > 0.05
        assert said[heard & (sentiment < -0.5)].mean() < -0.05
        untold = recipe_of(name="silent", news=[], features=["return_sd_22", "news6"])
        assert verdict_of(Studies(filled, untold)) == "no skill shown"


def test_the_tail_gives_what_the_batch_gave(filled: Workspace) -> None:
    with frozen_at(NOW):
        recipe = recipe_of(features=["news6", "avg_sentiment_15", "positive_prob_60"])
        dataset = filled.dataset(recipe, "A")
        series = series_of(filled, recipe, "A")
        for place in (len(dataset) - 1, len(dataset) // 2, 2000):
            moment = to_utc(dataset.decisions.as_of[place])
            tail = series.tail(moment, dataset.decisions.event_time[place], 0)
            np.testing.assert_array_equal(tail.X[-1], dataset.X[place])
        news = series.market.news
        assert news is not None
        assert news.simulated
        # The lexicon reads the made-up articles as they are meant: two in five good, two bad.
        score = news.positive - news.negative
        assert abs((score > 0.5).mean() - 0.4) < 0.1
        assert abs((score < -0.5).mean() - 0.4) < 0.1


def test_what_was_made_from_news_names_them_and_who_scored_them(filled: Workspace) -> None:
    with frozen_at(NOW):
        recipe = recipe_of()
        studies = Studies(filled, recipe)
        news = filled.stories(recipe)
        (summary,) = build(filled, recipe)
        lineage = filled.lake.read_gold(summary.table).lineage
        assert lineage["scorer"] == news.scorer
        assert lineage["silver/news"] == str(filled.lake.version("silver/news"))
        (slot,) = slots_of(recipe)
        study, researcher = studies.study(slot), studies.researcher("A")
        fold = final_fold(study, 5000)
        manifest = train(filled.bundles, recipe, researcher, study, fold)
        assert manifest.data_versions["silver/sentiment"] == news.scorer
        assert manifest.data_versions["silver/news"] == news.fingerprint(to_utc(fold.as_of))


def test_a_study_is_made_again_when_the_news_are_others(filled: Workspace) -> None:
    with frozen_at(NOW):
        studies = Studies(filled, recipe_of())
        (slot,) = slots_of(studies.recipe)
        researcher = studies.researcher("A")
        market = researcher.dataset.market
        assert market.news is not None
        fewer = replace(market, news=market.news[:-1])
        other = Researcher(studies.recipe, replace(researcher.dataset, market=fewer))
        assert studies._key(slot, researcher) != studies._key(slot, other)
        assert studies._key(slot, researcher) == studies._key(slot, researcher)


def test_stories_that_are_stamped_with_their_hour_as_they_are_read_are_found(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of()
    (honest,) = check_stories(opened := Studies(filled, recipe), opened.researcher("A"))
    assert honest.passed
    whole = Stories.of

    def in_buckets(scored: pl.DataFrame, scorer: str) -> Stories:
        hours = pl.col("known_at").dt.truncate("1h")
        return whole(scored.with_columns(known_at=hours), scorer)

    monkeypatch.setattr(Stories, "of", in_buckets)
    (found,) = check_stories(opened := Studies(filled, recipe), opened.researcher("A"))
    assert not found.passed
    assert found.feature is not None
    assert "avg_sentiment_60" in found.feature
    assert found.first_row is not None
    assert found.first_row.endswith(":00:00+00:00")
    assert "as where they are put into buckets" in found.detail


def test_missing_news_are_fetched_only_where_features_read_them(tmp_path: Path) -> None:
    short = {**MARKET, "end": "2024-01-10"}
    changes = {
        "source": {"simulated": short},
        "news": [{"simulated": {**short, "instruments": ["A"]}}],
    }
    workspace = Workspace(Settings(home=tmp_path))
    with frozen_at(NOW):
        deaf = fetch_missing(workspace, recipe_of(features=["return_sd_22"], **changes))
        assert deaf.series["A"].added > 0
        assert deaf.news == {}
        with pytest.raises(NoDataError, match="no articles from source simulated-"):
            workspace.market(recipe_of(**changes), "A")
        first = fetch_missing(workspace, recipe_of(**changes))
        assert first.series == {}
        (taken,) = first.news.values()
        assert taken.added > 10
        market = workspace.market(recipe_of(**changes), "A")
        assert market.news is not None
        assert len(market.news) == taken.added
        assert fetch_missing(workspace, recipe_of(**changes)).news == {}


def test_a_recipe_without_news_goes_without_the_features_of_its_sets() -> None:
    recipe = recipe_of(news=[], features=["return_sd_22", "news6"])
    assert feature_plan(recipe)[1] == ("return_sd_22",)
    (notice,) = notices_of(recipe)
    assert notice.startswith("no news are read: the features avg_sentiment_360, ")
    assert notices_of(recipe_of()) == ()
    with pytest.raises(UsageError, match=r"features\[1\]: avg_sentiment_60 reads news"):
        feature_plan(recipe_of(news=[], features=["news6", "avg_sentiment_60"]))
    with pytest.raises(UsageError, match="all of them read news"):
        feature_plan(recipe_of(news=[], features=["news6"]))


def test_the_command_line_says_what_is_left_out(
    tmp_path: Path, typed: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    short = {"simulated": {**MARKET, "end": "2024-01-10"}}
    features = ["return_sd_22", "news6"]
    path.write_text(yaml.safe_dump({**RECIPE, "source": short, "features": features}))
    other = open_recipe(str(path), "sample", None)
    assert other.news == ()
    assert (
        "news from simulated are not read beside sample: say --news to" in capsys.readouterr().err
    )
    open_recipe(str(path), None, None)
    open_recipe(str(path), "sample", "none")
    assert capsys.readouterr().err == ""
    done = typed("build", str(path), "--news", "none", "--json", home=tmp_path / "home")
    assert done.code == 0
    assert "no news are read: the features avg_sentiment_360" in done.err
    (built,) = json.loads(done.out)["datasets"]
    told = typed("build", str(path), "--news", "simulated", "--json", home=tmp_path / "home")
    assert json.loads(told.out)["datasets"][0]["features"] == built["features"] + 6
