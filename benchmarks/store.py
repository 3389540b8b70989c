"""Write the 114 inputs of ``sp500_114`` of 1.7 million bars into the lake, against a Parquet file.

``truecast`` replaces a gold table: a file that is on the disk before the one commit that refers to
it and holds its lineage. ``parquet`` is one lz4 Parquet file of the same frame by Polars, with
nothing made sure. ``delta_default`` is Delta's own writer with its default settings, run once.
"""

import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from _bars import ROWS, as_inputs, make_bars, with_clock
from _measure import OURS, Side, arguments, peak_mb, peaks, report, timed
from deltalake import write_deltalake
from features import chosen
from polars.testing import assert_frame_equal

from truecast.features.catalog import members
from truecast.features.compute import compute_columns
from truecast.lake.lake import Lake

TABLE = "datasets/bench/SYNTHETIC"


def make_frame(rows: int) -> pl.DataFrame:
    """Return the market's features of so many bars, and numbers in the place of the news'."""
    features, bars = chosen(), with_clock(make_bars(rows))
    values = compute_columns(features, as_inputs(bars, {n for f in features for n in f.inputs}))
    rng = np.random.default_rng(7)
    told = {
        feature.name: rng.normal(size=rows).astype(np.float32)
        for feature in members("sp500_114")
        if feature.family.of_news
    }
    made = {feature.name: values[:, place] for place, feature in enumerate(features)}
    return pl.DataFrame({"event_time": bars["event_time"], **made, **told})


def prepare(frame: pl.DataFrame, folder: Path) -> dict[str, Side]:
    lake, file = Lake(str(folder / "lake")), folder / "plain.parquet"
    return {
        OURS: lambda: lake.write_gold(TABLE, frame, {"made_from": "bench"}),
        "parquet": lambda: frame.write_parquet(file, compression="lz4"),
    }


def check_equal(frame: pl.DataFrame, folder: Path) -> None:
    """Stop if what was written is not what was given."""
    found = (Lake(str(folder / "lake")).read_gold(TABLE).frame, folder / "plain.parquet")
    for written in (found[0], pl.read_parquet(found[1])):
        assert_frame_equal(written, frame)


def main() -> None:
    given = arguments(rows=ROWS, rounds=3)
    with tempfile.TemporaryDirectory(prefix="truecast-bench-") as name:
        folder, frame = Path(name), make_frame(given.rows)
        sides = prepare(frame, folder)
        if given.alone:
            sides[given.alone]()
            print(peak_mb())
            return
        print(f"{given.rows:,} rows, {frame.width - 1} columns of float32")
        memory = peaks(__file__, [*sides], given.rows)
        for side in sides.values():
            side()
        check_equal(frame, folder)
        seconds = timed(sides, given.rounds)
        started = perf_counter()
        write_deltalake(str(folder / "default"), frame)
        seconds["delta_default"] = perf_counter() - started
    report("store", seconds, memory)


if __name__ == "__main__":
    main()
