"""What is said of files before anyone takes them in, and of archives that mean harm."""

import gzip
import io
import json
import math
import tarfile
import zipfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from truecast.cli.inspect import inspect as command
from truecast.cli.inspect import read_words
from truecast.core.errors import UsageError
from truecast.core.interval import Interval
from truecast.pipelines.inspect import inspect
from truecast.pipelines.inspect_inputs import find_inputs

CLEAN = "date,open,high,low,close,volume\n2018-12-24,10,12,9,11,100\n2018-12-26,11,12,10,12,90\n"
# Prices that Yahoo gives in another unit before 9 June.
PENCE = [round(14.5 + 0.1 * math.sin(place), 2) for place in range(29)]


def yahoo(switch: int) -> str:
    lines = [
        f"2022-06-{place + 1:02} 00:00:00+01:00,{price:.6g},{price:.6g},{price:.6g},{price:.6g},"
        f"{price:.6g},100,0.0,0.0\n"
        for place, price in (
            (place, price / 100 if place < switch else price) for place, price in enumerate(PENCE)
        )
    ]
    header = "Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits\n"
    return header + "".join(lines)


YAHOO, FIXED = yahoo(8), yahoo(0)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def of(folder: Path, **options):
    return {Path(one.file).name: one for one in inspect([folder], options)}


def test_every_outcome_with_its_counts(tmp_path):
    found = of(
        write(
            tmp_path,
            clean=CLEAN,
            zero=CLEAN.replace("24,10,", "24,0,"),
            bad=CLEAN + "2018-12-27,10,9,12,11,1\n2018-12-28,1,1,1,,1\n2018-12-28,1,1,1,1,1\n",
            holiday=CLEAN.replace("24,10", "25,10"),
            refused=CLEAN + "2018-12-27,x,9,12,11,1\n",
        )
    )
    assert {name: one.outcome for name, one in found.items()} == {
        "bad.csv": "quarantined",
        "clean.csv": "clean",
        "holiday.csv": "flagged",
        "refused.csv": "refused",
        "zero.csv": "repaired",
    }
    assert (found["clean.csv"].rows, found["clean.csv"].bars) == (2, 2)
    bad = found["bad.csv"]
    assert (bad.rows, bad.bars) == (5, 3)
    assert bad.quarantined == {"inconsistent_ohlc": 1, "missing_close": 1}
    assert bad.examples["inconsistent_ohlc"] == (
        "row 3, 2018-12-27 21:00 UTC: open=10.0 high=9.0 low=12.0 close=11.0"
    )
    assert found["holiday.csv"].flags == {"off_session": 1}
    assert found["zero.csv"].repaired == {"zero_price": 1}
    assert found["zero.csv"].examples["zero_price"] == (
        "2018-12-24 18:00 UTC: open 0.0 became None"
    )
    assert "refused.csv, line 4: expected a number" in found["refused.csv"].error
    assert "the interval is taken to be 1d, since its stamps are days" in found["clean.csv"].notes


@pytest.mark.parametrize(
    ("name", "rows", "interval", "calendar"),
    [
        ("BTCUSD", ["2018-12-24 15:00", "2018-12-24 15:05", "2018-12-24 15:10"], "5m", "24/7"),
        ("EURUSD", ["2018-12-24 15:00", "2018-12-24 16:00", "2018-12-24 17:00"], "1h", "FX"),
        ("0700-HK", ["2018-12-24", "2018-12-27"], "1d", "XHKG"),
        ("GC=F", ["2018-12-24", "2018-12-27"], "1d", "CMES"),
        ("series", ["2018-12-21", "2018-12-22", "2018-12-23"], "1d", "24/7"),
        ("series", ["2018-12-23 23:00", "2018-12-23 23:01", "2018-12-24 00:01"], "1m", "FX"),
        ("series", ["2018-12-21 15:00", "2018-12-21 15:30"], "30m", "XNYS"),
    ],
)
def test_the_interval_and_the_calendar_are_guessed(tmp_path, name, rows, interval, calendar):
    write(tmp_path, **{name: "ts,close\n" + "".join(f"{stamp},1\n" for stamp in rows)})
    (found,) = inspect([tmp_path])
    assert (found.interval, found.calendar) == (interval, calendar)
    said = inspect([tmp_path], {"calendar": "XLON"}, Interval(interval))[0]
    assert (said.interval, said.calendar) == (interval, "XLON")
    assert not any("taken to be" in note for note in said.notes)


