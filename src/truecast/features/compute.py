"""One function computes features: for all decisions of the past, and for the newest bar.

Kernels run over blocks of bars that fit the processor's cache, each with the bars before it
that its first row depends on. The first use of a kernel compiles it, or loads it from the cache
on disk; :func:`warm_up` does that ahead of time.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import DTypeLike, NDArray

from truecast.features.block import Block, Wanted, Workspace
from truecast.features.declaration import Column, Feature, FeatureError, Output
from truecast.features.market import Bars, Decisions, Market
from truecast.features.plan import FeaturePlan, Group, group_features
from truecast.lake.history import BarHistory, Moments

__all__ = ["Decisions", "Market", "compute_at", "compute_columns", "warm_up"]

#: Bars in a block: enough that a kernel's work outweighs its call, few enough for the caches.
BLOCK = 32_768

#: A context series without a newer bar for so long has ended: its features are missing then, not
#: carried forward. Weekly figures that come a week later, over a holiday, are still taken.
CONTEXT_AGE = np.timedelta64(21, "D")

#: From how many blocks on, and in how many threads at most, blocks are computed side by side.
THREADED_BLOCKS, THREADS = 8, 8

_local = threading.local()


def compute_columns(
    features: Sequence[Feature],
    bars: Mapping[str, NDArray[np.generic]],
    dtype: DTypeLike = np.float32,
) -> NDArray[np.floating]:
    """Compute features on one series of bars.

    Parameters
    ----------
    features : sequence of Feature
        Features of one series.
    bars : mapping of str to array, shape (n,)
        The inputs by name, oldest bar first; for a feature with a context series beside its own
        also that column as known at each bar's decision, such as ``^VIX:close``.
    dtype : float32 or float64
        Type of the result; the computation is in float64.

    Returns
    -------
    array, shape (n, n_features)
        The transpose of a C-contiguous array. The first ``warm_up − 1`` rows of a feature are
        NaN, and so are rows that an input's NaN reaches.

    Raises
    ------
    FeatureError
        If an input is missing or of another length.
    """
    groups = group_features(list(enumerate(features)))
    needed = {name for feature in features for name in feature.inputs}
    if missing := sorted(needed - set(bars)):
        raise FeatureError(f"features need inputs that are not there: {', '.join(missing)}")
    lengths = {len(bars[name]) for name in needed}
    if len(lengths) > 1:
        raise FeatureError(f"inputs of features must be of one length, got {sorted(lengths)}")
    columns = {name: np.ascontiguousarray(bars[name], dtype=np.float64) for name in needed}
    out = np.empty((len(features), lengths.pop() if lengths else 0), dtype)
    _compute(groups, columns, 0, out)
    return out.T


def compute_at(
    plan: FeaturePlan, market: Market, decisions: Decisions, dtype: DTypeLike = np.float32
) -> NDArray[np.floating]:
    """Compute a plan at moments of decision, from what was known at each.

    Parameters
    ----------
    plan : FeaturePlan
        What to compute.
    market : Market
        The bars of the instrument and its context, every version.
    decisions : Decisions
        All of the past for a dataset, the last few for a forecast; in order.
    dtype : float32 or float64
        Type of the result.

    Returns
    -------
    array, shape (n_decisions, n_features)
        The transpose of a C-contiguous array; NaN where there is not enough history.

    Raises
    ------
    FeatureError
        If a decision's own bar was not known at its moment.

    Notes
    -----
    *Knowable when*: at each decision's ``as_of``. The instrument's bars are those up to the
    decision's, and of a context series up to the last one known by then, each in the version
    that was known by then. A context series without a bar for :data:`CONTEXT_AGE` is missing.
    """
    result = np.empty((len(plan.features), len(decisions)), dtype)
    if len(decisions) == 0:
        return result.T
    beside = {
        name: value
        for symbol in plan.context
        for name, value in _context_columns(plan, market, symbol, decisions, result).items()
    }
    _own_columns(plan, market, decisions, beside, result)
    return result.T


def warm_up(plan: FeaturePlan, dtype: DTypeLike = np.float32) -> None:
    """Compile every kernel that a plan needs, or load it from the cache on disk.

    A first call on a machine takes seconds, later ones milliseconds. Users' own functions are
    not called.
    """
    for of in (None, *plan.context):
        groups = [group for group in plan.groups(of) if not group.whole]
        names = {name for group in groups for name in group.inputs}
        out = np.empty((len(plan.features), 2), dtype)
        _compute(groups, {name: np.ones(2) for name in names}, 0, out)


def _own_columns(
    plan: FeaturePlan,
    market: Market,
    decisions: Decisions,
    beside: Mapping[str, Column],
    result: Output,
) -> None:
    groups, lookback = plan.groups(None), max(plan.lookback(None), 1)
    for rows, bars in _epochs(market, None, decisions, lookback):
        closes, moments = decisions.event_time[rows], decisions.as_of[rows]
        times = bars.times("event_time")
        places = np.searchsorted(times, closes)
        _require_known(market.symbol, bars, places, closes, moments)
        first, stop = int(places[0]), int(places[-1]) + 1
        begin = max(0, first - lookback + 1)
        columns = {}
        for name in {name for group in groups for name in group.inputs}:
            if name in beside:
                columns[name] = np.full(stop - begin, np.nan)
                columns[name][places - begin] = beside[name][rows]
            else:
                columns[name] = bars.values(name)[begin:stop]
        if len(places) == stop - first:
            _compute(groups, columns, first - begin, result[:, rows])
        else:
            out = np.empty((len(plan.features), stop - first), result.dtype)
            _compute(groups, columns, first - begin, out)
            _pick(groups, out, places - first, result, rows)


def _context_columns(
    plan: FeaturePlan, market: Market, symbol: str, decisions: Decisions, result: Output
) -> dict[str, Column]:
    """Write the features of a context series; return what is read of it beside own bars."""
    if symbol not in market.context:
        raise FeatureError(
            f"the features of {market.symbol} need bars of {symbol}: none were given"
        )
    groups, lookback = plan.groups(symbol), plan.lookback(symbol)
    names = {
        name
        for feature in plan.features
        if feature.of == symbol
        for name in feature.family.context_inputs
    }
    beside = {name: np.full(len(decisions), np.nan) for name in names}
    written = [place for group in groups for place, _ in group.members]
    result[written] = np.nan  # until the series begins
    for rows, bars in _epochs(market, symbol, decisions, lookback):
        # In an epoch the bars known by a moment come first: the last of them is a count.
        known = np.maximum.accumulate(bars.times("known_at"))
        places = np.searchsorted(known, decisions.as_of[rows], side="right") - 1
        some = places >= 0
        if not some.any():
            continue
        first, stop = int(places[some][0]), int(places[-1]) + 1
        begin = max(0, first - lookback + 1)
        for name, column in beside.items():
            column[rows][some] = bars.values(name)[places[some]]
        inputs = {name for group in groups for name in group.inputs}
        columns = {name: bars.values(name)[begin:stop] for name in inputs}
        out = np.empty((len(plan.features), stop - first), result.dtype)
        _compute(groups, columns, first - begin, out)
        start = rows.start + int(np.argmax(some))
        _pick(groups, out, places[some] - first, result, slice(start, rows.stop))
        age = decisions.as_of[rows] - bars.times("event_time")[np.maximum(places, 0)]
        ended = rows.start + np.flatnonzero(some & (age > CONTEXT_AGE))
        for column in (*beside.values(), *(result[place] for place in written)):
            column[ended] = np.nan
    return {f"{symbol}:{name}": column for name, column in beside.items()}


def _epochs(
    market: Market, of: str | None, decisions: Decisions, lookback: int
) -> Iterator[tuple[slice, Bars]]:
    """Yield stretches of decisions, each with bars as they were known at all of them.

    Only bars that the first decision may depend on, or later ones, are looked at: a revision
    long ago costs nothing.
    """
    everything = market.versions(of)
    if len(everything) == 0:
        return
    moments = decisions.as_of
    times = everything.times("event_time")
    newest = decisions.event_time[0] if of is None else moments[0]
    last = int(np.searchsorted(times, newest, side="right"))
    for reach in (2 * lookback + 64, len(times)):
        begin = int(np.searchsorted(times, times[max(0, last - reach)])) if last else 0
        found = list(_views(market, of, begin, moments))
        if begin == 0 or all(_reaches(bars, moments[rows][0], lookback) for rows, bars in found):
            break
    yield from found


def _views(
    market: Market, of: str | None, begin: int, moments: Moments
) -> Iterator[tuple[slice, Bars]]:
    everything = market.versions(of)
    bars = everything.after(begin)
    if bars.in_order:
        yield slice(0, len(moments)), bars
        return
    for rows, frame in BarHistory(bars.frame).epochs(moments):
        yield rows, Bars(frame)


def _reaches(bars: Bars, moment: np.datetime64, lookback: int) -> bool:
    return int((bars.times("known_at") <= moment).sum()) >= lookback


def _require_known(
    symbol: str,
    bars: Bars,
    places: NDArray[np.int64],
    closes: Moments,
    moments: Moments,
) -> None:
    inside = np.minimum(places, len(bars) - 1)
    known = (places < len(bars)) & (bars.times("event_time")[inside] == closes)
    known &= bars.times("known_at")[inside] <= moments
    if not known.all():
        place = int(np.argmin(known))
        raise FeatureError(
            f"the bar of {symbol} that closed {closes[place]}Z was not known at {moments[place]}Z: "
            "decide only on bars that are, as Market.decisions does"
        )


def _pick(
    groups: Sequence[Group], out: Output, places: NDArray[np.int64], result: Output, rows: slice
) -> None:
    for group in groups:
        for place, _ in group.members:
            result[place, rows] = out[place, places]


def _compute(
    groups: Sequence[Group], columns: Mapping[str, Column], begin: int, out: Output
) -> None:
    """Write the last rows of each group: those from ``begin`` on, the ones before are history."""
    total = begin + out.shape[1]
    blocked = [group for group in groups if not group.whole]

    def compute_block(start: int) -> None:
        stop = min(start + BLOCK, total)
        workspace = _workspace()
        for group in blocked:
            part = out[:, start - begin : stop - begin]
            _compute_block(group, columns, start, stop, part, workspace)

    starts = range(begin, total, BLOCK)
    if len(starts) < THREADED_BLOCKS:
        for start in starts:
            compute_block(start)
    else:
        # Kernels release the interpreter, and a block is the same whoever computes it.
        with ThreadPoolExecutor(min(os.cpu_count() or 1, THREADS)) as threads:
            for _ in threads.map(compute_block, starts):
                pass
    for group in groups:
        if group.whole:
            _compute_whole(group, columns, begin, out)
        for place, feature in group.members:
            out[place, : max(0, feature.warm_up - 1 - begin)] = np.nan


def _compute_whole(group: Group, columns: Mapping[str, Column], begin: int, out: Output) -> None:
    first = max(0, begin - group.lookback + 1)
    inputs = {name: columns[name][first:] for name in group.inputs}
    rows = begin - first + out.shape[1]
    if rows < group.lookback:
        return  # too few bars for even one value: all of them are NaN
    group.compute(Block(inputs, begin - first, rows, _wanted(group, out), Workspace()))


def _compute_block(
    group: Group,
    columns: Mapping[str, Column],
    start: int,
    stop: int,
    out: Output,
    workspace: Workspace,
) -> None:
    halo = group.lookback - 1
    rows = halo + stop - start
    workspace.restart()
    inputs = {}
    for name in group.inputs:
        values = columns[name]
        if start >= halo and values.flags.writeable:
            inputs[name] = values[start - halo : stop]
        else:
            # Rows before the first bar are unknown. A column that is only for reading is copied
            # too: for the compiler it is another type.
            inputs[name] = padded = workspace.take(1, rows)[0]
            missing = max(0, halo - start)
            padded[:missing] = np.nan
            padded[missing:] = values[max(0, start - halo) : stop]
    group.compute(Block(inputs, halo, rows, _wanted(group, out), workspace))


def _wanted(group: Group, out: Output) -> dict[str, list[Wanted]]:
    wanted: dict[str, list[Wanted]] = {}
    for place, feature in group.members:
        asked = (feature.parameters, feature.of, out[place])
        wanted.setdefault(feature.family.name, []).append(asked)
    return wanted


def _workspace() -> Workspace:
    """Return this thread's scratch arrays: they stay warm from block to block."""
    if not hasattr(_local, "workspace"):
        _local.workspace = Workspace()
    found: Workspace = _local.workspace
    return found
