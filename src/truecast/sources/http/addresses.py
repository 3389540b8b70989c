"""Which addresses may be connected to.

A name is resolved, every address is judged, and the connection goes to the very address that was
judged: a name that resolves to something else a moment later changes nothing. TLS still checks the
certificate against the name.
"""

import ipaddress
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpcore

from truecast.core.settings import load_settings
from truecast.sources.http.errors import RejectedError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Ranges by which an IPv6 address leads to an IPv4 one, that of the last 32 bits.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Ranges for special uses that older versions of Python take for public.
_SPECIAL = tuple(map(ipaddress.IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")))
_TICK = 0.005


def is_public(address: Address) -> bool:
    """Say whether an address lies in the public network, and nowhere inside.

    Examples
    --------
    >>> is_public(ipaddress.ip_address("93.184.216.34"))
    True
    >>> [is_public(ipaddress.ip_address(text)) for text in ("10.0.0.1", "::ffff:127.0.0.1")]
    [False, False]
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour is not None or address.teredo is not None or address.is_site_local:
            return False
    elif any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def private_hosts() -> frozenset[str]:
    """Return the hosts that may lie in a private network: ``TRUECAST_PRIVATE_HOSTS``."""
    return frozenset(filter(None, map(_name, load_settings().private_hosts.split(","))))


def places_of(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    """Resolve a host, and refuse one that leads inside.

    Parameters
    ----------
    host : str
        A name or an address.
    port : int
        The port.

    Returns
    -------
    list of (int, tuple)
        Address families and socket addresses, in the order in which to try them; never empty.

    Raises
    ------
    RejectedError
        If any of them is not public and the host is not one of :func:`private_hosts`.
    OSError, UnicodeError
        If it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if _name(host) not in private_hosts():
        for _, _, _, _, (text, *_) in found:
            if not is_public(ipaddress.ip_address(str(text).partition("%")[0])):
                raise RejectedError(
                    f"{host} leads to {text}, which is no public address: nothing was sent; if "
                    f"the host is yours, name it in TRUECAST_PRIVATE_HOSTS={_name(host)}"
                )
    return [(family, address) for family, _, _, _, address in found]


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to judged addresses only, and holds every attempt to its time."""

    def __init__(self) -> None:
        self._mine = threading.local()

    def allow(self, seconds: float) -> None:
        """Say how long this thread's attempt may take from now on, in all."""
        self._mine.until = time.monotonic() + seconds

    def is_over(self) -> bool:
        """Say whether this thread's attempt has used its time up."""
        return self._rest() <= 0

    def left(self, timeout: float | None) -> float:
        """Return how long the next step may take: the timeout, or the rest if that is less.

        Raises
        ------
        TimeoutError
            If nothing is left.
        """
        if self.is_over():
            raise TimeoutError("out of time")
        return self._rest() if timeout is None else min(timeout, self._rest())

    def _rest(self) -> float:
        # A step that ran into the end of its time may come back a moment before it.
        return float(self._mine.until) - time.monotonic() - _TICK

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first judged address that answers."""
        del local_address, socket_options  # never set
        with _told(httpcore.ConnectTimeout, httpcore.ConnectError, host):
            places = places_of(host, port)
            for family, address in places[:-1]:
                with suppress(OSError):
                    return self._connect(family, address, timeout)
            return self._connect(*places[-1], timeout)

    def _connect(
        self, family: int, address: tuple[Any, ...], timeout: float | None
    ) -> httpcore.NetworkStream:
        # Not socket.create_connection: that would resolve once more.
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.settimeout(self.left(timeout))
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            made.close()
            raise
        return _Stream(made, self)

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        """Refuse: nothing here is asked over a file."""
        raise RejectedError("expected a host to connect to, got a Unix socket")


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends with its attempt."""

    def __init__(self, made: socket.socket, backend: CheckedBackend) -> None:
        self._socket, self._backend = made, backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _told(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(self._backend.left(timeout))
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _told(httpcore.WriteTimeout, httpcore.WriteError):
            self._socket.settimeout(self._backend.left(timeout))
            self._socket.sendall(buffer)

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        try:
            with _told(httpcore.ConnectTimeout, httpcore.ConnectError, server_hostname or ""):
                self._socket.settimeout(self._backend.left(timeout))
                wrapped = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        return _Stream(wrapped, self._backend)

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        if info == "is_readable":  # an idle connection that is, has been closed by the other side
            with selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_READ)
                return bool(selector.select(0))
        return None


@contextmanager
def _told(timeout: type[Exception], failure: type[Exception], host: str = "") -> Iterator[None]:
    """Let the socket's errors be those that the pool knows."""
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from None
    except (OSError, UnicodeError) as error:
        raise failure(f"{host}: {error}" if host else str(error)) from None


def _name(host: str) -> str:
    return host.strip().strip("[]").rstrip(".").lower()
