"""One Delta table: create, read, append, overwrite, each change one atomic commit."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import polars as pl
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from truecast.lake.errors import ConflictError, LakeError

T = TypeVar("T")

_ATTEMPTS = 10

# Old versions are what a forecast was made from: Delta would forget them after 30 days.
_KEEP_LOG: Mapping[str, str | None] = {"delta.logRetentionDuration": "interval 36500 days"}


@dataclass(frozen=True)
class Table:
    """A Delta table at a place, whether it exists yet or not.

    Parameters
    ----------
    url : str
        Folder or URL.
    schema : mapping of str to pl.DataType, or None
        Its columns; None where each overwrite brings its own.
    partition_by : tuple of str
        Columns whose values split the table into folders, so that reading one series opens no
        other's files.
    """

    url: str
    schema: Mapping[str, pl.DataType] | None = None
    partition_by: tuple[str, ...] = ()

    def version(self) -> int | None:
        """Return the number of the last commit, from 0; None if there is no table."""
        delta = self._find()
        return None if delta is None else delta.version()

    def read(
        self, where: Mapping[str, str] | None = None, columns: Iterable[str] | None = None
    ) -> pl.DataFrame:
        """Read the last commit; see :meth:`Snapshot.read`. No table reads as no rows.

        Raises
        ------
        LakeError
            If there is no table and nothing says what its columns would be, or reading fails.
        """
        delta = self._find()
        if delta is not None:
            return Snapshot(self, delta).read(where, columns)
        if self.schema is None:
            raise LakeError(f"{self.url}: there is no such table")
        empty = pl.DataFrame(schema=dict(self.schema))
        return empty if columns is None else empty.select(columns)

    def snapshot(self, version: int | None = None) -> "Snapshot":
        """Hold on to one commit, the last if none is named; the table is made if need be.

        Raises
        ------
        LakeError
            If it cannot be opened or made, or has no such version.
        """
        with _as_lake_errors(self.url, "open"):
            delta = self._find()
            if delta is None and self.schema is not None:
                delta = self._create(self.schema)
            if delta is None:
                raise LakeError(f"{self.url}: there is no such table")
            if version is not None:
                delta.load_as_version(version)
            return Snapshot(self, delta)

    def overwrite(self, frame: pl.DataFrame, metadata: Mapping[str, str]) -> int:
        """Replace all rows, and the columns where they differ.

        Parameters
        ----------
        frame : pl.DataFrame
            The new rows.
        metadata : mapping of str to str
            Kept with the commit.

        Returns
        -------
        int
            Version of the commit.
        """
        with _as_lake_errors(self.url, "write"):
            write_deltalake(
                self.url,
                frame,
                mode="overwrite",
                schema_mode="overwrite",
                configuration=_KEEP_LOG,
                writer_properties=_writer(frame.schema),
                commit_properties=CommitProperties(custom_metadata=dict(metadata)),
            )
            return DeltaTable(self.url).version()

    def _create(self, schema: Mapping[str, pl.DataType]) -> DeltaTable | None:
        try:
            return DeltaTable.create(
                self.url,
                pl.Schema(schema),
                mode="error",
                partition_by=list(self.partition_by) or None,
                configuration=_KEEP_LOG,
            )
        except DeltaError:
            # Another process was faster; anything else shows when the table is opened.
            return self._find()

    def _find(self) -> DeltaTable | None:
        with _as_lake_errors(self.url, "open"):
            try:
                return DeltaTable(self.url)
            except TableNotFoundError:
                return None


@dataclass(frozen=True)
class Snapshot:
    """One commit of a table, to read from and to append after."""

    table: Table
    delta: DeltaTable

    def read(
        self, where: Mapping[str, str] | None = None, columns: Iterable[str] | None = None
    ) -> pl.DataFrame:
        """Read rows.

        Parameters
        ----------
        where : mapping of str to str, or None
            Column to the one value that it must have.
        columns : iterable of str, or None
            The columns to read; None for all.
        """
        with _as_lake_errors(self.table.url, "read"):
            schema = pl.Schema(self.delta.schema())
            parts = [pl.LazyFrame(schema=schema), *self._scan(where or {})]
            rows = pl.concat([part.select(schema.names()) for part in parts])
            for name, value in (where or {}).items():
                rows = rows.filter(pl.col(name) == value)
            return rows.select(list(columns) if columns is not None else pl.all()).collect()

    def _scan(self, where: Mapping[str, str]) -> Iterator[pl.LazyFrame]:
        """Yield the files of each partition that ``where`` allows, with the partition's values.

        Delta names files relative to the table, escaped; Polars' own reader escapes the table's
        folder too, and then finds nothing where that has a space or an accent.
        """
        files = pl.DataFrame(self.delta.get_add_actions(flatten=True))
        keys = {name: f"partition.{name}" for name in self.table.partition_by}
        for name, key in keys.items():
            if name in where:
                files = files.filter(pl.col(key) == where[name])
        if files.is_empty():
            return
        groups = files.group_by(list(keys.values())) if keys else [((), files)]
        for values, group in groups:
            # A commit numbers its files in the order of the rows.
            paths = [Path(self.table.url) / unquote(path) for path in group["path"].sort()]
            constants = {name: pl.lit(value) for name, value in zip(keys, values, strict=True)}
            yield pl.scan_parquet(paths).with_columns(**constants)

    def metadata(self) -> dict[str, str]:
        """Return what was kept with this commit, Delta's own entries too."""
        with _as_lake_errors(self.table.url, "read"):
            # From the commit itself: Delta's own history misnumbers what an older snapshot sees.
            commit = Path(self.table.url) / "_delta_log" / f"{self.delta.version():020}.json"
            entries = [json.loads(line) for line in commit.read_text("utf-8").splitlines()]
            found = next(entry["commitInfo"] for entry in entries if "commitInfo" in entry)
            return {key: value for key, value in found.items() if isinstance(value, str)}

    def append(self, frame: pl.DataFrame, guard: str | None = None) -> None:
        """Append rows in one commit.

        Parameters
        ----------
        frame : pl.DataFrame
            The rows, in the table's columns.
        guard : str or None
            What the rows were computed from, such as the name of a series. If another commit
            with the same guard came after this snapshot, nothing is written.

        Raises
        ------
        ConflictError
            If another process wrote under the same guard meanwhile.
        LakeError
            If writing fails; then nothing was written.
        """
        transactions = [Transaction(guard, self.delta.version() + 1)] if guard else None
        with _as_lake_errors(self.table.url, "write"):
            write_deltalake(
                self.delta,
                frame,
                mode="append",
                writer_properties=_writer(frame.schema),
                commit_properties=CommitProperties(app_transactions=transactions),
            )


def retried(work: Callable[[], T]) -> T:
    """Do it again, from the newest state, while other processes write the same meanwhile."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return work()
        except ConflictError:
            continue
    return work()


def _writer(schema: pl.Schema) -> WriterProperties:
    """Write numbers plainly: a dictionary of floats costs ten times the time and saves nothing."""
    text = ColumnProperties(dictionary_enabled=True)
    return WriterProperties(
        compression="LZ4_RAW",
        default_column_properties=ColumnProperties(dictionary_enabled=False),
        column_properties={name: text for name, kind in schema.items() if kind == pl.String},
    )


@contextmanager
def _as_lake_errors(url: str, what: str) -> Iterator[None]:
    try:
        yield
    except CommitFailedError as error:
        raise ConflictError(f"{url}: another process wrote to it meanwhile ({error})") from error
    except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
        raise LakeError(
            f"{url}: could not {what} the table: {error}; check the disk's space and permissions"
        ) from error
