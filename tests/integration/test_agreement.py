"""Batch, tail and forecasts of the past say the same, over a year of sessions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from truecast.core.clock import to_utc
from truecast.core.recipe_files import load_recipe
from truecast.core.settings import Settings
from truecast.features.compute import compute_at
from truecast.pipelines.predict import Replay
from truecast.pipelines.studies import Studies
from truecast.pipelines.verify_serving import check_tail_forecasts
from truecast.serving.workspace import Workspace, series_of

DATES = 250


@pytest.fixture(scope="module")
def studies(finished_run: Any) -> Studies:
    return Studies(Workspace(Settings(home=finished_run.home)), load_recipe("sp500-daily"))


def test_features_of_the_tail_are_those_of_the_batch(studies: Studies) -> None:
    dataset = studies.researcher("^GSPC").dataset
    rows = range(len(dataset) - DATES, len(dataset))
    recursive = np.array([feature.recursive for feature in dataset.plan.features])
    tails = np.concatenate(
        [compute_at(dataset.plan, dataset.market, dataset.decisions[row]) for row in rows]
    )
    batch = dataset.X[rows.start :]
    np.testing.assert_array_equal(tails[:, ~recursive], batch[:, ~recursive])
    one_ulp = np.spacing(np.maximum(np.abs(tails), np.abs(batch)))
    assert (np.abs(tails - batch)[:, recursive] <= one_ulp[:, recursive]).all()


def test_forecasts_of_the_past_are_those_of_the_walk_forward(studies: Studies) -> None:
    replay = Replay(studies, "^GSPC")
    n = len(studies.researcher("^GSPC").dataset)
    results = list(check_tail_forecasts(studies, replay, list(range(n - DATES, n))))
    assert [(result.feature, result.passed) for result in results] == [
        (f"{slot.target} by {studies.study(slot).champion}", True) for slot in replay.slots
    ], [result.detail for result in results]


def test_the_command_says_to_the_bit_what_the_replay_says(
    studies: Studies, finished_run: Any, typed: Callable[..., Any]
) -> None:
    replay, series = Replay(studies, "^GSPC"), series_of(studies.workspace, studies.recipe, "^GSPC")
    decisions = studies.researcher("^GSPC").dataset.decisions
    changing = {"issued_at", "latency_ms"}
    for row in (len(decisions) - 200, len(decisions) - 7):
        session = str(decisions.session[row])
        done = typed("predict", "sp500-daily", "--as-of", session, "--json", home=finished_run.home)
        assert done.code == 0, done.err
        said = json.loads(done.out)["forecasts"]
        expected = [
            json.loads(one.model_dump_json())
            for one in replay.forecasts(to_utc(decisions.as_of[row]), series)
        ]
        for one, other in zip(said, expected, strict=True):
            assert one["mode"] == "replay"
            assert {k: v for k, v in one.items() if k not in changing} == {
                k: v for k, v in other.items() if k not in changing
            }


def test_a_forecast_of_the_past_never_uses_a_model_of_later(studies: Studies) -> None:
    replay, series = Replay(studies, "^GSPC"), series_of(studies.workspace, studies.recipe, "^GSPC")
    decisions = studies.researcher("^GSPC").dataset.decisions
    for row in range(len(decisions) - 30, len(decisions)):
        for forecast in replay.forecasts(to_utc(decisions.as_of[row]), series):
            assert forecast.trained_through <= forecast.as_of
            assert forecast.event_time < forecast.as_of < forecast.due_at
            assert (forecast.as_of - forecast.trained_through).days <= 35


def test_bundles_hold_nothing_that_is_deserialised_as_code(finished_run: Any) -> None:
    files = [path for path in Path(finished_run.home, "bundles").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".onnx"}
    assert all(not path.read_bytes().startswith(b"\x80") for path in files)
