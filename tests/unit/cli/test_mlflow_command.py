"""``truecast mlflow``: on this machine alone, and gone when it is told to end."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from truecast.cli.mlflow import mlflow
from truecast.core.errors import TruecastError, UsageError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRUECAST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "home"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.com"])  # noqa: S104
def test_an_address_that_others_reach_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="MLflow asks nobody for a key"):
        mlflow(host=host, port=5001)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TruecastError, match=rf"127\.0\.0\.1:{port} cannot be listened on"):
            mlflow(host="127.0.0.1", port=port)


def test_a_server_that_is_there_already_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example.com")
    mlflow(host="127.0.0.1", port=5001)
    assert capsys.readouterr().out == (
        "MLflow runs on a server already: https://me:***@mlflow.example.com\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_it_answers_and_ends_with_its_server(home: Path) -> None:
    port = free_port()
    script = "import typer; from truecast.cli.mlflow import mlflow; typer.run(mlflow)"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        found = _ask(f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search?max_results=5")
        assert [one["name"] for one in found["experiments"]] == ["Default"]
        assert (home / "mlflow.db").exists()
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.startswith(f"MLflow at http://127.0.0.1:{port}")
    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", port)) != 0


def _ask(url: str) -> dict[str, list[dict[str, str]]]:
    end = time.monotonic() + 90
    while True:
        try:
            return dict(httpx.get(url, timeout=5).json())
        except httpx.TransportError:
            if time.monotonic() > end:
                raise
            time.sleep(0.3)
