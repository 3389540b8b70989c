"""Track records out of the ledger."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from truecast.core.calendars import Calendar
from truecast.core.forecast import Mode
from truecast.core.labels import code_of
from truecast.core.slot import Slot
from truecast.evaluation.arrays import Floats
from truecast.evaluation.trackrecord import IssuedForecasts, TrackRecord, track_record
from truecast.ledger.ledger import Ledger
from truecast.ledger.query import Entry, Query


def track_records(
    ledger: Ledger,
    query: Query,
    *,
    trials: Callable[[Slot], int],
    calendar: Callable[[Slot], Calendar | None],
) -> list[TrackRecord]:
    """Say how the forecasts of slots have fared.

    Parameters
    ----------
    ledger : Ledger
        Read once.
    query : Query
        Whose records. Without a mode, of live forecasts; a what-if has no record.
    trials : callable
        How many models of a slot may have been chosen with a look at the outcomes.
    calendar : callable
        The sessions of a slot's instrument, so that those without a forecast are counted; None
        where they are not known.

    Returns
    -------
    list of TrackRecord
        By slot; where each version of a recipe has a record of its own, the newest first.
    """
    mode = query.mode or "live"
    groups: dict[tuple[Slot, str], list[Entry]] = {}
    for entry in ledger.history(replace(query, mode=mode)) if mode != "whatif" else ():
        groups.setdefault((Slot.parse(entry.forecast.slot), entry.edition), []).append(entry)
    return [
        track_record(
            replace(
                _issued(slot, mode, edition, entries),
                missing=_missing(entries, calendar(slot)),
                since=query.since,
                until=query.until,
            ),
            trials=trials(slot),
        )
        for (slot, edition), entries in sorted(groups.items(), key=lambda group: str(group[0][0]))
    ]


def _missing(entries: Sequence[Entry], calendar: Calendar | None) -> int | None:
    """Count the sessions between the first and the last that nothing was forecast from."""
    said = [entry.forecast for entry in entries if entry.supersedes is None]
    if calendar is None or any(one.interval != "1d" for one in said) or not said:
        return None
    days = np.array(sorted({one.today_date for one in said}), dtype="datetime64[D]")
    first, last = calendar.ordinals(days[[0, -1]])
    return int(last - first) + 1 - len(days)


def _issued(slot: Slot, mode: Mode, edition: str, entries: Sequence[Entry]) -> IssuedForecasts:
    """Turn a slot's entries into arrays, the forecasts that have settled in order of due."""
    counted = [entry for entry in entries if entry.supersedes is None]
    settled = [entry for entry in counted if entry.outcome is not None]
    settled.sort(key=lambda entry: entry.forecast.due_at)
    said = [entry.forecast for entry in settled]
    names = sorted({one.baseline_name for one in said})
    if slot.target == "direction":
        own, naive = (
            _floats([getattr(one, name) for one in said])
            for name in ("probability", "baseline_probability")
        )
    else:
        own, naive = (
            _floats([_number(slot, getattr(one, name)) for one in said])
            for name in ("prediction", "baseline")
        )
    if slot.target == "volatility":
        own, naive = np.square(own), np.square(naive)
    return IssuedForecasts(
        slot=slot,
        mode=mode,
        recipe_hash=edition or None,
        open=len(counted) - len(settled),
        superseded=len(entries) - len(counted),
        simulated=any(entry.forecast.simulated for entry in entries),
        baseline=", ".join(names) or None,
        session=np.array([one.predicted_date for one in said], dtype="datetime64[D]"),
        forecasts=own,
        baselines=naive,
        outcomes=_outcomes(slot, settled),
        lower=_floats([one.lower for one in said]),
        upper=_floats([one.upper for one in said]),
        nominal=_floats([one.coverage for one in said]),
        degraded=np.array([one.degraded for one in said], dtype=np.bool_),
    )


def _outcomes(slot: Slot, settled: Sequence[Entry]) -> dict[str, Floats]:
    """Return the outcomes by proxy: variances for volatility, else the value."""
    found = [entry.outcome for entry in settled if entry.outcome is not None]
    value = _floats([one.value for one in found])
    if slot.target != "volatility":
        return {"value": value}
    return {"gk": np.square(value), "r2": _floats([one.squared_return for one in found])}


def _number(slot: Slot, said: float | str) -> float:
    return code_of(slot.target, said) if isinstance(said, str) else said


def _floats(values: Sequence[object]) -> Floats:
    """Return numbers as an array, NaN where there is none."""
    return np.array(values, dtype=np.float64)
