"""Files as a source."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from truecast.core import clock
from truecast.core.calendars import get_calendar
from truecast.core.errors import UsageError
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.sources.base import Parsed, Payload, SourceError
from truecast.sources.files.client import (
    SUFFIXES,
    find_file,
    list_files,
    read_bytes,
    read_head,
    stem_of,
    suffix_of,
)
from truecast.sources.files.options import FilesOptions, read_options
from truecast.sources.files.parse import holds_daily_bars, parse_file, read_stamped, symbols_of

_DAILY_DELAY = timedelta(minutes=15)


@dataclass(frozen=True)
class _Facts:
    """What must be known of a file before it is fetched."""

    daily: bool
    symbols: list[str] | None


class FilesSource:
    """Bars in files of your own.

    Knowability: a bar is known its close plus the publication delay, or when the vintage column
    says. Parse what you fetch: a payload is the whole file, of all its symbols.

    Parameters
    ----------
    options : FilesOptions
        Where the files are and how their rows are meant.
    """

    live = False
    simulated = False

    def __init__(self, options: FilesOptions) -> None:
        self.options = options
        self._serves: str | None = None
        self._facts: dict[tuple[Path, int, int], _Facts] = {}

    @property
    def name(self) -> str:
        """Effective name: the file's or folder's, and six digits that tell its paths apart."""
        path = self.options.path.expanduser()
        stem = re.sub(r"[^a-z0-9._-]+", "-", stem_of(path).lower()).strip("-") or "data"
        return f"files-{stem}-{self.options.fingerprint}"

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols in the file, or those that the folder's file names say."""
        files = list_files(self.options)
        if self.options.instruments or self.options.path.expanduser().is_dir():
            return tuple(sorted(files))
        ((stem, path),) = files.items()
        named = self._facts_of(path).symbols
        return (stem,) if named is None else tuple(named)

    def instrument(self, symbol: str) -> Instrument:
        """Return what must be known of a symbol to read its bars."""
        options = self.options
        path = find_file(options, symbol)
        facts = self._facts_of(path)
        self._check_serves(symbol, facts.symbols, path)
        return Instrument(
            symbol=symbol,
            calendar=options.calendar,
            publication_delay=self._delay(facts.daily),
            currency=options.currency,
            adjustment=options.adjustment,
            may_be_negative=options.may_be_negative,
            description=f"{symbol} from {path.name}",
        )

    def fetch(
        self, symbol: str, interval: Interval, since: datetime | None = None
    ) -> Iterator[Payload]:
        """Read the file that serves a symbol, whole; see :class:`truecast.sources.base.Source`."""
        del since  # the file is one
        path = find_file(self.options, symbol)
        yield Payload(
            source=self.name,
            symbol=symbol,
            interval=str(interval),
            request={"file": str(path)},
            content=read_bytes(path),
            media_type=SUFFIXES[suffix_of(path)],
            received_at=clock.now(),
        )

    def parse(self, payload: Payload) -> Parsed:
        """Turn a payload into rows; see :class:`truecast.sources.base.Source`."""
        return parse_file(payload, self.options, self._delay(Interval(payload.interval).is_daily))

    def _delay(self, daily: bool) -> timedelta:
        if self.options.publication_delay is not None:
            return self.options.publication_delay
        return _DAILY_DELAY if daily else timedelta()

    def _facts_of(self, path: Path) -> _Facts:
        """Look into a file, once as long as it stays the same."""
        media_type = SUFFIXES[suffix_of(path)]
        try:
            state = path.stat()
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
        key = (path, state.st_mtime_ns, state.st_size)
        if key not in self._facts:
            self._facts[key] = self._look(path, media_type)
        return self._facts[key]

    def _look(self, path: Path, media_type: str) -> _Facts:
        """Look at the head of a file; read it whole where that leaves something open."""
        calendar = get_calendar(self.options.calendar)
        head = read_head(path, media_type)
        if head is not None:
            try:
                shown = read_stamped(*head, str(path), self.options, most=2)
                if len(shown.rows) and "symbol" not in shown.rows.columns:
                    return _Facts(holds_daily_bars(shown.stamps, calendar), None)
            except SourceError:
                pass  # such as dates whose order shows further down: the whole file says
        whole = read_stamped(read_bytes(path), media_type, str(path), self.options)
        return _Facts(holds_daily_bars(whole.stamps, calendar), symbols_of(whole.rows))

    def _check_serves(self, symbol: str, named: list[str] | None, path: Path) -> None:
        """Refuse to let one file without symbols pass for two instruments."""
        if named is not None:
            if symbol not in named:
                raise UnknownNameError("instrument", symbol, named, str(path))
        elif path == self.options.path.expanduser() and not self.options.instruments:
            self._serves = self._serves or symbol
            if symbol != self._serves:
                raise UsageError(
                    f"{path} holds one series, which is read as {self._serves}; {symbol} needs a "
                    "file of its own: give a folder, or say in source.files.instruments which "
                    "file is whose"
                )


def open_files(options: Mapping[str, Any]) -> FilesSource:
    """Open the files that a recipe names.

    Parameters
    ----------
    options : mapping
        See :class:`truecast.sources.files.options.FilesOptions`.

    Raises
    ------
    UsageError
        If an option is unknown or has no valid value, or the path does not exist.
    """
    return FilesSource(read_options(options))
