"""JSON out of what vendors send, and words for what is none."""

from datetime import UTC, datetime

import pytest

from truecast.sources.http import Answer, AnswerError, read_json
from truecast.sources.http.redaction import excerpt, redact


def answer_of(content: bytes) -> Answer:
    now = datetime(2026, 3, 4, tzinfo=UTC)
    return Answer(200, content, "text/html", {}, "https://v.example/x", now, excerpt(content))


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        (b"\xef\xbb\xbf[1]", [1]),
        (b' \n {"a": "b\tc"}', {"a": "b\tc"}),
        (b'{"a": "b\x00c\x1fd\x7fe"}', {"a": "bcd\x7fe"}),
        ('{"é": "日本"}'.encode(), {"é": "日本"}),
        (b"[]", []),
    ],
)
def test_json_is_read_with_control_characters_left_out(content, value):
    assert read_json(answer_of(content), where="here") == value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty body"),
        (b" \r\n", "an empty body"),
        (b"<!DOCTYPE html><p>sorry", "an HTML or XML page"),
        (b'{"a": [1, 2', "JSON that is cut off"),
        (b'{"a": "b', "JSON that is cut off"),
        (b'{"a": ', "JSON that is cut off"),
        (b"Too Many Requests", "text that is not JSON at character 0"),
        (b'{"a": 1} and more', "text that is not JSON at character 9"),
        (b'{"a": "\xff"}', "bytes that are not UTF-8 text, the first at 7"),
        (b"[" * 100_000, "nested too deep"),
        (b"[" + b"9" * 5000 + b"]", "Exceeds the limit"),
    ],
)
def test_what_is_no_json_is_said_in_words(content, words):
    with pytest.raises(AnswerError, match=f"here: expected JSON, got .*{words}") as caught:
        read_json(answer_of(content), where="here")
    assert "https://v.example/x" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_secrets_are_taken_out_in_every_spelling():
    text = 'a b/ä a%20b%2F%C3%A4 a+b%2F%C3%A4 A B/Ä "a b/\\u00e4"'
    assert redact(text, ["a b/ä"]) == '*** *** *** *** "***"'
    url = "https://me:pass@v.example/q?x=1&apiKey=k1&token=k2&crumb=k3#f"
    assert redact(url) == "https://***@v.example/q?x=1&apiKey=***&token=***&crumb=***"
    assert redact("Authorization: Bearer abc.def") == "Authorization: Bearer ***"
    assert redact("nothing here", ["", "abc"]) == "nothing here"


def test_an_excerpt_never_holds_half_a_secret():
    told = excerpt(b"x" * 195 + b" secret-key and more", ["secret-key"])
    assert told == "x" * 195 + " ***" + " ..."
    assert excerpt(b"a\x00\x1bb\n c") == "a??b c"
