"""What ``truecast features`` says of one feature, and of what it cannot do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_whatever_is_listed_is_explained(typed: Callable[..., Any], tmp_path: Path) -> None:
    done = typed("features", "--explain", "log_close__vix", "--json", home=tmp_path)
    assert (done.code, [row["name"] for row in json.loads(done.out)]) == (0, ["log_close__vix"])
    wrong = typed("features", "--explain", "daily", home=tmp_path)
    assert (wrong.code, wrong.out) == (2, "")
    assert "daily is a set of features: use --set daily" in wrong.err


def test_options_before_a_command_are_not_lost(typed: Callable[..., Any], tmp_path: Path) -> None:
    for options in (("--json",), ("--set", "daily")):
        done = typed("features", *options, "push", "sp500-daily", home=tmp_path)
        assert (done.code, done.out) == (2, "")
        assert done.err == "error: features: options of push come after it\n"


def test_an_error_is_one_line(typed: Callable[..., Any], tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "loud_features.py").write_text("raise ValueError('one\\ntwo')\n")
    monkeypatch.chdir(tmp_path)
    done = typed("features", "--explain", "loud_features:x", home=tmp_path)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "ValueError: one two;" in done.err
