"""1.7 million one-minute bars made up from a seed: prices, quotes and depth, against copying them.

``truecast`` makes the bars and writes them as payloads; ``copy`` reads those payloads' Parquet and
writes it again, with Polars.
"""

import io
from datetime import UTC, datetime, timedelta

import polars as pl
from _bars import ROWS
from _measure import OURS, Side, arguments, peak_mb, peaks, report, timed

from truecast.core.clock import frozen_at
from truecast.core.interval import Interval
from truecast.sources.simulated.source import open_simulated

START = datetime(2021, 1, 1, tzinfo=UTC)


def make(rows: int) -> list[bytes]:
    source = open_simulated({"calendar": "24/7", "start": str(START.date()), "articles_per_day": 5})
    with frozen_at(START + timedelta(minutes=rows)):
        parts = [part.content for part in source.fetch("SYNTHETIC", Interval("1m"))]
    made = sum(len(source_rows(part)) for part in parts)
    assert made == rows, made
    return parts


def source_rows(content: bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(content), columns=["event_time"])


def copy(parts: list[bytes]) -> None:
    for part in parts:
        pl.read_parquet(io.BytesIO(part)).write_parquet(io.BytesIO(), compression="uncompressed")


def main() -> None:
    given = arguments(rows=ROWS, rounds=3)
    make(1000)  # compiles
    if given.alone:
        make(given.rows)
        print(peak_mb())
        return
    parts = make(given.rows)
    print(f"{given.rows:,} bars, {sum(map(len, parts)) / 2**20:.0f} MB of Parquet")
    sides: dict[str, Side] = {OURS: lambda: make(given.rows), "copy": lambda: copy(parts)}
    report("simulate", timed(sides, given.rounds), peaks(__file__, [OURS], given.rows))


if __name__ == "__main__":
    main()
