"""Write a query that GDELT understands, or say before asking why it would not."""

import re
from collections.abc import Sequence

_PHRASE = re.compile(r'"([^"]*)"')


def check_query(query: str) -> str:
    """Return a query with single spaces.

    Raises
    ------
    ValueError
        If quotation marks or brackets do not match, ``OR`` stands outside brackets, or a phrase
        is too short for GDELT.
    """
    text = " ".join(query.split())
    if text.count('"') % 2:
        raise ValueError(f"a quotation mark is missing in {text!r}")
    for phrase in _PHRASE.findall(text):
        if len(phrase.split()) < 2 or len(phrase) < 5:
            raise ValueError(
                f'the phrase "{phrase}" is too short for GDELT: write a single or short word '
                "without quotation marks"
            )
    _check_brackets(_PHRASE.sub("phrase", text), text)
    return text


def write_query(query: str, domains: Sequence[str], language: str | None) -> str:
    """Return a query with what narrows it down.

    Examples
    --------
    >>> write_query("(gold OR bullion)", ["reuters.com", "ft.com"], "english")
    '(gold OR bullion) (domainis:reuters.com OR domainis:ft.com) sourcelang:english'
    """
    sites = [f"domainis:{domain}" for domain in domains]
    narrowed = f"({' OR '.join(sites)})" if len(sites) > 1 else "".join(sites)
    spoken = f"sourcelang:{language}" if language else ""
    return " ".join(part for part in (query, narrowed, spoken) if part)


def _check_brackets(bare: str, shown: str) -> None:
    depth = 0
    for word in re.findall(r"[()]|[^()\s]+", bare):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth < 0:
            break
        if word == "OR" and depth == 0:
            raise ValueError(
                f"GDELT wants brackets around OR, such as (gold OR silver), in {shown!r}"
            )
    if depth:
        raise ValueError(f"the brackets in {shown!r} do not match")
