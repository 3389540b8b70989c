"""What nobody sends by accident: it is refused, nothing outside the home is touched, no error."""

import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from served import Client, Trained
from truecast.serving.app import create_app

MIB = 1024 * 1024
JSON = {"content-type": "application/json"}
CANARY = "canary-9f3b2c"
#: As names of instruments: refused for what they are, before anything is looked up.
NO_TICKERS = [
    *("../x", "..", "%2e%2e", "%2E%2E%2Fx", "A#/../", "A\\..\\x", "a\x00b", "a\nb", "\x1b[2J", ""),
    *("x" * 10_000, "../../../../../../../../etc/passwd", f"../{CANARY}.txt", "A\u2028B"),
]
#: These may stand in a text, or name nothing.
ODD = ["/etc/passwd", "file:///etc/passwd", "' OR 1=1 --", "${jndi:ldap://x}", "{{7*7}}", "\u202eA"]
NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 5000, "-0", "1e-400"]
BODIES = [
    *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 5000 + b"]" * 5000, b'"\xff\xfe"'),
    *(b'{"instrument": "\\ud800"}', b'{"a": 1, "a": 2}', b"\xef\xbb\xbf{}", b"{", b"\x00"),
    *(b"null", b"0", b"[]", b'""'),
]
_TICKERS = ("instrument", "ticker")
_DECLARED = {501, 503}


