"""What takes long is made once, by one of the processes that run the tests together."""

import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
#: Seconds after which a process that was to make it is taken to have been killed.
PATIENCE = 900


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """Return what is made in a folder, waiting for it where another process is making it.

    Parameters
    ----------
    factory : TempPathFactory
        Of this process.
    name : str
        Of what is made, for this run of the tests.
    make : callable
        From the folder, which is there and empty; returns what can be pickled.
    """
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"shared-{name}"
    made = folder.with_suffix(".pickle")
    try:
        folder.mkdir()
    except FileExistsError:
        until = time.monotonic() + PATIENCE
        while not made.exists():
            assert time.monotonic() < until, f"{name} was not made within {PATIENCE} seconds"
            time.sleep(0.1)
        found: T | str = pickle.loads(made.read_bytes())  # noqa: S301 - written here, in this run
        assert not isinstance(found, str), f"another process could not make {name}: {found}"
        return found
    written: object = "it was interrupted"
    try:
        written = make(folder)
        return written  # type: ignore[return-value]
    except Exception as error:
        written = repr(error)
        raise
    finally:
        whole = made.with_suffix(".part")
        whole.write_bytes(pickle.dumps(written))
        whole.replace(made)
