"""Run the server: one process, one address."""

import signal
import socket
import sys
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from truecast.core.errors import SettingsError
from truecast.core.loopback import is_loopback, listening
from truecast.core.settings import Settings
from truecast.database.engine import open_database
from truecast.serving.app import create_app
from truecast.serving.door.access import open_access
from truecast.serving.door.guard import LOOPBACK
from truecast.serving.door.keys import Keys
from truecast.serving.door.logs import LOGGING
from truecast.serving.door.protocol import MOST_CONNECTIONS, Protocol
from truecast.serving.feed.feed import Feed
from truecast.serving.service import Service, open_service
from truecast.serving.stream.messages import LARGEST_COMMAND
from truecast.serving.stream.websocket import PING_SECONDS, PONG_SECONDS, Connection

#: How long requests may take to end after the server was told to stop.
DRAIN_SECONDS = 10


def serve(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    live: Callable[[Service], object] = Feed,
    tell: Callable[[str], object] = str,
) -> None:
    """Answer requests until the process is told to stop; then those that have begun are ended.

    Parameters
    ----------
    settings : Settings
        Of the home that is served.
    host : str
        An address of this machine. Where others reach it, every request needs a key.
    port : int
        0 for any that is free.
    live : callable
        Gives the service what keeps its forecasts new.
    tell : callable
        Called with the server's address when it answers.

    Raises
    ------
    SettingsError
        If others could reach the address, and there is no key.
    AddressError
        If it cannot be listened on.
    """
    demanded = not is_loopback(host)
    if demanded:
        require_keys(settings, host)

    def create(hosts: frozenset[str]) -> ASGIApp:
        service = open_service(settings)
        live(service)
        return create_app(
            service,
            hosts=hosts | settings.host_names,
            access=open_access(settings, demanded=demanded),
            origins=settings.origin_names,
        )

    _listen(create, host, port, tell)


def run(
    create: Callable[[frozenset[str]], ASGIApp],
    host: str,
    port: int,
    *,
    tell: Callable[[str], object] = str,
) -> None:
    """Run an application that knows no keys until the process is told to stop.

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
    _listen(create, host, port, tell)


def require_loopback(host: str) -> None:
    """Refuse an address that other machines reach.

    Raises
    ------
    SettingsError
        Says why, and what can be done.
    """
    if not is_loopback(host):
        raise SettingsError(
            f"--host {host}: expected 127.0.0.1, ::1 or localhost. This page asks nobody for a "
            "key, so whoever reached another address could use it; to reach it from elsewhere, "
            "forward a port: ssh -L 5000:127.0.0.1:5000 HOST"
        )


def require_keys(settings: Settings, host: str) -> None:
    """Refuse an address that other machines reach while there is no key.

    Raises
    ------
    SettingsError
        Says what can be done.
    """
    if not Keys(open_database(settings.database)).ring():
        raise SettingsError(
            f"--host {host}: other machines reach that address, and there is no key, so nobody "
            "could be told from anybody. Make one with `truecast keys add NAME --scope read`, or "
            "stay on 127.0.0.1 and forward a port: ssh -L 8000:127.0.0.1:8000 HOST"
        )


def _listen(
    create: Callable[[frozenset[str]], ASGIApp],
    host: str,
    port: int,
    tell: Callable[[str], object],
) -> None:
    _allow_files(2 * MOST_CONNECTIONS)
    with listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        app = create(LOOPBACK | {shown.lower()})
        config = uvicorn.Config(
            app,
            http=Protocol,
            log_config=LOGGING,
            log_level="warning",
            access_log=False,
            server_header=False,
            # Whoever asks could say anything there.
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            ws=Connection,
            ws_max_size=LARGEST_COMMAND,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PONG_SECONDS,
            # One frame goes to all clients as it is.
            ws_per_message_deflate=False,
        )
        # In the end uvicorn sends itself again what told it to stop: that was no failure.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        _Server(config, lambda: tell(address)).run(sockets=[listener])


def _allow_files(count: int) -> None:
    """Let this process have so many files open if it may: systems begin with as few as 256."""
    try:
        import resource
    except ImportError:
        return  # Windows counts otherwise
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[], object]) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell()
