"""Work for the engine: in a module, so that other processes find it."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from truecast.core.names import UnknownNameError


@dataclass(frozen=True)
class Job:
    """A number, and where workers leave traces."""

    number: int
    folder: Path
    deadly: bool = False


def squared(job: Job) -> tuple[int, int]:
    """Return the square, and who worked on it."""
    return job.number**2, os.getpid()


def inverse(job: Job) -> float:
    """Return a sum whose last digit depends on how many threads add up."""
    matrix = np.random.default_rng(job.number).normal(size=(700, 400))
    return float(np.linalg.solve(matrix.T @ matrix, matrix.T @ matrix[:, 0]).sum())


def killed_once(job: Job) -> int:
    """End the process at the first try of a deadly job, as where memory runs out."""
    mark = job.folder / f"{job.number}"
    if job.deadly and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return job.number + 1


def killed_always(job: Job) -> int:
    """End the process whenever the job is deadly."""
    if job.deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return job.number


def refused(job: Job) -> int:
    """Refuse the third job, with an error that is not made from words alone."""
    if job.number == 3:
        raise UnknownNameError("model", "lightgmb", ["lightgbm"])
    return job.number
