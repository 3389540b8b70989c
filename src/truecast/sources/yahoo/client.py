"""Ask Yahoo for prices through yfinance, and keep Yahoo's own document.

yfinance knows how to be let in (cookie, consent, crumb). Its table is not used: the chart document
that it asked for is read by :mod:`.parse` instead.
"""

import atexit
import logging
import shutil
import tempfile
import threading
import warnings
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from truecast.core.interval import Interval
from truecast.sources.base import SourceError
from truecast.sources.http import (
    AccessError,
    Answer,
    AnswerError,
    EmptyError,
    HttpError,
    Policy,
    QuotaError,
    RejectedError,
    UnavailableError,
)
from truecast.sources.http.reading import parse_json
from truecast.sources.http.redaction import excerpt, redact
from truecast.sources.http.retrying import persist
from truecast.sources.http.traffic import SHARED
from truecast.sources.http.waiting import retry_after

if TYPE_CHECKING:
    from truecast.sources.yahoo.session import ChartSession

# yfinance keeps cookie and crumb in one place for the whole process.
_ONE_AT_A_TIME = threading.Lock()
_PER_SECOND = 1.0
_LONGEST_WAIT = timedelta(minutes=2)
_HOST = "query2.finance.yahoo.com"


class YahooClient:
    """Asks Yahoo for chart documents.

    Parameters
    ----------
    base_url : str or None
        Where to ask instead of Yahoo's hosts.
    """

    def __init__(self, base_url: str | None) -> None:
        host = urlsplit(base_url).netloc if base_url else _HOST
        self._base_url, self._host = base_url, host
        self._policy = Policy(frozenset({host}), _PER_SECOND, timeout_seconds=30)

    def chart(
        self, symbol: str, interval: Interval, zone: str, start: datetime, end: datetime
    ) -> Answer:
        """Get the document of a symbol's bars that start from ``start`` up to ``end``.

        Parameters
        ----------
        symbol, interval : str, Interval
            What to get.
        zone : str
            Time zone of its exchange: yfinance asks Yahoo for it otherwise.
        start, end : datetime
            The span, UTC; ``end`` is excluded.

        Raises
        ------
        EmptyError
            If Yahoo knows the symbol and has no bar in the span.
        RejectedError
            If Yahoo does not know the symbol, or does not give that span of that interval.
        HttpError
            What else went wrong.
        """
        where = f"Yahoo {interval} bars of {symbol} from {start:%Y-%m-%d} to {end:%Y-%m-%d}"

        def ask() -> Answer:
            with _ONE_AT_A_TIME:
                return _judged(self._ask(symbol, interval, zone, start, end, where), where)

        return persist(self._policy, lambda: SHARED.let(self._host, self._policy, ask))

    def _ask(
        self,
        symbol: str,
        interval: Interval,
        zone: str,
        start: datetime,
        end: datetime,
        where: str,
    ) -> Answer:
        """Let yfinance ask; what it makes of an answer that came does not matter."""
        yfinance = _library()
        session = _session(self._policy, self._base_url)
        session.forget()
        yfinance.data.YfData.cache_get.cache_clear()
        yfinance.cache.get_tz_cache().store(symbol, zone)
        problem: Exception | None = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # raise_errors has a successor in a later yfinance
                yfinance.Ticker(symbol, session=session).history(
                    start=start, end=end, interval=str(interval), auto_adjust=False,
                    actions=True, raise_errors=True, timeout=self._policy.timeout_seconds,
                )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - told apart just below
            problem = error
        if isinstance(problem, HttpError):
            raise problem
        broken = isinstance(problem, OSError) and not isinstance(problem, ValueError)
        if session.chart is None or broken:  # every error of curl is an OSError
            raise _failure(problem, where)
        return session.chart


def _failure(problem: Exception | None, where: str) -> HttpError | SourceError:
    """Say why there is no answer about prices."""
    from curl_cffi.requests import exceptions

    told = redact(f"{where}: {problem}")
    kind = type(problem).__name__
    if kind == "YFRateLimitError":
        return QuotaError(told, passing=True)
    if isinstance(problem, exceptions.IncompleteRead | exceptions.ChunkedEncodingError):
        return AnswerError(f"{told} (the answer was cut off)", passing=True)
    if isinstance(problem, OSError):
        return UnavailableError(told, passing=True)
    return SourceError(f"{told} ({kind} in yfinance): expected an answer about prices")


def _judged(chart: Answer, where: str) -> Answer:
    """Return an answer that holds bars; say what any other is."""
    said = excerpt(chart.content)
    told = f"{where}: status {chart.status}: {said}"
    wait = retry_after(chart.headers)
    soon = wait is None or wait <= _LONGEST_WAIT
    if chart.status == 429 or said.lower().startswith("too many requests"):
        asked = f"; it asks us to wait {wait.total_seconds():g} s" if wait else ""
        raise QuotaError(
            told + asked, status=chart.status, said=said, retry_after=wait, passing=soon
        )
    if chart.status >= 500:
        raise UnavailableError(told, status=chart.status, said=said, retry_after=wait, passing=soon)
    try:
        document = parse_json(chart.content)
    except ValueError as error:
        if chart.status < 400:
            raise AnswerError(
                f"{where}: expected JSON, got {error}; it begins {said!r}; try again later",
                status=chart.status,
                said=said,
                passing="cut off" in str(error),
            ) from None
        document = None
    raise_for = _refusal(document, chart.status, told, said)
    if raise_for is not None:
        raise raise_for
    return chart


def _refusal(document: Any, status: int, told: str, said: str) -> HttpError | None:
    """Say why a document holds no bars, None if it does."""
    parts = document if isinstance(document, dict) else {}
    chart = parts.get("chart") or parts.get("finance")
    chart = chart if isinstance(chart, dict) else {}
    error = chart.get("error")
    error = error if isinstance(error, dict) else {}
    code, reason = str(error.get("code", "")), str(error.get("description", ""))
    about: dict[str, Any] = {"status": status, "said": said}
    if status in {401, 403} or code == "Unauthorized":
        return AccessError(f"{told}; Yahoo does not let us in: try again later", **about)
    if "Data doesn't exist" in reason:
        return EmptyError(f"{told}; Yahoo knows the symbol and has nothing of that time", **about)
    if code == "Not Found" or status == 404:
        return RejectedError(f"{told}; Yahoo does not know the symbol: look for another", **about)
    if error or status >= 400:
        return RejectedError(f"{told}; Yahoo refuses the request", **about)
    results = chart.get("result")
    if not isinstance(results, list) or not results or not isinstance(results[0], dict):
        return AnswerError(f"{told}; expected a chart with a result", **about)
    if not results[0].get("timestamp"):
        return EmptyError(f"{told}; Yahoo knows the symbol and has nothing of that time", **about)
    return None


@cache
def _library() -> Any:
    """Import yfinance, which takes a second, and keep what it stores out of the user's home."""
    import yfinance
    import yfinance.cache
    import yfinance.data

    folder = tempfile.mkdtemp(prefix="truecast-yfinance-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    yfinance.cache.set_cache_location(folder)
    logging.getLogger("yfinance").setLevel(logging.ERROR)  # it tells crumbs and URLs
    return yfinance


@cache
def _session(policy: Policy, base_url: str | None) -> "ChartSession":
    from truecast.sources.yahoo.session import ChartSession

    return ChartSession(policy, base_url)
