"""Feast's store in Redis, told by a URL where that is.

Feast itself takes a text of its own making, in which it looks for commas before it knows what is a
password, and which it shows wherever it shows its configuration.
"""

from typing import cast

from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from pydantic import SecretStr
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.cluster import RedisCluster

# Seconds; a URL may say others: ``?socket_timeout=5``.
_CONNECT, _ANSWER = 5.0, 30.0


class RedisUrlOnlineStoreConfig(RedisOnlineStoreConfig):
    """Where Redis is.

    Feast finds :class:`RedisUrlOnlineStore` by this name. A row of a moment that is there already
    is written again, as in SQLite's store: its values may be others after a backfill.
    """

    url: SecretStr
    skip_dedup: bool = True


class RedisUrlOnlineStore(RedisOnlineStore):
    """Feast's store in Redis, connected by a URL."""

    def _get_client(self, online_store_config: RedisOnlineStoreConfig) -> Redis | RedisCluster:
        if self._client is None:
            self._client = connect(_url(online_store_config))
        return self._client

    async def _get_client_async(
        self, online_store_config: RedisOnlineStoreConfig
    ) -> AsyncRedis | AsyncRedisCluster:
        if self._client_async is None:
            self._client_async = AsyncRedis.from_url(
                _url(online_store_config).get_secret_value(),
                socket_connect_timeout=_CONNECT,
                socket_timeout=_ANSWER,
            )
        return self._client_async


def connect(url: SecretStr) -> Redis:
    """Return a client, which connects when it is first used.

    Raises
    ------
    ValueError
        If this is not a URL of Redis.
    """
    return Redis.from_url(
        url.get_secret_value(), socket_connect_timeout=_CONNECT, socket_timeout=_ANSWER
    )


def _url(config: RedisOnlineStoreConfig) -> SecretStr:
    return cast(RedisUrlOnlineStoreConfig, config).url
