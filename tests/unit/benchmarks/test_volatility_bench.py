"""What volatility forecasts and intervals are worth on real bars: few refits here, all when soaked.

The soaked test states what is promised; the short one the same with slack, from five models of the
index's first years and one refit a year.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SOAK = bool(os.environ.get("TRUECAST_SOAK"))
LATER = ("2014-01-14", "2018-12-31")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module("volatility")
    for name in ("volatility", "_measure"):
        sys.modules.pop(name, None)


def test_the_mean_of_a_line_and_trees_beats_garch_on_later_years(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "PRICES", ["har_leverage", "lightgbm"])
    recipe = bench.recipe_of("^GSPC", None, 250)
    researcher, said = bench.studied(tmp_path, recipe, "^GSPC")
    rows = {row.model: row for row in bench.judged(researcher, said, "^GSPC", *LATER, "prices")}
    assert set(rows) == {"naive", "garch", "har_leverage", "lightgbm", "ensemble"}
    best = rows["ensemble"]
    assert best.n == 1250
    assert best.better_gk > 12
    assert min(best.dm_gk, best.dm_r2) > 2
    assert min(best.dm_gk_har_leverage, best.dm_r2_har_leverage) > -1.96
    assert rows["garch"].better_gk == 0
    band = bench.intervals(researcher, "^GSPC", *LATER)
    assert band.scale == "har_leverage"
    assert 0.88 <= band.coverage <= 0.92
    assert band.worst_250 >= 0.83
    assert band.top_tercile >= 0.85
    assert band.winkler <= 3.40
    assert band.crps <= 0.425


@pytest.mark.skipif(not SOAK, reason="the whole benchmark takes minutes: TRUECAST_SOAK=1")
@pytest.mark.skipif(
    not os.environ.get("TRUECAST_REALDATA"), reason="needs the VIX in TRUECAST_REALDATA"
)
def test_the_promises(bench: Any, tmp_path: Path) -> None:
    rows, bands = bench.run(tmp_path, 21)
    promised = {
        ("^GSPC", "2014-01-14", "prices"): 15,
        ("^GSPC", "2014-01-14", "vix"): 20,
        ("^IXIC", "2014-01-14", "prices"): 16,
        ("^IXIC", "2014-01-14", "vix"): 18,
        ("^GSPC", "2009-01-02", "prices"): 10,
        ("^GSPC", "2009-01-02", "vix"): 14,
    }
    found = {
        (one.instrument, one.since, one.context): one for one in rows if one.model == "ensemble"
    }
    assert set(found) == set(promised)
    for sample, least in promised.items():
        row = found[sample]
        assert row.better_gk >= least, sample
        assert min(row.dm_gk, row.dm_r2) > 2, sample
        assert min(row.dm_gk_har_leverage, row.dm_r2_har_leverage) > -1.96, sample
    later = {band.scale: band for band in bands if band.since == LATER[0]}
    for scale, winkler, crps in (("har_leverage", 3.35, 0.420), ("har_vix", 3.30, 0.417)):
        band = later[scale]
        assert 0.88 <= band.coverage <= 0.92
        assert band.worst_250 >= 0.83
        assert band.top_tercile >= 0.85
        assert band.winkler <= winkler
        assert band.crps <= crps


def test_without_the_index_that_half_is_left_out(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUECAST_REALDATA", str(tmp_path))
    assert bench.write_files(tmp_path, {"^GSPC": "GSPC"}) is False
    assert not list(tmp_path.iterdir())
    with_it = bench.recipe_of("^GSPC", tmp_path, 21)
    assert (with_it.context, with_it.targets["volatility"].models[0].name) == (("^VIX",), "har_vix")
    assert bench.recipe_of("^GSPC", None, 21).context == ()
