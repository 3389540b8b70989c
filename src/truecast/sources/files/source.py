"""Files as a source."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from truecast.core import clock
from truecast.core.errors import UsageError
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.sources.base import Parsed, Payload
from truecast.sources.files.client import (
    SUFFIXES,
    find_file,
    list_files,
    read_bytes,
    stem_of,
    suffix_of,
)
from truecast.sources.files.options import FilesOptions, read_options
from truecast.sources.files.parse import holds_daily_bars, parse_file, symbols_in

_DAILY_DELAY = timedelta(minutes=15)


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
        named = symbols_in(*self._file(path))
        return (stem,) if named is None else tuple(named)

    def instrument(self, symbol: str) -> Instrument:
        """Return what must be known of a symbol to read its bars."""
        options = self.options
        path = find_file(options, symbol)
        content, media_type, _, file = self._file(path)
        self._check_serves(symbol, symbols_in(content, media_type, options, file), path)
        return Instrument(
            symbol=symbol,
            calendar=options.calendar,
            publication_delay=self._delay(holds_daily_bars(content, media_type, options, file)),
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
        content, media_type, _, file = self._file(path)
        yield Payload(
            source=self.name,
            symbol=symbol,
            interval=str(interval),
            request={"file": file},
            content=content,
            media_type=media_type,
            received_at=clock.now(),
        )

    def parse(self, payload: Payload) -> Parsed:
        """Turn a payload into rows; see :class:`truecast.sources.base.Source`."""
        delay = self._delay(Interval(payload.interval).is_daily)
        return Parsed(parse_file(payload, self.options, delay))

    def _delay(self, daily: bool) -> timedelta:
        if self.options.publication_delay is not None:
            return self.options.publication_delay
        return _DAILY_DELAY if daily else timedelta()

    def _file(self, path: Path) -> tuple[bytes, str, FilesOptions, str]:
        return read_bytes(path), SUFFIXES[suffix_of(path)], self.options, str(path)

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
