"""The 108 market features of ``sp500_114`` on 1.7 million bars, against a copy, Polars, pandas.

All sides give one float32 column a feature. ``copy`` writes our result to new memory once more:
what it costs to make that many numbers at all.

pandas is written as one writes a module of features by hand: what several of them need is a named
column, computed once (logarithms of prices, 1-bar returns and their squares, true ranges, the means
of closes and of volume, highest highs and lowest lows, deviations of returns). Each feature is then
one expression of these, by pandas' own rolling windows and exponential means. Nothing is computed
twice that a person would see to be the same, so pandas is as fast here as it is likely to get.
"""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import polars as pl
from _bars import ROWS, as_inputs, make_bars, with_clock
from _measure import OURS, Side, arguments, peak_mb, peaks, report, timed


def chosen() -> list:
    """Return the features of the set that are computed from bars."""
    from truecast.features.catalog import members

    return [feature for feature in members("sp500_114") if not feature.family.of_news]


def truecast(bars: pl.DataFrame, features: Sequence) -> Side:
    from truecast.features.compute import compute_columns

    inputs = as_inputs(bars, {name for feature in features for name in feature.inputs})
    return lambda: compute_columns(features, inputs)


def copy(bars: pl.DataFrame, features: Sequence) -> Side:
    result = np.ones((len(features), len(bars)), np.float32)
    return result.copy


def polars(bars: pl.DataFrame, features: Sequence) -> Side:
    from _with_polars import with_polars

    names = [feature.name for feature in features]
    return lambda: with_polars(bars, names)


def polars_streaming(bars: pl.DataFrame, features: Sequence) -> Side:
    from _with_polars import with_polars

    names = [feature.name for feature in features]
    return lambda: with_polars(bars, names, "streaming")


def pandas(bars: pl.DataFrame, features: Sequence) -> Side:
    from _with_pandas import with_pandas

    names = [feature.name for feature in features]
    frame = bars.to_pandas()
    return lambda: with_pandas(frame, names)


SIDES = {
    OURS: truecast,
    "copy": copy,
    "polars": polars,
    "polars_streaming": polars_streaming,
    "pandas": pandas,
}


def check_equal(sides: dict[str, Side], features: Sequence) -> None:
    """Stop if the sides do not compute the same.

    What is 1 or 0 may differ in one row of 100,000: what rounding makes of a tie.
    """
    warm = max(feature.lookback for feature in features)
    ours = sides[OURS]()[warm:]
    for name in ("polars", "polars_streaming", "pandas"):
        theirs = sides[name]()
        for place, feature in enumerate(features):
            found, expected = theirs[feature.name].to_numpy()[warm:], ours[:, place]
            same = np.isclose(found, expected, rtol=1e-3, atol=1e-4)
            ties = len(same) // 100_000 if set(np.unique(expected[:1000])) <= {-1, 0, 1} else 0
            assert (~same).sum() <= ties, (name, feature.name, found[~same], expected[~same])


def first_call(features: Sequence) -> float:
    """Return the seconds that kernels take to load from the cache on disk, or to compile."""
    from truecast.features.plan import FeaturePlan
    from truecast.features.warmup import warm_up

    started = perf_counter()
    warm_up(FeaturePlan(tuple(features)))
    return perf_counter() - started


def main() -> None:
    given = arguments(rows=ROWS, rounds=5)
    features = chosen()
    if given.alone:
        SIDES[given.alone](with_clock(make_bars(given.rows)), features)()
        print(peak_mb())
        return
    print(f"{len(features)} features, {given.rows:,} bars")
    loading = first_call(features)
    memory = peaks(__file__, list(SIDES), given.rows)
    bars = with_clock(make_bars(given.rows))
    sides = {name: prepare(bars, features) for name, prepare in SIDES.items()}
    check_equal(sides, features)
    seconds = timed(sides, given.rounds)
    report("features", {**seconds, "truecast_first_call": loading}, memory)


if __name__ == "__main__":
    main()
