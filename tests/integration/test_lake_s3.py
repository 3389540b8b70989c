"""The lake in a bucket: the same rows as in a folder, no commit lost, and errors that help."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest

from lakes.pages import DAILY, STORY, rows_of, tell
from truecast.core.errors import UsageError
from truecast.core.slot import Slot
from truecast.lake.errors import LakeError
from truecast.lake.lake import Lake
from truecast.lake.trials import Look, Trials

LAKES = Path(__file__).parents[1] / "lakes"
KEY, SECRET = "AKIAMADEUP", "made/up+secret"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Serve S3's protocol from a process of its own; returns the endpoint."""
    process = subprocess.Popen(
        [sys.executable, LAKES / "bucket.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    endpoint = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    httpx.put(f"{endpoint}/bucket").raise_for_status()
    yield endpoint
    process.stdin.close()
    process.stdout.close()
    assert process.wait(20) == 0


@pytest.fixture(autouse=True)
def environment(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def remote(request: pytest.FixtureRequest) -> Lake:
    return Lake(f"s3://bucket/{request.node.name}/")


def test_a_bucket_holds_what_a_folder_does(remote, tmp_path):
    local = Lake(str(tmp_path / "local"))
    for lake in (local, remote):
        tell(lake)
        tell(lake, [STORY[1][1:]], "A/B ^é")
    for symbol in ("^X", "A/B ^é"):
        assert rows_of(remote, symbol) == rows_of(local, symbol)
    for table in ("actions", "repairs", "quarantine"):
        frames = [getattr(one, table)("pages", "^X", DAILY) for one in (local, remote)]
        kept = [frame.drop("written_at").rows() for frame in frames]
        assert kept[0] == kept[1]
        assert len(kept[0]) == 4
    assert remote.series().equals(local.series())
    receipts = [
        lake.bronze.index.read().drop("written_at").sort("payload", "instrument")
        for lake in (local, remote)
    ]
    assert receipts[0].equals(receipts[1])
    name = receipts[0]["payload"][0]
    assert remote.bronze.read(name) == local.bronze.read(name)


def test_the_same_bytes_add_nothing_there_either(remote):
    tell(remote, [STORY[0][:1]])
    version = remote.version("silver/bars")
    tell(remote, [STORY[0][:1]])
    assert remote.version("silver/bars") == version
    assert len(remote.bronze.index.read()) == 2


def test_gold_keeps_its_versions_and_their_lineage(remote):
    for value in (1, 2):
        version = remote.write_gold("features/x", pl.DataFrame({"a": [value]}), {"n": str(value)})
        assert version == value - 1
    assert remote.read_gold("features/x").frame["a"].to_list() == [2]
    first = remote.read_gold("features/x", 0)
    assert (first.frame["a"].to_list(), first.lineage) == ([1], {"n": "1"})


def test_trials_are_counted(remote):
    slot = Slot("r", "pages", "^X", "price", 1)
    days = (date(2020, 1, 6), date(2020, 1, 7))
    trials = Trials(remote.url)
    assert [trials.record([Look(slot, {"m": key}, *days)]) for key in ("a", "b", "a")] == [1, 1, 0]
    assert trials.count(slot) == 2


def test_small_files_are_put_together(remote):
    tell(remote, STORY[:1])
    rows = rows_of(remote)
    done = {one.table: one for one in remote.optimize()}
    assert (done["silver/bars"].files_before, done["silver/bars"].files_after) == (3, 1)
    assert rows_of(remote) == rows
    time.sleep(1.1)  # S3 keeps times in seconds
    done = {one.table: one for one in remote.optimize(retention=timedelta(0), forget_history=True)}
    assert done["silver/bars"].removed_files == 3
    assert rows_of(remote) == rows


@pytest.mark.parametrize("series", [1, 2])
def test_two_processes_lose_no_commit(request, series):
    url = f"s3://bucket/{request.node.name.replace('[', '-').strip(']')}"
    done = subprocess.run(
        [sys.executable, LAKES / "writers.py", url, "2", "4", str(series)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = sorted(tuple(line.split()) for line in done.stdout.splitlines())
    assert len(said) == 2 * 4 * 3
    lake = Lake(url)
    kept = [
        (symbol, str(close))
        for symbol in {symbol for symbol, _ in said}
        for close in lake.history("pages", symbol, DAILY).versions["close"]
    ]
    assert sorted(kept) == said
    assert len(lake.bronze.index.read()) == 2 * 4


def test_a_busy_server_is_asked_again_and_then_told_of(remote, server, monkeypatch):
    tell(remote, [STORY[0][:1]])
    httpx.get(f"{server}/slow-down/2")
    assert len(rows_of(remote)) == 4
    httpx.get(f"{server}/slow-down/1000")
    with pytest.raises(LakeError, match="try again in a while"):
        rows_of(remote)
    httpx.get(f"{server}/slow-down/0")
    assert len(rows_of(remote)) == 4


def test_what_is_wrong_is_said_soon_and_without_secrets(remote, monkeypatch):
    def refused(lake: Lake) -> list[str]:
        said = []
        for work in (lambda: tell(lake, STORY[:1]), lake.series):
            with pytest.raises(LakeError) as raised:
                work()
            said.append(str(raised.value))
        return said

    started = time.monotonic()
    for message in refused(Lake("s3://no-such-bucket/lake")):
        assert "the bucket does not exist: make it" in message
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for message in refused(Lake("s3://bucket/down")):
        assert "S3 does not answer: check AWS_ENDPOINT_URL" in message
        assert KEY not in message
        assert SECRET not in message
    assert time.monotonic() - started < 30


def test_without_keys_it_says_which_to_set(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    # What a machine in a cloud would be asked for keys.
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(LakeError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        Lake("s3://bucket/lake").series()


@pytest.mark.parametrize("url", ["s3://", "s3://bucket/a b", "s3://bucket/a%20b", "gs://b/c"])
def test_other_addresses_are_refused(url):
    with pytest.raises(UsageError, match=r"TRUECAST_LAKE=.*expected"):
        Lake(url)
