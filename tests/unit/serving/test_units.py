"""Whether a bar that is sent can follow the stored ones."""

import math

import numpy as np
import pytest

from truecast.serving.answering.units import Usual
from truecast.serving.schemas import PostedBar


def bar(open: float, high: float, low: float, close: float, volume: float | None = None):
    return PostedBar(open=open, high=high, low=low, close=close, volume=volume)


def closes(*moves: float) -> np.ndarray:
    return 100 * np.exp(np.cumsum([0.0, *moves]))


NONE = np.full(1000, np.nan)


def test_the_bound_follows_from_the_moves_of_the_series() -> None:
    calm = closes(*[0.01, -0.01] * 200)
    assert Usual.of(calm, NONE).bound == pytest.approx(10 * np.diff(np.log(calm)).std(ddof=1))
    once = closes(*[0.004, -0.004] * 200, 0.2)
    assert Usual.of(once, NONE).bound == pytest.approx(0.4)
    assert Usual.of(closes(*[0.0001, -0.0001] * 50), NONE).bound == 0.05
    assert Usual.of(closes(*[0.3, -0.3] * 50), NONE).bound == math.log(2)
    assert Usual.of(np.array([5.0]), NONE).bound == math.log(2)


def test_every_price_is_held_against_the_close_before() -> None:
    usual = Usual(100.0, 0.1, None)
    assert usual.objection(bar(95, 108, 92, 105), 100.0) is None
    for wrong, name in (
        (bar(9_500, 10_800, 9_200, 10_500), "open"),
        (bar(100, 150, 99, 101), "high"),
        (bar(100, 101, 1, 100), "low"),
    ):
        assert str(usual.objection(wrong, 100.0)).startswith(f"{name} ")
    assert "is 95 times the close before it, 100" in str(
        usual.objection(bar(9_500, 10_800, 9_200, 10_500), 100.0)
    )
    tiny = bar(5e-324, 5e-324, 5e-324, 5e-324)
    assert "open 4.94066e-324 is 0 times the close before it" in str(usual.objection(tiny, 100.0))
    # Below nought nothing can be said of a ratio.
    assert usual.objection(bar(1, 2, 1, 2), -37.63) is None


def test_a_volume_is_within_ten_times_what_there_has_been() -> None:
    usual = Usual.of(closes(0.01), np.array([2e6, np.nan, 4e6]))
    assert usual.volumes == (2e5, 4e7)
    assert usual.objection(bar(100, 101, 100, 101, 3e7), 101.0) is None
    assert "volume 10000 is not between" in str(
        usual.objection(bar(100, 101, 100, 101, 10_000), 101.0)
    )
    assert Usual.of(closes(0.01), NONE).volumes is None
    assert (
        Usual.of(closes(0.01), np.array([0.0, 5.0])).objection(bar(100, 101, 100, 101, 0), 101.0)
        is None
    )
