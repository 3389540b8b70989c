"""One Delta table: create, read, append, overwrite, each change one atomic commit."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import unquote

import polars as pl
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, create_table_with_add_actions

from truecast.lake.datafiles import write_files
from truecast.lake.errors import ConflictError, LakeError, as_lake_errors
from truecast.lake.storage import Storage, open_storage

T = TypeVar("T")

_ATTEMPTS = 20

# Old versions are what a forecast was made from: Delta would forget them after 30 days.
_KEEP_LOG: Mapping[str, str | None] = {"delta.logRetentionDuration": "interval 36500 days"}

# Of two processes that replace all rows at once, the second is told so.
_REPLACED = "truecast replacement"


@dataclass(frozen=True)
class Table:
    """A Delta table at a place, whether it exists yet or not.

    A table that an earlier version of Truecast wrote may lack columns: they read as null, and the
    first commit that has them adds them. Columns that only a later version knows are left alone.

    Parameters
    ----------
    url : str
        Folder, or ``s3://bucket/prefix``.
    schema : mapping of str to pl.DataType, or None
        Its columns; None where each overwrite brings its own.
    partition_by : tuple of str
        Columns whose values split the table into folders, so that reading one series opens no
        other's files.
    """

    url: str
    schema: Mapping[str, pl.DataType] | None = None
    partition_by: tuple[str, ...] = ()

    @cached_property
    def storage(self) -> Storage:
        """The files of the table."""
        return open_storage(self.url)

    def version(self) -> int | None:
        """Return the number of the last commit, from 0; None if there is no table."""
        delta = self.find()
        return None if delta is None else delta.version()

    def mark(self, guard: str) -> str | None:
        """Return :meth:`Snapshot.mark` of the last commit; None if there is no table."""
        delta = self.find()
        return None if delta is None else Snapshot(self, delta).mark(guard)

    def read(
        self, where: Mapping[str, str] | None = None, columns: Iterable[str] | None = None
    ) -> pl.DataFrame:
        """Read the last commit; see :meth:`Snapshot.read`. No table reads as no rows.

        Raises
        ------
        LakeError
            If there is no table and nothing says what its columns would be, or reading fails.
        """
        delta = self.find()
        if delta is not None:
            return Snapshot(self, delta).read(where, columns)
        if self.schema is None:
            raise LakeError(f"{self.url}: there is no such table")
        empty = pl.DataFrame(schema=dict(self.schema))
        return empty if columns is None else empty.select(columns)

    def last(self, where: Mapping[str, str], column: str) -> Any:
        """Return the greatest value of a column of days or moments; None if there is no row."""
        delta = self.find()
        return None if delta is None else Snapshot(self, delta).last(where, column)

    def snapshot(self, version: int | None = None) -> "Snapshot":
        """Hold on to one commit, the last if none is named; the table is made if need be.

        Raises
        ------
        LakeError
            If it cannot be opened or made, or has no such version.
        """
        delta = self.find()
        with as_lake_errors(self.url, "open the table"):
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

        Raises
        ------
        ConflictError
            If another process replaced them meanwhile.
        LakeError
            If writing fails; then nothing was replaced.
        """
        delta = self.find()
        version = 0 if delta is None else delta.version() + 1
        with as_lake_errors(self.url, "write the table"):
            # In the types that Delta has: what the log says of the files.
            held = frame.cast(pl.Schema(Schema.from_arrow(frame.schema)))
            schema = Schema.from_arrow(held.schema)
            files = write_files(self.storage, held, ())
            commit = CommitProperties(
                custom_metadata=dict(metadata),
                app_transactions=[Transaction(_REPLACED, version)],
            )
            if delta is None:
                self._create_with(files, schema, commit)
            else:
                delta.create_write_transaction(
                    [*files], "overwrite", schema, commit_properties=commit
                )
        return version

    def _create_with(
        self, files: list[AddAction], schema: Schema, commit: CommitProperties
    ) -> None:
        """Create the table with its first rows in one commit."""
        try:
            create_table_with_add_actions(
                self.url,
                schema,
                files,
                configuration=_KEEP_LOG,
                storage_options=self.storage.options,
                commit_properties=commit,
            )
        except DeltaError as error:
            if self.find() is None:
                raise
            raise ConflictError(f"{self.url}: another process made it meanwhile") from error

    def _create(self, schema: Mapping[str, pl.DataType]) -> DeltaTable | None:
        try:
            return DeltaTable.create(
                self.url,
                pl.Schema(schema),
                mode="error",
                partition_by=list(self.partition_by) or None,
                configuration=_KEEP_LOG,
                storage_options=self.storage.options,
            )
        except DeltaError:
            # Another process was faster; anything else shows when the table is opened.
            return self.find()

    def find(self) -> DeltaTable | None:
        """Open the table as it is now; None if there is none."""
        with as_lake_errors(self.url, "open the table"):
            try:
                return DeltaTable(self.url, storage_options=self.storage.options)
            except TableNotFoundError:
                return None


