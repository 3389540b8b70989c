"""No request reaches the inside: every road there is tried, and each connection is counted."""

import ipaddress
import socket

import pytest

from truecast.core.errors import UsageError
from truecast.sources.http import Client, Policy, RejectedError, UnavailableError, waiting
from truecast.sources.http.addresses import is_public


@pytest.fixture
def connects(monkeypatch) -> list[tuple[str, int]]:
    """Every address that a socket is asked to connect to; none is connected to."""
    made: list[tuple[str, int]] = []

    def connect(_, address):
        made.append(address[:2])
        raise ConnectionRefusedError("counted")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(waiting, "pause", lambda _: None)
    monkeypatch.delenv("TRUECAST_PRIVATE_HOSTS", raising=False)
    return made


def client_of(*hosts: str) -> Client:
    return Client(Policy(frozenset(hosts), per_second=1e6, attempts=2, timeout_seconds=2))


def resolve_as(monkeypatch, *answers: str) -> None:
    """Let every name resolve to these addresses, the next one at each call."""
    left = list(answers)

    def getaddrinfo(host, port, *_, **__):
        text = left.pop(0) if len(left) > 1 else left[0]
        family = socket.AF_INET6 if ":" in text else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (text, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


INSIDE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254",  # noqa: S104
    "172.16.0.1", "192.0.0.8", "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "192.88.99.1",
]  # fmt: skip


@pytest.mark.parametrize("text", INSIDE)
def test_an_address_inside_is_not_public(text):
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "93.184.216.34", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700::1111"]
)
def test_an_address_outside_is_public(text):
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", INSIDE)
def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(monkeypatch, connects, text):
    resolve_as(monkeypatch, text)
    with pytest.raises(RejectedError, match="no public address: nothing was sent"):
        client_of("vendor.example").get("http://vendor.example/x")
    assert connects == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "0", "localhost",
    ],
)  # fmt: skip
def test_a_host_inside_is_refused_in_every_spelling(connects, host):
    with pytest.raises((RejectedError, UsageError)):
        client_of(host.strip("[]")).get(f"http://{host}/x")
    assert connects == []


def test_one_address_inside_among_others_is_enough(monkeypatch, connects):
    found = [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(RejectedError, match=r"leads to 127\.0\.0\.1"):
        client_of("vendor.example").get("http://vendor.example/x")
    assert connects == []


def test_the_address_that_was_judged_is_the_one_that_is_connected_to(monkeypatch, connects):
    # A name that is rebound after the check: the second answer leads inside.
    resolve_as(monkeypatch, "93.184.216.34", "127.0.0.1")
    with pytest.raises(RejectedError, match=r"leads to 127\.0\.0\.1"):  # the second attempt
        client_of("vendor.example").get("http://vendor.example/x")
    assert connects == [("93.184.216.34", 80)]


def test_a_redirect_does_not_lead_inside(vendor, monkeypatch):
    inside = socket.create_server(("127.0.0.1", 0))
    port = inside.getsockname()[1]
    for host in ("127.0.0.2", "localhost", "2130706433", "[::ffff:127.0.0.1]", "169.254.169.254"):
        vendor.answer(status=302, headers={"Location": f"http://{host}:{port}/"})
        allowed = client_of("127.0.0.1", host.strip("[]"))
        with pytest.raises(RejectedError, match="no public address"):
            allowed.get(vendor.url)
    inside.settimeout(0.2)
    with inside, pytest.raises(TimeoutError):  # nobody waits to be let in
        inside.accept()


def test_a_private_host_is_asked_once_it_is_named(vendor, monkeypatch):
    monkeypatch.delenv("TRUECAST_PRIVATE_HOSTS")
    with pytest.raises(RejectedError, match=r"TRUECAST_PRIVATE_HOSTS=127\.0\.0\.1"):
        client_of("127.0.0.1").get(vendor.url)
    assert vendor.asked == []
    monkeypatch.setenv("TRUECAST_PRIVATE_HOSTS", "other, 127.0.0.1")
    vendor.answer(b"there")
    assert client_of("127.0.0.1").get(vendor.url).content == b"there"


def test_a_name_that_is_not_known_is_an_outage(monkeypatch, connects):
    def fail(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(UnavailableError, match="Name or service not known"):
        client_of("vendor.example").get("http://vendor.example/x")
