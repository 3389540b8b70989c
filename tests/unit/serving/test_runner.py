"""Where the server listens."""

import socket

import pytest

from truecast.core.errors import SettingsError
from truecast.core.loopback import AddressError
from truecast.core.settings import Settings
from truecast.database.engine import open_database
from truecast.serving import runner
from truecast.serving.door.keys import Keys
from truecast.serving.runner import require_keys, require_loopback, run, serve


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LOCALHOST"])
def test_only_this_machine_reaches_loopback(host):
    require_loopback(host)


EVERY = "0.0.0.0"  # noqa: S104
OTHERS = [EVERY, "10.0.0.1", "::", "192.168.1.2", "example.com", "", "127.0.0.1 "]


@pytest.mark.parametrize("host", OTHERS)
def test_a_page_that_knows_no_keys_is_for_this_machine(host):
    def create(hosts):
        raise AssertionError("made before it was certain who reaches it")

    with pytest.raises(SettingsError, match="asks nobody for a key"):
        run(create, host, 0)


@pytest.mark.parametrize("host", OTHERS)
def test_others_need_keys_and_none_is_there(host, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_listen", None)
    with pytest.raises(SettingsError, match="Make one with `truecast keys add NAME --scope read`"):
        serve(Settings(home=tmp_path), host, 0)


def test_a_key_that_was_revoked_is_none(tmp_path):
    settings = Settings(home=tmp_path)
    keys = Keys(open_database(settings.database))
    keys.add("desk", "read", "a test")
    require_keys(settings, EVERY)
    keys.revoke("desk", "a test")
    with pytest.raises(SettingsError, match="there is no key"):
        require_keys(settings, EVERY)


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressError, match=rf"127.0.0.1:{port} .*choose another one with"):
            serve(Settings(home=tmp_path), "127.0.0.1", port)
    assert list(tmp_path.iterdir()) == []
