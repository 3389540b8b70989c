"""Groups of features on columns of bars: in blocks that stay in the cache, on all cores.

Each block comes with the bars before it that its first row depends on, so that it does not matter
where a block begins, nor who computes it: a single new bar is a block of one row.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from truecast.core.threads import available_cores
from truecast.features.declaration import Column, Output
from truecast.features.groups import Group, kernel_of
from truecast.features.user import call

#: Bars in a block: few enough for the caches; many where each block has a long history before it.
BLOCK, RECURSIVE_BLOCK = 16_384, 32_768
#: From how many bars on, and in how many threads at most, blocks are computed side by side.
THREADED_ROWS, THREADS = 65_536, 8

_local = threading.local()


def compute_groups(
    groups: Sequence[Group], columns: Mapping[str, Column], history: int, out: Output, rows: range
) -> None:
    """Compute features on columns of bars.

    Parameters
    ----------
    groups : sequence of Group
        What is computed; of one series.
    columns : mapping of str to float64 array, shape (history + len(rows),)
        The columns that the groups read, oldest bar first.
    history : int
        Number of bars before the first one to be written; there are no bars before these.
    out : float32 or float64 array, C-contiguous, shape (k, n)
        Each feature's row is written to.
    rows : range
        The places in ``out`` of the bars after the history.
    """
    compiled = [group for group in groups if group.family.function is None]
    for part, size in (
        ([group for group in compiled if not group.recursive], BLOCK),
        ([group for group in compiled if group.recursive], RECURSIVE_BLOCK),
    ):
        if part and len(rows):
            _in_blocks(part, columns, history, out, rows, size)
    for group in groups:
        if group.family.function is not None:
            _at_once(group, columns, history, out, rows)
        if history >= group.warm_up - 1:
            continue
        for place, feature in group.members:
            early = min(max(0, feature.warm_up - 1 - history), len(rows))
            if early:
                out[place, rows.start : rows.start + early] = np.nan


def _in_blocks(
    groups: Sequence[Group],
    columns: Mapping[str, Column],
    history: int,
    out: Output,
    rows: range,
    size: int,
) -> None:
    halo = max(group.halo for group in groups)
    names = dict.fromkeys(name for group in groups for name in group.inputs)
    sources = [(groups[0].rows.index(name), columns[name]) for name in names]

    def compute(first: int) -> None:
        stop = min(first + size, len(rows))
        x = _scratch(len(groups[0].rows), halo + stop - first)
        begin = history + first - halo
        for row, values in sources:
            missing = max(0, -begin)
            x[row, :missing] = np.nan
            x[row, missing:] = values[begin + missing : history + stop]
        complete(x, names)
        for group in groups:
            group.run(x, halo - group.halo, out, rows.start + first)

    starts = range(0, len(rows), size)
    if len(rows) < THREADED_ROWS:
        for first in starts:
            compute(first)
    else:
        # Kernels release the interpreter, and a block is the same whoever computes it.
        with ThreadPoolExecutor(min(available_cores(), THREADS)) as threads:
            for _ in threads.map(compute, starts):
                pass


def complete(x: NDArray[np.float64], names: Collection[str]) -> None:
    """Work out the rows of a kernel's input that no bar has, if what they need is there."""
    if "close" in names:
        kernel_of("price:fill_returns")(x)


def _at_once(
    group: Group, columns: Mapping[str, Column], history: int, out: Output, rows: range
) -> None:
    """Call a user's function on all bars, from the first that a row depends on."""
    first = max(0, history - group.halo)
    inputs = {name: columns[name][first:] for name in group.inputs}
    enough = history - first + len(rows) > group.halo
    for place, feature in group.members:
        target = out[place, rows.start : rows.stop]
        # Of too few bars for even one value it need not know what to do.
        target[:] = call(feature.family, inputs)[history - first :] if enough else np.nan


def _scratch(rows: int, bars: int) -> NDArray[np.float64]:
    """Return this thread's scratch array: it stays warm from block to block."""
    size = rows * bars
    if getattr(_local, "scratch", np.empty(0)).size < size:
        _local.scratch = np.empty(size)
    found: NDArray[np.float64] = _local.scratch[:size].reshape(rows, bars)
    return found
