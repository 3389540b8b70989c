"""Compile the kernels of features ahead of their first use: once a machine, on all cores.

Numba compiles one function at a time in a process, so others help, and leave what they made in the
cache on disk.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from inspect import signature
from queue import Queue

import numpy as np

from truecast.core.progress import SILENT, Progress
from truecast.core.threads import available_cores
from truecast.features.declaration import FeatureError
from truecast.features.groups import kernel_of
from truecast.features.plan import FeaturePlan

#: Fewer kernels than this are not worth another process.
FEW = 4
_PROGRAM = "import truecast.features.warmup as w; w.compile_as_told()"


def warm_up(plan: FeaturePlan, progress: Progress = SILENT) -> None:
    """Make all kernels of a plan ready, compiling those that are not in the cache on disk.

    Users' own functions are not called.

    Parameters
    ----------
    plan : FeaturePlan
        What is going to be computed.
    progress : Progress
        Told that it compiles, where it does, and of each kernel.

    Raises
    ------
    FeatureError
        If a kernel cannot be compiled.
    """
    from truecast.features.kernels.compiling import is_cached

    kernels = plan.kernels
    missing = [name for name in kernels if not is_cached(kernel_of(name))]
    if missing:
        progress.stage("compile the features: once on this machine")
    if len(missing) >= FEW:
        for done, _ in enumerate(_side_by_side(missing), 1):
            progress.step("compile features", done, len(missing))
    for name in kernels:
        _compile(name)


def compile_as_told() -> None:
    """Compile each kernel that is named on a line of the input, and print the name."""
    for line in sys.stdin:
        _compile(line.strip())
        print(line.strip(), flush=True)  # noqa: T201 - the process that started this one reads it


def _compile(name: str) -> None:
    from truecast.features.kernels.compiling import compile_for

    compile_for(kernel_of(name), np.float32)


def _side_by_side(names: Sequence[str]) -> Iterator[str]:
    """Compile kernels here and in other processes; yield the name of each that is done.

    Each takes the next kernel when it is done with one, those of the most families first, since
    they take the longest.
    """
    waiting = sorted(names, key=lambda name: len(signature(kernel_of(name).py_func).parameters))
    done: Queue[str] = Queue()
    others = min(available_cores(), len(names)) - 1
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(max(others, 1)))
        workers = [threads.submit(_feed, waiting, done) for _ in range(others)]
        while (name := _next(waiting)) is not None:
            _compile(name)
            yield name
            while not done.empty():
                yield done.get()
        for worker in workers:
            worker.result()
    while not done.empty():
        yield done.get()


def _next(waiting: list[str]) -> str | None:
    try:
        return waiting.pop()  # one step: no two get the same
    except IndexError:
        return None


def _feed(waiting: list[str], done: Queue[str]) -> None:
    """Have another process compile one kernel after the other, until none is waiting."""
    command = [sys.executable, "-P", "-c", _PROGRAM]
    with subprocess.Popen(  # noqa: S603 - this Python, with this package
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as worker:
        if worker.stdin is not None and worker.stdout is not None:  # they are: both are pipes
            while (name := _next(waiting)) is not None:
                worker.stdin.write(f"{name}\n")
                if not worker.stdout.readline():
                    break
                done.put(name)
            worker.stdin.close()
        if worker.wait() != 0:
            raise FeatureError(
                "the features could not be compiled; the process that did it has said why"
            )
