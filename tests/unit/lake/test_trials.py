from datetime import date
from pathlib import Path

import polars as pl

from truecast.core.slot import Slot
from truecast.lake.trials import Look, Trials

PRICE = Slot("mine", "sample", "^GSPC", "price", 1)


def look(slot: Slot, **keys: str) -> Look:
    return Look(slot, keys, date(2014, 1, 14), date(2018, 12, 31))


def test_each_model_counts_once_whatever_the_recipe_is_called(tmp_path: Path) -> None:
    trials = Trials(str(tmp_path))
    assert trials.count(PRICE) == 0
    assert trials.record([look(PRICE, ridge="a", lightgbm="b")]) == 2
    assert trials.record([look(PRICE, ridge="a", lightgbm="c")]) == 1
    other = Slot("yours", "sample", "^GSPC", "price", 1)
    assert trials.record([look(other, ridge="a")]) == 0
    assert trials.count(other) == 3


def test_other_series_targets_and_horizons_are_counted_apart(tmp_path: Path) -> None:
    trials = Trials(str(tmp_path))
    trials.record([look(PRICE, ridge="a")])
    for slot in (
        Slot("mine", "files-x", "^GSPC", "price", 1),
        Slot("mine", "sample", "^IXIC", "price", 1),
        Slot("mine", "sample", "^GSPC", "return", 1),
        Slot("mine", "sample", "^GSPC", "price", 5),
    ):
        assert trials.count(slot) == 0


def test_looks_at_several_series_are_one_commit(tmp_path: Path) -> None:
    trials = Trials(str(tmp_path))
    others = [Slot("mine", "sample", f"S{place}", "price", 1) for place in range(3)]
    assert trials.record([look(slot, ridge="a", lightgbm="b") for slot in others]) == 6
    assert trials.record([look(others[0], ridge="a"), look(others[1], ridge="c")]) == 1
    assert [trials.count(slot) for slot in others] == [2, 3, 2]
    rows = pl.read_delta(str(tmp_path / "gold/trials"))
    assert rows.filter(instrument="S2")["model"].to_list() == ["ridge", "lightgbm"]
    assert set(rows["last"]) == {date(2018, 12, 31)}
    assert len([*(tmp_path / "gold/trials/_delta_log").glob("*.json")]) <= 3
