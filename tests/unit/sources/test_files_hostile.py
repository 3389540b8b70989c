"""Files that are broken in rarer ways: each read whole, or refused by its line; nothing is lost."""

import io
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from truecast.core.interval import Interval
from truecast.pipelines.inspect import inspect
from truecast.sources.base import Parsed, SourceError
from truecast.sources.files.source import open_files

DAY, MINUTE = Interval("1d"), Interval("1m")
TEXT = "date,open,high,low,close\n2019-03-04,1,2,0.5,1.5\n2019-03-05,2,3,1.5,2.5\n"


def read(folder: Path, text: str | bytes, interval=DAY, name="x.csv", **options) -> Parsed:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    source = open_files({"path": str(path), **options})
    source.instrument("X")
    return source.parse(next(source.fetch("X", interval)))


def as_parquet(**columns) -> bytes:
    written = io.BytesIO()
    pl.DataFrame(columns).write_parquet(written)
    return written.getvalue()


@pytest.mark.parametrize("end", ["\r", "\r\r\n", "\r\n"])
def test_lines_that_end_as_old_programs_end_them(tmp_path, end):
    found = read(tmp_path, TEXT.replace("\n", end))
    assert found.bars["close"].to_list() == [1.5, 2.5]
    assert found.notes == (("lines end with carriage returns alone",) if end == "\r" else ())


@pytest.mark.parametrize("cell", ["1\r", '"1\r"'])
def test_a_carriage_return_inside_a_line_is_refused(tmp_path, cell):
    with pytest.raises(SourceError, match=r"line 4: .* found a carriage return inside a line"):
        read(tmp_path, f"{TEXT}2019-03-06,{cell},2,1,1\n")


def test_a_cell_longer_than_any_number_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"line 4: expected a number such as 1234\.5 for open"):
        read(tmp_path, f'{TEXT}2019-03-06,"{"x" * 140_000}",2,1,1\n')
    with pytest.raises(SourceError, match="line 1: expected a header"):
        read(tmp_path, "x" * 200_000 + "\n")


def test_the_column_that_counts_rows_is_not_the_files(tmp_path):
    held = as_parquet(**{"date": [date(2019, 3, 4)], "close": [1.0], "#place": [7]})
    for name, content in (
        ("x.parquet", held),
        ("x.csv", "date,close,#place\n2019-03-04,1,7\n"),
        ("x.ndjson", '{"date":"2019-03-04","close":1,"#place":7}\n'),
    ):
        with pytest.raises(SourceError, match="expected no column named #place"):
            read(tmp_path, content, name=name)


def test_a_row_without_a_symbol_is_nobodys(tmp_path):
    text = "date,symbol,close\n2019-03-04,X,1\n2019-03-05,,2\n2019-03-06,Y,3\n"
    with pytest.raises(SourceError, match="line 3: expected a symbol in every row; found none"):
        read(tmp_path, text)
    held = as_parquet(
        date=[date(2019, 3, 4), date(2019, 3, 5)], symbol=["X", None], close=[1.0, 2.0]
    )
    with pytest.raises(SourceError, match="row 2: expected a symbol in every row"):
        read(tmp_path, held, name="x.parquet")


@pytest.mark.parametrize("text", ["0201-04-13", "13-04-0201", "13.04.0201 00:00"])
def test_a_year_before_there_were_prices_is_a_slip(tmp_path, text):
    first = "2001-04-12" if text[:4] == "0201" else "12" + text[2:].replace("0201", "2001")
    with pytest.raises(SourceError, match=r"line 3: .* found '.*0201"):
        read(tmp_path, f"date,close\n{first},1\n{text},2\n", calendar="24/7")


@pytest.mark.parametrize(
    ("written", "hour"),
    [("UTC", 10), ("GMT", 10), ("GMT+0100", 9), ("UTC-05:00", 15), ("+01:00", 9), ("Z", 10)],
)
def test_offsets_as_programs_write_them(tmp_path, written, hour):
    text = f"time,close\n2019-03-13 10:00:00 {written},1\n2019-03-13 10:01:00 {written},2\n"
    found = read(tmp_path, text, MINUTE, calendar="24/7", timezone="Asia/Tokyo")
    assert found.bars["event_time"].dt.hour().to_list() == [hour, hour]


def test_lines_before_the_header_are_named(tmp_path):
    for above in ("# by hand, long ago", "sep=,", "date,by me"):
        with pytest.raises(SourceError, match=r"line 2: .* remove the lines before it"):
            read(tmp_path, f"{above}\n{TEXT}")


def test_rows_in_no_order_are_said_to_be(tmp_path):
    text = "date,close\n2019-03-05,2\n2019-03-06,3\n2019-03-04,1\n"
    assert read(tmp_path, text).notes == ("rows are out of order",)


# 1500 lines: more than those from which the columns are found out.
MANY = [{"timestamp": 1552557600 + 60 * n, "close": 2} for n in range(1500)]


def lines(rows) -> str:
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


def read_lines(folder: Path, text: str) -> Parsed:
    return read(folder, text, MINUTE, "x.ndjson", calendar="24/7")


def test_a_key_that_comes_late_is_read(tmp_path):
    late = [{**row, "timestamp": row["timestamp"] + 90_000, "volume": 5} for row in MANY]
    found = read_lines(tmp_path, lines(MANY + late))
    assert found.bars["volume"].to_list() == [None] * 1500 + [5.0] * 1500
    renamed = [{"timestamp": row["timestamp"], "Close": row["close"]} for row in late]
    found = read_lines(tmp_path, lines(MANY + renamed))
    assert found.bars["close"].to_list() == [2.0] * 3000
    assert "the columns close and Close are read as one" in " ".join(found.notes)


def test_a_key_that_stands_twice_in_a_late_line_is_refused(tmp_path):
    twice = '{"timestamp":1552657620,"close":2,"close":2.9}\n'
    with pytest.raises(SourceError, match=r"line 1501: .*a key stands there twice"):
        read_lines(tmp_path, lines(MANY) + twice)


@pytest.mark.parametrize("before", [0, 1500])
def test_a_number_beyond_all_is_named_by_its_line(tmp_path, before):
    odd = '{"timestamp":1552657620,"close":1e999}\n'
    with pytest.raises(SourceError, match=f"line {before + 1}: .*a number below 1e309 in close"):
        read_lines(tmp_path, lines(MANY[:before]) + odd)


def test_days_with_a_time_of_day_are_not_guessed_to_be_bars_of_24_hours(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("date,close\n2019-03-05 16:00,1\n2019-03-06 16:00,2\n2019-03-08 16:00,3\n")
    (found,) = inspect([path])
    assert found.outcome == "refused"
    assert "line 2: expected a date, since the interval is 1d" in found.error
