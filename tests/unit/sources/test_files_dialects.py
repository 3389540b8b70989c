"""Files as the world writes them: each dialect by values, each doubt by its refusal."""

import gzip
import json
import zlib
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from truecast.core.errors import UsageError
from truecast.core.interval import Interval
from truecast.sources.base import Parsed, SourceError
from truecast.sources.files.inflate import gunzip
from truecast.sources.files.source import open_files

DAY, MINUTE, FIVE = Interval("1d"), Interval("1m"), Interval("5m")
BAR = ("session", "open", "high", "low", "close", "volume")


def read(folder: Path, text: str | bytes, interval: Interval = DAY, name="x.csv", **options):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    source = open_files({"path": str(path), **options})
    source.instrument("X")
    return source.parse(next(source.fetch("X", interval)))


def closes(parsed: Parsed) -> dict[date, float]:
    return dict(parsed.bars.select("session", "close").rows())


def times(parsed: Parsed) -> list[str]:
    return parsed.bars["event_time"].dt.strftime("%Y-%m-%dT%H:%M").to_list()


@pytest.mark.parametrize(("mark", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_other_separators(tmp_path, mark, word):
    text = "date,open,high,low,close,volume\n2018-12-24,10.5,12,9,11.25,100\n".replace(",", mark)
    found = read(tmp_path, text)
    assert found.bars.select(BAR).row(0) == (date(2018, 12, 24), 10.5, 12.0, 9.0, 11.25, 100.0)
    assert found.notes == (f"cells are separated by {word}",)


def test_two_separators_at_once_are_refused_until_one_is_said(tmp_path):
    text = "date;note|close;x|y\n2018-12-24;a|11;b|8\n"
    with pytest.raises(SourceError, match="both semicolons and bars; say which in the option sep"):
        read(tmp_path, text)
    with pytest.raises(SourceError, match="expected a column named one of date"):
        read(tmp_path, text, separator="|")


def test_the_investing_dialect(tmp_path):
    text = (
        '\ufeff"Data","Último","Abertura","Máxima","Mínima","Vol.","Var%"\n'
        '"13.07.2025","141.264","140.928","141.564","140.597","3,31B","0,24%"\n'
        '"03.07.2025","999","139.051","141.304","139.051","13,82M","-0,36%"\n'
        '"02.07.2025","1.000.000","1.000.000","1.000.001","139.051","-","1,00%"\n'
    )
    found = read(tmp_path, text, calendar="BVMF")
    assert found.bars.select(BAR).rows() == [
        (date(2025, 7, 13), 140928.0, 141564.0, 140597.0, 141264.0, 3.31e9),
        (date(2025, 7, 3), 139051.0, 141304.0, 139051.0, 999.0, 13.82e6),
        (date(2025, 7, 2), 1000000.0, 1000001.0, 139051.0, 1000000.0, None),
    ]
    notes = " / ".join(found.notes)
    assert "dates are read as day/month/year: line 2 has 13.07.2025" in notes
    assert "close has marks between thousands: line 2 has 141.264" in notes
    assert "numbers have a decimal comma" in notes
    assert "the newest row is first" in notes


@pytest.mark.parametrize(
    "header",
    [
        "Fecha;Último;Apertura;Máximo;Mínimo;Vol.",
        "Datum;Zuletzt;Eröffn.;Hoch;Tief;Vol.",
        "Date;Dernier;Ouv.;Plus Haut;Plus Bas;Vol.",
        "<DATE>;<CLOSE>;<OPEN>;<HIGH>;<LOW>;<VOL>",
        "Date;Price;Open;High;Low;Volume",
    ],
)
def test_headers_of_other_places(tmp_path, header):
    found = read(tmp_path, f"{header}\n2018-12-24;11,5;10,5;12,5;9,5;100\n")
    assert found.bars.select(BAR).row(0) == (date(2018, 12, 24), 10.5, 12.5, 9.5, 11.5, 100.0)


def test_a_mark_that_could_be_for_decimals_or_thousands_must_be_said(tmp_path):
    for number in ("141.264", "1,234"):
        text = f"date;close\n2018-12-24;{number}\n2018-12-26;{number}\n"
        with pytest.raises(SourceError, match=rf"'{number}' \(line 2\).*decimal: \. or decimal: ,"):
            read(tmp_path, text)
        digits = number.replace(",", ".")
        as_point, as_comma = float(digits), float(digits.replace(".", ""))
        if "," in number:
            as_point, as_comma = as_comma, as_point
        assert read(tmp_path, text, decimal=".").bars["close"].to_list() == [as_point] * 2
        assert read(tmp_path, text, decimal=",").bars["close"].to_list() == [as_comma] * 2
    # Without a header a program wrote it: a point is a point, a comma is still in doubt.
    found = read(tmp_path, "2018-12-24;141.264\n")
    assert found.bars["close"].to_list() == [141.264]
    assert "points are read as decimal marks, as programs write them: '141.264'" in found.notes[-1]
    with pytest.raises(SourceError, match="may be for decimals or for thousands"):
        read(tmp_path, "2018-12-24;1,264\n")


def test_contradicting_marks_are_refused(tmp_path):
    with pytest.raises(
        SourceError, match=r"a point in '1.5' \(line 2\) and a comma in '1,5' \(lin"
    ):
        read(tmp_path, "date;close\n2018-12-24;1.5\n2018-12-26;1,5\n")


def test_marks_between_thousands(tmp_path):
    text = 'date,close,volume\n2018-12-24,"1,234.5","1,234,567"\n2018-12-26,1e3,"12"\n'
    found = read(tmp_path, text)
    assert found.bars.select("close", "volume").rows() == [(1234.5, 1234567.0), (1000.0, 12.0)]
    spaced = read(tmp_path, "date;close\n2018-12-24;1 234,5\n2018-12-26;2’345,25\n")
    assert spaced.bars["close"].to_list() == [1234.5, 2345.25]
    with pytest.raises(SourceError, match=r"line 2: expected a number.*'12,34.5'"):
        read(tmp_path, 'date,close\n2018-12-24,"12,34.5"\n')
    with pytest.raises(SourceError, match=r"line 2: expected a number .* for close.*'1.5K'"):
        read(tmp_path, "date;close\n2018-12-24;1.5K\n")


@pytest.mark.parametrize(
    ("days", "read_as", "note"),
    [
        (("03/04/2021", "25/04/2021"), (date(2021, 4, 3), date(2021, 4, 25)), "day/month/year: li"),
        (("03/04/2021", "03/25/2021"), (date(2021, 3, 4), date(2021, 3, 25)), "month/day/year: li"),
        (("3.4.2021", "14.4.2021"), (date(2021, 4, 3), date(2021, 4, 14)), "has 14.4.2021"),
        (("2021/4/3", "2021/4/5"), (date(2021, 4, 3), date(2021, 4, 5)), "year, month, day"),
        (("20210403", "20210405"), (date(2021, 4, 3), date(2021, 4, 5)), "year, month, day"),
        (
            [f"{day:02}/01/2021" for day in range(4, 10)],
            [date(2021, 1, day) for day in range(4, 10)],
            "the other way they would not follow",
        ),
    ],
)  # fmt: skip
def test_date_orders_are_told_by_the_whole_column(tmp_path, days, read_as, note):
    if "follow" in note:  # both ways are in order, unless a month follows
        days, read_as = [*days, "02/02/2021"], [*read_as, date(2021, 2, 2)]
    text = "date,close\n" + "".join(f"{day},{place}\n" for place, day in enumerate(days))
    found = read(tmp_path, text)
    assert closes(found) == {day: float(place) for place, day in enumerate(read_as)}
    assert note in " ".join(found.notes)


def test_dates_in_doubt_are_refused_until_their_order_is_said(tmp_path):
    text = "date,close\n04/04/2021,1\n03/04/2021,2\n"
    with pytest.raises(SourceError, match=r"line 3: .*'03/04/2021'.*dates: dmy or dates: mdy"):
        read(tmp_path, text)
    assert list(closes(read(tmp_path, text, dates="dmy"))) == [date(2021, 4, 4), date(2021, 4, 3)]
    assert list(closes(read(tmp_path, text, dates="mdy"))) == [date(2021, 4, 4), date(2021, 3, 4)]
    with pytest.raises(SourceError, match=r"line 3: .*'25/04/2021' .line 2., whose day is first"):
        read(tmp_path, "date,close\n25/04/2021,1\n04/25/2021,2\n")
    with pytest.raises(SourceError, match="line 2: expected a date or time like '25/04/2021'"):
        read(tmp_path, "date,close\n25/04/2021,1\n26/04/2021,1\n", dates="mdy")


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("24 Dec 2018", "line 2: .*in numbers; found '24 Dec 2018'; write the month as a number"),
        ("24/12/18", "line 2: .*four digits for the year; found '24/12/18'"),
        ("201812241530", "line 2: .*or milliseconds since 1970; write a space"),
        ("12345", "line 2: expected a date"),
    ],
)
def test_dates_that_are_not_read(tmp_path, day, message):
    with pytest.raises(SourceError, match=message):
        read(tmp_path, f"date,close\n{day},1\n")


