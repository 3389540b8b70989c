"""Each benchmark runs at a small size, and says what it promises to; no time is judged."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from truecast.core.calendars import get_calendar
from truecast.features.clock import clock_columns

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
_NEW = ("50", "50_p99", "100", "100_p99", "cpu")
ROWS = {
    "features": [
        *("truecast", "copy", "polars", "polars_streaming", "pandas"),
        "truecast_first_call",
    ],
    "tail": ["truecast", "truecast_at", "polars", "pandas", "truecast_cold"],
    "store": ["truecast", "parquet", "delta_default"],
    "ingest": [
        *("truecast", "truecast_again", "parquet"),
        *("truecast_of_ndjson", "truecast_of_ndjson_again", "parquet_of_ndjson"),
    ],
    "inference": ["truecast", "booster"],
    "merge": ["truecast", "merge"],
    "online": [
        *("truecast", "truecast_redis", "raw", "raw_redis"),
        *("truecast_p99", "truecast_redis_p99", "raw_p99", "raw_redis_p99"),
    ],
    "sentiment": ["truecast", "truecast_kept", "bert"],
    "simulate": ["truecast", "copy"],
    "serve": [
        *("truecast", "fastapi", "truecast_p99", "fastapi_p99"),
        *("truecast_of_64", "fastapi_of_64", "truecast_cpu", "fastapi_cpu", "truecast_first"),
        *(f"truecast_new_{end}" for end in _NEW),
        *(f"truecast_at_scale_new_{end}" for end in _NEW if shutil.which("initdb")),
    ],
    "livebar": [
        *("truecast", "truecast_issued", "truecast_lake", "truecast_open", "truecast_features"),
        *("truecast_forecasts", "truecast_ledger", "truecast_broadcast", "truecast_cpu"),
        *("anew", "anew_issued"),
    ],
    "stream": [
        *("truecast", "starlette", "truecast_cpu", "starlette_cpu"),
        *("truecast_p99", "all_read_p99", "truecast_dropped"),
    ],
}
#: It starts a cluster, which takes longer than all others together.
LONG = {
    "many": [
        *("truecast", "sequential", "ray"),
        *("sequential_of_arithmetic", "truecast_of_arithmetic"),
    ]
}
if os.environ.get("TRUECAST_SOAK"):
    ROWS |= LONG
# Ends of rows' names that are held against our seconds for the same: another input, or a quantile.
OF_THE_SAME = {
    "many": ("_of_arithmetic",),
    "ingest": ("_of_ndjson",),
    "online": ("_redis_p99", "_redis", "_p99"),
    "livebar": ("_issued",),
    "stream": ("_cpu", "_p99", "_dropped"),
    "serve": ("_p99", "_of_64", "_cpu"),
}
FEW = {"livebar": 3, "serve": 60, "stream": 20, "online": 20, "inference": 50, "many": 4}
MEASURED_ALONE = {
    "features": 5,
    "tail": 0,
    "store": 2,
    "ingest": 4,
    "inference": 0,
    "livebar": 0,
    "merge": 2,
    "online": 0,
    "sentiment": 0,
    "simulate": 1,
    "serve": 2,
    "stream": 2,
    "many": 0,
}


#: Those that measure what forecasts are worth, not seconds: they have tests of their own.
OF_SKILL = {"volatility", "transfer"}


def test_all_are_tried():
    assert {path.stem for path in BENCHMARKS.glob("[!_]*.py")} == {*ROWS, *LONG} | OF_SKILL


def rows_of(name):
    return ["--rows", str(FEW.get(name, 3_000))]


def started(name):
    return subprocess.Popen(
        [*(sys.executable, BENCHMARKS / f"{name}.py"), *rows_of(name), "--rounds", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def printed():
    """What each prints.

    They run at the same time, since most of theirs is starting up; but a cluster gives up on nodes
    that start too slowly, so it comes after them.
    """
    running = {name: started(name) for name in ROWS if name not in LONG}
    said = {name: (*process.communicate(), process.returncode) for name, process in running.items()}
    for name in LONG.keys() & ROWS.keys():
        process = started(name)
        said[name] = (*process.communicate(), process.returncode)
    return said


@pytest.mark.parametrize("name", ROWS)
def test_ends_with_one_line_of_json(name, printed):
    out, errors, code = printed[name]
    assert code == 0, errors
    said = json.loads(out.splitlines()[-1])
    assert set(said) == {"bench", "machine", "rows"}
    assert said["bench"] == name
    assert [row["what"] for row in said["rows"]] == ROWS[name]
    assert said["rows"][0]["ratio"] == 1
    for row in said["rows"]:
        assert set(row) == {"what", "seconds", "peak_mb", "ratio"}
        assert row["seconds"] > 0
        same = (end for end in OF_THE_SAME.get(name, ()) if end in row["what"])
        ours = "truecast" + next(same, "")
        taken = next(other["seconds"] for other in said["rows"] if other["what"] == ours)
        assert row["ratio"] == pytest.approx(taken / row["seconds"], rel=0.01)
    if sys.platform == "linux":
        peaks = [row["peak_mb"] for row in said["rows"] if row["peak_mb"]]
        assert len(peaks) == MEASURED_ALONE[name]


@pytest.fixture
def load(monkeypatch):
    """Import modules of the benchmarks, and forget them afterwards: their names are plain."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module
    for name in [path.stem for path in BENCHMARKS.glob("*.py")]:
        sys.modules.pop(name, None)


def test_the_clock_of_the_bars_is_that_of_their_market(load):
    bars = load("_bars")
    told = bars.with_clock(bars.make_bars(3_000))
    columns = [told[name].to_numpy() for name in ("event_time", "session")]
    market = get_calendar(bars.CALENDAR)
    expected = clock_columns(
        columns[0].astype("datetime64[us]"), columns[1].astype("datetime64[D]"), market
    )
    for name in ("local_minute", "since_open", "until_close"):
        np.testing.assert_array_equal(told[name], expected[name], err_msg=name)


def test_a_side_that_computes_something_else_is_found(load):
    features = load("features")
    chosen = [feature for feature in features.chosen() if feature.name in ("roc_12", "is_doji")]
    bars = features.with_clock(features.make_bars(3_000))
    sides = {name: prepare(bars, chosen) for name, prepare in features.SIDES.items()}
    features.check_equal(sides, chosen)
    for name, wrong in (("roc_12", 1.01 * pl.col("roc_12")), ("is_doji", 1 - pl.col("is_doji"))):
        found = sides["polars"]().with_columns(wrong.alias(name))
        with pytest.raises(AssertionError, match=name):
            features.check_equal({**sides, "polars": lambda found=found: found}, chosen)
