"""Addresses that only this machine reaches, and listening on one of them."""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from truecast.core.errors import TruecastError

_WAITING = 128


class AddressError(TruecastError):
    """A server cannot listen where it shall."""


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches a host.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("192.0.2.1")
    (True, True, False)
    """
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on an address while the block runs.

    Raises
    ------
    AddressError
        If another program has it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, so that asyncio sees TCP and sends each part of an answer at once: otherwise every
    # answer on a kept connection waits 40 ms for the other side's acknowledgement.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(_WAITING)
        except OSError as error:
            raise AddressError(
                f"{host}:{port} cannot be listened on: {error.strerror}; end the program that has "
                "the port, or choose another one with --port"
            ) from error
        yield listener
