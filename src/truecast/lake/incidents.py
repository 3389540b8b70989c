"""What went wrong on the way in: rows kept out, numbers changed, and failures to read a source."""

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

from truecast.core.clock import now
from truecast.lake.schemas import FAILURES, QUARANTINE, REPAIRS, SERIES
from truecast.lake.tables import Table, retried
from truecast.sources.base import SourceError

# What makes a row the same as one that is there already.
_SAME_ROW = ("event_time", "reason", "content")
_SAME_REPAIR = ("session", "event_time", "field", "original", "repaired", "repair")


class Incidents:
    """The tables ``silver/quarantine``, ``silver/repairs`` and ``bronze/failures`` of one lake.

    A series is named by the values of ``source``, ``instrument`` and ``interval``; to read, some
    of them are enough.

    Parameters
    ----------
    url : str
        The lake's folder or URL.
    """

    def __init__(self, url: str) -> None:
        self._quarantine = Table(f"{url}/silver/quarantine", QUARANTINE)
        self._repairs = Table(f"{url}/silver/repairs", REPAIRS)
        self._failures = Table(f"{url}/bronze/failures", FAILURES)

    def quarantine(self, series: Mapping[str, str]) -> pl.DataFrame:
        """Return the rows that were kept out, with their reasons."""
        return self._quarantine.read(series).sort("event_time", "row", "reason")

    def count_quarantined(self) -> pl.DataFrame:
        """Count the rows that were kept out of each series: its key and ``quarantined``."""
        rows = self._quarantine.read(columns=SERIES)
        return rows.group_by(SERIES).agg(quarantined=pl.len().cast(pl.Int64))

    def repairs(self, series: Mapping[str, str]) -> pl.DataFrame:
        """Return every number that was changed on its way in, with the original."""
        return self._repairs.read(series).sort("session", "event_time", "field")

    def failures(self, series: Mapping[str, str]) -> pl.DataFrame:
        """Return each time that a source could not be read, the oldest first."""
        return self._failures.read(series).sort("failed_at")

    def keep_out(
        self, rows: pl.DataFrame, series: Mapping[str, str], payload: str, received_at: datetime
    ) -> None:
        """Put rows into quarantine, those that are not there already.

        Parameters
        ----------
        rows : pl.DataFrame
            ``row``, ``event_time``, ``reason``, ``detail`` and ``content``.
        series : mapping of str to str
            Whose rows they are.
        payload : str
            SHA-256 of the payload that they came in.
        received_at : datetime
            When it arrived, UTC.
        """
        about = {**series, "payload": payload, "received_at": received_at}
        _append_new(self._quarantine, QUARANTINE, rows, about, _SAME_ROW)

    def note_repairs(
        self, rows: pl.DataFrame, series: Mapping[str, str], payload: str, received_at: datetime
    ) -> None:
        """Write down numbers that were changed, columns of ``PARSED_REPAIRS``, once each."""
        about = {**series, "payload": payload, "received_at": received_at}
        _append_new(self._repairs, REPAIRS, rows, about, _SAME_REPAIR)

    def note_failure(
        self, series: Mapping[str, str], error: SourceError, since: datetime | None = None
    ) -> None:
        """Write down that a source could not be read, and from when on it was asked for."""
        row = {
            **series,
            "since": since,
            "error": type(error).__name__,
            "message": str(error),
            "failed_at": now(),
            "written_at": datetime.now(UTC),
        }
        rows = pl.DataFrame([row], schema=FAILURES)
        retried(lambda: self._failures.snapshot().append(rows))


def _append_new(
    table: Table,
    schema: Mapping[str, pl.DataType],
    rows: pl.DataFrame,
    about: Mapping[str, object],
    same: tuple[str, ...],
) -> None:
    """Append the rows to which none of their series is equal in the columns ``same``."""
    if rows.is_empty():
        return
    series = {name: str(about[name]) for name in SERIES}
    completed = rows.with_columns(
        written_at=pl.lit(datetime.now(UTC)),
        **{name: pl.lit(value) for name, value in about.items()},
    ).select(pl.col(name).cast(kind) for name, kind in schema.items())

    def append() -> None:
        snapshot = table.snapshot()
        there = snapshot.read(series, same)
        fresh = completed.join(there, on=list(same), how="anti", nulls_equal=True)
        if len(fresh):
            snapshot.append(fresh, guard=" ".join(series.values()))

    retried(append)
