"""FinBERT's files: from a hub once, proven, kept; and refused where anything is wrong."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from truecast.core.clock import frozen_at
from truecast.core.errors import SettingsError, UsageError
from truecast.core.hashing import hash_of, sha256_of
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.core.settings import load_settings
from truecast.pipelines.stages import check_recipe
from truecast.sentiment.base import CLASSES, SentimentError
from truecast.sentiment.catalog import open_scorer
from truecast.sentiment.classifier import Classifier
from truecast.sentiment.hub import HubFile
from truecast.sentiment.modelfiles import RECORD
from vendors.bert import make_bert
from vendors.hub import COMMIT, REPO, Hub
from vendors.server import Scripted

MODEL, TOKENIZER, CONFIG = PATHS = ("onnx/model.onnx", "tokenizer.json", "config.json")
WORDS = ("gold", "rise", "##s", "fall", "demand", ".", "strong", "weak")
TEXTS = ["Gold rises.", "Weak demand", "", "Gold falls on strong demand"]
KEPT = f"{REPO.replace('/', '--')}@main@onnx--model.onnx"
MOMENT = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> dict[str, bytes]:
    """The files of a small BERT whose outputs are in an order of their own."""
    folder = tmp_path_factory.mktemp("bert") / "files"
    make_bert(folder, WORDS, labels=("Neutral", "Positive", "Negative"))
    return {path: (folder / path).read_bytes() for path in PATHS} | {"README.md": b"# A model\n"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("TRUECAST_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def hub(vendor, exported, home, monkeypatch) -> Hub:
    monkeypatch.setenv("TRUECAST_HUB_URL", vendor.url)
    return Hub(vendor, exported)


def finbert(**options):
    return open_scorer(Choice(name="finbert", parameters=options))


def kept(home: Path) -> list[str]:
    """What is in the folder of models, but for the lock."""
    return sorted(path.name for path in (home / "models").glob("*") if path.suffix != ".lock")


def expected_id(files: dict[str, bytes]) -> str:
    return f"finbert-{hash_of([*(sha256_of(files[path]) for path in PATHS), 512])[:16]}"


def test_scores_with_files_from_the_hub(hub, home, exported, tmp_path):
    scorer = finbert()
    assert hub.asked == []  # nothing before it is used
    found = scorer.score(TEXTS)
    classifier = Classifier(
        home / "models" / KEPT / MODEL, exported[TOKENIZER], exported[CONFIG], 512
    )
    assert classifier.classes == ("neutral", "positive", "negative")
    plain = classifier.probabilities(TEXTS)
    assert CLASSES == ("positive", "negative", "neutral")
    np.testing.assert_array_equal(found, plain[:, [1, 2, 0]])
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert scorer.id == expected_id(exported)


def test_keeps_the_files_with_a_record_and_never_asks_again(hub, home, exported):
    with frozen_at(MOMENT):
        first = finbert().id
    folder = home / "models" / KEPT
    assert kept(home) == [KEPT]
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == {
        *PATHS,
        RECORD,
    }
    assert json.loads((folder / RECORD).read_text()) == {
        "hub": hub.url,
        "repo": REPO,
        "revision": "main",
        "commit": COMMIT,
        "files": {
            path: {"sha256": sha256_of(exported[path]), "size": len(exported[path])}
            for path in PATHS
        },
        "downloaded_at": "2026-03-02T12:00:00+00:00",
    }
    # The branch is turned into a commit first, and every file is of that commit.
    asked = hub.paths_asked()
    assert asked[:2] == [f"/api/models/{REPO}/revision/main", f"/api/models/{REPO}/tree/{COMMIT}"]
    files = [path for path in asked if "/resolve/" in path]
    assert files == [f"/{REPO}/resolve/{COMMIT}/{path}" for path in PATHS]
    count = len(asked)
    again = finbert()
    assert again.score(["Gold rises"]).shape == (1, 3)
    assert again.id == first
    assert len(hub.asked) == count


def test_each_revision_and_file_is_kept_apart(hub, home, exported):
    hub.files["onnx/model_quantized.onnx"] = exported[MODEL]
    assert finbert().id == finbert(revision=COMMIT).id
    assert finbert(file="onnx/model_quantized.onnx").id == expected_id(exported)
    assert kept(home) == sorted(
        f"Xenova--finbert@{name}"
        for name in ("main@onnx--model.onnx", f"{COMMIT}@onnx--model.onnx",
                     "main@onnx--model_quantized.onnx")
    )  # fmt: skip


def test_another_model_is_another_scorer(hub, home, exported, tmp_path):
    first = finbert().id
    make_bert(tmp_path / "other", WORDS, seed=8)
    assert finbert(folder=str(tmp_path / "other")).id != first
    assert {name for name in (first, finbert(folder=str(home / "models" / KEPT)).id)} == {first}


def test_large_files_come_from_the_hosts_that_the_hub_lists(hub, home, monkeypatch):
    port = hub.url.rpartition(":")[2]
    hub.cdn = f"http://localhost:{port}"
    monkeypatch.setenv("TRUECAST_PRIVATE_HOSTS", "127.0.0.1,localhost")
    with pytest.raises(SentimentError, match="'localhost': nothing was sent"):
        finbert().score(TEXTS)
    assert kept(home) == []
    hub.meta["cdnDomains"] = ["us.aws.cdn.hf.co", "localhost"]
    assert finbert().score(TEXTS).shape == (4, 3)
    hosts = {asked.headers["host"] for asked in hub.asked if asked.path.startswith("/cdn/onnx")}
    assert hosts == {f"localhost:{port}"}


@pytest.mark.parametrize("meta", [None, {}, {"cdnDomains": None}, ["localhost"]])
def test_a_hub_without_a_list_of_hosts_sends_files_itself(hub, meta):
    hub.meta = meta
    assert finbert().score(TEXTS).shape == (4, 3)


def test_a_page_in_the_place_of_the_list_of_hosts_is_none(hub, vendor):
    page = Scripted(b"<html>not found</html>")
    vendor.respond = lambda asked: (
        page if asked.path == "/.well-known/meta.json" else hub.respond(asked)
    )
    assert finbert().score(TEXTS).shape == (4, 3)


def other(content: bytes) -> bytes:
    """As long, and not the same."""
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_is_not_what_the_hub_says_is_refused(hub, home, exported, path):
    hub.sent[path] = other(exported[path])
    kind = "SHA-256" if path == MODEL else "git blob"
    with pytest.raises(SentimentError, match=f"{path}: expected .* bytes with {kind} "):
        finbert().score(TEXTS)
    assert kept(home) == []
    hub.sent.clear()
    assert finbert().score(TEXTS).shape == (4, 3)


def test_a_file_that_is_cut_off_is_refused(hub, home, exported):
    content = exported[MODEL]
    # Announced in full: the connection ends too early, and is tried again.
    hub.sent[MODEL] = Scripted(content, cut=len(content) // 2)
    with pytest.raises(SentimentError, match="cut off or damaged"):
        finbert().score(TEXTS)
    # Announced as short as it is: only the hub's own figures tell.
    hub.sent[MODEL] = content[: len(content) // 2]
    with pytest.raises(SentimentError, match=f"expected {len(content)} bytes"):
        finbert().score(TEXTS)
    # Longer than the hub says.
    hub.sent[MODEL] = content + b"more"
    with pytest.raises(SentimentError, match=f"got {len(content) + 4} bytes"):
        finbert().score(TEXTS)
    assert kept(home) == []


def test_what_is_not_on_the_hub_is_named(hub, home):
    with pytest.raises(SentimentError, match=r"nobody/nothing at main: there is no such thing"):
        finbert(repo="nobody/nothing").score(TEXTS)
    with pytest.raises(SentimentError, match="at v9: there is no such thing on the hub"):
        finbert(revision="v9").score(TEXTS)
    with pytest.raises(SentimentError, match=r"no onnx/tiny\.onnx; its ONNX models: onnx/model\.o"):
        finbert(file="onnx/tiny.onnx").score(TEXTS)
    assert kept(home) == []


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (f"/api/models/{REPO}/revision/main", b"<html>", "expected JSON, got an HTML"),
        (f"/api/models/{REPO}/revision/main", b'{"sha": "../.."}', "expected a document with"),
        (f"/api/models/{REPO}/tree/{COMMIT}", b'{"a": 1}', "expected a list"),
        (f"/api/models/{REPO}/tree/{COMMIT}", b'[{"type": "file"}]', "expected a file with path"),
        (
            f"/api/models/{REPO}/tree/{COMMIT}",
            b'[{"type": "file", "path": "a", "oid": "b", "size": 1, "lfs": {"size": 1}}]',
            "expected the SHA-256",
        ),
    ],
)
def test_odd_answers_are_told_as_such(hub, vendor, home, path, body, message):
    vendor.respond = lambda asked: Scripted(body) if asked.path == path else hub.respond(asked)
    with pytest.raises(SentimentError, match=message):
        finbert().score(TEXTS)
    assert kept(home) == []


def test_without_the_hub_it_says_what_to_do(vendor, home, monkeypatch):
    monkeypatch.setenv("TRUECAST_HUB_URL", vendor.url)
    vendor.stop()
    with pytest.raises(SentimentError, match=r"sentiment: \{finbert: \{folder: PATH\}\}") as found:
        finbert().score(TEXTS)
    assert "TRUECAST_HUB_URL" in str(found.value)
    assert "sentiment: lexicon" in str(found.value)
    assert kept(home) == []


def test_a_folder_of_ones_own_needs_no_hub(home, exported, tmp_path, monkeypatch):
    monkeypatch.setenv("TRUECAST_HUB_URL", "http://127.0.0.1:9")  # where nothing answers
    folder = tmp_path / "mine"
    make_bert(folder, WORDS)
    scorer = finbert(folder=str(folder))
    assert scorer.score(TEXTS).shape == (4, 3)
    (folder / TOKENIZER).unlink()
    with pytest.raises(UsageError, match=r"expected onnx/model\.onnx, .* found no tokenizer\.json"):
        finbert(folder=str(folder))
    assert not (home / "models").exists()


def test_files_that_changed_after_the_download_are_refused(hub, home, exported):
    finbert().score(TEXTS)
    folder = home / "models" / KEPT
    for path in PATHS:
        (folder / path).write_bytes(other(exported[path]))
        with pytest.raises(SentimentError, match=f"{path} is not what was downloaded.*delete"):
            finbert().score(TEXTS)
        (folder / path).write_bytes(exported[path])
    (folder / CONFIG).unlink()
    with pytest.raises(SentimentError, match=r"config\.json cannot be read: No such file"):
        finbert().score(TEXTS)
    (folder / CONFIG).write_bytes(exported[CONFIG])
    for text in ("{", "[]", '{"files": {"a": 1}}'):
        (folder / RECORD).write_text(text)
        with pytest.raises(SentimentError, match="is not the record of a download"):
            finbert().score(TEXTS)


def test_what_a_killed_download_left_is_cleared(hub, home):
    left = home / "models" / f"{KEPT}.new"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    assert finbert().score(TEXTS).shape == (4, 3)
    assert kept(home) == [KEPT]
    assert not (home / "models" / KEPT / "half").exists()


def test_a_folder_that_cannot_be_written_is_told(hub, home):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file")
    with pytest.raises(SentimentError, match="cannot be written"):
        finbert().score(TEXTS)


ID = """
from truecast.core.recipe_parts import Choice
from truecast.sentiment.catalog import open_scorer
print(open_scorer(Choice(name="finbert")).id)
"""


def test_two_processes_download_once(hub, exported):
    running = [
        subprocess.Popen([sys.executable, "-c", ID], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    found = [process.communicate(timeout=60)[0].strip() for process in running]
    assert found == [expected_id(exported)] * 2
    assert len([path for path in hub.paths_asked() if path.endswith(f"/tree/{COMMIT}")]) == 1


def test_a_model_of_other_classes_is_refused(tmp_path):
    make_bert(tmp_path / "stars", WORDS, labels=("one star", "two stars", "three stars"))
    with pytest.raises(SentimentError, match="expected a model of the classes positive, negative"):
        finbert(folder=str(tmp_path / "stars")).score(TEXTS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repo": "finbert"}, "repo"),
        ({"repo": "../finbert"}, "repo"),
        ({"revision": "../main"}, "revision"),
        ({"file": "/etc/model.onnx"}, "file"),
        ({"file": "../model.onnx"}, "file"),
        ({"file": "model.pkl"}, "file"),
        ({"folder": "x", "revision": "main"}, "give either folder, or repo and revision"),
        ({"model": "x"}, "model"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(UsageError, match=rf"sentiment\.finbert: .*{message}"):
        finbert(**options)


def test_a_recipe_names_its_scorer(small_recipe, tmp_path, monkeypatch):
    plain = small_recipe()
    assert plain.sentiment == Choice(name="lexicon")
    assert small_recipe(sentiment="lexicon").hash == plain.hash
    other = small_recipe(sentiment={"finbert": {"revision": COMMIT}})
    assert other.hash != plain.hash
    check_recipe(other)  # asks nobody: there is no hub here
    with pytest.raises(UsageError, match="unknown scorer 'finbrt' in sentiment"):
        check_recipe(small_recipe(sentiment="finbrt"))
    monkeypatch.chdir(tmp_path)
    local: Recipe = small_recipe(sentiment={"finbert": {"folder": "mine"}})
    assert local.anywhere().sentiment.parameters == {"folder": str(tmp_path / "mine")}
    with pytest.raises(UsageError, match="in the folder mine, found no"):
        check_recipe(local)


@pytest.mark.parametrize("url", ["huggingface.co", "https://me:s3cret@hub.example", "ftp://hub"])
def test_an_address_that_is_none_is_refused(monkeypatch, url):
    monkeypatch.setenv("TRUECAST_HUB_URL", url)
    with pytest.raises(SettingsError, match="TRUECAST_HUB_URL"):
        load_settings()


def test_gits_name_of_a_content_is_checked():
    # `printf 'hello\n' | git hash-object --stdin`
    file = HubFile("a", 6, None, "ce013625030ba8dba906f756967f9e9ca394464a")
    file.check(b"hello\n")
    with pytest.raises(SentimentError, match="git blob"):
        file.check(b"hellO\n")