def test_a_file_is_compared_with_its_fixed_version(tmp_path):
    write(tmp_path, a=YAHOO, **{"a-fixed": FIXED, "b": CLEAN, "b-fixed": CLEAN, "c-fixed": CLEAN})
    found = of(tmp_path, calendar="XLON")
    assert sorted(found) == ["a.csv", "b.csv", "c-fixed.csv"]
    assert found["a.csv"].outcome == "repaired"
    assert set(found["a.csv"].repaired) == {"unit_switch"}
    assert found["a.csv"].pair.equal
    assert found["b.csv"].pair.equal
    assert found["c-fixed.csv"].pair is None
    write(tmp_path, **{"b-fixed": CLEAN.replace("26,11,12,10,12", "26,11,12,10,11.4")})
    pair = of(tmp_path)["b.csv"].pair
    assert not pair.equal
    assert pair.document()["differences"] == [
        {
            "column": "close",
            "largest": pytest.approx(0.05),
            "rows": 1,
            "first": "2018-12-26 21:00 UTC: 12.0 instead of 11.4",
        }
    ]
    write(tmp_path, **{"b-fixed": CLEAN.partition("2018-12-26")[0]})
    pair = of(tmp_path)["b.csv"].pair
    assert [one.column for one in pair.differences] == ["open", "high", "low", "close", "volume"]


def test_several_symbols_in_one_file(tmp_path):
    text = "symbol,date,close\nA,2018-12-24,1\nB,2018-12-24,-2\nA,2018-12-26,3\n"
    found = of(write(tmp_path, many=text))["many.csv"]
    assert (found.rows, found.bars, found.quarantined) == (3, 2, {"not_positive": 1})
    assert "if prices of zero and below are legal here, say may_be_negative=true" in found.notes
    assert of(tmp_path, may_be_negative=True)["many.csv"].outcome == "clean"


