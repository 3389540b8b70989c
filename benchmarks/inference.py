"""One row of 114 features through 300 trees: a bundle's model against LightGBM's own booster.

``truecast`` is the whole call that serving makes: ``predict`` of the model of a bundle that was
saved and loaded, on one window, with its checks. ``booster`` is ``Booster.predict`` of the same
trees on one core; with its default, all cores, a single row takes it longer. Both are asked about
the same rows, one at a time, a block of them by one and then by the other; seconds are those of
one row.
"""

import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import lightgbm
import numpy as np
from _measure import OURS, arguments, report, timed

from truecast.models.base import Model
from truecast.models.bundle import Part, load_bundle, save_bundle
from truecast.models.manifest import Training
from truecast.models.parameters import parameters_of
from truecast.models.trees import LightGBM

FEATURES, TREES, LEARNED = 114, 300, 1_500


def make_windows(count: int) -> np.ndarray:
    """Return windows of one row each; one value in fifty is missing."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((count, 1, FEATURES)).astype(np.float32)
    X[rng.random(X.shape) < 0.02] = np.nan
    return X


def bundled(model: Model, X: np.ndarray, folder: Path) -> Model:
    """Save the model as a bundle and return what loading it gives."""
    moment = datetime(2014, 1, 14, tzinfo=UTC)
    training = Training(
        slot="bench@simulated:x:price:1",
        recipe="bench",
        recipe_hash="0" * 64,
        target="price",
        horizon=1,
        trained_from=moment,
        trained_through=moment,
        rows=len(X),
    )
    names = tuple(f"feature_{place}" for place in range(FEATURES))
    save_bundle(folder, training, {"point": Part(model, names, X[:4])})
    return load_bundle(folder).models["point"]


def native(model: LightGBM, X: np.ndarray, y: np.ndarray) -> lightgbm.Booster:
    """Grow the same trees by LightGBM alone."""
    settings = {**parameters_of(model), "objective": "regression", "bagging_freq": 1}
    rounds = settings.pop("rounds")
    settings |= {"deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1}
    return lightgbm.train(settings, lightgbm.Dataset(X[:, 0], y, params=settings), rounds)


def main() -> None:
    given = arguments(rows=1_000, rounds=31)
    X = make_windows(LEARNED + given.rows)
    y = np.nan_to_num(X[:, 0, 0]) * 0.1 + np.random.default_rng(2).standard_normal(len(X))
    grown = LightGBM(rounds=TREES)
    grown.fit(X[:LEARNED], y[:LEARNED], target="price", horizon=1)
    with tempfile.TemporaryDirectory() as folder:
        model = bundled(grown, X[:LEARNED], Path(folder) / "bundle")
    booster = native(grown, X[:LEARNED], y[:LEARNED])
    predict = partial(booster.predict, num_threads=1)
    windows = [X[place : place + 1] for place in range(LEARNED, len(X))]
    rows = [window[0] for window in windows]
    ours = np.concatenate([model.predict(window) for window in windows])
    theirs = np.concatenate([predict(row) for row in rows])
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    apart = np.abs(ours - theirs).max()
    print(f"{TREES} trees, {FEATURES} features; on {len(rows):,} rows apart by {apart:.1g} at most")
    sides = {
        OURS: lambda: [model.predict(window) for window in windows],
        "booster": lambda: [predict(row) for row in rows],
    }
    seconds = timed(sides, given.rounds)
    report("inference", {name: taken / len(rows) for name, taken in seconds.items()})


if __name__ == "__main__":
    main()
