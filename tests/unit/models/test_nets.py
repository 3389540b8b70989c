"""Networks against a plain forward pass, and against what a fit may know."""

import numpy as np
import pytest

from truecast.core.errors import UsageError
from truecast.models.base import ModelError
from truecast.models.naive import Naive
from truecast.models.netgraphs import Layout, read_weights, write_graph
from truecast.models.nets import CNN, LSTM, MLP, Net
from truecast.models.onnx import Session
from truecast.models.scaling import Scaling, Standard

rng = np.random.default_rng(11)
ROWS, WINDOW, COLUMNS = 900, 6, 3
X = rng.standard_normal((ROWS, WINDOW, COLUMNS)).astype(np.float32)
X.flags.writeable = False
NOISE = rng.standard_normal(ROWS)
LAYOUTS = [
    Layout("mlp", WINDOW, COLUMNS, units=5, layers=2),
    Layout("cnn", WINDOW, COLUMNS, units=4, layers=2, kernel_size=3),
    Layout("lstm", WINDOW, COLUMNS, units=4, layers=2),
    Layout("lstm", WINDOW, COLUMNS, units=1, layers=1),
]
KINDS: list[type[Net]] = [MLP, CNN, LSTM]


def small(kind: type[Net], **others: object) -> Net:
    return kind(**{"window": WINDOW, "units": 8, "epochs": 25, **others})


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def forward(layout: Layout, weights: dict, window: np.ndarray) -> float:
    """One row by plain loops, in float64, with the gates in Keras's order i, f, c, o."""
    rows = window.astype(np.float64)
    if layout.kind == "mlp":
        values = rows.reshape(-1)
        for place in range(layout.layers):
            values = np.maximum(
                0, values @ weights[f"mlp{place}.kernel"] + weights[f"mlp{place}.bias"]
            )
    elif layout.kind == "cnn":
        for place in range(layout.layers):
            kernel, bias = weights[f"cnn{place}.kernel"], weights[f"cnn{place}.bias"]
            made = []
            for start in range(len(rows) - len(kernel) + 1):
                total = bias.astype(np.float64)
                for step in range(len(kernel)):
                    total = total + rows[start + step] @ kernel[step]
                made.append(np.maximum(0, total))
            rows = np.array(made)
        values = rows.reshape(-1)
    else:
        for place in range(layout.layers):
            kernel, recurrent, bias = (
                weights[f"lstm{place}.{part}"] for part in ("kernel", "recurrent", "bias")
            )
            state, cell, made = np.zeros(layout.units), np.zeros(layout.units), []
            for row in rows:
                i, f, c, o = np.split(row @ kernel + state @ recurrent + bias, 4)
                cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
                state = sigmoid(o) * np.tanh(cell)
                made.append(state)
            rows = np.array(made)
        values = rows[-1]
    return float((values @ weights["head.kernel"] + weights["head.bias"])[0])


def drawn(layout: Layout) -> dict[str, np.ndarray]:
    return {
        name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in layout.shapes.items()
    }


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_a_graph_says_what_a_plain_forward_pass_says(layout: Layout) -> None:
    weights = drawn(layout)
    scaling = Scaling(np.float32([0.2, -1, 100]), np.float32([1.5, 0.5, 20]))
    raw = (X[:40] * scaling.sd + scaling.mean).astype(np.float32)
    raw[::5, 2, 1] = np.nan
    raw[1, 0, 0], raw[2, 0, 0] = 1e9, -np.inf
    scaled = (raw.astype(np.float64) - scaling.mean) / scaling.sd
    scaled = np.clip(np.where(np.isnan(scaled), 0, scaled), -5, 5)
    head = np.array([forward(layout, weights, window) for window in scaled])
    expected = {
        "plain": 0.3 + 2 * head,
        "exponential": np.exp(0.3 + 2 * head),
        "logistic": sigmoid(0.3 + 2 * head),
    }
    for output, values in expected.items():
        content = write_graph(layout, weights, scaling, output, 0.3, 2.0)
        np.testing.assert_allclose(
            Session(content, model="test").run(raw), values, rtol=1e-5, atol=1e-6
        )
    back = read_weights(content, layout, model="test")
    for name, value in weights.items():
        np.testing.assert_array_equal(back[name], value)


def test_a_probability_stays_between_0_and_1() -> None:
    layout = Layout("mlp", 1, 1, units=1, layers=1)
    ones = {name: np.ones(shape, np.float32) for name, shape in layout.shapes.items()}
    scaling = Scaling(np.float32([0]), np.float32([1]))
    graph = Session(write_graph(layout, ones, scaling, "logistic", 0, 1000), model="test")
    assert 0.999999 < graph.run(np.full((1, 1, 1), 9, np.float32))[0] < 1


