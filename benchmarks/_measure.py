"""What the benchmarks share: sides timed in turn, memory of each in a process of its own."""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

#: A side of a comparison: does the work once, and returns what it made.
Side = Callable[[], object]

OURS = "truecast"


def arguments(rows: int, rounds: int) -> argparse.Namespace:
    """Read the command line: ``--rows``, ``--rounds``, and ``--alone`` for one side's memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=rows, help="bars")
    parser.add_argument("--rounds", type=int, default=rounds, help="times each side is run")
    parser.add_argument("--alone", help="run this side once and print its peak memory, MB")
    return parser.parse_args()


def timed(sides: Mapping[str, Side], rounds: int, times: int = 1) -> dict[str, float]:
    """Run all sides in turn, each so many times, round after round; return the median seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            for _ in range(times):
                started = perf_counter()
                made = side()
                seconds[name].append(perf_counter() - started)
                del made  # not part of the work
    return {name: median(found) for name, found in seconds.items()}


def peaks(script: str, names: list[str], rows: int) -> dict[str, float | None]:
    """Run each side alone in a fresh process; return its peak memory in MB, all included."""
    found: dict[str, float | None] = {}
    for name in names:
        command = [sys.executable, script, "--rows", str(rows), "--alone", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak_mb() -> float | None:
    """Return this process's peak memory in MB; None where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def report(
    bench: str,
    seconds: Mapping[str, float],
    memory: Mapping[str, float | None] | None = None,
    inputs: Sequence[str] = (),
) -> None:
    """Print a table for people, then one JSON line; ``ratio`` is our seconds over the row's.

    ``inputs`` are parts of names, such as ``_of_ndjson``: rows that have one are about another
    input, and are held against our seconds for that one.
    """
    rows = []
    for what, taken in seconds.items():
        ours = OURS + next((given for given in inputs if given in what), "")
        peak, ratio = (memory or {}).get(what), seconds[ours] / taken
        rows.append(
            {
                "what": what,
                "seconds": _figure(taken, 4),
                "peak_mb": None if peak is None else round(peak),
                "ratio": _figure(ratio, 3),
            }
        )
        shown = "" if peak is None else f"{peak:8.0f} MB"
        print(f"{what:24} {taken * 1e3:12.3f} ms   {ours} takes {ratio:.3g}x  {shown}")
    print(json.dumps({"bench": bench, "machine": _machine(), "rows": rows}))


def _figure(value: float, digits: int) -> float | None:
    """Round to so many digits; None for infinity, which JSON does not have."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _machine() -> str:
    processor = platform.processor() or platform.machine()
    known = Path("/proc/cpuinfo")
    if known.exists():
        names = [line for line in known.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"
