"""The program as a person or another program meets it, on one finished run."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from arch.data import sp500

from truecast.core.recipe_files import shipped_recipes
from truecast.lake.lake import Lake

FORECAST = {
    "id", "slot", "recipe", "recipe_hash", "source", "instrument", "interval", "target",
    "horizon", "mode",
    "event_time", "as_of", "issued_at", "due_at", "today_date", "predicted_date", "last_close",
    "prediction", "lower", "upper", "coverage", "probability",
    "baseline", "baseline_probability", "baseline_name", "skill",
    "model_name", "model_type", "model_version", "trained_through", "features_used", "input_hash",
    "simulated", "degraded", "reason", "latency_ms",
}  # fmt: skip


def _by_target(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {document["target"]: document for document in documents}


def test_a_run_prints_one_document_with_a_forecast_of_the_session_after_the_last(
    finished_run: Any,
) -> None:
    document = finished_run.document
    assert {"recipe", "as_of", "slots", "forecasts", "report", "champions", "ingested"} <= set(
        document
    )
    forecasts = _by_target(document["forecasts"])
    assert set(forecasts) == {"direction", "price", "volatility"}
    for forecast in forecasts.values():
        assert set(forecast) == FORECAST
        assert forecast["predicted_date"] == "2019-01-02"  # the 1st is a holiday
        assert forecast["today_date"] == "2018-12-31"
        assert forecast["as_of"] == "2018-12-31T21:30:00Z"
        assert forecast["due_at"] == "2019-01-02T21:00:00Z"
        assert forecast["mode"] == "historical"
        assert forecast["coverage"] == 0.9
        assert forecast["degraded"] is False
        assert forecast["skill"] in {"beats naive", "no skill shown"}
    price, direction, volatility = (forecasts[t] for t in ("price", "direction", "volatility"))
    assert price["last_close"] == price["baseline"] == pytest.approx(2506.85, abs=0.01)
    assert price["lower"] < 2506.85 < price["upper"]
    assert abs(price["prediction"] / 2506.85 - 1) < 0.005
    assert direction["prediction"] == ("up" if direction["probability"] > 0.5 else "down")
    assert 0.4 < direction["lower"] < direction["upper"] < 0.7
    assert volatility["lower"] < volatility["prediction"] < volatility["upper"]
    assert Path(document["report"]).stat().st_size > 1_000_000


def test_the_report_says_what_can_and_what_cannot_be_forecast(
    finished_run: Any, typed: Callable[..., Any]
) -> None:
    done = typed("report", "sp500-daily", "--json", home=finished_run.home)
    assert done.code == 0
    card = json.loads(done.out)
    assert card["recipe"] == "sp500-daily"
    slots = _by_target(card["slots"])
    for slot in slots.values():
        keys = {"slot", "instrument", "target", "horizon", "champion", "window", "models"}
        assert keys <= set(slot)
        assert slot["window"] == {"from": "2014-01-14", "to": "2018-12-31", "n": 1250}
        names = [model["name"] for model in slot["models"]]
        assert slot["champion"]["name"] in names
        assert set(slot["champion"]) == {"name", "version", "model_type"}
        for model in slot["models"]:
            assert {"name", "losses", "versus", "trials", "verdict"} <= set(model)
            # What was compared before the recipe was settled, and this recipe's own.
            assert model["trials"] >= 47 + 2
            if model["versus"] and model["name"] != "naive":
                assert model["versus"][0]["baseline"] == "naive"

    price = {model["name"]: model for model in slots["price"]["models"]}
    naive = price["naive"]["losses"]["mape"]
    assert naive == pytest.approx(0.575, abs=0.0005)
    for name in ("ridge", "lightgbm"):
        assert price[name]["losses"]["mape"] == pytest.approx(naive, rel=0.005)
        assert price[name]["verdict"] == "no skill shown"
    assert all(
        model["verdict"] in {"no skill shown", "baseline"} for model in slots["direction"]["models"]
    )

    intervals = slots["price"]["intervals"]
    assert set(intervals) >= {
        "nominal", "coverage", "coverage_top_volatility_tercile", "min_coverage_250", "winkler",
        "crps",
    }  # fmt: skip
    assert 0.88 <= intervals["coverage"] <= 0.92
    assert intervals["coverage_top_volatility_tercile"] >= 0.85
    assert intervals["winkler"] <= 3.35
    assert intervals["crps"] <= 0.420

    volatility = slots["volatility"]
    champion = next(
        model for model in volatility["models"] if model["name"] == volatility["champion"]["name"]
    )
    assert champion["verdict"] == "beats naive"
    assert {"qlike_gk", "qlike_r2", "mse_gk"} <= set(champion["losses"])


def test_volatility_is_forecast_from_prices_alone(
    tmp_path: Path, sample_home: Path, typed: Callable[..., Any]
) -> None:
    """No context at all: at least 15% below GARCH(1,1) on the Garman–Klass proxy."""
    content = yaml.safe_load(shipped_recipes()["sp500-daily"].read_text())
    content |= {"name": "prices", "context": [], "features": ["daily"]}
    content["targets"] = {"volatility": content["targets"]["volatility"]}
    content["split"]["train"] = "2012-12-31"  # less to choose on, for less to wait for
    recipe = tmp_path / "prices.yaml"
    recipe.write_text(yaml.safe_dump(content))
    home = Path(shutil.copytree(sample_home, tmp_path / "home"))
    done = typed("evaluate", str(recipe), "--json", home=home)
    assert done.code == 0, done.err
    models = {model["name"]: model for model in json.loads(done.out)["slots"][0]["models"]}
    assert models["garch"]["losses"]["qlike_gk"] == pytest.approx(0.424, abs=0.004)
    versus = {(one["baseline"], one["metric"]): one for one in models["ensemble"]["versus"]}
    gk, r2 = versus["garch", "qlike_gk"], versus["garch", "qlike_r2"]
    assert gk["improvement_pct"] >= 15
    assert gk["dm"] > 2
    assert r2["dm"] > 2
    assert models["ensemble"]["verdict"] == "beats naive"


def test_predicting_again_is_the_same_forecast(
    finished_run: Any, typed: Callable[..., Any]
) -> None:
    done = typed("predict", "sp500-daily", "--json", home=finished_run.home)
    assert done.code == 0
    document = json.loads(done.out)
    assert set(document) == {"recipe", "forecasts"}
    changing = {"issued_at", "latency_ms"}
    for again, first in zip(document["forecasts"], finished_run.document["forecasts"], strict=True):
        assert {key: again[key] for key in FORECAST - changing} == {
            key: first[key] for key in FORECAST - changing
        }


def test_running_again_adds_nothing(finished_run: Any, typed: Callable[..., Any]) -> None:
    first = finished_run.document
    done = typed("run", "sp500-daily", "--json", home=finished_run.home)
    assert done.code == 0
    again = json.loads(done.out)
    assert all(one["added"] == one["revised"] == 0 for one in again["ingested"].values())
    assert again["champions"] == first["champions"]
    assert again["slots"] == first["slots"]
    assert [one["id"] for one in again["forecasts"]] == [one["id"] for one in first["forecasts"]]


def test_the_shipped_recipe_is_verified(finished_run: Any, typed: Callable[..., Any]) -> None:
    done = typed("verify", "sp500-daily", "--json", home=finished_run.home)
    document = json.loads(done.out)
    assert (done.code, document["passed"]) == (0, True)
    assert set(document) == {"recipe", "passed", "checks"}
    for check in document["checks"]:
        assert set(check) == {"check", "passed", "feature", "first_row", "detail"}


def test_features_are_listed(finished_run: Any, typed: Callable[..., Any]) -> None:
    done = typed("features", "--set", "sp500_daily", "--json", home=finished_run.home)
    rows = json.loads(done.out)
    assert {"rsi_14", "macd", "atr_14", "log_gk_22", "yang_zhang_22", "log_close__vix"} <= {
        row["name"] for row in rows
    }
    for row in rows:
        assert set(row) == {"name", "set", "inputs", "lookback", "unit", "formula", "source"}
    rsi = next(row for row in rows if row["name"] == "rsi_14")
    assert "Wilder" in rsi["source"]


def test_tables_are_for_people(finished_run: Any, typed: Callable[..., Any]) -> None:
    home = finished_run.home
    for words, expected in (
        (("recipes",), "sp500-daily"),
        (("features", "--set", "daily"), "rsi_14"),
        (("predict", "sp500-daily"), "90% between"),
        (("report", "sp500-daily"), "No skill shown"),
        (("doctor",), "TRUECAST_HOME"),
        (("ingest", "sp500-daily"), "46 missing_close"),
        (("build", "sp500-daily"), "gold/datasets"),
        (("--version",), "truecast 0.1"),
    ):
        done = typed(*words, home=home)
        assert done.code == 0, done.err
        assert expected in done.out


BASE = {
    "name": "mine",
    "instruments": ["^GSPC"],
    "source": "sample",
    "features": ["rsi_14"],
    "targets": {"price": {"models": ["ridge"]}},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modles": []}, "unknown key 'modles'"),
        ({"features": ["rsi14"]}, "unknown feature 'rsi14' in features[0]: did you mean 'rsi_14'?"),
        ({"features": [{"rsi": {"widow": 3}}]}, "did you mean 'window'?"),
        ({"targets": {"price": {"horizon": 0, "models": ["ridge"]}}}, "greater than or equal to 1"),
        (
            {"evaluate": {"from": "2015-01-02", "to": "2014-01-02"}},
            "dates are the wrong way round",
        ),
        ({"instruments": ["^GSPX"]}, "did you mean '^GSPC'?"),
        ({"context": ["^VIY"]}, "did you mean '^VIX'?"),
        ({"source": "simple"}, "unknown source 'simple' in source: did you mean 'sample'?"),
        ({"targets": {"price": {"models": ["rigde"]}}}, "did you mean 'ridge'?"),
        ({"targets": {"price": {"models": [{"ridge": {"alfa": 1}}]}}}, "did you mean 'alpha'?"),
        ({"targets": {"price": {"models": ["logistic"]}}}, "does not forecast price"),
        (
            {"targets": {"price": {"models": ["ridge"], "select": "mapee"}}},
            "did you mean 'mape'?",
        ),
        ({"interval": "5m"}, "5m"),
    ],
)
@pytest.mark.parametrize("command", ["run", "train"])
def test_each_mistake_in_a_recipe_gets_one_message_and_exit_code_2(
    tmp_path: Path,
    typed: Callable[..., Any],
    command: str,
    changes: dict[str, Any],
    message: str,
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**BASE, **changes}))
    done = typed(command, str(path), home=tmp_path / "home")
    assert done.code == 2
    assert message in done.err
    assert done.err.strip().splitlines()[-1].startswith("error: ")
    assert done.err.count("error") == 1
    assert "Traceback" not in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "sp500-dayly"), "did you mean 'sp500-daily'?"),
        (("run", "sp500-daily", "--source", "files:absent.csv"), "absent.csv"),
        (("predict", "sp500-daily"), "has no champion yet: run `truecast run sp500-daily`"),
        (("report", "sp500-daily"), "has not been evaluated on sample"),
        (("predict", "sp500-daily", "--as-of", "yesterday"), "expected a date such as 2018-06-01"),
        (("predict", "sp500-daily", "--as-of", "2018-06-01T10:00"), "no time zone"),
    ],
)
def test_what_is_not_there_yet_says_what_to_do(
    tmp_path: Path, typed: Callable[..., Any], words: tuple[str, ...], message: str
) -> None:
    done = typed(*words, home=tmp_path)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("predict",), "run"),
        (("predict", "--model", "ridge"), "train"),
        (("promote",), "train"),
        (("rollback",), "run"),
        (("report",), "run"),
        (("report",), "evaluate"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--source", "files:my prices.csv", "--news", "none")])
def test_the_command_to_run_names_the_file_that_was_typed(
    tmp_path: Path,
    typed: Callable[..., Any],
    words: tuple[str, ...],
    command: str,
    options: tuple[str, ...],
) -> None:
    """A recipe of one's own has a name, but no command finds it by that."""
    path = tmp_path / "my recipes" / "first.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(BASE))
    (tmp_path / "my prices.csv").write_text("date,close\n2020-01-02,1\n")
    given = [word.replace("my prices", f"{tmp_path}/my prices") for word in options]
    done = typed(words[0], str(path), *words[1:], *given, home=tmp_path / "home")
    assert done.code == 2
    assert f"`truecast {command} {shlex.join([str(path), *given])}`" in done.err


