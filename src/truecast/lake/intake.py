"""From payloads that are kept to rows of silver: checked, merged, and written once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from truecast.core.bars import PARSED_BARS
from truecast.core.formatting import formatted
from truecast.lake.actions import STORED as STORED_ACTIONS
from truecast.lake.actions import check_actions, merge_actions
from truecast.lake.bars import STORED, Merge, Receipt, merge_bars
from truecast.lake.completion import Completions, Marks
from truecast.lake.contracts import Checked, check_bars
from truecast.lake.incidents import Incidents
from truecast.lake.schemas import SERIES
from truecast.lake.summary import IngestSummary, counts_of
from truecast.lake.tables import Snapshot, Table, retried
from truecast.sources.base import Parsed, Payload

#: Tells rows of payloads that are checked together apart.
_NUMBER = "payload_number"


@dataclass(frozen=True)
class Arrival:
    """A payload that is kept.

    Parameters
    ----------
    parsed : Parsed
        What it says.
    receipt : Receipt
        What it is, and how it came.
    payload : Payload
        It.
    """

    parsed: Parsed
    receipt: Receipt
    payload: Payload


@dataclass(frozen=True)
class Intake:
    """The tables that bars come into.

    Parameters
    ----------
    bars, actions : Table
        Of silver.
    incidents : Incidents
        Keeps what is kept out.
    completions : Completions
        Know the payloads that need not be taken in again.
    """

    bars: Table
    actions: Table
    incidents: Incidents
    completions: Completions

    def find(self, payload: Payload, receipt: Receipt) -> IngestSummary | None:
        """Return what became of a payload that says what is there already; None if it may not."""
        return self.completions.find(payload, receipt, self._marks)

    def take_in(self, parsed: Parsed, receipt: Receipt, payload: Payload) -> IngestSummary:
        """Take a payload in, and note that it was."""
        ((summary, marks),) = self._taken_in([Arrival(parsed, receipt, payload)])
        self.completions.note(payload, receipt, marks, summary)
        return summary

    def take_in_all(self, arrivals: Sequence[Arrival]) -> list[IngestSummary]:
        """Take in payloads of one source and interval, each of another series, in one commit.

        What came lately will not come again as it is: no note is made of it.
        """
        return [summary for summary, _ in self._taken_in(arrivals)]

    def _taken_in(self, arrivals: Sequence[Arrival]) -> list[tuple[IngestSummary, Marks]]:
        checks = _checked_together(arrivals) or [_checked(one) for one in arrivals]
        possible = [check_actions(one.parsed.actions) for one in arrivals]
        # Actions first: a bar must not be read without a split that came with it.
        acted = [
            retried(lambda one=one, good=good: self._append_actions(good, one))  # type: ignore[misc]
            for one, (good, _) in zip(arrivals, possible, strict=True)
        ]
        for one, checked in zip(arrivals, checks, strict=True):
            repairs = pl.concat([one.parsed.repairs, checked.repairs])
            self.incidents.note_repairs(repairs, *_came(one))
        merges, of_bars = retried(lambda: self._append_bars(arrivals, checks))
        found: list[tuple[IngestSummary, Marks]] = []
        for place, (one, checked) in enumerate(zip(arrivals, checks, strict=True)):
            (actions, of_actions), impossible = acted[place], possible[place][1]
            kept_out = self._keep_out(one, checked, merges[place], impossible)
            merge = merges[place]
            repairs = pl.concat([one.parsed.repairs, checked.repairs])
            summary = IngestSummary(
                payloads=(one.receipt.payload,),
                received=len(one.parsed.bars) + len(impossible),
                added=merge.added,
                revised=merge.revised,
                unchanged=merge.unchanged,
                quarantined=kept_out,
                duplicates=checked.duplicates,
                actions=actions,
                repaired=counts_of(repairs["repair"]),
                notes=one.parsed.notes,
            )
            found.append((summary, {"bars": of_bars[place], "actions": of_actions}))
        return found

    def _keep_out(
        self, one: Arrival, checked: Checked, merge: Merge, impossible: pl.DataFrame
    ) -> dict[str, int]:
        """Put what may not come in into quarantine; return how much that is, by reason."""
        if checked.quarantined.is_empty() and merge.late.is_empty() and impossible.is_empty():
            return {}
        late = merge.late.drop("flags").with_columns(
            reason=pl.lit("late_vintage"), detail=formatted("known_at={}", "known_at")
        )
        kept_out = pl.concat(
            [checked.quarantined, late.select(checked.quarantined.columns), impossible],
            how="diagonal",
        )
        content = pl.struct(
            pl.col(name).cast(pl.String) for name in PARSED_BARS if name != "row"
        ).struct.json_encode()
        self.incidents.keep_out(kept_out.with_columns(content=content), *_came(one))
        return counts_of(kept_out["reason"])

    def _marks(self, receipt: Receipt) -> Marks:
        return {"bars": self.bars.mark(receipt.key), "actions": self.actions.mark(receipt.key)}

    def _append_actions(self, parsed: pl.DataFrame, one: Arrival) -> tuple[int, str | None]:
        """Append what is new; return how much that was, and the series' mark with it."""
        receipt, covers = one.receipt, one.payload.covers
        mark = self.actions.mark(receipt.key)
        if parsed.is_empty() and (covers is None or mark is None):
            return 0, mark
        snapshot = self.actions.snapshot()
        rows = merge_actions(parsed, snapshot.read(receipt.series, STORED_ACTIONS), receipt, covers)
        if rows.is_empty():
            return 0, snapshot.mark(receipt.key)
        return len(rows), snapshot.append(rows, guard=receipt.key)

    def _append_bars(
        self, arrivals: Sequence[Arrival], checks: Sequence[Checked]
    ) -> tuple[list[Merge], list[str]]:
        """Append what is new; return what that was, and each series' mark with it."""
        snapshot = self.bars.snapshot()
        stored = _stored(snapshot, arrivals, checks)
        merges = [
            merge_bars(checked.bars, there, one.receipt)
            for one, checked, there in zip(arrivals, checks, stored, strict=True)
        ]
        new = [
            (one.receipt.key, merge.rows)
            for one, merge in zip(arrivals, merges, strict=True)
            if len(merge.rows)
        ]
        marks = {one.receipt.key: snapshot.mark(one.receipt.key) for one in arrivals}
        if new:
            rows = pl.concat([rows for _, rows in new])
            mark = snapshot.append(rows, guard=[key for key, _ in new])
            marks |= {key: mark for key, _ in new}
        return merges, [marks[one.receipt.key] for one in arrivals]


