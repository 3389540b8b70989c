"""Compile the kernels of features ahead of their first use: once a machine, on all cores.

Numba compiles one function at a time in a process, so other processes do it, and leave what they
made in the cache on disk.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import numpy as np

from truecast.core.progress import SILENT, Progress
from truecast.features.declaration import FeatureError
from truecast.features.groups import kernel_of
from truecast.features.plan import FeaturePlan

#: Fewer kernels than this are not worth another process.
FEW = 4
_PROGRAM = "import sys, truecast.features.warmup as w; w.compile_kernels(sys.argv[1:])"


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
    from truecast.features.kernels.compiling import compile_for, is_cached

    kernels = plan.kernels
    missing = [name for name in kernels if not is_cached(kernel_of(name))]
    if missing:
        progress.stage("compile the features: once on this machine")
    if len(missing) >= FEW:
        for done, _ in enumerate(_elsewhere(missing), 1):
            progress.step("compile features", done, len(missing))
    for name in kernels:
        compile_for(kernel_of(name), np.float32)


def compile_kernels(names: Sequence[str]) -> None:
    """Compile kernels into the cache on disk, and print the name of each that is done."""
    from truecast.features.kernels.compiling import compile_for

    for name in names:
        compile_for(kernel_of(name), np.float32)
        print(name, flush=True)  # noqa: T201 - the process that started this one reads it


def _elsewhere(names: Sequence[str]) -> Iterator[str]:
    """Compile kernels in processes of their own; yield the name of each that is done."""
    count = min(os.cpu_count() or 1, len(names))
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(  # noqa: S603 - this Python, with this package
                    [sys.executable, "-P", "-c", _PROGRAM, *names[place::count]],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for place in range(count)
        ]
        for worker in workers:
            yield from worker.stdout or ()
            if worker.wait() != 0:
                raise FeatureError(
                    "the features could not be compiled; the process that did it has said why"
                )
