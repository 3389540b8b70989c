"""Get the bytes of a feed."""

import re

from truecast.sources.http import Answer, AnswerError, Client, Policy
from truecast.sources.options import host_of
from truecast.sources.rss.options import RssOptions

_ENDS = re.compile(rb"</(?:\w+:)?(?:rss|feed|rdf)\s*>\s*(?:<!--.*?-->\s*)*$", re.I | re.S)
_BEGINS = re.compile(rb"<(?:\w+:)?(?:rss|feed|rdf)[\s>]", re.I)


class RssClient:
    """Asks for feeds.

    Parameters
    ----------
    options : RssOptions
        Which feeds, and how often to ask.
    """

    def __init__(self, options: RssOptions) -> None:
        self._client = Client(
            Policy(
                hosts=frozenset(host_of(url) for url in options.feeds.values()),
                per_second=1 / options.seconds_between_requests,
                attempts=3,
                breaker_failures=3,
            )
        )

    def ask(self, url: str) -> Answer:
        """Ask for a feed.

        Raises
        ------
        HttpError
            If it cannot be had; ``AnswerError`` if what came is no feed, or not all of one.
        """
        accepted = "application/rss+xml, application/atom+xml, application/xml, text/xml"
        answer = self._client.get(url, headers={"accept": accepted})
        check_feed(answer.content, f"the feed {answer.url}")
        return answer


def check_feed(content: bytes, where: str) -> None:
    """Refuse what is no feed, or not all of one.

    Raises
    ------
    AnswerError
        If it is so; the message says how it begins.
    """
    plain = content.replace(b"\x00", b"")  # UTF-16 has one beside each letter
    if not _BEGINS.search(plain[:65536]):
        began = " ".join(plain[:200].decode("utf-8", "replace").split())
        raise AnswerError(
            f"{where}: expected an RSS or Atom feed, got {began[:80]!r}; "
            "see that the address is that of the feed, and not of a page"
        )
    if not _ENDS.search(plain[-4096:]):
        raise AnswerError(f"{where}: the feed is cut off after {len(content)} bytes; try again")
