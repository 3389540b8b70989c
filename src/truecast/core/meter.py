"""What the stages of some work took: time, processor time and memory."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class StageCost:
    """What one stage took.

    Parameters
    ----------
    stage : str
        Its name.
    seconds, cpu_seconds : float
        By the clock on the wall, and of this process on all cores.
    peak_mb : float or None
        Most memory that the process held at once, in MB of 10^6 bytes; None where the system does
        not tell. On Linux during the stage, elsewhere since the process began.
    """

    stage: str
    seconds: float
    cpu_seconds: float
    peak_mb: float | None


class Meter:
    """Measures stages that follow one another.

    Examples
    --------
    >>> meter = Meter()
    >>> meter.begin("build")
    >>> [cost.stage for cost in meter.end()]
    ['build']
    """

    def __init__(self) -> None:
        self._costs: list[StageCost] = []
        self._stage: tuple[str, float, float] | None = None

    def begin(self, stage: str) -> None:
        """End the stage before, and begin the next one."""
        self._close()
        _forget_peak()
        self._stage = stage, time.perf_counter(), time.process_time()

    def end(self) -> list[StageCost]:
        """End the last stage, and return what each of them took."""
        self._close()
        return self._costs

    def _close(self) -> None:
        if self._stage is None:
            return
        name, wall, cpu = self._stage
        self._stage = None
        passed, used = time.perf_counter() - wall, time.process_time() - cpu
        self._costs.append(StageCost(name, passed, used, _peak_mb()))


def _forget_peak() -> None:
    """Let the kernel count the peak from now on, where it can."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return  # not Linux, or not allowed: the peak is then the one since the process began


def _peak_mb() -> float | None:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return _peak_since_start_mb()
    return kibibytes * 1024 / 1e6


def _peak_since_start_mb() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
