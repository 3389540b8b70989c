"""The set ``daily`` on 1.7 million one-minute bars, against a copy, Polars and pandas.

All sides give one float32 column a feature. ``copy`` writes our result to new memory once more:
what it costs to make that many numbers at all.
"""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import polars as pl
from _bars import ROWS, as_inputs, make_bars
from _measure import OURS, Side, arguments, peak_mb, peaks, report, timed


def chosen() -> list:
    """Return the features of the set that Polars and pandas have here too."""
    from _with_polars import EXPRESSIONS

    from truecast.features.catalog import members

    return [feature for feature in members("daily") if feature.name in EXPRESSIONS]


def truecast(bars: pl.DataFrame, features: Sequence) -> Side:
    from truecast.features.compute import compute_columns

    inputs = as_inputs(bars)
    return lambda: compute_columns(features, inputs)


def copy(bars: pl.DataFrame, features: Sequence) -> Side:
    result = np.ones((len(features), len(bars)), np.float32)
    return result.copy


def polars(bars: pl.DataFrame, features: Sequence) -> Side:
    from _with_polars import with_polars

    names = [feature.name for feature in features]
    return lambda: with_polars(bars, names)


def pandas(bars: pl.DataFrame, features: Sequence) -> Side:
    from _with_pandas import with_pandas

    names = [feature.name for feature in features]
    frame = bars.to_pandas()
    return lambda: with_pandas(frame, names)


SIDES = {OURS: truecast, "copy": copy, "polars": polars, "pandas": pandas}


def check_equal(sides: dict[str, Side], features: Sequence) -> None:
    """Stop if the sides do not compute the same."""
    warm = max(feature.lookback for feature in features)
    ours = sides[OURS]()[warm:]
    for name in ("polars", "pandas"):
        theirs = sides[name]().to_numpy()[warm:]
        for place, feature in enumerate(features):
            np.testing.assert_allclose(
                theirs[:, place], ours[:, place], rtol=1e-3, atol=1e-4, err_msg=feature.name
            )


def first_call(features: Sequence) -> float:
    """Return the seconds that kernels take to load from the cache on disk, or to compile."""
    from truecast.features.compute import warm_up
    from truecast.features.plan import FeaturePlan

    started = perf_counter()
    warm_up(FeaturePlan(tuple(features)))
    return perf_counter() - started


def main() -> None:
    given = arguments(rows=ROWS, rounds=5)
    features = chosen()
    if given.alone:
        SIDES[given.alone](make_bars(given.rows), features)()
        print(peak_mb())
        return
    print(f"{len(features)} features, {given.rows:,} bars")
    loading = first_call(features)
    memory = peaks(__file__, list(SIDES), given.rows)
    bars = make_bars(given.rows)
    sides = {name: prepare(bars, features) for name, prepare in SIDES.items()}
    check_equal(sides, features)
    seconds = timed(sides, given.rounds)
    report("features", {**seconds, "truecast_first_call": loading}, memory)


if __name__ == "__main__":
    main()