@pytest.mark.parametrize(
    ("stamp", "unit"),
    [
        ("1545609600", "seconds"),
        ("1545609600000", "milliseconds"),
        ("1545609600000000", "microseconds"),
        ("1545609600000000000", "nanoseconds"),
    ],
)
def test_counts_from_1970(tmp_path, stamp, unit):
    found = read(tmp_path, f"time,close\n{stamp},1\n")
    assert closes(found) == {date(2018, 12, 24): 1.0}
    assert found.notes == (f"stamps are read as {unit} since 1970 (UTC)",)
    frame = pl.DataFrame({"time": [int(stamp)], "close": [1.0]})
    frame.write_parquet(tmp_path / "x.parquet")
    source = open_files({"path": str(tmp_path / "x.parquet")})
    assert closes(source.parse(next(source.fetch("X", DAY)))) == {date(2018, 12, 24): 1.0}
    other = "1" * (19 if unit == "seconds" else 10)
    with pytest.raises(
        SourceError, match=f"line 3: expected {unit} since 1970, as in the lines be"
    ):
        read(tmp_path, f"time,close\n{stamp},1\n{other},1\n")
    assert times(read(tmp_path, "time,close\n86460,1\n".replace("86460", "000086460"), MINUTE,
                      epoch="s")) == ["1970-01-02T00:01"]  # fmt: skip


