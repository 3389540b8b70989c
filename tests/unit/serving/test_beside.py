"""What runs beside the server, and whether it is there."""

import socket
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from truecast.core.settings import Settings
from truecast.serving.beside import redis_connected


def test_without_a_redis_none_is_connected(tmp_path: Path) -> None:
    assert not redis_connected(Settings(home=tmp_path))


def test_a_redis_that_is_away_or_silent_is_not_waited_for(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings = Settings(home=tmp_path, redis_url=SecretStr(f"redis://127.0.0.1:{port}"))
        started = time.perf_counter()
        assert not redis_connected(settings)
        assert time.perf_counter() - started < 10  # it is left after a quarter of a second
    assert not redis_connected(settings)
