"""A recipe's bars and news, taken in together."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.pipelines import stages
from truecast.pipelines.intake import examples_of, take_in
from truecast.serving.workspace import Workspace
from truecast.sources.base import SourceError

NEWS = """{"title": "Gold rises", "published_at": "2024-01-05T10:00:00Z", "url": "https://x.test/1"}
{"title": "Gold falls", "published_at": "2024-01-05T11:00:00Z", "url": "https://x.test/2"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "A.csv").write_text("date,close\n2024-01-04,1\n2024-01-05,2\n")
    (tmp_path / "prices" / "B.csv").write_text("date,close\n2024-01-04,1\n2024-01-05,many\n")
    (tmp_path / "news.ndjson").write_text(NEWS)
    return tmp_path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(Settings(home=tmp_path / "home"))


def recipe(folder: Path, *instruments: str) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "mine",
            "instruments": instruments,
            "source": {"files": {"path": str(folder / "prices")}},
            "news": [{"files": {"path": str(folder / "news.ndjson")}}],
            "features": ["daily"],
            "targets": {"price": {"models": ["ridge"]}},
        }
    )


def test_news_come_in_beside_the_bars_and_once(workspace: Workspace, folder: Path) -> None:
    mine = recipe(folder, "A")
    told: list[str] = []
    intake = take_in(workspace, mine, lambda name, _so_far: told.append(name))
    (name,) = intake.news
    assert (intake.series["A"].added, intake.news[name].added) == (2, 2)
    assert set(told) == {"A", name}
    titles = workspace.lake.news(name).known()["title"]
    assert sorted(titles) == ["Gold falls", "Gold rises"]
    again = take_in(workspace, mine)
    assert (again.series["A"].added, again.news[name].added) == (0, 0)
    assert examples_of(workspace, mine, again)[name].quarantined == {}


def test_what_cannot_be_had_stops_nothing_but_a_run(workspace: Workspace, folder: Path) -> None:
    mine = recipe(folder, "B", "A")
    (folder / "news.ndjson").write_text("{")
    intake = take_in(workspace, mine)
    (news,) = intake.news
    assert set(intake.failed) == {"B", news}
    assert "line 3" in intake.failed["B"]
    assert intake.series["A"].added == 2
    with pytest.raises(SourceError, match=r"B: .*line 3"):
        stages.ingest(workspace, mine)


def test_only_what_is_missing_is_fetched(workspace: Workspace, folder: Path) -> None:
    first = stages.fetch_missing(workspace, recipe(folder, "A"))
    assert (first.series["A"].added, first.news) == (2, {})
    assert stages.fetch_missing(workspace, recipe(folder, "A")).series == {}


def test_the_terminal_and_the_page_tell_news_from_bars(
    folder: Path, tmp_path: Path, typed: Callable[..., Any]
) -> None:
    (folder / "prices" / "A.csv").write_text(
        "date,close,volume\n2024-01-02,1,5\n2024-01-03,,5\n2024-01-04,2,-1\n2024-01-05,2,0\n"
    )
    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "name": "mine",
                "instruments": ["A"],
                "source": {"files": {"path": str(folder / "prices")}},
                "news": [{"files": {"path": str(folder / "news.ndjson")}}],
                "features": ["log_return_1"],
                "targets": {"price": {"models": ["ridge"]}},
            }
        )
    )
    page = tmp_path / "ingest.html"
    done = typed("ingest", str(path), "--html", str(page), home=tmp_path / "home")
    assert done.code == 0, done.err
    bars, news = done.out.split("News")
    assert bars.split("─")[-1].split()[:7] == ["A", "4", "2", "0", "0", "2", "0"]
    (row,) = (line for line in news.splitlines() if line.startswith("newsfiles-"))
    assert row.split()[1:] == ["2", "2", "0", "0", "0", "0"]
    assert "A: kept out: 1 missing_close, 1 negative_volume" in done.out
    of_bars, of_news = page.read_text("utf-8").split('<section class="card"')[1:]
    assert ">news</span>" in of_news
    assert ">news</span>" not in of_bars
    assert "splits and dividends" in of_bars
    assert "splits and dividends" not in of_news
