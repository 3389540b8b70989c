"""A year's worth and more of one-minute bars into a new lake, against Polars alone.

``truecast`` reads a Parquet file, keeps its bytes, checks every bar, gives each its version and
the moment it was known, and commits them; ``truecast_again`` takes in the same file once more and
finds nothing new; ``parquet`` reads the same file and writes it as Parquet, with Polars. The rows
``_of_ndjson`` are the same for a file of JSON lines. The Parquet file is the one of real bars where
``TRUECAST_REALDATA`` is set and ``--rows`` is not given, else it is made up as the JSON lines are.
"""

import os
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

import polars as pl
from _bars import CALENDAR, ROWS, make_bars
from _measure import OURS, Side, arguments, peak_mb, peaks, report, timed

from truecast.core.interval import Interval
from truecast.lake.lake import Lake
from truecast.sources.files.source import open_files

REAL = Path("minute/btcusd_bitfinex_1m_2013_2017.parquet")
NUMBERS = ("open", "high", "low", "close", "volume")
READ: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".ndjson": pl.read_ndjson,
}


def write_files(folder: Path, rows: int) -> list[Path]:
    """Write the made-up bars; returns the two files that are taken in."""
    bars = make_bars(rows).select(pl.col("event_time").alias("timestamp"), *NUMBERS)
    parquet, lines = folder / "SYNTHETIC.parquet", folder / "SYNTHETIC.ndjson"
    bars.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_ndjson(lines)
    bars.write_parquet(parquet)
    data = os.environ.get("TRUECAST_REALDATA")
    real = rows == ROWS and data is not None
    return [Path(data, REAL) if data is not None and real else parquet, lines]


def take_in(lake: Path, path: Path) -> int:
    source = open_files({"path": str(path), "calendar": CALENDAR, "timezone": "UTC"})
    summary = Lake(str(lake)).ingest(source, path.stem, Interval("1m"))
    assert not summary.quarantined, summary
    return summary.added


def sides_of(path: Path, folder: Path, suffix: str) -> dict[str, Side]:
    """Name what is compared for one file."""
    new = count()
    lake = folder / f"lake{suffix}"
    copy = folder / "copy.parquet"

    def first() -> None:
        assert take_in(folder / f"lake{suffix}-{next(new)}", path)

    def again() -> None:
        assert take_in(lake, path) == 0

    return {
        OURS + suffix: first,
        f"{OURS}{suffix}_again": again,
        "parquet" + suffix: lambda: READ[path.suffix](path).write_parquet(copy),
    }


def main() -> None:
    given = arguments(rows=ROWS, rounds=5)
    with tempfile.TemporaryDirectory(prefix="truecast-bench-") as made:
        folder, sides = Path(made), dict[str, Side]()
        files = dict(zip(("", "_of_ndjson"), write_files(folder, given.rows), strict=True))
        for suffix, path in files.items():
            sides |= sides_of(path, folder, suffix)
        if given.alone:
            sides[given.alone]()
            print(peak_mb())
            return
        for suffix, path in files.items():
            print(f"{path.name}: {path.stat().st_size / 2**20:.0f} MB")
            take_in(folder / f"lake{suffix}", path)  # what `again` finds
        memory = peaks(__file__, [name for name in sides if "again" not in name], given.rows)
        report("ingest", timed(sides, given.rounds), memory, ["_of_ndjson"])


if __name__ == "__main__":
    main()
