"""What README and docs say: its commands run, its figures are those of a run, its words exist."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from truecast.core.instrument import Instrument
from truecast.core.recipe import Recipe
from truecast.core.recipe_files import load_recipe
from truecast.core.settings import Settings
from truecast.evaluation.metrics import METRICS
from truecast.evaluation.slots import COMPARED
from truecast.features.catalog import FAMILIES, SETS, members
from truecast.lake.checks.options import describe_checks
from truecast.lake.contracts import checks_for
from truecast.lake.schemas import (
    BRONZE_INDEX,
    FAILURES,
    QUARANTINE,
    REPAIRS,
    SILVER_ACTIONS,
    SILVER_NEWS,
    WINDOWS,
)
from truecast.models.catalog import MODELS
from truecast.serving.door.classes import CLASSES
from truecast.sources.alphavantage.options import AlphaVantageOptions
from truecast.sources.api.options import ApiOptions
from truecast.sources.catalog import NEWS_SOURCES, SOURCES
from truecast.sources.files.options import FilesOptions
from truecast.sources.finnhub.options import FinnhubOptions
from truecast.sources.gdelt.options import GdeltOptions
from truecast.sources.newsfiles.options import NewsFilesOptions
from truecast.sources.oanda.options import OandaOptions
from truecast.sources.rss.options import RssOptions
from truecast.sources.simulated.options import SimulatedOptions
from truecast.sources.yahoo.options import YahooOptions

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE_OF_SERVING = ROOT / "docs" / "serving.md"
SETTINGS = Settings.model_fields
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

#: Commands that set the stage: cloning, make (test_makefile.py holds those) and the shell's own.
STAGE = ("git ", "make ", "cd ", "source ")
#: What a command must print, by what it begins with.
PRINTS = {
    "truecast recipes": "sp500-daily",
    "truecast features --set sp500_daily": "log_close__vix",
    "truecast run sp500-daily": "No skill shown: lightgbm cannot be told from naive.",
    "truecast predict sp500-daily --as-of": "as of 2018-06-01 20:30 UTC",
    "truecast predict sp500-daily": "^GSPC price for 2019-01-02",
    "truecast replay sp500-daily": "57 forecasts from 2018-12-03 to 2018-12-31, 57 new",
    "truecast settle sp500-daily": "historical · 0 of 1 settled: nothing to judge yet",
    "truecast report sp500-daily --json": '"verdict": "beats naive"',
    "truecast report": "report.html",
    "truecast verify mine.yaml": "mine: all checks passed",
    "truecast verify": "sp500-daily: all checks passed",
    "truecast inspect": "clean",
    "truecast doctor data": "expected by XNYS",
    "truecast doctor": "TRUECAST_HOME",
    "truecast run mine.yaml": "No skill shown: har_leverage cannot be told from garch. Its loss "
    "(QLIKE GK) is 6.9% lower",
}


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield the language and the content of each fenced block."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def plain(text: str) -> str:
    """Return text as one line, wherever a terminal broke it, and without versions of bundles."""
    return re.sub(r"\bv[0-9a-f]{12}\b", "VERSION", " ".join(text.split()))


def test_every_command_of_the_readme_runs(tmp_path: Path, finished_run: Any) -> None:
    home = Path(shutil.copytree(finished_run.home, tmp_path / "home"))
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "TRUECAST_HOME": str(home), "PATH": programs, "COLUMNS": "120"}
    said = {}
    for language, content in blocks(README):
        named = re.match(r"# (\S+\.\w+)\n", content)
        if named:
            (tmp_path / named[1]).write_text(content, encoding="utf-8")
        if language != "bash":
            continue
        for command in content.splitlines():
            if not command or command.startswith(STAGE):
                continue
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            said[command] = plain(done.stdout)
    for command, printed in said.items():
        expected = next((PRINTS[start] for start in PRINTS if command.startswith(start)), "")
        assert expected in printed, command
    assert {next(s for s in PRINTS if c.startswith(s)) for c in said if "truecast" in c} == set(
        PRINTS
    )
    shown = next(content for language, content in blocks(README) if language == "text")
    assert plain(shown) in said["truecast predict sp500-daily"]


# --- figures


def tables(text: str) -> Iterator[list[dict[str, str]]]:
    """Yield the rows of each table, by the names of its columns."""
    for found in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        head, _, *rows = (
            [cell.strip().strip("*") for cell in line.strip("|").split("|")]
            for line in found.splitlines()
        )
        yield [dict(zip(head, row, strict=True)) for row in rows]


def agrees(shown: str, value: float) -> bool:
    """Whether a figure is the value to within one unit of its last place."""
    places = len(shown.partition(".")[2])
    return abs(float(shown.replace("−", "-")) - value) <= 1.01 * 10**-places


@pytest.fixture
def slots(finished_run: Any) -> dict[str, Any]:
    return {slot["target"]: slot for slot in finished_run.document["slots"]}


@pytest.mark.parametrize(
    ("target", "figures", "baseline"),
    [
        ("volatility", {"QLIKE GK": "qlike_gk", "QLIKE r²": "qlike_r2"}, "garch"),
        ("price", {"MAPE, %": "mape"}, "naive"),
        ("direction", {"Brier": "brier", "AUC": "auc", "accuracy, %": "accuracy"}, "naive"),
    ],
)
def test_the_figures_of_the_readme_are_those_of_a_run(
    slots: dict[str, Any], target: str, figures: dict[str, str], baseline: str
) -> None:
    first = next(iter(figures))
    (table,) = (table for table in tables(README) if first in table[0])
    slot = slots[target]
    models = {model["name"]: model for model in slot["models"]}
    assert {row["model"] for row in table} == set(models)
    assert f"**{slot['champion']['name']}**" in README
    for row in table:
        model = models[row["model"]]
        assert row["verdict"] == model["verdict"]
        for column, metric in figures.items():
            scale = 100 if metric == "accuracy" else 1
            assert agrees(row[column], scale * model["losses"][metric]), row
        if row.get("better by, %"):
            (one,) = (
                one
                for one in model["versus"]
                if (one["baseline"], one["metric"]) == (baseline, slot["metric"])
            )
            assert agrees(row["better by, %"], one["improvement_pct"]), row
            if "DM" in row:
                assert agrees(row["from"], one["ci95"][0]), row
                assert agrees(row["to"], one["ci95"][1]), row
                assert agrees(row["DM"], one["dm"]), row
            else:
                assert agrees(row["p"], one["p_value"]), row
                assert agrees(row["p × trials"], min(1, one["p_value"] * model["trials"])), row


def test_the_intervals_of_the_readme_are_those_of_a_run(slots: dict[str, Any]) -> None:
    (table,) = (table for table in tables(README) if "Winkler" in table[0])
    for row in table:
        held = slots[row["of"]]["intervals"]
        assert agrees(row["held, %"], 100 * held["coverage"])
        assert agrees(
            row["when volatility was high"], 100 * held["coverage_top_volatility_tercile"]
        )
        assert agrees(row["worst 250 in a row"], 100 * held["min_coverage_250"])
        assert agrees(row["Winkler"], held["winkler"])
        assert (held["crps"] is None) == (row["CRPS"] == "")
        assert not row["CRPS"] or agrees(row["CRPS"], held["crps"])


def test_what_the_readme_says_in_words_is_so(slots: dict[str, Any]) -> None:
    text = plain(README)
    volatility, direction = slots["volatility"], slots["direction"]
    models = {model["name"]: model for model in volatility["models"]}
    champion = models[volatility["champion"]["name"]]
    assert f"{champion['trials']} models had been compared on these sessions" in text
    assert f"The {load_recipe('sp500-daily').evaluate.prior_trials} variants of before" in text
    mine, theirs = champion["losses_by_year"], models["garch"]["losses_by_year"]
    assert len(mine) == 5
    assert all(mine[year] < theirs[year] for year in mine)
    (squared,) = (
        one["improvement_pct"]
        for one in champion["versus"]
        if (one["baseline"], one["metric"]) == ("garch", "qlike_r2")
    )
    (shown,) = re.findall(r"champion's margin over GARCH is ([\d.]+)%", text)
    assert agrees(shown, squared)
    judged = next(m for m in direction["models"] if m["name"] == direction["champion"]["name"])
    (found,) = re.findall(r"AUC is ([\d.]+), with a 95% interval of ([\d.]+) to ([\d.]+)\.", text)
    values = (judged["losses"]["auc"], *judged["auc_ci95"])
    assert all(agrees(one, value) for one, value in zip(found, values, strict=True))


# --- words


def without_fences(page: Path) -> str:
    """Return a page's prose and tables."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere_and_lines_are_short(page: Path) -> None:
    text = without_fences(page)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, part = target.partition("#")
        if "://" in place:
            continue
        linked = page if not place else (page.parent / place).resolve()
        assert linked.exists(), target
        if part:
            headings = re.findall(r"^#+ (.+)$", without_fences(linked), re.MULTILINE)
            assert part in map(anchor, headings), target
    for line in text.splitlines():
        assert len(line) <= 100 or line.startswith("|"), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_recipes_in_the_pages_can_be_read(page: Path) -> None:
    for language, content in blocks(page.read_text(encoding="utf-8")):
        if language == "yaml":
            Recipe.model_validate(yaml.safe_load(content))


