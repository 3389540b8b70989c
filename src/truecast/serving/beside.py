"""What runs beside the server, and whether it is there."""

from importlib.util import find_spec

from truecast.core.settings import Settings

#: Nobody who asks how the server is waits longer for another one.
_PATIENCE_SECONDS = 0.25


def redis_connected(settings: Settings) -> bool:
    """Say whether a Redis is set and answers within a quarter of a second."""
    if settings.redis_url is None or find_spec("redis") is None:
        return False
    from redis import Redis, RedisError

    limits = {"socket_timeout": _PATIENCE_SECONDS, "socket_connect_timeout": _PATIENCE_SECONDS}
    client = Redis.from_url(settings.redis_url.get_secret_value(), **limits)
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()


def feast_available() -> bool:
    """Say whether Feast is installed, by which features are put online."""
    return find_spec("feast") is not None
