"""The frame of the project: what make offers, and what the lock files promise."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("base", "test")
INTERNAL = {"base-environment", "test-environment"}
SET_BY_HAND = ("PYTHON", "RECIPE", "BENCH", "ARGS")


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run make as from a fresh shell, even where these tests themselves run under make."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in SET_BY_HAND and not name.startswith(("MAKE", "MFLAGS", "GNUMAKEFLAGS"))
    }
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Read a lock file: requirement with its marker, to its version and hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    entries = {}
    for entry in body.replace("\\\n", " ").strip().splitlines():
        pin, *hashes = entry.split(" --hash=")
        requirement = Requirement(pin)
        version = str(requirement.specifier).removeprefix("==")
        key = f"{canonicalize_name(requirement.name)};{requirement.marker or ''}"
        entries[key] = (version, frozenset(value.strip() for value in hashes))
    return entries


def declared() -> dict[str, Requirement]:
    """Requirements of the project itself, by canonical name; not those of its extras."""
    parsed = map(Requirement, PYPROJECT["project"]["dependencies"])
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


# --- targets


def test_help_is_the_default_and_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    targets = set(phony[1].replace("\\\n", " ").split()) - INTERNAL
    shown = make().stdout
    assert set(re.findall(r"^  ([a-z-]+) {2,}\S", shown, re.MULTILINE)) == targets
    assert {"demo", "test", "lint", "serve", "bench", "setup", "prepare", "clean"} <= targets
    assert make("help").stdout == shown


@pytest.mark.parametrize(
    ("target", "call"),
    [
        ("prepare", "build sp500-daily"),
        ("train", "train sp500-daily"),
        ("register", "promote sp500-daily"),
        ("inference", "predict sp500-daily"),
        ("evaluate", "evaluate sp500-daily"),
        ("serve", "serve"),
    ],
)
def test_a_stage_ends_in_one_call_of_the_command_line(target: str, call: str) -> None:
    dry = make("-n", target)
    assert (dry.returncode, dry.stderr) == (0, "")
    lines = dry.stdout.splitlines()
    assert lines[0] == "python3 scripts/environment.py  base"
    assert lines[1:] == [f".venv/bin/truecast {call}"]


def test_the_demo_runs_replays_and_says_where_everything_is() -> None:
    lines = make("-n", "demo").stdout.splitlines()
    assert [line for line in lines if line.startswith(".venv/")] == [
        ".venv/bin/truecast run sp500-daily",
        ".venv/bin/truecast replay sp500-daily --from 2018-01-01 --to 2018-12-31",
    ]
    assert "http://127.0.0.1:8000/docs" in lines[-2]


def test_a_stage_takes_another_recipe() -> None:
    dry = make("-n", "train", "RECIPE=gold")
    assert dry.stdout.splitlines()[-1] == ".venv/bin/truecast train gold"


def test_a_python_named_by_hand_is_the_one_that_is_used() -> None:
    dry = make("-n", "demo", "PYTHON=python3.12")
    assert dry.stdout.splitlines()[0] == "python3.12 scripts/environment.py --exactly base"


def test_lint_runs_all_four_tools_and_soak_asks_for_the_long_counts() -> None:
    commands = make("-n", "lint").stdout
    assert re.findall(r"ruff check|ruff format --check|mypy|lint-imports", commands) == [
        "ruff check",
        "ruff format --check",
        "mypy",
        "lint-imports",
    ]
    soak = make("-n", "soak").stdout.splitlines()[-1].strip()
    spread = "--numprocesses=auto --dist=loadfile --no-loadscope-reorder"
    assert soak == f"TRUECAST_SOAK=1 .venv/bin/python -m pytest {spread}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with this Makefile, whose truecast knows only ``promote``."""
    folder = tmp_path / "a checkout"
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "environment.py").write_text("")
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks" / "merge.py").write_text("")
    (folder / "benchmarks" / "_timing.py").write_text("")
    command = folder / ".venv" / "bin" / "truecast"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\ntest "$1" = promote || exit 2\necho "called: $*"\n')
    command.chmod(0o755)
    shutil.copy(ROOT / "Makefile", folder)
    return folder


def test_a_command_that_exists_is_called(checkout: Path) -> None:
    register = make("register", "RECIPE=gold", folder=checkout)
    assert register.returncode == 0
    assert register.stdout.splitlines()[-1] == "called: promote gold"


@pytest.mark.parametrize("arguments", [(), ("BENCH=featurs",)])
def test_bench_lists_the_names_it_knows(checkout: Path, arguments: tuple[str, ...]) -> None:
    bench = make("bench", *arguments, folder=checkout)
    assert bench.returncode == 2
    assert "make bench BENCH=name. Names: merge\n" in bench.stderr


