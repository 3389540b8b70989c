from datetime import date
from pathlib import Path

import polars as pl

from truecast.core.slot import Slot
from truecast.lake.trials import Trials

SESSIONS = pl.Series([date(2014, 1, 14), date(2018, 12, 31)])
PRICE = Slot("mine", "sample", "^GSPC", "price", 1)


def test_each_model_counts_once_whatever_the_recipe_is_called(tmp_path: Path) -> None:
    trials = Trials(str(tmp_path))
    assert trials.count(PRICE) == 0
    assert trials.record(PRICE, {"ridge": "a", "lightgbm": "b"}, SESSIONS) == 2
    assert trials.record(PRICE, {"ridge": "a", "lightgbm": "c"}, SESSIONS) == 1
    other = Slot("yours", "sample", "^GSPC", "price", 1)
    assert trials.record(other, {"ridge": "a"}, SESSIONS) == 0
    assert trials.count(other) == 3


def test_other_series_targets_and_horizons_are_counted_apart(tmp_path: Path) -> None:
    trials = Trials(str(tmp_path))
    trials.record(PRICE, {"ridge": "a"}, SESSIONS)
    for slot in (
        Slot("mine", "files-x", "^GSPC", "price", 1),
        Slot("mine", "sample", "^IXIC", "price", 1),
        Slot("mine", "sample", "^GSPC", "return", 1),
        Slot("mine", "sample", "^GSPC", "price", 5),
    ):
        assert trials.count(slot) == 0