def test_the_page_of_recipes_shows_the_shipped_one_as_it_is() -> None:
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    recipes = [
        Recipe.model_validate(yaml.safe_load(content))
        for language, content in blocks(text)
        if language == "yaml"
    ]
    assert load_recipe("sp500-daily").hash in [recipe.hash for recipe in recipes]


def test_the_pages_name_every_setting_and_the_page_of_serving_its_default() -> None:
    named = {name for page in PAGES for name in re.findall(r"`(\w+)[`=]", without_fences(page))}
    fields = {field.alias or f"TRUECAST_{name.upper()}": field for name, field in SETTINGS.items()}
    assert set(fields) <= named
    (table,) = (
        table for table in tables(without_fences(PAGE_OF_SERVING)) if "variable" in table[0]
    )
    shown = {row["variable"].strip("`"): row["default"].strip("`") for row in table}
    own = {
        name: field.default or "none"
        for name, field in fields.items()
        if name.startswith("TRUECAST_LIMIT_") or name in {"TRUECAST_HOSTS", "TRUECAST_CORS_ORIGINS"}
    }
    assert len(own) == 8
    assert {name: shown[name] for name in own} == own


def test_the_page_of_serving_has_the_classes_of_routes() -> None:
    found = [table for table in tables(without_fences(PAGE_OF_SERVING)) if "class" in table[0]]
    (table,) = found
    assert {(row["class"].strip("`"), row["scope"].strip("`")) for row in table} == {
        (of.name, of.scope) for of in CLASSES
    }


