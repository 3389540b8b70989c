"""Versions and champions: what was trained, and which of it answers."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Connection

from truecast.core.clock import now
from truecast.core.errors import UsageError
from truecast.core.names import suggestion
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.database.engine import Database, open_database
from truecast.models.bundle import Bundle
from truecast.models.manifest import BundleError, Manifest
from truecast.registry.catalogue import Catalogue, Description
from truecast.registry.errors import NoChampionError, RegistryError
from truecast.registry.mirror import Mirror
from truecast.registry.records import (
    PROMOTE,
    ROLLBACK,
    ChampionRecord,
    VersionRecord,
    add_promotion,
    change_version,
    read_champion,
    read_champions,
    read_newest,
    read_slots,
    read_stack,
    read_versions,
)
from truecast.registry.store import BundleStore

__all__ = ["ChampionRecord", "NoChampionError", "Registry", "VersionRecord", "open_registry"]

EVALUATION = "evaluation/"
#: Writes something down within a transaction.
Noting = Callable[[Connection], None]
#: Folder of a run's artifacts that holds the model card and its plots.
CARD = "card"


def _nothing(connection: Connection) -> None:
    """Note nothing."""


class Registry:
    """What was trained and which of it answers, in three places that agree.

    Parameters
    ----------
    database : Database
        Holds versions and promotions: the truth.
    store : BundleStore
        Holds the bundles' files.
    catalogue : Catalogue
        Shows both in MLflow.

    Attributes
    ----------
    notices : list of str
        What a person should know of MLflow: an alias that was put back, or that could not be told.
        One sentence each; whoever shows them may clear the list.
    """

    def __init__(self, database: Database, store: BundleStore, catalogue: Catalogue) -> None:
        self.database = database
        self.store = store
        self.catalogue = catalogue
        self.mirror = Mirror(database, store, catalogue)
        self.notices = self.mirror.notices

    def register(
        self,
        slot: Slot,
        manifest: Manifest,
        *,
        name: str,
        reason: str,
        metrics: Mapping[str, float],
        blocked: str | None = None,
        chosen: bool = True,
        held: str | None = None,
    ) -> VersionRecord:
        """Make a bundle of the store a version; a second time nothing new is written.

        MLflow is told first, then one row is written. What a killed process left half done is
        completed or ended first.

        Parameters
        ----------
        slot : Slot
            What it forecasts.
        manifest : Manifest
            Of the bundle.
        name : str
            Of the model among the recipe's candidates.
        reason : str
            Why it was chosen among them, in words.
        metrics : mapping of str to float
            Figures to show beside it; those that are not finite are left out.
        blocked : str or None
            In words, why it may not be promoted.
        chosen : bool
            Whether the choice among the candidates fell on it.
        held : str or None
            In words, why it does not replace the champion all the same.

        Returns
        -------
        VersionRecord
            Of a version that was there already, ``blocked``, ``chosen``, ``held`` and ``reason``
            are what is said now: a latency is not the same each time, nor is the champion.

        Raises
        ------
        RegistryError
            If MLflow cannot be reached or refuses; then there is no version.
        """
        with self.catalogue.alone():
            self.store.sweep()
            if manifest.version not in self._versions(slot):
                self.mirror.complete(slot)
            listed = manifest.version in self._versions(slot)
            if not listed:
                figures = _finite(metrics)
                said = Description(
                    manifest.version, name, reason, figures, blocked, chosen=chosen, held=held
                )
                self.mirror.show(slot, manifest, said)
            record = self.find(slot, manifest.version)
            said_now = {"reason": reason, "blocked": blocked, "chosen": chosen, "held": held}
            if any(getattr(record, key) != value for key, value in said_now.items()):
                with self.database.writing() as connection:
                    change_version(connection, record, **said_now)
            if listed:
                self._tell(lambda: self.catalogue.explain(record.listing, reason))
            self._tell(lambda: self._put_back(slot))
            return self.find(slot, manifest.version)

    def judge(self, slot: Slot, version: str, *, skill: str, metrics: Mapping[str, float]) -> None:
        """Note the verdict of an evaluation on a version, and its figures.

        Parameters
        ----------
        slot : Slot
            What it forecasts.
        version : str
            Of the bundle.
        skill : str
            The verdict in words; it replaces an earlier one.
        metrics : mapping of str to float
            Losses on the evaluation rows; kept as ``evaluation/NAME``.
        """
        figures = {EVALUATION + key: value for key, value in _finite(metrics).items()}
        with self.catalogue.alone():
            record = self.find(slot, version)
            values = {"skill": skill, "metrics": {**record.metrics, **figures}}
            if (record.skill, record.metrics) != (values["skill"], values["metrics"]):
                with self.database.writing() as connection:
                    change_version(connection, record, **values, judged_at=now())
            self._tell(lambda: self.catalogue.judge(record.listing, skill, figures))

    def attach(self, record: VersionRecord, folder: Path) -> None:
        """Let MLflow show a version's card: the files of a folder, as ``card`` of its run.

        Where it cannot, the notices say so; the files are where they are.
        """
        try:
            self.catalogue.attach(record.listing, folder, CARD)
        except RegistryError as error:
            self.notices.append(f"{error}; the model card is in {folder} all the same")

    def slots(self) -> list[Slot]:
        """Return every slot that has a version, in order."""
        with self.database.reading() as connection:
            return read_slots(connection)

    def versions(self, slot: Slot) -> list[VersionRecord]:
        """Return every version of a slot, oldest first."""
        return list(self._versions(slot).values())

    def overview(self, most: int) -> dict[Slot, list[VersionRecord]]:
        """Return the newest versions of every slot, at most so many of each, newest first."""
        with self.database.reading() as connection:
            return read_newest(connection, most)

    def candidate(self, slot: Slot, recipe_hash: str) -> VersionRecord | None:
        """Return the chosen version that a recipe trained on most, or None.

        It is judged, and promoted unless another one is named.
        """
        trained = self.versions(slot)[::-1]  # of equals, the one registered last
        fitting = [one for one in trained if one.recipe_hash == recipe_hash and one.chosen]
        return max(fitting, key=lambda one: one.trained_through, default=None)

    def newest(
        self, slot: Slot, name: str, recipe_hash: str | None = None, *, typed: str | None = None
    ) -> VersionRecord:
        """Return the newest version of a model: the one that was trained on most.

        Parameters
        ----------
        slot : Slot
            What it forecasts.
        name : str
            Of the model among the recipe's candidates.
        recipe_hash : str or None
            Only versions that this recipe trained; None for all.
        typed : str or None
            What names the recipe after a command, for the message; None for its name.

        Raises
        ------
        UsageError
            If there is none; the message gives the models that there are.
        """
        trained = [one for one in self.versions(slot) if recipe_hash in {None, one.recipe_hash}][
            ::-1
        ]  # of equals, the one registered last
        named = [one for one in trained if one.name == name]
        if not named:
            known = sorted({one.name for one in trained})
            train = f"run `truecast train {typed or slot.recipe}`"
            raise UsageError(
                f"{slot} has no version of a model {name!r}: "
                f"{suggestion(name, known) if known else train}"
            )
        return max(named, key=lambda one: one.trained_through)

    def find(self, slot: Slot, version: str) -> VersionRecord:
        """Return a version.

        Raises
        ------
        UsageError
            If the slot has no such version; the message gives those it has.
        """
        versions = self._versions(slot)
        if version not in versions:
            raise UsageError(f"{slot} has no version {version!r}: {suggestion(version, versions)}")
        return versions[version]

    def promote(
        self, slot: Slot, version: str, *, reason: str, noting: Noting = _nothing
    ) -> ChampionRecord:
        """Make a version the champion, in one step, once its bundle has passed every check.

        ``noting`` writes down what else is to be kept of it, in the same transaction.

        Raises
        ------
        UsageError
            If the slot has no such version, or it failed a gate.
        BundleError
            If the bundle is refused; then the champion is the one before.
        """
        with self.catalogue.alone():
            if blocked := self.find(slot, version).blocked:
                raise UsageError(f"{slot}: {version} cannot be promoted: {blocked}")
            self.bundle(slot, version)
            return self._step(slot, version, PROMOTE, reason, noting)

    def rollback(self, slot: Slot, *, reason: str, noting: Noting = _nothing) -> ChampionRecord:
        """Make the champion before the present one the champion again.

        ``noting`` writes down what else is to be kept of it, in the same transaction.

        Raises
        ------
        UsageError
            If there was none before.
        BundleError
            If its bundle is refused; then the champion stays.
        """
        with self.catalogue.alone():
            version = self.previous(slot).version
            self.bundle(slot, version)
            return self._step(slot, version, ROLLBACK, reason, noting)

    def previous(self, slot: Slot) -> ChampionRecord:
        """Return the champion before the present one, to which a rollback goes.

        Raises
        ------
        UsageError
            If there was none before.
        """
        standing = self.standing(slot)
        if len(standing) < 2:
            raise UsageError(
                f"{slot}: {standing[0].version} is the first champion: there is none to go "
                f"back to; train and promote another version first"
            )
        return standing[1]

    def champion(self, slot: Slot) -> ChampionRecord:
        """Return which version answers for a slot.

        Raises
        ------
        NoChampionError
            If none does.
        """
        return self.standing(slot)[0]

    def champions(self) -> list[ChampionRecord]:
        """Return the champion of every slot that has one, in order of the slots."""
        with self.database.reading() as connection:
            return read_champions(connection)

    def standing(self, slot: Slot) -> list[ChampionRecord]:
        """Return the champion and those that a rollback would come to, the newest first.

        Raises
        ------
        NoChampionError
            If the slot has none.
        """
        with self.database.reading() as connection:
            stack = read_stack(connection, slot)
            if not stack:
                raise NoChampionError(slot, trained=bool(read_versions(connection, slot)))
            return stack

    def bundle(self, slot: Slot, version: str) -> Bundle:
        """Read a version's bundle; one that is not in the store is fetched from MLflow.

        Raises
        ------
        BundleError
            If it is not exactly as it was written.
        RegistryError
            If MLflow does not have it.
        """
        if not self.store.path(slot, version).exists():
            listing = self.find(slot, version).listing
            self.store.receive(
                slot, version, lambda folder: self.catalogue.fetch(listing, version, folder)
            )
        return self.store.load(slot, version)

    def reconcile(self) -> list[str]:
        """Let MLflow show what the promotions say, in every slot.

        Returns
        -------
        list of str
            One sentence for each thing that was put back.
        """
        with self.catalogue.alone():
            before = len(self.notices)
            for slot in self.slots():
                self._put_back(slot)
            return self.notices[before:]

    def _versions(self, slot: Slot) -> dict[str, VersionRecord]:
        with self.database.reading() as connection:
            return read_versions(connection, slot)

    def _put_back(self, slot: Slot) -> None:
        with self.database.reading() as connection:
            champion = read_champion(connection, slot)
        self.mirror.follow(slot, was=champion)

    def _step(
        self, slot: Slot, version: str, kind: str, reason: str, noting: Noting
    ) -> ChampionRecord:
        with self.database.writing() as connection:
            before = read_champion(connection, slot)
            if before is None or before.version != version:
                add_promotion(connection, slot, version, kind=kind, reason=reason)
                noting(connection)
        self._tell(lambda: self.mirror.follow(slot, was=before))
        return self.champion(slot)

    def _tell(self, action: Callable[[], None]) -> None:
        """Let MLflow follow a step that has been made; where it cannot, say so and go on."""
        try:
            action()
        except (RegistryError, BundleError) as error:
            self.notices.append(
                f"{error}; the step is made all the same, and MLflow is told at the next one"
            )


def open_registry(settings: Settings) -> Registry:
    """Open the registry that the settings name; MLflow is imported when it is first needed."""
    return Registry(
        open_database(settings.database),
        BundleStore(settings.home / "bundles"),
        Catalogue(settings),
    )


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