# --- lock files


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_requirement_is_exact_and_has_hashes(name: str) -> None:
    entries = locked(name)
    assert len(entries) > 40
    for requirement, (version, hashes) in entries.items():
        assert re.fullmatch(r"[0-9][0-9a-z.]*", version), requirement
        assert hashes, requirement
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", value) for value in hashes), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_names_no_index_and_no_place_on_a_machine(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert text.startswith("# This file was autogenerated by uv via the following command:\n")
    assert text.splitlines()[1].strip("# ") == "make lock"
    for foreign in ("://", "index-url", "find-links", "/", "@"):
        assert foreign not in text


def test_the_base_environment_is_a_part_of_the_test_environment() -> None:
    base, test = locked("base"), locked("test")
    # What one system needs for running, all may need for testing.
    everywhere = {f"{key.split(';')[0]};" for key in base} & test.keys()
    for key, pin in base.items():
        name = f"{key.split(';')[0]};"
        assert test[name if name in everywhere else key] == pin, key
    assert {"pytest;", "mypy;", "ruff;"} <= test.keys() - base.keys()
    assert {"hatchling;", "editables;"} <= base.keys()


@pytest.mark.parametrize("name", LOCKS)
def test_the_default_install_brings_no_torch_and_no_cuda(name: str) -> None:
    assert [key for key in locked(name) if key.startswith(("torch", "nvidia", "triton"))] == []


def test_the_base_lock_satisfies_what_the_project_declares() -> None:
    entries = locked("base")
    for name, requirement in declared().items():
        versions = [version for key, (version, _) in entries.items() if key.split(";")[0] == name]
        assert versions, f"{name} is not in requirements/base.txt: make lock"
        assert all(version in requirement.specifier for version in versions), name


# --- declarations


def imported(folder: Path) -> set[str]:
    """Top-level packages that the modules in a folder import, wherever in the module."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"truecast"}


def test_what_the_source_imports_is_declared() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    known = declared().keys() | {
        canonicalize_name(Requirement(text).name) for extra in extras for text in extra
    }
    distributions = packages_distributions()
    for package in imported(ROOT / "src"):
        names = {canonicalize_name(name) for name in distributions.get(package, [package])}
        assert names & known, f"{package} is imported but not in pyproject.toml"


def test_the_extra_all_holds_every_other() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    (whole,) = (Requirement(text) for text in extras["all"])
    assert whole.name == "truecast"
    assert whole.extras == extras.keys() - {"all"}


def test_the_commit_hooks_need_no_remote_repository() -> None:
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in configuration["repos"]] == ["local"]
    hooks = configuration["repos"][0]["hooks"]
    assert {hook["id"] for hook in hooks} == {"ruff", "ruff-format", "mypy", "lint-imports"}
    assert all(hook["language"] == "system" for hook in hooks)


def test_the_gate_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


# --- scripts/environment.py


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The set-up script, turned to an empty folder, with a pip that only notes what it was told."""
    spec = importlib.util.spec_from_file_location("environment", ROOT / "scripts/environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "base.txt").write_text("numpy==2.0.0\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "calls", [], raising=False)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.setattr(module, "run", lambda *command: module.calls.append(command))
    return module


def test_the_environment_is_installed_once_with_hashes(environment: ModuleType) -> None:
    environment.ensure_installed("base")
    packages, project = environment.calls
    lock = str(environment.ROOT / "requirements" / "base.txt")
    assert packages[-3:] == ("--require-hashes", "--requirement", lock)
    assert project[-4:-1] == ("--no-deps", "--no-build-isolation", "--editable")
    environment.ensure_installed("base")
    assert len(environment.calls) == 2


@pytest.mark.parametrize("changed", ["requirements/base.txt", "pyproject.toml"])
def test_the_environment_follows_its_files(environment: ModuleType, changed: str) -> None:
    environment.ensure_installed("base")
    with (environment.ROOT / changed).open("a") as file:
        file.write("# changed\n")
    environment.ensure_installed("base")
    assert len(environment.calls) == 4


def test_a_failed_installation_is_tried_again(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*command: str) -> None:
        raise subprocess.CalledProcessError(1, command)

    with monkeypatch.context() as broken:
        broken.setattr(environment, "run", fail)
        with pytest.raises(subprocess.CalledProcessError):
            environment.ensure_installed("base")
    environment.ensure_installed("base")
    assert len(environment.calls) == 2


def test_pip_gets_its_turn_where_uv_fails(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*command: str) -> None:
        environment.calls.append(command)
        if command[0] == "uv":
            raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(environment, "run", run)
    monkeypatch.setattr(environment.shutil, "which", lambda name: name)
    environment.fetch(Path("base.txt"))
    assert [command[0] for command in environment.calls] == ["uv", str(environment.PYTHON)]
    assert environment.calls[0][-4:] == environment.calls[1][-4:]
