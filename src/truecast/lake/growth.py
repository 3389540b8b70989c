"""What was appended to a table since it was last looked at, from its log alone."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import polars as pl

from truecast.lake.errors import as_lake_errors
from truecast.lake.tables import Table

#: Values of ``SERIES``.
SeriesKey = tuple[str, str, str]
#: Entries of the log that say nothing of the rows.
_BESIDE = {"commitInfo", "txn"}


@dataclass(frozen=True)
class Place:
    """How far a table has come.

    Parameters
    ----------
    table : str or None
        Its id; None where there is none yet.
    version : int
        Of its last commit.
    """

    table: str | None
    version: int


@dataclass(frozen=True)
class Growth:
    """What was appended to series between two moments.

    Parameters
    ----------
    bars : mapping
        Rows of ``silver/bars``, by series.
    acted : frozenset
        The series of which there are other splits or dividends.
    """

    bars: Mapping[SeriesKey, pl.DataFrame]
    acted: frozenset[SeriesKey]


def place_of(table: Table) -> Place:
    """Return how far a table has come.

    Raises
    ------
    LakeError
        If it cannot be read.
    """
    delta = table.find()
    return Place(None, -1) if delta is None else Place(str(delta.metadata().id), delta.version())


def rows_between(table: Table, before: Place, after: Place) -> pl.DataFrame | None:
    """Return the rows that were appended between two places.

    Parameters
    ----------
    table : Table
        With a schema.
    before, after : Place
        Of this table, in this order.

    Returns
    -------
    pl.DataFrame or None
        In the order of the commits; None where something else was done than to append.

    Raises
    ------
    LakeError
        If it cannot be read.
    """
    assert table.schema is not None  # noqa: S101 - of tables that bring their own nobody asks
    schema = dict(table.schema)
    if before.table != after.table or before.version > after.version:
        return None
    with as_lake_errors(table.url, "read the table"):
        added: list[dict[str, Any]] = []
        for version in range(before.version + 1, after.version + 1):
            for kind, entry in _entries(table, version):
                if kind in _BESIDE or not entry.get("dataChange", True):
                    continue
                if kind != "add":
                    return None
                added.append(entry)
        if not added:
            return pl.DataFrame(schema=schema)
        names = [unquote(entry["path"]) for entry in added]
        parts = table.partition_by
        held = {name: kind for name, kind in schema.items() if name not in parts}
        rows = table.storage.scan_parquet(names, held).select(*held).collect()
        counts = pl.Series([json.loads(entry["stats"])["numRecords"] for entry in added])
        keys = pl.DataFrame([entry["partitionValues"] for entry in added], schema=list(parts))
        places = pl.int_range(len(added), eager=True).repeat_by(counts).explode()
        return rows.hstack(keys[places]).select(*schema)


def _entries(table: Table, version: int) -> Iterator[tuple[str, dict[str, Any]]]:
    commit = table.storage.read(f"_delta_log/{version:020}.json")
    for line in commit.decode().splitlines():
        yield from json.loads(line).items()
