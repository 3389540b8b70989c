"""Ctrl-C ends a command with one sentence and its own exit code."""

import signal
import sys

import pytest

from truecast.cli.app import main


def test_ctrl_c_says_that_nothing_is_half_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["truecast", "reproduce", "v9b18d82d2c39"])
    monkeypatch.setattr(
        "truecast.cli.reproduce.open_workspace", lambda: signal.raise_signal(signal.SIGINT)
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted: nothing was left half-written"