def test_dates_and_times_in_two_columns(tmp_path):
    text = "Date,Time,Close\n2018-12-24,15:00:00,1\n2018-12-24,15:05:00,2\n"
    found = read(tmp_path, text, FIVE)
    assert times(found) == ["2018-12-24T15:00", "2018-12-24T15:05"]
    assert found.notes == ("date and time are in two columns",)
    tabs = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
    tabs += "2018.12.24\t15:00:00\t110.123\t110.125\t110.121\t110.124\t17\t0\t3\n"
    found = read(tmp_path, tabs, MINUTE)
    assert found.bars.select(BAR[1:]).row(0) == (110.123, 110.125, 110.121, 110.124, 17.0)
    assert times(found) == ["2018-12-24T15:00"]
    joined = read(tmp_path, "20181224,1500,1,3,1,2,7\n".replace("1500", "15:00"), MINUTE)
    assert times(joined) == ["2018-12-24T15:00"]


def test_files_without_a_header(tmp_path):
    text = "20181224 150000;1;4;0.5;2;9\n20181224 150100;2;4;0.5;3;8\n"
    found = read(tmp_path, text, MINUTE, timezone="Etc/GMT+5")
    assert times(found) == ["2018-12-24T20:00", "2018-12-24T20:01"]
    assert found.bars.select(BAR[1:]).row(0) == (1.0, 4.0, 0.5, 2.0, 9.0)
    assert "2 is open, 3 is high, 4 is low, 5 is close, 6 is volume" in " ".join(found.notes)
    # Open, close, high, low: what stands third is not the highest.
    wrong = "".join(f"2018-12-{day},2,3,4,1\n" for day in range(24, 29))
    with pytest.raises(SourceError, match=r"5 of 5 rows whose third .*columns: {stamp: 1, open: 2"):
        read(tmp_path, wrong)
    told = {"stamp": 1, "open": 2, "close": 3, "high": 4, "low": "5"}
    right = read(tmp_path, wrong, columns=told)
    assert right.bars.select(BAR[1:5]).row(0) == (2.0, 4.0, 1.0, 3.0)
    with pytest.raises(
        SourceError, match=r"line 1: expected a header, or rows of date.*found 8 cel"
    ):
        read(tmp_path, "2018-12-24,1,2,3,4,5,6,7\n")
    price = read(tmp_path, "2018-12-24,1\n2018-12-26,2\n")
    assert price.bars["close"].to_list() == [1.0, 2.0]


