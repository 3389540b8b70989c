"""The last payload of a series that was taken in to its end: the same bytes add nothing to it.

A file is often ingested again just to see whether it has grown. What a payload adds is a function
of its bytes, of what they mean (instrument, source, code) and of what is stored of the series. So
if none of the three has changed since the payload was taken in, there is nothing to do; and the
stored rows have not changed if there was no commit to the series. What the moment of receipt
decides is left out: a payload with a bar that had not closed yet is never noted.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from truecast.core.hashing import canonical_json, code_hash, hash_of
from truecast.lake.bars import Receipt
from truecast.lake.errors import as_lake_errors
from truecast.lake.storage import Storage
from truecast.lake.summary import IngestSummary
from truecast.sources.base import Payload

#: Table to what changes with each commit to the series.
Marks = Mapping[str, str | None]


@dataclass(frozen=True)
class Completions:
    """One note a series, replaced by each payload that is taken in to its end.

    Parameters
    ----------
    storage : Storage
        Where the notes lie.
    """

    storage: Storage

    def find(
        self, payload: Payload, receipt: Receipt, marks: Callable[[Receipt], Marks]
    ) -> IngestSummary | None:
        """Return what became of a payload that says what is there already; None if it may not.

        Parameters
        ----------
        payload, receipt : Payload, Receipt
            What has come, and what it is.
        marks : callable
            Returns the series' state; asked only about a payload that has a note.
        """
        name = _name(receipt)
        with as_lake_errors(f"{self.storage.url}/{name}", "read the note"):
            if self.storage.size(name) is None:
                return None
            try:
                note = json.loads(self.storage.read(name))
            except ValueError:  # a damaged note says nothing, and the payload is taken in anew
                return None
        if note["meaning"] != _meaning(payload, receipt) or note["marks"] != dict(marks(receipt)):
            return None
        then = IngestSummary(**{key: _tupled(value) for key, value in note["summary"].items()})
        unchanged = then.added + then.revised + then.unchanged
        return replace(then, added=0, revised=0, actions=0, unchanged=unchanged)

    def note(
        self, payload: Payload, receipt: Receipt, marks: Marks, summary: IngestSummary
    ) -> None:
        """Write down that a payload was taken in to its end.

        Parameters
        ----------
        payload, receipt : Payload, Receipt
            What was taken in.
        marks : mapping of str to str or None
            The series' state with the payload in it.
        summary : IngestSummary
            What became of its rows.
        """
        if "not_yet_closed" in summary.quarantined:
            return
        note = {
            "meaning": _meaning(payload, receipt),
            "marks": dict(marks),
            "summary": asdict(summary),
        }
        name = _name(receipt)
        with as_lake_errors(f"{self.storage.url}/{name}", "write the note"):
            self.storage.write(name, canonical_json(note).encode())


def _name(receipt: Receipt) -> str:
    return f"{hash_of(receipt.series)}.json"


def _meaning(payload: Payload, receipt: Receipt) -> str:
    """Return a hash of all that decides what a payload's rows are, but the stored rows."""
    instrument = {name: str(value) for name, value in asdict(receipt.instrument).items()}
    return hash_of(
        {
            "code": code_hash(),
            "payload": receipt.payload,
            "media_type": payload.media_type,
            "request": dict(payload.request),
            "covers": [moment.isoformat() for moment in payload.covers or ()],
            "instrument": instrument,
            "simulated": receipt.simulated,
            "live": receipt.live,
            **receipt.series,
        }
    )


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
