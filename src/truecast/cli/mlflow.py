"""The command that opens MLflow's pages on the runs and models of a home."""

import os
import signal
import subprocess
import sys
from typing import Annotated

import typer

from truecast.cli.output import console
from truecast.core.errors import UsageError
from truecast.core.loopback import is_loopback, listening
from truecast.core.settings import Settings, load_settings

#: How long the server may take to end before it is killed.
PATIENCE_SECONDS = 15


def mlflow(
    host: Annotated[
        str, typer.Option("--host", help="An address that only this machine reaches.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 5001,
) -> None:
    """Open MLflow's pages on every run, version and champion. Ctrl-C ends them."""
    from truecast.registry.connection import is_server

    settings = load_settings()
    if is_server(settings.tracking_uri):
        shown, _ = settings.origins()["MLFLOW_TRACKING_URI"]
        _say(f"MLflow runs on a server already: {shown}")
        return
    _require_free(host, port)
    _say(f"MLflow at http://{f'[{host}]' if ':' in host else host}:{port}, in a few seconds")
    raise typer.Exit(_run(settings, host, port))


def _run(settings: Settings, host: str, port: int) -> int:
    """Run the server until it ends or is told to; return its exit code."""
    command = ["server", "--host", host, "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "mlflow", *command, "--no-serve-artifacts"],
        env=_environment(settings),
        # Ctrl-C is passed on once; in the terminal's own group the server would hear it twice.
        start_new_session=True,
    )
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        return server.wait()
    except KeyboardInterrupt:
        server.terminate()
        return 0
    finally:
        _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    try:
        server.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()


def _environment(settings: Settings) -> dict[str, str]:
    """Say where runs and models are: a command could be read by others, with its password."""
    from truecast.registry.connection import artifacts_of, prepare_environment

    prepare_environment()
    return {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": settings.tracking_uri,
        "MLFLOW_REGISTRY_STORE_URI": settings.registry_uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": artifacts_of(settings),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _require_free(host: str, port: int) -> None:
    """Refuse an address that others reach, or that another program has."""
    if not is_loopback(host):
        raise UsageError(
            f"--host {host}: expected 127.0.0.1, localhost, ::1. MLflow asks nobody for a key, so "
            "whoever reached another address could change runs and models; to see it from "
            f"elsewhere, forward a port: ssh -L {port}:127.0.0.1:{port} HOST"
        )
    with listening(host, port):
        pass  # MLflow listens on it itself


def _say(text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)
