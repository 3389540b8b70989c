"""The Parquet files of a Delta table: written by Polars, described as Delta's log wants them.

Polars writes with all cores and in a fraction of the time that Delta's own writer takes. A file is
written whole, under a name that nobody knows, before the commit that refers to it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import polars as pl
from deltalake.transaction import AddAction

from truecast.lake.storage import Storage

#: Rows of one file; what is larger is cut, in the order of the rows.
LARGEST = 8_000_000


def write_files(
    storage: Storage,
    frame: pl.DataFrame,
    partition_by: Sequence[str],
    rows: int = LARGEST,
    *,
    data_change: bool = True,
) -> list[AddAction]:
    """Write rows as files, and return what a commit must say of them.

    Parameters
    ----------
    storage : Storage
        The table's root.
    frame : pl.DataFrame
        The rows, partition columns too.
    partition_by : sequence of str
        Columns whose values part the files; all strings.
    rows : int
        The most rows of one file.
    data_change : bool
        Whether the rows are new to the table; not so where files are only laid out anew.

    Returns
    -------
    list of AddAction
        Numbered in the order of the rows.
    """
    actions: list[AddAction] = []
    for values, part in _parts(frame, partition_by):
        folder = "".join(f"{name}={_escaped(value)}/" for name, value in values.items())
        held = part.drop(partition_by)
        for number, start in enumerate(range(0, len(held), rows)):
            cut = held.slice(start, rows)
            name = f"{folder}part-{number:05}-{uuid4()}-c000.lz4.parquet"
            storage.write_parquet(name, cut)
            actions.append(
                AddAction(
                    path=name,  # Delta escapes it
                    size=storage.size(name) or 0,
                    partition_values=values,
                    modification_time=int(datetime.now(UTC).timestamp() * 1000),
                    data_change=data_change,
                    stats=json.dumps(_statistics(cut)),
                )
            )
    return actions


def _parts(
    frame: pl.DataFrame, partition_by: Sequence[str]
) -> Iterator[tuple[dict[str, str | None], pl.DataFrame]]:
    """Yield the rows of each combination of partition values."""
    if not partition_by or frame.is_empty():
        yield {}, frame
        return
    first = frame.row(0, named=True)
    values = {name: first[name] for name in partition_by}
    # Most often there is one: then nothing is copied.
    if all((frame[name] == value).all() for name, value in values.items()):
        yield values, frame
        return
    for found, part in frame.group_by(partition_by, maintain_order=True):
        yield dict(zip(partition_by, found, strict=True)), part


def _escaped(value: str | None) -> str:
    return "__HIVE_DEFAULT_PARTITION__" if value is None else quote(value, safe="")


def _statistics(frame: pl.DataFrame) -> Mapping[str, Any]:
    """Return the count of rows, and the range of what reads skip files by: days and moments."""
    names = [
        name
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.Date) or (isinstance(kind, pl.Datetime) and kind.time_zone)
    ]
    bounds: dict[str, dict[str, Any]] = {"minValues": {}, "maxValues": {}, "nullCount": {}}
    for name in names:
        low, high = frame[name].min(), frame[name].max()
        bounds["nullCount"][name] = frame[name].null_count()
        if low is not None:
            bounds["minValues"][name], bounds["maxValues"][name] = _written(low), _written(high)
    return {"numRecords": len(frame), **bounds}


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return str(value)
