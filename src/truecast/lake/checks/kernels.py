"""One walk over the bars, each judged by those before it and, where it stands out, those after.

Prices are compared on a scale on which a change means the same wherever it happens: logarithms,
or the prices themselves where they may be negative. The walk is causal: what it says of a bar
depends on the bars up to the one that decided, whose place it gives.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

NOTHING, UNIT, FALSE = 0, 1, 2
# Of a normal variable's absolute values, nine in ten are below this many standard deviations.
_NINE_IN_TEN = 1.645
# A bar is back if its prices are within a tenth of the way, or an ordinary move of the level and
# at least two thirds of the way.
_BACK, _BACK_SIGMAS, _BACK_MOST = 0.1, 3.0, 1 / 3
# A unit jump leaves a change as bars make it: so many deviations, and at least so much.
_LEFT_SIGMAS, _LEFT = 6.0, 0.02
# Bars without which nothing is called far.
_WARM = 20


class Limits(NamedTuple):
    """What counts as far, in the units of the scaled prices.

    Parameters
    ----------
    sigmas, smallest : float
        A deviation is far beyond so many robust standard deviations, and beyond so much.
    longest : int
        Bars that a false price may stand at most.
    patience : int
        Microseconds after which a return to the level proves nothing.
    jump, tolerance : float
        Change that another unit makes, 0 for none, and the room around it.
    """

    sigmas: float
    smallest: float
    longest: int
    patience: int
    jump: float
    tolerance: float


class Bars(NamedTuple):
    """Bars in the order in which they became known.

    Parameters
    ----------
    prices : float64, shape (n, 4)
        Scaled open, high, low and close, NaN where absent (never the close).
    times : int64, shape (n,)
        Their closes, microseconds.
    splits : float64, shape (n,)
        What a split takes off the scaled prices from this bar on; 0 for none.
    """

    prices: F64
    times: I64
    splits: F64


class Walk(NamedTuple):
    """What a walk says of each bar.

    Parameters
    ----------
    kind : int64, shape (n,)
        ``NOTHING``, ``UNIT`` or ``FALSE``.
    shift : float64, shape (n,)
        What to add to a scaled price in another unit.
    decided : int64, shape (n,)
        Place of the bar that decided; −1 where nothing was said yet.
    level, spread : float64, shape (n,)
        Last trusted close before the bar, and the robust standard deviation then.
    settled : int64, shape (n,)
        Place of the bar by which all before it was decided; n where it was not.
    end : float
        Last trusted close after all bars; NaN where not all are decided yet.
    """

    kind: I64
    shift: F64
    decided: I64
    level: F64
    spread: F64
    settled: I64
    end: float


@njit(cache=True, nogil=True)
def _excursion(bar: F64, level: float) -> float:
    """Return the largest distance of a bar's prices from a level; absent prices do not count."""
    most = 0.0
    for part in range(bar.size):
        distance = abs(bar[part] - level)
        if distance > most:  # never for NaN
            most = distance
    return most


@njit(cache=True, nogil=True)
def _threshold(bar: F64, level: float, spread: float, far: float, limits: Limits) -> float:
    """Return how far a bar must be from the level to stand out.

    A bar that trading led to has a price on the way; one with several prices, none of them near
    the level, stands out at half as many deviations.
    """
    if spread < 0.0:
        return math.inf
    near, several = math.inf, False
    for part in range(bar.size):
        distance = abs(bar[part] - level)
        if distance < near:  # never for NaN
            near = distance
        several = several or bar[part] < bar[-1] or bar[part] > bar[-1]
    sigmas = limits.sigmas * (0.5 if several and near > 0.5 * far else 1.0)
    return max(limits.smallest, sigmas * spread)


@njit(cache=True, nogil=True)
def _unit_shift(bar: F64, level: float, spread: float, limits: Limits) -> float:
    """Return what brings a bar in another unit back, or 0."""
    if limits.jump <= 0.0:
        return 0.0
    room = limits.tolerance
    if spread >= 0.0:
        room = min(room, max(_LEFT, _LEFT_SIGMAS * spread))
    shift = -limits.jump if bar[-1] > level else limits.jump
    # The bar moved by the shift, compared with the level.
    return shift if _excursion(bar, level - shift) <= room else 0.0


@njit(cache=True, nogil=True)
def _comes_back(
    bars: Bars, after: int, since: int, level: float, spread: float, far: float, limits: Limits
) -> int:
    """Return the place of the bar that shows a deviation to have been false.

    −1 − place of the bar that shows it to be true; the number of bars where none has shown it.
    """
    room = min(max(_BACK * far, _BACK_SIGMAS * spread), _BACK_MOST * far)
    for place in range(after, after + limits.longest):
        if place >= bars.times.size:
            return int(bars.times.size)
        if bars.times[place] - since > limits.patience:
            return -1 - place
        level = level - bars.splits[place]
        reach = _excursion(bars.prices[place], level)
        if reach <= room:
            return place
        if reach <= _threshold(bars.prices[place], level, spread, reach, limits):
            return -1 - place
    return -after - limits.longest