def test_without_a_header_a_high_of_thousands_may_look_like_a_fraction(tmp_path):
    text = "19900102,900,1.350,900,900,0\n19900103,900,900,900,900,0\n"
    with pytest.raises(SourceError, match=r"1 of 2 rows whose third .* or decimal: , if points"):
        read(tmp_path, text)
    assert read(tmp_path, text, decimal=",").bars["high"].to_list() == [1350.0, 900.0]


def test_headers_of_several_lines(tmp_path):
    three = (
        "Price,Close,High,Low,Open,Volume\nTicker,IBM,IBM,IBM,IBM,IBM\nDate,,,,,\n"
        "2018-12-24,11,12,9,10,100\n"
    )
    found = read(tmp_path, three)
    assert found.bars.select("row", *BAR).row(0) == (
        1, date(2018, 12, 24), 10.0, 12.0, 9.0, 11.0, 100.0
    )  # fmt: skip
    assert "line 2 is a header too: it names IBM" in found.notes
    two = three.replace("Date,,,,,\n", "").replace("Price", "Date").replace("Ticker", "")
    assert read(tmp_path, two).bars.equals(found.bars)
    with pytest.raises(SourceError, match=r"line 2: .*AAPL, IBM side by side"):
        read(tmp_path, "Date,Close,Open\n,IBM,AAPL\n2018-12-24,1,2\n")
    with pytest.raises(SourceError, match=r"line 4: expected a number .*'x'"):
        read(tmp_path, "Date,Close\n,IBM\n2018-12-24,1\n2018-12-26,x\n")


def test_an_unnamed_first_column_is_the_stamp(tmp_path):
    assert closes(read(tmp_path, ",close\n2018-12-24,1\n")) == {date(2018, 12, 24): 1.0}


def test_lines_that_are_quoted_as_a_whole(tmp_path):
    text = '"Time\tClose"\r\n"2018-12-24 15:00:00\t1.5"\r\n"2018-12-24 15:01:00\t2"\r\n'
    found = read(tmp_path, text, MINUTE)
    assert found.bars["close"].to_list() == [1.5, 2.0]
    assert "whole lines are quoted" in found.notes
    with pytest.raises(SourceError, match="line 3: expected a whole line between quotes"):
        read(tmp_path, text.replace('"2018-12-24 15:01:00', "2018-12-24 15:01:00"), MINUTE)


def test_encodings(tmp_path):
    text = "date;close;größe\n2018-12-24;1.5;x\n"
    assert closes(read(tmp_path, "\ufeff" + text)) == {date(2018, 12, 24): 1.5}
    for encoding in ("latin-1", "utf-16"):
        with pytest.raises(SourceError, match=r"line 1: expected text in UTF-8.*say.*encoding: "):
            read(tmp_path, text.encode(encoding))
        told = read(tmp_path, text.encode(encoding), encoding=encoding)
        assert closes(told) == {date(2018, 12, 24): 1.5}
    with pytest.raises(UsageError, match="'utf-99' is not an encoding"):
        open_files({"path": str(tmp_path), "encoding": "utf-99"})


