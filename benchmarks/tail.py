"""One new bar: every feature of the set ``daily`` of it, from the bars that they look back on.

Each side gets the newest bars as a frame, once more for each new bar, and gives one row.
"""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
from _bars import make_bars
from _measure import OURS, Side, arguments, report, timed
from _with_pandas import with_pandas
from _with_polars import EXPRESSIONS, with_polars

from truecast.features.catalog import members
from truecast.features.compute import Market, compute_at, warm_up
from truecast.features.plan import FeaturePlan
from truecast.lake.history import BarHistory

Row = np.ndarray


def by_truecast(plan: FeaturePlan, tail: pl.DataFrame) -> Row:
    market = Market("SYNTHETIC", BarHistory(tail), decide_after=timedelta())
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
    given = arguments(rows=1_500, rounds=200)
    plan = FeaturePlan(tuple(f for f in members("daily") if f.name in EXPRESSIONS))
    warm_up(plan)
    length = min(plan.lookback(), given.rows)
    bars = make_bars(length + given.rounds)
    tails = [bars[new : new + length] for new in range(given.rounds + 1)]
    frames = [tail.to_pandas() for tail in tails]
    sides = {
        OURS: over(tails, by_truecast, plan),
        "polars": over(tails, by_polars, plan),
        "pandas": over(frames, by_pandas, plan),
    }
    print(f"{len(plan.names)} features of one new bar, from {length:,} bars")
    ours, *others = [side() for side in sides.values()]
    for theirs in others:
        np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4)
    report("tail", timed(sides, given.rounds))


if __name__ == "__main__":
    main()
