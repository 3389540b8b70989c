"""How many bars the value of a family depends on, its own included."""

import math

from truecast.features.declaration import Parameters


def one_bar(_: Parameters) -> int:
    """Return 1: what is computed from the bar alone."""
    return 1


def window_bars(values: Parameters) -> int:
    """Return the bars of the window, the newest its own."""
    return values["window"]


def window_and_before(values: Parameters) -> int:
    """Return the bars of the window and the one before, as changes over the window need it."""
    return values["window"] + 1


def memory(alpha: float) -> int:
    """Return after how many bars an exponential mean has forgotten what came before.

    Parameters
    ----------
    alpha : float
        Weight of the newest bar, in (0, 1).

    Returns
    -------
    int
        The smallest L with (1−α)ᴸ <= 2⁻⁵⁰: the rest is below the last bits of a float64.

    Examples
    --------
    >>> memory(1 / 14), memory(2 / 27)
    (468, 451)
    """
    return math.ceil(50 * math.log(2) / -math.log1p(-alpha))


def faded(alpha: float) -> int:
    """Return after how many bars the same holds for a ratio or a root of means that may fade.

    In a market that stands still for long, what came before is forgotten only when both means of a
    ratio are below 10⁻⁸ of the price: 50 bits and as many more as it takes to get there. Of a mean
    of squares the root has half the bits: of 70 they are 35, or 3·10⁻¹¹ of what it was before.
    """
    return memory(alpha) * 7 // 5


def span(window: int) -> float:
    """Return the weight of the newest bar in an exponential mean of this span: 2/(n + 1)."""
    return 2.0 / (window + 1)
