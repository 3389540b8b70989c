"""Files as people have them, and what is said of those that cannot be read."""

import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from truecast.core.errors import UsageError
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.core.recipe_parts import Choice
from truecast.sources.base import SourceError
from truecast.sources.catalog import open_source

DAILY, MINUTE = Interval("1d"), Interval("1m")
CSV = (
    "Date,Open,High,Low,Close,Adj Close,Volume\n"
    "2018-12-24,10,12,9,11,5.5,100\n"
    "2018-12-26,11,12,10,12,6,null\n"
)


def source(path: Path, **options):
    return open_source(Choice(name="files", parameters={"path": str(path), **options}))


def rows(path: Path, symbol: str = "X", interval: Interval = DAILY, **options) -> pl.DataFrame:
    opened = source(path, **options)
    return opened.parse(next(opened.fetch(symbol, interval))).bars


def write(folder: Path, text: str, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plain_csv(tmp_path):
    found = rows(write(tmp_path, CSV))
    columns = ("row", "session", "event_time", "known_at", "open", "close", "volume", "bid_open")
    closes = [datetime(2018, 12, 24, 18, tzinfo=UTC), datetime(2018, 12, 26, 21, tzinfo=UTC)]
    assert found.select(columns).rows() == [
        (1, date(2018, 12, 24), closes[0], None, 10.0, 11.0, 100.0, None),
        (2, date(2018, 12, 26), closes[1], None, 11.0, 12.0, None, None),
    ]


def test_all_forms_of_a_file_read_the_same(tmp_path):
    expected = rows(write(tmp_path, CSV))
    (tmp_path / "y.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    write(tmp_path, "\ufeff" + CSV.replace("\n", "\r\n") + "\r\n\r\n", "bom.csv")
    table = pl.read_csv(tmp_path / "x.csv", null_values="null", try_parse_dates=True)
    table.write_parquet(tmp_path / "z.parquet")
    table.with_columns(pl.col("Date").cast(pl.Datetime("ns"))).write_parquet(
        tmp_path / "ns.parquet"
    )
    for name in ("y.csv.gz", "bom.csv", "z.parquet", "ns.parquet"):
        assert rows(tmp_path / name).equals(expected), name


def test_numbers_are_read_strictly(tmp_path):
    text = "date,close,volume\n2018-12-24,1e2,\n2018-12-26, 11.5 ,NaN\n2018-12-27,N/A,0\n"
    found = rows(write(tmp_path, text))
    assert found["close"].to_list() == [100.0, 11.5, None]
    assert str(found["volume"].to_list()) == "[None, nan, 0.0]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,close\n2018-12-24,11\n2018-12-26,1O\n", r"x.csv, line 3: expected a number .*'1O'"),
        ('date,close\n2018-12-24,"1,23,4.5"\n', r"line 2: expected a number.*'1,23,4.5'"),
        ("date,close\n12/11/2018,11\n", r"line 2: .*in one way.*'12/11/2018'.*dates: dmy"),
        ("date,close\n2018-12-24,11\n\n2018-13-26,11\n", r"line 4: expected a date.*'2018-13-26'"),
        ("date,close\n2018-12-24,11\n,12\n", r"line 3: expected a date.*None"),
        ("date,open\n2018-12-24,11\n", r"expected a column close or price.*'date', 'open'"),
        ("day,close\n2018-12-24,11\n", r"expected a column named one of date, datetime"),
        ("date,ts,close\n2018-12-24,10:00,11\n", r"for the date and time.*'date' and 'ts'"),
        ("date,time,close\n2018-12-24,noon,11\n", r"line 2: expected a time of day.*'noon'"),
        ("date,close,Close\n2018-12-24,11,12\n", r"one column for close.*'close' and 'Close'"),
        ("date,close,close\n2018-12-24,11,12\n", r"one column for close"),
        ("date close\n2018-12-24 11\n", r"line 1: expected a header of names separated by commas"),
        ("2018-12-24,11,5\n2018-12-26,12,7\n", r"line 1: expected a header.*found 3 cells"),
        ("", r"line 1: expected a header"),
        ("date,close\n2018-12-24,11\n2018-12-26,12,13\n", r"line 3: expected 2 cells.*found 3"),
        ("date,close\n2018-12-24 09:31,11\n", r"line 2: expected a date, since the interval is 1d"),
        ("date,close\n2018-12-24 09:31Z,11\n2018-12-24 09:32,1\n", r"line 3: .*every time"),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_refused_with_its_place(tmp_path, text, message):
    with pytest.raises(SourceError, match=message):
        rows(write(tmp_path, text))


def test_a_file_that_is_not_what_its_name_says(tmp_path):
    with pytest.raises(SourceError, match=r"x.parquet: expected Parquet.*begins 'Date,Open"):
        rows(write(tmp_path, CSV, "x.parquet"))
    with pytest.raises(SourceError, match="expected a whole gzip file"):
        rows(write(tmp_path, CSV, "x.csv.gz"))
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SourceError, match="expected a whole Parquet file"):
        rows(tmp_path / "torn.parquet")
    (tmp_path / "latin.csv").write_bytes("date,close\n2018-12-24,1\n# höch,1\n".encode("latin-1"))
    with pytest.raises(
        SourceError, match=r"latin.csv, line 3: expected text in UTF-8; found the byte 0xf6"
    ):
        rows(tmp_path / "latin.csv")
    with pytest.raises(
        UsageError, match=r"expected a file whose name ends in .csv, .tsv, .txt, .*.parquet"
    ):
        rows(write(tmp_path, CSV, "x.xlsx"))


