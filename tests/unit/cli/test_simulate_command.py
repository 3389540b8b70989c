"""`truecast simulate`: what is typed, what is written, what is printed."""

import json

import pytest
from typer.testing import CliRunner

from truecast.cli.simulate import app
from truecast.core.errors import UsageError


@pytest.fixture
def typed(monkeypatch, tmp_path):
    monkeypatch.setenv("TRUECAST_HOME", str(tmp_path))

    def run(*words: str):
        return CliRunner().invoke(app, ["news", *words])

    return run


def test_articles_go_to_a_file_in_the_home(typed, tmp_path):
    done = typed("--kind", "negative", "--count", "3", "--instrument", "GC=F", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    path = tmp_path / "simulated-news.ndjson"
    assert said["file"] == str(path)
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert written == said["articles"]
    assert [article["sentiment_type"] for article in written] == ["negative"] * 3
    assert written[0]["symbols"] == ["GC=F"]


def test_another_file_is_appended_to(typed, tmp_path):
    path = tmp_path / "other" / "news.ndjson"
    for kind in ("positive", "neutral"):
        done = typed("--kind", kind, "--to", str(path))
        assert done.exit_code == 0
        assert f"Written to {path}" in done.stdout
    kinds = [json.loads(line)["sentiment_type"] for line in path.read_text().splitlines()]
    assert kinds == ["positive", "neutral"]


def test_a_stream_waits_between_articles(typed, tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr("truecast.cli.simulate.time.sleep", waited.append)
    assert typed("--every", "2.5", "--count", "3").exit_code == 0
    assert waited == [2.5, 2.5]


def test_words_of_ones_own(typed, tmp_path):
    words = ("--kind", "custom", "--title", "[b]Gold[/b]", "--text", "Gold falls in weak trade")
    done = typed(*words)
    assert done.exit_code == 0
    assert "-1.00  [b]Gold[/b]" in done.stdout
    (line,) = (tmp_path / "simulated-news.ndjson").read_text().splitlines()
    assert json.loads(line)["body"] == "Gold falls in weak trade"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "custom"), "say what it says with --text"),
        (("--title", "A title"), "--title and --text are of --kind custom"),
        (("--every", "1", "--json"), "say how many with --count"),
        (("--kind", "custom", "--text", "short"), "10 to 20000 characters; this has 5"),
    ],
)
def test_wrong_use_is_said_before_anything_is_written(typed, tmp_path, words, said):
    done = typed(*words)
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)
    assert list(tmp_path.iterdir()) == []
