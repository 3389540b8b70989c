"""Feast, imported only where it is used: it is an extra, and takes seconds."""

import sqlite3
import warnings
from importlib.util import find_spec
from types import ModuleType

from sqlalchemy.exc import SQLAlchemyError

from truecast.core.errors import TruecastError


class FeatureStoreError(TruecastError):
    """The feature store could not be written or read."""


def load_feast() -> ModuleType:
    """Import Feast.

    Nothing of it is asked of the network: usage telemetry is gone from the versions that the
    extra allows, and its other ways out (OpenLineage, MLflow) are off unless configured.

    Raises
    ------
    FeatureStoreError
        If it is not installed.
    """
    if find_spec("feast") is None:
        raise FeatureStoreError(
            "the feature store needs Feast, which is not installed: "
            "run pip install 'truecast[feast]'"
        )
    # Feast's modules change the process's filters of warnings when they are imported.
    with warnings.catch_warnings():
        import feast
    return feast


def require_redis() -> None:
    """Make sure that the client for Redis is there.

    Raises
    ------
    FeatureStoreError
        If it is not installed.
    """
    if find_spec("redis") is None:
        raise FeatureStoreError(
            "TRUECAST_REDIS_URL is set, but the client for Redis is not installed: "
            "run pip install 'truecast[feast,scale]'"
        )


def library_errors() -> tuple[type[Exception], ...]:
    """Return what Feast and the stores below it raise when they cannot do their work."""
    from feast.errors import FeastError

    errors: tuple[type[Exception], ...] = (FeastError, SQLAlchemyError, sqlite3.Error)
    if find_spec("redis") is not None:
        from redis.exceptions import RedisError

        errors = (*errors, RedisError)
    return errors
