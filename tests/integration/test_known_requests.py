"""Requests that users of five other systems send, as the documentation of each gives them."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from served import Client, problem_of
from truecast.core.calendars import get_calendar
from truecast.core.recipe import Recipe
from truecast.core.recipe_files import load_recipe
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.models.markov import observed
from truecast.pipelines.champions import promote, train_slots
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.serving.answering.labels import POINT
from truecast.serving.app import create_app
from truecast.serving.service import open_service
from truecast.serving.workspace import Workspace

SMALL = {
    "instruments": ["^GSPC"],
    "source": "sample",
    "history": {"start": "2008-01-02"},
    "features": ["log_return_1", "return_sd_22", "rsi_14", "close_to_sma_20"],
    "split": {"train": "2012-12-31", "validate": "2013-12-31"},
    "evaluate": {"from": "2014-01-14", "to": "2014-06-30", "refit_every": "part", "window": 500},
}
TINY = {"window": 4, "units": 3, "epochs": 2}
BAR = {"open": 2507.0, "high": 2520.0, "low": 2500.0, "close": 2510.5, "volume": 3.5e9}
#: As a user of another system sends it: of no instrument that is served.
FOREIGN = {"open": 100, "high": 101, "low": 99, "close": 100.5, "volume": 10_000}
#: New Year's Day and a weekend lie between.
SESSIONS = ["2019-01-02", "2019-01-03", "2019-01-04", "2019-01-07", "2019-01-08"]


def _of_sample(name: str, **targets: dict[str, Any]) -> Recipe:
    return Recipe.model_validate({**SMALL, "name": name, "targets": targets})


def _simulated(name: str, **changes: Any) -> Recipe:
    """A shipped recipe with four years of simulated bars."""
    told = load_recipe(name).model_dump(mode="json", by_alias=True)
    told |= {"simulation": {"years": 4, "seed": 3}, "tune": None, **changes}
    return Recipe.model_validate(told).with_source("simulated")


def recipes() -> list[Recipe]:
    """The shipped recipes of these systems, small enough for a test."""
    return [
        _of_sample("sp500-daily", direction={"models": ["logistic"]}, price={"models": ["ridge"]}),
        _of_sample(
            "finance-suite",
            **{"return": {"models": ["lightgbm", "random_forest"]}},
            volatility={"models": ["har_leverage"]},
            price={"horizon": [1, 2, 3, 4, 5], "models": ["prophet"]},
            regime={"horizon": [5, 21], "models": ["hmm"]},
        ),
        _simulated(
            "gold",
            targets={"price": {"models": [{"mlp": TINY}]}},
            evaluate={"refit_every": "part"},
            gates={"skill": "report"},
        ),
        _simulated(
            "index-to-stocks",
            instruments=["^GSPC", "GOOG", "MSFT"],
            targets={"price": {"horizon": [1, 2, 5], "models": [{"lstm": TINY}]}},
            split={"validate": 200, "test": 200},
            evaluate={"refit_every": "part", "window": 300},
        ),
    ]


@pytest.fixture(scope="module")
def home(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Path(shutil.copytree(sample_home, tmp_path_factory.mktemp("known") / "home"))
    workspace = Workspace(Settings(home=home))
    for recipe in recipes():
        ingest(workspace, recipe)
        studies = Studies(workspace, recipe)
        versions = train_slots(studies)
        kept = [one for one in versions if one.slot.instrument != "MSFT"]
        promote(workspace, recipe, kept)
    return home


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[Client]:
    with Client(create_app(open_service(Settings(home=home)))) as client:
        yield client


def said(client: Client, path: str, body: Any = None) -> dict[str, Any]:
    response = client.post(path) if body is None else client.post(path, json=body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


# The gold price service.


def test_gold_says_whether_it_is_well(client: Client) -> None:
    found = client.get("/health").json()
    assert found["status"] == "healthy"
    assert (found["model_loaded"], found["scaler_loaded"], found["feature_cols_loaded"]) == (
        (True,) * 3
    )


def test_gold_predicts_tomorrow(client: Client) -> None:
    found = said(client, "/predict", {"predict_tomorrow": True})
    assert {"prediction", "predicted_date", "today_date", "model_name", "model_type"} <= set(found)
    assert (found["recipe"], found["instrument"], found["target"]) == ("gold", "GC=F", "price")
    assert (found["model_name"], found["model_type"], found["horizon"]) == ("mlp", "mlp", 1)
    assert found["simulated"]
    following = get_calendar("XNYS").offset(date.fromisoformat(found["today_date"]), 1)
    assert found["predicted_date"] == following.isoformat()
    assert found["lower"] < found["prediction"] < found["upper"]
    assert said(client, "/predict", {"predict_tomorrow": False}) == found
    with_body_left_out = said(client, "/predict")
    assert (with_body_left_out["recipe"], with_body_left_out["target"]) == ("sp500-daily", "price")


# The pipeline of the S&P 500.


def test_an_instrument_and_a_moment_are_its_direction_as_of_then(client: Client) -> None:
    body = {"instrument": "^GSPC", "timestamp": "2026-01-02T12:00:00Z"}
    found = said(client, "/predict", body)
    assert {
        *("instrument", "timestamp", "prediction", "probability", "confidence"),
        *("signal_strength", "features_used", "model_version", "task"),
        *("predicted_relative_change", "predicted_price", "latency_ms"),
    } <= set(found)
    assert (found["prediction"], found["task"]) == (found["direction"], "classification")
    assert found["prediction"] == ("up" if found["probability"] > 0.5 else "down")
    assert found["signal_strength"] == pytest.approx(2 * found["probability"] - 1)
    assert found["confidence"] == abs(found["signal_strength"])
    assert found["timestamp"] == found["as_of"] == "2018-12-31T21:30:00Z"
    assert (found["predicted_price"], found["predicted_relative_change"]) == (None, None)
    assert said(client, "/predict", {**body, "timestamp": None}) == found
    unknown = client.post("/predict", json={"instrument": "SPX500_USD", "timestamp": None})
    assert "run `truecast run sp500-intraday`" in problem_of(unknown, 503)["what_to_do"]


def test_the_history_is_what_was_said(client: Client) -> None:
    newest = said(client, "/predict", {"instrument": "^GSPC"})
    found = client.get("/predictions/history?instrument=^GSPC&hours=240000").json()
    assert {"instrument", "start_time", "end_time", "predictions", "count"} <= set(found)
    (entry,) = [one for one in found["predictions"] if one["id"] == newest["id"]]
    assert {"time", "prediction", "probability", "confidence"} <= set(entry)
    assert (entry["time"], entry["confidence"]) == (newest["as_of"], newest["confidence"])


def test_the_news_of_late_are_read(client: Client) -> None:
    response = client.get("/news/recent?limit=10")
    assert response.status_code == 200, response.text


def test_health_says_what_is_beside_the_server(client: Client) -> None:
    found = client.get("/health").json()
    assert {"status", "timestamp", "model_loaded"} <= set(found)
    assert isinstance(found["feast_available"], bool)
    assert found["redis_connected"] is False  # none is set


# The stocks that learn from an index.

DAY = {"date", "open", "high", "low", "close", "volume"}


def test_the_status_of_trainings_is_not_there_yet(client: Client) -> None:
    response = client.get("/status", headers={"accept": "application/json"})
    assert problem_of(response, 501)["what_to_do"]


def test_more_days_than_were_trained_are_refused(client: Client) -> None:
    response = client.post("/predict-child", json={"ticker": "GOOG", "days": 7})
    problem = problem_of(response, 422)
    assert problem["detail"] == (
        "prices of GOOG are trained for horizons of 1, 2 and 5 sessions: 7 days are more"
    )
    assert problem["choices"] == [{"ticker": "GOOG", "days": 5}]
    said(client, "/predict-child", problem["choices"][0])


@pytest.mark.parametrize(
    ("path", "body", "ticker"),
    [
        ("/predict-parent", {"days": 5}, "^GSPC"),
        ("/predict-parent", None, "^GSPC"),
        ("/predict-child", {"ticker": "GOOG"}, "GOOG"),
    ],
)
def test_the_next_sessions_are_forecast_as_far_as_they_were_trained(
    client: Client, path: str, body: Any, ticker: str
) -> None:
    found = said(client, path, body)
    assert set(found) == {"result", "forecasts"}
    result = found["result"]
    assert set(result) == {
        *("ticker", "last_date", "future_window_days", "next_business_days"),
        *("predictions", "history", "reasons"),
    }
    last = date.fromisoformat(result["last_date"])
    sessions = [get_calendar("XNYS").offset(last, ahead).isoformat() for ahead in range(1, 6)]
    assert (result["ticker"], result["future_window_days"]) == (ticker, 5)
    assert result["next_business_days"] == sessions
    ahead = result["predictions"]
    assert set(ahead) == {"next_day", "next_week", "full_forecast"}
    assert [one["date"] for one in ahead["full_forecast"]] == sessions
    assert ahead["next_day"] == ahead["full_forecast"][0]
    assert ahead["next_week"] == {"high": None, "low": None}
    closes = [one["close"] for one in ahead["full_forecast"]]
    assert [close is None for close in closes] == [False, False, True, True, False]
    # What is not null is a forecast, each in the ledger, of its own horizon.
    assert [one["horizon"] for one in found["forecasts"]] == [1, 2, 5]
    assert [one["prediction"] for one in found["forecasts"]] == [
        close for close in closes if close is not None
    ]
    for one in found["forecasts"]:
        kept = client.get(f"/predictions/{one['id']}").json()
        assert kept["predicted_price"] == one["predicted_price"] == one["prediction"]
    for one in ahead["full_forecast"]:
        assert set(one) >= DAY
        assert {one[name] for name in ("open", "high", "low", "volume")} == {None}
        if one["close"] is not None:
            assert one["close_lower"] < one["close"] < one["close_upper"]
    assert set(result["reasons"]) == {"open", "high", "low", "volume", "close"}
    assert result["reasons"]["close"] == "no model was trained 3 and 4 sessions ahead"
    assert len(result["history"]) == 30
    assert result["history"][-1] == {
        "date": result["last_date"],
        "close": found["forecasts"][0]["last_close"],
    }
    assert [one["date"] for one in result["history"]] == sorted(
        one["date"] for one in result["history"]
    )


@pytest.mark.parametrize(
    ("ticker", "advice"),
    [
        ("MSFT", "run `truecast run index-to-stocks`"),
        ("AAPL", "add AAPL to the instruments of a copy of the recipe index-to-stocks"),
    ],
)
def test_a_stock_without_a_model_says_how_it_gets_one(
    client: Client, ticker: str, advice: str
) -> None:
    problem = problem_of(client.post("/predict-child", json={"ticker": ticker}), 501)
    assert problem["detail"] == f"no model of {ticker} is served"
    assert problem["what_to_do"].startswith(advice)


@pytest.mark.parametrize(
    "ticker", ["../x", "%2e%2e", "A#/../", "\0", "A" * 10_000, "", "a b", "ÄÖÜ", None, 5, ["GOOG"]]
)
def test_what_is_no_ticker_is_refused(client: Client, ticker: Any) -> None:
    problem_of(client.post("/predict-child", json={"ticker": ticker}), 422)


def test_the_agent_is_not_there_yet(client: Client) -> None:
    body = {"query": "What is the sentiment for Google based on recent performance?"}
    assert problem_of(client.post("/agent/chat", json=body), 501)["what_to_do"]


# The suite of models of one index.


def test_the_suite_says_what_it_serves(client: Client) -> None:
    assert client.get("/").status_code == 200
    found = client.get("/health/").json()
    assert {"status", "loaded_models", "model_expected_features"} <= set(found)
    assert "finance-suite@sample:~5EGSPC:regime:5" in found["loaded_models"]


@pytest.mark.parametrize(
    ("path", "recipe", "keys"),
    [
        ("/predict/direction", "sp500-daily", {"model", "direction", "probability"}),
        ("/predict/volatility", "finance-suite", {"model", "predicted_volatility", "volatility"}),
        ("/predict/return/lightgbm", "finance-suite", {"model", "predicted_return"}),
        ("/predict/return/random-forest", "finance-suite", {"model", "predicted_return"}),
        ("/predict/regime", "finance-suite", {"model", "regime", "score"}),
    ],
)
def test_a_bar_is_answered_for_each_target(
    client: Client, path: str, recipe: str, keys: set[str]
) -> None:
    problem = problem_of(client.post(path, json=FOREIGN), 422)
    assert "times the close before it, 2506.85" in problem["detail"]
    assert {"recipe": recipe, "instrument": "^GSPC"} in problem["choices"]
    found = said(client, path, BAR)
    assert keys <= set(found)
    assert all(found[key] is not None for key in keys)
    assert (found["recipe"], found["mode"], found["last_close"]) == (recipe, "whatif", 2510.5)
    assert (found["today_date"], found["degraded"]) == ("2019-01-02", False)
    stored = said(client, path)
    assert (stored["today_date"], stored["last_close"]) == ("2018-12-31", 2506.850098)
    assert stored["input_hash"] != found["input_hash"]


def test_a_model_is_asked_by_its_name(client: Client, home: Path) -> None:
    champion, other = (
        said(client, f"/predict/return/{name}") for name in ("lightgbm", "random-forest")
    )
    slot = Slot("finance-suite", "sample", "^GSPC", "return", 1)
    registry = Workspace(Settings(home=home)).registry
    assert registry.champion(slot).name in {"lightgbm", "random_forest"}
    by_name = {champion["model"]: champion, other["model"]: other}
    assert set(by_name) == {"lightgbm", "random_forest"}
    for name, found in by_name.items():
        assert found["model_version"] == registry.newest(slot, name).version
        is_champion = registry.champion(slot).name == name
        assert found["mode"] == ("historical" if is_champion else "whatif")
    problem = problem_of(client.post("/predict/return/prophet"), 404)
    assert problem["choices"] == [{"model": "lightgbm"}, {"model": "random_forest"}]


def test_bare_numbers_are_filtered_alone(client: Client, home: Path) -> None:
    rng = np.random.default_rng(2)
    returns, volatility = rng.normal(0, 0.7, 60), np.full(60, 0.7)
    body = {"returns_window": returns.tolist(), "volatility_window": volatility.tolist()}
    found = said(client, "/predict/regime", body)
    assert {"model", "regime", "score"} <= set(found)
    slot = Slot("finance-suite", "sample", "^GSPC", "regime", 5)
    registry = Workspace(Settings(home=home)).registry
    model = registry.bundle(slot, registry.champion(slot).version).models[POINT]
    chain = model.chain_
    # The filter step by step, with the density of a normal distribution written out.
    state = chain.start
    for place, row in enumerate(observed(returns, volatility)):
        prior = state if place == 0 else state @ chain.transitions
        density = np.exp(-0.5 * (row - chain.means) ** 2 / chain.variances)
        weighed = prior * (density / np.sqrt(2 * np.pi * chain.variances)).prod(axis=1)
        state = weighed / weighed.sum()
    names = ("bear", "neutral", "bull")
    assert [found["states"][name] for name in names] == pytest.approx(state, abs=1e-6)
    chances = state @ model.follows_
    assert [found["probabilities"][name] for name in names] == pytest.approx(chances, abs=1e-6)
    assert found["regime"] == names[int(np.argmax(chances))]
    assert found["score"] == pytest.approx(chances.max(), abs=1e-6)
    assert found["horizon"] == 5
    longer = said(client, "/predict/regime", {**body, "horizon": 21})
    assert longer["slot"] == "finance-suite@sample:~5EGSPC:regime:21"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"volatility_window": [0.007] * 3, "returns_window": [0.002] * 3}, "is not between"),
        ({"volatility_window": [0.7] * 2}, "returns_window has 3 numbers, volatility_window 2"),
        ({"volatility_window": None}, "go together: one is missing"),
        ({"volatility_window": []}, "volatility_window: Tuple should have at least 1 item"),
        ({"volatility_window": [0.7, -0.1, 0.7]}, "a volatility is 0 or above, got -0.1"),
        ({"returns_window": [0.1, "x", 0.2]}, "returns_window.1: Input should be a valid number"),
        ({"returns_window": [0.1, 1e6, 0.2]}, "a return of 1e+06 percent in one bar"),
        (BAR, "windows are filtered alone"),
    ],
)
def test_windows_that_cannot_be_are_refused(
    client: Client, changes: dict[str, Any], detail: str
) -> None:
    body = {"returns_window": [0.2, -0.1, 0.4], "volatility_window": [0.7, 0.7, 0.7], **changes}
    assert detail in problem_of(client.post("/predict/regime", json=body), 422)["detail"]


def test_prices_of_several_days_fall_on_sessions(client: Client) -> None:
    found = said(client, "/forecast/price", {"periods": 5})
    assert set(found) == {"model", "forecast", "forecasts"}
    assert found["model"] == "prophet"
    assert [one["ds"] for one in found["forecast"]] == SESSIONS
    widths = []
    for ahead, (row, one) in enumerate(zip(found["forecast"], found["forecasts"], strict=True), 1):
        assert set(row) == {"ds", "yhat", "yhat_lower", "yhat_upper"}
        assert (row["yhat"], row["ds"]) == (one["prediction"], one["predicted_date"])
        assert (row["yhat_lower"], row["yhat_upper"]) == (one["lower"], one["upper"])
        assert (one["horizon"], one["mode"]) == (ahead, "historical")
        assert client.get(f"/predictions/{one['id']}").status_code == 200
        widths.append(row["yhat_upper"] - row["yhat_lower"])
    assert widths[4] > widths[0]
    assert said(client, "/forecast/price", {"periods": 2})["forecast"] == found["forecast"][:2]


def test_prices_follow_the_history_that_is_sent(client: Client) -> None:
    history = [{**BAR, "ds": "2019-01-02"}, {**BAR, "date": "2019-01-03", "close": 2505.0}]
    found = said(client, "/forecast/price", {"periods": 3, "history": history})
    assert [one["ds"] for one in found["forecast"]] == ["2019-01-04", "2019-01-07", "2019-01-08"]
    assert {one["last_close"] for one in found["forecasts"]} == {2505.0}
    assert {one["mode"] for one in found["forecasts"]} == {"whatif"}


@pytest.mark.parametrize(
    ("body", "detail", "choices"),
    [
        (
            {"periods": 6},
            "prices of ^GSPC by finance-suite are trained for horizons of 1 to 5 bars, not of 6",
            [{"periods": 5}],
        ),
        (
            {"periods": 3, "recipe": "sp500-daily"},
            "prices of ^GSPC by sp500-daily are trained for horizons of 1 bars, not of 2 and 3",
            [{"periods": 1}],
        ),
        ({"periods": 0}, "periods: Input should be greater than or equal to 1", []),
        ({}, "periods: Field required", []),
    ],
)
def test_prices_that_were_not_trained_are_refused(
    client: Client, body: dict[str, Any], detail: str, choices: list[Any]
) -> None:
    problem = problem_of(client.post("/forecast/price", json=body), 422)
    assert detail in problem["detail"]
    assert problem["choices"] == choices


def test_the_nearest_key_is_named(client: Client) -> None:
    problem = problem_of(client.post("/forecast/price", json={"period": 5}), 422)
    assert problem["what_to_do"].startswith("did you mean 'periods'?")
    problem = problem_of(client.post("/predict/direction", json={"clos": 5}), 422)
    assert problem["what_to_do"].startswith("did you mean 'close'?")


def test_the_examples_are_what_they_claim_to_be(client: Client) -> None:
    api = client.get("/openapi.json").json()
    for path in (
        *("/predict/direction", "/predict/volatility", "/predict/regime"),
        *("/predict/return/{model}", "/forecast/price", "/predict-parent", "/predict-child"),
    ):
        route = api["paths"][path]["post"]
        given = route["requestBody"]["content"]["application/json"]["examples"]
        shown = route["responses"]["200"]["content"]["application/json"]["example"]
        for name, question in given.items():
            response = client.post(path.format(model="lightgbm"), json=question["value"])
            assert response.status_code == 200, (path, name, response.text)
            if name in {"newest", "week"}:
                assert set(shown) <= set(response.json()), path
