"""Run the server: one process, one address of this machine."""

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from truecast.core.errors import SettingsError
from truecast.core.loopback import is_loopback, listening
from truecast.core.settings import Settings
from truecast.serving.app import create_app
from truecast.serving.guard import LOOPBACK
from truecast.serving.service import open_service

#: More than this at once are told to come back: each holds memory.
CONCURRENT = 256
#: How long requests may take to end after the server was told to stop.
DRAIN_SECONDS = 10
_LARGEST_HEAD = 32 * 1024
_LARGEST_MESSAGE = 64 * 1024


def serve(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    tell: Callable[[str], object] = str,
) -> None:
    """Answer requests until the process is told to stop; then those that have begun are ended.

    Parameters
    ----------
    settings : Settings
        Of the home that is served.
    host : str
        An address that only this machine reaches.
    port : int
        0 for any that is free.
    tell : callable
        Called with the server's address when it answers.

    Raises
    ------
    SettingsError
        If others could reach the address.
    AddressError
        If it cannot be listened on.
    """
    run(lambda hosts: create_app(open_service(settings), hosts=hosts), host, port, tell=tell)


def run(
    create: Callable[[frozenset[str]], ASGIApp],
    host: str,
    port: int,
    *,
    tell: Callable[[str], object] = str,
) -> None:
    """Run an application until the process is told to stop.

    Parameters
    ----------
    create : callable
        Makes the application, from the names that it may be asked for; called once it is certain
        that it can be reached by this machine alone.
    host, port, tell
        As :func:`serve` takes them.

    Raises
    ------
    SettingsError
        If others could reach the address.
    AddressError
        If it cannot be listened on.
    """
    require_loopback(host)
    with listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        app = create(LOOPBACK | {shown.lower()})
        config = uvicorn.Config(
            app,
            http="h11",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONCURRENT,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            h11_max_incomplete_event_size=_LARGEST_HEAD,
            ws_max_size=_LARGEST_MESSAGE,
        )
        _Server(config, lambda: tell(address)).run(sockets=[listener])


def require_loopback(host: str) -> None:
    """Refuse an address that other machines reach.

    Raises
    ------
    SettingsError
        Says why, and what can be done.
    """
    if not is_loopback(host):
        raise SettingsError(
            f"--host {host}: expected 127.0.0.1, ::1 or localhost. This version knows no API "
            "keys, so whoever reached another address could use it; to reach it from elsewhere, "
            "forward a port: ssh -L 8000:127.0.0.1:8000 HOST"
        )


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[], object]) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell()
