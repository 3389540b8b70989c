"""Keys are recognised, and nothing tells what they are."""

import hashlib
import hmac
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truecast.core.clock import frozen_at
from truecast.core.settings import Settings
from truecast.database.engine import open_database
from truecast.serving.door import keys as module
from truecast.serving.door.audit import audit
from truecast.serving.door.keys import KeyNameError, KeyRing, Keys, without_keys

MOMENT = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


@pytest.fixture
def keys(settings):
    return Keys(open_database(settings.database))


def stored(settings, query):
    with closing(sqlite3.connect(settings.home / "truecast.db")) as database:
        return database.execute(query).fetchall()


def test_a_secret_is_shown_once_and_kept_as_a_hash(keys, settings):
    with frozen_at(MOMENT):
        key, secret = keys.add("desk", "write", "local")
    assert re.fullmatch(rf"tc_{key.id}_[A-Za-z0-9_-]{{43}}", secret)
    assert (key.name, key.scopes, key.created_at) == ("desk", ("read", "write"), MOMENT)
    (row,) = stored(settings, "SELECT id, name, secret_hash, revoked_at FROM api_keys")
    assert row == (key.id, "desk", hashlib.sha256(secret.encode()).hexdigest(), None)
    for path in settings.home.iterdir():
        assert secret[-43:].encode() not in path.read_bytes()
    assert secret[-43:] not in repr(keys.ring().find(secret))


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [("read", ("read",)), ("write", ("read", "write")), ("admin", ("read", "write", "admin"))],
)
def test_a_scope_holds_those_before_it(keys, scope, scopes):
    _, secret = keys.add("desk", scope, "local")
    assert keys.ring().find(secret).scopes == scopes


def test_a_key_is_found_by_its_whole_secret_alone(keys):
    made = [keys.add(f"desk-{number}", "read", "local") for number in range(5)]
    ring = keys.ring()
    assert len(ring) == 5
    for key, secret in made:
        assert ring.find(secret) == key
        other = "B" if secret[-1] == "A" else "A"
        for wrong in (
            secret[:-1],
            secret[:-1] + other,
            secret + "A",
            secret.upper(),
            f" {secret}",
            secret.replace(key.id, made[0][0].id if key is not made[0][0] else made[1][0].id),
            hashlib.sha256(secret.encode()).hexdigest(),
            key.id,
            key.name,
            "",
        ):
            assert ring.find(wrong) is None, wrong


def test_whatever_is_presented_is_compared_once_and_in_constant_time(keys, monkeypatch):
    """Each stored key by ``hmac.compare_digest``, and what has no key just as well."""
    made = [keys.add(f"desk-{number}", "read", "local") for number in range(5)]
    ring = keys.ring()
    compared = []

    def compare(first, second):
        compared.append((first, second))
        return hmac.compare_digest(first, second)

    class Spied:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(module, "hmac", Spied)
    for key, secret in made:
        digest = hashlib.sha256(secret.encode()).hexdigest()
        compared.clear()
        assert ring.find(secret) == key
        assert compared == [(digest, digest)]
        wrong = f"tc_{key.id}_{'x' * 43}"
        compared.clear()
        assert ring.find(wrong) is None
        assert compared == [(hashlib.sha256(wrong.encode()).hexdigest(), digest)]
    digests = {hashlib.sha256(secret.encode()).hexdigest() for _, secret in made}
    for nobody in (f"tc_{'0' * 12}_{'x' * 43}", "", "x", "ü" * 99):
        compared.clear()
        assert ring.find(nobody) is None
        ((_, against),) = compared
        assert len(against) == 64
        assert against not in digests


@given(st.text())
def test_no_text_is_a_key_where_there_is_none(text):
    assert KeyRing({}).find(text) is None


def test_a_revoked_key_is_good_for_nothing_and_stays_in_the_list(keys):
    key, secret = keys.add("desk", "read", "local")
    _, other = keys.add("other", "read", "local")
    with frozen_at(MOMENT):
        assert keys.revoke("desk", "local").revoked_at == MOMENT
    assert keys.revoke(key.id, "local").revoked_at == MOMENT
    assert keys.ring().find(secret) is None
    assert keys.ring().find(other).name == "other"
    assert [(one.name, one.revoked_at) for one in keys.all()] == [
        ("desk", MOMENT),
        ("other", None),
    ]


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "x" * 65, "a/b", "a\nb", "é", "<b>"])
def test_a_name_has_signs_that_no_log_stumbles_over(keys, name):
    with pytest.raises(KeyNameError, match="names no key"):
        keys.add(name, "read", "local")
    assert keys.all() == []


def test_a_name_is_given_once(keys):
    keys.add("desk", "read", "local")
    keys.revoke("desk", "local")
    with pytest.raises(KeyNameError, match="there is or was a key named desk"):
        keys.add("desk", "read", "local")


def test_revoking_what_is_not_there_names_the_nearest(keys):
    with pytest.raises(KeyNameError, match="there are none yet"):
        keys.revoke("desk", "local")
    _, secret = keys.add("desk", "read", "local")
    with pytest.raises(KeyNameError, match="did you mean 'desk'"):
        keys.revoke("desc", "local")
    with pytest.raises(KeyNameError) as told:
        keys.revoke(secret, "local")  # by mistake
    assert secret[-43:] not in str(told.value)


def test_keys_made_and_revoked_stand_in_the_audit(keys, settings):
    with frozen_at(MOMENT):
        key, secret = keys.add("desk", "read", "local")
        keys.revoke("desk", "boss")
        keys.revoke("desk", "boss")
        audit(open_database(settings.database), "boss", "promote", "a slot", {"version": "v1"})
    rows = stored(settings, "SELECT at, actor, action, subject, detail FROM audit ORDER BY seq")
    at = "2024-05-01 12:00:00.000000"
    assert rows == [
        (at, "local", "keys.add", "desk", f'{{"id": "{key.id}", "scopes": ["read"]}}'),
        (at, "boss", "keys.revoke", "desk", f'{{"id": "{key.id}"}}'),
        (at, "boss", "promote", "a slot", '{"version": "v1"}'),
    ]
    assert secret[-43:] not in repr(rows)


@pytest.mark.parametrize("cut", [0, 1, 20, 42])
def test_secrets_are_taken_out_of_text_whole_or_cut(keys, cut):
    key, secret = keys.add("desk", "read", "local")
    shown = without_keys(f"GET /a?x={secret[: len(secret) - cut]} and {secret}, twice")
    assert shown == f"GET /a?x=tc_{key.id}_*** and tc_{key.id}_***, twice"
    assert without_keys("nothing of that kind: tc_1") == "nothing of that kind: tc_1"
