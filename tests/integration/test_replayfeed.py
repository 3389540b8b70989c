"""The past lived through again beside the routes."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from served import Client, problem_of
from truecast.core.clock import to_utc
from truecast.core.errors import UsageError
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.ledger.query import Query
from truecast.pipelines import predict
from truecast.pipelines.predict import Replay
from truecast.pipelines.replay import replay
from truecast.pipelines.replayfeed import ReplayFeed
from truecast.pipelines.studies import Studies
from truecast.serving.app import create_app
from truecast.serving.errors import AskedError
from truecast.serving.service import open_service
from truecast.serving.workspace import series_of

#: June 2014 is the end of what the small recipe evaluates.
FIRST, LAST = date(2014, 6, 16), date(2014, 6, 30)
#: Sessions from one to the other.
SESSIONS = 11


def _until(reached: Callable[[], bool], seconds: float = 90) -> None:
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends
        threading.Event().wait(0.05)


def moments(studies: Studies) -> list[datetime]:
    found = studies.workspace.ledger.history(Query(mode="replay"))[::-1]
    return [one.forecast.as_of for one in found]


def test_it_says_what_a_replay_says(small_recipe: Any, studies: Any) -> None:
    opened = studies(small_recipe())
    service = open_service(Settings(home=opened.workspace.settings.home))
    feed = ReplayFeed(opened, FIRST, speed=1e9)
    feed.attend(service)
    assert (service.live, feed.role, feed.refresh(next(iter(feed._replays)))) == (
        feed,
        "replays",
        False,
    )
    feed.start()
    _until(lambda: len(moments(opened)) >= SESSIONS)
    feed._thread.join(60)
    feed.stop()
    assert feed.troubles() == []
    said = moments(opened)
    assert said == sorted(said)
    assert said[0] == datetime(2014, 6, 16, 20, 30, tzinfo=UTC)
    again = replay(opened, FIRST, LAST)
    assert (again.forecasts, again.added) == (SESSIONS, 0)
    entries = opened.workspace.ledger.history(Query(mode="replay"))[::-1]
    assert all(entry.outcome is not None for entry in entries[: SESSIONS - 1])


def test_questions_are_answered_as_of_then(small_recipe: Any, studies: Any) -> None:
    """By the model of then, though nothing was ever promoted; what was not said is refused."""
    opened = studies(small_recipe())
    service = open_service(Settings(home=opened.workspace.settings.home))
    feed = ReplayFeed(opened, FIRST, speed=1e-3)
    feed.attend(service)
    with Client(create_app(service)) as client:
        early = problem_of(client.post("/predict"), 503)
        assert "the replay has said nothing of small@sample:~5EGSPC:direction:1 yet" in str(early)
        feed.start()
        _until(lambda: client.post("/predict").is_success)
        feed.stop()
        (first,) = opened.workspace.ledger.history(Query())
        for path, body in (("/predict", {}), ("/predict/direction", {"instrument": "^GSPC"})):
            said = client.post(path, json=body).json()
            assert (said["id"], said["mode"]) == (str(first.forecast.id), "replay")
            assert said["as_of"] == "2014-06-16T20:30:00Z"
            assert said["trained_through"] < said["as_of"]
        feed._issue(*feed._steps[1])
        assert client.post("/predict").json()["as_of"] == "2014-06-17T20:30:00Z"
        for path, body in (
            ("/predict", {"timestamp": "2014-06-16T21:00:00Z"}),
            ("/predict", dict.fromkeys(("open", "high", "low", "close"), 1937.78)),
            ("/predict", {"recipe": "gold"}),
        ):
            refused = problem_of(client.post(path, json=body), 422)
            assert "`truecast serve` without --replay" in refused["what_to_do"]
        with pytest.raises(AskedError, match="a replay is running"):
            service.seat(Slot.parse(first.forecast.slot))
        assert client.get("/ready").json()["loaded_models"] == ["small@sample:~5EGSPC:direction:1"]
        assert client.get("/health").json()["reasons"] == []
        feed._past.trouble = "the replay has ended: no space is left"
        last = client.post("/predict").json()
        assert (last["degraded"], last["reason"]) == (True, feed._past.trouble)


def test_several_horizons_are_those_of_the_replay(small_recipe: Any, studies: Any) -> None:
    """Slots are looked for among those that are replayed, though nothing was ever promoted."""
    recipe = small_recipe(targets={"price": {"horizon": [1, 2], "models": ["ridge"]}})
    opened = studies(recipe)
    service = open_service(Settings(home=opened.workspace.settings.home))
    feed = ReplayFeed(opened, FIRST, speed=1e-3)
    feed.attend(service)
    with Client(create_app(service)) as client:
        feed._issue(*feed._steps[0])
        said = client.post("/forecast/price", json={"periods": 2}).json()
        assert [one["ds"] for one in said["forecast"]] == ["2014-06-17", "2014-06-18"]
        assert {one["mode"] for one in said["forecasts"]} == {"replay"}
        kept = {one.forecast.horizon: one for one in opened.workspace.ledger.history(Query())}
        assert [one["yhat"] for one in said["forecast"]] == [
            kept[horizon].forecast.prediction for horizon in (1, 2)
        ]
        more = problem_of(client.post("/forecast/price", json={"periods": 3}), 422)
        assert more["choices"] == [{"periods": 2}]
        problem_of(client.post("/predict-parent", json={}), 501)


def test_a_replay_keeps_few_models(small_recipe: Any, studies: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(predict, "_KEPT", 1)
    opened = studies(small_recipe())
    series = series_of(opened.workspace, opened.recipe, "^GSPC")
    researcher, past = opened.researcher("^GSPC"), Replay(opened, "^GSPC")
    folds = [one for one in researcher.folds if one.start >= researcher.parts.evaluation.start][:3]
    moments = [to_utc(researcher.dataset.decisions.as_of[one.start]) for one in folds]
    first, _, _ = (past.forecasts(moment, series) for moment in moments)
    assert [key[2] for key in past._forecasters] == [folds[2].number]
    assert [one.id for one in past.forecasts(moments[0], series)] == [one.id for one in first]
    assert [key[2] for key in past._forecasters] == [folds[0].number]


def test_time_passes_at_the_speed_that_is_said(small_recipe: Any, studies: Any) -> None:
    opened = studies(small_recipe())
    service = open_service(Settings(home=opened.workspace.settings.home))
    day = 24 * 3600
    feed = ReplayFeed(opened, FIRST, speed=day / 1000)
    feed.attend(service)
    feed.start()
    _until(lambda: len(moments(opened)) == 1)
    threading.Event().wait(0.5)
    assert len(moments(opened)) == 1  # the next one comes after a thousand seconds
    began = time.monotonic()
    feed.stop()
    assert time.monotonic() - began < 5


def test_whatever_ends_a_replay_is_told(small_recipe: Any, studies: Any) -> None:
    opened = studies(small_recipe())
    service = open_service(Settings(home=opened.workspace.settings.home))
    feed = ReplayFeed(opened, FIRST, speed=1e9)
    feed.attend(service)
    feed._series.clear()
    feed.start()
    feed._thread.join(60)
    (symbol,) = feed._replays
    assert feed.troubles() == [f"the replay has ended: KeyError: {symbol!r}"]
    assert service.health().status == "degraded"


def test_a_day_that_may_not_be_replayed_is_refused(small_recipe: Any, studies: Any) -> None:
    opened = studies(small_recipe())
    with pytest.raises(UsageError, match="before the evaluation starts"):
        ReplayFeed(opened, date(2013, 3, 4), speed=1)
    with pytest.raises(UsageError, match="there is no session"):
        ReplayFeed(opened, date(2030, 3, 4), speed=1)


def test_the_command(home: Path, tmp_path: Path, typed: Any, small_recipe: Any) -> None:
    assert "say --replay DATE" in typed("serve", "--speed", "9", home=home).err
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(small_recipe().model_dump(mode="json", by_alias=True)))
    words = ["serve", str(path), "--replay", str(FIRST), "--speed", "1e9", "--port", "0"]
    server = subprocess.Popen(
        [sys.executable, "-m", "truecast", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        found = None
        while found is None:
            line = server.stdout.readline()
            assert line, server.stderr and server.stderr.read()
            found = re.search(r"http://\S+", line)
        with httpx.Client(base_url=found[0], timeout=30) as client:
            assert client.get("/health").json()["feed"] == "replays"

            def said() -> int:
                asked = client.get("/predictions/history?mode=replay&limit=1000")
                return int(asked.json()["count"])

            _until(lambda: said() >= SESSIONS)
            assert client.post("/predict").json()["mode"] == "replay"
        server.send_signal(signal.SIGTERM)
        assert server.wait(15) == 0
    finally:
        server.kill()
        server.communicate()
