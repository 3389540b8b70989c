"""Where the server listens."""

import socket

import pytest

from truecast.core.errors import SettingsError
from truecast.core.loopback import AddressError
from truecast.core.settings import Settings
from truecast.serving.runner import require_loopback, serve


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LOCALHOST"])
def test_only_this_machine_reaches_loopback(host):
    require_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "::", "192.168.1.2", "example.com", "", "127.0.0.1 "])
def test_others_would_need_keys(host, tmp_path):
    with pytest.raises(SettingsError, match="knows no API keys"):
        serve(Settings(home=tmp_path), host, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressError, match=rf"127.0.0.1:{port} .*choose another one with"):
            serve(Settings(home=tmp_path), "127.0.0.1", port)
    assert list(tmp_path.iterdir()) == []