def test_aware_and_naive_stamps_do_not_mix_until_the_zone_is_said(tmp_path):
    text = "ts,close\n2018-12-24 15:00:00+00:00,1\n2018-12-24 10:01:00,2\n"
    with pytest.raises(SourceError, match=r"line 3: .*'2018-12-24 10:01:00' beside .*\(line 2\)"):
        read(tmp_path, text, MINUTE)
    found = read(tmp_path, text, MINUTE, timezone="America/New_York")
    assert times(found) == ["2018-12-24T15:00", "2018-12-24T15:01"]
    assert "1 of 2 stamps have no offset and are read in America/New_York" in found.notes[0]
    assert times(read(tmp_path, text, MINUTE, timezone="UTC"))[1] == "2018-12-24T10:01"


def test_two_sets_of_columns_in_one_file(tmp_path):
    text = ",open,close,Open,Close\n2018-12-24,1,2,,\n2018-12-26,,,3,4\n2018-12-27,5,6\n"
    found = read(tmp_path, text)
    assert found.bars.select("open", "close").rows() == [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)]
    assert "the columns close and Close are read as one" in " ".join(found.notes)
    assert "line 4 has 3" in " ".join(found.notes)
    with pytest.raises(SourceError, match="line 3: expected one column for close; found two"):
        read(tmp_path, ",close,Close\n2018-12-24,1,1\n2018-12-26,1,2\n")


def test_columns_by_hand(tmp_path):
    text = "Day,Settle,Last,Vol\n2018-12-24,1,2,3\n"
    found = read(tmp_path, text, columns={"stamp": "Day", "close": "Settle"})
    assert found.bars.select("close", "volume").row(0) == (1.0, 3.0)
    with pytest.raises(SourceError, match=r"the column 'Setle' that columns.close names.*'Settle'"):
        read(tmp_path, text, columns={"stamp": "Day", "close": "Setle"})
    with pytest.raises(UsageError, match="'closing' is no column of a bar: did you mean 'close'"):
        read(tmp_path, text, columns={"closing": "Settle"})


def test_scaled_prices_are_taken_as_they_are_until_the_scale_is_said(tmp_path):
    text = "date,open,close,volume\n2018-12-24,130583.99999999999,131073.0,7\n"
    text = text.replace("131073.0", "131072.99999999997")
    found = read(tmp_path, text)
    assert found.bars["close"].to_list() == [131072.99999999997]
    assert "say by how much, such as scale: 1e-5" in found.notes[0]
    scaled = read(tmp_path, text, scale=1e-5)
    assert scaled.bars["close"].to_list() == [131072.99999999997 / 1e5]
    assert scaled.bars["volume"].to_list() == [7.0]
    assert scaled.notes == ("prices are multiplied by 1e-05, as was said",)
    odd = read(tmp_path, "date,close\n2018-12-24,130584\n", name="EURUSD_d1.csv")
    assert "far above what is known of" in odd.notes[0]
    assert read(tmp_path, "date,close\n2018-12-24,1.1\n", name="EURUSD_d1.csv").notes == ()


TRADES = (
    "1545663601,5,1\n"  # 15:00:01: the first minute may have begun before
    "1545663660,6,2\n1545663660,8,1\n1545663700.5,7,3\n"  # 15:01
    "1545663840,9,1\n"  # 15:04; nothing at 15:02 and 15:03
    "1545663900,1,1\n"  # 15:05: may go on after the file
)