def test_parquet_columns_of_another_kind_are_refused(tmp_path):
    frame = pl.DataFrame({"date": [date(2018, 12, 24)], "close": [True]})
    frame.write_parquet(tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="expected numbers in close; found a column of Boolean"):
        rows(tmp_path / "x.parquet")
    frame.select(date=pl.lit(value=True), close=1.0).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="expected dates or times; found a column of Boolean"):
        rows(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("stamp", "options", "expected"),
    [
        ("2018-12-24 09:31", {}, "09:31"),
        ("2018-12-24T09:31:00Z", {}, "09:31"),
        ("2018-12-24 09:31:00.000-05:00", {}, "14:31"),
        ("2018-12-24 19:31:00+0530", {}, "14:01"),
        ("2018-12-24 09:31:00+02", {}, "07:31"),
        ("2018-12-24 09:31", {"timezone": "America/New_York"}, "14:31"),
        ("2018-12-24 09:30", {"timezone": "America/New_York", "stamps": "open"}, "14:31"),
        ("2018-12-24 09:31-05:00", {"timezone": "Asia/Tokyo"}, "14:31"),
    ],
)
def test_intraday_stamps_become_closes_in_utc(tmp_path, stamp, options, expected):
    found = rows(write(tmp_path, f"ts,price\n{stamp},11\n"), interval=MINUTE, **options)
    assert found["event_time"].to_list() == [
        datetime.fromisoformat(f"2018-12-24T{expected}:00+00:00")
    ]
    assert found["session"].to_list() == [date(2018, 12, 24)]
    assert found["close"].to_list() == [11.0]


def test_hours_that_the_clocks_skip_or_repeat_are_refused(tmp_path):
    for stamp in ("2018-03-11 02:30", "2018-11-04 01:30"):
        path = write(tmp_path, f"ts,close\n2018-12-24 09:31,11\n{stamp},11\n")
        with pytest.raises(
            SourceError,
            match=f"line 3: expected a time that America/New_York has once; found {stamp}",
        ):
            rows(path, interval=MINUTE, timezone="America/New_York")


def test_the_interval_must_be_that_of_the_file(tmp_path):
    path = write(tmp_path, "ts,close\n2018-12-24 09:31,1\n2018-12-24 09:32,1\n2018-12-24 09:33,1\n")
    with pytest.raises(SourceError, match="expected bars of 5m; found stamps 0:01:00 apart"):
        rows(path, interval=Interval("5m"))
    with pytest.raises(SourceError, match="dates only; set interval: 1d"):
        rows(write(tmp_path, CSV), interval=MINUTE)


def test_midnight_in_the_market_is_a_date(tmp_path):
    found = rows(
        write(tmp_path, "date,close\n2018-12-24 00:00:00-05:00,11\n2018-07-03 00:00:00-04:00,11\n")
    )
    assert found["session"].to_list() == [date(2018, 12, 24), date(2018, 7, 3)]
    found = rows(write(tmp_path, "date,close\n2018-12-24T00:00:00Z,11\n"))
    assert found["session"].to_list() == [date(2018, 12, 24)]


def test_quotes_without_trades_are_read_by_their_middle(tmp_path):
    text = "ts,bid_open,bid_close,ask_open,ask_close,bsize\n2018-12-24 15:00,1.0,2.0,1.5,3.0,7\n"
    (found,) = rows(write(tmp_path, text), interval=MINUTE, calendar="FX").rows(named=True)
    assert (found["open"], found["close"], found["high"]) == (1.25, 2.5, None)
    assert (found["bid_close"], found["ask_open"], found["bid_size"]) == (2.0, 1.5, 7.0)


def test_a_vintage_column_says_when_each_row_became_known(tmp_path):
    text = "date,close,seen\n2018-12-24,11,2018-12-24\n2018-12-24,12,2018-12-26\n"
    found = rows(write(tmp_path, text), known_at="seen")
    assert found["known_at"].to_list() == [
        datetime(2018, 12, 24, 18, 15, tzinfo=UTC), datetime(2018, 12, 26, 21, 15, tzinfo=UTC)
    ]  # fmt: skip
    exact = rows(
        write(tmp_path, "date,close,seen\n2018-12-24,11,2018-12-24 20:30Z\n"), known_at="seen"
    )
    assert exact["known_at"].to_list() == [datetime(2018, 12, 24, 20, 30, tzinfo=UTC)]
    with pytest.raises(
        SourceError, match=r"the column 'sen' that known_at names.*did you mean 'seen'"
    ):
        rows(tmp_path / "x.csv", known_at="sen")


