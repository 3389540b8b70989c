"""What the lake holds of a recipe's series, and what a person should know before trusting it."""

from datetime import date, datetime
from typing import Literal

import polars as pl
from pydantic import Field

from truecast.core.calendars import get_calendar
from truecast.core.clock import now
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.core.recipe import Recipe
from truecast.lake.causes import Evidence
from truecast.lake.checks.options import ChecksOptions
from truecast.lake.checks.review import review
from truecast.lake.coverage import Coverage, cover
from truecast.lake.errors import NoDataError
from truecast.lake.lake import Lake
from truecast.lake.schemas import series_key
from truecast.lake.summary import counts_of
from truecast.pipelines.data_examples import (
    Examples,
    Findings,
    KeptOut,
    Part,
    Repaired,
    RevisedBar,
    findings,
    quarantined,
    repaired,
    revised,
)
from truecast.serving.planning import source_of
from truecast.serving.workspace import Workspace
from truecast.sources.base import Source

#: How many runs of absent bars, and how many bars outside the sessions, are listed.
LONGEST, OUTSIDE = 20, 10

_DEFAULT = ChecksOptions()

State = Literal["current", "stale", "ended", "empty"]


class Span(Part):
    """A run of absent bars: closes of the first and the last of them, and why they are absent."""

    first: datetime
    last: datetime
    bars: int
    sessions: int
    cause: str
    reason: str | None


class Month(Part):
    """How many bars a month should have, and how many of them it has not."""

    month: date
    expected: int
    absent: int


class OutsideBar(Part):
    """A bar outside every session of the calendar."""

    session: date
    event_time: datetime
    close: float


class Failure(Part):
    """A time that the source could not be read."""

    failed_at: datetime
    error: str
    message: str


class SeriesReport(Part):
    """One series: what is there, what is not, and what was done to it.

    ``state`` is ``ended`` for a source that has ended, ``stale`` where bars are overdue that may
    have traded, ``empty`` where there is no bar. ``due`` is the close of the last bar that should
    be there by now, ``overdue`` how many are not. ``spans`` are the longest, ``runs`` counts all.
    """

    instrument: str
    source: str
    interval: str
    calendar: str
    description: str
    state: State
    bars: int = 0
    first: datetime | None = None
    last: datetime | None = None
    age_seconds: float | None = None
    due: datetime | None = None
    overdue: int = 0
    expected: int = 0
    absent: dict[str, int] = Field(default_factory=dict)
    runs: int = 0
    spans: tuple[Span, ...] = ()
    months: tuple[Month, ...] = ()
    off_session: int = 0
    outside: tuple[OutsideBar, ...] = ()
    revisions: int = 0
    revised: tuple[RevisedBar, ...] = ()
    quarantined: dict[str, KeptOut] = Field(default_factory=dict)
    repaired: dict[str, Repaired] = Field(default_factory=dict)
    findings: dict[str, Findings] = Field(default_factory=dict)
    flags: dict[str, int] = Field(default_factory=dict)
    actions: dict[str, int] = Field(default_factory=dict)
    basis: dict[str, int] = Field(default_factory=dict)
    assumed_share: float | None = None
    simulated_share: float | None = None
    failures: int = 0
    last_failure: Failure | None = None

    @property
    def examples(self) -> Examples:
        """What was kept out, repaired and revised."""
        return Examples(quarantined=self.quarantined, repaired=self.repaired, revised=self.revised)


class DataReport(Part):
    """All series of a recipe, as of a moment."""

    recipe: str
    source: str
    as_of: datetime
    series: tuple[SeriesReport, ...]


