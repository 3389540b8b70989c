"""Say what would become of files of bars: taken in clean, repaired, kept out in part, refused.

Each file goes the way that it would go into a lake (the source ``files``, then the contracts of
the lake), but nothing is written. What a recipe would say and nobody did is guessed and said.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Any, Literal

import polars as pl

from truecast.core import clock
from truecast.core.errors import TruecastError
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.contracts import Checked, check_bars
from truecast.pipelines.inspect_guess import Guess, guess
from truecast.pipelines.inspect_inputs import Input, find_inputs
from truecast.pipelines.inspect_pairs import Pair, as_fixed, compare
from truecast.sources.base import Parsed, Payload
from truecast.sources.files.client import suffix_of
from truecast.sources.files.options import FilesOptions, check_options
from truecast.sources.files.parse import parse_file, read_stamped, symbols_of

Outcome = Literal["clean", "repaired", "flagged", "quarantined", "refused"]

# Where more bars than this lie outside the sessions, the clock or the calendar is probably wrong.
_MANY_OUTSIDE = 0.2
_DAILY_DELAY = timedelta(minutes=15)


@dataclass(frozen=True)
class Inspection:
    """What would become of a file.

    Parameters
    ----------
    file : str
        Its name.
    outcome : {"clean", "repaired", "flagged", "quarantined", "refused"}
        ``quarantined``: some rows are kept out; ``repaired``: some numbers are changed, with a
        record; ``flagged``: all rows come in, some with a flag; the first that holds.
    rows, bars : int
        Rows that were read, and bars that come in.
    interval, calendar : str
        Said or guessed; empty for a refused file.
    quarantined, flags, repaired : dict of str to int
        Rows kept out by reason, bars by flag, numbers by the rule that changed them.
    examples : dict of str to str
        For each reason, flag and rule the first row and what was found.
    duplicates : int
        Rows that repeat another one exactly.
    actions : int
        Splits, dividends and capital gains.
    notes : tuple of str
        How it was read, where that is not plain.
    error : str
        Why it is refused: file, line, what was expected, what came, what to do.
    pair : Pair or None
        How it compares with its fixed version, where there is one.
    """

    file: str
    outcome: Outcome
    rows: int = 0
    bars: int = 0
    interval: str = ""
    calendar: str = ""
    quarantined: dict[str, int] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    duplicates: int = 0
    actions: int = 0
    notes: tuple[str, ...] = ()
    error: str = ""
    pair: Pair | None = None

    def document(self) -> dict[str, Any]:
        """Return it as JSON can hold it: a key for each field."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "notes": list(self.notes),
            "pair": None if self.pair is None else self.pair.document(),
        }


def inspect(
    paths: Iterable[Path],
    options: Mapping[str, Any] | None = None,
    interval: Interval | None = None,
) -> list[Inspection]:
    """Say of each file what would become of it.

    Parameters
    ----------
    paths : iterable of Path
        Files, folders and archives. Where ``X-fixed.csv`` lies beside ``X.csv``, it says what
        that one should become.
    options : mapping or None
        Options of the source ``files``, for all of the files.
    interval : Interval or None
        Length of the bars; None to guess it from the stamps of each file.

    Raises
    ------
    UsageError
        If a path does not exist, or an option has no valid value. What is wrong with a file is
        its outcome.
    """
    told = check_options({**(options or {}), "path": "."})
    return [_inspect(one, told, interval) for one in find_inputs(paths)]


def _inspect(given: Input, told: FilesOptions, interval: Interval | None) -> Inspection:
    """Judge one file; whatever is wrong with it refuses it."""
    try:
        content, media_type = given.read()
        options = told.model_copy(update={"path": Path(given.name)})
        stamped = read_stamped(content, media_type, given.name, options)
        guessed = guess(stamped, given.name, options, interval)
        name = PurePath(given.name).name
        payload = Payload(
            source="files",
            symbol=name[: -len(suffix_of(Path(name)))],
            interval=str(guessed.interval),
            request={"file": given.name},
            content=content,
            media_type=media_type,
            received_at=clock.now(),
        )
        judged = [
            _judge(replace(payload, symbol=symbol), guessed)
            for symbol in symbols_of(stamped.rows) or [payload.symbol]
        ]
        found = _joined(given.name, judged, guessed)
        if given.fixed is None:
            return found
        fixed = as_fixed(payload, *given.fixed.read(), given.fixed.name)
        return replace(found, pair=compare(payload, fixed, guessed.options, given.fixed.name))
    except TruecastError as error:
        return Inspection(given.name, "refused", error=str(error))


