"""Prophet by its own numbers against the library's own predict."""

import json
import logging
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from truecast.core.errors import UsageError
from truecast.models.base import ModelError
from truecast.models.prophet import Prophet

ROWS, TAUGHT, WINDOW = 700, 600, 3
DAYS = np.flatnonzero(np.is_busday(np.datetime64("2010-01-01") + np.arange(1000)))[:ROWS] + 14_610


def table(missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = np.column_stack([DAYS, rng.normal(3.0, 2.0, (ROWS, 2))])
    holes = rng.random((ROWS, 2)) < missing
    values[:, 1:][holes] = np.nan
    return values


def windows(values: np.ndarray) -> np.ndarray:
    padded = np.full((WINDOW - 1 + len(values), values.shape[1]), np.nan, dtype=np.float32)
    padded[WINDOW - 1 :] = values
    return np.moveaxis(sliding_window_view(padded, WINDOW, axis=0), 2, 1)


def outcomes(values: np.ndarray) -> np.ndarray:
    season = np.sin(2 * np.pi * values[:, 0] / 365.25) + 0.5 * np.cos(2 * np.pi * values[:, 0] / 7)
    noise = np.random.default_rng(1).normal(0, 1, ROWS)
    return season + 0.4 * np.nan_to_num(values[:, 1], nan=3.0) + noise


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every search of the library, as it was left."""
    import prophet

    kept: list[Any] = []
    own = prophet.Prophet.fit

    def fit(self: Any, frame: pd.DataFrame, **given: Any) -> Any:
        kept.append(self)
        return own(self, frame, **given)

    monkeypatch.setattr(prophet.Prophet, "fit", fit)
    return kept


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"growth": "linear", "changepoint_prior_scale": 5.0, "seasonality_prior_scale": 10.0},
        {"yearly": 0, "weekly": 3, "regressor_prior_scale": 10.0},
        {"growth": "linear", "n_changepoints": 0, "yearly": 0, "weekly": 0},
    ],
    ids=["default", "linear", "weekly", "line"],
)
def test_it_says_what_the_library_says(searches: list[Any], parameters: dict[str, Any]) -> None:
    values = table()
    y = outcomes(values)
    model = Prophet(window=WINDOW, **parameters)
    model.fit(windows(values)[:TAUGHT], y[:TAUGHT], target="return", horizon=1)
    (search,) = searches
    taught = values[:TAUGHT, 1:].astype(np.float32).astype(float)
    scaled = (values[:, 1:].astype(np.float32).astype(float) - taught.mean(0)) / taught.std(0)
    frame = pd.DataFrame({"ds": pd.to_datetime(DAYS, unit="D"), "x0": scaled[:, 0]})
    frame["x1"] = scaled[:, 1]
    expected = search.predict(frame)["yhat"].to_numpy()
    np.testing.assert_allclose(model.predict(windows(values)), expected, rtol=1e-9, atol=1e-9)
    again = Prophet.from_payload({"window": WINDOW, **parameters}, model.payload())
    np.testing.assert_array_equal(again.predict(windows(values)), model.predict(windows(values)))


def test_free_weights_find_what_was_planted() -> None:
    values = table()
    model = Prophet(
        window=WINDOW, yearly=1, weekly=1, seasonality_prior_scale=10.0, regressor_prior_scale=10.0
    )
    y = outcomes(values)
    model.fit(windows(values), y, target="price", horizon=5)
    weights = model.scale_ * model.weights_
    np.testing.assert_allclose(weights[:4], [1, 0, 0, 0.5], atol=0.15)
    np.testing.assert_allclose(weights[4:] / model.sd_, [0.4, 0], atol=0.05)
    assert model.trend_[0] == 0


def test_defaults_keep_little_of_a_chance_weight() -> None:
    values = table()
    noise = np.random.default_rng(2).normal(0, 1, ROWS)
    kept = Prophet(window=WINDOW).fit(windows(values), noise, target="return", horizon=1)
    free = Prophet(window=WINDOW, seasonality_prior_scale=10.0, regressor_prior_scale=10.0)
    free.fit(windows(values), noise, target="return", horizon=1)
    assert np.abs(kept.weights_).sum() < 0.2 * np.abs(free.weights_).sum()


def test_a_missing_regressor_is_its_last_known_value_and_never_zero() -> None:
    values = table()
    model = Prophet(window=WINDOW, regressor_prior_scale=10.0)
    model.fit(windows(values), outcomes(values), target="return", horizon=1)
    before, holed = windows(values)[-1:].copy(), windows(values)[-1:].copy()
    holed[0, -1, 1] = np.nan
    before[0, -1, 1] = before[0, -2, 1]
    assert model.predict(holed) == model.predict(before)
    holed[0, :, 1] = [np.nan, np.inf, np.nan]
    before[0, -1, 1] = np.float32(model.last_[0])
    assert model.predict(holed) == model.predict(before)
    before[0, -1, 1] = 0.0
    assert abs(model.predict(holed) - model.predict(before))[0] > 0.1


def test_holes_in_training_are_carried_forward() -> None:
    holed, values = table(missing=0.2), table(missing=0.2)
    for row in range(1, ROWS):
        gaps = np.isnan(values[row])
        values[row, gaps] = values[row - 1, gaps]
    first = int(np.flatnonzero(np.isfinite(values).all(axis=1))[0])
    y = outcomes(table())
    one = Prophet(window=WINDOW).fit(windows(holed), y, target="return", horizon=1)
    other = Prophet(window=WINDOW)
    other.fit(windows(values)[first:], y[first:], target="return", horizon=1)
    np.testing.assert_allclose(one.weights_, other.weights_, rtol=1e-4, atol=1e-7)


def test_what_is_mostly_missing_or_constant_is_not_used() -> None:
    values = table()
    values[:400, 1], values[:, 2] = np.nan, 7.0
    y = outcomes(table())
    model = Prophet(window=WINDOW).fit(windows(values), y, target="return", horizon=1)
    assert model.weights_[-2:].tolist() == [0.0, 0.0]
    moved = windows(values).copy()
    moved[:, :, 1:] += 1
    np.testing.assert_array_equal(model.predict(moved), model.predict(windows(values)))


def test_rows_of_one_day_have_no_season() -> None:
    values = table()
    values[:, 0] = values[0, 0]
    with pytest.raises(ModelError, match="of one day"):
        Prophet(window=WINDOW).fit(windows(values), outcomes(values), target="return", horizon=1)


def test_it_says_nothing_while_it_fits(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    values = table()
    with caplog.at_level(logging.DEBUG):
        Prophet(window=WINDOW).fit(windows(values), outcomes(values), target="return", horizon=1)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert not logging.getLogger("cmdstanpy").disabled


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prophet", None)
    values = table()
    with pytest.raises(UsageError, match=r"pip install 'truecast\[prophet\]'"):
        Prophet(window=WINDOW).fit(windows(values), outcomes(values), target="return", horizon=1)


def test_a_state_of_another_size_is_refused() -> None:
    values = table()
    model = Prophet(window=WINDOW)
    model.fit(windows(values), outcomes(values), target="return", horizon=1)
    (content,) = model.payload().values()
    state = json.loads(content)
    state["weights"].pop()
    with pytest.raises(ModelError, match="expected 14 finite numbers as weights"):
        Prophet.from_payload({"window": WINDOW}, {"model.json": json.dumps(state).encode()})
