"""One Delta table: what is written is what this and other readers find."""

import json
import os
import tarfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from lakes.pages import DAILY, STORY, Pages, rows_of, tell
from truecast.lake import storage
from truecast.lake.errors import ConflictError, LakeError
from truecast.lake.lake import Lake
from truecast.lake.schemas import SILVER_BARS
from truecast.lake.tables import Table

SCHEMA: dict[str, pl.DataType] = {
    "name": pl.String(),
    "day": pl.Date(),
    "at": pl.Datetime("us", "UTC"),
    "n": pl.Int32(),
    "flags": pl.List(pl.String()),
}
NAMES = ["^GSPC", "EUR/USD", "BRK.B", "a b", "ü", "x%y", "~q"]


def moment(day: int) -> datetime:
    return datetime(2020, 1, 1, 0, 0, 0, 250, tzinfo=UTC) + timedelta(days=day)


def frame(*days: int, name: str | None = None) -> pl.DataFrame:
    rows = [
        (name or NAMES[day % len(NAMES)], moment(day).date(), moment(day), day, [f"f{day}"])
        for day in days
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(str(tmp_path / "t"), SCHEMA, ("name",))


def test_other_readers_find_the_same_rows(table):
    table.snapshot().append(frame(*range(7)))
    table.snapshot().append(frame(7, 8, 9), guard="g")
    expected = frame(*range(10)).rows()
    assert table.read().sort("n").rows() == expected
    assert pl.read_delta(table.url).sort("n").select(SCHEMA.keys()).rows() == expected
    scanned = pl.DataFrame(DeltaTable(table.url).scan().read_all())
    assert scanned.sort("n").select(SCHEMA.keys()).rows() == expected
    for name in NAMES:
        assert table.read({"name": name})["n"].sort().to_list() == [
            day for day in range(10) if NAMES[day % len(NAMES)] == name
        ]


def test_other_readers_of_arrow_find_the_same_rows(tmp_path):
    table = Table(str(tmp_path / "t"), SCHEMA)
    table.snapshot().append(frame(*range(9)))
    later = DeltaTable(table.url).to_pyarrow_table(filters=[("at", ">=", moment(6))])
    assert pl.DataFrame(pl.from_arrow(later)).sort("n").rows() == frame(6, 7, 8).rows()


def test_deltas_own_merge_works_on_the_files(table):
    table.snapshot().append(frame(*range(3), name="a"))
    rows = frame(2, 3, name="a").with_columns(n=pl.lit(50, pl.Int32))
    same = "t.name = s.name AND t.at = s.at"
    merge = DeltaTable(table.url).merge(rows, same, source_alias="s", target_alias="t")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    assert table.read().sort("at")["n"].to_list() == [0, 1, 50, 50]


def test_a_read_near_moments_opens_only_the_files_that_may_hold_them(table):
    for day in range(6):
        table.snapshot().append(frame(day, name="a"))
    snapshot = table.snapshot()
    near = pl.Series("at", [moment(4), moment(3)])
    for path in snapshot.files().filter(pl.col("max.at") < moment(3))["path"]:
        (Path(table.url) / path).unlink()
    assert snapshot.read({"name": "a"}, near=near).sort("n")["n"].to_list() == [3, 4]
    assert table.last({"name": "a"}, "at") == moment(5)
    assert table.last({"name": "b"}, "at") is None
    with pytest.raises(LakeError, match="could not read"):
        snapshot.read()


def test_files_without_statistics_are_read(table):
    write_deltalake(table.snapshot().delta, frame(1, 2, name="a"), mode="append")
    log = Path(table.url, "_delta_log", f"{1:020}.json")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for entry in entries:
        if "add" in entry:
            entry["add"]["stats"] = None
    log.write_text("\n".join(json.dumps(entry) for entry in entries))
    near = pl.Series("at", [moment(1)])
    assert table.snapshot().read(near=near)["n"].to_list() == [1]
    assert table.last({"name": "a"}, "at") == moment(2)


def test_large_frames_are_cut_and_keep_their_order(table, monkeypatch):
    from truecast.lake import datafiles, tables

    def small(*given):
        return datafiles.write_files(*given, rows=3)

    monkeypatch.setattr(tables, "write_files", small)
    table.snapshot().append(frame(5, 3, 9, 1, 7, 2, 8, name="a"))
    assert table.read()["n"].to_list() == [5, 3, 9, 1, 7, 2, 8]
    assert len(table.snapshot().files()) == 3


def test_a_replacement_in_several_files_keeps_its_order(tmp_path, monkeypatch):
    from truecast.lake import datafiles, tables

    def small(*given):
        return datafiles.write_files(*given, rows=3)

    monkeypatch.setattr(tables, "write_files", small)
    table, rows = Table(str(tmp_path / "t")), frame(5, 3, 9, 1, 7, 2, 8)
    table.overwrite(frame(4, 6), {})
    assert table.overwrite(rows, {}) == 1
    assert table.read().equals(rows)
    assert len(table.snapshot().files()) == 3


def test_other_readers_find_what_replaced_the_rows(tmp_path):
    table = Table(str(tmp_path / "t"))
    first = frame(1, 2)
    second = pl.DataFrame({"x": pl.Series([0.5, None], dtype=pl.Float32), "n": [1, 2]})
    assert [table.overwrite(one, {"made from": "a"}) for one in (first, second, first)] == [0, 1, 2]
    for version, expected in enumerate((first, second, first)):
        held = DeltaTable(table.url, version=version)
        assert pl.DataFrame(held.to_pyarrow_table()).rows() == expected.rows()
        assert pl.read_delta(table.url, version=version).equals(expected)
        assert held.history(1)[0]["made from"] == "a"
        assert held.metadata().configuration["delta.logRetentionDuration"] == "interval 36500 days"
    assert len({DeltaTable(table.url, version=version).metadata().id for version in range(3)}) == 1


def test_columns_of_types_that_delta_has_not_are_held_in_those_it_has(tmp_path):
    table = Table(str(tmp_path / "t"))
    kinds = {"a": pl.UInt32, "b": pl.UInt64, "c": pl.Categorical, "d": pl.Enum(["x"])}
    rows = pl.DataFrame({"a": [7], "b": [8], "c": ["x"], "d": ["x"]}, schema=kinds)
    table.overwrite(rows, {})
    assert dict(table.read().schema) == {
        "a": pl.Int32,
        "b": pl.Int64,
        "c": pl.String,
        "d": pl.String,
    }
    assert table.read().rows() == rows.rows()
    with pytest.raises(LakeError, match="could not write"):
        table.overwrite(pl.DataFrame({"a": [2**32 - 1]}, schema={"a": pl.UInt32}), {})
    assert table.read().rows() == rows.rows()


@pytest.mark.parametrize("before", [None, 0, 2])
def test_of_two_who_replace_all_rows_at_once_the_second_is_told(tmp_path, monkeypatch, before):
    from truecast.lake import tables

    table, original = Table(str(tmp_path / "t")), tables.write_files
    if before is not None:
        table.overwrite(frame(*range(before)), {})
    raced = []

    def race(*given):
        if not raced:
            raced.append(True)
            table.overwrite(frame(8), {})
        return original(*given)

    monkeypatch.setattr(tables, "write_files", race)
    with pytest.raises(ConflictError, match="another process"):
        table.overwrite(frame(9), {})
    assert table.read().rows() == frame(8).rows()
    assert table.overwrite(frame(9), {}) == (1 if before is None else 2)


def test_a_replacement_that_cannot_be_written_leaves_the_table_as_it_was(tmp_path, monkeypatch):
    table = Table(str(tmp_path / "t"))
    table.overwrite(frame(1), {})

    def full(self: pl.DataFrame, path: Path, **_: object) -> None:
        path.write_bytes(b"PAR1 half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pl.DataFrame, "write_parquet", full)
        with pytest.raises(LakeError, match=r"No space left.*check the disk's space"):
            table.overwrite(frame(2), {})
    assert table.read().rows() == frame(1).rows()
    assert len(list(Path(table.url).rglob("*.parquet"))) == 1


def test_the_mark_changes_with_commits_under_the_guard_alone(table):
    assert table.mark("g") is None
    first = table.snapshot().append(frame(1), guard="g")
    assert table.mark("g") == first
    table.snapshot().append(frame(2), guard="h")
    assert table.mark("g") == first
    second = table.snapshot().append(frame(3), guard="g")
    assert table.mark("g") == second != first


def test_an_older_table_reads_as_null_and_gets_its_columns_with_the_next_rows(tmp_path):
    old = Table(str(tmp_path / "t"), {name: SCHEMA[name] for name in ("name", "n")}, ("name",))
    old.snapshot().append(frame(1, 2).select("name", "n"))
    new = Table(old.url, SCHEMA, ("name",))
    assert new.read().sort("n").rows() == [
        (NAMES[1], None, None, 1, None),
        (NAMES[2], None, None, 2, None),
    ]
    assert new.read(columns=["at"])["at"].to_list() == [None, None]
    version = new.version()
    new.snapshot().append(frame(3), guard="g")
    assert new.version() == version + 1
    assert new.read().filter(n=3).rows() == frame(3).rows()
    assert new.read()["day"].null_count() == 2
    assert new.mark("g") is not None
    new.snapshot().append(frame(4))
    assert new.read().filter(n=4).rows() == frame(4).rows()


def test_columns_of_a_later_version_are_left_alone(tmp_path):
    later = Table(str(tmp_path / "t"), {**SCHEMA, "extra": pl.Float64()}, ("name",))
    later.snapshot().append(frame(1).with_columns(extra=pl.lit(0.5)))
    mine = Table(later.url, SCHEMA, ("name",))
    assert mine.read().rows() == frame(1).rows()
    mine.snapshot().append(frame(2))
    assert later.read().sort("n")["extra"].to_list() == [0.5, None]


def test_a_column_that_means_something_else_is_refused(tmp_path):
    other = Table(str(tmp_path / "t"), {**SCHEMA, "n": pl.String()})
    other.snapshot().append(frame(1).cast({"n": pl.String}))
    for work in (Table.read, lambda table: table.snapshot().append(frame(1))):
        with pytest.raises(LakeError, match=r"column n is String, expected Int32: another version"):
            work(Table(other.url, SCHEMA))


@pytest.fixture
def earlier(tmp_path: Path) -> Lake:
    """The lake of 0.1.0."""
    packed = Path(__file__).parents[2] / "upgrade" / "states" / "0.1.0.tar.gz"
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    (found,) = tmp_path.rglob("lake")
    return Lake(str(found))


def test_a_lake_of_the_first_version_is_read_and_appended_to(earlier):
    held = set(DeltaTable(f"{earlier.url}/bronze/index").schema().to_arrow().names)
    assert "covers_from" not in held
    before = earlier.bronze.index.read()
    assert before["covers_from"].null_count() == len(before) > 0
    series = earlier.series()
    tell(earlier)
    assert len(rows_of(earlier)) == 16
    after = earlier.bronze.index.read().sort("written_at")
    assert len(after) == len(before) + 5
    assert after["covers_from"].null_count() == len(before)
    assert earlier.series().filter(pl.col("source") != "pages").equals(series)
    old = earlier.history(*series.row(0)[:2], DAILY).versions
    earlier.optimize()
    assert earlier.history(*series.row(0)[:2], DAILY).versions.equals(old)
    assert list(old.columns) == list(SILVER_BARS)


def test_small_files_become_one_in_the_order_of_time(tmp_path):
    lake = Lake(str(tmp_path))
    tell(lake)
    rows, version = rows_of(lake), lake.version("silver/bars")
    then = Table(f"{lake.url}/silver/bars", SILVER_BARS, ("source", "instrument", "interval"))
    older = then.snapshot(version - 1).read()
    done = {one.table: one for one in lake.optimize()}
    assert (done["silver/bars"].files_before, done["silver/bars"].files_after) == (5, 1)
    assert done["bronze/index"].files_after == 1
    assert {one.removed_files for one in done.values()} == {0}
    assert rows_of(lake) == rows
    assert (
        then.read()
        .select("event_time", "version")
        .equals(then.read().select("event_time", "version").sort("event_time", "version"))
    )
    assert then.snapshot(version - 1).read().equals(older)
    assert lake.optimize() == lake.optimize()
    # Nothing has changed in the series: the same pages are known still.
    tell(lake, STORY[1:])
    assert rows_of(lake) == rows


def test_history_is_deleted_only_when_that_is_said(tmp_path):
    lake = Lake(str(tmp_path))
    tell(lake)
    lake.write_gold("x", pl.DataFrame({"a": [1]}), {"n": "1"})
    lake.write_gold("x", pl.DataFrame({"a": [2]}), {"n": "2"})
    lake.optimize()
    rows = rows_of(lake)
    for path in tmp_path.rglob("*.parquet"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    assert {one.removed_files for one in lake.optimize()} == {0}
    assert lake.read_gold("x", 0).frame["a"].to_list() == [1]
    # What was put together just now may still be open somewhere.
    kept = {one.table: one.removed_files for one in lake.optimize(forget_history=True)}
    assert set(kept.values()) == {0}
    gone = {
        one.table: one.removed_files
        for one in lake.optimize(forget_history=True, retention=timedelta(0))
    }
    assert (gone["silver/bars"], gone["gold/x"]) == (5, 1)
    assert rows_of(lake) == rows
    assert lake.read_gold("x").frame["a"].to_list() == [2]
    with pytest.raises(LakeError, match="could not read"):
        lake.read_gold("x", 0)


def test_writers_go_on_while_files_are_put_together(tmp_path, monkeypatch):
    from truecast.lake import optimize

    lake, original = Lake(str(tmp_path)), optimize.write_files
    tell(lake, STORY[:1])
    raced = []

    def race(*given, **named):
        if not raced:
            raced.append(True)
            tell(lake, STORY[1:])
            lake.optimize()
        return original(*given, **named)

    monkeypatch.setattr(optimize, "write_files", race)
    lake.optimize()
    clean = Lake(str(tmp_path / "clean"))
    tell(clean)
    assert rows_of(lake) == rows_of(clean)
    assert len(lake.bronze.index.read()) == 5


def test_the_same_payload_is_left_out_only_if_nothing_has_happened_since(tmp_path, monkeypatch):
    lake = Lake(str(tmp_path))
    first, second = STORY[0][1], STORY[1][1]
    parsed = []
    original = Pages.parse

    def counted(self, payload):
        parsed.append(payload)
        return original(self, payload)

    monkeypatch.setattr(Pages, "parse", counted)
    told = lake.ingest(Pages([first]), "^X", DAILY)
    again = lake.ingest(Pages([first]), "^X", DAILY)
    assert len(parsed) == 1
    assert (again.received, again.added, again.revised, again.unchanged) == (4, 0, 0, 3)
    assert (again.quarantined, again.payloads) == (told.quarantined, told.payloads)
    lake.ingest(Pages([second]), "^X", DAILY)
    reverted = lake.ingest(Pages([first]), "^X", DAILY)
    assert len(parsed) == 3
    assert reverted.revised == 0  # its only other number was never a bar
    lake.ingest(Pages([first], live=False), "^X", DAILY)
    assert len(parsed) == 4  # it means something else
    lake.ingest(Pages([first], live=False), "^Y", DAILY)
    assert len(parsed) == 5


def test_a_bar_that_had_not_closed_is_looked_at_again(tmp_path):
    lake = Lake(str(tmp_path))
    one = {**STORY[0][0], "received": 3}
    told = lake.ingest(Pages([one]), "^X", DAILY)
    assert told.quarantined["not_yet_closed"] > 0
    assert [*Path(lake.url).rglob("completed/*")] == []


def test_a_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    place = storage.LocalStorage(str(tmp_path))

    def torn(self: pl.DataFrame, path: Path, **_: object) -> None:
        path.write_bytes(b"PAR1 half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", torn)
    with pytest.raises(OSError, match="No space"):
        place.write_parquet("a/b.parquet", pl.DataFrame({"x": [date(2020, 1, 1)]}))
    assert [one.name for one in place.files()] == []
    place.write("a/c", b"1")
    place.write("a/c", b"22")
    assert [(one.name, one.size) for one in place.files()] == [("a/c", 2)]
    place.delete("a/c")
    place.delete("a/c")
    assert place.size("a/c") is None
