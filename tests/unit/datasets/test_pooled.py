"""The rows of several instruments as one dataset, against a plain loop over them."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from truecast.core.calendars import get_calendar
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.datasets.assembly import Dataset
from truecast.datasets.pooled import PooledDataset
from truecast.datasets.targets import DatasetError
from truecast.pipelines.stages import ingest
from truecast.serving.workspace import Workspace

SYMBOLS = ("AAA", "BBB", "CCC")


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return Recipe.model_validate(
        {
            "name": "pool",
            "pooled": True,
            "instruments": [*SYMBOLS],
            "source": {"simulated": {"start": "2020-06-01", "end": "2021-12-31"}},
            "features": ["log_return_1", "close_to_sma_20"],
            "targets": {"price": {"models": ["ridge"]}},
            "split": {"validate": 40, "test": 30},
        }
    )


@pytest.fixture(scope="module")
def members(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """Three instruments; the second was listed a hundred sessions later, and lacks one bar."""
    workspace = Workspace(Settings(home=tmp_path_factory.mktemp("pool")))
    ingest(workspace, recipe)
    found = {symbol: workspace.dataset(recipe, symbol) for symbol in SYMBOLS}
    kept = np.r_[100:300, 301 : len(found["BBB"])]
    late = found["BBB"]
    found["BBB"] = replace(late, decisions=late.decisions[kept], X=late.X[kept])
    return found


def _by_hand(members: dict[str, Dataset]) -> list[tuple[np.datetime64, str, int]]:
    rows = [
        (moment, symbol, place)
        for symbol, one in members.items()
        for place, moment in enumerate(one.decisions.as_of)
    ]
    return sorted(rows, key=lambda row: (row[0], SYMBOLS.index(row[1])))


def test_rows_are_in_the_order_of_decisions(members: dict[str, Dataset]) -> None:
    pool, expected = PooledDataset.over(members), _by_hand(members)
    assert len(pool) == len(expected) == sum(len(one) for one in members.values())
    outcomes, closes = pool.outcomes(2), pool.last_close
    for row in (0, 1, 777, len(pool) - 1):
        moment, symbol, place = expected[row]
        one = members[symbol]
        assert pool.decisions.as_of[row] == moment
        assert pool.rows_of[symbol][place] == row
        assert np.array_equal(pool.X[row], one.X[place], equal_nan=True)
        assert closes[row] == one.last_close[place]
        for name in ("log_return", "known_at"):
            values = getattr(outcomes, name)[row], getattr(one.outcomes(2), name)[place]
            assert np.array_equal(*([value] for value in values), equal_nan=True)


def test_a_window_holds_rows_of_its_own_instrument(members: dict[str, Dataset]) -> None:
    pool, expected = PooledDataset.over(members), _by_hand(members)
    asked = np.array([0, 2, 500, 501, 502, len(pool) - 1])
    found = pool.windows(pool.inputs, 5, asked)
    for row, window in zip(asked, found, strict=True):
        _, symbol, place = expected[row]
        own = members[symbol].windows(pool.inputs, 5)[place]
        assert np.array_equal(window, own, equal_nan=True)
    whole = pool.windows(pool.inputs, 5)
    assert np.array_equal(whole[asked], found, equal_nan=True)


def test_parts_are_cut_by_date(recipe: Recipe, members: dict[str, Dataset]) -> None:
    pool = PooledDataset.over(members)
    parts = pool.parts(recipe)
    days = np.unique(pool.decisions.session)
    assert np.unique(pool.decisions.session[parts.evaluation]).tolist() == days[-30:].tolist()
    assert np.unique(pool.decisions.session[parts.validate]).tolist() == days[-70:-30].tolist()
    assert parts.evaluation.stop == len(pool)
    assert parts.evaluation.stop - parts.evaluation.start == 3 * 30
    before = pool.decisions.session[: parts.validate.start]
    assert before.max() < days[-70]


def test_what_is_known_later_changes_no_row(members: dict[str, Dataset]) -> None:
    pool = PooledDataset.over({name: members[name] for name in ("AAA", "CCC")})
    cut = pool.known_by(pool.decisions.as_of[400])
    assert len(cut) == 402  # both decide at the same moment, and row 400 is the first of two
    assert np.array_equal(cut.X, pool.X[:402], equal_nan=True)
    assert cut.rows_of["CCC"].tolist() == [*range(1, 402, 2)]


def test_markets_of_other_sessions_are_refused(members: dict[str, Dataset]) -> None:
    london = replace(members["CCC"], calendar=get_calendar("XLON"))
    with pytest.raises(DatasetError, match=r"several: AAA XNYS, .*CCC XLON"):
        PooledDataset.over({**members, "CCC": london})
    assert members["AAA"].decisions.session[0].item() >= date(2020, 6, 1)
