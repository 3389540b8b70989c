"""Prove that the ledger says what training says: forecasts made again from the whole table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from truecast.core.clock import now, to_datetime64
from truecast.core.errors import TruecastError
from truecast.core.forecast import Forecast, forecast_id
from truecast.core.slot import Slot
from truecast.datasets.assembly import Dataset
from truecast.features.results import CheckResult
from truecast.ledger.ledger import Ledger
from truecast.ledger.query import Entry, Query
from truecast.pipelines.settle import Realised, row_of
from truecast.pipelines.studies import Studies
from truecast.registry.store import BundleStore
from truecast.serving.answering.forecaster import Forecaster
from truecast.serving.planning import slots_of

CHECK = "ledger equals training"
#: How many forecasts of a slot are made again.
FORECASTS = 12
#: Numbers from the whole table and from the tail agree within this, relative.
AGREEMENT = 1e-6
#: What a forecast made again may differ in: the hash of inputs that agree within a rounding, the
#: id made of it, when and how fast it was issued, and why it was degraded.
_FREE = {"id", "input_hash", "issued_at", "latency_ms", "degraded", "reason"}

#: Mode, edition and due moment: of each, one forecast of a slot is scored.
_Record = tuple[str, str, datetime]


def check_ledger(studies: Studies, ledger: Ledger, *, seed: int) -> Iterator[CheckResult]:
    """Hold the forecasts of a recipe's present version against training, slot by slot.

    Every forecast must name itself by what it says and come from a model that had seen no more
    than was known, and every outcome must be the one that the bars give. A sample is made again:
    by its bundle, from features computed over the whole table.

    Parameters
    ----------
    studies : Studies
        Of the recipe.
    ledger : Ledger
        What was written down.
    seed : int
        Of the sample.

    Yields
    ------
    CheckResult
        One a slot; it names the first forecast that does not hold.
    """
    for slot in slots_of(studies.recipe):
        every = [
            one for one in ledger.history(Query(slot=str(slot))) if one.forecast.mode != "whatif"
        ]
        entries = [one for one in every if one.forecast.recipe_hash == studies.recipe.hash]
        if not entries:
            yield _result(slot, True, None, "no forecasts in the ledger yet")
            continue
        dataset = studies.researcher(slot.instrument).dataset
        chosen = np.random.default_rng(seed).permutation(len(entries))[:FORECASTS]
        batch = _Batch(studies.workspace.bundles, slot, dataset, studies.judged(slot))
        sample = [entries[::-1][place] for place in sorted(chosen)]
        yield _check(batch, entries[::-1], sample, _first(every))


def _check(
    batch: "_Batch",
    entries: Sequence[Entry],
    sample: Sequence[Entry],
    first: Mapping[_Record, Entry],
) -> CheckResult:
    realised = Realised(batch.dataset, batch.slot)
    for entry in entries:
        wrong = (
            _contradiction(entry.forecast)
            or _other_standing(entry, first)
            or _other_outcome(entry, realised)
        )
        if wrong:
            return _result(batch.slot, False, entry.forecast, wrong)
    for entry in sample:
        wrong = batch.difference(entry.forecast)
        if wrong:
            return _result(batch.slot, False, entry.forecast, wrong)
    settled = sum(entry.outcome is not None for entry in entries)
    return _result(
        batch.slot,
        True,
        None,
        f"{len(sample)} of {len(entries)} forecasts made again agree, and all {settled} outcomes",
    )


def _contradiction(said: Forecast) -> str | None:
    """Say what in a forecast cannot be, whatever the data."""
    if said.trained_through > said.as_of:
        return f"trained through {said.trained_through.isoformat()}, after its decision"
    if said.mode == "live" and said.due_at <= said.issued_at:
        return f"issued live at {said.issued_at.isoformat()}, when its outcome was due"
    named = forecast_id(
        said.slot, said.as_of, said.due_at, said.model_version, said.mode, said.input_hash
    )
    return None if named == said.id else f"its id is {said.id}, what it says is named {named}"


def _record(entry: Entry) -> _Record:
    said = entry.forecast
    return said.mode, entry.edition, said.due_at


def _first(entries: Sequence[Entry]) -> dict[_Record, Entry]:
    """Return the forecast that was written first of each mode, edition and due moment."""
    found: dict[_Record, Entry] = {}
    for entry in sorted(entries, key=lambda one: one.seq):
        found.setdefault(_record(entry), entry)
    return found


def _other_standing(entry: Entry, first: Mapping[_Record, Entry]) -> str | None:
    """Say how a forecast's place in the record differs from the order of writing."""
    scored = first[_record(entry)]
    due = None if scored is entry else scored.forecast.id
    if entry.supersedes == due:
        return None
    return f"it supersedes {entry.supersedes}, by the order of writing it should be {due}"


def _other_outcome(entry: Entry, realised: Realised) -> str | None:
    """Say how the outcome in the ledger differs from what the bars give."""
    if entry.outcome is None:
        return None
    again = realised.of(entry.forecast, now())
    if isinstance(again, str):
        return f"it has an outcome, but {again}"
    settled = again.model_copy(update={"settled_at": entry.outcome.settled_at})
    return _difference(entry.outcome.model_dump(), settled.model_dump(), "the outcome's ")


@dataclass
class _Batch:
    """A slot's rows from the whole table, and the bundles that spoke for it."""

    store: BundleStore
    slot: Slot
    dataset: Dataset
    trained_for: Slot
    _forecasters: dict[str, Forecaster] = field(default_factory=dict)

    def difference(self, said: Forecast) -> str | None:
        """Say how a forecast made again differs from the one in the ledger."""
        row = row_of(self.dataset, said)
        if row is None:
            return f"the bar of {said.today_date} that it was made from is not in the lake"
        decisions = self.dataset.decisions[: row + 1]
        rows = replace(self.dataset, decisions=decisions, X=self.dataset.X[: row + 1])
        if said.mode == "live" and to_datetime64(said.as_of) > decisions.as_of[-1]:
            rows = rows.renewed(said.as_of)  # news came after the decision
        try:
            again = self._forecaster(said.model_version).restate(rows, said)
        except TruecastError as error:
            return f"it cannot be made again: {error}"
        return _difference(said.model_dump(exclude=_FREE), again.model_dump(exclude=_FREE))

    def _forecaster(self, version: str) -> Forecaster:
        if version not in self._forecasters:
            bundle = self.store.load(self.trained_for, version)
            self._forecasters[version] = Forecaster(bundle, self.slot.instrument)
        return self._forecasters[version]


def _difference(kept: dict[str, object], again: dict[str, object], what: str = "") -> str | None:
    for name, value in kept.items():
        if not _equal(value, again[name]):
            return f"{what}{name} is {value!r} in the ledger, made again it is {again[name]!r}"
    return None


def _equal(kept: object, again: object) -> bool:
    if isinstance(kept, float) and isinstance(again, float):
        return bool(np.isclose(kept, again, rtol=AGREEMENT, atol=0))
    return kept == again


def _result(slot: Slot, passed: bool, first: Forecast | None, detail: str) -> CheckResult:
    ahead = f", {slot.horizon} bars ahead" if slot.horizon > 1 else ""
    return CheckResult(
        check=CHECK,
        passed=passed,
        feature=f"{slot.target}{ahead}",
        first_row=None if first is None else first.as_of.isoformat(),
        detail=detail,
    )
