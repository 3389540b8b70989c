"""What the benchmark of transfer makes of its figures; its networks have tests of their own."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def transfer(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module("transfer")
    for name in ("transfer", "_measure"):
        sys.modules.pop(name, None)


def test_a_loss_is_reached_when_it_is_first_as_low(transfer):
    fit = transfer.Course(None, np.array([0.9, 0.5, 0.6, 0.4]), np.array([0.1, 1.0, 2.0, 3.0]))
    assert fit.reached(0.5) == 1.0
    assert fit.reached(0.45) == 3.0
    assert fit.reached(0.3) == float("inf")


def test_a_loss_that_is_never_reached_is_null_in_json(transfer, capsys):
    transfer.report("transfer", {"truecast": float("inf"), "scratch": 2.0})
    said = json.loads(
        capsys.readouterr().out.splitlines()[-1],
        parse_constant=lambda name: pytest.fail(f"{name} is not JSON"),
    )
    assert [row["seconds"] for row in said["rows"]] == [None, 2.0]
    assert [row["ratio"] for row in said["rows"]] == [None, None]


def test_a_perfect_forecast_has_no_loss(transfer):
    rng = np.random.default_rng(2)
    y = np.exp(rng.standard_normal(50))
    rows = transfer.Rows(np.arange(50), rng.standard_normal((50, 2, 7)), y)
    assert rows.stop == 40
    assert transfer.qlike(y, y) == pytest.approx(0, abs=1e-12)
    assert transfer.standard_loss(rows, y) == 0
    expected = np.mean((np.log(y[40:]) / np.log(y).std()) ** 2)
    assert transfer.standard_loss(rows, np.ones(50)) == pytest.approx(expected)


def test_the_naive_forecast_is_a_multiple_of_the_last_month(transfer):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((50, 2, 7))
    month = np.exp(X[:, -1, transfer.FEATURES.index("log_gk_22")])
    rows = transfer.Rows(np.arange(50), X, 3 * month)
    np.testing.assert_allclose(transfer.naive_of(rows, rows), 3 * month)


def test_it_says_what_it_needs():
    told = {key: value for key, value in os.environ.items() if key != "TRUECAST_REALDATA"}
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "transfer.py"], env=told, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "set TRUECAST_REALDATA" in done.stderr
