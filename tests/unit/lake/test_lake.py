"""The lake as one thing, on disk."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from truecast.core.bars import PARSED_BARS
from truecast.core.errors import UsageError
from truecast.core.hashing import sha256_of
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake import intake
from truecast.lake.errors import ConflictError, LakeError, NoDataError
from truecast.lake.incidents import Incidents
from truecast.lake.intake import Intake
from truecast.lake.lake import Lake
from truecast.lake.schemas import BRONZE_INDEX, QUARANTINE, SILVER_BARS
from truecast.lake.tables import Table
from truecast.sources.base import Parsed, Payload, SourceError

DAILY = Interval("1d")
RECEIVED = datetime(2020, 6, 1, tzinfo=UTC)
WEEK = [date(2020, 1, 6) + timedelta(days=day) for day in range(4)]


class Feed:
    """A source whose payload is lines such as ``2020-01-06,10.5``."""

    name = "feed"
    live = True
    simulated = True

    def __init__(self, text: str, received_at: datetime = RECEIVED) -> None:
        self.text = text
        self.received_at = received_at

    def symbols(self) -> tuple[str, ...]:
        return ("^X",)

    def instrument(self, symbol: str) -> Instrument:
        return Instrument(symbol, "XNYS", timedelta(minutes=15), adjustment="split")

    def fetch(
        self, symbol: str, interval: Interval, since: datetime | None = None
    ) -> Iterator[Payload]:
        content = self.text.encode()
        yield Payload(
            self.name, symbol, str(interval), {"q": symbol}, content, "text/csv", self.received_at
        )

    def parse(self, payload: Payload) -> Parsed:
        rows = []
        for place, line in enumerate(payload.content.decode().split(), start=1):
            day, close = line.split(",")
            session = date.fromisoformat(day)
            event = datetime(session.year, session.month, session.day, 21, tzinfo=UTC)
            price = float(close) if close else None
            rows.append({"row": place, "session": session, "event_time": event, "close": price})
        return Parsed(pl.DataFrame(rows, schema=PARSED_BARS))


def lines(*closes: float | str) -> str:
    return "\n".join(f"{day},{close}" for day, close in zip(WEEK, closes, strict=False))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def meaning(lake: Lake) -> list[tuple]:
    rows = lake.history("feed", "^X", DAILY).versions
    return rows.drop("written_at", "received_at").rows()


def test_ingest_counts_what_became_of_each_row(lake):
    first = lake.ingest(Feed(lines(1, 2, "", -4)), "^X", DAILY)
    assert first.payloads[0] == sha256_of(lines(1, 2, "", -4))
    assert (first.received, first.added, first.revised, first.unchanged) == (4, 2, 0, 0)
    assert first.quarantined == {"missing_close": 1, "not_positive": 1}
    text = lines(1, 2.5, 3) + f"\n{WEEK[0]},1"
    second = lake.ingest(Feed(text, RECEIVED + timedelta(days=1)), "^X", DAILY)
    assert (second.received, second.added, second.revised, second.unchanged) == (4, 1, 1, 1)
    assert (second.quarantined, second.duplicates) == ({}, 1)
    history = lake.history("feed", "^X", DAILY)
    assert history.known(RECEIVED)["close"].to_list() == [1.0, 2.0, 3.0]
    assert history.known()["close"].to_list() == [1.0, 2.5, 3.0]


def test_silver_says_where_each_row_came_from(lake):
    summary = lake.ingest(Feed(lines(1)), "^X", DAILY)
    (row,) = lake.history("feed", "^X", DAILY).versions.rows(named=True)
    assert list(row) == list(SILVER_BARS)
    assert (row["source"], row["instrument"], row["interval"]) == ("feed", "^X", "1d")
    assert (row["adjustment"], row["simulated"], row["payload"]) == (
        "split",
        True,
        summary.payloads[0],
    )
    assert (row["basis"], row["received_at"]) == ("assumed", RECEIVED)
    assert lake.bronze.read(row["payload"]) == lines(1).encode()


def test_the_same_payload_twice_adds_nothing_but_its_receipt(lake):
    feed = Feed(lines(1, "", 3))
    lake.ingest(feed, "^X", DAILY)
    before, version = meaning(lake), lake.version("silver/bars")
    kept_out = lake.quarantine("feed", "^X", DAILY)
    again = lake.ingest(feed, "^X", DAILY)
    assert (again.added, again.revised, again.unchanged) == (0, 0, 2)
    assert again.quarantined == {"missing_close": 1}
    assert meaning(lake) == before
    assert lake.version("silver/bars") == version
    assert lake.quarantine("feed", "^X", DAILY).equals(kept_out)
    index = lake.bronze.index.read()
    assert index.schema == pl.Schema(BRONZE_INDEX)
    assert index["payload"].to_list() == [*again.payloads] * 2


def test_quarantine_keeps_the_row_as_it_came(lake):
    lake.ingest(Feed(lines(1, -2)), "^X", DAILY)
    rows = lake.quarantine("feed", "^X", DAILY)
    assert rows.schema == pl.Schema(QUARANTINE)
    (row,) = rows.rows(named=True)
    assert (row["row"], row["reason"], row["detail"]) == (2, "not_positive", "close=-2.0")
    assert '"session":"2020-01-07"' in row["content"]
    assert '"close":"-2.0"' in row["content"]


def test_series_lists_what_is_there(lake):
    assert lake.series().is_empty()
    lake.ingest(Feed(lines(1, 2, "")), "^X", DAILY)
    lake.ingest(Feed(lines(1, 9), RECEIVED + timedelta(days=1)), "^X", DAILY)
    assert lake.series().rows(named=True) == [
        {
            "source": "feed",
            "instrument": "^X",
            "interval": "1d",
            "bars": 2,
            "first": datetime(2020, 1, 6, 21, tzinfo=UTC),
            "last": datetime(2020, 1, 7, 21, tzinfo=UTC),
            "revisions": 1,
            "quarantined": 1,
        }
    ]


def test_history_can_start_later_and_says_how_to_get_what_is_missing(lake):
    with pytest.raises(
        NoDataError, match=r"no bars of \^X \(1d\) from source feed.*truecast ingest"
    ):
        lake.history("feed", "^X", DAILY)
    lake.ingest(Feed(lines(1, 2, 3)), "^X", DAILY)
    rows = lake.history("feed", "^X", DAILY, start=WEEK[1]).versions
    assert rows["close"].to_list() == [2.0, 3.0]
    with pytest.raises(NoDataError, match=r"since 2021-01-01.*the last bar is of 2020-01-08"):
        lake.history("feed", "^X", DAILY, start=date(2021, 1, 1))
    assert issubclass(NoDataError, UsageError)


def test_store_equals_ingest(lake, tmp_path):
    feed = Feed(lines(1, 2))
    lake.ingest(feed, "^X", DAILY)
    other, payload = Lake(str(tmp_path / "other")), next(feed.fetch("^X", DAILY))
    other.store(payload, feed.parse(payload), feed.instrument("^X"), True, live=True)
    assert meaning(other) == meaning(lake)


def test_what_is_new_of_several_series_is_one_commit_and_what_it_is_one_by_one(lake, tmp_path):
    names, other = ("^X", "^Y", "^Z"), Lake(str(tmp_path / "other"))
    for one in (lake, other):
        for name in names:
            one.ingest(Feed(lines(1, 2)), name, DAILY)

    class Fails(Feed):
        def parse(self, payload: Payload) -> Parsed:
            if payload.symbol == "^Y":
                raise SourceError("^Y: no JSON")
            return super().parse(payload)

    newer, before = Fails(lines(1, 2.5, 3, "")), lake.version("silver/bars")
    found = lake.ingest_newest(newer, names, DAILY)
    assert lake.version("silver/bars") == before + 1
    assert str(found.pop("^Y")) == "^Y: no JSON"
    assert len(lake.failures("feed", "^Y", DAILY)) == 1
    assert lake.history("feed", "^Y", DAILY).versions["close"].to_list() == [1.0, 2.0]
    told = ("event_time", "version", "close", "known_at", "basis")
    for name, summary in found.items():
        assert summary == other.ingest(newer, name, DAILY)
        assert (summary.added, summary.revised, summary.unchanged) == (1, 1, 1)
        ours, theirs = (one.history("feed", name, DAILY).versions for one in (lake, other))
        assert ours.select(told).equals(theirs.select(told))
        assert len(lake.quarantine("feed", name, DAILY)) == 1
    # The same again adds nothing, and what is not there yet comes whole.
    again = lake.ingest_newest(Feed(lines(1, 2.5, 3, "")), (*names, "^NEW"), DAILY)
    assert [one.added for one in again.values()] == [0, 1, 0, 3]
    assert lake.last_closes()["feed", "^NEW", "1d"] == lake.last_close("feed", "^X", DAILY)


class Pages(Feed):
    """A source whose payloads are of one day each; what is told of a symbol and day fails."""

    def __init__(self, fetching: object = None, parsing: object = None) -> None:
        super().__init__("")
        self.fetching, self.parsing = fetching, parsing

    def fetch(
        self, symbol: str, interval: Interval, since: datetime | None = None
    ) -> Iterator[Payload]:
        for day in WEEK:
            if since is not None and day <= since.date():
                continue
            if (symbol, day) == self.fetching:
                raise KeyError("chart")
            self.text = f"{day},1"
            yield from super().fetch(symbol, interval)

    def parse(self, payload: Payload) -> Parsed:
        if (payload.symbol, payload.content.decode()) == self.parsing:
            raise KeyError("close")
        return super().parse(payload)


@pytest.mark.parametrize(
    ("fetching", "parsing", "where", "kept"),
    [
        (("^Y", WEEK[1]), None, "chart", 3),
        (("^Y", WEEK[2]), None, "chart", 4),
        (None, ("^Y", f"{WEEK[1]},1"), "close", 6),
        (None, ("^Y", f"{WEEK[2]},1"), "close", 6),
    ],
)
def test_what_nobody_foresaw_of_one_symbol_leaves_no_hole_and_fails_no_other(
    lake, fetching, parsing, where, kept
):
    names = ("^X", "^Y")
    for name in names:
        lake.ingest(Feed(lines(1)), name, DAILY)
    receipts = len(lake.bronze.index.read())
    found = lake.ingest_newest(Pages(fetching, parsing), names, DAILY)
    assert (found["^X"].added, repr(found["^Y"])) == (3, f"KeyError('{where}')")
    assert lake.history("feed", "^X", DAILY).versions["session"].to_list() == WEEK
    # As far as the failing page, and what was received is kept.
    failing = fetching[1] if fetching else date.fromisoformat(parsing[1].split(",")[0])
    there = lake.history("feed", "^Y", DAILY).versions["session"].to_list()
    assert there == WEEK[: WEEK.index(failing)]
    assert len(lake.bronze.index.read()) == receipts + kept
    again = lake.ingest_newest(Pages(), names, DAILY)
    assert again["^Y"].added == 4 - len(there)
    assert lake.history("feed", "^Y", DAILY).versions["session"].to_list() == WEEK


def test_rows_that_cannot_be_judged_fail_only_their_own_series(lake, monkeypatch):
    names = ("^X", "^Y", "^Z")
    for name in names:
        lake.ingest(Feed(lines(1)), name, DAILY)
    check = intake.merge_bars

    def odd(bars, stored, receipt):
        if receipt.instrument.symbol == "^Y":
            raise ZeroDivisionError("volume")
        return check(bars, stored, receipt)

    with monkeypatch.context() as patch:
        patch.setattr(intake, "merge_bars", odd)
        found = lake.ingest_newest(Pages(), names, DAILY)
    assert repr(found.pop("^Y")) == "ZeroDivisionError('volume')"
    assert [one.added for one in found.values()] == [3, 3]
    assert lake.ingest_newest(Pages(), names, DAILY)["^Y"].added == 3


@pytest.mark.parametrize(
    ("owner", "point"),
    [(Intake, "_append_bars"), (Incidents, "keep_out"), (Feed, "parse")],
)
def test_a_crash_after_bronze_is_completed_by_the_next_ingest(
    lake, tmp_path, monkeypatch, owner, point
):
    class Killed(BaseException):
        pass

    def die(*_args: object) -> None:
        raise Killed

    feed = Feed(lines(1, "", 3))
    with monkeypatch.context() as patch:
        patch.setattr(owner, point, die)
        with pytest.raises(Killed):
            lake.ingest(feed, "^X", DAILY)
    lake.ingest(feed, "^X", DAILY)
    clean = Lake(str(tmp_path / "clean"))
    clean.ingest(feed, "^X", DAILY)
    assert meaning(lake) == meaning(clean)
    kept_out = [
        one.quarantine("feed", "^X", DAILY).select("row", "reason") for one in (lake, clean)
    ]
    assert kept_out[0].equals(kept_out[1])
    assert len(lake.bronze.index.read()) == 2


def test_a_crash_while_writing_a_payload_leaves_none(lake, monkeypatch):
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LakeError, match=r"No space left on device.*check the disk"):
            lake.ingest(Feed(lines(1)), "^X", DAILY)
    assert [path for path in Path(lake.bronze.storage.url).rglob("*") if path.is_file()] == []
    lake.ingest(Feed(lines(1)), "^X", DAILY)
    assert len(meaning(lake)) == 1


def test_a_damaged_note_of_what_was_taken_in_says_nothing(lake):
    feed = Feed(lines(1, 2))
    lake.ingest(feed, "^X", DAILY)
    (note,) = (Path(lake.url) / "bronze" / "completed").iterdir()
    note.write_text(note.read_text()[:-9])
    again = lake.ingest(feed, "^X", DAILY)
    assert (again.added, again.unchanged) == (0, 2)
    assert lake.ingest(feed, "^X", DAILY) == again


def test_a_damaged_payload_is_noticed(lake):
    name = lake.ingest(Feed(lines(1)), "^X", DAILY).payloads[0]
    path = Path(lake.bronze.storage.url) / "payloads" / name[:2] / name
    path.write_bytes(path.read_bytes()[:-1] + b"9")
    with pytest.raises(LakeError, match="damaged"):
        lake.bronze.read(name)
    with pytest.raises(LakeError, match="could not read the payload"):
        lake.bronze.read("0" * 64)


def test_writers_of_one_series_do_not_overtake_each_other(tmp_path):
    table = Table(str(tmp_path / "t"), {"x": pl.Int64()})
    rows = pl.DataFrame({"x": [1]})
    mine, theirs, elsewhere = table.snapshot(), table.snapshot(), table.snapshot()
    theirs.append(rows, guard="a")
    with pytest.raises(ConflictError):
        mine.append(rows, guard="a")
    elsewhere.append(rows, guard="b")
    assert table.read()["x"].to_list() == [1, 1]


def test_a_conflict_is_merged_again_from_the_newest_state(lake, monkeypatch):
    original = intake.merge_bars
    raced = []

    def race(bars, stored, receipt):
        if not raced:
            raced.append(True)
            lake.ingest(Feed(lines(1, 2)), "^X", DAILY)
        return original(bars, stored, receipt)

    monkeypatch.setattr(intake, "merge_bars", race)
    summary = lake.ingest(Feed(lines(1, 2, 3)), "^X", DAILY)
    assert (summary.added, summary.unchanged) == (1, 2)
    assert [row[8] for row in lake.history("feed", "^X", DAILY).versions.rows()] == [0, 0, 0]


def test_several_may_ingest_one_series_at_the_same_time(lake):
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(lake.ingest, Feed(lines(1, 2, "")), "^X", DAILY) for _ in range(4)]
    assert sum(job.result().added for job in jobs) == 2
    assert lake.history("feed", "^X", DAILY).versions["close"].to_list() == [1.0, 2.0]
    assert len(lake.quarantine("feed", "^X", DAILY)) == 1


def test_series_with_odd_names_stay_apart(lake):
    names = ("^X", "GC=F", "A/B", "A B", "../x", "%2e")
    for place, name in enumerate(names, start=1):
        lake.ingest(Feed(lines(place)), name, DAILY)
    for place, name in enumerate(names, start=1):
        assert lake.history("feed", name, DAILY).versions["close"].to_list() == [float(place)]
    parents = {path.parent for path in Path(lake.url).parent.rglob("*.parquet")}
    assert all(Path(lake.url) in parent.parents for parent in parents)


def test_gold_comes_back_with_its_lineage(lake):
    first = pl.DataFrame({"a": [1.5, None], "day": [date(2020, 1, 6), None]})
    second = pl.DataFrame({"b": ["x"]})
    assert lake.version("gold/features/x") is None
    assert lake.write_gold("features/x", first, {"recipe": "abc", "silver": "3"}) == 0
    assert lake.write_gold("features/x", second, {"recipe": "def"}) == 1
    newest, oldest = lake.read_gold("features/x"), lake.read_gold("features/x", 0)
    assert (newest.lineage, newest.version) == ({"recipe": "def"}, 1)
    assert newest.frame.equals(second)
    assert (oldest.lineage, oldest.version) == ({"recipe": "abc", "silver": "3"}, 0)
    assert oldest.frame.equals(first)
    assert lake.version("gold/features/x") == 1
    with pytest.raises(LakeError, match="no such table"):
        lake.read_gold("other")
    with pytest.raises(UsageError, match="not a name"):
        lake.write_gold("../x", first, {})


def test_places_that_cannot_hold_a_lake_are_refused(tmp_path):
    with pytest.raises(UsageError, match="local folder"):
        Lake("gs://bucket/lake")
    with pytest.raises(UsageError, match="has a % in its path"):
        Lake(str(tmp_path / "a%20b"))


def test_a_lake_may_lie_in_a_folder_with_an_odd_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lake = Lake("my lake é #1 ?")
    lake.ingest(Feed(lines(1, 2)), "^X", DAILY)
    lake.write_gold("x", pl.DataFrame({"a": [1]}), {"k": "v"})
    assert len(meaning(Lake(str(tmp_path / "my lake é #1 ?")))) == 2
    assert lake.read_gold("x").lineage == {"k": "v"}


def test_the_vintage_of_a_payload_does_not_depend_on_its_receipt(lake):
    payload = next(Feed(lines(1)).fetch("^X", DAILY))
    parsed = Feed("").parse(replace(payload, content=lines(1, 2).encode()))
    known = parsed.bars.with_columns(known_at=pl.col("event_time") + timedelta(hours=2))
    lake.store(payload, Parsed(known), Feed("").instrument("^X"), False)
    rows = lake.history("feed", "^X", DAILY).versions
    assert rows["known_at"].to_list() == [
        datetime(2020, 1, 6, 23, tzinfo=UTC), datetime(2020, 1, 7, 23, tzinfo=UTC)
    ]  # fmt: skip
    assert rows["basis"].to_list() == ["vintage", "vintage"]


def test_a_table_without_rows_keeps_its_columns(lake):
    empty = pl.DataFrame(schema={"x": pl.Float32, "at": pl.Datetime("us", "UTC")})
    lake.write_gold("empty", empty, {})
    assert lake.read_gold("empty").frame.equals(empty)
    assert lake.read_gold("empty").frame.schema == empty.schema
