"""10,000 late or corrected bars into a table of 1.7 million, against Delta's own merge.

``truecast`` keeps the payload, finds the versions that the bars follow, and appends what is new;
``merge`` is ``DeltaTable.merge`` of the same rows into a table of the same layout: it updates what
matches and inserts the rest. The bars are spread over all the years that the table holds, half of
them corrected, half of them late. Every round begins with a table as it was.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from _bars import CALENDAR, ROWS, make_bars
from _measure import OURS, Side, arguments, peak_mb, peaks, report, timed
from deltalake import DeltaTable

from truecast.core.bars import PARSED_BARS
from truecast.core.instrument import Instrument
from truecast.lake.lake import Lake
from truecast.lake.schemas import SILVER_BARS
from truecast.sources.base import Parsed, Payload

SHARE = 170  # one bar in so many is late, and as many are corrected
INSTRUMENT = Instrument("SYNTHETIC", CALENDAR, timedelta())
SERIES = {"source": "bench", "instrument": "SYNTHETIC", "interval": "1m"}
RECEIVED = datetime(2030, 1, 1, tzinfo=UTC)


def parts_of(rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the bars that are there first, and those that are late or corrected."""
    missing = [name for name in PARSED_BARS if name not in ("row", "known_at")]
    bars = make_bars(rows).drop("known_at", "version").with_row_index("row")
    bars = bars.with_columns(
        *(pl.lit(None, PARSED_BARS[name]).alias(name) for name in missing if name not in bars),
        known_at=pl.lit(None, PARSED_BARS["known_at"]),
    ).select(pl.col(name).cast(kind) for name, kind in PARSED_BARS.items())
    turn = pl.col("row") % (2 * SHARE)
    corrected = bars.filter(turn == SHARE).with_columns(pl.col("volume") + 1)
    return bars.filter(turn != 0), pl.concat([bars.filter(turn == 0), corrected]).sort("row")


def store(lake: Path, bars: pl.DataFrame, received: datetime) -> None:
    payload = Payload(
        source="bench",
        symbol="SYNTHETIC",
        interval="1m",
        request={},
        content=f"{len(bars)} bars".encode(),
        media_type="text/plain",
        received_at=received,
    )
    summary = Lake(str(lake)).store(payload, Parsed(bars), INSTRUMENT, simulated=True)
    assert summary.added + summary.revised == len(bars), summary


def merge(lake: Path, bars: pl.DataFrame) -> None:
    names = {name: name for name in SILVER_BARS}
    same = " AND ".join(f"t.{name} = '{value}'" for name, value in SERIES.items())
    rows = bars.select(
        pl.col(name).cast(kind) if name in bars.columns else pl.lit(None, kind).alias(name)
        for name, kind in SILVER_BARS.items()
    ).with_columns(**{name: pl.lit(value) for name, value in SERIES.items()})
    source = {name: f"s.{name}" for name in names}
    told = (
        DeltaTable(str(lake / "silver/bars"))
        .merge(rows, f"{same} AND t.event_time = s.event_time", "s", "t")
        .when_matched_update(source)
        .when_not_matched_insert(source)
        .execute()
    )
    assert told["num_target_rows_updated"] + told["num_target_rows_inserted"] == len(bars), told


def copies(lake: Path, rounds: int) -> Iterator[Path]:
    """Make as many lakes of the same files, which are never changed once they are written."""
    made = [lake.with_name(f"lake-{number}") for number in range(rounds)]
    for place in made:
        shutil.copytree(lake, place, copy_function=os.link)
    return iter(made)


def main() -> None:
    given = arguments(rows=ROWS, rounds=5)
    with tempfile.TemporaryDirectory(prefix="truecast-bench-") as folder:
        lake = Path(folder) / "lake"
        first, then = parts_of(given.rows)
        store(lake, first, RECEIVED)
        fresh = copies(lake, 2 * given.rounds)
        sides: dict[str, Side] = {
            OURS: lambda: store(next(fresh), then, RECEIVED + timedelta(days=1)),
            "merge": lambda: merge(next(fresh), then),
        }
        if given.alone:
            sides[given.alone]()
            print(peak_mb())
            return
        print(f"{len(then):,} bars into {len(first):,}")
        memory = peaks(__file__, [*sides], given.rows)
        report("merge", timed(sides, given.rounds), memory)


if __name__ == "__main__":
    main()
