"""Examples of rows that were kept out, repaired and revised, for people."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from truecast.cli.output import table

if TYPE_CHECKING:
    from truecast.pipelines.data_examples import Examples


def show_examples(found: "Examples") -> None:
    """Print a table of each kind of which there is one, the newest of each."""
    kept_out = [
        (f"{reason} ({kind.rows:,})", cell(one.event_time), one.row or "", one.detail or "")
        for reason, kind in found.quarantined.items()
        for one in kind.examples
    ]
    mended = [
        (
            f"{rule} ({kind.numbers:,})",
            cell(one.event_time or one.session),
            f"{one.field} {_number(one.original)} → {_number(one.repaired)}",
            one.detail or "",
        )
        for rule, kind in found.repaired.items()
        for one in kind.examples
    ]
    later = [
        (
            cell(one.event_time),
            cell(one.known_at),
            ", ".join(
                f"{change.field} {_number(change.before)} → {_number(change.after)}"
                for change in one.changes
            ),
        )
        for one in found.revised
    ]
    for title, columns, rows in (
        ("kept out, newest of each", ("reason", "bar", "row", "what was found"), kept_out),
        ("repaired, newest of each", ("rule", "bar", "number", "why"), mended),
        ("revised, newest", ("bar", "known at", "what changed"), later),
    ):
        if rows:
            table(title, columns, rows)


def cell(moment: Any) -> str:
    """Write a moment, or a day, as a table shows it."""
    if moment is None:
        return ""
    return f"{moment:%Y-%m-%d %H:%M}" if isinstance(moment, datetime) else str(moment)


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:,.10g}"
