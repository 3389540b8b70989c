"""The small words: names, slots, clocks, hashes, intervals, settings."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truecast.core.clock import frozen_at, now, require_utc, to_datetime64, to_utc
from truecast.core.errors import SettingsError
from truecast.core.forecast import forecast_id
from truecast.core.hashing import canonical_json, hash_of, sha256_of
from truecast.core.interval import Interval
from truecast.core.names import Registry, UnknownNameError, nearest
from truecast.core.settings import load_settings
from truecast.core.slot import Slot, escape, unescape


def test_the_clock_stands_still_where_it_is_told_to() -> None:
    moment = datetime(2018, 12, 31, 21, 30, tzinfo=UTC)
    with frozen_at(moment):
        assert now() == moment
    assert now() > moment
    with pytest.raises(ValueError, match="no time zone"):
        require_utc(datetime(2018, 1, 1))  # noqa: DTZ001


def test_times_keep_their_moment_between_types() -> None:
    moment = datetime(2018, 3, 11, 2, 30, tzinfo=UTC) + timedelta(microseconds=7)
    assert to_datetime64(moment) == np.datetime64("2018-03-11T02:30:00.000007")
    assert to_utc(to_datetime64(moment)) == moment


@given(st.text(min_size=1))
def test_any_instrument_fits_in_a_slot_and_comes_back(symbol: str) -> None:
    slot = Slot("r", "sample", symbol.encode("utf-8", "ignore").decode() or "x", "price", 3)
    assert Slot.parse(str(slot)) == slot


def test_slots_are_safe_in_urls() -> None:
    assert str(Slot("gold", "yahoo", "GC=F", "price", 1)) == "gold@yahoo:GC~3DF:price:1"
    assert unescape(escape("a/../b~^é")) == "a/../b~^é"
    assert set(escape("/?#%&: ")) <= set("~0123456789ABCDEF")
    with pytest.raises(ValueError, match="is not a slot"):
        Slot.parse("gold@yahoo:GC=F")


def test_unknown_names_get_the_nearest_one() -> None:
    registry = Registry("model", {"ridge": 1, "lightgbm": 2})
    assert registry.find("ridge") == 1
    with pytest.raises(UnknownNameError) as caught:
        registry.find("ligthgbm", "targets.price.models")
    assert str(caught.value) == (
        "unknown model 'ligthgbm' in targets.price.models: "
        "did you mean 'lightgbm'? Valid: lightgbm, ridge."
    )
    assert nearest("zzz", ["ridge"]) is None


def test_hashes_do_not_depend_on_the_order_of_keys() -> None:
    assert canonical_json({"b": [1.5, None], "a": "é"}) == '{"a":"é","b":[1.5,null]}'
    assert hash_of({"a": 1, "b": 2}) == hash_of({"b": 2, "a": 1})
    # The SHA-256 of nothing, from FIPS 180-4's examples.
    assert sha256_of(b"").startswith("e3b0c44298fc1c14")
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


@pytest.mark.parametrize(
    ("text", "length", "daily"),
    [("1m", 60, False), ("15m", 900, False), ("4h", 14400, False), ("1d", 86400, True)],
)
def test_intervals(text: str, length: int, daily: bool) -> None:
    assert Interval(text).length == timedelta(seconds=length)
    assert Interval(text).is_daily is daily


@pytest.mark.parametrize("text", ["", "m", "0m", "2d", "1w", "1.5h", "-1m"])
def test_what_is_no_interval(text: str) -> None:
    with pytest.raises(ValueError, match="is not an interval"):
        Interval(text)


def test_a_forecast_is_named_by_what_it_says() -> None:
    moment = datetime(2018, 12, 31, 21, 30, tzinfo=UTC)
    due = datetime(2019, 1, 2, 21, 0, tzinfo=UTC)
    first = forecast_id("slot", moment, due, "v1", "live", "inputs")
    assert first == forecast_id("slot", moment, due, "v1", "live", "inputs")
    assert first.version == 5
    assert first != forecast_id("slot", moment, due, "v1", "replay", "inputs")
    assert first != forecast_id("slot", moment, due, "v2", "live", "inputs")


def test_settings_say_where_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRUECAST_HOME", raising=False)
    home = tmp_path / ".truecast"
    assert load_settings().origins() == {
        "TRUECAST_HOME": (".truecast", "default"),
        "TRUECAST_LAKE": (str(home / "lake"), "default"),
        "TRUECAST_DATABASE_URL": (f"sqlite:///{home / 'truecast.db'}", "default"),
        "TRUECAST_REDIS_URL": ("", "default"),
        "TRUECAST_REGISTRY_PREFIX": ("", "default"),
        "TRUECAST_OANDA_TOKEN": ("", "default"),
        "TRUECAST_OANDA_LIVE": ("false", "default"),
        "TRUECAST_ALPHAVANTAGE_KEY": ("", "default"),
        "TRUECAST_FINNHUB_KEY": ("", "default"),
        "TRUECAST_PRIVATE_HOSTS": ("", "default"),
        "TRUECAST_HUB_URL": ("https://huggingface.co", "default"),
        "TRUECAST_ENGINE": ("local", "default"),
        "TRUECAST_WORKERS": ("", "default"),
        "TRUECAST_RAY_ADDRESS": ("auto", "default"),
        "TRUECAST_LIMIT_PREDICT": ("12000/minute", "default"),
        "TRUECAST_LIMIT_READ": ("6000/minute", "default"),
        "TRUECAST_LIMIT_WRITE": ("600/minute", "default"),
        "TRUECAST_LIMIT_TRAIN": ("5/hour", "default"),
        "TRUECAST_LIMIT_ADMIN": ("60/minute", "default"),
        "TRUECAST_LIMIT_STREAM": ("600/minute", "default"),
        "TRUECAST_HOSTS": ("", "default"),
        "TRUECAST_CORS_ORIGINS": ("", "default"),
        "MLFLOW_TRACKING_URI": (f"sqlite:///{home / 'mlflow.db'}", "default"),
        "MLFLOW_REGISTRY_URI": (f"sqlite:///{home / 'mlflow.db'}", "default"),
    }
    (tmp_path / ".env").write_text("TRUECAST_HOME=elsewhere\n")
    assert load_settings().origins()["TRUECAST_HOME"] == ("elsewhere", ".env")
    monkeypatch.setenv("TRUECAST_HOME", "here")
    assert load_settings().origins()["TRUECAST_HOME"] == ("here", "environment")


def test_no_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUECAST_DATABASE_URL", "postgresql+psycopg://me:s3cret@host/name")
    monkeypatch.setenv("TRUECAST_REDIS_URL", "redis://:s3cret@host:6379/0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:s3cret@mlflow.example")
    found = load_settings().origins()
    assert found["TRUECAST_REDIS_URL"] == ("redis://:***@host:6379/0", "environment")
    assert "s3cret@host:6379" not in repr(load_settings())
    assert found["TRUECAST_DATABASE_URL"][0] == "postgresql+psycopg://me:***@host/name"
    assert found["MLFLOW_REGISTRY_URI"] == ("https://me:***@mlflow.example", "default")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("LIMIT_PREDICT", "600"), ("LIMIT_TRAIN", "0/hour"), ("LIMIT_READ", "5/fortnight")),
        *(("HOSTS", "a b"), ("HOSTS", "https://x"), ("CORS_ORIGINS", "*"), ("HOSTS", "*")),
        *(("CORS_ORIGINS", "https://a/path"), ("CORS_ORIGINS", "null")),
    ],
)
def test_a_setting_of_the_server_that_means_nothing_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TRUECAST_{name}", value)
    with pytest.raises(SettingsError, match=f"TRUECAST_{name}: "):
        load_settings()


def test_names_and_pages_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUECAST_HOSTS", "Desk.example.com, [2001:db8::1],10.0.0.7")
    monkeypatch.setenv("TRUECAST_CORS_ORIGINS", "https://desk.example.com,http://localhost:3000")
    settings = load_settings()
    assert settings.host_names == {"desk.example.com", "[2001:db8::1]", "10.0.0.7"}
    assert settings.origin_names == {"https://desk.example.com", "http://localhost:3000"}


def test_a_mistyped_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUECAST_HOMME", "x")
    with pytest.raises(SettingsError, match="unknown setting TRUECAST_HOMME: did you mean"):
        load_settings()


def test_a_vendors_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUECAST_FINNHUB_KEY", "canary-7f3a")
    settings = load_settings()
    assert settings.origins()["TRUECAST_FINNHUB_KEY"] == ("***", "environment")
    assert settings.finnhub_key is not None
    assert settings.finnhub_key.get_secret_value() == "canary-7f3a"
    assert "canary-7f3a" not in repr(settings)
