"""What many tests need: a home with the sample's bars in it, and small recipes that run fast."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from truecast.cli.app import main
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.database.engine import open_database
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.serving.planning import slots_of
from truecast.serving.workspace import Workspace

# What plays a vendor serves tests of several folders, which cannot import from each other.
sys.path.insert(0, str(Path(__file__).parent))
from served import TARGETS, Trained, prepare
from sharing import made_once
from vendors.server import vendor  # noqa: F401

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


#: `make soak` runs what `make test` samples at its full count.
SOAK = bool(os.environ.get("TRUECAST_SOAK"))
settings.register_profile("sampled", deadline=None, max_examples=60)
settings.register_profile("soak", deadline=None, max_examples=2000)
settings.load_profile("soak" if SOAK else "sampled")


#: Take minutes: begun last, one of them would be run while all other processes have ended. The
#: second begins while the first makes what the third and the fourth wait for.
LONGEST = (
    "e2e/test_command_line.py",
    "unit/benchmarks/test_benchmarks.py",
    "faults/test_kills.py",
    "e2e/test_readme.py",
    "integration/test_agreement.py",
    "faults/test_feed_kills.py",
    "integration/test_openapi.py",
    "unit/cli/test_mlflow_command.py",
    "oracle/test_alpha158_oracles.py",
    "integration/test_stream.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first."""
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


@pytest.fixture(scope="session")
def small_recipe() -> Callable[..., Recipe]:
    """Return a maker of small recipes; keyword arguments replace keys."""
    return lambda **changes: Recipe.model_validate({**SMALL, **changes})


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with all the sample's bars and MLflow's empty tables; not to be written to."""

    def make(home: Path) -> Path:
        recipe = Recipe.model_validate({**SMALL, "context": ["^VIX", "^IXIC", "DCOILWTICO"]})
        workspace = Workspace(Settings(home=home))
        ingest(workspace, recipe)
        workspace.registry.catalogue.listings(slots_of(recipe)[0])  # MLflow's tables take seconds
        return home

    return made_once(tmp_path_factory, "sample", make)


@pytest.fixture
def home(sample_home: Path, tmp_path: Path) -> Path:
    """A home of the test's own, with the sample's bars."""
    return Path(shutil.copytree(sample_home, tmp_path / "home"))


@pytest.fixture
def studies(home: Path) -> Callable[[Recipe], Studies]:
    """Return a maker of studies in the test's own home."""
    return lambda recipe: Studies(Workspace(Settings(home=home)), recipe)


@pytest.fixture(scope="session")
def prepared(
    sample_home: Path,
    small_recipe: Callable[..., Recipe],
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    """A home with two versions of two slots, the earlier ones promoted; not to be changed."""

    def make(folder: Path) -> Trained:
        home = Path(shutil.copytree(sample_home, folder / "home"))
        return prepare(home, small_recipe(targets=TARGETS))

    return made_once(tmp_path_factory, "prepared", make)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a database on PostgreSQL, which tests have one after another."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    try:
        services = pytest.importorskip("_services")
    finally:
        sys.path.pop(0)
    if lacking := services.missing():
        pytest.skip(f"{lacking} is not installed")
    with services.running_postgres() as address:
        yield address
        open_database(address).close()


@dataclass(frozen=True)
class FinishedRun:
    """A home in which the shipped recipe has been run, and what the run printed."""

    home: Path
    document: dict[str, Any]


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Run ``sp500-daily`` once for all tests, as a person does; its home is not to be changed."""

    def make(home: Path) -> tuple[Path, dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "truecast", "run", "sp500-daily", "--json"],
            env={**os.environ, "TRUECAST_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return home, json.loads(done.stdout)

    made, document = made_once(tmp_path_factory, "finished", make)
    # Some ask the same again, which is written into the ledger: not while another one copies it.
    home = Path(shutil.copytree(made, tmp_path_factory.mktemp("finished") / "home"))
    return FinishedRun(home, document)


@dataclass(frozen=True)
class Typed:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Typed]:
    """Return a function that types a command into the program, in this process."""

    def run(*words: str, home: Path) -> Typed:
        monkeypatch.setenv("TRUECAST_HOME", str(home))
        monkeypatch.setattr(sys, "argv", ["truecast", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return Typed(int(stopped.value.code or 0), printed.out, printed.err)

    return run
