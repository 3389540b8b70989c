"""Yahoo through yfinance against a scripted server: right rows, or the right error."""

import json
import logging
import socket
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import exchange_calendars
import pytest
import yfinance.cache

from truecast.core import clock
from truecast.core.errors import UsageError
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.lake.lake import Lake
from truecast.sources.base import Payload, SourceError
from truecast.sources.http import (
    AccessError,
    AnswerError,
    EmptyError,
    QuotaError,
    RejectedError,
    UnavailableError,
    waiting,
)
from truecast.sources.yahoo import client, options
from truecast.sources.yahoo.source import YahooSource, open_yahoo
from vendors.charts import Yahoo, chart, refusal
from vendors.server import Scripted

DAILY = Interval("1d")
NOW = datetime(2026, 3, 4, 22, tzinfo=UTC)  # a Wednesday, an hour after the close
DAYS = ["2026-03-02T14:30", "2026-03-03T14:30", "2026-03-04T14:30"]


@pytest.fixture
def opened(vendor):
    """A maker of sources that ask the scripted server, which answers with a document."""

    def make(answer=None, **options) -> YahooSource:
        if answer is not None:
            vendor.respond = answer if isinstance(answer, Yahoo) else Yahoo(answer)
        return open_yahoo({"base_url": vendor.url, **options})

    return make


def fetched(source, symbol="AAPL", interval=DAILY, since=None, now=NOW) -> Payload:
    with clock.frozen_at(now):
        (payload,) = source.fetch(symbol, interval, since)
    return payload


def parsed(document: dict, symbol="AAPL", interval=DAILY, **options):
    """What a document says, without a server."""
    body = json.dumps(document).encode()
    payload = Payload("yahoo", symbol, str(interval), {"url": "x"}, body, "application/json", NOW)
    return open_yahoo(options).parse(payload)


def test_a_document_is_asked_for_kept_and_read(vendor, opened, caplog):
    caplog.set_level(logging.DEBUG)
    yahoo = Yahoo(chart(DAYS, [100.0, 101.0, 102.0]))
    source = opened(yahoo, start="2026-03-01")
    payload = fetched(source)
    (asked,) = yahoo.charts
    assert asked.path == "/v8/finance/chart/AAPL"
    assert asked.params["period1"] == str(int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()))
    assert asked.params["period2"] == str(int(NOW.timestamp()))
    assert asked.params["interval"] == "1d"
    assert asked.params["events"] == "div,splits,capitalGains"
    assert json.loads(payload.content) == yahoo.answer
    assert payload.media_type == "application/json"
    assert (payload.received_at, payload.covers[1]) == (NOW, NOW)
    assert payload.request["url"].startswith("https://query2.finance.yahoo.com/v8/finance/chart/A")
    assert "canary" not in str(payload.request) + caplog.text
    rows = source.parse(payload).bars.rows(named=True)
    assert [row["session"] for row in rows] == [date(2026, 3, day) for day in (2, 3, 4)]
    assert rows[2]["event_time"] == datetime(2026, 3, 4, 21, tzinfo=UTC)
    assert [rows[2][n] for n in ("row", "open", "high", "low", "close", "volume")] == [
        *(3, 101.5, 102.25, 101.25, 102.0, 1000.0)
    ]


@pytest.mark.parametrize("symbol", ["^GSPC", "GC=F", "BRK-B", "VOD.L", "EURUSD=X", "BTC-USD"])
def test_symbols_with_signs_reach_yahoo_whole(opened, symbol):
    yahoo = Yahoo(chart(DAYS, [1.0, 1.0, 1.0]))
    fetched(opened(yahoo), symbol)
    (asked,) = yahoo.charts
    assert (
        asked.path.removeprefix("/v8/finance/chart/").replace("%5E", "^").replace("%3D", "=")
        == symbol
    )