def keys_of(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_the_page_of_features_names_all_of_them() -> None:
    text = without_fences(ROOT / "docs" / "features.md")
    assert set(FAMILIES) | set(SETS) <= set(re.findall(r"`([^`]+)`", text))
    counts = {
        name: count.split(", ")[names.split(", ").index(f"`{name}`")]
        for table in tables(text)
        for row in table
        if "features" in row and "set" in row
        for names, count in [(row["set"], row["features"])]
        for name in re.findall(r"`(\w+)`", names)
    }
    assert counts == {name: str(len(members(name))) for name in SETS}


def test_the_page_of_recipes_names_all_that_can_be_said() -> None:
    text = without_fences(ROOT / "docs" / "recipes.md")
    named = set(re.findall(r"`([^`]+)`", text))
    assert set(MODELS) | set(METRICS) <= named
    assert {
        name for kind in MODELS.values() for name in inspect.signature(kind).parameters
    } <= named
    rows = {
        row["target"].strip("`"): row["metrics"]
        for table in tables(text)
        for row in table
        if "metrics" in row
    }
    for target, compared in COMPARED.items():
        said = re.findall(r"`(\w+)`", rows[target])
        assert said[0] == compared[0]
        assert set(said) == {name for name, one in METRICS.items() if target in one.targets}


def test_the_page_of_data_names_all_that_can_be_said_of_sources() -> None:
    text = without_fences(ROOT / "docs" / "data.md")
    bars, rest = text.split("## News")
    sections = re.split(r"^### (\w+)$", bars, flags=re.MULTILINE)[1:]
    of_source = dict(zip(sections[::2], sections[1::2], strict=True))
    assert set(of_source) == set(SOURCES)
    options = {
        "api": ApiOptions, "files": FilesOptions, "oanda": OandaOptions,
        "simulated": SimulatedOptions, "yahoo": YahooOptions,
    }  # fmt: skip
    for name, model in options.items():
        assert keys_of(model) <= set(re.findall(r"`(\w+)`", of_source[name])), name
    of_news = {
        row["source"].strip("`"): set(re.findall(r"`(\w+)`", row["options"]))
        for table in tables(rest)
        for row in table
        if "known from" in row
    }
    assert set(of_news) == set(NEWS_SOURCES)
    said_of_all = {"base_url", "seconds_between_requests"}
    models: dict[str, type[BaseModel]] = {
        "alphavantage": AlphaVantageOptions, "files": NewsFilesOptions,
        "finnhub": FinnhubOptions, "gdelt": GdeltOptions, "rss": RssOptions,
    }  # fmt: skip
    for name, model in models.items():
        assert keys_of(model) - said_of_all == of_news[name], name


def test_the_page_of_data_has_every_check_and_every_reason() -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    (table,) = (table for table in tables(text) if "what it finds" in table[0])
    said = [
        (
            row["check"].strip("`"),
            set(re.findall(r"`(\w+)`", row["default, or else"])),
            re.findall(r"`(\w+)`", row["default, or else"])[0],
            dict(re.findall(r"`(\w+)` ([\d.]+)", row["parameters"])),
        )
        for row in table
    ]
    assert said == [
        (
            one["name"],
            set(one["actions"]),
            one["action"],
            {name: f"{part['default']:g}" for name, part in one["parameters"].items()},
        )
        for one in describe_checks()
    ]
    (table,) = (table for table in tables(text) if "reason" in table[0])
    reasons = [row["reason"].strip("`") for row in table]
    known = Instrument("X", "XNYS", timedelta())
    contracts = [check.reason for check in checks_for(known, datetime.now(UTC))]
    assert reasons == [*contracts, "conflicting_duplicate", "late_vintage", "impossible_action"]


def test_the_page_of_recipes_has_every_key_with_its_default() -> None:
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    (table,) = (table for table in tables(text) if table[0].get("key") == "`name`")
    said = {row["key"].strip("`") for row in table}
    fields = Recipe.model_fields
    assert {key.partition(".")[0] for key in said} == set(fields)
    for part in ("evaluate", "history", "gates"):
        expected = keys_of(fields[part].annotation)  # type: ignore[arg-type]
        assert {key.split(".")[1] for key in said if key.startswith(f"{part}.")} == expected


def keys_in(value: Any) -> Iterator[str]:
    """Yield the keys of a document, but not those that are names of slots, symbols or years."""
    if isinstance(value, list):
        for item in value:
            yield from keys_in(item)
    if isinstance(value, dict):
        for key, item in value.items():
            if re.fullmatch(r"[a-z][a-z0-9_ ]*", key):
                yield key
            yield from keys_in(item)


def test_the_page_of_json_names_every_key_that_a_run_prints(finished_run: Any) -> None:
    text = without_fences(ROOT / "docs" / "json.md")
    named = set(re.findall(r"`([^`]+)`", text)) | set(re.findall(r'"(\w+)"', text))
    assert set(keys_in(finished_run.document)) - named == {"missing_close"}


def test_the_page_of_architecture_has_the_columns_of_the_tables() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (table,) = (table for table in tables(text) if "columns" in table[0])
    columns = {row["table"].strip("`"): row["columns"].split(", ") for row in table}
    assert columns["bronze/index"] == list(BRONZE_INDEX)
    for name, schema in {
        "bronze/failures": FAILURES, "bronze/windows": WINDOWS, "silver/actions": SILVER_ACTIONS,
        "silver/news": SILVER_NEWS, "silver/repairs": REPAIRS,
    }.items():  # fmt: skip
        assert columns[name] == list(schema), name
    assert columns["silver/quarantine"] == list(QUARANTINE)