def _judge(payload: Payload, guessed: Guess) -> tuple[Parsed, Checked]:
    options, daily = guessed.options, guessed.interval.is_daily
    delay = options.publication_delay
    if delay is None:
        delay = _DAILY_DELAY if daily else timedelta()
    parsed = parse_file(payload, options, delay)
    instrument = Instrument(
        symbol=payload.symbol,
        calendar=options.calendar,
        publication_delay=delay,
        currency=options.currency,
        adjustment=options.adjustment,
        may_be_negative=options.may_be_negative,
    )
    return parsed, check_bars(parsed.bars, instrument, guessed.interval, payload.received_at)


def _joined(file: str, judged: list[tuple[Parsed, Checked]], guessed: Guess) -> Inspection:
    """Count what became of the rows of all symbols."""
    changes = ("event_time", "field", "original", "repaired", "repair")
    repairs = pl.concat(
        part.select(changes)
        for parsed, checked in judged
        for part in (parsed.repairs, checked.repairs)
    )
    checks = [checked for _, checked in judged]
    kept_out = pl.concat(
        checked.quarantined.select("row", "event_time", "reason", "detail") for checked in checks
    )
    flagged = pl.concat(checked.bars.select("row", "event_time", "flags") for checked in checks)
    flagged = flagged.explode("flags").drop_nulls("flags")
    flags, quarantined = _counts(flagged["flags"]), _counts(kept_out["reason"])
    bars = sum(len(checked.bars) for checked in checks)
    notes = list(dict.fromkeys(note for parsed, _ in judged for note in parsed.notes))
    if flags.get("off_session", 0) > _MANY_OUTSIDE * max(1, bars):
        notes.append(f"many bars lie outside the sessions of {guessed.options.calendar}: say "
                     "calendar= or timezone= if that is wrong")  # fmt: skip
    if quarantined.get("not_positive"):
        notes.append("if prices of zero and below are legal here, say may_be_negative=true")
    return Inspection(
        file=file,
        outcome=_outcome(quarantined, _counts(repairs["repair"]), flags),
        rows=sum(len(parsed.bars) for parsed, _ in judged),
        bars=bars,
        interval=str(guessed.interval),
        calendar=guessed.options.calendar,
        quarantined=quarantined,
        flags=flags,
        repaired=_counts(repairs["repair"]),
        examples=_examples(kept_out, flagged, repairs),
        duplicates=sum(checked.duplicates for checked in checks),
        actions=sum(len(parsed.actions) for parsed, _ in judged),
        notes=(*notes, *guessed.notes),
    )


def _outcome(
    quarantined: Mapping[str, int], repaired: Mapping[str, int], flags: Mapping[str, int]
) -> Outcome:
    if quarantined:
        return "quarantined"
    if repaired:
        return "repaired"
    return "flagged" if flags else "clean"


def _examples(
    kept_out: pl.DataFrame, flagged: pl.DataFrame, repairs: pl.DataFrame
) -> dict[str, str]:
    """Say of each reason, flag and rule which row shows it first."""
    found: dict[str, str] = {}
    for row, when, reason, detail in kept_out.iter_rows():
        found.setdefault(reason, f"row {row}, {_moment(when)}: {detail}")
    for row, when, flag in flagged.unique("flags", maintain_order=True).iter_rows():
        found.setdefault(flag, f"row {row}, {_moment(when)}")
    first = repairs.unique("repair", maintain_order=True)
    for when, name, original, repaired, rule in first.iter_rows():
        found.setdefault(rule, f"{_moment(when)}: {name} {original} became {repaired}")
    return found


def _moment(when: Any) -> str:
    return "no time" if when is None else f"{when:%Y-%m-%d %H:%M} UTC"


def _counts(names: pl.Series) -> dict[str, int]:
    return dict(Counter(names.to_list()).most_common())
