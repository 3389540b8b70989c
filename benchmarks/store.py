"""Write the 114 inputs of ``sp500_114`` of 1.7 million bars into the lake, against a Parquet file.

``truecast`` replaces a gold table: a file that is on the disk before the one commit that refers to
it and holds its lineage. ``parquet`` is one lz4 Parquet file of the same frame by Polars, with
nothing made sure. ``delta_default`` is Delta's own writer with its default settings, run once.
"""

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

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

TABLE, PLAIN = "datasets/bench/SYNTHETIC", "plain.parquet"


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


class Written:
    """A folder that goes with the object: every turn finds the same room in memory and on disk."""

    def __init__(self, root: Path, write: Callable[[Path], object]) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=root))
        write(self.folder)

    def __del__(self) -> None:
        shutil.rmtree(self.folder)


def prepare(frame: pl.DataFrame, root: Path) -> dict[str, Side]:
    def by_truecast(folder: Path) -> None:
        Lake(str(folder)).write_gold(TABLE, frame, {"made_from": "bench"})

    def by_polars(folder: Path) -> None:
        frame.write_parquet(folder / PLAIN, compression="lz4")

    def by_delta(folder: Path) -> None:
        write_deltalake(str(folder), frame)

    writers = {OURS: by_truecast, "parquet": by_polars, "delta_default": by_delta}
    return {name: partial(Written, root, write) for name, write in writers.items()}


def check_equal(frame: pl.DataFrame, sides: dict[str, Side]) -> None:
    """Stop if what is written is not what was given."""
    ours, plain = sides[OURS](), sides["parquet"]()
    assert_frame_equal(Lake(str(ours.folder)).read_gold(TABLE).frame, frame)
    assert_frame_equal(pl.read_parquet(plain.folder / PLAIN), frame)


def main() -> None:
    given = arguments(rows=ROWS, rounds=5)
    with tempfile.TemporaryDirectory(prefix="truecast-bench-") as name:
        frame = make_frame(given.rows)
        sides = prepare(frame, Path(name))
        if given.alone:
            sides[given.alone]()
            print(peak_mb())
            return
        print(f"{given.rows:,} rows, {frame.width - 1} columns of float32")
        once = {"delta_default": sides.pop("delta_default")}
        memory = peaks(__file__, [*sides], given.rows)
        check_equal(frame, sides)
        seconds = timed(sides, given.rounds) | timed(once, 1)
    report("store", seconds, memory)


if __name__ == "__main__":
    main()
