"""Let MLflow show what the database says."""

from truecast.core.clock import now
from truecast.core.slot import Slot
from truecast.database.engine import Database
from truecast.models.manifest import Manifest
from truecast.registry.catalogue import CHAMPION, Catalogue, Description, Listing
from truecast.registry.pyfunc import POINT
from truecast.registry.records import (
    ChampionRecord,
    VersionRecord,
    add_version,
    change_version,
    read_champion,
    read_versions,
)
from truecast.registry.store import BundleStore


class Mirror:
    """Versions and champions, in MLflow as in the database.

    Whoever calls a method holds :meth:`Catalogue.alone`.

    Parameters
    ----------
    database : Database
        What is true.
    store : BundleStore
        Holds the bundles' files.
    catalogue : Catalogue
        Speaks to MLflow.
    """

    def __init__(self, database: Database, store: BundleStore, catalogue: Catalogue) -> None:
        self.database = database
        self.store = store
        self.catalogue = catalogue
        self.notices: list[str] = []

    def show(self, slot: Slot, manifest: Manifest, said: Description) -> None:
        """List a bundle in MLflow, then write its row."""
        folder = self.store.path(slot, manifest.version)
        self._write(slot, manifest, said, self.catalogue.add(slot, manifest, folder, said))

    def complete(self, slot: Slot) -> None:
        """Finish what a killed process left: end its run, and write the row of what it listed."""
        self.catalogue.end_unfinished(slot)
        known = self._versions(slot)
        runs = {record.mlflow_run for record in known.values()}
        for listing in self.catalogue.listings(slot):
            said = None if listing.run in runs else self.catalogue.describe(listing)
            if said is None or said.bundle in known:
                continue
            # Without its files here it was listed by someone else.
            if self.store.path(slot, said.bundle).is_dir():
                manifest = self.store.load(slot, said.bundle).manifest
                self._write(slot, manifest, said, listing)

    def follow(self, slot: Slot, *, was: ChampionRecord | None) -> None:
        """Let the alias name the champion; where it was moved by hand, say so in the notices.

        Parameters
        ----------
        slot : Slot
            Whose.
        was : ChampionRecord or None
            Whom the alias named if nobody touched it: the champion before a promotion, else the
            present one.
        """
        versions = self._versions(slot)
        with self.database.reading() as connection:
            champion = read_champion(connection, slot)
        if champion is None:
            self._clear(self.catalogue.model_name(slot))
            return
        place = self._restored(versions[champion.version])
        found = self.catalogue.champion(place.model)
        if found == place.version:
            return
        self.catalogue.name_champion(place.model, place.version)
        if found != (None if was is None else versions[was.version].mlflow_version):
            self.notices.append(
                f"MLflow's alias {CHAMPION} of {place.model} named {_version(found)}, not the "
                f"champion: it was put back to version {place.version}; use `truecast promote` "
                "or `truecast rollback` to change the champion"
            )

    def _restored(self, record: VersionRecord) -> Listing:
        """Return a version's place in MLflow; where it was deleted there, list it again."""
        if self.catalogue.holds(record.listing):
            return record.listing
        slot, version = record.slot, record.version
        manifest = self.store.load(slot, version).manifest
        said = Description(version, record.name, record.reason, record.metrics)
        place = self.catalogue.add(slot, manifest, self.store.path(slot, version), said)
        if record.skill is not None:
            self.catalogue.judge(place, record.skill, {})
        with self.database.writing() as connection:
            change_version(
                connection,
                record,
                mlflow_model=place.model,
                mlflow_version=place.version,
                mlflow_run=place.run,
            )
        self.notices.append(
            f"version {record.mlflow_version} of {record.mlflow_model}, the champion, was not in "
            f"MLflow: it was listed again as version {place.version} of {place.model}"
        )
        return place

    def _clear(self, model: str) -> None:
        found = self.catalogue.champion(model)
        if found is not None:
            self.catalogue.name_champion(model, None)
            self.notices.append(
                f"MLflow's alias {CHAMPION} of {model} named version {found}, but nothing has been "
                "promoted: it was removed; use `truecast promote`"
            )

    def _versions(self, slot: Slot) -> dict[str, VersionRecord]:
        with self.database.reading() as connection:
            return read_versions(connection, slot)

    def _write(self, slot: Slot, manifest: Manifest, said: Description, listing: Listing) -> None:
        record = VersionRecord(
            slot=slot,
            version=manifest.version,
            name=said.name,
            model_type=manifest.models[POINT].name,
            recipe=manifest.recipe,
            recipe_hash=manifest.recipe_hash,
            reason=said.reason,
            metrics=said.metrics,
            skill=None,
            trained_through=manifest.trained_through,
            trained_at=now(),
            mlflow_model=listing.model,
            mlflow_version=listing.version,
            mlflow_run=listing.run,
            blocked=said.blocked,
            chosen=said.chosen,
            held=said.held,
        )
        with self.database.writing() as connection:
            add_version(connection, record)


def _version(number: str | None) -> str:
    return "nothing" if number is None else f"version {number}"