def test_splits_and_dividends_are_undone_and_told():
    events = {
        "dividends": {"1": {"amount": 0.5, "date": 1772548200}},  # 2026-03-03 14:30
        "splits": {
            "1": {"date": 1772634600, "numerator": 4, "denominator": 1, "splitRatio": "4:1"}
        },
    }
    said = parsed(chart(DAYS, [100.0, 101.0, 102.0], events=events, adjusted=[99.5, 101.0, 102.0]))
    assert said.bars["close"].to_list() == [400.0, 404.0, 102.0]
    assert said.bars["volume"].to_list() == [250.0, 250.0, 1000.0]
    actions = said.actions.select("session", "kind", "value").rows()
    assert actions == [(date(2026, 3, 3), "dividend", 2.0), (date(2026, 3, 4), "split", 4.0)]


def test_several_events_of_a_day_and_one_without_a_bar():
    at = {"date": 1772548200}  # 2026-03-03 14:30
    events = {
        "dividends": {"1": {"amount": 0.5, **at}, "2": {"amount": 0.25, **at}},
        "capitalGains": {"1": {"amount": 1.0, **at}},
        "splits": {"1": {"numerator": 2, "denominator": 1, "date": 1772721000}},  # the 5th
    }
    said = parsed(chart(DAYS, [100.0, 101.0, 102.0], events=events))
    assert said.bars.height == 3
    assert said.bars["close"].to_list() == [200.0, 202.0, 204.0]
    found = {(kind, value) for kind, value in said.actions.select("kind", "value").rows()}
    assert found >= {("split", 2.0)}
    assert "1 days with a split or dividend have no bar" in said.notes


def test_a_row_without_prices_stays_a_row_and_is_kept_out(opened, tmp_path: Path):
    source = opened(chart(DAYS, [100.0, None, 102.0]))
    assert source.parse(fetched(source)).bars["close"].to_list() == [100.0, None, 102.0]
    with clock.frozen_at(NOW):
        told = Lake(str(tmp_path)).ingest(source, "AAPL", DAILY)
    assert (told.added, told.quarantined) == (2, {"missing_close": 1})


def test_the_bar_of_a_session_that_is_open_is_kept_out_until_it_is_whole(opened, tmp_path: Path):
    lake = Lake(str(tmp_path))
    for now, closes, added, kept_out in (
        (datetime(2026, 3, 4, 18, tzinfo=UTC), [100.0, 101.0, 99.0], 2, {"not_yet_closed": 1}),
        (NOW, [100.0, 101.5, 102.0], 1, {}),
    ):
        source = opened(chart(DAYS, closes))
        with clock.frozen_at(now):
            told = lake.ingest(source, "AAPL", DAILY)
        assert (told.added, told.quarantined) == (added, kept_out)
    assert told.revised == 1
    last = lake.history("yahoo", "AAPL", DAILY).versions.filter(session=date(2026, 3, 4))
    assert last["close"].to_list() == [102.0]


@pytest.mark.parametrize(
    ("stamp", "session", "close"),
    [
        ("2026-03-06T14:30", "2026-03-06", "2026-03-06T21:00"),
        ("2026-03-09T13:30", "2026-03-09", "2026-03-09T20:00"),  # summer time from the 8th
        ("2026-10-30T13:30", "2026-10-30", "2026-10-30T20:00"),
        ("2026-11-02T14:30", "2026-11-02", "2026-11-02T21:00"),  # winter time from the 1st
        ("2026-11-27T14:30", "2026-11-27", "2026-11-27T18:00"),  # half a day
    ],
)
def test_days_close_by_the_clock_of_their_exchange(stamp, session, close):
    (row,) = parsed(chart([stamp], [100.0])).bars.rows(named=True)
    assert row["session"] == date.fromisoformat(session)
    assert row["event_time"] == datetime.fromisoformat(close).replace(tzinfo=UTC)


