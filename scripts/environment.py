"""Make ``.venv`` hold what a lock file says, and do nothing where it already does.

Run by the Makefile with whatever Python the machine has; needs only the standard library. Every
package comes from ``requirements/<name>.txt`` and is checked against its SHA-256; the project
itself is installed editable, without dependencies and without build isolation, so nothing that
is not in the lock file is ever fetched. uv is used where it is installed, pip where it is not.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MINIMUM = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def main() -> int:
    """Bring the environment up to date with the lock files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("locks", nargs="+", metavar="LOCK", help="base or test")
    parser.add_argument(
        "--exactly", action="store_true", help="rebuild .venv if it is of another Python than this"
    )
    arguments = parser.parse_args()
    if sys.version_info < MINIMUM:
        found = ".".join(map(str, sys.version_info[:3]))
        say(f"Truecast needs Python 3.11 or newer, and {sys.executable} is {found}.")
        say("Name another: make PYTHON=python3.12 ...")
        return 2
    try:
        with alone():
            ensure_venv(exactly=arguments.exactly)
            for lock in arguments.locks:
                ensure_installed(lock)
    except subprocess.CalledProcessError as error:
        say(f"Could not set up {VENV.name} (exit code {error.returncode}); the reason is above.")
        return 1
    return 0


def say(line: str) -> None:
    """Print one line for people."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def alone() -> Iterator[None]:
    """Let a second ``make`` wait until the first has set up, where the system can lock files."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_venv(*, exactly: bool) -> None:
    """Create ``.venv`` if it is missing or broken, or of another Python than was asked for."""
    version = venv_version()
    wanted = sys.version_info[:2]
    if version is not None and (version == wanted or (version >= MINIMUM and not exactly)):
        return
    say(f"Creating .venv with Python {wanted[0]}.{wanted[1]}")
    run(sys.executable, "-m", "venv", "--clear", str(VENV))


def venv_version() -> tuple[int, ...] | None:
    """Return major and minor version of the Python in ``.venv``; None if it does not run."""
    question = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.check_output([PYTHON, "-c", question], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(map(int, answer.split()))


def ensure_installed(lock: str) -> None:
    """Install one lock file and the project, unless that very state is already there."""
    stamp = VENV / f".truecast-{lock}"
    state = fingerprint(lock)
    if stamp.exists() and stamp.read_text() == state:
        return
    say(f"Installing requirements/{lock}.txt")
    fetch(ROOT / "requirements" / f"{lock}.txt")
    pip_install("--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    stamp.write_text(state)


def fingerprint(lock: str) -> str:
    """Hash all that an installation depends on: lock file, project metadata, and the folder.

    The folder counts because an editable installation points to it: a checkout that was moved
    would otherwise go on importing from where it used to be.
    """
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (ROOT / "requirements" / f"{lock}.txt", ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def fetch(requirements: Path) -> None:
    """Install a lock file by uv where there is one, else by pip.

    pip also gets its turn where uv fails: a mirror may be configured for pip alone.
    """
    what = ("--quiet", "--require-hashes", "--requirement", str(requirements))
    uv = shutil.which("uv")
    if uv is not None:
        try:
            run(uv, "pip", "install", "--python", str(PYTHON), *what)
            return
        except subprocess.CalledProcessError:
            say("uv could not install; trying pip")
    pip_install(*what)


def pip_install(*what: str) -> None:
    """Install by the pip of ``.venv``."""
    run(str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *what)


def run(*command: str) -> None:
    """Run a command in the checkout; its output goes to standard error."""
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
