"""Connecting to a Ray cluster that is there already."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from truecast.core.errors import TruecastError

#: After how long a cluster that does not answer is held to be away.
ANSWER_SECONDS = 5


class EngineError(TruecastError):
    """The work cannot be handed out, or its workers were lost again and again."""


@contextmanager
def cluster(address: str) -> Iterator[tuple[Any, int]]:
    """Connect to the Ray cluster that is there; yield Ray, and how many cores the cluster has.

    Parameters
    ----------
    address : str
        ``HOST:PORT``, ``ray://HOST:PORT``, or ``auto`` for the one on this machine.

    Raises
    ------
    EngineError
        If Ray is not installed, or nothing answers at the address within seconds.
    """
    try:
        import ray
    except ImportError as error:
        raise EngineError("TRUECAST_ENGINE=ray needs Ray: pip install 'truecast[scale]'") from error
    ours = not ray.is_initialized()
    if ours:
        try:
            _check_listening(address)
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineError(
                f"no Ray cluster at {address} (TRUECAST_RAY_ADDRESS): {error}; start "
                "one with `ray start --head`, or leave TRUECAST_ENGINE out"
            ) from error
    cores: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    try:
        yield ray, max(1, int(cores.get("CPU", 1)))
    finally:
        if ours:
            ray.shutdown()


def _check_listening(address: str) -> None:
    """Raise where nothing listens at a cluster's address: Ray would go on asking for minutes."""
    from ray._private.services import canonicalize_bootstrap_address

    # As Ray reads it: ``auto`` may be a cluster of before, which is gone.
    found = canonicalize_bootstrap_address(address.removeprefix("ray://"))
    if found is not None:
        host, _, port = found.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS):
            pass
