"""1.7 million one-minute bars from a Parquet file into a new lake, against Parquet itself.

``truecast`` reads the file, keeps its bytes, checks every bar, gives each its version and the
moment it was known, and commits them; ``truecast_again`` takes in the same file once more and
finds nothing new; ``parquet`` reads the same file and writes it, with Polars.
"""

import tempfile
from itertools import count
from pathlib import Path

import polars as pl
from _bars import CALENDAR, ROWS, make_bars
from _measure import OURS, Side, arguments, peak_mb, peaks, report, timed

from truecast.core.interval import Interval
from truecast.lake.lake import Lake
from truecast.sources.files.source import open_files

SYMBOL = "SYNTHETIC"


def write_file(folder: Path, rows: int) -> Path:
    path = folder / f"{SYMBOL}.parquet"
    numbers = ("open", "high", "low", "close", "volume")
    make_bars(rows).select(pl.col("event_time").alias("timestamp"), *numbers).write_parquet(path)
    return path


def take_in(lake: Path, path: Path, added: int) -> None:
    source = open_files({"path": str(path), "calendar": CALENDAR})
    summary = Lake(str(lake)).ingest(source, SYMBOL, Interval("1m"))
    assert summary.added == added, summary


def sides_of(path: Path, rows: int) -> dict[str, Side]:
    new = count()
    lake = path.parent / "lake"
    return {
        OURS: lambda: take_in(path.parent / f"lake-{next(new)}", path, rows),
        "truecast_again": lambda: take_in(lake, path, 0),
        "parquet": lambda: pl.read_parquet(path).write_parquet(path.with_name("copy.parquet")),
    }


def main() -> None:
    given = arguments(rows=ROWS, rounds=5)
    with tempfile.TemporaryDirectory(prefix="truecast-bench-") as folder:
        path = write_file(Path(folder), given.rows)
        if given.alone:
            sides_of(path, given.rows)[given.alone]()
            print(peak_mb())
            return
        print(f"{given.rows:,} bars, {path.stat().st_size / 2**20:.0f} MB of Parquet")
        memory = peaks(__file__, [OURS, "parquet"], given.rows)
        sides = sides_of(path, given.rows)
        take_in(path.parent / "lake", path, given.rows)  # what truecast_again finds
        report("ingest", timed(sides, given.rounds), memory)


if __name__ == "__main__":
    main()
