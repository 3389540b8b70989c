import numpy as np
import pytest
import statsmodels.api as sm

from truecast.core.errors import UsageError
from truecast.models.base import ModelError
from truecast.models.har import RATIO, TERMS, Har, HarLeverage, HarVix
from truecast.serving.planning import feature_plan

N = 500


@pytest.fixture
def table() -> np.ndarray:
    rng = np.random.default_rng(3)
    terms = rng.standard_normal((N, 7))
    terms[:, 3:] = np.minimum(terms[:, 3:], 0)
    ratio = 1.2 + 0.5 * rng.random(N)
    return np.column_stack([terms, ratio]).astype(np.float32)


def variance(table: np.ndarray) -> np.ndarray:
    fit = -0.5 + table[:, :7] @ [0.3, 0.3, 0.2, -0.1, -0.2, -0.3, 0.1]
    noise = np.random.default_rng(4).standard_normal(len(table))
    return np.exp(fit + 0.5 * noise) * table[:, 7]


def by_lstsq(table: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The definition, row by row."""
    ratio = table[:, 7].astype(float)
    g = [max(value / share, 1e-4) for value, share in zip(y, ratio, strict=True)]
    design = np.array([[1.0, *map(float, row[:7])] for row in table])
    b, *_ = np.linalg.lstsq(design, np.log(g), rcond=None)
    smearing = sum(value / np.exp(row @ b) for value, row in zip(g, design, strict=True)) / len(g)
    return np.array(
        [
            np.exp(np.array([1.0, *map(float, row[:7])]) @ b) * smearing * float(row[7])
            for row in new
        ]
    )


def test_the_features_are_named_in_order() -> None:
    assert HarLeverage().features(("rsi_14",)) == (*TERMS, RATIO)
    assert RATIO == "gk_ratio_1000"


def test_it_is_least_squares_with_smearing(table: np.ndarray) -> None:
    y = variance(table)
    y[5] = 0.0  # floored at one squared basis point
    model = HarLeverage().fit(table[:400, None], y[:400], target="volatility", horizon=1)
    expected = by_lstsq(table[:400], y[:400], table)
    np.testing.assert_allclose(model.predict(table[:, None]), expected, rtol=1e-10)
    assert model.dropped_ == 0


def test_smearing_makes_it_right_on_average_in_training(table: np.ndarray) -> None:
    y = variance(table)
    model = HarLeverage().fit(table[:, None], y, target="volatility", horizon=1)
    np.testing.assert_allclose(np.mean(y / model.predict(table[:, None])), 1.0, rtol=1e-12)


def test_the_ratio_scales_the_forecast(table: np.ndarray) -> None:
    model = HarLeverage().fit(table[:, None], variance(table), target="volatility", horizon=1)
    doubled = table.copy()
    doubled[:, 7] *= 2
    np.testing.assert_allclose(
        model.predict(doubled[:, None]), 2 * model.predict(table[:, None]), rtol=1e-12
    )


def test_rows_with_a_missing_feature_teach_nothing_and_have_no_forecast(table: np.ndarray) -> None:
    y = variance(table)
    holed = table.copy()
    for row in range(8):
        holed[row, row] = np.nan
    holed[8, 0] = -np.inf
    model = HarLeverage().fit(holed[:, None], y, target="volatility", horizon=1)
    whole = HarLeverage().fit(table[9:, None], y[9:], target="volatility", horizon=1)
    assert model.dropped_ == 9
    predicted = model.predict(holed[:, None])
    assert np.isnan(predicted[:9]).all()
    np.testing.assert_array_equal(predicted[9:], whole.predict(table[9:, None]))


def test_too_few_whole_rows_are_refused(table: np.ndarray) -> None:
    holed = table.copy()
    holed[37:, 7] = np.nan
    with pytest.raises(ModelError, match="37 usable training rows are too few for 8 features"):
        HarLeverage().fit(holed[:, None], variance(table), target="volatility", horizon=1)


@pytest.mark.parametrize(
    ("model", "terms"),
    [
        (Har(), TERMS[:3]),
        (HarVix(), (*TERMS, "log_close__vix")),
        (HarVix(index="log_close__gvz"), (*TERMS, "log_close__gvz")),
    ],
)
def test_relatives_are_least_squares_in_their_own_terms(model: Har, terms: tuple) -> None:
    rng = np.random.default_rng(5)
    table = np.column_stack([rng.standard_normal((N, len(terms))), 1 + rng.random(N)])
    y = np.exp(table[:, :-1] @ np.linspace(0.1, 0.4, len(terms)) + rng.standard_normal(N))
    model.fit(table[:, None], y, target="volatility", horizon=1)
    oracle = sm.OLS(np.log(y / table[:, -1]), sm.add_constant(table[:, :-1])).fit()
    assert model.features(("rsi_14",)) == (*terms, RATIO)
    np.testing.assert_allclose(model.coefficients_, oracle.params, rtol=1e-9)
    smearing = np.exp(oracle.resid).mean()
    expected = np.exp(oracle.fittedvalues) * smearing * table[:, -1]
    np.testing.assert_allclose(model.predict(table[:, None]), expected, rtol=1e-9)


@pytest.mark.parametrize("context", [[], ["^IXIC"]])
def test_a_recipe_without_the_index_is_refused_in_words(small_recipe, context: list[str]) -> None:
    recipe = small_recipe(context=context, targets={"volatility": {"models": ["har_vix"]}})
    with pytest.raises(UsageError, match=r"har_vix takes log_close__vix.*add \^VIX to context"):
        feature_plan(recipe)
    with_it = feature_plan(small_recipe(context=["^VIX"], targets=recipe.targets))[0]
    assert "log_close__vix" in with_it.names