def test_the_last_bar_of_a_session_ends_with_it():
    stamps = ["2026-11-27T16:30", "2026-11-27T17:30", "2026-11-30T20:30"]
    rows = parsed(chart(stamps, [1.0, 2.0, 3.0]), interval=Interval("1h")).bars
    assert [str(at)[:16] for at in rows["event_time"]] == [
        *("2026-11-27 17:30", "2026-11-27 18:00", "2026-11-30 21:00")
    ]
    assert rows["session"].to_list() == [*[date(2026, 11, 27)] * 2, date(2026, 11, 30)]


def test_a_day_of_a_currency_ends_in_london():
    meta = {"exchangeName": "CCY", "exchangeTimezoneName": "Europe/London"}
    stamps = ["2026-03-10T00:00", "2026-06-09T23:00", "2026-01-12T23:00"]
    rows = parsed(chart(stamps, [1.0, 1.1, 1.2], **meta), "EURUSD=X").bars
    assert rows["session"].to_list() == [
        *(date(2026, 3, 10), date(2026, 6, 10), date(2026, 1, 13))  # the last is an hour early
    ]
    assert [str(at)[:16] for at in rows["event_time"]] == [
        *("2026-03-11 00:00", "2026-06-10 23:00", "2026-01-14 00:00")
    ]


def test_pence_are_told_and_kept():
    meta = {"currency": "GBp", "exchangeName": "LSE", "exchangeTimezoneName": "Europe/London"}
    said = parsed(chart(["2026-03-02T08:00"], [7500.0], **meta), "VOD.L")
    assert said.bars["close"].to_list() == [7500.0]
    assert any("GBp" in note for note in said.notes)
    assert open_yahoo({}).instrument("VOD.L").currency == "GBp"


def test_another_exchange_than_the_calendars_is_refused():
    document = chart(DAYS, [1.0, 1.0, 1.0], exchangeName="LSE")
    with pytest.raises(SourceError, match=r"calendars to \{AAPL: XLON\}"):
        parsed(document)
    assert parsed(document, calendars={"AAPL": "XNYS"}).bars.height == 3
    said = parsed(chart(DAYS, [1.0, 1.0, 1.0], exchangeName="QQQ"))
    assert "Yahoo's exchange QQQ is not known; read as XNYS" in said.notes


@pytest.mark.parametrize(
    ("symbol", "calendar"),
    [
        ("AAPL", "XNYS"), ("BRK-B", "XNYS"), ("^GSPC", "XNYS"), ("VOD.L", "XLON"),
        ("SAP.DE", "XETR"), ("AIR.PA", "XPAR"), ("7203.T", "XTKS"), ("0700.HK", "XHKG"),
        ("EURUSD=X", "FX"), ("JPY=X", "FX"), ("BTC-USD", "24/7"), ("GC=F", "CMES"),
        ("^FTSE", "XLON"), ("^N225", "XTKS"),
    ],
)  # fmt: skip
def test_a_symbol_says_its_calendar(symbol, calendar):
    assert open_yahoo({}).instrument(symbol).calendar == calendar


def test_every_calendar_that_is_implied_exists():
    named = {calendar for calendar, _ in (*options._SUFFIXES.values(), *options._INDICES.values())}
    named |= set(options.EXCHANGES.values())
    assert named <= {"FX", "24/7", *exchange_calendars.get_calendar_names(include_aliases=False)}


def test_what_can_be_asked_for(opened):
    source = opened(symbols=["GC=F", "AAPL"], may_be_negative=["GC=F"], publication_delay="1h")
    assert source.symbols() == ("AAPL", "GC=F")
    assert source.instrument("GC=F").may_be_negative
    assert not source.instrument("AAPL").may_be_negative
    assert source.instrument("AAPL").publication_delay == timedelta(hours=1)
    assert open_yahoo({}).instrument("AAPL").publication_delay == timedelta(minutes=15)
    with pytest.raises(UnknownNameError, match="did you mean 'AAPL'"):
        source.instrument("AAPX")
    for bad in ("aapl", "../x", "A#/../", "US0378331005", "A\x00", "", "A" * 40):
        with pytest.raises(UnknownNameError):
            open_yahoo({}).instrument(bad)
    with pytest.raises(UsageError, match=r"source\.yahoo\.calendars"):
        open_yahoo({}).instrument("ABC.XX")
    assert open_yahoo({"calendars": {"ABC.XX": "XNYS"}}).instrument("ABC.XX").calendar == "XNYS"
    for wrong in ({"calendars": {"A": "XXXX"}}, {"base_url": "x"}, {"period": "max"}):
        with pytest.raises(UsageError, match=r"source\.yahoo"):
            open_yahoo(wrong)
    with pytest.raises(UsageError, match="take 15m"):
        fetched(opened(), interval=Interval("30m"))
    with pytest.raises(UsageError, match="lies in the future"):
        fetched(opened(start="2027-01-01"))


