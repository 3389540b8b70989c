"""Live through the past: a forecast a session by models of then, each settled when it was due."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import numpy as np

from truecast.core.clock import to_utc
from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe
from truecast.evaluation.trackrecord import TrackRecord
from truecast.ledger.query import Query
from truecast.pipelines.fanout import walk
from truecast.pipelines.predict import Replay
from truecast.pipelines.settle import SettleSummary, settle
from truecast.pipelines.studies import Studies
from truecast.serving.answering.track_record import track_records
from truecast.serving.planning import calendar_of, source_of
from truecast.serving.workspace import Workspace, decided_by, latest, series_of, trials_of_record


@dataclass(frozen=True)
class ReplayResult:
    """What a replay leaves in the ledger.

    Parameters
    ----------
    first, last : date
        First and last session that was forecast from.
    forecasts : int
        How many were issued, those included that an earlier replay had issued.
    added : int
        How many of them were new to the ledger.
    settled : SettleSummary
        What came of them.
    records : list of TrackRecord
        One a slot, over the forecasts of these sessions.
    """

    first: date
    last: date
    forecasts: int
    added: int
    settled: SettleSummary
    records: list[TrackRecord]


def replay(studies: Studies, first: date, last: date) -> ReplayResult:
    """Issue the forecasts of every session from one day to another, and settle each.

    Each is made by a model that was fitted on what was known before it, with the clock at its
    decision. The same replay again finds all of it in the ledger and adds nothing.

    Parameters
    ----------
    studies : Studies
        Of the recipe; told of progress.
    first, last : date
        Sessions that are forecast from, both included.

    Raises
    ------
    UsageError
        If no session lies between, or the first lies before ``evaluate.from``.
    """
    workspace, recipe = studies.workspace, studies.recipe
    symbols = recipe.instruments
    walk(studies)
    replays = {symbol: Replay(studies, symbol) for symbol in symbols}
    series = {symbol: series_of(workspace, recipe, symbol) for symbol in symbols}
    decisions = sorted(decisions_of(studies, first, last))
    if not decisions:
        raise UsageError(f"no session of {', '.join(symbols)} lies between {first} and {last}")
    every = Query(
        recipe=recipe.name,
        source=source_of(recipe).name,
        mode="replay",
        recipe_hash=recipe.hash,
        since=to_utc(decisions[0][0]),
        until=to_utc(decisions[-1][0]),
    )
    before = {entry.forecast.id for entry in workspace.ledger.history(every)}
    issued: list[UUID] = []
    for done, (as_of, symbol, _) in enumerate(decisions, start=1):
        said = replays[symbol].forecasts(to_utc(as_of), series[symbol])
        issued += [one.id for one in workspace.ledger.write(said)]
        studies.progress.step(f"replay {recipe.name}", done, len(decisions))
    added = len({*issued} - before)
    settled = settle(workspace, workspace.ledger, recipe, at_known=True)
    records = records_of(workspace, recipe, every)
    begin, end = (one[2].astype(date) for one in (decisions[0], decisions[-1]))
    return ReplayResult(begin, end, len(issued), added, settled, records)


def records_of(workspace: Workspace, recipe: Recipe, query: Query) -> list[TrackRecord]:
    """Say how a recipe's forecasts have fared."""
    return track_records(
        workspace.ledger,
        query,
        trials=lambda slot: trials_of_record(workspace, recipe, query.mode, slot),
        calendar=lambda slot: calendar_of(recipe, slot.instrument),
    )


def decisions_of(
    studies: Studies, first: date, last: date
) -> Iterator[tuple[np.datetime64, str, np.datetime64]]:
    """Yield moment, instrument and session of all decisions between two days, both included."""
    for symbol in studies.recipe.instruments:
        decisions = studies.researcher(symbol).dataset.decisions
        sessions = decisions.session
        within = (sessions >= np.datetime64(first)) & (sessions <= np.datetime64(last))
        within[decided_by(decisions, latest(decisions, studies.recipe)) + 1 :] = False
        for as_of, session in zip(decisions.as_of[within], decisions.session[within], strict=True):
            yield as_of, symbol, session
