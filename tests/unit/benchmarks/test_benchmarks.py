"""Each benchmark runs at a small size, and says what it promises to; no time is judged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
ROWS = {
    "features": ["truecast", "copy", "polars", "pandas", "truecast_first_call"],
    "tail": ["truecast", "polars", "pandas"],
    "ingest": [
        *("truecast", "truecast_again", "parquet"),
        *("truecast_of_ndjson", "truecast_of_ndjson_again", "parquet_of_ndjson"),
    ],
    "merge": ["truecast", "merge"],
    "sentiment": ["truecast", "truecast_kept", "bert"],
    "simulate": ["truecast", "copy"],
    "serve": [
        *("truecast", "fastapi", "truecast_p99", "fastapi_p99"),
        *("truecast_of_8", "fastapi_of_8", "truecast_first"),
    ],
}
MEASURED_ALONE = {
    "features": 4,
    "tail": 0,
    "ingest": 4,
    "merge": 2,
    "sentiment": 0,
    "simulate": 1,
    "serve": 2,
}


def test_all_are_tried():
    assert {path.stem for path in BENCHMARKS.glob("[!_]*.py")} == set(ROWS)


@pytest.fixture(scope="module")
def printed():
    """What each prints; they run at the same time, since most of theirs is starting up."""
    arguments = ["--rows", "3000", "--rounds", "1"]
    running = {
        name: subprocess.Popen(
            [sys.executable, BENCHMARKS / f"{name}.py", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ROWS
    }
    return {name: (*process.communicate(), process.returncode) for name, process in running.items()}


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
        ours = "truecast_of_ndjson" if "ndjson" in row["what"] else "truecast"
        taken = next(other["seconds"] for other in said["rows"] if other["what"] == ours)
        assert row["ratio"] == pytest.approx(taken / row["seconds"], rel=0.01)
    if sys.platform == "linux":
        peaks = [row["peak_mb"] for row in said["rows"] if row["peak_mb"]]
        assert len(peaks) == MEASURED_ALONE[name]
