import numpy as np
import pytest

from truecast.core.errors import UsageError
from truecast.core.recipe_parts import Choice
from truecast.models.base import ModelError
from truecast.models.catalog import create
from truecast.models.ensemble import Ensemble
from truecast.models.linear import Ridge
from truecast.models.naive import Naive

RNG = np.random.default_rng(0)
INPUTS = ("a", "b", "c")


def test_columns_are_each_members_in_turn() -> None:
    model = Ensemble(of=["naive", "ridge", "lightgbm"])
    assert model.features(INPUTS) == ("return_sd_22", *INPUTS, *INPUTS)
    assert model.features(()) == ("return_sd_22",)


def test_prices_are_averaged() -> None:
    X = RNG.standard_normal((200, 1, 4)).astype(np.float32)
    y = X[:, 0, 1] + RNG.standard_normal(200)
    model = Ensemble(of=["naive", {"ridge": {"alpha": 1.0}}]).fit(X, y, target="price", horizon=1)
    ridge = Ridge(alpha=1.0).fit(X[:, :, 1:], y, target="price", horizon=1)
    np.testing.assert_array_equal(model.predict(X), ridge.predict(X[:, :, 1:]) / 2)


def test_variances_are_averaged_as_multiples() -> None:
    X = np.abs(RNG.standard_normal((200, 1, 2))).astype(np.float32) + 0.1
    y = np.exp(RNG.standard_normal(200))
    model = Ensemble(of=["naive", "naive"]).fit(X, y, target="volatility", horizon=1)
    members = [
        Naive().fit(X[:, :, i : i + 1], y, target="volatility", horizon=1).predict(X[:, :, [i]])
        for i in (0, 1)
    ]
    np.testing.assert_allclose(model.predict(X), np.sqrt(members[0] * members[1]), rtol=1e-14)


def test_the_window_is_the_longest_and_each_member_takes_its_own() -> None:
    model = Ensemble(of=["garch", "naive"])
    assert model.window == 1000
    returns = RNG.standard_normal(1400)
    windows = np.lib.stride_tricks.sliding_window_view(returns, 1000)[:, :, None]
    X = np.concatenate([windows, np.ones_like(windows)], axis=2).astype(np.float32)
    y = np.ones(len(X))
    model.fit(X, y, target="volatility", horizon=1)
    garch = create(Choice(name="garch"), where="test")
    garch.fit(X[:, :, :1], y, target="volatility", horizon=1)
    np.testing.assert_allclose(model.predict(X), np.sqrt(garch.predict(X[:, :, :1])), rtol=1e-12)


def test_its_canary_rows_may_be_as_far_off_as_a_member_s(monkeypatch: pytest.MonkeyPatch) -> None:
    X = RNG.standard_normal((200, 1, 4)).astype(np.float32)
    model = Ensemble(of=["naive", "ridge"]).fit(X, X[:, 0, 1], target="price", horizon=1)
    assert model.canary_tolerance == 0.0
    monkeypatch.setattr(Ridge, "canary_tolerance", 1e-5, raising=False)
    assert model.canary_tolerance == 1e-5


def test_mistakes_are_named() -> None:
    def make(*of: object) -> Choice:
        return Choice(name="ensemble", parameters={"of": list(of)})

    with pytest.raises(UsageError, match=r"ensemble\.of: did you mean 'ridge'"):
        create(make("naive", "rigde"), where="test")
    with pytest.raises(UsageError, match="a member cannot be an ensemble"):
        create(make("naive", {"ensemble": {"of": ["naive", "ridge"]}}), where="test")
    with pytest.raises(UsageError, match=r"'ridge' in ensemble\.of does not forecast direction"):
        create(make("naive", "ridge"), where="test", target="direction")
    with pytest.raises(UsageError, match="ensemble in test needs of"):
        create(Choice(name="ensemble"), where="test")
    with pytest.raises(UsageError, match="of of ensemble in test"):
        create(make("naive"), where="test")
    with pytest.raises(ModelError, match="4 columns do not divide among 3 members"):
        Ensemble(of=["naive", "ridge", "lightgbm"]).fit(
            np.ones((50, 1, 4), dtype=np.float32), np.ones(50), target="price", horizon=1
        )


def test_weights_are_of_rows_that_taught_no_member_then() -> None:
    """Ridge follows the first 240 rows; what it says of those that are held out is wrong."""
    X = RNG.standard_normal((300, 1, 3)).astype(np.float32)
    y = X[:, 0, 1] * np.where(np.arange(300) < 240, 1.0, -1.0) + 0.1 * RNG.standard_normal(300)
    of = ["naive", {"ridge": {"alpha": 1.0}}]
    model = Ensemble(of=of, weights="validation").fit(X, y, target="price", horizon=5)
    ridge = Ridge(alpha=1.0).fit(X[:235, :, 1:], y[:235], target="price", horizon=5)
    losses = [np.mean(y[240:] ** 2), np.mean((y[240:] - ridge.predict(X[240:, :, 1:])) ** 2)]
    expected = (1 / np.array(losses)) / np.sum(1 / np.array(losses))
    np.testing.assert_allclose(model.weights_, expected, rtol=1e-12)
    assert expected[0] > 0.7  # no change lost a quarter of what ridge did
    whole = Ridge(alpha=1.0).fit(X[:, :, 1:], y, target="price", horizon=5)
    np.testing.assert_allclose(
        model.predict(X), expected[1] * whole.predict(X[:, :, 1:]), rtol=1e-12
    )
    again = Ensemble.from_payload({"of": of, "weights": "validation"}, model.payload())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_variances_are_weighed_by_qlike() -> None:
    X = np.abs(RNG.standard_normal((300, 1, 2))).astype(np.float32) + 0.1
    y = X[:, 0, 0].astype(np.float64) ** 2 * np.exp(0.2 * RNG.standard_normal(300))
    model = Ensemble(of=["naive", "naive"], weights="validation")
    model.fit(X, y, target="volatility", horizon=1)
    losses = []
    for place in (0, 1):
        part = X[:, :, [place]]
        member = Naive().fit(part[:239], y[:239], target="volatility", horizon=1)
        ratio = y[240:] / member.predict(part[240:])
        losses.append(np.mean(ratio - np.log(ratio) - 1))
    weights = (1 / np.array(losses)) / np.sum(1 / np.array(losses))
    np.testing.assert_allclose(model.weights_, weights, rtol=1e-12)
    members = [
        Naive().fit(X[:, :, [i]], y, target="volatility", horizon=1).predict(X[:, :, [i]])
        for i in (0, 1)
    ]
    expected = members[0] ** weights[0] * members[1] ** weights[1]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-12)
