"""Selection of features: by the training rows alone, by ranks, and the same each time."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from truecast.training.select import strongest

rng = np.random.default_rng(11)


def test_the_strongest_by_spearman_are_kept() -> None:
    values = rng.standard_normal((500, 12)).astype(np.float32)
    y = 0.4 * values[:, 3] - 0.2 * values[:, 7] + rng.standard_normal(500)
    expected = [abs(spearmanr(values[:, place], y).statistic) for place in range(12)]
    for keep in (1, 2, 5, 12, 40):
        best = np.argsort(expected)[::-1][:keep]
        assert strongest(values, y, keep) == tuple(sorted(best.tolist()))


def test_missing_values_are_left_out_and_an_outlier_is_one_rank() -> None:
    values = rng.standard_normal((400, 4)).astype(np.float32)
    y = values[:, 2].astype(np.float64) + rng.standard_normal(400)
    values[:150, 2] = np.nan
    there = np.isfinite(values[:, 2])
    assert spearmanr(values[there, 2], y[there]).statistic > 0.5
    values[200, 0] = 1e9
    y[200] = 1e9  # one pair far out, which would make Pearson's correlation 1
    assert strongest(values, y, 1) == (2,)


@pytest.mark.parametrize("column", [np.full(300, 5.0), np.full(300, np.nan)])
def test_a_column_that_says_nothing_comes_last_and_equals_in_order(column: np.ndarray) -> None:
    y = rng.standard_normal(300)
    values = np.column_stack([column, y, y, -y]).astype(np.float32)
    assert strongest(values, y, 2) == (1, 2)
    assert strongest(values, y, 4) == (0, 1, 2, 3)
