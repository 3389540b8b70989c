"""Read an answer as JSON, or say what it is instead."""

import json
import re
from typing import Any

from truecast.sources.http.errors import AnswerError
from truecast.sources.http.policy import Answer

# Characters that JSON allows nowhere. Tab and line breaks it allows between values.
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def read_json(answer: Answer, *, where: str) -> Any:
    """Read an answer as JSON.

    Control characters that JSON does not allow, which some vendors let through from the text of
    others, are left out.

    Parameters
    ----------
    answer : Answer
        What came.
    where : str
        What was asked, for the message, such as ``OANDA candles of EUR_USD``.

    Raises
    ------
    AnswerError
        If it is empty, an HTML page, cut off, or not JSON for another reason.
    """
    try:
        return parse_json(answer.content)
    except ValueError as error:
        began = f"; it begins {answer.said!r}" if answer.said else ""
        raise AnswerError(
            f"{where}: expected JSON, got {error} ({answer.media_type}, {len(answer.content)} "
            f"bytes, status {answer.status} from {answer.url}){began}; try again later",
            status=answer.status,
            said=answer.said,
        ) from None


def read_kept(content: bytes, *, where: str) -> Any:
    """Read a payload that was kept as :func:`read_json` reads an answer.

    Raises
    ------
    AnswerError
        If it is not JSON.
    """
    try:
        return parse_json(content)
    except ValueError as error:
        raise AnswerError(f"{where}: expected JSON, got {error}") from None


def parse_json(content: bytes) -> Any:
    """Read bytes as JSON as :func:`read_json` does.

    Raises
    ------
    ValueError
        If they are not JSON; the message says in words what they are, and quotes nothing.
    """
    if not content.strip():
        raise ValueError("an empty body")
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise ValueError("an HTML or XML page")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"bytes that are not UTF-8 text, the first at {error.start}") from None
    try:
        return _parsed(text)
    except json.JSONDecodeError:
        return _parsed_leniently(text)


def _parsed_leniently(text: str) -> Any:
    try:
        return _parsed(_ILLEGAL.sub("", text), strict=False)
    except json.JSONDecodeError as error:
        cut = "Unterminated" in error.msg or error.pos >= len(error.doc.rstrip())
        what = "JSON that is cut off" if cut else "text that is not JSON"
        raise ValueError(f"{what} at character {error.pos} of {len(error.doc)}") from None


def _parsed(text: str, *, strict: bool = True) -> Any:
    try:
        return json.loads(text, strict=strict)
    except RecursionError:
        raise ValueError("JSON that is nested too deep") from None
