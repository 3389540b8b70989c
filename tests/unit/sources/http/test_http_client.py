"""The HTTP client against a scripted server: what is asked again, what is refused, and how."""

import gzip
import logging
import time
import zlib
from datetime import UTC, datetime, timedelta

import pytest

from truecast.core import clock
from truecast.core.errors import UsageError
from truecast.sources.http import (
    AccessError,
    AnswerError,
    Client,
    HttpError,
    Policy,
    QuotaError,
    RejectedError,
    UnavailableError,
    waiting,
)

CANARY = "canary-9f3 é/+key"
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def client_of(**changes) -> Client:
    about = {"hosts": frozenset({"127.0.0.1"}), "per_second": 1e6, "timeout_seconds": 5}
    return Client(Policy(**{**about, **changes}))


@pytest.fixture
def pauses(vendor, monkeypatch) -> list[float]:
    """What would have been waited, in seconds."""
    waited: list[float] = []
    monkeypatch.setattr(waiting, "pause", waited.append)
    return waited


def test_an_answer_says_what_came_and_when(vendor):
    vendor.answer({"a": 1}, headers={"X-Request": "7", "Content-Type": "application/json; q=1"})
    with clock.frozen_at(NOW):
        answer = client_of().get(f"{vendor.url}/x?b=2", {"symbol": "GC=F ^A"}, {"X-Mine": "me"})
    assert (answer.status, answer.content, answer.media_type) == (
        200,
        b'{"a": 1}',
        "application/json",
    )
    assert answer.headers["x-request"] == "7"
    assert answer.received_at == NOW
    (asked,) = vendor.asked
    assert asked.params == {"b": "2", "symbol": "GC=F ^A"}
    assert asked.headers["x-mine"] == "me"
    assert asked.headers["host"] == vendor.netloc
    assert asked.headers["user-agent"].startswith("truecast/")


def test_gzip_is_unpacked(vendor):
    vendor.answer(gzip.compress(b"[1, 2]"), headers={"Content-Encoding": "gzip"})
    assert client_of().get(vendor.url).content == b"[1, 2]"


@pytest.mark.parametrize(
    ("status", "error", "tries"),
    [
        (400, RejectedError, 1),
        (401, AccessError, 1),
        (403, AccessError, 1),
        (404, RejectedError, 1),
        (405, RejectedError, 1),
        (408, UnavailableError, 3),
        (429, QuotaError, 3),
        (500, UnavailableError, 3),
        (503, UnavailableError, 3),
        (304, AnswerError, 1),
    ],
)
def test_a_status_is_its_own_error_and_only_what_may_pass_is_asked_again(
    vendor, status, error, tries
):
    for _ in range(tries):
        vendor.answer(b"the reason" if status != 304 else b"", status=status)
    with pytest.raises(error, match=f"status {status}") as caught:
        client_of(attempts=3).get(f"{vendor.url}/x")
    assert len(vendor.asked) == tries
    assert caught.value.status == status
    assert f"GET {vendor.url}/x" in str(caught.value)
    if status != 304:
        assert caught.value.said == "the reason"


def test_what_passes_is_answered_in_the_end_after_waits_that_grow(vendor, pauses):
    for status in (500, 429, 502):
        vendor.answer(status=status)
    vendor.answer(b"there")
    assert client_of().get(vendor.url).content == b"there"
    assert len(pauses) == 3
    for waited, base in zip(pauses, (1, 2, 4), strict=True):
        assert base <= waited <= base + 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("Wed, 04 Mar 2026 12:00:40 GMT", 40), ("Wed, 04 Mar 2026 11:00:00 GMT", 0)],
)
def test_the_vendor_says_how_long_to_wait(vendor, pauses, text, seconds):
    vendor.answer(status=429, headers={"Retry-After": text})
    vendor.answer(b"there")
    with clock.frozen_at(NOW):
        assert client_of().get(vendor.url).content == b"there"
    (waited,) = pauses
    assert max(seconds, 1) <= waited <= max(seconds, 2)


def test_a_wait_that_is_too_long_is_not_waited_for(vendor, pauses):
    vendor.answer(status=429, headers={"Retry-After": "86400"})
    with pytest.raises(QuotaError, match="wait 86400 s") as caught:
        client_of().get(vendor.url)
    assert caught.value.retry_after == timedelta(days=1)
    assert pauses == []


