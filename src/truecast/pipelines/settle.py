"""Settle forecasts: write down what came of each, once it is known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import NamedTuple

import numpy as np

from truecast.core.clock import now, require_utc, to_datetime64, to_utc
from truecast.core.errors import UsageError
from truecast.core.forecast import Forecast, Outcome
from truecast.core.labels import LABELS
from truecast.core.recipe import Recipe
from truecast.core.slot import Slot
from truecast.datasets.assembly import DEVIATION, RATIO, Dataset
from truecast.features.plan import FeaturePlan
from truecast.ledger.ledger import Ledger
from truecast.pipelines.study import in_units
from truecast.serving.answering.series import Series
from truecast.serving.planning import source_of
from truecast.serving.workspace import Workspace, series_of


class Waiting(NamedTuple):
    """A forecast that is due and has no outcome, and why."""

    slot: str
    predicted_date: date
    why: str


@dataclass(frozen=True)
class SettleSummary:
    """What settling found.

    Parameters
    ----------
    due : int
        Forecasts that were due and had no outcome.
    settled : int
        How many of them have one now.
    waiting : list of Waiting
        The others, in the order in which they were due.
    """

    due: int
    settled: int
    waiting: list[Waiting]


class Realised:
    """What came of the decisions of a dataset, to be looked up by forecast.

    Parameters
    ----------
    dataset : Dataset
        Rows of the slot's instrument.
    slot : Slot
        What was forecast.

    Notes
    -----
    Outcomes are those that models are scored by: see
    :func:`truecast.datasets.targets.outcomes_of` and :func:`truecast.pipelines.study.in_units`.
    """

    def __init__(self, dataset: Dataset, slot: Slot) -> None:
        self._dataset, self._target = dataset, slot.target
        self._outcomes = dataset.outcomes(slot.horizon)
        observed, _ = in_units(dataset, slot, self._outcomes, {})
        self._squared = observed.get("r2")
        self._values = np.sqrt(observed["gk"]) if "gk" in observed else observed["value"]

    def of(self, forecast: Forecast, known_by: datetime) -> Outcome | str:
        """Return the outcome of a forecast as known at a moment, or why there is none.

        Parameters
        ----------
        forecast : Forecast
            Of the slot.
        known_by : datetime
            Nothing that became known later is used; with its time zone.

        Returns
        -------
        Outcome or str
            Settled at the moment when it became known; who settles it later says so.
        """
        row = self._row_of(forecast)
        if isinstance(row, str):
            return row
        known_at = to_utc(self._outcomes.known_at[row])
        if known_at > known_by:
            return f"its outcome becomes known at {known_at.isoformat()}"
        value = float(self._values[row])
        if not np.isfinite(value):
            return (
                f"a bar after {forecast.today_date} up to {forecast.predicted_date} is missing or "
                f"has no range: its {self._target} cannot be measured, and it stays open"
            )
        return Outcome(
            value=value,
            label=LABELS[self._target][int(value)] if self._target in LABELS else None,
            squared_return=None if self._squared is None else float(self._squared[row]),
            known_at=known_at,
            settled_at=known_at,
        )

    def _row_of(self, forecast: Forecast) -> int | str:
        """Find the row that was forecast from, if its outcome is of the session forecast."""
        row = row_of(self._dataset, forecast)
        if row is None:
            return f"the bar of {forecast.today_date} that it was made from is not in the lake"
        due = self._outcomes.due_session[row]
        if not np.isnat(due) and due.item() == forecast.predicted_date:
            return row
        newest = self._dataset.market.bars.versions["session"].max()
        if isinstance(newest, date) and newest > forecast.predicted_date:
            return f"there is no bar of {forecast.predicted_date}, but later ones: it stays open"
        return f"the bar of {forecast.predicted_date} is not in the lake yet"


def row_of(dataset: Dataset, forecast: Forecast) -> int | None:
    """Find the row whose bar a forecast was made from, or None."""
    closes, wanted = dataset.decisions.event_time, to_datetime64(forecast.event_time)
    row = int(np.searchsorted(closes, wanted))
    return row if row < len(closes) and closes[row] == wanted else None


def settle(
    workspace: Workspace,
    ledger: Ledger,
    recipe: Recipe,
    *,
    moment: datetime | None = None,
    at_known: bool = False,
) -> SettleSummary:
    """Write down what came of every forecast of a recipe that is due, once it is known.

    Parameters
    ----------
    workspace : Workspace
        Where the bars are.
    ledger : Ledger
        Where the forecasts are.
    recipe : Recipe
        Whose forecasts, those by earlier versions of it too.
    moment : datetime or None
        Only outcomes known by then are written down; None for now.
    at_known : bool
        Whether forecasts of a replay settle when their outcome became known, not now.

    Returns
    -------
    SettleSummary
        Counts, and each forecast that is left open with the reason.

    Raises
    ------
    UsageError
        If the recipe's source does not have what the recipe names.
    ValueError
        If the moment has no time zone.
    """
    known_by = now() if moment is None else require_utc(moment, "moment")
    due = ledger.unsettled(recipe=recipe.name, source=source_of(recipe).name, due_by=known_by)
    found, waiting = {}, []
    for forecast, outcome in _realised(workspace, recipe, due, known_by):
        if isinstance(outcome, str):
            waiting.append(Waiting(forecast.slot, forecast.predicted_date, outcome))
        elif at_known and forecast.mode == "replay":
            found[forecast.id] = outcome
        else:
            found[forecast.id] = outcome.model_copy(update={"settled_at": now()})
    waiting.sort(key=lambda one: (one.predicted_date, one.slot))
    return SettleSummary(len(due), ledger.settle(found), waiting)


def _realised(
    workspace: Workspace, recipe: Recipe, due: Sequence[Forecast], known_by: datetime
) -> Iterator[tuple[Forecast, Outcome | str]]:
    """Look up what came of forecasts, one series of bars after another."""
    for (symbol, interval), of_series in _grouped(due, "instrument", "interval"):
        then = recipe.model_copy(update={"interval": interval})
        try:
            series = series_of(workspace, then, symbol)
        except UsageError as error:  # one series that is gone does not hold up the others
            yield from ((forecast, str(error)) for forecast in of_series)
            continue
        for (name,), forecasts in _grouped(of_series, "slot"):
            realised = Realised(_rows_of(series, forecasts), Slot.parse(name))
            for forecast in forecasts:
                yield forecast, realised.of(forecast, known_by)


def _grouped(
    forecasts: Sequence[Forecast], *fields: str
) -> Iterator[tuple[tuple[str, ...], list[Forecast]]]:
    def key(forecast: Forecast) -> tuple[str, ...]:
        return tuple(getattr(forecast, name) for name in fields)

    for values, some in groupby(sorted(forecasts, key=key), key):
        yield values, list(some)


def _rows_of(series: Series, forecasts: Sequence[Forecast]) -> Dataset:
    """Return the rows that were forecast from, with the features that outcomes need."""
    closes = {to_datetime64(forecast.event_time) for forecast in forecasts}
    decisions = series.market.decisions()
    rows = Dataset.of(
        series.market,
        FeaturePlan.from_choices((), required=(RATIO, DEVIATION)),
        inputs=(),
        calendar=series.calendar,
        interval=series.interval,
        decisions=decisions[np.isin(decisions.event_time, list(closes))],
    )
    return replace(rows, crossing=series.crossing)