def test_trades_are_refused_until_they_may_be_gathered(tmp_path):
    with pytest.raises(
        SourceError, match=r"found stamps 0:00:59.500000 apart; .*or ticks: true if"
    ):
        read(tmp_path, TRADES, MINUTE)
    with pytest.raises(SourceError, match=r"line 2: .*a price at 2018-12-24 15:02:07.* as a trade"):
        read(tmp_path, "1545663600,5,1\n1545663727,6,2\n1545663780,5,1\n", MINUTE)
    found = read(tmp_path, TRADES, MINUTE, ticks=True, calendar="24/7")
    assert times(found) == ["2018-12-24T15:02", "2018-12-24T15:05"]
    assert found.bars.select("row", *BAR[1:]).rows() == [
        (2, 6.0, 8.0, 6.0, 7.0, 6.0), (5, 9.0, 9.0, 9.0, 9.0, 1.0)
    ]  # fmt: skip
    assert "6 trades make 2 bars of 1m; those at both ends of the file are left out" in " ".join(
        found.notes
    )
    backwards = "".join(reversed(TRADES.splitlines(keepends=True)))
    again = read(tmp_path, backwards, MINUTE, ticks=True, calendar="24/7")
    assert again.bars.drop("row").equals(found.bars.drop("row"))
    with pytest.raises(SourceError, match="line 2: expected a price in every trade"):
        read(tmp_path, "1545663601,5,1\n1545663660,nan,2\n", MINUTE, ticks=True)


def test_trades_gathered_into_sessions(tmp_path):
    lines = [
        f"2018-12-{day}T{hour}:00:00Z,{day + hour / 100},1\n"
        for day in (20, 21, 24, 26) for hour in (15, 16, 17)
    ]  # fmt: skip
    found = read(tmp_path, "time,price,amount\n" + "".join(lines), ticks=True)
    assert found.bars.select(BAR).rows() == [
        (date(2018, 12, 21), 21.15, 21.17, 21.15, 21.17, 3.0),
        (date(2018, 12, 24), 24.15, 24.17, 24.15, 24.17, 3.0),
    ]
    assert found.bars["event_time"][1] == datetime(2018, 12, 24, 18, tzinfo=UTC)  # a half-day


YAHOO = (
    "Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits\n"
    "2020-08-28 00:00:00-04:00,126,127,125,126,124,200,0.0,0.0\n"
    "2020-08-31 00:00:00-04:00,127,131,126,129,127,100,0.0,4.0\n"
    "2020-09-01 00:00:00-04:00,132,134,130,134,133,100,0.5,0.0\n"
)


def test_a_table_of_yfinance_becomes_raw_bars_and_actions(tmp_path):
    found = read(tmp_path, YAHOO)
    assert found.bars.select("session", "close", "volume").rows() == [
        (date(2020, 8, 28), 504.0, 50.0),
        (date(2020, 8, 31), 129.0, 100.0),
        (date(2020, 9, 1), 134.0, 100.0),
    ]
    assert found.actions.select("session", "kind", "value").rows() == [
        (date(2020, 8, 31), "split", 4.0),
        (date(2020, 9, 1), "dividend", 0.5),
    ]
    assert "it is a table of yfinance" in found.notes[-1]
    with pytest.raises(SourceError, match="expected adjustment: raw"):
        read(tmp_path, YAHOO, adjustment="split")


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_ndjson(tmp_path):
    rows = [
        {"timestamp": "2018-12-24T15:00:00Z", "open": 1, "close": 2, "volume": None, "by": "x"},
        {"timestamp": "2018-12-24T15:01:00Z", "close": 2.5, "open": 1},
    ]
    for name, content in (
        ("x.ndjson", lines(*rows)),
        ("x.jsonl", lines(*rows).replace(b"\n", b"\n\n")),
        ("y.ndjson.gz", gzip.compress(lines(*rows))),
    ):
        found = read(tmp_path, content, MINUTE, name)
        assert found.bars.select("open", "close", "volume").rows() == [
            (1.0, 2.0, None), (1.0, 2.5, None)
        ]  # fmt: skip
        assert times(found) == ["2018-12-24T15:00", "2018-12-24T15:01"]
    epochs = [{"ts": 1545663600000 + 60000 * step, "close": step} for step in range(3)]
    assert times(read(tmp_path, lines(*epochs), MINUTE, "e.ndjson"))[2] == "2018-12-24T15:02"
    text = [{"ts": "2018-12-24", "close": "11.5"}]
    assert read(tmp_path, lines(*text), DAY, "t.ndjson").bars["close"].to_list() == [11.5]