def test_an_unreadable_retry_after_is_none(vendor):
    for _ in range(2):
        vendor.answer(status=429, headers={"Retry-After": "soon"})
    with pytest.raises(QuotaError) as caught:
        client_of(attempts=2).get(vendor.url)
    assert caught.value.retry_after is None


def test_requests_to_one_host_are_evenly_apart_whoever_asks(vendor, pauses):
    for _ in range(4):
        vendor.answer(b"there")
    for _ in range(2):
        client_of(per_second=0.001).get(vendor.url)
        client_of(per_second=0.001).get(vendor.url)
    # Counted from the first request, less what a busy machine took in between.
    assert pauses == pytest.approx([1000, 2000, 3000], abs=60)


def test_silence_is_an_outage(vendor):
    vendor.answer(b"late", delay=3)
    with pytest.raises(UnavailableError, match=r"no answer within 0\.1 s"):
        client_of(timeout_seconds=0.1, attempts=1).get(vendor.url)


@pytest.mark.parametrize("announced", [{}, {"Content-Length": "100", "X": "y" * 400}])
def test_an_answer_that_drips_ends(vendor, announced):
    vendor.answer(b"x" * 100, drip=0.05, headers=announced)
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=r"not complete after 0\.3 s"):
        client_of(total_seconds=0.3).get(vendor.url)
    assert time.monotonic() - started < 2
    assert len(vendor.asked) == 1


def test_no_answer_and_no_server_are_outages(vendor):
    vendor.answer(silent=True)
    with pytest.raises(UnavailableError, match="the connection failed"):
        client_of(attempts=1).get(vendor.url)
    vendor.stop()
    with pytest.raises(UnavailableError, match="the connection failed"):
        client_of(attempts=1).get(vendor.url)


def test_a_body_that_is_cut_off_is_asked_again_and_then_an_error(vendor):
    vendor.answer(b"0123456789", cut=4)
    vendor.answer(b"0123456789")
    assert client_of().get(vendor.url).content == b"0123456789"
    packed = gzip.compress(b"0123456789" * 50)
    for body, headers in (
        (b"0123456789", {"Content-Length": "99"}),
        (packed[:20], {"Content-Encoding": "gzip"}),
        (b"no gzip", {"Content-Encoding": "gzip"}),
    ):
        vendor.answer(body, headers=headers, cut=len(body))
        with pytest.raises(AnswerError, match="cut off or damaged"):
            client_of(attempts=1).get(vendor.url)


def test_an_encoding_that_was_not_asked_for_is_refused(vendor):
    vendor.answer(b"x", headers={"Content-Encoding": "br"})
    with pytest.raises(AnswerError, match="'br'"):
        client_of(attempts=1).get(vendor.url)


def test_what_is_too_large_is_refused_as_sent_and_as_unpacked(vendor):
    bomb = zlib.compressobj(9, wbits=31)
    packed = bomb.compress(b"\0" * 5_000_000) + bomb.flush()
    assert len(packed) < 6000
    for body, headers in (
        (b"x" * 10_001, {}),
        (packed, {"Content-Encoding": "gzip"}),
    ):
        vendor.answer(body, headers=headers)
        with pytest.raises(AnswerError, match="at most 10000 bytes"):
            client_of(largest_bytes=10_000).get(vendor.url)
    vendor.answer(b"x" * 10_000)
    assert len(client_of(largest_bytes=10_000).get(vendor.url).content) == 10_000


def test_a_host_that_fails_is_left_alone_for_a_while(vendor):
    for _ in range(3):
        vendor.answer(status=500)
    client = client_of(attempts=1, breaker_failures=3, breaker_seconds=0.3)
    for _ in range(3):
        with pytest.raises(UnavailableError, match="status 500"):
            client.get(vendor.url)
    with pytest.raises(UnavailableError, match="not asked: it failed 3 times in a row"):
        client.get(vendor.url)
    assert len(vendor.asked) == 3
    time.sleep(0.35)
    vendor.answer(b"well again")
    assert client.get(vendor.url).content == b"well again"


def test_a_wrong_request_does_not_count_against_the_host(vendor):
    client = client_of(breaker_failures=2)
    for _ in range(4):
        vendor.answer(status=404)
        with pytest.raises(RejectedError):
            client.get(vendor.url)
    vendor.answer(b"there")
    assert client.get(vendor.url).content == b"there"


