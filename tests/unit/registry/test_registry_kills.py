"""Processes killed in the middle, and several at once: one version, one champion, one alias."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from tests.unit.registry.conftest import MODEL, SLOT, register

from truecast.core.settings import Settings
from truecast.registry.catalogue import Catalogue
from truecast.registry.connection import Connection, prepare_environment
from truecast.registry.registry import Registry, open_registry

#: What a kill is placed before or after, and how many versions there are when the next process
#: registers another bundle: 2 if the killed one's was complete enough to be kept.
REGISTERING = {
    ("mlflow.MlflowClient.log_batch", "before"): 1,
    ("mlflow.MlflowClient.log_artifacts", "after"): 1,
    ("mlflow.MlflowClient.create_registered_model", "after"): 1,
    ("mlflow.MlflowClient.create_model_version", "before"): 1,
    ("mlflow.MlflowClient.create_model_version", "after"): 2,
    ("truecast.registry.mirror.add_version", "before"): 2,
    ("truecast.registry.mirror.add_version", "after"): 2,
}
#: The same for a promotion, and whether it has happened.
PROMOTING = {
    ("truecast.registry.registry.add_promotion", "before"): False,
    ("truecast.registry.registry.add_promotion", "after"): False,
    ("mlflow.MlflowClient.set_registered_model_alias", "before"): True,
    ("mlflow.MlflowClient.set_registered_model_alias", "after"): True,
}


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _place_kill(point: tuple[str, str]) -> None:
    """Let this process kill itself before or after a function is called."""
    import importlib

    where, name = point[0].rsplit(".", 1)
    try:
        owner: Any = importlib.import_module(where)
    except ModuleNotFoundError:
        module, kind = where.rsplit(".", 1)
        owner = getattr(importlib.import_module(module), kind)
    original = getattr(owner, name)

    def after(*words: Any, **named: Any) -> None:
        original(*words, **named)
        _die()

    setattr(owner, name, _die if point[1] == "before" else after)


def _register(home: Path, alpha: float, point: tuple[str, str]) -> None:
    _place_kill(point)
    register(open_registry(Settings(home=home)), alpha)


def _promote(home: Path, version: str, point: tuple[str, str]) -> None:
    _place_kill(point)
    open_registry(Settings(home=home)).promote(SLOT, version, reason="")


def _both(home: Path, alpha: float) -> None:
    registry = open_registry(Settings(home=home))
    registry.promote(SLOT, register(registry, alpha), reason="")


@pytest.fixture(scope="module")
def processes() -> Iterator[ForkServerContext]:
    """Processes that have imported MLflow when they begin."""
    if not hasattr(os, "fork"):
        pytest.skip("needs processes that fork")
    prepare_environment()
    context = get_context("forkserver")
    context.set_forkserver_preload(
        [
            "mlflow.pyfunc",
            "mlflow.store.tracking.sqlalchemy_store",
            "mlflow.store.model_registry.sqlalchemy_store",
            "truecast.registry.registry",
        ]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[3])  # where they find this module
        yield context


@pytest.fixture
def killed(processes: ForkServerContext) -> Callable[..., None]:
    """Return a function that runs another one in a process that kills itself."""

    def run(work: Callable[..., None], *words: Any) -> None:
        process = processes.Process(target=work, args=words)
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL

    return run


def check_agreement(home: Path) -> None:
    """Hold rows, runs, model versions and the alias against each other."""
    registry = open_registry(Settings(home=home))
    rows = {one.mlflow_version: one.mlflow_run for one in registry.versions(SLOT)}
    listed = {one.version: one.run for one in Catalogue(Settings(home=home)).listings(SLOT)}
    assert rows == listed
    assert len(set(rows.values())) == len(rows)
    with Connection(Settings(home=home)).open() as client:
        experiment = client.get_experiment_by_name("gold@sample").experiment_id
        runs = {run.info.run_id: run.info.status for run in client.search_runs([experiment])}
    assert {run for run, status in runs.items() if status == "FINISHED"} == set(rows.values())
    assert set(runs.values()) <= {"FINISHED", "KILLED"}
    champions = registry.champions()
    if champions:
        shown = registry.find(SLOT, champions[0].version).mlflow_version
        assert registry.catalogue.champion(MODEL) == shown


@pytest.mark.parametrize("point", REGISTERING, ids=".".join)
def test_a_killed_registration_is_completed_or_ended_by_the_next(
    home: Path, killed: Callable[..., None], point: tuple[str, str]
) -> None:
    killed(_register, home, 1.0, point)
    for alpha, names in {
        1.0: ["ridge-1.0"],
        2.0: ["ridge-1.0", "ridge-2.0"][-REGISTERING[point] :],
    }.items():
        copy = Path(shutil.copytree(home, home.with_name(f"home-{alpha}")))
        registry = open_registry(Settings(home=copy))
        assert registry.versions(SLOT) == []
        version = register(registry, alpha)
        assert registry.versions(SLOT)[-1].version == version
        kept = registry.versions(SLOT)
        assert [one.name for one in kept] == names
        assert [f"best of {one.metrics['mape']}" for one in kept] == [one.reason for one in kept]
        registry.promote(SLOT, version, reason="")
        check_agreement(copy)


@pytest.mark.parametrize("point", PROMOTING, ids=".".join)
def test_a_killed_promotion_has_happened_or_has_not(
    registry: Registry, home: Path, killed: Callable[..., None], point: tuple[str, str]
) -> None:
    first, second = register(registry), register(registry, 2.0)
    registry.promote(SLOT, first, reason="")
    killed(_promote, home, second, point)
    assert registry.champion(SLOT).version == (second if PROMOTING[point] else first)
    registry.reconcile()
    check_agreement(home)
    registry.promote(SLOT, second, reason="")
    assert [one.version for one in registry.standing(SLOT)] == [second, first]
    check_agreement(home)


def test_four_processes_at_once_make_each_version_once(
    home: Path, processes: ForkServerContext
) -> None:
    alphas = [1.0, 2.0, 1.0, 3.0, 2.0, 1.0, 3.0, 1.0]
    with ProcessPoolExecutor(4, mp_context=processes) as pool:
        list(pool.map(_both, [home] * len(alphas), alphas))
    registry = open_registry(Settings(home=home))
    assert sorted(one.name for one in registry.versions(SLOT)) == [
        "ridge-1.0",
        "ridge-2.0",
        "ridge-3.0",
    ]
    assert len(registry.champions()) == 1
    check_agreement(home)
