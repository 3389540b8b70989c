"""Where a recipe's feature store is kept, and how it is opened.

Everything lies in ``<home>/feast/<recipe>@<source>/``: ``registry.db`` (the definitions),
``online.db`` (the newest rows, unless ``TRUECAST_REDIS_URL`` is set) and ``rows/`` (all rows, a
Parquet file an instrument). A registry a recipe: recipes do not wait for each other, and one is
deleted with its folder. The registry is Feast's SQL one: its file registry is rewritten in place,
and a kill would leave half of it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truecast.core.errors import SettingsError
from truecast.core.hashing import sha256_of
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings, masked
from truecast.pipelines.featurestore.library import (
    FeatureStoreError,
    library_errors,
    load_feast,
    require_redis,
)
from truecast.serving.planning import source_of
from truecast.serving.workspace import Workspace

if TYPE_CHECKING:
    from feast import FeatureStore

#: Seconds that definitions are taken from memory before the registry is asked again.
CACHE_SECONDS = 60

# Of Redis; a URL may say others, as in ``redis://host?socket_timeout=5``.
_CONNECT_SECONDS, _ANSWER_SECONDS = 5.0, 30.0


def identity(recipe: Recipe) -> str:
    """Name a recipe's feature store: rows of another source never get into it."""
    return f"{recipe.name}@{source_of(recipe).name}"


def store_folder(workspace: Workspace, recipe: Recipe) -> Path:
    """Return the folder of a recipe's feature store."""
    return workspace.settings.home.absolute() / "feast" / identity(recipe)


def project_name(recipe: Recipe) -> str:
    """Name Feast's project: letters, digits and ``_``, with digits that tell identities apart."""
    text = identity(recipe)
    return f"{re.sub(r'[^a-z0-9]+', '_', text.lower())}_{sha256_of(text)[:8]}"


def place_of(workspace: Workspace, recipe: Recipe) -> str:
    """Say where the online rows are, without a password."""
    url = workspace.settings.redis_url
    if url is not None:
        return masked(url.get_secret_value())
    return str(store_folder(workspace, recipe) / "online.db")


@contextmanager
def open_store(workspace: Workspace, recipe: Recipe) -> "Iterator[FeatureStore]":
    """Open a recipe's feature store as Feast's own object, and close it after the block.

    Raises
    ------
    FeatureStoreError
        If Feast is not installed, or it or its database fails inside the block.
    SettingsError
        If ``TRUECAST_REDIS_URL`` is not a URL of Redis.
    """
    feast = load_feast()
    folder = store_folder(workspace, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    config = feast.RepoConfig(
        project=project_name(recipe),
        provider="local",
        registry={
            "registry_type": "sql",
            "path": f"sqlite:///{folder / 'registry.db'}",
            "cache_ttl_seconds": CACHE_SECONDS,
        },
        online_store=_online_store(workspace.settings, folder),
        offline_store={"type": "dask"},
        entity_key_serialization_version=3,
    )
    store: FeatureStore = feast.FeatureStore(config=config, repo_path=str(folder))
    if workspace.settings.redis_url is not None:
        _connect(store, workspace.settings.redis_url.get_secret_value())
    try:
        yield store
    except library_errors() as error:
        raise FeatureStoreError(
            f"the feature store of {identity(recipe)} ({folder}, online rows in "
            f"{place_of(workspace, recipe)}) failed: {type(error).__name__}: {error}"
        ) from error
    finally:
        _close(store)


def _online_store(settings: Settings, folder: Path) -> dict[str, Any]:
    if settings.redis_url is None:
        return {"type": "sqlite", "path": str(folder / "online.db")}
    require_redis()
    return {
        "type": "redis",
        # No host has this name: without the client that is put in its place, nothing is reached.
        "connection_string": "TRUECAST_REDIS_URL:0",
        # Else a row of a moment that is there already would not be written, though its values
        # may be others after a backfill. SQLite's store overwrites, too.
        "skip_dedup": True,
    }


def _connect(store: "FeatureStore", url: str) -> None:
    """Give the store in Redis its clients; they connect when they are first used.

    Feast would make them from a text of its own kind, which it splits at commas before it knows
    what is a password, and shows wherever it shows its configuration.
    """
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

    online: Any = store.provider.online_store
    try:
        online._client = Redis.from_url(
            url, socket_connect_timeout=_CONNECT_SECONDS, socket_timeout=_ANSWER_SECONDS
        )
        online._client_async = AsyncRedis.from_url(
            url, socket_connect_timeout=_CONNECT_SECONDS, socket_timeout=_ANSWER_SECONDS
        )
        online._client.connection_pool.make_connection()  # it only now reads the URL's options
    except (ValueError, TypeError) as error:
        # What came is not shown: it may hold a password.
        raise SettingsError(
            "TRUECAST_REDIS_URL: expected redis://[user:password@]host[:port][/number], "
            "rediss://… for TLS, or unix:///path of a socket"
        ) from error


def _close(store: "FeatureStore") -> None:
    """Let go of files and connections: Feast itself leaves them to the garbage collector."""
    registry, provider = store._registry, store._provider
    if registry is not None:
        registry.write_engine.dispose()  # type: ignore[attr-defined]
    online = getattr(provider, "online_store", None)
    for connection in (getattr(online, "_conn", None), getattr(online, "_client", None)):
        if connection is not None:
            connection.close()
