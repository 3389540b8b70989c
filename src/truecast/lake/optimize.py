"""Fewer, larger files where many small ones have gathered, and no file that nobody needs.

A commit a minute leaves thousands of small files, which are slow to open. They are written anew as
one file a partition, its rows in the order of time, in a commit that says that no row has changed:
whoever reads the last version gets the same rows, and writers who are at work meanwhile go on. The
files that it replaces stay, since older versions are made of them, and a forecast or a dataset may
name one. They are removed only if the caller says that the history may go.

What is deleted without being asked are files that no version ever had: what a writer left behind
that was killed before its commit. A file younger than the retention may belong to a writer who has
yet to commit, and is left.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import unquote

import polars as pl
from deltalake import CommitProperties, Transaction
from deltalake.transaction import RemoveAction

from truecast.core.clock import now
from truecast.lake.datafiles import write_files
from truecast.lake.errors import LakeError, as_lake_errors
from truecast.lake.storage import Storage
from truecast.lake.tables import Snapshot, Table, retried

#: Files smaller than this are put together.
SMALL = 64 * 2**20
#: How long a file is left that nobody needs: no writer or reader takes as long.
RETENTION = timedelta(days=7)

_LOG = "/_delta_log/"
# Gold tables are replaced whole, and the last commit holds their lineage: only this one grows.
_GROWING_GOLD = "gold/trials"
_GUARD = "truecast compaction"
# How rows lie where it helps reads; the others keep the order in which they were read.
_ORDER = {
    "bronze/index": ("received_at", "written_at"),
    "silver/bars": ("event_time", "version"),
    "silver/actions": ("session", "kind", "version"),
    "silver/quarantine": ("event_time", "row"),
    "silver/repairs": ("session", "event_time", "field"),
}


@dataclass(frozen=True)
class Optimized:
    """What became of one table.

    Parameters
    ----------
    table : str
        Its name, such as ``silver/bars``.
    files_before, files_after : int
        Files of the last version.
    bytes_before, bytes_after : int
        Their size.
    removed_files, removed_bytes : int
        Files that were deleted.
    """

    table: str
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    removed_files: int
    removed_bytes: int


def optimize_lake(
    storage: Storage, *, retention: timedelta = RETENTION, forget_history: bool = False
) -> list[Optimized]:
    """Put small files together in every table, then delete what nobody needs.

    Parameters
    ----------
    storage : Storage
        The lake's root.
    retention : timedelta
        How long a file must have been of no use.
    forget_history : bool
        Whether to delete the files, too, that only older versions have: then those versions
        cannot be read any more, and what was forecast from them cannot be reproduced.

    Returns
    -------
    list of Optimized
        One a table, by name.

    Raises
    ------
    LakeError
        If a table cannot be read or written.
    """
    limit = now() - retention
    with as_lake_errors(storage.url, "list the lake"):
        files = list(storage.files())
        names = {file.name.partition(_LOG)[0] for file in files if _LOG in file.name}
        for file in files:
            # What a writer left behind that was killed before its rename.
            if "/.incoming-" in file.name and file.modified < limit:
                storage.delete(file.name)
    done = []
    for name in sorted(names):
        table = _open(storage, name)
        before = _size(table)
        if not name.startswith("gold/") or name == _GROWING_GOLD:
            retried(partial(compact, table, _ORDER.get(name, ())))
        removed = vacuum(table, limit, forget_history=forget_history)
        done.append(Optimized(name, *_pairs(before, _size(table)), *removed))
    return done


def compact(table: Table, order: Sequence[str] = ()) -> None:
    """Put the small files of each partition together, in one commit.

    Parameters
    ----------
    table : Table
        A table that is there.
    order : sequence of str
        Columns by which rows lie.

    Raises
    ------
    ConflictError
        If another process did the same meanwhile.
    """
    snapshot = table.snapshot()
    keys = [f"partition.{name}" for name in table.partition_by]
    files = snapshot.files().filter(pl.col("size_bytes") < SMALL)
    several = files.filter(pl.len().over(keys) > 1) if keys else files
    if len(several) < 2:
        return
    with as_lake_errors(table.url, "put files together"):
        groups = several.group_by(keys, maintain_order=True) if keys else [((), several)]
        added = []
        for _, group in groups:
            rows = snapshot.read_files(group)
            rows = rows.sort(order, maintain_order=True) if order else rows
            added += write_files(table.storage, rows, table.partition_by, data_change=False)
        number = snapshot.delta.version() + 1
        snapshot.delta.create_write_transaction(
            [*added, *_removals(several, table)],
            "append",
            snapshot.delta.schema(),
            list(table.partition_by),
            commit_properties=CommitProperties(app_transactions=[Transaction(_GUARD, number)]),
        )


def vacuum(table: Table, limit: datetime, *, forget_history: bool = False) -> tuple[int, int]:
    """Delete files that nobody needs; return how many, and their bytes.

    Parameters
    ----------
    table : Table
        A table that is there.
    limit : datetime
        What is younger is left: a writer may be about to commit it, or a reader have it open.
    forget_history : bool
        Whether what only older versions have goes too.
    """
    with as_lake_errors(table.url, "clean up the table"):
        # The files first, then the log: what is committed in between is not deleted.
        old = [file for file in table.storage.files() if file.modified < limit]
        snapshot = table.snapshot()
        held = {unquote(path) for path in snapshot.files()["path"]}
        loose = [f for f in old if f.name.endswith(".parquet") and not _in_log(f.name)]
        loose = [file for file in loose if file.name not in held]
        if not loose:
            return 0, 0
        needed = _in_use(snapshot, limit, forget_history=forget_history)
        gone = [file for file in loose if file.name not in needed]
        for file in gone:
            table.storage.delete(file.name)
    return len(gone), sum(file.size for file in gone)


def _open(storage: Storage, name: str) -> Table:
    table = Table(f"{storage.url}/{name}")
    keys = table.snapshot().delta.metadata().partition_columns
    return Table(table.url, None, tuple(keys))


def _size(table: Table) -> tuple[int, int]:
    files = table.snapshot().files()
    return len(files), int(files["size_bytes"].sum())


def _pairs(before: tuple[int, int], after: tuple[int, int]) -> tuple[int, int, int, int]:
    return before[0], after[0], before[1], after[1]


def _in_log(name: str) -> bool:
    return name.startswith("_delta_log/")


def _removals(files: pl.DataFrame, table: Table) -> list[RemoveAction]:
    moment = int(now().timestamp() * 1000)
    return [
        RemoveAction(
            path=unquote(row["path"]),
            data_change=False,
            deletion_timestamp=moment,
            size=row["size_bytes"],
            partition_values={name: row[f"partition.{name}"] for name in table.partition_by},
        )
        for row in files.iter_rows(named=True)
    ]


def _in_use(snapshot: Snapshot, limit: datetime, *, forget_history: bool) -> set[str]:
    """Return the files that older versions are made of: all of them, or those of late.

    The log is never cut short (``delta.logRetentionDuration``), so it names every file.
    """
    storage, found = snapshot.table.storage, set()
    for version in range(snapshot.delta.version() + 1):
        name = f"_delta_log/{version:020}.json"
        if storage.size(name) is None:
            raise LakeError(
                f"{snapshot.table.url}: the log of version {version} is missing, so it cannot be "
                "said which files older versions need; nothing was deleted"
            )
        for line in storage.read(name).decode().splitlines():
            entry = json.loads(line)
            if "add" in entry and not forget_history:
                found.add(unquote(entry["add"]["path"]))
            if "remove" in entry and entry["remove"]["deletionTimestamp"] >= _milliseconds(limit):
                found.add(unquote(entry["remove"]["path"]))
    return found


def _milliseconds(moment: datetime) -> float:
    return moment.timestamp() * 1000