def test_building_fetches_what_is_missing_and_names_the_parts(
    tmp_path: Path, typed: Callable[..., Any]
) -> None:
    done = typed("build", "sp500-daily", "--json", home=tmp_path)
    assert done.code == 0, done.err
    (dataset,) = json.loads(done.out)["datasets"]
    assert (dataset["instrument"], dataset["rows"]) == ("^GSPC", 5031)
    rows = Lake(str(tmp_path / "lake")).read_gold(dataset["table"]).frame
    assert rows.group_by("part").len().sort("part").rows() == [
        ("test", 1251),
        ("train", 2767),
        ("validate", 1013),
    ]
    assert rows["rsi_14"].dtype == pl.Float32
    assert rows.filter(pl.col("as_of") >= pl.col("outcome_known_at_1")).is_empty()


def test_a_forecast_before_the_evaluation_is_refused(
    finished_run: Any, typed: Callable[..., Any]
) -> None:
    done = typed("predict", "sp500-daily", "--as-of", "2014-01-10", home=finished_run.home)
    assert done.code == 2
    assert "ask for 2014-01-13 or later" in done.err


def test_a_terminal_that_knows_only_ascii_is_served(finished_run: Any) -> None:
    for words in (("report", "sp500-daily"), ("features", "--json"), ("features",)):
        done = subprocess.run(
            [sys.executable, "-m", "truecast", *words],
            env={
                **os.environ,
                "TRUECAST_HOME": str(finished_run.home),
                "PYTHONIOENCODING": "ascii",
                "PYTHONUTF8": "0",
            },
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.decode("ascii")


def test_a_damaged_scorecard_says_what_to_run(
    finished_run: Any, tmp_path: Path, typed: Callable[..., Any]
) -> None:
    home = Path(shutil.copytree(finished_run.home, tmp_path / "home"))
    path = next(home.rglob("scorecard.json"))
    for content in (b"", b"{}", b"\x80\x04"):
        path.write_bytes(content)
        done = typed("report", "sp500-daily", home=home)
        assert done.code == 2
        assert "run `truecast evaluate sp500-daily`" in done.err
    done = typed("predict", "sp500-daily", home=home)
    assert done.code == 0
    assert "ensemble" in done.out
    assert "beats naive" in done.out  # the verdict is with the version, not in the file


def test_signs_in_names_are_shown_as_they_are(
    tmp_path: Path, sample_home: Path, typed: Callable[..., Any]
) -> None:
    """Neither ``:X:`` nor ``[b]`` is markup."""
    rows = sp500.load()["Close"].tail(1500)
    (tmp_path / "[b]X.csv").write_text(
        "date,symbol,close\n"
        + "".join(f"{day:%Y-%m-%d},[b]X,{value}\n" for day, value in rows.items())
    )
    content = {**BASE, "instruments": ["[b]X"], "features": ["log_return_1"]}
    content["evaluate"] = {"refit_every": 250}
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(yaml.safe_dump(content))
    done = typed(
        "run", str(recipe), "--source", f"files:{tmp_path / '[b]X.csv'}", home=tmp_path / "home"
    )
    assert done.code == 0, done.err
    assert "[b]X price for 2019-01-02" in done.out