def examine_data(workspace: Workspace, recipe: Recipe) -> DataReport:
    """Look at every series of a recipe in the lake. Nothing is fetched and nothing is changed.

    Parameters
    ----------
    workspace : Workspace
        Whose lake.
    recipe : Recipe
        Whose instruments and context.

    Raises
    ------
    UsageError
        If the source does not have what the recipe names.
    """
    source, checks = source_of(recipe), ChecksOptions.of(recipe.checks)
    return DataReport(
        recipe=recipe.name,
        source=source.name,
        as_of=now(),
        series=tuple(
            examine_series(workspace.lake, source, symbol, recipe.bar_interval, checks)
            for symbol in dict.fromkeys((*recipe.instruments, *recipe.context))
        ),
    )


def examine_series(
    lake: Lake,
    source: Source,
    symbol: str,
    interval: Interval,
    checks: ChecksOptions = _DEFAULT,
) -> SeriesReport:
    """Look at one series in the lake, with the checks of a recipe or the usual ones."""
    instrument = source.instrument(symbol)
    key = (source.name, symbol, interval)
    evidence = Evidence(
        receipts=lake.bronze.index.read(series_key(*key)),
        failures=lake.failures(*key),
        quarantine=lake.quarantine(*key),
        delay=instrument.publication_delay,
        live=source.live,
    )
    actions = lake.actions(*key)
    report = SeriesReport(
        instrument=symbol,
        source=source.name,
        interval=str(interval),
        calendar=instrument.calendar,
        description=instrument.description,
        state="empty",
        quarantined=quarantined(evidence.quarantine),
        repaired=repaired(lake.repairs(*key)),
        actions=_actions(actions),
        failures=len(evidence.failures),
        last_failure=_last_failure(evidence.failures),
    )
    try:
        versions = lake.history(*key).versions
    except NoDataError:
        return report
    return report.model_copy(
        update={
            **_content(versions),
            **_coverage(versions, instrument, interval, evidence),
            "findings": findings(review(versions, instrument, interval, checks, actions).findings),
        }
    )


def _content(versions: pl.DataFrame) -> dict[str, object]:
    """Say what the bars are, by their newest versions."""
    known = versions.unique("event_time", keep="last", maintain_order=True)
    last: datetime = known["event_time"][-1]
    return {
        "bars": len(known),
        "first": known["event_time"][0],
        "last": last,
        "age_seconds": (now() - last).total_seconds(),
        "revisions": len(versions) - len(known),
        "revised": revised(versions),
        "flags": counts_of(known["flags"].explode().drop_nulls()),
        "basis": counts_of(known["basis"]),
        "assumed_share": float((known["basis"] == "assumed").sum()) / len(known),
        "simulated_share": float(known["simulated"].sum()) / len(known),
    }


def _coverage(
    versions: pl.DataFrame, instrument: Instrument, interval: Interval, evidence: Evidence
) -> dict[str, object]:
    """Say what is there beside what the calendar lets expect."""
    found: Coverage = cover(versions, get_calendar(instrument.calendar), interval, evidence)
    longest = found.spans.sort("bars", "first", descending=[True, False]).head(LONGEST)
    state: State = "ended" if not evidence.live else "stale" if found.overdue else "current"
    return {
        "state": state,
        "due": found.due,
        "overdue": found.overdue,
        "expected": found.expected,
        "absent": found.absent,
        "runs": len(found.spans),
        "spans": tuple(Span(**one) for one in longest.rows(named=True)),
        "months": tuple(Month(**one) for one in found.months.rows(named=True)),
        "off_session": len(found.off_session),
        "outside": tuple(
            OutsideBar(**one) for one in found.off_session.tail(OUTSIDE).rows(named=True)
        ),
    }


def _actions(versions: pl.DataFrame) -> dict[str, int]:
    """Count the splits and dividends that stand, by kind."""
    standing = versions.unique(["session", "kind"], keep="last", maintain_order=True)
    return counts_of(standing.filter(pl.col("value").is_not_null())["kind"])


def _last_failure(failures: pl.DataFrame) -> Failure | None:
    if failures.is_empty():
        return None
    last = failures.row(-1, named=True)
    return Failure(failed_at=last["failed_at"], error=last["error"], message=last["message"])
