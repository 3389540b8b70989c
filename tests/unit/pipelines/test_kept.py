"""What a worker keeps: the same rows to the byte, and never more bytes than it may."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.datasets.assembly import Dataset
from truecast.lake.lake import Lake
from truecast.pipelines import fanout
from truecast.pipelines.fanout import Errand
from truecast.pipelines.kept import Kept, held_bytes
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.serving.workspace import Workspace

SMALL = {
    "name": "kept",
    "instruments": [f"SIM{place:03}" for place in range(1, 6)],
    "source": {"simulated": {"start": "2019-01-02", "end": "2020-12-31"}},
    "features": ["log_return_1", "return_sd_22"],
    "targets": {"return": {"models": ["ridge"]}},
}
RECIPE = Recipe.model_validate(SMALL)
MOMENT = datetime(2021, 6, 1, tzinfo=UTC)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Symbols of the datasets that are built from now on; nothing is kept yet."""
    monkeypatch.setattr(fanout, "_KEPT", Kept())
    symbols: list[str] = []
    honest = Workspace.dataset

    def build(self: Workspace, recipe: Recipe, symbol: str) -> Dataset:
        symbols.append(symbol)
        return honest(self, recipe, symbol)

    monkeypatch.setattr(Workspace, "dataset", build)
    return symbols


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    ingest(Workspace(Settings(home=folder)), RECIPE)
    return folder


def errand(home: Path, symbol: str, recipe: Recipe = RECIPE, minutes: int = 0) -> Errand:
    told = Settings(home=home, workers=1)
    said = recipe.model_dump(mode="json", by_alias=True)
    return Errand(told, said, symbol, MOMENT + timedelta(minutes=minutes))


def rows(studies: Studies, symbol: str) -> bytes:
    dataset = studies.researcher(symbol).dataset
    parts = (dataset.X, dataset.decisions.as_of, dataset.outcomes(1).log_return)
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


def test_the_second_errand_has_the_rows_of_the_first(home: Path, built: list[str]) -> None:
    fresh = rows(Studies(Workspace(Settings(home=home)), RECIPE), "SIM001")
    assert built == ["SIM001"]
    first = rows(errand(home, "SIM001").open(), "SIM001")
    again = rows(errand(home, "SIM001", minutes=5).open(), "SIM001")
    assert first == again == fresh
    assert built == ["SIM001"] * 2
    # Another instrument, recipe or home has rows of its own.
    other = rows(errand(home, "SIM002").open(), "SIM002")
    assert other != first
    errand(home, "SIM001", RECIPE.model_copy(update={"context": ("SIM003",)})).open()
    assert built[2:] == ["SIM002", "SIM001"]


def test_a_lake_that_has_changed_is_read_again(
    home: Path, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    errand(home, "SIM001").open()
    honest = Lake.versions
    monkeypatch.setattr(Lake, "versions", lambda self: {**honest(self), "silver/bars": 99})
    errand(home, "SIM001").open()
    assert built == ["SIM001", "SIM001"]


def test_the_bound_holds_and_the_one_used_longest_ago_goes_first(
    home: Path, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = held_bytes(Workspace(Settings(home=home)).dataset(RECIPE, "SIM001"))
    built.clear()
    kept = Kept(int(2.5 * one))
    monkeypatch.setattr(fanout, "_KEPT", kept)
    for symbol in ("SIM001", "SIM002", "SIM001", "SIM003", "SIM001", "SIM002"):
        rows(errand(home, symbol).open(), symbol)
        assert kept.bytes <= kept.most
    assert built == ["SIM001", "SIM002", "SIM003", "SIM002"]
    assert len(kept) == 2
    # One that is too large by itself is given out, and not kept.
    monkeypatch.setattr(fanout, "_KEPT", Kept(one // 2))
    errand(home, "SIM001").open()
    assert len(fanout._KEPT) == 0


def test_bytes_are_those_of_the_arrays_each_counted_once(home: Path) -> None:
    dataset = Workspace(Settings(home=home)).dataset(RECIPE, "SIM001")
    frame = dataset.market.bars.versions
    decisions = vars(dataset.decisions).values()
    least = dataset.X.nbytes + sum(one.nbytes for one in decisions) + frame.estimated_size()
    assert least <= held_bytes(dataset) <= 4 * least
    assert held_bytes([dataset]) == 0  # only what datasets are made of is looked into
    twice = {1: dataset, 2: replace(dataset, ranged=False), 3: dataset.last(10)}
    assert held_bytes(twice) == held_bytes({1: dataset})
    view = np.zeros(1000)[:2]
    assert held_bytes(view) == 8000


def test_columns_made_later_count_when_the_next_is_kept(home: Path) -> None:
    dataset = Workspace(Settings(home=home)).dataset(RECIPE, "SIM001")
    kept = Kept()
    kept.get("a", lambda: dataset)
    before = kept.bytes
    dataset.outcomes(5)
    assert kept.bytes > before
