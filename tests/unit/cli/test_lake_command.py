"""``truecast lake``: what is put together, and that reads stay the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from truecast.core.interval import Interval
from truecast.lake.lake import Lake


def test_optimize_leaves_fewer_files_and_the_same_rows(
    home: Path, typed: Callable[..., Any]
) -> None:
    lake = Lake(str(home / "lake"))
    before = lake.history("sample", "^VIX", Interval("1d")).versions
    receipts = lake.bronze.index.read()
    done = typed("lake", "optimize", "--json", home=home)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert set(document) == {"lake", "tables"}
    tables = {one.pop("table"): one for one in document["tables"]}
    assert set(tables) >= {"bronze/index", "silver/bars", "silver/quarantine"}
    assert set(tables["silver/bars"]) == {
        *("files_before", "files_after", "bytes_before", "bytes_after"),
        *("removed_files", "removed_bytes"),
    }
    # One receipt a series, one file each; one file then.
    assert tables["bronze/index"]["files_before"] == len(receipts) == 4
    assert tables["bronze/index"]["files_after"] == 1
    assert all(one["removed_files"] == 0 for one in tables.values())
    assert lake.history("sample", "^VIX", Interval("1d")).versions.equals(before)
    assert lake.bronze.index.read().sort("payload").equals(receipts.sort("payload"))
    again = typed("lake", "optimize", home=home)
    assert again.code == 0
    assert "bronze/index" in again.out
