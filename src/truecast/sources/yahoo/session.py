"""The session that yfinance asks through: Yahoo's hosts alone, and what came is kept.

Yahoo turns away clients that do not greet like a browser, so requests go out by curl_cffi and not
by :mod:`truecast.sources.http`. The same is checked: the host, each redirect, every address that
the host resolves to, the size as decompressed, and the time in all. curl is told to connect to the
addresses that were checked and to use no proxy. What differs: curl follows its own order among
these addresses, and one time covers a request from connecting to the last byte.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from curl_cffi import CurlOpt
from curl_cffi.const import CurlECode
from curl_cffi.requests import RequestsError, Response, Session

from truecast.core import clock
from truecast.sources.http import Answer, AnswerError, RejectedError
from truecast.sources.http.addresses import places_of
from truecast.sources.http.policy import Policy

#: The hosts that yfinance asks for cookie, crumb, consent and prices.
HOSTS = frozenset(
    f"{name}.yahoo.com"
    for name in ("query1.finance", "query2.finance", "finance", "fc", "guce", "consent")
)
_CHART = "/v8/finance/chart/"
_REDIRECTED = {301, 302, 303, 307, 308}
_REDIRECTS = 5
_STOP = 0xFFFFFFFF  # CURL_WRITEFUNC_ERROR


class ChartSession(Session[Response]):
    """A browser-like session for yfinance.

    Parameters
    ----------
    policy : Policy
        Time and size.
    base_url : str or None
        Where to ask instead of all of Yahoo's hosts.

    Attributes
    ----------
    chart : Answer or None
        The last answer about prices, with any status; its ``url`` is without the crumb.
    """

    def __init__(self, policy: Policy, base_url: str | None) -> None:
        super().__init__(impersonate="chrome", trust_env=False)
        self._policy, self._instead = policy, base_url
        self.chart: Answer | None = None

    def forget(self) -> None:
        """Forget the last answer about prices."""
        self.chart = None

    def request(self, method: str, url: str, **options: Any) -> Response:  # type: ignore[override]
        """Send a request for yfinance, and follow its redirects by hand."""
        options |= {"timeout": self._policy.timeout_seconds, "allow_redirects": False}
        for _ in range(_REDIRECTS + 1):
            answer = self._send(method, url, options)
            target = answer.headers.get("location")
            if answer.status_code not in _REDIRECTED or not target:
                return answer
            url, method = urljoin(url, target), "GET"
            options = {name: options[name] for name in ("timeout", "allow_redirects")}
        raise RejectedError(f"{urlsplit(url).hostname} redirected more than {_REDIRECTS} times")

    def _send(self, method: str, url: str, options: dict[str, Any]) -> Response:
        there, host, port = self._allowed(url)
        self.curl_options: dict[CurlOpt, Any] = {
            CurlOpt.NOPROXY: b"*",
            CurlOpt.PROTOCOLS_STR: b"http,https",
            CurlOpt.RESOLVE: _pinned(host, port),
        }
        body, keep = self._collector()
        try:
            answer = super().request(method, there, content_callback=keep, **options)  # type: ignore[arg-type]
        except RequestsError as error:
            if error.code == CurlECode.WRITE_ERROR:
                raise AnswerError(
                    f"{host}: expected at most {self._policy.largest_bytes} bytes, got more"
                ) from None
            raise
        answer.content = bytes(body)
        answer.url = url  # what yfinance takes for consent pages, wherever it was asked
        path = urlsplit(url).path
        if path.startswith(_CHART):
            self.chart = _chart(url, options.get("params") or {}, answer)
        return answer

    def _allowed(self, url: str) -> tuple[str, str, int]:
        """Return where to ask, its host and port, if that is allowed."""
        parts = urlsplit(url)
        mine = urlsplit(self._instead) if self._instead else None
        known = parts.hostname in HOSTS and parts.scheme == "https"
        if not known and not (mine and parts.netloc == mine.netloc):
            raise RejectedError(
                f"expected https to one of {', '.join(sorted(HOSTS))}, got {parts.scheme} to "
                f"{parts.hostname!r}: nothing was sent"
            )
        if mine:
            parts = parts._replace(scheme=mine.scheme, netloc=mine.netloc)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return urlunsplit(parts), str(parts.hostname), port

    def _collector(self) -> tuple[bytearray, Callable[[bytes], int]]:
        body = bytearray()

        def keep(part: bytes) -> int:
            body.extend(part)
            return len(part) if len(body) <= self._policy.largest_bytes else _STOP

        return body, keep


def _pinned(host: str, port: int) -> list[str]:
    """Tell curl the addresses of a host, once all are checked."""
    try:
        places = places_of(host, port)
    except (OSError, UnicodeError) as error:
        raise ConnectionError(f"{host} cannot be resolved: {error}") from None
    texts = [str(address[0]).partition("%")[0] for _, address in places]
    return [f"{host}:{port}:{','.join(f'[{text}]' if ':' in text else text for text in texts)}"]


def _chart(url: str, params: dict[str, Any], answer: Response) -> Answer:
    query = "&".join(f"{name}={value}" for name, value in params.items() if name != "crumb")
    headers = {name.lower(): str(value) for name, value in answer.headers.items()}
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    return Answer(
        status=answer.status_code,
        content=answer.content,
        media_type=media or "application/octet-stream",
        headers=headers,
        url=f"{url}?{query}",
        received_at=clock.now(),
    )
