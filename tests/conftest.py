"""What many tests need: a home with the sample's bars in it, and small recipes that run fast."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.pipelines.workspace import Workspace

#: Walks forward over a year and a half: seconds, where the shipped recipe takes most of a minute.
SMALL = {
    "name": "small",
    "instruments": ["^GSPC"],
    "source": "sample",
    "features": ["log_return_1", "return_sd_22", "rsi_14", "close_to_sma_20"],
    "targets": {"direction": {"horizon": 1, "models": ["logistic"]}},
    "split": {"train": "2012-12-31", "validate": "2013-12-31"},
    "evaluate": {"from": "2014-01-14", "to": "2014-06-30", "refit_every": 21, "window": 500},
}


@pytest.fixture
def small_recipe() -> Callable[..., Recipe]:
    """Return a maker of small recipes; keyword arguments replace keys."""
    return lambda **changes: Recipe.model_validate({**SMALL, **changes})


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with all the sample's bars; not to be written to."""
    home = tmp_path_factory.mktemp("sample")
    recipe = Recipe.model_validate({**SMALL, "context": ["^VIX", "^IXIC", "DCOILWTICO"]})
    ingest(Workspace(Settings(home=home)), recipe)
    return home


@pytest.fixture
def home(sample_home: Path, tmp_path: Path) -> Path:
    """A home of the test's own, with the sample's bars."""
    return Path(shutil.copytree(sample_home, tmp_path / "home"))


@pytest.fixture
def studies(home: Path) -> Callable[[Recipe], Studies]:
    """Return a maker of studies in the test's own home."""
    return lambda recipe: Studies(Workspace(Settings(home=home)), recipe)