def test_features_are_scaled_by_the_newest_rows_that_are_there() -> None:
    windows = np.zeros((4, 2, 3), np.float32)
    windows[:, 0] = 1e6
    windows[:, 1] = [[1, 7, np.nan], [3, 7, np.nan], [np.nan, 7, np.nan], [np.inf, 7, np.nan]]
    scaling = Scaling.of(windows)
    np.testing.assert_array_equal(scaling.mean, [2, 7, 0])
    np.testing.assert_array_equal(scaling.sd, [1, 1, 1])
    np.testing.assert_array_equal(scaling.apply(windows[2:])[:, 1], [[0, 0, 0], [5, 0, 0]])
    assert Standard.of(np.array([4.0, 4.0])) == Standard(4.0, 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_signal_is_learned(kind: type[Net]) -> None:
    """What comes depends on how far the newest value is from 0: nothing that a line could tell."""
    y = 3 * np.abs(X[:, -1, 0]) + X[:, -2, 1] + 0.3 * NOISE + 5
    model = small(kind, units=24, learning_rate=0.01, epochs=60, dropout=0.0)
    model.fit(X[:700], y[:700], target="return", horizon=1)
    error = np.mean((model.predict(X[700:]) - y[700:]) ** 2)
    assert error < 0.35 * np.var(y[700:])
    assert model.epoch_ > 3
    assert model.loss_ < 0.35


def test_a_direction_is_learned() -> None:
    y = (X[:, -1, 0] > 0).astype(np.float64)
    model = small(MLP, learning_rate=0.01).fit(X[:700], y[:700], target="direction", horizon=1)
    said = model.predict(X[700:])
    assert ((said > 0.5) == (y[700:] == 1)).mean() > 0.93


def test_a_volatility_is_right_on_average() -> None:
    y = np.exp(1.5 * X[:, -1, 0] + NOISE)
    y[3] = 0.0  # floored at one squared basis point
    model = small(MLP, learning_rate=0.01).fit(X, y, target="volatility", horizon=1)
    said = model.predict(X)
    assert np.mean(np.maximum(y, 1e-4) / said) == pytest.approx(1, abs=1e-5)
    assert np.corrcoef(np.log(said), X[:, -1, 0])[0, 1] > 0.95


def test_where_there_is_nothing_to_learn_the_mean_is_said() -> None:
    model = small(MLP, learning_rate=0.1, patience=1, epochs=2)
    model.fit(X, 3 + NOISE, target="return", horizon=1)
    assert model.epoch_ == 0
    np.testing.assert_allclose(model.predict(X), np.mean(3 + NOISE), rtol=1e-6)


def test_rows_whose_outcome_reaches_into_those_that_say_when_to_stop_teach_nothing() -> None:
    y = X[:, -1, 0] + 0.1 * NOISE
    stop = ROWS - ROWS // 5
    histories: dict[int, list[float]] = {}
    for horizon, changed in ((5, 0), (5, 5), (5, 6)):
        # Reversed among themselves, so that mean and deviation stay what they are.
        label, rows = y.copy(), slice(stop - changed, stop)
        label[rows] = y[rows][::-1]
        history = histories[changed] = []
        small(MLP, epochs=3).fit_from(
            None, X, label, target="return", horizon=horizon,
            watch=lambda _epoch, loss, to=history: to.append(loss),
        )  # fmt: skip
    np.testing.assert_allclose(histories[5], histories[0], rtol=1e-6)
    assert np.abs(np.subtract(histories[6], histories[0])).max() > 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_weights_do_not_depend_on_what_was_fitted_before(kind: type[Net]) -> None:
    y = X[:, -1, 0] + NOISE
    first = small(kind, epochs=3).fit(X, y, target="return", horizon=1).payload()
    small(kind, epochs=2).fit(X[200:], -y[200:], target="return", horizon=2)
    small(kind, epochs=2, seed=2).fit(X, y, target="return", horizon=1)
    assert small(kind, epochs=3).fit(X, y, target="return", horizon=1).payload() == first
    other = small(kind, epochs=3, seed=2).fit(X, y, target="return", horizon=1).payload()
    assert other["model.onnx"] != first["model.onnx"]


def test_a_long_window_and_stacked_layers_agree_with_keras() -> None:
    long = rng.standard_normal((200, 41, 2)).astype(np.float32)
    model = LSTM(window=41, layers=2, units=4, epochs=1)
    model.fit(long, long[:, -1, 0].astype(np.float64), target="return", horizon=1)
    assert model.parity_ < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_begins_with_its_parent(kind: type[Net]) -> None:
    y = (X[:, -1, 0] + 0.2 * NOISE > 0).astype(np.float64)
    parent = small(kind, dropout=0.0).fit(X, y, target="direction", horizon=1)
    child = small(kind, dropout=0.0, epochs=1)
    losses: list[float] = []
    start = child.begin_with(parent, frozen=False, learning_rate=1e-9)
    child.fit_from(
        start, X, y, target="direction", horizon=1, watch=lambda _epoch, loss: losses.append(loss)
    )
    assert losses[0] == pytest.approx(parent.loss_, rel=1e-6)
    np.testing.assert_allclose(child.predict(X), parent.predict(X), atol=1e-6)


def test_the_head_of_a_child_is_first_suited_to_its_rows_by_least_squares() -> None:
    parent = small(MLP).fit(X, X[:, -1, 0] + 0.2 * NOISE, target="return", horizon=1)
    y = 4 - 3 * X[:, -1, 0] + X[:, -1, 1] + NOISE
    child = small(MLP, epochs=1)
    start = child.begin_with(parent, frozen=True, learning_rate=1e-12)
    child.fit_from(start, X, y, target="return", horizon=5)
    given, found = (
        read_weights(model.session_.content, child.layout(COLUMNS), model="test")
        for model in (parent, child)
    )
    taught = slice(0, ROWS - ROWS // 5 - 5)
    rows = Scaling.of(X).apply(X[taught]).astype(np.float64).reshape(-1, WINDOW * COLUMNS)
    hidden = np.maximum(0, rows @ given["mlp0.kernel"] + given["mlp0.bias"])
    label = ((y - y.mean()) / y.std())[taught]
    # Ridge, as ordinary least squares with further rows that say what the head was.
    pull = np.sqrt(0.01 * len(label)) * np.eye(8)
    design = np.block([[hidden, np.ones((len(label), 1))], [pull, np.zeros((8, 1))]])
    target = np.r_[label, pull @ given["head.kernel"][:, 0]]
    expected = np.linalg.lstsq(design, target, rcond=None)[0]
    np.testing.assert_allclose(found["head.kernel"][:, 0], expected[:-1], atol=1e-4)
    np.testing.assert_allclose(found["head.bias"], expected[-1:], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_frozen_parent_the_head_alone_learns(kind: type[Net]) -> None:
    y = X[:, -1, 0] + 0.2 * NOISE
    parent = small(kind).fit(X, y, target="return", horizon=1)
    child = small(kind, epochs=3, patience=3)
    start = child.begin_with(parent, frozen=True, learning_rate=None)
    child.fit_from(start, X, 1 - 2 * y, target="return", horizon=1)
    layout = child.layout(COLUMNS)
    own, given = (
        read_weights(model.session_.content, layout, model="test") for model in (child, parent)
    )
    same = {name for name in own if np.array_equal(own[name], given[name])}
    assert same == {name for name in own if not name.startswith("head")}


def test_a_child_needs_a_fitted_parent_of_its_own_shape() -> None:
    child = small(LSTM)
    with pytest.raises(ModelError, match="expected a fitted lstm to begin with, got naive"):
        child.begin_with(Naive(), frozen=False, learning_rate=None)
    with pytest.raises(ModelError, match="expected a fitted lstm to begin with, got lstm"):
        child.begin_with(small(LSTM), frozen=False, learning_rate=None)
    other = small(LSTM, units=3, epochs=1).fit(X, NOISE, target="return", horizon=1)
    with pytest.raises(ModelError, match=r"lstm: expected weights .*'lstm0.kernel': .3, 32"):
        child.begin_with(other, frozen=False, learning_rate=None)


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(UsageError, match="2 convolutions of 4 rows need a window of at least 7"):
        small(CNN, layers=2, kernel_size=4).fit(X, NOISE, target="return", horizon=1)
    with pytest.raises(ModelError, match="the last 10 say when to stop and 40 before them"):
        small(MLP).fit(X[:50], NOISE[:50], target="return", horizon=40)
    with pytest.raises(ModelError, match="all 900 training rows have y = 1"):
        small(MLP).fit(X, np.ones(ROWS), target="direction", horizon=1)
    with pytest.raises(UsageError, match="dropout of mlp: input should be less than 1"):
        small(MLP, dropout=1.0).fit(X, NOISE, target="return", horizon=1)


def test_other_files_are_refused() -> None:
    model = small(MLP, epochs=1).fit(X, NOISE, target="return", horizon=1)
    files = model.payload()
    parameters = {"window": WINDOW, "units": 8, "epochs": 1}
    assert MLP.from_payload(parameters, files).epoch_ == model.epoch_
    with pytest.raises(ModelError, match=r"mlp: the payload lacks model.onnx"):
        MLP.from_payload(parameters, {"model.json": files["model.json"]})
    with pytest.raises(ModelError, match=r"takes rows of shape \(6, 3\), expected \(7, features\)"):
        MLP.from_payload({**parameters, "window": 7}, files)
    for content in (b"\x80\x04K\x01.", b"", files["model.onnx"][:-30]):
        with pytest.raises(ModelError, match=r"model.onnx"):
            MLP.from_payload(parameters, {**files, "model.onnx": content})


def test_the_networks_can_be_had_without_the_extra_only_to_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    from truecast.models import kerasnet

    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ModelError, match=r"pip install 'truecast\[nets\]'"):
        kerasnet._libraries()
