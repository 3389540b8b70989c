"""Ask a vendor over HTTP."""

import logging
import weakref
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus

import httpcore
import httpx

from truecast import __version__
from truecast.core import clock
from truecast.core.errors import UsageError
from truecast.sources.http import waiting
from truecast.sources.http.addresses import CheckedBackend
from truecast.sources.http.body import DamagedError, TooLargeError, read_body
from truecast.sources.http.errors import (
    AccessError,
    AnswerError,
    HttpError,
    QuotaError,
    RejectedError,
    UnavailableError,
)
from truecast.sources.http.policy import Answer, Policy
from truecast.sources.http.redaction import excerpt, redact
from truecast.sources.http.retrying import persist
from truecast.sources.http.traffic import SHARED, Traffic

# Its debug log holds the headers of answers, which may echo a key.
logging.getLogger("httpcore").setLevel(logging.WARNING)

_REDIRECTS = 5
_REDIRECTED = {301, 302, 303, 307, 308}
_PASSING = {408, 429}
# What may follow a redirect to another host; the rest could be a key.
_HARMLESS = {"accept", "accept-encoding", "user-agent"}


class Client:
    """Asks a vendor, as its policy says.

    The environment's proxies are not used: they would stand between the address that is checked
    and the one that is connected to. ``httpx.Client`` is not used either, because it logs URLs
    with their keys.

    Parameters
    ----------
    policy : Policy
        How the vendor may be asked.
    traffic : Traffic
        Pace and circuit breaker of each host; that of the process unless a test gives its own.
    """

    def __init__(self, policy: Policy, traffic: Traffic = SHARED) -> None:
        self.policy = policy
        self._traffic = traffic
        self._backend = CheckedBackend()

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for a URL.

        What may pass (a timeout, a refused or broken connection, 408, 429, 5xx) is asked for
        again, after a wait that doubles, has a random part, and is never shorter than the
        vendor's ``Retry-After``.

        Parameters
        ----------
        url : str
            ``https://`` or, for a vendor that has nothing else, ``http://``.
        params : mapping of str to str
            The query, not yet escaped.
        headers : mapping of str to str
            Further headers. On a redirect to another host they are left out.

        Raises
        ------
        UnavailableError, QuotaError, AccessError, RejectedError, AnswerError
            What went wrong; see :mod:`truecast.sources.http.errors`.
        UsageError
            If it is no URL, or a header holds what no header can.
        """
        target = self._target(url, params or {})
        sent = {"user-agent": f"truecast/{__version__}", "accept-encoding": "gzip"}
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        self._check_headers(sent)
        return persist(self.policy, lambda: self._follow(target, sent))

    def redact(self, text: str) -> str:
        """Take the policy's secrets, and what usual keys hold, out of a text."""
        return redact(text, self.policy.secrets)

    def _follow(self, url: httpx.URL, headers: dict[str, str]) -> Answer:
        """Send a request and follow its redirects by hand."""
        for _ in range(_REDIRECTS + 1):
            answer = self._exchange(url, headers)
            if isinstance(answer, Answer):
                return answer
            if url.scheme == "https" and answer.scheme != "https":
                raise RejectedError(self._tell(url, f"redirected from https to {answer.scheme}"))
            if (answer.host, answer.port) != (url.host, url.port):
                headers = {name: headers[name] for name in headers if name in _HARMLESS}
            url = answer
        raise RejectedError(self._tell(url, f"redirected more than {_REDIRECTS} times"))

    def _exchange(self, url: httpx.URL, headers: dict[str, str]) -> Answer | httpx.URL:
        """Send one request, if its host is allowed and well, when its turn has come."""
        if url.scheme not in {"http", "https"} or url.host.lower() not in self.policy.hosts:
            raise RejectedError(
                self._tell(
                    url,
                    f"expected http or https to one of {', '.join(sorted(self.policy.hosts))}, "
                    f"got {url.scheme} to {url.host!r}: nothing was sent",
                )
            )
        netloc = url.netloc.decode("ascii")
        return self._traffic.let(netloc, self.policy, lambda: self._send(url, headers))

    def _send(self, url: httpx.URL, headers: dict[str, str]) -> Answer | httpx.URL:
        policy = self.policy
        self._backend.allow(policy.total_seconds)
        limits = dict.fromkeys(("connect", "read", "write", "pool"), policy.timeout_seconds)
        try:
            with self._pool.stream(
                "GET",
                httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=list(headers.items()),
                extensions={"timeout": limits},
            ) as response:
                told = {
                    name.decode("latin-1").lower(): value.decode("latin-1")
                    for name, value in response.headers
                }
                return self._judge(url, response.status, told, self._body(url, response, told))
        except httpcore.TimeoutException:
            whole = self._backend.is_over()
            over = (
                f"the answer was not complete after {policy.total_seconds:g} s"
                if whole
                else f"no answer within {policy.timeout_seconds:g} s"
            )
            raise UnavailableError(self._tell(url, over), passing=not whole) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise UnavailableError(
                self._tell(url, f"the connection failed: {error}"), passing=True
            ) from None

    def _body(self, url: httpx.URL, response: httpcore.Response, told: Mapping[str, str]) -> bytes:
        largest = self.policy.largest_bytes
        try:
            if int(told.get("content-length") or 0) > largest:
                raise TooLargeError
            return read_body(response.iter_stream(), told.get("content-encoding", ""), largest)
        except TooLargeError:
            raise AnswerError(
                self._tell(url, f"expected at most {largest} bytes, got more"),
                status=response.status,
            ) from None
        except (DamagedError, httpcore.ReadError, httpcore.ProtocolError, ValueError) as error:
            raise AnswerError(
                self._tell(url, f"the answer was cut off or damaged: {error}"),
                status=response.status,
                passing=True,
            ) from None

    def _judge(
        self, url: httpx.URL, status: int, headers: dict[str, str], content: bytes
    ) -> Answer | httpx.URL:
        if status in _REDIRECTED and headers.get("location"):
            return self._join(url, headers["location"])
        said = excerpt(content, self.policy.secrets)
        if 200 <= status < 300:
            media = headers.get("content-type", "").partition(";")[0].strip().lower()
            return Answer(
                status=status,
                content=content,
                media_type=media or "application/octet-stream",
                headers=headers,
                url=self.redact(str(url)),
                received_at=clock.now(),
                said=said,
            )
        raise self._refusal(url, status, headers, said)

    def _refusal(
        self, url: httpx.URL, status: int, headers: Mapping[str, str], said: str
    ) -> HttpError:
        """Say what a status means."""
        message = self._tell(url, f"status {status} {_phrase(status)}".rstrip(), said)
        wait = waiting.retry_after(headers)
        soon = wait is None or wait <= timedelta(seconds=self.policy.longest_wait_seconds)
        passing = soon and (status in _PASSING or status >= 500)
        kind: type[HttpError]
        if status == 429:
            asked = f"; it asks us to wait {wait.total_seconds():g} s" if wait else ""
            kind, message = QuotaError, message + asked
        elif status in {401, 403, 407}:
            kind = AccessError
        elif status >= 500 or status == 408:
            kind = UnavailableError
        else:
            kind = RejectedError if 400 <= status < 500 else AnswerError
        return kind(message, status=status, said=said, retry_after=wait, passing=passing)

    def _target(self, url: str, params: Mapping[str, str]) -> httpx.URL:
        try:
            return httpx.URL(url).copy_merge_params(dict(params))
        except httpx.InvalidURL as error:
            raise UsageError(f"{self.redact(url)} is no URL: {error}") from None

    def _join(self, url: httpx.URL, location: str) -> httpx.URL:
        try:
            return url.join(location)
        except (httpx.InvalidURL, ValueError):
            raise AnswerError(self._tell(url, "redirected to what is no URL")) from None

    def _tell(self, url: httpx.URL, what: str, said: str = "") -> str:
        """Word a message; nothing secret stays in it."""
        began = f": {said}" if said else ""
        return self.redact(f"GET {url.copy_with(fragment=None)}: {what}{began}")

    def _check_headers(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()) or value != value.strip():
                raise UsageError(
                    f"the header {name} holds a space at its end or a character that no header "
                    "can hold: look for a line break or a quotation mark in the key"
                )

    @cached_property
    def _pool(self) -> httpcore.ConnectionPool:
        pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            keepalive_expiry=30,
            network_backend=self._backend,
        )
        weakref.finalize(self, pool.close)
        return pool


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
