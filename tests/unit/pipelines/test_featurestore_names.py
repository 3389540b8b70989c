"""What the feature store is called, how long its rows live, and what is said without Feast."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from truecast.core.interval import Interval
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.pipelines.featurestore import library
from truecast.pipelines.featurestore.definitions import time_to_live, view_name
from truecast.pipelines.featurestore.store import place_of, project_name, store_folder
from truecast.serving.workspace import Workspace


def test_a_row_lives_for_an_interval_and_a_closing() -> None:
    assert time_to_live(Interval("1m")) == timedelta(days=14, minutes=1)
    assert time_to_live(Interval("1d")) == timedelta(days=15)


def test_names_tell_recipes_and_sources_apart(small_recipe: Callable[..., Recipe]) -> None:
    recipe = small_recipe(name="my-gold")
    other = recipe.model_copy(update={"source": small_recipe(source="simulated").source})
    assert view_name(recipe) == "my_gold"
    assert project_name(recipe).startswith("my_gold_sample_")
    assert project_name(recipe) != project_name(other)
    # What reads alike with signs left out is told apart by the digits.
    assert project_name(recipe) != project_name(small_recipe(name="my--gold"))
    workspace = Workspace(Settings(home=Path("/h")))
    assert store_folder(workspace, recipe) == Path("/h/feast/my-gold@sample")


def test_no_password_is_in_the_name_of_the_place(small_recipe: Callable[..., Recipe]) -> None:
    recipe = small_recipe()
    home = Path("/h")
    assert place_of(Workspace(Settings(home=home)), recipe) == "/h/feast/small@sample/online.db"
    settings = Settings(home=home, redis_url="redis://me:s3cret@cache:6380/2")
    assert place_of(Workspace(settings), recipe) == "redis://me:***@cache:6380/2"
    assert "s3cret" not in repr(settings)


def test_what_is_not_installed_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Any], tmp_path: Path
) -> None:
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(library.FeatureStoreError, match=r"pip install 'truecast\[feast,scale\]'"):
        library.require_redis()
    done = typed("features", "push", "sp500-daily", home=tmp_path / "home")
    assert done.code == 1
    assert "run pip install 'truecast[feast]'" in done.err
    assert not (tmp_path / "home").exists()  # said before anything is fetched
