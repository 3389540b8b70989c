"""OANDA against a scripted server: right rows, or the right error."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from truecast.core import clock
from truecast.core.errors import UsageError
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.lake.lake import Lake
from truecast.sources.base import Payload
from truecast.sources.http import (
    AccessError,
    AnswerError,
    EmptyError,
    QuotaError,
    RejectedError,
    UnavailableError,
)
from truecast.sources.oanda.source import OandaSource, open_oanda
from vendors.candles import Oanda, asked_span, candle, document
from vendors.server import Scripted

MINUTE, HOUR, DAY = Interval("1m"), Interval("1h"), Interval("1d")
NOW = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)  # a Wednesday
TOKEN = "canary-token-1"  # noqa: S105


@pytest.fixture
def opened(vendor, monkeypatch):
    """A maker of sources that ask the scripted server."""
    monkeypatch.setenv("TRUECAST_OANDA_TOKEN", TOKEN)
    return lambda **options: open_oanda({"base_url": vendor.url, "start": "2026-03-02", **options})


def fetched(source: OandaSource, interval: Interval, since=None, now=NOW) -> list[Payload]:
    with clock.frozen_at(now):
        return list(source.fetch("EUR_USD", interval, since))


def minutes(first: datetime, count: int) -> list[datetime]:
    return [first + timedelta(minutes=place) for place in range(count)]


def test_a_page_is_asked_for_as_oanda_wants_it_and_read(vendor, opened):
    start = datetime(2026, 3, 4, 11, 59, tzinfo=UTC)
    vendor.answer(document([candle(start), candle(NOW.replace(second=0), complete=False)]))
    source = opened(start="2026-03-04")
    (payload,) = fetched(source, MINUTE)
    (asked,) = vendor.asked
    assert asked.path == "/v3/instruments/EUR_USD/candles"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.params == {
        "price": "MBA",
        "granularity": "M1",
        "from": "2026-03-04T00:00:00.000000Z",
        "to": "2026-03-04T12:00:30.000000Z",
        "includeFirst": "true",
        "dailyAlignment": "17",
        "alignmentTimezone": "America/New_York",
    }
    assert TOKEN not in str(payload.request)
    # All is said of the bars that close before the candle that is not complete.
    assert payload.covers == (datetime(2026, 3, 4, 0, 1, tzinfo=UTC), NOW)
    parsed = source.parse(payload)
    (row,) = parsed.bars.rows(named=True)
    assert parsed.notes == ("1 candle not complete yet, left out",)
    assert row["event_time"] == datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
    assert (row["row"], row["session"], row["volume"]) == (1, date(2026, 3, 4), 132.0)
    assert [row[name] for name in ("open", "high", "low", "close")] == [1.1, 1.101, 1.099, 1.1005]
    assert (row["bid_close"], row["ask_close"]) == (1.1004, 1.1006)
    assert (row["bid_high"], row["ask_low"]) == (1.1009, 1.0991)
    assert row["bid_size"] is None
    assert row["known_at"] is None


def test_only_one_side_or_both_without_the_mid(vendor, opened):
    start = datetime(2026, 3, 4, 11, 58, tzinfo=UTC)
    whole = candle(start)
    for price, left_out in (("M", ("bid", "ask")), ("BA", ("mid",))):
        vendor.answer(document([{k: v for k, v in whole.items() if k not in left_out}]))
        source = opened(price=price)
        (payload,) = fetched(source, MINUTE)
        assert vendor.asked[-1].params["price"] == price
        (row,) = source.parse(payload).bars.rows(named=True)
        assert row["close"] == pytest.approx(1.1005, abs=1e-12)
        assert (row["bid_close"] is None) == (price == "M")
        assert source.name == f"oanda-{price.lower()}"


def test_a_price_that_is_not_there_is_null(vendor, opened):
    start = datetime(2026, 3, 4, 11, 58, tzinfo=UTC)
    vendor.answer(document([candle(start) | {"mid": {"o": "1.1"}, "bid": None}]))
    source = opened()
    (row,) = source.parse(fetched(source, MINUTE)[0]).bars.rows(named=True)
    assert (row["open"], row["close"], row["bid_open"]) == (1.1, None, None)


@pytest.mark.parametrize(
    ("start", "session", "end"),
    [
        # 17:00 New York is 22:00 UTC in winter and 21:00 in summer.
        ("2026-03-05T22:00", "2026-03-06", "2026-03-06T22:00"),
        ("2026-03-08T21:00", "2026-03-09", "2026-03-09T21:00"),
        ("2026-03-07T22:00", "2026-03-08", "2026-03-08T21:00"),  # the night of the change: 23 h
        ("2026-10-29T21:00", "2026-10-30", "2026-10-30T21:00"),
        ("2026-11-01T22:00", "2026-11-02", "2026-11-02T22:00"),
        ("2026-10-31T21:00", "2026-11-01", "2026-11-01T22:00"),  # 25 h
    ],
)
def test_a_daily_candle_belongs_to_the_session_it_ends_in(vendor, opened, start, session, end):
    moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
    now = moment + timedelta(days=2)
    vendor.answer(document([candle(moment)], granularity="D"))
    source = opened(start=(moment - timedelta(days=3)).date().isoformat())
    (row,) = source.parse(fetched(source, DAY, now=now)[0]).bars.rows(named=True)
    assert row["session"] == date.fromisoformat(session)
    assert row["event_time"] == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_windows_touch_and_hold_no_more_than_oanda_allows(vendor, opened):
    step = timedelta(minutes=1)
    first = datetime(2026, 2, 16, tzinfo=UTC)
    starts = [at for at in minutes(first, 24 * 60 * 17) if at.weekday() < 5 and at < NOW]
    vendor.respond = Oanda(starts, step, NOW)
    source = opened(start="2026-02-16")
    payloads = fetched(source, MINUTE)
    spans = [asked_span(asked) for asked in vendor.asked]
    assert spans[0][0] == first
    assert spans[-1][1] == NOW
    assert all(end == start for (_, end), (start, _) in pairwise(spans))
    assert max((end - start) / step for start, end in spans) <= 5000
    assert len(payloads) == 5
    times = [at for payload in payloads for at in source.parse(payload).bars["event_time"]]
    assert times == [at + step for at in starts if at + step <= NOW]


def test_m1_over_five_years_is_asked_for_in_windows_lazily(vendor, opened):
    vendor.respond = Oanda([], timedelta(minutes=1), NOW)
    source = open_oanda({"base_url": vendor.url})
    with clock.frozen_at(NOW):
        pages = source.fetch("EUR_USD", MINUTE)
        payload = next(pages)
        next(pages)
    assert len(vendor.asked) == 2
    assert payload.covers[0] == datetime(2021, 3, 4, 0, 1, tzinfo=UTC)
    assert payload.covers[1] - payload.covers[0] == timedelta(minutes=4999)


def test_what_is_there_is_asked_for_again_a_little(vendor, opened):
    vendor.respond = Oanda([NOW - timedelta(hours=2)], timedelta(hours=1), NOW)
    fetched(opened(), HOUR, since=datetime(2026, 3, 4, 9, tzinfo=UTC))
    assert asked_span(vendor.asked[0])[0] == datetime(2026, 2, 28, tzinfo=UTC)
    fetched(opened(), DAY, since=datetime(2026, 3, 3, 22, tzinfo=UTC))
    assert asked_span(vendor.asked[1])[0] == datetime(2026, 2, 17, tzinfo=UTC)


def test_a_window_without_candles_is_an_answer_but_none_at_all_is_an_error(vendor, opened):
    vendor.respond = Oanda([datetime(2026, 3, 4, 11, tzinfo=UTC)], timedelta(minutes=1), NOW)
    source = opened(start="2026-02-27")
    sizes = [source.parse(payload).bars.height for payload in fetched(source, MINUTE)]
    assert sizes == [0, 1]
    vendor.respond = Oanda([], timedelta(minutes=1), NOW)
    with pytest.raises(EmptyError, match=r"no candles of EUR_USD .* between 2026-02-27 and"):
        fetched(source, MINUTE)


def test_a_clock_ahead_of_oandas_is_borne(vendor, opened):
    theirs = NOW - timedelta(minutes=4)
    starts = minutes(datetime(2026, 3, 4, tzinfo=UTC), 720)
    vendor.respond = Oanda(starts, timedelta(minutes=1), theirs)
    source = opened(start="2026-03-04")
    (payload,) = fetched(source, MINUTE)
    assert [asked_span(asked)[1] for asked in vendor.asked] == [NOW, NOW - timedelta(minutes=5)]
    last = source.parse(payload).bars["event_time"][-1]
    assert last == datetime(2026, 3, 4, 11, 56, tzinfo=UTC)
    assert payload.covers[1] == NOW - timedelta(minutes=4)
    vendor.respond = Oanda(starts, timedelta(minutes=1), NOW - timedelta(hours=1))
    with pytest.raises(RejectedError, match="set this machine's clock"):
        fetched(source, MINUTE)


@pytest.mark.parametrize(
    ("status", "said", "error", "advice"),
    [
        (400, "Invalid value specified for 'instrument'", RejectedError, "EUR_USD"),
        (400, "Maximum value for 'count' exceeded", RejectedError, "please report"),
        (401, "Insufficient authorization to perform request.", AccessError, "OANDA_TOKEN"),
        (403, "Forbidden", AccessError, "OANDA_LIVE"),
        (404, "no such thing", RejectedError, "EUR_USD"),
        (405, "Method not allowed", RejectedError, "please report"),
        (429, "Too many requests", QuotaError, "429"),
        (500, "oh no", UnavailableError, "500"),
    ],
)
def test_a_refusal_says_what_to_do(vendor, opened, status, said, error, advice):
    for _ in range(4 if status in (429, 500) else 1):
        vendor.answer({"errorMessage": said}, status=status)
    with pytest.raises(error, match=advice) as caught:
        fetched(opened(), MINUTE)
    assert said in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b"", AnswerError, "an empty body"),
        (b"<html>Service down</html>", AnswerError, "an HTML or XML page"),
        (b'{"instrument":"EUR_USD","candles":[{"comp', AnswerError, "JSON that is cut off"),
        (b"{}", AnswerError, "a list of candles"),
        (b"[]", AnswerError, "a list of candles"),
        (b'{"candles": null}', AnswerError, "a list of candles"),
    ],
)
def test_what_is_no_page_of_candles_is_said(vendor, opened, body, error, words):
    vendor.answer(body)
    with pytest.raises(error, match=f"OANDA candles of EUR_USD M1: .*{words}"):
        fetched(opened(), MINUTE)


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "yesterday"},
        {"time": None},
        {"complete": "yes"},
        {"volume": "many"},
        {"mid": {"o": "a", "h": "1", "l": "1", "c": "1"}},
        {"mid": "1.1"},
    ],
)
def test_a_candle_that_is_none_names_itself(vendor, opened, changes):
    start = datetime(2026, 3, 4, 11, 58, tzinfo=UTC)
    vendor.answer(document([candle(start), candle(start) | changes]))
    source = opened()
    (payload,) = fetched(source, MINUTE)
    with pytest.raises(AnswerError, match="OANDA candle 2: expected"):
        source.parse(payload)


def test_control_characters_do_no_harm(vendor, opened):
    start = datetime(2026, 3, 4, 11, 58, tzinfo=UTC)
    body = json.dumps(document([candle(start)])).replace('"EUR_USD"', '"EUR\x01_USD"')
    vendor.answer(body)
    source = opened()
    assert source.parse(fetched(source, MINUTE)[0]).bars.height == 1


def test_what_can_be_asked_for(vendor, opened, monkeypatch):
    source = opened(symbols=["XAU_USD", "EUR_USD"], calendars={"EUR_USD": "24/7"})
    assert source.symbols() == ("EUR_USD", "XAU_USD")
    assert source.instrument("EUR_USD").calendar == "24/7"
    assert source.instrument("XAU_USD").calendar == "FX"
    assert source.instrument("XAU_USD").currency == "USD"
    with pytest.raises(UnknownNameError, match="did you mean 'EUR_USD'"):
        source.instrument("EUR_USDX")
    assert opened().instrument("SPX500_USD").currency == "USD"
    with pytest.raises(UnknownNameError, match="EUR/USD"):
        opened().instrument("EUR/USD")
    with pytest.raises(UsageError, match="no candles of 7m"):
        fetched(source, Interval("7m"))
    for bad in ({"price": "X"}, {"price": "B"}, {"years": 0}, {"calendars": {"A": "XXXX"}},
                {"base_url": "ftp://x"}, {"granularity": "M1"}):  # fmt: skip
        with pytest.raises(UsageError, match=r"source\.oanda"):
            open_oanda(bad)
    with pytest.raises(UsageError, match="lies in the future"):
        fetched(opened(start="2027-01-01"), MINUTE)
    monkeypatch.setenv("TRUECAST_OANDA_LIVE", "true")
    assert opened().name == "oanda-live"
    monkeypatch.delenv("TRUECAST_OANDA_TOKEN")
    with pytest.raises(AccessError, match="TRUECAST_OANDA_TOKEN"):
        fetched(opened(), MINUTE)
    assert vendor.asked == []


def test_the_environment_is_that_of_the_settings(monkeypatch):
    asked = []

    class Spy:
        def __init__(self, base_url, _):
            asked.append(base_url)
            raise AccessError("enough")

    monkeypatch.setattr("truecast.sources.oanda.source.OandaClient", Spy)
    for live in ("false", "true"):
        monkeypatch.setenv("TRUECAST_OANDA_LIVE", live)
        with pytest.raises(AccessError):
            fetched(open_oanda({}), MINUTE)
    assert asked == ["https://api-fxpractice.oanda.com", "https://api-fxtrade.oanda.com"]


def test_an_ingest_that_fails_half_way_keeps_its_pages_and_goes_on(vendor, opened, tmp_path: Path):
    starts = [at for at in minutes(datetime(2026, 2, 16, tzinfo=UTC), 24 * 60 * 17) if at < NOW]
    server = Oanda([at for at in starts if at.weekday() < 5], timedelta(minutes=1), NOW)
    source = opened(start="2026-02-16")
    lakes = {name: Lake(str(tmp_path / name)) for name in ("undisturbed", "disturbed")}

    def ingest(name: str):
        with clock.frozen_at(NOW):
            return lakes[name].ingest(source, "EUR_USD", MINUTE)

    def bars(name: str):
        versions = lakes[name].history(source.name, "EUR_USD", MINUTE).versions
        return versions.drop("payload", "written_at")

    vendor.respond = server
    whole = ingest("undisturbed")
    assert whole.added == len([at for at in server.starts if at + server.step <= NOW])
    pages = len(vendor.asked)

    def failing(asked):
        return None if len(vendor.asked) > pages + 2 else server(asked)

    vendor.respond = failing
    with pytest.raises(UnavailableError, match="status 501"):
        ingest("disturbed")
    vendor.unexpected.clear()
    kept = bars("disturbed")
    assert kept.height == sum(
        1 for at in server.starts if at < starts[0] + timedelta(minutes=2 * 4999)
    )
    (failure,) = lakes["disturbed"].failures(source.name, "EUR_USD", MINUTE).rows(named=True)
    assert failure["error"] == "UnavailableError"
    assert failure["failed_at"] == NOW

    vendor.respond = server
    rest = ingest("disturbed")
    assert rest.added + kept.height == whole.added
    assert rest.revised == 0
    assert bars("disturbed").equals(bars("undisturbed"))


def test_a_bar_that_is_there_twice_or_was_corrected(vendor, opened, tmp_path: Path):
    first = datetime(2026, 3, 4, 9, tzinfo=UTC)
    source, lake = opened(start="2026-03-04"), Lake(str(tmp_path))
    vendor.answer(document([candle(first), candle(first), candle(first + timedelta(hours=1))]))
    with clock.frozen_at(NOW):
        told = lake.ingest(source, "EUR_USD", HOUR)
        assert (told.received, told.added, told.duplicates) == (3, 2, 1)
        vendor.answer(document([candle(first, 1.2), candle(first + timedelta(hours=1))]))
        told = lake.ingest(source, "EUR_USD", HOUR)
        assert (told.added, told.revised, told.unchanged) == (0, 1, 1)
    closes = lake.history(source.name, "EUR_USD", HOUR).versions["close"].to_list()
    assert sorted(closes) == [1.1005, 1.1005, 1.2005]


@pytest.mark.parametrize(
    "odd",
    [
        {"volume": 10**400},
        {"bid": {"o": 10**400, "h": "1", "l": "1", "c": "1"}},
        {"mid": ["1", "1", "1", "1"]},
        {"time": "0001-01-01T00:00:00.000000000Z"},
        {"time": "9999-12-31T23:59:59.000000000Z"},
        {"complete": None},
    ],
)
@pytest.mark.parametrize("interval", [MINUTE, DAY])
def test_a_candle_that_cannot_be_is_refused_by_its_number(odd, interval):
    good = [candle(datetime(2026, 3, 2, 22, minute, tzinfo=UTC)) for minute in (0, 1)]
    content = json.dumps(document([good[0], good[1] | odd])).encode()
    payload = Payload("oanda", "EUR_USD", str(interval), {}, content, "application/json", NOW)
    with pytest.raises(AnswerError, match="OANDA candle 2: expected"):
        open_oanda({}).parse(payload)


@pytest.mark.parametrize("body", ["null", "[]", "5", "{}", '{"candles": null}', '{"candles": 7}'])
def test_a_document_without_candles_is_refused_when_it_is_read(body):
    payload = Payload("oanda", "EUR_USD", "1m", {}, body.encode(), "application/json", NOW)
    with pytest.raises(AnswerError, match="EUR_USD: expected a list of candles"):
        open_oanda({}).parse(payload)


def test_an_unfinished_candle_of_no_time_is_refused_as_it_is_fetched(vendor, opened):
    odd = candle(datetime(2026, 3, 4, 12, tzinfo=UTC), complete=False, time="soon")
    vendor.respond = lambda _: Scripted(json.dumps(document([odd])).encode())
    with pytest.raises(AnswerError, match="'soon' is no time of the form"):
        fetched(opened(), MINUTE)
