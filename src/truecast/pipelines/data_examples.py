"""Examples of what was kept out, repaired and revised, as a person would want to see them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict

from truecast.core.interval import Interval
from truecast.lake.contracts import VALUES
from truecast.lake.errors import NoDataError
from truecast.lake.lake import Lake
from truecast.lake.schemas import SILVER_BARS
from truecast.lake.summary import IngestSummary

#: How many are shown of each kind; the newest.
SHOWN = 3

_ALL = pl.col("payload").is_not_null()
P = TypeVar("P", bound="Part")


class Part(BaseModel):
    """A part of a document that a program may read."""

    model_config = ConfigDict(frozen=True)


class KeptOutRow(Part):
    """A row in quarantine: where it stood, what was wrong, and the row as it was parsed (JSON)."""

    row: int | None
    event_time: datetime | None
    detail: str | None
    content: str | None
    payload: str


class KeptOut(Part):
    """The rows in quarantine for one reason."""

    rows: int
    examples: tuple[KeptOutRow, ...]


class RepairedNumber(Part):
    """A number that was changed on its way in; ``repaired`` is null where it was taken out."""

    row: int | None
    session: date | None
    event_time: datetime | None
    field: str
    original: float | None
    repaired: float | None
    detail: str | None
    payload: str


class Repaired(Part):
    """The numbers that one rule changed."""

    numbers: int
    examples: tuple[RepairedNumber, ...]


class Change(Part):
    """A number before and after a revision."""

    field: str
    before: float | None
    after: float | None


class RevisedBar(Part):
    """A further version of a bar, and what differs from the version before."""

    event_time: datetime
    version: int
    known_at: datetime
    changes: tuple[Change, ...]
    payload: str


class Finding(Part):
    """A bar that a check found odd beside its neighbours, and since when that could be known."""

    event_time: datetime
    known_at: datetime
    detail: str
    factor: float | None


class Findings(Part):
    """What one check found, and what is made of it when the bars are read."""

    action: str
    bars: int
    examples: tuple[Finding, ...]


class Examples(Part):
    """What was kept out by reason, repaired by rule, and revised, with examples of each."""

    quarantined: dict[str, KeptOut]
    repaired: dict[str, Repaired]
    revised: tuple[RevisedBar, ...]


def find_examples(
    lake: Lake, source: str, symbol: str, interval: Interval, summary: IngestSummary
) -> Examples:
    """Gather examples of what an ingest kept out, repaired and revised.

    A row that an earlier payload had brought already is in the lake once, with the earlier one.

    Parameters
    ----------
    lake : Lake
        Where they are.
    source, symbol, interval : str, str, Interval
        The series.
    summary : IngestSummary
        What became of the payloads.
    """
    try:
        versions = lake.history(source, symbol, interval).versions
    except NoDataError:
        versions = pl.DataFrame(schema=SILVER_BARS)
    mine = pl.col("payload").is_in(list(summary.payloads))
    return Examples(
        quarantined=quarantined(
            lake.quarantine(source, symbol, interval), summary.quarantined, mine
        ),
        repaired=repaired(lake.repairs(source, symbol, interval), summary.repaired, mine),
        revised=revised(versions, mine),
    )


def quarantined(
    rows: pl.DataFrame, counts: Mapping[str, int] | None = None, first: pl.Expr = _ALL
) -> dict[str, KeptOut]:
    """Give examples of each reason in ``silver/quarantine``, the commonest first.

    Parameters
    ----------
    rows : pl.DataFrame
        Rows of ``silver/quarantine``.
    counts : mapping of str to int, or None
        Reason to the number of rows; None to count them.
    first : pl.Expr
        Which rows to show before others; else the newest are.
    """
    return {
        reason: KeptOut(rows=count, examples=_shown(rows.filter(reason=reason), KeptOutRow, first))
        for reason, count in _counted(rows["reason"], counts)
    }


def repaired(
    rows: pl.DataFrame, counts: Mapping[str, int] | None = None, first: pl.Expr = _ALL
) -> dict[str, Repaired]:
    """Give examples of each rule in ``silver/repairs``; compare :func:`quarantined`."""
    return {
        rule: Repaired(
            numbers=count, examples=_shown(rows.filter(repair=rule), RepairedNumber, first)
        )
        for rule, count in _counted(rows["repair"], counts)
    }


def findings(rows: pl.DataFrame) -> dict[str, Findings]:
    """Count what :func:`truecast.lake.checks.review.review` finds by check, with the newest few."""
    return {
        check: Findings(
            action=own["action"][0],
            bars=own["event_time"].n_unique(),
            examples=tuple(
                Finding.model_validate({name: one[name] for name in Finding.model_fields})
                for one in own.tail(SHOWN).reverse().rows(named=True)
            ),
        )
        for check, _ in _counted(rows["check"], None)
        for own in [rows.filter(check=check)]
    }


def revised(versions: pl.DataFrame, which: pl.Expr = _ALL) -> tuple[RevisedBar, ...]:
    """Return the newest revisions with what changed.

    Parameters
    ----------
    versions : pl.DataFrame
        All rows of ``silver/bars`` of one series.
    which : pl.Expr
        Which of the revisions.
    """
    later = versions.filter(pl.col("version") > 0, which)
    shown = later.sort("received_at", "event_time", descending=True).head(SHOWN)
    related = versions.join(shown.select("event_time"), on="event_time", how="semi")
    known = {(one["event_time"], one["version"]): one for one in related.rows(named=True)}
    return tuple(
        RevisedBar(
            event_time=one["event_time"],
            version=one["version"],
            known_at=one["known_at"],
            changes=_changes(known[one["event_time"], one["version"] - 1], one),
            payload=one["payload"],
        )
        for one in shown.rows(named=True)
    )


def _changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[Change, ...]:
    return tuple(
        Change(field=name, before=before[name], after=after[name])
        for name in VALUES
        if before[name] != after[name]
    )


def _counted(names: pl.Series, counts: Mapping[str, int] | None) -> list[tuple[str, int]]:
    found = dict(names.value_counts().iter_rows()) if counts is None else counts
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def _shown(rows: pl.DataFrame, kind: type[P], first: pl.Expr) -> tuple[P, ...]:
    found = rows.sort(first, "received_at", "event_time", "row", descending=True).head(SHOWN)
    return tuple(
        kind.model_validate({name: one[name] for name in kind.model_fields})
        for one in found.rows(named=True)
    )