def _checked(one: Arrival) -> Checked:
    receipt = one.receipt
    return check_bars(one.parsed.bars, receipt.instrument, receipt.interval, receipt.received_at)


def _checked_together(arrivals: Sequence[Arrival]) -> list[Checked] | None:
    """Check what came of several series at once; None where one of them has to be looked at alone.

    A check costs the same for one row as for thousands, and nearly always finds nothing.
    """
    receipts = [one.receipt for one in arrivals]
    alike = {(one.instrument.calendar, one.instrument.may_be_negative) for one in receipts}
    if len(arrivals) == 1 or len(alike) > 1:
        return None
    number = [pl.lit(place).alias(_NUMBER) for place in range(len(arrivals))]
    rows = [
        one.parsed.bars.with_columns(place) for one, place in zip(arrivals, number, strict=True)
    ]
    earliest = min(one.received_at for one in receipts)
    first = receipts[0]
    whole = check_bars(pl.concat(rows), first.instrument, first.interval, earliest, [_NUMBER])
    if len(whole.quarantined) or len(whole.repairs) or whole.duplicates:
        return None
    found = whole.bars.partition_by(_NUMBER, as_dict=True, include_key=False)
    none = whole.bars.clear().drop(_NUMBER)
    return [
        replace(whole, bars=found.get((place,), none), quarantined=whole.quarantined.drop(_NUMBER))
        for place in range(len(arrivals))
    ]


def _came(one: Arrival) -> tuple[dict[str, str], str, datetime]:
    return one.receipt.series, one.receipt.payload, one.receipt.received_at


def _stored(
    snapshot: Snapshot, arrivals: Sequence[Arrival], checks: Sequence[Checked]
) -> list[pl.DataFrame]:
    """Read the versions near what came, of all series at once."""
    near = pl.concat([checked.bars["event_time"] for checked in checks])
    if len(arrivals) == 1:
        return [snapshot.read(arrivals[0].receipt.series, STORED, near)]
    shared = {name: arrivals[0].receipt.series[name] for name in SERIES if name != "instrument"}
    rows = snapshot.read(shared, ["instrument", *STORED], near)
    parts = rows.partition_by("instrument", as_dict=True, include_key=False)
    none = rows.clear().drop("instrument")
    return [parts.get((one.receipt.instrument.symbol,), none) for one in arrivals]
