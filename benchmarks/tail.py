"""One new bar: the 108 market features of ``sp500_114`` of it, from the bars that it looks back on.

``truecast`` is the path of live bars: the new bar is pushed to a tail that is kept, and what time
it is at its market is worked out. The sides take turns of five bars. ``truecast_cold`` is the same
in turns of one: what Polars did just before has emptied the caches. ``truecast_at`` is the path of
a forecast from the lake: a frame of the newest bars, of which those that were known at the decision
are taken. Polars and pandas get the newest bars as a frame, with the clock columns.
"""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
from _bars import CALENDAR, make_bars, with_clock
from _measure import OURS, Side, arguments, report, timed
from _with_pandas import with_pandas
from _with_polars import with_polars
from features import chosen

from truecast.core.calendars import get_calendar
from truecast.core.clock import to_datetime64
from truecast.features.compute import Market, compute_at
from truecast.features.plan import FeaturePlan
from truecast.features.tail import Tail
from truecast.features.warmup import warm_up
from truecast.lake.history import BarHistory

Row = np.ndarray
TURN = 5


def by_tail(plan: FeaturePlan, bars: pl.DataFrame, length: int) -> Side:
    """Return a side that pushes the next bar at each call, onto a tail of the first ones."""
    market = market_of(bars[: length - 1])
    tail = Tail.of(plan, market, market.decisions().as_of[-1])
    turns = bars[length - 1 :].iter_rows(named=True)

    def side() -> Row:
        bar = next(turns)
        tail.push(bar)
        return tail.row(to_datetime64(bar["known_at"]))

    return side


def market_of(bars: pl.DataFrame) -> Market:
    return Market(
        "SYNTHETIC", BarHistory(bars), decide_after=timedelta(), calendar=get_calendar(CALENDAR)
    )


def at_decision(plan: FeaturePlan, tail: pl.DataFrame) -> Row:
    market = market_of(tail)
    return compute_at(plan, market, market.decisions()[-1])[0]


def by_polars(plan: FeaturePlan, tail: pl.DataFrame) -> Row:
    return with_polars(tail, plan.names)[-1].to_numpy()[0]


def by_pandas(plan: FeaturePlan, tail: pd.DataFrame) -> Row:
    return with_pandas(tail, plan.names).iloc[-1].to_numpy()


def over(tails: list, compute: Callable, plan: FeaturePlan) -> Side:
    """Return a side that takes the next new bar at each call."""
    turns = iter(tails)
    return lambda: compute(plan, next(turns))


def main() -> None:
    given = arguments(rows=1_500, rounds=40)
    plan = FeaturePlan(tuple(chosen()))
    warm_up(plan)
    length = min(plan.lookback(), given.rows)
    most = 1 + (1 + TURN) * given.rounds  # each side takes so many bars
    bars = make_bars(length + most)
    places = range(most)
    tails = [bars[new : new + length] for new in places]
    told = with_clock(bars)
    frames = [told[new : new + length] for new in places]
    sides = {
        OURS: by_tail(plan, bars, length),
        "truecast_at": over(tails, at_decision, plan),
        "polars": over(frames, by_polars, plan),
        "pandas": over([frame.to_pandas() for frame in frames], by_pandas, plan),
    }
    print(f"{len(plan.names)} features of one new bar, from {length:,} bars")
    ours, *others = [side() for side in sides.values()]
    for name, theirs in zip(list(sides)[1:], others, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4, err_msg=name)
    cold = timed(sides, given.rounds)[OURS]
    report("tail", {**timed(sides, given.rounds, TURN), f"{OURS}_cold": cold})


if __name__ == "__main__":
    main()
