import numpy as np
import pytest

from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError
from truecast.core.recipe_parts import Choice
from truecast.models.base import ModelError, last_rows
from truecast.models.catalog import create, supporting
from truecast.models.garch import Garch
from truecast.models.linear import Logistic, Ridge
from truecast.models.naive import Naive
from truecast.models.parameters import check_parameters, parameters_of
from truecast.models.state import dump_state, load_state, number, target_of, vector, whole
from truecast.models.trees import LightGBM

WHERE = "targets.price.models"


def rows(count: int, columns: int = 1) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((count, 1, columns)).astype(np.float32)


def test_create_builds_what_the_recipe_names() -> None:
    model = create(Choice(name="lightgbm", parameters={"rounds": 7}), where=WHERE, target="price")
    assert isinstance(model, LightGBM)
    assert (model.rounds, model.num_leaves) == (7, LightGBM().num_leaves)


def test_a_whole_number_for_a_real_one_hashes_as_a_real_one() -> None:
    made = create(Choice(name="ridge", parameters={"alpha": 10}), where=WHERE)
    assert repr(parameters_of(made)) == "{'alpha': 10.0}"
    assert repr(parameters_of(Ridge(alpha=10))) == "{'alpha': 10.0}"


def test_an_unknown_model_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=rf"'rigde' in {WHERE}: did you mean 'ridge'\?"):
        create(Choice(name="rigde"), where=WHERE)


def test_an_unknown_parameter_gets_the_nearest() -> None:
    choice = Choice(name="lightgbm", parameters={"num_leafs": 3})
    with pytest.raises(UnknownNameError, match=r"parameter of lightgbm.*mean 'num_leaves'\?"):
        create(choice, where=WHERE)
    with pytest.raises(UnknownNameError, match="Valid: none"):
        create(Choice(name="naive", parameters={"drift": 1}), where=WHERE)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("ridge", {"alpha": 0}, r"alpha of ridge in .*: input should be greater than 0, got 0"),
        ("ridge", {"alpha": "1e-3"}, r"got '1e-3'; in YAML write 0\.001000"),
        ("ridge", {"alpha": True}, "valid number, got True"),
        ("ridge", {"alpha": float("nan")}, "got nan"),
        ("ridge", {"alpha": float("inf")}, "finite number, got inf"),
        ("lightgbm", {"rounds": 2.5}, "valid integer, got 2.5"),
        ("lightgbm", {"num_leaves": 1}, "greater than or equal to 2, got 1"),
        ("lightgbm", {"max_bin": 1}, "greater than or equal to 2, got 1"),
        ("lightgbm", {"bagging_fraction": 1.5}, "less than or equal to 1, got 1.5"),
        ("garch", {"mean": "ar"}, "input should be 'constant' or 'zero', got 'ar'"),
    ],
)
def test_a_parameter_out_of_range_is_refused(name: str, parameters: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create(Choice(name=name, parameters=parameters), where=WHERE)


def test_fit_checks_the_parameters_of_a_model_built_by_hand() -> None:
    with pytest.raises(UsageError, match="alpha of ridge: input should be greater than 0, got -1"):
        Ridge(alpha=-1).fit(rows(50), np.zeros(50), target="price", horizon=1)


def test_valid_parameters_pass_unchanged() -> None:
    given = {"rounds": None, "lambda_l2": 0.0, "feature_fraction": 1.0}
    assert check_parameters(LightGBM, given) == given


def test_a_target_that_a_model_does_not_forecast_names_those_that_do() -> None:
    with pytest.raises(
        UsageError, match=r"does not forecast direction: these do: .*ensemble, .*lightgbm, logistic"
    ):
        create(Choice(name="garch"), where="targets.direction.models", target="direction")
    families = {"egarch", "ewma", "garch", "gjr", "har", "har_leverage", "har_vix"}
    assert families | {"ensemble", "naive"} <= set(supporting("volatility"))
    assert families.isdisjoint(supporting("price"))
    assert supporting("weather") == ()


@pytest.mark.parametrize(
    ("model", "target", "y", "message"),
    [
        (Ridge(), "price", np.r_[np.zeros(49), np.inf], r"inf in training row 49: .* 1 rows"),
        (Naive(), "direction", np.r_[0.5, np.zeros(49)], "expected 0 or 1"),
        (LightGBM(), "volatility", np.r_[1.0, -1, np.ones(48)], "row 1: expected a variance"),
        (Logistic(), "direction", np.ones(50), "all 50 training rows have y = 1"),
        (LightGBM(), "direction", np.zeros(50), "all 50 training rows have y = 0"),
        (Ridge(), "price", np.zeros(49), r"one y for each of 50 rows, got \(49,\)"),
    ],
)
def test_outcomes_that_a_target_cannot_have_are_refused(model, target, y, message) -> None:
    with pytest.raises(ModelError, match=message):
        model.fit(rows(50), y, target=target, horizon=1)


def test_a_horizon_below_one_bar_is_refused() -> None:
    with pytest.raises(ModelError, match="at least 1 bar, got 0"):
        Ridge().fit(rows(50), np.zeros(50), target="price", horizon=0)


def test_the_least_number_of_rows_is_enough() -> None:
    with pytest.raises(ModelError, match="33 usable training rows are too few for 4 features"):
        Ridge().fit(rows(33, 4), np.zeros(33), target="price", horizon=1)
    fitted = Ridge().fit(rows(34, 4), np.arange(34.0), target="price", horizon=1)
    assert np.isfinite(fitted.predict(rows(3, 4))).all()


def test_the_last_row_of_a_window_is_the_newest() -> None:
    X = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    np.testing.assert_array_equal(last_rows(X), [[4, 5], [10, 11]])


def test_state_comes_back_to_the_bit() -> None:
    values = np.array([0.1, 1 / 3, 5e-324, -0.0, 1.7976931348623157e308])
    files = {"model.json": dump_state(values=values, count=3, one=1 / 7)}
    state = load_state("x", files, "values", "count", "one")
    assert vector("x", state, "values", 5).tobytes() == values.tobytes()
    assert (whole("x", state, "count"), number("x", state, "one")) == (3, 1 / 7)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "x: the payload lacks model.json"),
        ({"model.json": b"\x80\x04."}, "model.json is not JSON"),
        ({"model.json": b"[" * 100_000}, "model.json is not JSON"),
        ({"model.json": b"[1]"}, "found list"),
        ({"model.json": b'{"b": 1}'}, r"expected \['a'\] in model.json, found \['b'\]"),
    ],
)
def test_other_files_are_refused(files: dict[str, bytes], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_state("x", files, "a")


def test_other_values_are_refused() -> None:
    state = {"a": [1, "two"], "b": [1, 2], "c": [float("inf")], "d": True, "target": ["price"]}
    with pytest.raises(ModelError, match=r"a in model\.json is not a list of numbers"):
        vector("x", state, "a", 2)
    with pytest.raises(ModelError, match="expected 3 finite numbers as b"):
        vector("x", state, "b", 3)
    with pytest.raises(ModelError, match="expected finite numbers as c"):
        vector("x", state, "c")
    with pytest.raises(ModelError, match="expected a whole number as d"):
        whole("x", state, "d")
    with pytest.raises(ModelError, match="not a target of this model"):
        target_of(Garch, state)


def test_a_value_that_is_not_finite_is_not_written() -> None:
    with pytest.raises(ModelError, match="not a finite number"):
        dump_state(a=float("nan"))
