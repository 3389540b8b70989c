"""The way to MLflow: imported when first used, quiet, and without a word home."""

import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from truecast.core.settings import Settings
from truecast.registry.errors import RegistryError

#: What MLflow is told before it is imported: it sends nothing home and prints nothing.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

#: A draft that is older was left behind by a process that was killed.
STALE_SECONDS = 3600


class Connection:
    """One client of MLflow.

    Parameters
    ----------
    settings : Settings
        Say where MLflow keeps runs and models.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Give the client.

        Raises
        ------
        RegistryError
            If MLflow cannot be reached or refuses; the message names it.
        """
        prepare_environment()
        with warnings.catch_warnings():
            # Within this block only MLflow speaks: of its own types, and of its old ways.
            warnings.simplefilter("ignore")
            from mlflow.exceptions import MlflowException
            from sqlalchemy.exc import SQLAlchemyError

            try:
                yield self._client
            except (MlflowException, SQLAlchemyError, OSError) as error:
                place, _ = self.settings.origins()["MLFLOW_TRACKING_URI"]
                said = str(error).replace(self.settings.tracking_uri, place)
                raise RegistryError(f"MLflow at {place}: {said}") from error

    @cached_property
    def _client(self) -> Any:
        from mlflow import MlflowClient

        # Its own words at every start are of no use to a person; errors are raised, not logged.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        if self.settings.mlflow_tracking_uri is None:
            _make_tables(self.settings.home.absolute() / "mlflow.db")
        return MlflowClient(self.settings.tracking_uri, self.settings.registry_uri)


def _make_tables(place: Path) -> None:
    """Let MLflow make its tables beside their place, and put them there in one step.

    It takes seconds and many steps. Killed in between, MLflow could neither go on with tables that
    are half made nor start anew.
    """
    from mlflow import MlflowClient

    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in place.parent.glob(".mlflow-*.db*"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS:
            left.unlink(missing_ok=True)
    draft = place.with_name(f".mlflow-{uuid4().hex}.db")
    MlflowClient(f"sqlite:///{draft}").search_experiments()
    with suppress(FileExistsError):  # another process was faster: its tables are as good
        os.link(draft, place)
    draft.unlink()


def prepare_environment() -> None:
    """Tell MLflow, before it is imported, to send nothing home and to fail soon."""
    os.environ.update(ENVIRONMENT)
    # By default it tries for four minutes to reach a server that is down.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")


def is_server(uri: str) -> bool:
    """Say whether a server keeps the runs and says where their files go."""
    return uri.startswith(("http://", "https://", "databricks"))


def artifacts_of(settings: Settings) -> str:
    """Return the URI of the folder for the runs' files, where no server says otherwise."""
    return (settings.home.absolute() / "mlartifacts").as_uri()


def or_none(read: Any, *words: str) -> Any:
    """Read what may not be there."""
    from mlflow.exceptions import MlflowException

    try:
        return read(*words)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
