"""The live feed, killed at random moments: after the next begins, every forecast is there once."""

import os
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from truecast.core.clock import frozen_at
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.pipelines.champions import promote, train_slots
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.serving.workspace import Workspace

NOON = datetime(2024, 3, 20, 12, tzinfo=UTC)
MARKET = {"seed": 11, "calendar": "24/7", "start": "2024-02-19", "volatility": [0.4]}
RECIPE = {
    "name": "hourly",
    "instruments": ["A", "B"],
    "interval": "1h",
    "source": {"simulated": MARKET},
    "features": ["log_return_1"],
    "targets": {"return": {"horizon": 1, "models": [{"ridge": {"alpha": 10}}]}},
    "split": {"train": 0.5, "validate": 0.25, "test": 0.25},
    "evaluate": {"refit_every": "part"},
}
#: Hours that are lived through, instruments.
FORECASTS = 3 * 2
#: After each kill it is lived through again.
USUALLY = 6


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, recipe = tmp_path_factory.mktemp("feed") / "home", Recipe.model_validate(RECIPE)
    workspace = Workspace(Settings(home=home))
    with frozen_at(NOON):
        ingest(workspace, recipe)
        train_slots(Studies(workspace, recipe))
        promote(workspace, recipe)
    return home


def test_every_forecast_is_there_once(
    zygote: Any, states: Any, kills: int, trained: Path, tmp_path: Path
) -> None:
    recipe = Recipe.model_validate(RECIPE).model_dump_json(by_alias=True)
    order = {"do": "feed", "recipe": recipe, "from": NOON.isoformat()}
    undisturbed = Path(shutil.copytree(trained, tmp_path / "undisturbed"))
    seconds = zygote.do(**order, home=undisturbed, attempt=0)
    wanted = states.of(undisturbed).tables["forecasts"]
    assert len(wanted) == FORECASTS
    wanted_kills = kills if os.environ.get("TRUECAST_SOAK") else USUALLY
    rng, hit = random.Random(5), 0
    while hit < wanted_kills:
        home = Path(shutil.copytree(trained, tmp_path / "home"))
        attempts = rng.randint(1, 3)
        for attempt in range(attempts):
            hit += zygote.kill(rng.uniform(0, seconds), **order, home=home, attempt=attempt)
        zygote.do(**order, home=home, attempt=attempts)
        assert states.of(home).tables["forecasts"] == wanted
        shutil.rmtree(home)