@pytest.mark.parametrize(
    ("interval", "since", "start", "gap"),
    [
        ("1d", None, "1925-01-01T00:00", False),
        ("1d", "2026-03-03T21:00", "2026-02-10T21:00", False),
        ("1m", None, "2026-02-25T22:05", False),
        ("5m", None, "2026-01-03T22:05", False),
        ("1h", None, "2024-03-04T22:05", False),
        ("1m", "2026-03-03T21:00", "2026-02-28T21:00", False),
        ("1m", "2026-02-02T21:00", "2026-02-25T22:05", True),
    ],
)
def test_it_asks_as_far_back_as_yahoo_gives(opened, interval, since, start, gap):
    yahoo = Yahoo(chart(DAYS, [1.0, 1.0, 1.0]))
    source = opened(yahoo)
    moment = datetime.fromisoformat(since).replace(tzinfo=UTC) if since else None
    payload = fetched(source, interval=Interval(interval), since=moment)
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert yahoo.charts[0].params["period1"] == str(int(begin.timestamp()))
    assert any("some are lost" in note for note in source.parse(payload).notes) == gap


def answer(body: bytes | str | dict, status=200, **about) -> Scripted:
    body = json.dumps(body) if isinstance(body, dict) else body
    return Scripted(body.encode() if isinstance(body, str) else body, status=status, **about)


NOT_FOUND = refusal("Not Found", "No data found, symbol may be delisted")
NO_DATES = refusal("Bad Request", "Data doesn't exist for startDate = 1, endDate = 2")
TOO_FAR = refusal("Unprocessable Entity", "The requested range must be within the last 60 days.")
UNAUTHORIZED = {"finance": {"result": None, "error": {"code": "Unauthorized", "description": "x"}}}
EMPTY = chart([], [])
BARE = {"chart": {"result": [{"meta": EMPTY["chart"]["result"][0]["meta"], "indicators": {
    "quote": [{}], "adjclose": [{}]}}], "error": None}}  # fmt: skip


@pytest.mark.parametrize(
    ("scripted", "error", "words"),
    [
        (answer(NOT_FOUND, 404), RejectedError, "does not know the symbol"),
        (answer(NOT_FOUND), RejectedError, "does not know the symbol"),
        (answer(NO_DATES, 400), EmptyError, "has nothing of that time"),
        (answer(EMPTY), EmptyError, "has nothing of that time"),
        (answer(BARE), EmptyError, "has nothing of that time"),
        (answer(TOO_FAR, 422), RejectedError, "within the last 60 days"),
        (answer(UNAUTHORIZED, 401), AccessError, "does not let us in"),
        (answer("Forbidden", 403), AccessError, "does not let us in"),
        (answer("Too Many Requests\r\n", 429), QuotaError, "status 429"),
        (answer("", 429, headers={"Retry-After": "900"}), QuotaError, "wait 900 s"),
        (answer("Too Many Requests"), QuotaError, "Too Many Requests"),
        (answer("Will be right back", 503), UnavailableError, "status 503"),
        (answer("<html>Will be right back</html>"), AnswerError, "an HTML or XML page"),
        (answer(json.dumps(chart(DAYS, [1.0, 1.0, 1.0]))[:300]), AnswerError, "cut off"),
        (answer(""), AnswerError, "an empty body"),
        (answer("{}"), AnswerError, "a chart with a result"),
        (answer("[]"), AnswerError, "a chart with a result"),
        (answer({"chart": {"result": [], "error": None}}), AnswerError, "a chart with a result"),
        (answer({"chart": chart(DAYS, [1.0] * 3)}, cut=40), AnswerError, "cut off"),
        (answer("", silent=True), UnavailableError, "Yahoo 1d bars of AAPL"),
        (answer("", 302, headers={"Location": "https://evil.example/"}), RejectedError, "evil"),
        (answer("", 302, headers={"Location": "http://169.254.169.254/"}), RejectedError, "169"),
    ],
)
def test_what_is_no_price_is_its_own_error(opened, scripted, error, words):
    with pytest.raises(error, match=words) as caught:
        fetched(opened(scripted))
    assert "canary" not in str(caught.value)


