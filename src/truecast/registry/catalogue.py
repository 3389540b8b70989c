"""MLflow as the registry sees it: runs, model versions and one alias.

MLflow takes seconds to import, so that is done where it is first used. Nothing here is the truth
about champions; see :mod:`truecast.registry`.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock, Timeout

from truecast.core.clock import now
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.models.manifest import Manifest
from truecast.registry.connection import Connection, artifacts_of, is_server, or_none
from truecast.registry.errors import RegistryError
from truecast.registry.names import model_name
from truecast.registry.pyfunc import POINT, write_model

CHAMPION = "champion"
#: Folder of a run's artifacts that holds the model.
MODEL = "model"
SLOT, BUNDLE, NAME, SKILL = (f"truecast.{what}" for what in ("slot", "bundle", "model", "skill"))
RECIPE_HASH, NOTE = "truecast.recipe_hash", "mlflow.note.content"
#: How long a process waits for another one that registers or promotes.
PATIENCE_SECONDS = 300
#: Longest text that every tracking store takes as a description or a parameter.
LONGEST = 5000


@dataclass(frozen=True)
class Listing:
    """Where a bundle is in MLflow: a version of a registered model, and the run that made it."""

    model: str
    version: str
    run: str


@dataclass(frozen=True)
class Description:
    """What is said of a bundle: its version, its model's name, why, figures, what blocks it.

    Whether it was chosen is not in MLflow: where only that is read, it counts as not chosen.
    """

    bundle: str
    name: str
    reason: str
    metrics: dict[str, float]
    blocked: str | None = None
    chosen: bool = False
    held: str | None = None


class Catalogue:
    """All that is asked of MLflow.

    Parameters
    ----------
    settings : Settings
        Say where MLflow keeps runs and models.

    Notes
    -----
    Each method but :meth:`alone` and :meth:`model_name` raises :class:`RegistryError` if MLflow
    cannot be reached or refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._connection = Connection(settings)

    def model_name(self, slot: Slot) -> str:
        """Return the name of a slot's registered model."""
        return model_name(slot, self.settings.registry_prefix)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process of this home register or promote meanwhile.

        The operating system frees the lock when its holder is killed.
        """
        path = self.settings.home.absolute() / "registry.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(path, timeout=PATIENCE_SECONDS):
                yield
        except Timeout as error:
            raise RegistryError(
                f"{path}: another process has been registering or promoting for over "
                f"{PATIENCE_SECONDS} seconds; wait for it, or end it"
            ) from error

    def add(self, slot: Slot, manifest: Manifest, bundle: Path, said: Description) -> Listing:
        """List a bundle: one run with its files, one version of the slot's model.

        The run ends only when its version is there, so one that was killed is known by its state.
        """
        tags = {
            SLOT: str(slot),
            BUNDLE: manifest.version,
            NAME: said.name,
            RECIPE_HASH: manifest.recipe_hash,
        }
        model = self.model_name(slot)
        with self._connection.open() as client:
            run = client.create_run(
                self._experiment(client, slot),
                tags={**tags, NOTE: said.reason[:LONGEST]},
                run_name=f"{slot.instrument} {slot.target} {slot.horizon} {manifest.version}",
            )
            started = run.info.run_id
            self._log(client, started, slot, manifest, said.metrics)
            with TemporaryDirectory() as draft:
                write_model(Path(draft) / MODEL, bundle, manifest)
                client.log_artifacts(started, str(Path(draft) / MODEL), MODEL)
            self._make_model(client, model, slot)
            version = client.create_model_version(
                model,
                f"{run.info.artifact_uri}/{MODEL}",
                started,
                tags=tags,
                description=said.reason[:LONGEST],
            )
            client.set_terminated(started)
        return Listing(model, str(version.version), started)

    def end_unfinished(self, slot: Slot) -> None:
        """End the runs that killed processes left: finished where the version is there."""
        with self._connection.open() as client:
            running = client.search_runs(
                [self._experiment(client, slot)],
                f"attributes.status = 'RUNNING' and tags.`{SLOT}` = '{slot}'",
            )
            if not running:
                return
            listed = {listing.run for listing in self.listings(slot)}
            for run in running:
                known = run.info.run_id in listed
                client.set_terminated(run.info.run_id, "FINISHED" if known else "KILLED")

    def listings(self, slot: Slot) -> list[Listing]:
        """Return every version of a slot's model, oldest first."""
        model = self.model_name(slot)
        found: list[Listing] = []
        token = None
        with self._connection.open() as client:
            while True:
                page = client.search_model_versions(f"name = '{model}'", page_token=token)
                found += [Listing(model, str(one.version), str(one.run_id)) for one in page]
                token = page.token
                if not token:
                    return sorted(found, key=lambda listing: int(listing.version))

    def describe(self, listing: Listing) -> Description | None:
        """Return what is said of a listed bundle; None if no bundle was listed there."""
        with self._connection.open() as client:
            run = or_none(client.get_run, listing.run)
            if run is None or BUNDLE not in run.data.tags:
                return None
            data = run.data
            return Description(
                bundle=data.tags[BUNDLE],
                name=data.tags.get(NAME, ""),
                reason=data.tags.get(NOTE, ""),
                metrics=dict(data.metrics),
            )

    def holds(self, listing: Listing) -> bool:
        """Say whether a version is still there, and is of the same run."""
        with self._connection.open() as client:
            found = or_none(client.get_model_version, listing.model, listing.version)
            return found is not None and found.run_id == listing.run

    def explain(self, listing: Listing, reason: str) -> None:
        """Describe a version and its run by the reason that holds now."""
        with self._connection.open() as client:
            client.set_tag(listing.run, NOTE, reason[:LONGEST])
            client.update_model_version(listing.model, listing.version, reason[:LONGEST])

    def judge(self, listing: Listing, skill: str, metrics: Mapping[str, float]) -> None:
        """Note the verdict on a version, and the figures that it follows from."""
        with self._connection.open() as client:
            client.log_batch(listing.run, metrics=_metrics(metrics))
            client.set_tag(listing.run, SKILL, skill)
            client.set_model_version_tag(listing.model, listing.version, SKILL, skill)

    def attach(self, listing: Listing, folder: Path, name: str) -> None:
        """Put the files of a folder beside a version's bundle, in the place of older ones.

        Parameters
        ----------
        listing : Listing
            Whose run.
        folder : Path
            Its files are taken, not those of folders in it.
        name : str
            What the folder is called among the run's artifacts.
        """
        with self._connection.open() as client:
            client.log_artifacts(listing.run, str(folder), name)

    def champion(self, model: str) -> str | None:
        """Return the version that the alias names, or None."""
        with self._connection.open() as client:
            found = or_none(client.get_registered_model, model)
            version = None if found is None else found.aliases.get(CHAMPION)
            return None if version is None else str(version)

    def name_champion(self, model: str, version: str | None) -> None:
        """Set the alias to a version, or take it away."""
        with self._connection.open() as client:
            if version is None:
                client.delete_registered_model_alias(model, CHAMPION)
            else:
                client.set_registered_model_alias(model, CHAMPION, version)

    def fetch(self, listing: Listing, bundle: str, folder: Path) -> None:
        """Write the files of a listed bundle into a folder."""
        with self._connection.open() as client, TemporaryDirectory() as draft:
            place = f"{MODEL}/data/{bundle}"
            found = client.download_artifacts(listing.run, place, draft)
            shutil.copytree(found, folder, dirs_exist_ok=True)

    def _log(
        self,
        client: Any,
        run: str,
        slot: Slot,
        manifest: Manifest,
        metrics: Mapping[str, float],
    ) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        entry = manifest.models[POINT]
        params = {
            "recipe": manifest.recipe,
            "target": manifest.target,
            "horizon": manifest.horizon,
            "model": entry.name,
            **{f"model.{key}": value for key, value in entry.parameters.items()},
            "features": len(entry.features),
            "trained_from": manifest.trained_from.isoformat(),
            "trained_through": manifest.trained_through.isoformat(),
            "rows": manifest.rows,
        }
        client.log_batch(
            run,
            metrics=_metrics(metrics),
            params=[Param(key, str(value)[:LONGEST]) for key, value in params.items()],
        )
        datasets = [
            DatasetInput(
                Dataset(
                    name=symbol,
                    digest=str(version).removeprefix("sha256:")[:32],
                    source_type="truecast",
                    source=json.dumps({"source": slot.source, "version": version}),
                ),
                [InputTag("mlflow.data.context", "training")],
            )
            for symbol, version in manifest.data_versions.items()
        ]
        if datasets:
            client.log_inputs(run, datasets)

    def _experiment(self, client: Any, slot: Slot) -> str:
        name = f"{slot.recipe}@{slot.source}"
        if self.settings.tracking_uri.startswith("databricks"):
            name = f"/Shared/{name}"  # there an experiment is a file of the workspace
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        folder = None if is_server(self.settings.tracking_uri) else artifacts_of(self.settings)
        return str(client.create_experiment(name, folder))

    def _make_model(self, client: Any, model: str, slot: Slot) -> None:
        if or_none(client.get_registered_model, model) is None:
            client.create_registered_model(model, {SLOT: str(slot)})


def _metrics(metrics: Mapping[str, float]) -> list[Any]:
    from mlflow.entities import Metric

    stamp = int(now().timestamp() * 1000)
    return [
        Metric(re.sub(r"[^/\w.\- :]", "_", name), value, stamp, 0)
        for name, value in metrics.items()
    ]
