"""Bundles by slot and version."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from truecast.core.clock import now
from truecast.core.slot import Slot, escape
from truecast.models.bundle import Bundle, Part, load_bundle, read_manifest, save_bundle
from truecast.models.manifest import BundleError, Manifest, Training
from truecast.registry.errors import RegistryError

_VERSION = re.compile(r"v[0-9a-f]{12}")
#: A draft older than this was left by a process that was killed.
DRAFT_AGE = timedelta(hours=1)


class BundleStore:
    """Trained models on disk.

    Parameters
    ----------
    folder : Path
        Holds one folder a slot, and in it one a version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(
        self,
        slot: Slot,
        training: Training,
        parts: Mapping[str, Part],
        documents: Mapping[str, Any],
    ) -> Manifest:
        """Write a bundle under its version; the same training again writes nothing new."""
        with self._draft(slot) as draft:
            manifest = save_bundle(draft, training, parts, documents)
            self._publish(draft, slot, manifest.version)
        return manifest

    def receive(self, slot: Slot, version: str, write: Callable[[Path], object]) -> None:
        """Take a version from elsewhere, once it has passed every check.

        Parameters
        ----------
        slot, version : Slot, str
            What it is.
        write : callable
            Writes the bundle's files into the empty folder that it is given.

        Raises
        ------
        BundleError
            If what was written is not exactly that version.
        """
        with self._draft(slot) as draft:
            draft.mkdir(parents=True)
            write(draft)
            load_bundle(draft, expected_version=version)
            self._publish(draft, slot, version)

    def path(self, slot: Slot, version: str) -> Path:
        """Return the folder of a version, whether it is there or not.

        Raises
        ------
        RegistryError
            If that is no version's name.
        """
        if not _VERSION.fullmatch(version):
            raise RegistryError(
                f"{slot}: {version!r} is not a version: expected v and 12 hexadecimal digits"
            )
        return self._place(slot) / version

    def has(self, slot: Slot, version: str) -> bool:
        """Say whether there is such a version here; what is no version's name is none."""
        return bool(_VERSION.fullmatch(version)) and self.path(slot, version).exists()

    def load(self, slot: Slot, version: str) -> Bundle:
        """Read a version, refusing it unless it is exactly as written."""
        return load_bundle(self.path(slot, version), expected_version=version)

    def manifest(self, slot: Slot, version: str) -> Manifest:
        """Read what a version says of itself; the rest is not looked at."""
        return read_manifest(self.path(slot, version), expected_version=version)

    def sweep(self) -> int:
        """Remove drafts that killed processes left over an hour ago; return how many."""
        old = [
            path
            for pattern in ("*/.new-*", "*/.*.tmp")
            for path in self.folder.glob(pattern)
            if _written_at(path) < now() - DRAFT_AGE
        ]
        for path in old:
            # Another process may be sweeping too.
            shutil.rmtree(path, ignore_errors=True)
        return len(old)

    @contextmanager
    def _draft(self, slot: Slot) -> Iterator[Path]:
        """Name a folder to write to; what is still there at the end is removed."""
        draft = self._place(slot) / f".new-{uuid4().hex}"
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _publish(self, draft: Path, slot: Slot, version: str) -> None:
        final = self.path(slot, version)
        try:
            # A folder that is not empty is never replaced.
            draft.rename(final)
        except OSError as error:
            if not final.is_dir():
                raise RegistryError(f"{final}: cannot be written: {error}") from error
            self._mend(draft, final, version)

    @staticmethod
    def _mend(draft: Path, final: Path, version: str) -> None:
        """Put an intact bundle in the place of a damaged one, which is kept beside it."""
        try:
            load_bundle(final, expected_version=version)
        except BundleError:
            final.rename(final.with_name(f".damaged-{version}-{uuid4().hex}"))
            draft.rename(final)

    def _place(self, slot: Slot) -> Path:
        return self.folder / escape(str(slot))


def _written_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    except FileNotFoundError:
        return now()
