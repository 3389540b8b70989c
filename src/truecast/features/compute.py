"""One function computes features: for all decisions of the past, and for the newest bar.

How a group of features is computed on columns is in ``blocks``; here it is decided on which.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

from truecast.features.blocks import compute_groups
from truecast.features.declaration import Column, Feature, FeatureError, Output
from truecast.features.groups import Group, group_features
from truecast.features.market import Bars, Decisions, Market
from truecast.features.news import write_news
from truecast.features.plan import FeaturePlan
from truecast.lake.history import BarHistory, Moments

__all__ = ["Decisions", "Market", "compute_at", "compute_columns"]

#: A context series without a newer bar for so long has ended: its features are missing then, not
#: carried forward. Weekly figures that come a week later, over a holiday, are still taken.
CONTEXT_AGE = np.timedelta64(21, "D")


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
    compute_groups(groups, columns, 0, out, range(out.shape[1]))
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
    if plan.of_news:
        write_news(plan.of_news, market.news, decisions.as_of, result)
    return result.T


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
            compute_groups(groups, columns, first - begin, result, range(rows.start, rows.stop))
        else:
            out = np.empty((len(plan.features), stop - first), result.dtype)
            compute_groups(groups, columns, first - begin, out, range(stop - first))
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
        compute_groups(groups, columns, first - begin, out, range(stop - first))
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
        yield rows, Bars(frame, everything.calendar)


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