def test_a_redirect_is_followed_on_allowed_hosts_only(vendor):
    vendor.answer(status=302, headers={"Location": "/next?c=1"})
    vendor.answer(b"there")
    answer = client_of().get(f"{vendor.url}/first?b=1")
    assert answer.url == f"{vendor.url}/next?c=1"
    assert [asked.path for asked in vendor.asked] == ["/first", "/next"]
    vendor.answer(status=302, headers={"Location": "http://elsewhere.example/"})
    with pytest.raises(RejectedError, match=r"got http to 'elsewhere\.example'"):
        client_of().get(vendor.url)
    for _ in range(6):
        vendor.answer(status=307, headers={"Location": "/again"})
    with pytest.raises(RejectedError, match="more than 5 times"):
        client_of().get(vendor.url)
    vendor.answer(status=302, headers={"Location": "http://oops:port/"})
    with pytest.raises(AnswerError, match="no URL"):
        client_of().get(vendor.url)


def test_a_key_does_not_follow_to_another_host(vendor, monkeypatch):
    monkeypatch.setenv("TRUECAST_PRIVATE_HOSTS", "127.0.0.1,localhost")
    there = vendor.url.replace("127.0.0.1", "localhost")
    vendor.answer(status=302, headers={"Location": f"{there}/next"})
    vendor.answer(b"there")
    client = client_of(hosts=frozenset({"127.0.0.1", "localhost"}))
    client.get(vendor.url, headers={"Authorization": "Bearer k", "X-Key": "k", "Accept": "a/b"})
    first, second = (asked.headers for asked in vendor.asked)
    assert first["authorization"] == "Bearer k"
    assert not {"authorization", "x-key"} & set(second)
    assert second["accept"] == "a/b"


def test_a_url_of_another_kind_is_refused(vendor):
    for url in ("ftp://127.0.0.1/x", "file:///etc/passwd", "http://elsewhere.example/"):
        with pytest.raises(RejectedError, match="nothing was sent"):
            client_of().get(url)
    with pytest.raises(UsageError, match="no URL"):
        client_of().get("http://oops:port/")


@pytest.mark.parametrize(
    "scripted",
    [
        {"status": 200, "body": f"your key {CANARY} is fine"},
        {"status": 400, "body": f"the key {CANARY} is unknown"},
        {"status": 401, "body": f'{{"token": "{CANARY.upper()}"}}'},
        {"status": 429, "body": "x" * 195 + CANARY},
        {"status": 500, "body": CANARY.encode("utf-8") + b"\xff"},
        {"status": 200, "body": CANARY, "cut": 3, "headers": {"Content-Length": "50"}},
        {"status": 302, "headers": {"Location": "http://elsewhere.example/?apikey=canary-9f3"}},
        {"silent": True},
    ],
)
def test_a_key_is_never_seen(vendor, caplog, scripted):
    caplog.set_level(logging.DEBUG)
    about = dict(scripted)
    vendor.answer(about.pop("body", b""), **about)
    client = client_of(secrets=(CANARY,), attempts=1)
    seen = [repr(client.policy)]
    try:
        answer = client.get(
            vendor.url, {"apikey": CANARY, "q": f"x{CANARY}"}, {"X-Key": "canary-9f3"}
        )
        seen += [repr(answer), answer.url, answer.said]
        assert vendor.asked[-1].params == {"apikey": CANARY, "q": f"x{CANARY}"}
    except HttpError as error:
        logging.getLogger("test").exception("it failed")
        seen += [str(error), repr(error), error.said, repr(vars(error))]
    for text in [*seen, caplog.text]:
        assert "canary" not in text.lower()


def test_a_key_that_no_header_can_hold_is_not_shown(vendor, caplog):
    for bad in ("canary\nX: y", "canaré", "canary "):
        with pytest.raises(UsageError, match="the header authorization") as caught:
            client_of().get(vendor.url, headers={"Authorization": bad})
        assert "canar" not in f"{caught.value!r}{caught.value.__cause__!r}"
    assert vendor.asked == []


def test_the_environments_proxy_is_not_used(vendor, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    vendor.answer(b"there")
    assert client_of(attempts=1).get(vendor.url).content == b"there"
