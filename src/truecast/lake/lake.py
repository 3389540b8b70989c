"""The lake as one thing: what comes in, and what can be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from truecast.core.bars import PARSED_BARS
from truecast.core.errors import UsageError
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.bars import STORED, Merge, Receipt, merge_bars
from truecast.lake.bronze import Bronze
from truecast.lake.contracts import Checked, check_bars
from truecast.lake.errors import NoDataError
from truecast.lake.gold import GoldTable, gold_table, read_gold, write_gold
from truecast.lake.history import BarHistory
from truecast.lake.schemas import QUARANTINE, SILVER_BARS
from truecast.lake.tables import Table, retried
from truecast.sources.base import Payload, Source

SERIES = ("source", "instrument", "interval")
# What makes a row in quarantine the same as one that is there already.
_SAME = ("event_time", "reason", "content")


@dataclass(frozen=True)
class IngestSummary:
    """What became of a payload's rows.

    ``received`` = ``added`` + ``revised`` + ``unchanged`` + ``duplicates`` + all ``quarantined``.

    Parameters
    ----------
    payload : str
        Its SHA-256.
    received : int
        Rows in it.
    added, revised, unchanged : int
        New bars, further versions of bars, and rows that say what is known already.
    quarantined : dict of str to int
        Rows kept out, by reason.
    duplicates : int
        Rows that another row of the payload repeats exactly.
    """

    payload: str
    received: int
    added: int
    revised: int
    unchanged: int
    quarantined: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0


class Lake:
    """Bronze, silver and gold under one folder.

    Parameters
    ----------
    url : str
        The folder; made when first written to.
    """

    def __init__(self, url: str) -> None:
        if "://" in url:
            raise UsageError(f"TRUECAST_LAKE={url}: expected a local folder")
        if "%" in str(Path(url).absolute()):
            # Delta would read what follows as an escaped character, and look elsewhere.
            raise UsageError(
                f"the lake {Path(url).absolute()} has a % in its path, which Delta tables cannot "
                "have: set TRUECAST_HOME or TRUECAST_LAKE to another folder"
            )
        self.url = url
        self.bronze = Bronze(Path(url) / "bronze")
        self._bars = Table(f"{url}/silver/bars", SILVER_BARS, SERIES)
        self._quarantine = Table(f"{url}/silver/quarantine", QUARANTINE)

    def ingest(self, source: Source, symbol: str, interval: Interval) -> IngestSummary:
        """Fetch a symbol's bars and take in what is new.

        The payload is kept before anyone interprets it. A crash at any point leaves the lake
        whole, and the next call completes what it left out.

        Raises
        ------
        SourceError
            If the source cannot be read, or its payload not understood.
        LakeError
            If the lake cannot be written.
        """
        instrument = source.instrument(symbol)
        payload = source.fetch(symbol, interval)
        name = self.bronze.keep(payload)
        receipt = _receipt(payload, name, instrument, source.simulated, source.live)
        return self._take_in(source.parse(payload), receipt)

    def store(
        self,
        payload: Payload,
        parsed: pl.DataFrame,
        instrument: Instrument,
        simulated: bool,
        live: bool = False,
    ) -> IngestSummary:
        """Take in a payload that is fetched and parsed already.

        Parameters
        ----------
        payload : Payload
            What was received.
        parsed : pl.DataFrame
            Its rows, columns of ``PARSED_BARS``.
        instrument : Instrument
            Whose bars they are.
        simulated, live : bool
            What the source says of itself.
        """
        name = self.bronze.keep(payload)
        return self._take_in(parsed, _receipt(payload, name, instrument, simulated, live))

    def history(
        self,
        source_name: str,
        symbol: str,
        interval: Interval,
        *,
        start: date | None = None,
    ) -> BarHistory:
        """Return every version of a series' bars.

        Parameters
        ----------
        source_name : str
            Effective name of the source.
        symbol, interval : str, Interval
            The series.
        start : date or None
            First session; None for all.

        Raises
        ------
        NoDataError
            If there is none; the message says how to get it.
        """
        series = dict(zip(SERIES, (source_name, symbol, str(interval)), strict=True))
        rows = self._bars.read(series).sort("event_time", "version")
        since = rows if start is None else rows.filter(pl.col("session") >= start)
        if since.is_empty():
            found = f"; the last bar is of {rows['session'][-1]}" if len(rows) else ""
            raise NoDataError(
                f"no bars of {symbol} ({interval}) from source {source_name}"
                f"{f' since {start}' if start else ''} in the lake {self.url}{found}: "
                "run `truecast ingest` with your recipe first"
            )
        return BarHistory(since)

    def version(self, table: str) -> int | None:
        """Return the last version of a table such as ``silver/bars``; None if there is none."""
        return Table(f"{self.url}/{table}").version()

    def series(self) -> pl.DataFrame:
        """Return what is there.

        Returns
        -------
        pl.DataFrame
            A row a series: ``source``, ``instrument``, ``interval``, ``bars``, ``first`` and
            ``last`` (event_time), ``revisions``, ``quarantined`` (distinct rows kept out).
        """
        bars = (
            self._bars.read(columns=[*SERIES, "event_time", "version"])
            .group_by(SERIES)
            .agg(
                bars=(pl.col("version") == 0).sum().cast(pl.Int64),
                first=pl.col("event_time").min(),
                last=pl.col("event_time").max(),
                revisions=(pl.col("version") > 0).sum().cast(pl.Int64),
            )
        )
        kept_out = (
            self._quarantine.read(columns=SERIES)
            .group_by(SERIES)
            .agg(quarantined=pl.len().cast(pl.Int64))
        )
        return (
            bars.join(kept_out, on=SERIES, how="full", coalesce=True)
            .with_columns(pl.col("bars", "revisions", "quarantined").fill_null(0))
            .sort(SERIES)
        )

    def quarantine(self, source_name: str, symbol: str, interval: Interval) -> pl.DataFrame:
        """Return the rows of a series that were kept out, with their reasons."""
        series = dict(zip(SERIES, (source_name, symbol, str(interval)), strict=True))
        return self._quarantine.read(series).sort("event_time", "row", "reason")

    def write_gold(self, name: str, frame: pl.DataFrame, lineage: Mapping[str, str]) -> int:
        """Replace ``gold/<name>`` in one commit that holds its lineage; return its version."""
        return write_gold(gold_table(f"{self.url}/gold", name), frame, lineage)

    def read_gold(self, name: str, version: int | None = None) -> GoldTable:
        """Return ``gold/<name>`` with its lineage; see :func:`truecast.lake.gold.read_gold`."""
        return read_gold(gold_table(f"{self.url}/gold", name), version)

    def _take_in(self, parsed: pl.DataFrame, receipt: Receipt) -> IngestSummary:
        checked = check_bars(parsed, receipt.instrument, receipt.interval, receipt.received_at)
        merge = retried(lambda: self._append_bars(checked, receipt))
        late = merge.late.drop("flags").with_columns(
            reason=pl.lit("late_vintage"), detail=pl.format("known_at={}", "known_at")
        )
        kept_out = pl.concat([checked.quarantined, late.select(checked.quarantined.columns)])
        retried(lambda: self._append_quarantine(kept_out, receipt))
        counts = kept_out["reason"].value_counts(sort=True)
        return IngestSummary(
            payload=receipt.payload,
            received=len(parsed),
            added=merge.added,
            revised=merge.revised,
            unchanged=merge.unchanged,
            quarantined=dict(counts.iter_rows()),
            duplicates=checked.duplicates,
        )

    def _append_bars(self, checked: Checked, receipt: Receipt) -> Merge:
        snapshot = self._bars.snapshot()
        merge = merge_bars(checked.bars, snapshot.read(receipt.series, STORED), receipt)
        if len(merge.rows):
            snapshot.append(merge.rows, guard=" ".join(receipt.series.values()))
        return merge

    def _append_quarantine(self, kept_out: pl.DataFrame, receipt: Receipt) -> None:
        if kept_out.is_empty():
            return
        snapshot = self._quarantine.snapshot()
        content = pl.struct(
            pl.col(name).cast(pl.String) for name in PARSED_BARS if name != "row"
        ).struct.json_encode()
        rows = kept_out.with_columns(
            content=content,
            payload=pl.lit(receipt.payload),
            received_at=pl.lit(receipt.received_at),
            written_at=pl.lit(datetime.now(UTC)),
            **{name: pl.lit(value) for name, value in receipt.series.items()},
        ).select(pl.col(name).cast(kind) for name, kind in QUARANTINE.items())
        there = snapshot.read(receipt.series, _SAME)
        fresh = rows.join(there, on=_SAME, how="anti", nulls_equal=True)
        if len(fresh):
            snapshot.append(fresh, guard=" ".join(receipt.series.values()))


def _receipt(
    payload: Payload, name: str, instrument: Instrument, simulated: bool, live: bool
) -> Receipt:
    return Receipt(
        source=payload.source,
        interval=Interval(payload.interval),
        instrument=instrument,
        payload=name,
        received_at=payload.received_at,
        simulated=simulated,
        live=live,
    )