def tar_of(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_archives_are_read_in_memory(tmp_path):
    members = {"in/x.csv": CLEAN.encode(), "in/x-fixed.csv": CLEAN.encode(),
               "y.csv.gz": gzip.compress(CLEAN.encode())}  # fmt: skip
    tar_of(tmp_path / "a.tar.gz", members)
    tar_of(tmp_path / "b.tar", members, "w")
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    before = sorted(tmp_path.rglob("*"))
    found = inspect([tmp_path])
    assert [one.file.removeprefix(f"{tmp_path}/") for one in found] == [
        f"{archive}/{name}"
        for archive in ("a.tar.gz", "b.tar", "c.zip")
        for name in ("in/x.csv", "y.csv.gz")
    ]
    assert {one.outcome for one in found} == {"clean"}
    assert [one.pair is not None and one.pair.equal for one in found] == [True, False] * 3
    assert sorted(tmp_path.rglob("*")) == before


def test_archives_that_mean_harm_are_refused(tmp_path):
    tar_of(tmp_path / "out.tar.gz", {"../x.csv": CLEAN.encode(), "/etc/y.csv": b"", "z.csv": b""})
    with tarfile.open(tmp_path / "link.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("x.csv")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    bomb = b"date,close\n" + bytes(64 << 20)
    tar_of(tmp_path / "bomb.tar.gz", {"x.csv": bomb})
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", bomb)
    claims = tarfile.TarInfo("x.csv")
    claims.size = 1 << 40
    (tmp_path / "claims.tar.gz").write_bytes(gzip.compress(claims.tobuf()))
    packed = (tmp_path / "out.tar.gz").read_bytes()
    (tmp_path / "torn.tar.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "no.zip").write_bytes(b"PK and no more")
    (tmp_path / "many.tar").write_bytes(
        tar_of(tmp_path / "m", {f"{n}.csv": b"" for n in range(9)}, "w").read_bytes()
    )
    (tmp_path / "m").unlink()
    errors = {}
    for path in sorted(tmp_path.iterdir()):
        for one in find_inputs([path], largest=8 << 20, most=8):
            errors.setdefault(path.name, []).append(one.error)
    size = "expected an archive of at most 8,388,608 bytes when unpacked; found more"
    for name in ("bomb.tar.gz", "bomb.zip", "claims.tar.gz"):
        assert size in errors[name][-1], name
    assert "found '../x.csv'" in errors["out.tar.gz"][0]
    assert "found '/etc/y.csv'" in errors["out.tar.gz"][1]
    assert errors["out.tar.gz"][2] == ""
    assert "found a link or a device" in errors["link.tar.gz"][0]
    assert "expected a whole archive" in errors["torn.tar.gz"][-1]
    assert "expected a whole archive" in errors["no.zip"][-1]
    assert "at most 8 files in an archive" in errors["many.tar"][-1]
    refused = [one for one in inspect([tmp_path / "torn.tar.gz"]) if one.outcome == "refused"]
    assert "expected a whole archive" in refused[-1].error


def test_what_is_no_file_of_bars_is_refused_with_the_forms_that_are(tmp_path):
    (tmp_path / "prices.xlsx").write_bytes(b"PK")
    (tmp_path / ".hidden").write_bytes(b"")
    (found,) = inspect([tmp_path])
    assert "expected a file whose name ends in .csv" in found.error
    with pytest.raises(UsageError, match="nowhere does not exist"):
        inspect([tmp_path / "nowhere"])
    with pytest.raises(UsageError, match=r"unknown key 'timezoon'.*did you mean 'timezone'"):
        inspect([tmp_path], {"timezoon": "UTC"})


def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(command)
    return made


def test_the_command_prints_json_and_exits_by_the_pairs(tmp_path, monkeypatch):
    write(tmp_path, **{"a": CLEAN, "a-fixed": CLEAN, "r": "x"})
    done = CliRunner().invoke(app(), [str(tmp_path), "--json", "calendar=XNYS"])
    assert done.exit_code == 0, done.output
    first, second = json.loads(done.stdout)["files"]
    assert first["file"] == str(tmp_path / "a.csv")
    assert (first["outcome"], first["rows"], first["bars"]) == ("clean", 2, 2)
    assert (first["interval"], first["calendar"]) == ("1d", "XNYS")
    assert first["pair"] == {
        "fixed": str(tmp_path / "a-fixed.csv"), "equal": True, "differences": []
    }  # fmt: skip
    assert set(second) == set(first) >= {
        "quarantined", "flags", "repaired", "notes", "error", "examples"
    }  # fmt: skip
    assert second["outcome"] == "refused"
    write(tmp_path, **{"a-fixed": CLEAN.replace("26,11", "26,10")})
    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(app(), [str(tmp_path)])
    assert done.exit_code == 1
    assert "differs from a-fixed.csv in open: 1 rows, by 0.091 at most" in done.output


def test_words_are_paths_or_options():
    assert read_words(["GC=F.csv", "scale=1e-5", "columns={close: Settle}"]) == (
        [Path("GC=F.csv")], {"scale": "1e-5", "columns": {"close": "Settle"}}
    )  # fmt: skip
    with pytest.raises(UsageError, match="at least one file"):
        read_words(["scale=1"])
    with pytest.raises(UsageError, match="expected a mapping"):
        read_words(["x.csv", "columns={close: ["])


def test_eighty_columns_are_enough_for_people(tmp_path, monkeypatch):
    write(tmp_path, **{"a": CLEAN + "2018-12-27,[12],13,11,12,80\n"})
    (tmp_path / "b.csv").write_text(CLEAN + "2018-12-26,11,12,10,11,90\n")
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(app(), [str(tmp_path), "calendar=XNYS", "--interval", "1d"])
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "a.csv  refused"
    # What a person must know stands below, indented, and no word of it is lost.
    told = " ".join(line.strip() for line in lines[1 : lines.index("")])
    assert "found '[12]'; write it so, or remove the row" in told
    assert lines[lines.index("") + 1 :][:2] == [
        "b.csv  quarantined  3 rows, 1 bars of 1d",
        "  2 kept out: conflicting_duplicate (row 2, 2018-12-26 21:00 UTC:",
    ]
    assert lines[-1] == "2 files: 1 refused, 1 quarantined"