@njit(cache=True, nogil=True)
def walk(bars: Bars, window: int, limits: Limits) -> Walk:
    """Judge bars in the order in which they became known.

    Parameters
    ----------
    bars : Bars
        All of them.
    window : int
        Bars that the robust standard deviation looks back on.
    limits : Limits
        What counts as far.
    """
    count = bars.times.size
    kind, shift = np.zeros(count, np.int64), np.zeros(count)
    decided, settled = np.full(count, -1, np.int64), np.full(count, count, np.int64)
    levels, spreads = np.full(count, np.nan), np.full(count, np.nan)
    recent, ordered, held = np.zeros(window), np.zeros(window), 0
    level, known, place = math.nan, 0, 0
    while place < count:
        level -= bars.splits[place]
        filled = min(held, window)
        spread = ordered[int(0.9 * (filled - 1))] / _NINE_IN_TEN if held >= _WARM else -1.0
        levels[place], spreads[place], settled[place] = level, spread, known
        bar = bars.prices[place]
        if place > 0:
            back = _unit_shift(bar, level, spread, limits)
            if back != 0.0:
                kind[place], shift[place] = UNIT, back
                decided[place] = max(place, known)
                bar = bar + back
            far = _excursion(bar, level)
            if far > _threshold(bar, level, spread, far, limits):
                since = bars.times[place]
                shown = _comes_back(bars, place + 1, since, level, spread, far, limits)
                if shown >= count:
                    # Nothing is known of this bar yet, nor by which level to judge the next.
                    break
                if shown >= 0:
                    for false in range(place, shown):
                        if false > place:
                            level -= bars.splits[false]
                            levels[false], spreads[false] = level, spread
                            settled[false] = known
                        kind[false], shift[false], decided[false] = FALSE, 0.0, shown
                    known, place = shown, shown
                    continue
                known = max(known, -1 - shown)
            held = _remember(recent, ordered, held, far)
        level = bar[3]
        place += 1
    end = level if place >= count else math.nan
    return Walk(kind, shift, decided, levels, spreads, settled, end)


@njit(cache=True, nogil=True)
def _remember(recent: F64, ordered: F64, held: int, value: float) -> int:
    """Add a value to the window, in order of time and of size; return how many it then holds."""
    size = recent.size
    slot = held % size
    filled = min(held, size)
    if held >= size:
        gone = np.searchsorted(ordered[:filled], recent[slot])
        for place in range(gone, filled - 1):
            ordered[place] = ordered[place + 1]
        filled -= 1
    recent[slot] = value
    place = filled
    while place > 0 and ordered[place - 1] > value:
        ordered[place] = ordered[place - 1]
        place -= 1
    ordered[place] = value
    return held + 1


@njit(cache=True, nogil=True)
def judge(
    late: Bars, places: I64, after: I64, bars: Bars, walked: Walk, limits: Limits
) -> tuple[I64, F64, I64, bool]:
    """Judge bars that came late, or in a further version, among those that were walked.

    Parameters
    ----------
    late : Bars
        Those to be judged, m of them.
    places : int64, shape (m,)
        Place of the walked bar by whose level each is judged; n for none.
    after : int64, shape (m,)
        Place of the first walked bar that comes after it.
    bars, walked, limits
        As walked, and what came of it.

    Returns
    -------
    kind : int64, shape (m,)
    shift : float64, shape (m,)
    decided : int64, shape (m,)
        Place of the walked bar that decided; −1 where none did.
    pending : bool
        Whether bars to come may still decide one.
    """
    count, several = bars.times.size, late.times.size
    kind, shift = np.zeros(several, np.int64), np.zeros(several)
    decided, pending = np.full(several, -1, np.int64), False
    for one in range(several):
        place = places[one]
        if place >= count or walked.settled[place] >= count:
            pending = True
            continue
        if math.isnan(walked.level[place]):
            continue
        bar, level, spread = late.prices[one], walked.level[place], walked.spread[place]
        back = _unit_shift(bar, level, spread, limits)
        if back != 0.0:
            kind[one], shift[one], decided[one] = UNIT, back, walked.settled[place]
            bar = bar + back
        far = _excursion(bar, level)
        if far > _threshold(bar, level, spread, far, limits):
            since = late.times[one]
            shown = _comes_back(bars, after[one], since, level, spread, far, limits)
            if 0 <= shown < count:
                kind[one], shift[one] = FALSE, 0.0
                decided[one] = max(shown, walked.settled[place])
            pending = pending or shown >= count
    return kind, shift, decided, pending