@dataclass(frozen=True)
class Snapshot:
    """One commit of a table, to read from and to append after."""

    table: Table
    delta: DeltaTable

    def mark(self, guard: str) -> str:
        """Return what changes with each commit under a guard, and with nothing else."""
        return f"{self.delta.metadata().id}:{self.delta.transaction_version(guard)}"

    def read(
        self,
        where: Mapping[str, str] | None = None,
        columns: Iterable[str] | None = None,
        near: pl.Series | None = None,
    ) -> pl.DataFrame:
        """Read rows.

        Parameters
        ----------
        where : mapping of str to str, or None
            Column to the one value that it must have.
        columns : iterable of str, or None
            The columns to read; None for all.
        near : pl.Series or None
            Named like a column of days or moments: files and rows outside the range of its values
            may be left out.
        """
        with as_lake_errors(self.table.url, "read the table"):
            held = self._schema()
            wanted = self.table.schema or held
            parts = [
                part.filter(*(pl.col(name) == value for name, value in (where or {}).items()))
                for part in self._scan(held, where or {}, near)
            ]
            empty = pl.LazyFrame(schema=dict(wanted))
            rows = pl.concat([empty, *(part.select(_conformed(held, wanted)) for part in parts)])
            return rows.select(list(columns) if columns is not None else pl.all()).collect()

    def last(self, where: Mapping[str, str], column: str) -> Any:
        """Return :meth:`Table.last` of this commit: from the log alone, if every file says it."""
        with as_lake_errors(self.table.url, "read the table"):
            files = self._files(where)
        known = files[f"max.{column}"] if f"max.{column}" in files.columns else None
        if known is None or known.null_count():
            known = self.read(where, [column])[column]
        return known.max()

    def lasts(self, column: str) -> dict[tuple[str, ...], Any]:
        """Return the greatest value of a column of days or moments, by the partitions' values."""
        keys = [f"partition.{name}" for name in self.table.partition_by]
        files = self.files()
        if f"max.{column}" not in files.columns or files[f"max.{column}"].null_count():
            rows = self.read(columns=[*self.table.partition_by, column])
            return dict(_greatest(rows, [*self.table.partition_by], column))
        return dict(_greatest(files, keys, f"max.{column}"))

    def _schema(self) -> pl.Schema:
        """Return the table's columns; refuse those that mean something else to this version."""
        held = pl.Schema(self.delta.schema())
        for name, kind in (self.table.schema or {}).items():
            if name in held and held[name] != kind:
                raise LakeError(
                    f"{self.table.url}: column {name} is {held[name]}, expected {kind}: another "
                    "version of Truecast wrote it; use that version, or a lake of its own"
                )
        return held

    def files(self) -> pl.DataFrame:
        """Return the files of this commit: ``path``, ``size_bytes``, ``num_records``, and more."""
        return pl.DataFrame(self.delta.get_add_actions(flatten=True))

    def _files(self, where: Mapping[str, str]) -> pl.DataFrame:
        """Return the files whose partition ``where`` allows."""
        files = self.files()
        parts = [name for name in self.table.partition_by if name in where]
        return files.filter(*(pl.col(f"partition.{name}") == where[name] for name in parts))

    def _scan(
        self, held: pl.Schema, where: Mapping[str, str], near: pl.Series | None
    ) -> Iterator[pl.LazyFrame]:
        """Yield the files of each partition that may hold what is asked for."""
        files = self._files(where)
        for rows in self._open(files.filter(_may_hold(files, near)), held):
            if near is not None and len(near):
                yield rows.filter(pl.col(near.name).is_between(near.min(), near.max()))
            else:
                yield rows

    def read_files(self, files: pl.DataFrame) -> pl.DataFrame:
        """Read some of :meth:`files`: all columns, also those that only a later version knows."""
        with as_lake_errors(self.table.url, "read the table"):
            held = pl.Schema(self.delta.schema())
            return pl.concat(self._open(files, held)).select(held.names()).collect()

    def _open(self, files: pl.DataFrame, held: pl.Schema) -> Iterator[pl.LazyFrame]:
        """Yield the files of each partition, with the partition's values.

        Delta names files relative to the table, escaped; Polars' own reader escapes the table's
        folder too, and then finds nothing where that has a space or an accent.
        """
        if files.is_empty():
            return
        keys = {name: f"partition.{name}" for name in self.table.partition_by}
        schema = {name: kind for name, kind in held.items() if name not in keys}
        for values, group in files.group_by(list(keys.values())) if keys else [((), files)]:
            # A commit numbers its files in the order of the rows.
            names = [unquote(path) for path in group["path"].sort()]
            rows = self.table.storage.scan_parquet(names, schema)
            constants = {name: pl.lit(value) for name, value in zip(keys, values, strict=True)}
            yield rows.with_columns(**constants)

    def metadata(self) -> dict[str, str]:
        """Return what was kept with this commit, Delta's own entries too."""
        with as_lake_errors(self.table.url, "read the table"):
            # From the commit itself: Delta's own history misnumbers what an older snapshot sees.
            commit = self.table.storage.read(f"_delta_log/{self.delta.version():020}.json")
            entries = [json.loads(line) for line in commit.decode().splitlines()]
            found = next(entry["commitInfo"] for entry in entries if "commitInfo" in entry)
            return {key: value for key, value in found.items() if isinstance(value, str)}

    def append(self, frame: pl.DataFrame, guard: str | Sequence[str] = ()) -> str:
        """Append rows in one commit.

        Parameters
        ----------
        frame : pl.DataFrame
            The rows, in the table's columns.
        guard : str or sequence of str
            What the rows were computed from, such as the name of a series, or of several. If
            another commit with the same guard came after this snapshot, nothing is written.

        Returns
        -------
        str
            What :meth:`mark` says of each guard from this commit on.

        Raises
        ------
        ConflictError
            If another process wrote under the same guard meanwhile.
        LakeError
            If writing fails; then nothing was written.
        """
        number = self.delta.version() + 1
        guards = [guard] if isinstance(guard, str) else guard
        commit = CommitProperties(app_transactions=[Transaction(one, number) for one in guards])
        held = self._schema()
        with as_lake_errors(self.table.url, "write the table"):
            if set(frame.columns) <= set(held):
                # A commit that fails leaves its files: whether it failed is not always certain.
                files = write_files(self.table.storage, frame, self.table.partition_by)
                self.delta.create_write_transaction(
                    [*files],
                    "append",
                    self.delta.schema(),
                    list(self.table.partition_by),
                    commit_properties=commit,
                )
            else:
                self._append_with_new_columns(frame, commit)
        return f"{self.delta.metadata().id}:{number}"

    def _append_with_new_columns(self, frame: pl.DataFrame, commit: CommitProperties) -> None:
        """Add the columns that the table lacks, in the same commit."""
        write_deltalake(
            self.delta,
            frame,
            mode="append",
            schema_mode="merge",
            writer_properties=_writer(frame.schema),
            commit_properties=commit,
        )