@pytest.fixture(scope="module")
def home(prepared: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home beside a file that nobody is to see."""
    place = tmp_path_factory.mktemp("hostile")
    (place / f"{CANARY}.txt").write_text(CANARY)
    return prepared.copied(place / "home").home


@pytest.fixture(scope="module")
def client(home: Path, prepared: Trained) -> Iterator[Client]:
    service = Trained(home, prepared.earlier, prepared.later).service()
    with Client(create_app(service)) as client:
        assert client.post("/predict").status_code == 200  # compiles what it computes with
        yield client


@pytest.fixture(scope="module")
def operations(client: Client) -> list[tuple[str, str, dict[str, Any]]]:
    """Every route, with its description."""
    paths = client.get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path, described)
        for path, methods in paths.items()
        for method, described in methods.items()
    ]


@pytest.fixture(autouse=True)
def untouched(home: Path, client: Client) -> Iterator[None]:
    """Nothing beside the home comes or goes, and nothing outside it is opened to be written."""
    before = {path: path.stat().st_mtime_ns for path in home.parent.iterdir() if path != home}
    with watched() as opened:
        yield
    after = {path: path.stat().st_mtime_ns for path in home.parent.iterdir() if path != home}
    assert after == before
    assert [one for one in opened if not Path(one).is_relative_to(home)] == []


_OPENED: list[str] | None = None


def _note(event: str, given: tuple[Any, ...]) -> None:
    if event == "open" and _OPENED is not None and isinstance(given[0], str):
        path, mode = given[:2]
        written = isinstance(mode, str) and not set(mode) <= set("rbt")
        if CANARY in path or "passwd" in path or (written and not path.startswith("/dev/")):
            _OPENED.append(path)


sys.addaudithook(_note)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Note what Python opens to write, and what of it has a telling name."""
    global _OPENED
    _OPENED = opened = []
    try:
        yield opened
    finally:
        _OPENED = None


def _examples(described: dict[str, Any]) -> list[Any]:
    content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    return [one["value"] for one in content.get("examples", {}).values()]


def _leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Walk to every value of a document; of a list to those of its first item."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*place, key))
    elif isinstance(value, list):
        for inner in value[:1]:
            yield from _leaves(inner, (*place, 0))
    else:
        yield place


def _changed(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = deepcopy(document)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


def _filled(path: str, value: str) -> str:
    start, brace, rest = path.partition("{")
    # A client takes dots for its own.
    escaped = quote(value, safe="").replace(".", "%2E")
    return start + (escaped + rest.partition("}")[2] if brace else "")


def _fine(response: Any, what: object) -> int:
    status: int = response.status_code
    assert status < 500 or status in _DECLARED, (what, response.text)
    assert CANARY not in response.text.replace(f"../{CANARY}.txt", "")
    assert "Traceback" not in response.text
    assert "root:" not in response.text
    return status


def test_100_mb_are_not_read(client, operations):
    for method, path, described in operations:
        sent = 0

        async def stream() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(100):
                sent += MIB
                yield b" " * MIB

        url = _filled(path, "x")
        response = client.request(method, url, content=stream(), headers=JSON)
        status = _fine(response, (method, path))
        assert sent <= 10 * MIB, (method, path)
        if "requestBody" in described and "{" not in path:
            assert status == 413, (method, path, response.text)
            assert response.headers["content-type"] == "application/problem+json"
        # One that says how large it is is refused at once.
        sent = 0
        declared = {**JSON, "content-length": str(100 * MIB)}
        response = client.request(method, url, content=stream(), headers=declared)
        assert (response.status_code, sent) == (413, 0), (method, path)


def test_bodies_that_are_no_questions_are_refused(client, operations):
    for method, path, described in operations:
        if "requestBody" not in described:
            continue
        for body in BODIES:
            response = client.request(method, _filled(path, "x"), content=body, headers=JSON)
            status = _fine(response, (method, path, body[:20]))
            assert status in {404, 413, 422, *_DECLARED}, (method, path, body[:20])


def test_a_body_of_countless_values_costs_little(client):
    """Each error would cost more than its value, and all of it at the cost of who else asks."""
    bodies = {
        "zeros": b'{"history": [' + b"0," * 140_000 + b"0]}",
        "letters": b'{"returns_window": [' + b'"a",' * 140_000 + b'0], "volatility_window": [1]}',
        "names": b"{" + b",".join(b'"%x":1' % number for number in range(100_000)) + b"}",
        "too many": b'{"history": [' + b"0," * 500_000 + b"0]}",
        "no JSON": b"\x01" * 1_000_000,
    }
    for path in ("/predict", "/predict/regime", "/predict-child", "/bars"):
        for what, body in bodies.items():
            started = time.process_time()
            response = client.post(path, content=body, headers=JSON)
            assert response.status_code == 422, (path, what)
            assert time.process_time() - started < 1.0, (path, what)
            assert len(response.content) < 2_000, (path, what)


def test_a_name_that_is_said_twice_is_refused(client):
    bar = '"open": 2507, "high": 2520, "low": 2500, "close": 2510.5'
    for path, body, name in (
        ("/predict", '{"target": "price", "target": "direction"}', "target"),
        ("/predict/direction", f'{{"history": [{{{bar}, "close": 2511}}]}}', "close"),
        ("/predict/volatility", f'{{{bar}, "\\u006fpen": 2507}}', "open"),
        ("/news", '{"headline": "a", "headline": "a"}', "headline"),
        (
            "/bars",
            '{"instrument": "A", "bars": [{"timestamp": "2018-12-31", "close": 1, "close": 2}]}',
            "close",
        ),
    ):
        response = client.post(path, content=body, headers=JSON)
        assert response.status_code == 422, (path, response.text)
        assert f"'{name}' is said more than once" in response.json()["detail"]


def test_bars_at_the_ends_of_numbers_and_of_time_are_refused(client):
    bar = {"open": 2507, "high": 2520, "low": 2500, "close": 2510.5}
    for change in (
        *({"timestamp": f"{day}T00:00:00Z"} for day in ("0001-01-01", "9999-12-31", "1677-01-01")),
        *({"date": day} for day in ("0001-01-01", "9999-12-31")),
        dict.fromkeys(bar, 5e-324),
        dict.fromkeys(bar, 9e11),
    ):
        response = client.post("/predict", json=bar | change)
        assert response.status_code == 422, (change, response.text)


@pytest.mark.parametrize("name", [*NO_TICKERS, *ODD], ids=lambda name: repr(name)[:20])
def test_no_name_reaches_out(client, operations, name):
    for method, path, described in operations:
        if "{" in path:
            response = client.request(method, _filled(path, name))
            assert _fine(response, (method, path)) in {404, 405, 413, 422, *_DECLARED}
        for parameter in described.get("parameters", ()):
            if parameter["in"] == "query":
                query = {parameter["name"]: name}
                status = _fine(client.request(method, _filled(path, "x"), params=query), query)
                if parameter["name"] in _TICKERS and name in NO_TICKERS:
                    assert status == 422, (path, query)
        for document in _examples(described):
            for place in _leaves(document):
                body = _changed(document, place, name)
                response = client.request(method, _filled(path, "x"), json=body)
                status = _fine(response, (method, path, place))
                if place[-1] in _TICKERS and name in NO_TICKERS:
                    assert status == 422, (path, place, response.text)


def test_no_number_breaks_it(client, operations):
    for method, path, described in operations:
        for document in _examples(described):
            for place in _leaves(document):
                mark = "a number goes here"
                text = json.dumps(_changed(document, place, mark))
                for number in NUMBERS:
                    body = text.replace(f'"{mark}"', number)
                    url = _filled(path, "x")
                    response = client.request(method, url, content=body, headers=JSON)
                    _fine(response, (method, path, place, number[:20]))


def test_a_path_cannot_climb(client):
    for path in (
        *("/docs/../../../etc/passwd", "/docs/%2e%2e/%2e%2e/etc/passwd", "/docs/..%2f..%2fpage.js"),
        *(f"/..%2f{CANARY}.txt", "/docs%00", "/docs/page.js%00.css", "//etc/passwd", "/%"),
        *("/predictions/..%2f..%2fetc%2fpasswd", "/docs\\..\\..\\etc", "/" + "a" * 10_000),
    ):
        assert _fine(client.get(path), path) in {404, 422}, path
