"""Ask OANDA for a window of candles."""

from datetime import datetime, timedelta
from typing import Any

from truecast.core.settings import Settings
from truecast.sources.http import (
    AccessError,
    Answer,
    AnswerError,
    Client,
    Policy,
    RejectedError,
    read_json,
)

PRACTICE = "https://api-fxpractice.oanda.com"
LIVE = "https://api-fxtrade.oanda.com"
#: OANDA answers at most 5,000 candles; one less, whether or not it counts both ends.
MOST_CANDLES = 4999
# OANDA allows 100 requests a second on a kept connection.
_PER_SECOND = 20
# By how much our clock may be ahead of OANDA's.
_SKEW = timedelta(minutes=5)


class OandaClient:
    """Asks OANDA's v20 interface with the token of the settings.

    Parameters
    ----------
    base_url : str
        The environment.
    settings : Settings
        Where the token is.

    Raises
    ------
    AccessError
        If there is no token.
    """

    def __init__(self, base_url: str, settings: Settings) -> None:
        if settings.oanda_token is None or not settings.oanda_token.get_secret_value():
            raise AccessError(
                "OANDA needs a token: set TRUECAST_OANDA_TOKEN, and TRUECAST_OANDA_LIVE=true if "
                "it is one of the live environment"
            )
        token = settings.oanda_token.get_secret_value()
        self.base_url = base_url
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept-Datetime-Format": "RFC3339",
            "Accept": "application/json",
        }
        host = base_url.partition("://")[2].partition(":")[0]
        self._client = Client(Policy(frozenset({host}), _PER_SECOND, secrets=(token,)))

    def candles(
        self, symbol: str, granularity: str, price: str, start: datetime, end: datetime
    ) -> tuple[Answer, dict[str, Any], datetime]:
        """Get the candles that start from ``start`` up to ``end``.

        Returns
        -------
        answer : Answer
            What came.
        document : dict
            The same, read; its ``candles`` is a list.
        end : datetime
            Up to where it was asked: a little earlier if OANDA's clock is behind ours.

        Raises
        ------
        HttpError
            What went wrong, and what to do.
        """
        where = f"OANDA candles of {symbol} {granularity}"
        try:
            answer = self._ask(symbol, granularity, price, start, end)
        except RejectedError as error:
            if "in the future" not in error.said or end - _SKEW <= start:
                raise _explained(error, symbol) from None
            end -= _SKEW
            answer = self._again(symbol, granularity, price, start, end)
        except AccessError as error:
            raise AccessError(
                f"{error}; expected a valid token in TRUECAST_OANDA_TOKEN, and "
                "TRUECAST_OANDA_LIVE=true if it is one of the live environment",
                status=error.status,
                said=error.said,
            ) from None
        document = read_json(answer, where=where)
        if not isinstance(document, dict) or not isinstance(document.get("candles"), list):
            raise AnswerError(
                f"{where}: expected a document with a list of candles, got {answer.said!r}",
                status=answer.status,
                said=answer.said,
            )
        return answer, document, end

    def _again(
        self, symbol: str, granularity: str, price: str, start: datetime, end: datetime
    ) -> Answer:
        try:
            return self._ask(symbol, granularity, price, start, end)
        except RejectedError as error:
            raise _explained(error, symbol) from None

    def _ask(
        self, symbol: str, granularity: str, price: str, start: datetime, end: datetime
    ) -> Answer:
        params = {
            "price": price,
            "granularity": granularity,
            "from": _text(start),
            "to": _text(end),
            # Each window begins where the one before ended: no candle falls between them.
            "includeFirst": "true",
            "dailyAlignment": "17",
            "alignmentTimezone": "America/New_York",
        }
        url = f"{self.base_url}/v3/instruments/{symbol}/candles"
        return self._client.get(url, params, self._headers)


def _explained(error: RejectedError, symbol: str) -> RejectedError:
    """Say what to do about a request that OANDA refuses."""
    advice = "this is a fault of Truecast unless OANDA has changed: please report it"
    if "instrument" in error.said or error.status == 404:
        advice = f"is {symbol} an instrument of your account? Write it as OANDA does: EUR_USD"
    elif "in the future" in error.said:
        advice = "set this machine's clock: it is more than 5 minutes ahead of OANDA's"
    return RejectedError(f"{error}; {advice}", status=error.status, said=error.said)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