def retried(work: Callable[[], T]) -> T:
    """Do it again, from the newest state, while other processes write the same meanwhile."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return work()
        except ConflictError:
            continue
    return work()


def _greatest(
    rows: pl.DataFrame, keys: list[str], column: str
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for *key, value in rows.group_by(keys).agg(pl.col(column).max()).iter_rows():
        yield tuple(key), value


def _conformed(held: pl.Schema, wanted: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    """Return the columns that are wanted, null where the table lacks them."""
    return [
        pl.col(name) if name in held else pl.lit(None, kind).alias(name)
        for name, kind in wanted.items()
    ]


def _may_hold(files: pl.DataFrame, near: pl.Series | None) -> pl.Expr:
    """Whether a file may hold values in a range; one without statistics may."""
    if near is None or near.is_empty() or f"min.{near.name}" not in files.columns:
        return pl.lit(value=True)
    low, high = (pl.col(f"{side}.{near.name}") for side in ("min", "max"))
    return ((low <= near.max()) & (high >= near.min())).fill_null(value=True)


def _writer(schema: pl.Schema) -> WriterProperties:
    """Write numbers plainly: a dictionary of floats costs ten times the time and saves nothing."""
    text = ColumnProperties(dictionary_enabled=True)
    return WriterProperties(
        compression="LZ4_RAW",
        default_column_properties=ColumnProperties(dictionary_enabled=False),
        column_properties={name: text for name, kind in schema.items() if kind == pl.String},
    )
