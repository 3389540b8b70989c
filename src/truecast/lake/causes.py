"""Why a bar that should be there is not.

The cause of an absent bar is the first of these that holds:

``quarantined``
    A row for it came and was kept out.
``no trade``
    An answer that came after the bar was due says all that the source has of that time, and the
    bar is not in it. In a thin market that is the ordinary case for a minute.
``outage``
    No answer says anything of it, and a time is written down at which the source could not be
    read and would have brought it.
``not asked``
    Nobody has asked the source since the bar was due.
``unknown``
    The source does not say, as a file does not.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.clock import to_datetime64
from truecast.lake.expected import Grid, Places

#: Why a bar is absent, the surest first.
CAUSES = ("quarantined", "no trade", "outage", "not asked", "unknown")
QUARANTINED, NO_TRADE, OUTAGE, NOT_ASKED, UNKNOWN = range(len(CAUSES))

# A row that came before its bar had closed says nothing of whether the bar came afterwards.
_TOO_EARLY = "not_yet_closed"
_EVER = pl.datetime(1, 1, 1, time_zone="UTC")


@dataclass(frozen=True)
class Evidence:
    """What the lake knows of how a series was asked for.

    Parameters
    ----------
    receipts, failures, quarantine : pl.DataFrame
        The series' rows of ``bronze/index``, ``bronze/failures`` and ``silver/quarantine``.
    delay : timedelta
        From a bar's close until the source gives it: then it is due.
    live : bool
        Whether the source goes on.
    """

    receipts: pl.DataFrame
    failures: pl.DataFrame
    quarantine: pl.DataFrame
    delay: timedelta
    live: bool


def find_causes(
    grid: Grid, absent: Places, payloads: pl.Series, evidence: Evidence
) -> tuple[NDArray[np.int64], pl.Series]:
    """Say of each absent bar why it is absent.

    Parameters
    ----------
    grid : Grid
        The bars to expect.
    absent : array of int64, shape (n,)
        Numbers of those that are not there, rising.
    payloads : pl.Series of str
        The payloads of the bars that are there.
    evidence : Evidence
        How the series was asked for.

    Returns
    -------
    causes : array of int64, shape (n,)
        Places in :data:`CAUSES`.
    reasons : pl.Series of str, length n
        Why its row is in quarantine; null where none is.
    """
    _, ends = grid.spans(absent)
    due = ends + np.timedelta64(evidence.delay)
    answers = _answers(evidence, payloads)
    failures = _failures(evidence, answers)
    causes = np.full(len(absent), UNKNOWN)
    asked = _last_asked(evidence)
    if evidence.live and asked is not None:
        causes[due > to_datetime64(asked)] = NOT_ASKED
    would_have_come = _within(
        np.searchsorted(ends, moments(failures["since"].fill_null(_EVER)), side="right"),
        np.searchsorted(due, moments(failures["failed_at"]), side="right"),
        len(absent),
    )
    causes[would_have_come] = OUTAGE
    full = answers.filter(pl.col("covers_from").is_not_null(), pl.col("covers_to").is_not_null())
    answered = _within(
        np.searchsorted(ends, moments(full["covers_from"])),
        np.minimum(
            np.searchsorted(ends, moments(full["covers_to"])),
            np.searchsorted(due, moments(full["received_at"]), side="right"),
        ),
        len(absent),
    )
    causes[answered] = NO_TRADE
    reasons = _reasons(grid, absent, evidence.quarantine)
    causes[reasons.is_not_null().to_numpy()] = QUARANTINED
    return causes, reasons


def moments(column: pl.Series) -> NDArray[np.datetime64]:
    """Return a column of moments as datetime64[us] in UTC."""
    return column.dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")


def _answers(evidence: Evidence, payloads: pl.Series) -> pl.DataFrame:
    """Return the receipts that were understood.

    A payload is kept before it is parsed. If a failure follows its receipt and nothing in silver
    came from it, then the failure may be that it could not be parsed.
    """
    receipts = evidence.receipts.sort("received_at")
    if evidence.failures.is_empty() or receipts.is_empty():
        return receipts
    before = (
        evidence.failures.sort("failed_at")
        .select("failed_at")
        .join_asof(
            receipts.with_row_index("place").select("place", "received_at"),
            left_on="failed_at",
            right_on="received_at",
            strategy="backward",
        )["place"]
        .drop_nulls()
    )
    used = pl.concat([payloads, evidence.quarantine["payload"]]).unique()
    doubtful = pl.int_range(pl.len()).is_in(before.implode())
    return receipts.filter(~doubtful | pl.col("payload").is_in(used.implode()))


def _failures(evidence: Evidence, answers: pl.DataFrame) -> pl.DataFrame:
    """Return the failures that no later answer of unknown extent may have made good."""
    whole = answers.filter(pl.col("covers_to").is_null())["received_at"].max()
    later = evidence.failures
    return later if whole is None else later.filter(pl.col("failed_at") > whole)


def _last_asked(evidence: Evidence) -> datetime | None:
    """Return when the source was asked for the last time, whatever came."""
    asked = (evidence.receipts["received_at"].max(), evidence.failures["failed_at"].max())
    return max((moment for moment in asked if isinstance(moment, datetime)), default=None)


def _within(begins: Places, ends: Places, size: int) -> NDArray[np.bool_]:
    """Mark the places that lie in any of the ranges."""
    edges = np.zeros(size + 1, np.int64)
    real = begins < ends
    np.add.at(edges, begins[real], 1)
    np.add.at(edges, ends[real], -1)
    return np.asarray(np.cumsum(edges)[:size] > 0)


def _reasons(grid: Grid, absent: Places, quarantine: pl.DataFrame) -> pl.Series:
    """Return why a row for each absent bar was kept out; null where none was."""
    rows = quarantine.filter(pl.col("event_time").is_not_null(), pl.col("reason") != _TOO_EARLY)
    places = pl.Series("place", grid.places(moments(rows["event_time"])), dtype=pl.Int64)
    kept_out = rows.select(places, "reason").unique("place", keep="last", maintain_order=True)
    asked = pl.DataFrame({"place": pl.Series(absent, dtype=pl.Int64)})
    return asked.join(kept_out, on="place", how="left", maintain_order="left")["reason"]
