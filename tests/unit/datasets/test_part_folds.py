"""One fit a part, and rows as windows without copies."""

import numpy as np
import pytest

from truecast.datasets.assembly import Dataset
from truecast.datasets.splits import Parts, part_folds
from truecast.features.plan import FeaturePlan

AS_OF = np.datetime64("2014-01-01", "us") + np.arange(100) * np.timedelta64(1, "m")


def parts(evaluation: slice, oot: slice) -> Parts:
    return Parts(slice(0, 60), slice(60, 80), slice(80, 90), oot, evaluation)


@pytest.mark.parametrize("begin", [80, 95])
def test_validation_and_evaluation_have_a_fit_each(begin: int) -> None:
    folds = list(part_folds(parts(slice(begin, 100), slice(90, 100)), AS_OF))
    assert [(fold.number, fold.start, fold.stop) for fold in folds] == [
        (-2, 0, 60),
        (-1, 60, begin),
        (0, begin, 100),
    ]
    assert [fold.as_of for fold in folds] == [AS_OF[0], AS_OF[60], AS_OF[begin]]


class Plan(FeaturePlan):
    names = ("a", "b", "c", "d")


@pytest.fixture(params=["rows", "columns"])
def dataset(request: pytest.FixtureRequest) -> Dataset:
    values = np.arange(400, dtype=np.float32).reshape(100, 4)
    X = values if request.param == "rows" else np.asfortranarray(values)
    return Dataset(None, Plan(()), (), None, None, None, X)  # type: ignore[arg-type]


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("features", [("b", "c"), ("c", "a"), ("d",)])
@pytest.mark.parametrize("rows", [None, np.arange(10, 20), np.array([0, 5, 6, 99])])
def test_windows_are_each_row_with_those_before_it(
    dataset: Dataset, window: int, features: tuple[str, ...], rows: np.ndarray | None
) -> None:
    found = dataset.windows(features, window, rows)
    wanted = np.arange(100) if rows is None else rows
    assert found.shape == (len(wanted), window, len(features))
    for place, row in enumerate(wanted):
        for back in range(window):
            at = row - window + 1 + back
            expected = [4 * at + "abcd".index(name) if at >= 0 else np.nan for name in features]
            np.testing.assert_array_equal(found[place, back], expected)


def test_rows_and_columns_that_follow_one_another_are_not_copied(dataset: Dataset) -> None:
    assert np.shares_memory(dataset.windows(("b", "c"), 1), dataset.X)
    assert np.shares_memory(dataset.windows(("b", "c"), 1, np.arange(5, 50)), dataset.X)
    assert not np.shares_memory(dataset.windows(("c", "a"), 1), dataset.X)