GOOD = {"ts": "2018-12-24T15:00:00Z", "close": 1}


@pytest.mark.parametrize("before", [1, 1500])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'{"ts": "2018-12-24T15:00:00Z", "close": 1', "expected a JSON object; found"),
        (b'{"ts": "2018-12-24T15:00:00Z", "close": NaN}', "NaN is no JSON: write null"),
        (
            b'{"ts": "2018-12-24T15:00:00Z", "close": [1]}',
            "a number or text in close; found a list",
        ),
        (b'{"ts": "2018-12-24T15:00:00Z", "close": true}', "close"),
        (b"[1, 2]", r"expected a JSON object; found \[1, 2\]"),
        (b'{"ts": "2018-12-24T15:00:00Z", "close": "x"}', "close"),
        (b'{"close": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested too deep"),
    ],
)
def test_a_bad_line_of_ndjson_is_named(tmp_path, before, bad, message):
    content = lines(*[GOOD] * before) + bad + b"\n"
    with pytest.raises(SourceError, match=rf"x.ndjson, line {before + 1}: .*{message}"):
        read(tmp_path, content, MINUTE, "x.ndjson")


def test_whole_numbers_may_turn_to_fractions_late(tmp_path):
    content = lines(*[GOOD] * 1500, {**GOOD, "close": 1.5})
    assert read(tmp_path, content, MINUTE, "x.ndjson").bars["close"].to_list()[-1] == 1.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: expected a header"),
        (b"\n\n", "line 1: expected a header.*found nothing"),
        (b"date,close\n2018-12-24,1\0\n", "line 2: expected text; found a NUL byte"),
        (b"date,close,volume\n2018-12-24,1,2\n2018-12-26,1\n2018-12-27,1,2\n", "line 3: .*3 cells"),
        (b"date,close,volume\n2018-12-24,1,2\n2018-12-2", "line 3: .*the file was cut off"),
        (
            b'date,close\n2018-12-24,"1\n2018-12-26,2\n',
            r"line 2: expected quotes in pairs; found '2018-12-24,.*1'",
        ),
        (b"PAR1 and so on", "expected text, as the name says; found Parquet"),
    ],
)
def test_malformed_files_are_refused(tmp_path, content, message):
    with pytest.raises(SourceError, match=message):
        read(tmp_path, content)


def test_a_header_without_rows_is_refused(tmp_path):
    for content in ("date,close\n", "date,close"):
        with pytest.raises(SourceError, match="expected rows; found a header and nothing else"):
            read(tmp_path, content)


def test_gzip_is_read_whole_or_refused():
    rows = b"date,close\n" + b"2018-12-24,1\n" * 1000
    packed = gzip.compress(rows)
    assert gunzip(packed, "x") == rows
    assert gunzip(packed + packed, "x") == rows * 2
    for broken in (packed[:-20], packed[:5], b"no gzip", packed[:-1]):
        with pytest.raises(SourceError, match="expected a whole gzip file"):
            gunzip(broken, "x")
    bomb = zlib.compressobj(wbits=31)
    content = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(64)) + bomb.flush()
    with pytest.raises(SourceError, match="expected at most 8 MB when unpacked"):
        gunzip(content, "x", largest=8 << 20)


def test_a_file_is_looked_into_once_and_again_after_a_change(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("symbol,date,close\nA,2018-12-24,1\n")
    source = open_files({"path": str(path)})
    looks = []
    look = source._look
    monkeypatch.setattr(source, "_look", lambda *given: looks.append(given) or look(*given))
    assert [source.instrument("A").symbol for _ in range(3)] == ["A"] * 3
    assert source.symbols() == ("A",)
    assert len(looks) == 1
    path.write_text("symbol,date,close\nA,2018-12-24,1\nB,2018-12-24,1\n")
    assert source.symbols() == ("A", "B")