def test_a_file_of_several_symbols(tmp_path):
    path = write(tmp_path, "ticker,date,close\nA,2018-12-24,1\nB,2018-12-24,2\nA,2018-12-26,3\n")
    opened = source(path)
    assert opened.symbols() == ("A", "B")
    payload = next(opened.fetch("A", DAILY))
    assert payload.content == path.read_bytes()
    assert opened.parse(payload).bars.select("row", "close").rows() == [(1, 1.0), (3, 3.0)]
    for ask in (
        opened.instrument,
        lambda symbol: opened.parse(next(opened.fetch(symbol, DAILY))).bars,
    ):
        with pytest.raises(UnknownNameError, match=r"unknown instrument 'C'.*Valid: A, B"):
            ask("C")


def test_one_series_does_not_pass_for_two_instruments(tmp_path):
    opened = source(write(tmp_path, CSV))
    assert opened.symbols() == ("x",)
    assert opened.instrument("^GSPC").symbol == "^GSPC"
    with pytest.raises(UsageError, match=r"holds one series, which is read as \^GSPC; \^VIX needs"):
        opened.instrument("^VIX")


def test_a_folder_serves_each_symbol_by_its_file(tmp_path):
    for place, name in enumerate(("gspc.csv", "GC_F.csv", "EURUSD.csv", "notes.txt"), start=1):
        write(tmp_path, f"date,close\n2018-12-24,{place}\n", name)
    opened = source(tmp_path)
    assert opened.symbols() == ("EURUSD", "GC_F", "gspc")
    closes = [
        opened.parse(next(opened.fetch(symbol, DAILY))).bars["close"][0]
        for symbol in ("^GSPC", "GC=F", "EURUSD")
    ]
    assert closes == [1.0, 2.0, 3.0]
    with pytest.raises(UnknownNameError, match="did you mean 'EURUSD'"):
        next(opened.fetch("EURUSDX", DAILY))
    write(tmp_path, CSV, "G-SPC.csv")
    with pytest.raises(UsageError, match=r"could be any of G-SPC.csv, gspc.csv"):
        next(opened.fetch("^GSPC", DAILY))
    write(tmp_path, CSV, "gspc.parquet")
    with pytest.raises(UsageError, match=r"gspc.csv and gspc.parquet are both files of gspc"):
        next(opened.fetch("^GSPC", DAILY))
    mapped = source(tmp_path, instruments={"^GSPC": "gspc.csv"})
    assert mapped.symbols() == ("^GSPC",)
    assert mapped.parse(next(mapped.fetch("^GSPC", DAILY))).bars["close"][0] == 1.0
    with pytest.raises(UnknownNameError, match=r"source.files.instruments"):
        next(mapped.fetch("GC=F", DAILY))


def test_what_is_said_of_an_instrument(tmp_path):
    daily, minutes = (
        write(tmp_path, CSV),
        write(tmp_path, "ts,close\n2018-12-24 09:31,1\n", "m.csv"),
    )
    assert source(daily).instrument("X").publication_delay == timedelta(minutes=15)
    assert source(minutes).instrument("X").publication_delay == timedelta()
    assert source(minutes, publication_delay="5m").instrument("X").publication_delay == timedelta(
        minutes=5
    )
    told = source(
        daily, calendar="CMES", adjustment="split", may_be_negative=True, currency="EUR"
    ).instrument("X")
    assert (told.calendar, told.adjustment, told.may_be_negative, told.currency) == (
        "CMES",
        "split",
        True,
        "EUR",
    )


def test_the_name_tells_sources_apart(tmp_path, monkeypatch):
    path = write(tmp_path, CSV, "My Prices (2).csv")
    name = source(path).name
    assert name.startswith("files-my-prices-2-")
    assert len(name) == len("files-my-prices-2-") + 6
    monkeypatch.chdir(tmp_path)
    assert source(Path(path.name)).name == name
    other = write(tmp_path, CSV, "other.csv")
    assert len({name, source(other).name, source(path, timezone="Asia/Tokyo").name}) == 3
    assert source(path, timezone="UTC").name == name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calender": "FX"}, "unknown key 'calender'.*did you mean 'calendar'"),
        ({"calendar": "XNYSE"}, "calendar: unknown calendar 'XNYSE': did you mean 'XNYS'"),
        ({"timezone": "New_York"}, "timezone: 'New_York' is not a time zone"),
        ({"stamps": "end"}, "stamps"),
        ({"adjustment": "none"}, "adjustment"),
        ({"path": "/no/such/file.csv"}, "path /no/such/file.csv does not exist"),
    ],
)
def test_options_are_checked(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        source(**{"path": write(tmp_path, CSV), **options})
    with pytest.raises(UsageError, match="path: this key is required"):
        open_source(Choice(name="files"))


def test_a_file_that_goes_away(tmp_path):
    opened = source(write(tmp_path, CSV))
    (tmp_path / "x.csv").unlink()
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        next(opened.fetch("X", DAILY))