def test_a_refusal_that_passes_is_asked_again(vendor, opened, monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr(waiting, "pause", waited.append)
    turns = [answer("", 429, headers={"Retry-After": "11"})] * 2
    yahoo = Yahoo(lambda _: turns.pop() if turns else answer(chart(DAYS, [1.0, 1.0, 1.0])))
    source = opened(yahoo)
    assert source.parse(fetched(source)).bars.height == 3
    assert 11.0 in waited


@pytest.mark.parametrize("status", [200, 429])
def test_a_crumb_that_is_refused_is_done_without(opened, status):
    yahoo = Yahoo(chart(DAYS, [1.0, 1.0, 1.0]), crumb=Scripted(b"Too Many Requests", status))
    source = opened(yahoo)
    assert source.parse(fetched(source)).bars.height == 3


def test_an_answer_that_drips_or_is_too_large_ends(vendor, opened, monkeypatch):
    policy = client.Policy(
        frozenset({"x"}), 1e6, timeout_seconds=0.4, attempts=1, largest_bytes=900
    )
    monkeypatch.setattr(client, "Policy", lambda *_, **__: policy)
    with pytest.raises(UnavailableError, match="timed out"):
        fetched(opened(answer(b"x" * 500, drip=0.02)))
    with pytest.raises(AnswerError, match="at most 900 bytes"):
        fetched(opened(answer(b"x" * 901)))


def test_nothing_inside_is_reached_unless_it_is_named(vendor, opened, monkeypatch):
    monkeypatch.delenv("TRUECAST_PRIVATE_HOSTS")
    with pytest.raises(RejectedError, match="no public address"):
        fetched(opened(chart(DAYS, [1.0] * 3)))
    assert vendor.asked == []


def test_curl_connects_to_the_address_that_was_checked_and_no_proxy(vendor, monkeypatch):
    # The name is known to the resolver that is asked for the check, and to no other.
    monkeypatch.setenv("TRUECAST_PRIVATE_HOSTS", "stand-in.invalid")
    for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    real = socket.getaddrinfo

    def getaddrinfo(host, *rest, **more):
        return real("127.0.0.1" if host == "stand-in.invalid" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    vendor.respond = Yahoo(chart(DAYS, [1.0, 1.0, 1.0]))
    source = open_yahoo({"base_url": vendor.url.replace("127.0.0.1", "stand-in.invalid")})
    assert source.parse(fetched(source)).bars.height == 3
    assert {asked.headers["host"] for asked in vendor.asked} == {
        vendor.netloc.replace("127.0.0.1", "stand-in.invalid")
    }
    monkeypatch.setenv("TRUECAST_PRIVATE_HOSTS", "")
    before = len(vendor.asked)
    with pytest.raises(RejectedError, match="no public address"):
        fetched(source)
    assert len(vendor.asked) == before


def test_the_users_home_is_left_alone(opened, monkeypatch, tmp_path: Path):
    fetched(opened(chart(DAYS, [1.0] * 3)))
    assert "truecast-yfinance-" in yfinance.cache._TzDBManager.get_location()
    assert "truecast-yfinance-" in yfinance.cache._CookieDBManager.get_location()


@pytest.mark.parametrize(
    "change",
    [
        lambda result: result.pop("meta"),
        lambda result: result["meta"].pop("exchangeTimezoneName"),
        lambda result: result["meta"].update(exchangeTimezoneName="Nowhere/Here"),
        lambda result: result.pop("indicators"),
        lambda result: result["indicators"].update(quote=[]),
        lambda result: result["indicators"]["quote"][0].pop("close"),
        lambda result: result["indicators"]["quote"][0]["high"].pop(),
        lambda result: result["indicators"]["quote"][0].update(close=["1", "2", "3"]),
        lambda result: result.update(timestamp=["a", "b", "c"]),
        lambda result: result.update(events={"dividends": {"1": {"amount": None}}}),
    ],
)
def test_a_document_of_another_shape_is_refused(change):
    document = chart(DAYS, [1.0, 1.0, 1.0])
    change(document["chart"]["result"][0])
    with pytest.raises(AnswerError, match="Yahoo chart: expected"):
        parsed(document)


def test_a_bar_that_is_there_twice(opened, tmp_path: Path):
    source = opened(chart([*DAYS, DAYS[-1]], [100.0, 101.0, 102.0, 102.0]))
    with clock.frozen_at(NOW):
        told = Lake(str(tmp_path)).ingest(source, "AAPL", DAILY)
    assert (told.added, told.duplicates) == (3, 1)


def test_yfinance_is_imported_only_when_it_is_used():
    code = "import sys, truecast.sources.catalog; print('yfinance' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("interval", ["1d", "1m"])
@pytest.mark.parametrize("odd", [True, -(10**12), "abc", 10**400, [[]]])
@pytest.mark.parametrize(
    "path",
    [
        ("timestamp", 1),
        ("indicators", "quote", 0, "open"),
        ("indicators", "quote", 0, "volume"),
        ("indicators", "adjclose"),
        ("meta", "exchangeTimezoneName"),
        ("events",),
        ("events", "splits"),
        ("events", "splits", "2"),
        ("events", "splits", "2", "date"),
        ("events", "dividends", "1", "date"),
    ],
)
def test_a_value_of_another_kind_in_any_place_is_refused(path, odd, interval):
    day = int(datetime(2026, 3, 3, 14, 30, tzinfo=UTC).timestamp())
    events = {
        "dividends": {"1": {"amount": 0.24, "date": day}},
        "splits": {"2": {"numerator": 2.0, "denominator": 1.0, "date": day}},
    }
    document = chart(DAYS, [10.0, 11.0, 12.0], events=events)
    place = document["chart"]["result"][0]
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = odd
    with pytest.raises(SourceError, match="Yahoo chart: expected"):
        parsed(document, interval=Interval(interval))


@pytest.mark.parametrize("amount", [10**400, "x", None, [], {}])
def test_an_event_without_an_amount_is_refused(amount):
    day = int(datetime(2026, 3, 3, 14, 30, tzinfo=UTC).timestamp())
    for kind in ("dividends", "capitalGains"):
        events = {kind: {"1": {"amount": amount, "date": day}}}
        with pytest.raises(SourceError, match=f"Yahoo chart: .* each of {kind}"):
            parsed(chart(DAYS, [10.0, 11.0, 12.0], events=events))


@pytest.mark.parametrize("seconds", [None, 10**18, -(10**18), 253402300800, "1"])
def test_a_timestamp_of_no_year_with_prices_is_refused(seconds):
    document = chart(DAYS, [10.0, 11.0, 12.0])
    document["chart"]["result"][0]["timestamp"][1] = seconds
    for interval in ("1d", "1m"):
        with pytest.raises(SourceError, match="expected each timestamp in seconds, of a year"):
            parsed(document, interval=Interval(interval))


def test_a_currency_that_is_no_text_is_refused():
    with pytest.raises(SourceError, match=r"expected meta\.currency to be text, got \[\]"):
        parsed(chart(DAYS, [10.0, 11.0, 12.0], currency=[]))
