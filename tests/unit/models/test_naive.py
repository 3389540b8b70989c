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


def test_a_regime_is_the_most_frequent_of_training_with_its_share() -> None:
    y = np.r_[np.zeros(10), np.ones(12), np.full(18, 2.0)]
    model = Naive().fit(SD, y, target="regime", horizon=5)
    np.testing.assert_array_equal(model.predict(NEW), [2.0] * 4)
    np.testing.assert_array_equal(model.probabilities(NEW), [[0.25, 0.3, 0.45]] * 4)
    again = Naive.from_payload({}, model.payload())
    np.testing.assert_array_equal(again.probabilities(NEW), model.probabilities(NEW))


def test_volatility_is_the_square_of_the_sample_deviation_floored() -> None:
    predicted = Naive().fit(SD, np.ones(40), target="volatility", horizon=5).predict(NEW)
    np.testing.assert_array_equal(predicted, [0.25, 4.0, 1e-4, np.nan])
