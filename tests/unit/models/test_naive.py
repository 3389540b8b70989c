import numpy as np

from truecast.models.naive import Naive

SD = np.full((40, 1, 1), 1.0, dtype=np.float32)
NEW = np.array([0.5, 2.0, 0.0, np.nan], dtype=np.float32).reshape(4, 1, 1)


def test_price_and_return_do_not_change() -> None:
    y = np.linspace(-1, 3, 40)
    for target in ("price", "return"):
        predicted = Naive().fit(SD, y, target=target, horizon=1).predict(NEW)
        np.testing.assert_array_equal(predicted, [0, 0, 0, 0])


def test_direction_is_the_share_of_rises_in_training() -> None:
    y = np.r_[np.ones(25), np.zeros(15)]
    predicted = Naive().fit(SD, y, target="direction", horizon=1).predict(NEW)
    np.testing.assert_array_equal(predicted, [0.625] * 4)


def test_volatility_is_the_square_of_the_sample_deviation_floored() -> None:
    predicted = Naive().fit(SD, np.ones(40), target="volatility", horizon=5).predict(NEW)
    np.testing.assert_array_equal(predicted, [0.25, 4.0, 1e-4, np.nan])
