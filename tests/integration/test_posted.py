"""A bar that is sent with a question is answered as it would be if it were stored."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from served import DIRECTION, PRICE, Client, Trained, problem_of
from truecast.core.clock import frozen_at
from truecast.core.settings import Settings
from truecast.serving.answering import champions
from truecast.serving.app import create_app
from truecast.serving.workspace import Workspace
from truecast.sources.sample.source import SampleSource

#: In the sample, after its last bar.
BAR = {"open": 2507.0, "high": 2520.0, "low": 2500.0, "close": 2510.5, "volume": 3.5e9}
#: The lake holds what comes after it, as in a replay: none of it may be read.
THEN = datetime(2018, 12, 13, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def shared(prepared: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return prepared.copied(tmp_path_factory.mktemp("posted") / "home")


@pytest.fixture(scope="module")
def client(shared: Trained) -> Iterator[Client]:
    with Client(create_app(shared.service())) as client:
        yield client


@pytest.fixture
def alone(prepared: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    monkeypatch.setattr(champions, "LOOK_SECONDS", 0.0)
    return prepared.copied(tmp_path / "home")


def stored(trained: Trained, *sessions: str) -> list[dict[str, Any]]:
    """Return bars of the lake as they would be sent."""
    bars = Workspace(Settings(home=trained.home)).lake.history("sample", "^GSPC", "1d").versions
    found = bars.filter(pl.col("session").cast(pl.String).is_in(sessions))
    columns = [pl.col("session").cast(pl.String).alias("date"), *map(pl.col, BAR)]
    return found.select(columns).to_dicts()


@pytest.mark.parametrize("slot", [DIRECTION, PRICE])
def test_it_says_what_is_said_of_the_same_bar_once_it_is_stored(
    alone: Trained, tmp_path: Path, slot: Any
) -> None:
    about = {"target": slot.target}
    (bar,) = stored(alone, "2018-12-14")
    with Client(create_app(alone.copied(tmp_path / "other").service())) as client:
        body = {**about, "timestamp": "2018-12-14T22:00:00Z"}
        known = client.post("/predict", json=body).json()
    assert (known["mode"], known["as_of"]) == ("whatif", "2018-12-14T21:30:00Z")
    with frozen_at(THEN), Client(create_app(alone.service())) as client:
        before = client.post("/predict", json=about).json()
        posted = client.post("/predict", json={**about, **bar}).json()
        undated = client.post("/predict", json={**about, **bar, "date": None}).json()
    assert before["as_of"] == "2018-12-13T21:30:00Z"
    assert undated == posted
    # By the id also the inputs are the same.
    same = ("id", "input_hash", "event_time", "as_of", "due_at", "mode", "features_used")
    assert [posted[key] for key in same] == [known[key] for key in same]
    value = known["prediction"]
    assert posted["prediction"] == (value if isinstance(value, str) else pytest.approx(value))
    for key in ("lower", "upper", "last_close", "signal_strength"):
        assert posted[key] == pytest.approx(known[key], rel=1e-6)


def test_a_history_is_read_in_place_of_what_is_stored(alone: Trained, tmp_path: Path) -> None:
    *before, bar = stored(alone, "2018-12-12", "2018-12-13", "2018-12-14")
    risen = [{**one, "close": one["close"] * 1.01, "high": one["high"] * 1.02} for one in before]
    with frozen_at(THEN), Client(create_app(alone.service())) as client:

        def ask(**given: Any) -> dict[str, Any]:
            response = client.post("/predict", json={"target": "price", **given})
            assert response.status_code == 200, response.text
            found: dict[str, Any] = response.json()
            return found

        plain = ask(**bar)
        assert ask(**bar, history=before) == plain
        assert ask(history=[*before, bar]) == plain
        undated = [{key: one[key] for key in BAR} for one in before]
        assert ask(**bar, history=undated) == plain
        other = ask(**bar, history=risen)
        assert other["input_hash"] != plain["input_hash"]
        assert other["last_close"] == plain["last_close"]
        # Bars that are all stored are the ordinary question.
        ordinary = ask()
        assert ask(history=before) == ordinary
        assert ask(**before[-1]) == ordinary
        assert ordinary["mode"] == "historical"


def test_it_is_written_down_and_never_stored_nor_scored(alone: Trained) -> None:
    table = alone.home / "lake" / "silver" / "bars"
    files = sorted(table.rglob("*"))
    with Client(create_app(alone.service())) as client:

        def records(mode: str) -> Any:
            return client.get("/track-record", params={"mode": mode}).json()

        before = {mode: records(mode) for mode in ("live", "historical")}
        said = client.post("/predict", json=BAR).json()
        assert client.post("/predict", json=BAR).json() == said
        other = client.post("/predict", json={**BAR, "close": 2511.0}).json()
        assert other["id"] != said["id"]
        assert client.get(f"/predictions/{said['id']}").json()["supersedes"] is None
        assert {mode: records(mode) for mode in before} == before
        assert records("whatif") == []
    assert sorted(table.rglob("*")) == files
    assert (said["slot"], said["mode"]) == (str(DIRECTION), "whatif")
    assert (said["today_date"], said["predicted_date"]) == ("2019-01-02", "2019-01-03")
    assert (said["as_of"], said["last_close"]) == ("2019-01-02T21:30:00Z", 2510.5)
    kept = alone.stored("SELECT id, mode, last_close FROM forecasts ORDER BY seq")
    assert kept == [(said["id"], "whatif", 2510.5), (other["id"], "whatif", 2511.0)]


def test_it_is_decided_on_half_a_day_and_settled_after_the_holiday(alone: Trained) -> None:
    (bar,) = stored(alone, "2018-12-24")
    with (
        frozen_at(datetime(2018, 12, 21, 23, tzinfo=UTC)),
        Client(create_app(alone.service())) as client,
    ):
        said = client.post("/predict", json={**bar, "date": None}).json()
    assert (said["event_time"], said["as_of"]) == ("2018-12-24T18:00:00Z", "2018-12-24T18:30:00Z")
    assert (said["predicted_date"], said["due_at"]) == ("2018-12-26", "2018-12-26T21:00:00Z")


def test_of_a_live_source_the_next_bar_is_meant_while_only_one_is_due(
    alone: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SampleSource, "live", True)
    with (
        frozen_at(datetime(2019, 1, 2, 22, tzinfo=UTC)),
        Client(create_app(alone.service())) as client,
    ):
        assert client.post("/predict", json=BAR).json()["mode"] == "whatif"
    with (
        frozen_at(datetime(2019, 1, 3, 22, tzinfo=UTC)),
        Client(create_app(alone.service())) as client,
    ):
        problem = problem_of(client.post("/predict", json=BAR), 422)
        assert "it is not said when the bar was" in problem["detail"]
        assert problem["choices"] == [{"date": "2019-01-02"}]
        dated = {**BAR, **problem["choices"][0]}
        assert client.post("/predict", json=dated).json()["today_date"] == "2019-01-02"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"date": "2018-12-31"}, "is not newer than the newest stored one, of 2018-12-31"),
        ({"date": "2018-12-28"}, "differs: close 2485.74 is stored"),
        ({"date": "2019-01-01"}, "2019-01-01 is not a session of XNYS; the next one is 2019-01-02"),
        ({"date": "2019-01-03"}, "missing between 2018-12-31 and 2019-01-03"),
        ({"date": "2099-01-02"}, "missing between 2018-12-31 and 2099-01-02"),
        ({"date": "0001-01-01"}, "calendar XNYS is known from"),
        ({"timestamp": "2019-01-02T23:00:00Z"}, "no session of ^GSPC is open or closes at"),
        ({"high": 2499.0}, "high 2499 is below low 2500"),
        ({"close": 2520.1}, "are to lie between low 2500 and high 2520"),
        ({"low": None}, "a bar has open, high, low and close: low is missing"),
        ({"close": 0}, "close: Input should be greater than 0 (got 0)"),
        ({"close": -2510.5}, "close: Input should be greater than 0"),
        ({"volume": -1}, "volume: Input should be greater than or equal to 0"),
        ({"volume": 10_000}, "volume 10000 is not between"),
        ({"date": "2019-01-02", "ds": "2019-01-02"}, "one of date, ds and timestamp"),
        ({"close": 25.1, "open": 25.1, "low": 25.1, "high": 25.1}, "is 0.01001 times the close"),
        ({"history": [{"close": 1}]}, "history.0.open: Field required"),
        ({"instrument": "GC=F"}, "no model for instrument GC=F has been promoted yet"),
    ],
)
def test_what_cannot_be_is_refused(client: Client, changes: dict[str, Any], detail: str) -> None:
    response = client.post("/predict", json={**BAR, **changes})
    problem = problem_of(response, 503 if "promoted" in detail else 422)
    assert detail in problem["detail"]
    assert problem["what_to_do"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", '"2510.5"', "true"])
def test_what_is_no_number_is_refused(client: Client, number: str) -> None:
    text = f'{{"open": 2507, "high": 2520, "low": 2500, "close": {number}, "volume": 1}}'
    response = client.post(
        "/predict", content=text.encode(), headers={"content-type": "application/json"}
    )
    assert "close: Input should be a" in problem_of(response, 422)["detail"]


def test_another_unit_is_refused_with_the_series_that_may_be_meant(client: Client) -> None:
    body = {"open": 100, "high": 101, "low": 99, "close": 100.5, "volume": 10_000}
    problem = problem_of(client.post("/predict", json=body), 422)
    assert "open 100 is 0.03989 times the close before it, 2506.85" in problem["detail"]
    assert problem["choices"] == [{"recipe": "small", "instrument": "^GSPC"}]
    assert problem["type"] == "/docs#not-answerable"
