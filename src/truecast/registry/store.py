"""Bundles by slot and version, and which of them is the champion."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from truecast.core.errors import TruecastError, UsageError
from truecast.core.slot import Slot, escape
from truecast.models.bundle import Bundle, Part, load_bundle, save_bundle
from truecast.models.manifest import Manifest, Training

_VERSION = re.compile(r"v[0-9a-f]{12}")


class RegistryError(TruecastError):
    """The store of bundles is not as it should be."""


class NoChampionError(UsageError):
    """No model has been trained for a slot."""

    def __init__(self, slot: Slot) -> None:
        super().__init__(
            f"{slot} has no champion yet: run `truecast run {slot.recipe}` "
            f"or `truecast train {slot.recipe}`"
        )


@dataclass(frozen=True)
class ChampionRecord:
    """Which version answers for a slot, and why.

    Parameters
    ----------
    version : str
        Of the bundle.
    name : str
        Of the model among the recipe's candidates.
    reason : str
        Why it was chosen, in words.
    """

    version: str
    name: str
    reason: str


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
        place = self._place(slot)
        draft = place / f".new-{uuid4().hex}"
        manifest = save_bundle(draft, training, parts, documents)
        final = place / manifest.version
        if final.exists():
            load_bundle(final, expected_version=manifest.version)
            shutil.rmtree(draft)
        else:
            draft.rename(final)
        return manifest

    def load(self, slot: Slot, version: str) -> Bundle:
        """Read a version, refusing it unless it is exactly as written."""
        return load_bundle(self._place(slot) / version, expected_version=version)

    def crown(self, slot: Slot, record: ChampionRecord) -> None:
        """Make a version the champion, in one atomic step, once it has loaded."""
        self.load(slot, record.version)
        path = self._place(slot) / "champion.json"
        draft = path.with_name(f".champion-{uuid4().hex}")
        with draft.open("x", encoding="utf-8") as file:
            json.dump(vars(record), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def champion(self, slot: Slot) -> ChampionRecord:
        """Return which version answers for a slot.

        Raises
        ------
        NoChampionError
            If none has been trained.
        """
        path = self._place(slot) / "champion.json"
        if not path.exists():
            raise NoChampionError(slot)
        try:
            record = ChampionRecord(**json.loads(path.read_text(encoding="utf-8")))
            if not _VERSION.fullmatch(record.version):
                raise ValueError(f"{record.version!r} is not a version")
            return record
        except (ValueError, TypeError) as error:
            raise RegistryError(
                f"{path}: expected version, name and reason as JSON: {error}; train again"
            ) from error

    def _place(self, slot: Slot) -> Path:
        return self.folder / escape(str(slot))
