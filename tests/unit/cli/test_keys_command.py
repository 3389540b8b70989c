"""The commands that make, list and revoke keys."""

import json

import pytest

from truecast.core.settings import Settings
from truecast.database.engine import open_database
from truecast.serving.door.keys import Keys


def ring(home):
    return Keys(open_database(Settings(home=home).database)).ring()


def test_a_secret_is_printed_once(typed, tmp_path):
    made = typed("keys", "add", "desk", home=tmp_path)
    assert made.code == 0
    secret = made.out.splitlines()[0]
    assert ring(tmp_path).find(secret).name == "desk"
    assert ring(tmp_path).find(secret).scopes == ("read",)
    listed = typed("keys", "list", home=tmp_path)
    assert "desk" in listed.out
    assert secret[-43:] not in listed.out + listed.err


def test_keys_as_json(typed, tmp_path):
    made = json.loads(typed("keys", "add", "desk", "--scope", "admin", "--json", home=tmp_path).out)
    assert set(made) == {"id", "name", "scopes", "created_at", "revoked_at", "secret"}
    assert made["scopes"] == ["read", "write", "admin"]
    assert ring(tmp_path).find(made.pop("secret")).id == made["id"]
    (listed,) = json.loads(typed("keys", "list", "--json", home=tmp_path).out)
    assert listed == made
    revoked = json.loads(typed("keys", "revoke", made["id"], "--json", home=tmp_path).out)
    assert revoked["revoked_at"] is not None
    assert revoked | {"revoked_at": None} == made
    assert len(ring(tmp_path)) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "a b"), "names no key"),
        (("add", "desk", "--scope", "root"), "is not one of 'read', 'write', 'admin'"),
        (("revoke", "nobody"), "no key is named 'nobody'"),
    ],
)
def test_wrong_use_is_said(typed, tmp_path, words, said):
    done = typed("keys", *words, home=tmp_path)
    assert done.code == 2
    assert said in " ".join(done.err.replace("│", " ").split())


def test_serving_others_without_a_key_names_the_command(typed, tmp_path):
    done = typed("serve", "--host", "0.0.0.0", "--port", "0", home=tmp_path)  # noqa: S104
    assert done.code == 2
    assert "truecast keys add NAME --scope read" in done.err
