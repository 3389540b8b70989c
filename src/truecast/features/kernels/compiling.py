"""How kernels are compiled, and where the machine code is kept.

Compiled code is cached on disk by the text of every module that it was made of. Numba by itself
asks only for the time stamp and size of the one file a function is in: it would go on using code
made from an older helper, and files of a wheel all have the same time stamp.
"""

import inspect
import os
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError  # what numba's cache raises; nothing is pickled here
from types import ModuleType
from typing import Any

import numpy as np
from numba import float64, from_dtype, int64, njit
from numba.core import config

from truecast.core.hashing import sha256_of
from truecast.features.declaration import ROWS

#: Arguments of a kernel of features before those that are named as its families.
FIRST = 5


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a loop that Python calls, at its first use; it releases the interpreter."""
    return _compiled(function, nogil=True)


def helper(function: Callable[..., Any]) -> Any:
    """Compile what only kernels call: without a way in from Python, in two thirds of the time."""
    return _compiled(function, no_cpython_wrapper=True)


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    options |= {"cache": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    before = config.CACHE_DIR  # type: ignore[attr-defined]
    config.CACHE_DIR = str(_folder(function))  # type: ignore[attr-defined]
    try:
        return njit(**options)(function)
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined]


def compile_for(compiled: Any, dtype: type[np.floating[Any]]) -> None:
    """Compile a kernel of features for a type of result, or load it from the cache on disk."""
    asked = len(inspect.signature(compiled.py_func).parameters) - FIRST
    inputs, outputs = float64[:, ::1], from_dtype(np.dtype(dtype))[:, ::1]
    signature = (inputs, int64, int64, outputs, int64, *[int64[:, ::1]] * asked)
    try:
        compiled.compile(signature)
    except (EOFError, UnpicklingError, ValueError):
        # A file of the cache was cut short: whatever was kept is made again.
        for folder in _base().glob("[0-9a-f]" * 16):
            shutil.rmtree(folder, ignore_errors=True)
        compiled.compile(signature)


def is_cached(compiled: Any) -> bool:
    """Whether a kernel has been compiled on this machine; never a promise, only a guess."""
    function = compiled.py_func
    return any(_folder(function).rglob(f"*{function.__name__}-*.nbi"))


def _folder(function: Callable[..., Any]) -> Path:
    return _base() / _sources_hash(function)[:16]


def _base() -> Path:
    """Return the folder that ``NUMBA_CACHE_DIR`` names, or one of the user's."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return Path(named)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "truecast" / "kernels"


def _sources_hash(function: Callable[..., Any]) -> str:
    module = inspect.getmodule(function)
    found = {"": ",".join(ROWS)}  # their places are compiled in
    _collect(module, vars(module), found)
    return sha256_of("\n".join(found[name] for name in sorted(found)))


def _collect(module: ModuleType | None, names: dict[str, Any], found: dict[str, str]) -> None:
    """Gather the text of a module, and of those whose kernels it uses."""
    if module is None or module.__name__ in found or module.__file__ is None:
        return
    # Numbers that come from elsewhere are compiled in, too.
    numbers = {name: value for name, value in names.items() if isinstance(value, int | float)}
    found[module.__name__] = f"{_text(module.__file__)}{sorted(numbers.items())}"
    for value in list(names.values()):
        used = getattr(value, "py_func", None)
        if used is not None:
            other = inspect.getmodule(used)
            _collect(other, vars(other), found)


@lru_cache(maxsize=64)
def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
