"""A stock's LSTM that begins with the S&P 500's weights, against one that begins with chance.

What is learned is the next session's variance: there is something to learn. Real daily bars are
read from the folder that TRUECAST_REALDATA names: 31 stocks of 2006 to 2017, and ^GSPC.

Child and scratch have the same rows, scaling, early stopping and limits; they differ in the first
weights (and as ``--mode`` and ``--rate`` say). The parent learns at a third of their rate, once for
all of them, from 1962 on: before that the index has no highs and lows. Its opens are the closes of
the day before until 2005, so that its variances are those of whole days; it teaches all the same.
The first year was settled on every other stock by name, AABA first; those between were looked at
once, afterwards.

The loss is that of the last fifth of the training rows, which teach neither; the parent is fitted
on what was known when these begin. ``scratch`` is the time until its best loss, ``truecast`` the
time until the child's is as low; the ratio is the median over the stocks on which scratch beats the
naive forecast. Training alone is counted: both networks have been compiled before, and each epoch
ends with the loss.

The table has the parent as it is, on the stock's own scaling, and the naive forecast: the mean
variance of the last 22 bars, times what suited the training rows. QLIKE is that of the three years
after the training, which none has seen.
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl
from _measure import OURS, report
from numpy.lib.stride_tricks import sliding_window_view

SCRATCH = "scratch"
LAST_MONTH = "log_gk_22"
FEATURES = (
    "log_return_1",
    "log_gk_1",
    "log_gk_5",
    LAST_MONTH,
    "downside_1",
    "downside_5",
    "upside_1",
)
STOCKS, INDEX = "djia31_2006_2017.parquet", "gspc_1927_2025.parquet"
PARENT_FROM, TRAINED_THROUGH = np.datetime64("1962-01-01"), np.datetime64("2014-12-31")


@dataclass(frozen=True)
class Rows:
    """Windows of features, and session and variance of what came after each."""

    session: np.ndarray
    X: np.ndarray
    y: np.ndarray

    def between(self, first: np.datetime64, last: np.datetime64) -> "Rows":
        kept = (self.session >= first) & (self.session <= last)
        return Rows(self.session[kept], self.X[kept], self.y[kept])

    @property
    def stop(self) -> int:
        """Where the rows begin that say when to stop."""
        from truecast.models.networks import STOP_SHARE

        return len(self.y) - round(STOP_SHARE * len(self.y))


def rows_of(bars: pl.DataFrame, window: int) -> Rows:
    from truecast.core.recipe_parts import Choice
    from truecast.core.units import VARIANCE_FLOOR
    from truecast.features.compute import compute_columns
    from truecast.features.plan import FeaturePlan

    names = ("open", "high", "low", "close")
    bars = bars.filter(pl.min_horizontal(names) > 0).drop_nulls(names).sort("date")
    columns = {name: bars[name].to_numpy().astype(np.float64) for name in names}
    plan = FeaturePlan.from_choices([Choice(name=name) for name in FEATURES])
    table = compute_columns(plan.features, columns)
    opened, high, low, close = (np.log(columns[name]) for name in names)
    variance = 0.5 * (high - low) ** 2 - (2 * np.log(2) - 1) * (close - opened) ** 2
    windows = sliding_window_view(table, window, axis=0).transpose(0, 2, 1)[:-1]
    outcome = np.maximum(1e4 * variance, VARIANCE_FLOOR)[window:]
    session = bars["date"].to_numpy().astype("datetime64[D]")[window:]
    whole = np.isfinite(windows).all(axis=(1, 2))
    return Rows(session[whole], windows[whole], outcome[whole])


@dataclass(frozen=True)
class Course:
    """One fit: its losses by epoch, and the median seconds until each."""

    model: Any
    losses: np.ndarray
    seconds: np.ndarray

    def reached(self, loss: float) -> float:
        """Return the seconds until the loss was as low; infinite if it never was."""
        low = np.flatnonzero(self.losses <= loss)
        return float(self.seconds[low[0]]) if len(low) else float("inf")


def course(fit: Callable[[Callable[[int, float], None]], Any], rounds: int) -> Course:
    """Fit the same so many times."""
    every = []
    for _ in range(rounds):
        losses: list[float] = []
        moments: list[float] = []

        def watch(_epoch: int, loss: float, losses=losses, moments=moments) -> None:
            losses.append(loss)
            moments.append(perf_counter())

        started = perf_counter()
        model = fit(watch)
        every.append(np.array(moments) - started)
    return Course(model, np.array(losses), np.median(every, axis=0))


def qlike(variance: np.ndarray, forecast: np.ndarray) -> float:
    ratio = variance / forecast
    return float(np.mean(ratio - np.log(ratio) - 1))


def standard_loss(rows: Rows, forecast: np.ndarray) -> float:
    """Return the loss that networks are stopped by, of a forecast of all rows."""
    label = np.log(rows.y)
    errors = (np.log(forecast) - label)[rows.stop :] / label.std()
    return float(np.mean(errors**2))


def naive_of(rows: Rows, taught: Rows) -> np.ndarray:
    """Return the mean variance of the last 22 bars, as much of it as suited the training rows."""
    place = FEATURES.index(LAST_MONTH)
    seen, said = np.exp(taught.X[:, -1, place]), np.exp(rows.X[:, -1, place])
    stop = taught.stop
    return said * np.exp(np.mean(np.log(taught.y[:stop]) - np.log(seen[:stop])))


def as_it_is(weights: Any, taught: Rows) -> Callable[[Rows], np.ndarray]:
    """Return the parent's network, on features and outcomes in units of the stock's own rows."""
    from truecast.models.netgraphs import write_graph
    from truecast.models.nets import LSTM
    from truecast.models.onnx import Session
    from truecast.models.scaling import Scaling, Standard

    unit, layout = Standard.of(np.log(taught.y)), LSTM().layout(taught.X.shape[2])
    scaling = Scaling.of(taught.X)
    graph = write_graph(layout, weights, scaling, "exponential", unit.mean, unit.sd)
    session = Session(graph, model="parent")
    return lambda rows: session.run(rows.X)


def compare(name: str, rows: Rows, parent: Any, args: argparse.Namespace) -> dict[str, Any]:
    from truecast.models.boosting import smearing_of
    from truecast.models.nets import LSTM

    given = {"target": "volatility", "horizon": 1}
    taught = rows.between(rows.session[0], TRAINED_THROUGH)
    later = rows.between(TRAINED_THROUGH + 1, rows.session[-1])
    begin = LSTM().begin_with(parent, frozen=args.mode == "frozen", learning_rate=args.rate)
    untuned = as_it_is(begin.weights, taught)
    right = smearing_of(taught.y, np.log(untuned(taught)))
    for warm in (None, begin):
        LSTM(epochs=1).fit_from(warm, taught.X, taught.y, **given)
    scratch, child = (
        course(
            lambda watch, one=one: LSTM().fit_from(one, taught.X, taught.y, **given, watch=watch),
            args.rounds,
        )
        for one in (None, begin)
    )
    best = float(scratch.losses.min())
    found = {
        "stock": name,
        "naive": standard_loss(taught, naive_of(taught, taught)),
        "untuned": standard_loss(taught, untuned(taught)),
        SCRATCH: best,
        "child": float(child.losses.min()),
        "scratch_s": scratch.reached(best),
        "child_s": child.reached(best),
        "scratch_all_s": float(scratch.seconds[-1]),
        "child_all_s": float(child.seconds[-1]),
    }
    said = {"naive": naive_of(later, taught), "untuned": untuned(later) * right}
    said |= {SCRATCH: scratch.model.predict(later.X), "child": child.model.predict(later.X)}
    return found | {f"{who}_later": qlike(later.y, values) for who, values in said.items()}


def shown(found: list[dict[str, Any]]) -> None:
    columns = ("naive", "untuned", SCRATCH, "child")
    heads = "".join(f"{one:>9}" for one in columns)
    print(f"{'':8}{'loss on the rows that say when to stop':>36}{'seconds':>28}{'QLIKE later':>36}")
    print(f"{'stock':8}{heads}{'scratch':>10}{'child':>9}{'ratio':>9}{heads}")
    for one in found:
        scratch, child = one["scratch_s"], one["child_s"]
        losses, later = (
            "".join(f"{one[who + end]:9.4f}" for who in columns) for end in ("", "_later")
        )
        print(f"{one['stock']:8}{losses}{scratch:10.3f}{child:9.3f}{child / scratch:9.3f}{later}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stocks", type=int, default=31, help="how many of them")
    parser.add_argument("--rounds", type=int, default=3, help="times each network is fitted")
    parser.add_argument("--mode", choices=("finetune", "frozen"), default="finetune")
    parser.add_argument("--rate", type=float, help="learning rate of the children")
    parser.add_argument("--parent-rate", type=float, default=0.001, help="that of the parent")
    args = parser.parse_args()
    if not os.environ.get("TRUECAST_REALDATA"):
        print("transfer needs real bars: set TRUECAST_REALDATA to their folder", file=sys.stderr)
        raise SystemExit(2)
    from truecast.models.nets import LSTM

    folder = Path(os.environ["TRUECAST_REALDATA"]) / "daily"
    window = LSTM().window
    index = rows_of(pl.read_parquet(folder / INDEX), window)
    bars = pl.read_parquet(folder / STOCKS)
    parents: dict[np.datetime64, Any] = {}
    found = []
    for name in sorted(bars["symbol"].unique())[: args.stocks]:
        rows = rows_of(bars.filter(symbol=name), window)
        taught = rows.between(rows.session[0], TRAINED_THROUGH)
        before = taught.session[taught.stop] - 1
        if before not in parents:
            known = index.between(PARENT_FROM, before)
            parent = LSTM(learning_rate=args.parent_rate)
            parents[before] = parent.fit(known.X, known.y, target="volatility", horizon=1)
        found.append(compare(name, rows, parents[before], args))
        print(f"{len(found)}: {name}", file=sys.stderr)
    shown(found)
    learned = [one for one in found if one[SCRATCH] < one["naive"]]
    ratios = [one["child_s"] / one["scratch_s"] for one in learned]
    reached = sum(np.isfinite(ratios))
    print(
        f"scratch beats the naive forecast on {len(learned)} of {len(found)} stocks; of these the"
    )
    print(f"child is as good on {reached}; median share of scratch's time {median(ratios):.3f}")
    whole = [one["child_all_s"] / one["scratch_all_s"] for one in learned]
    print(
        f"until each stops by itself the child takes {median(whole):.3f} of scratch's time (median)"
    )
    # The ratio is the median of ratios; seconds are scratch's median, and that share of them.
    usual = median(one["scratch_s"] for one in learned)
    seconds = {OURS: usual * median(ratios), SCRATCH: usual}
    report("transfer", seconds)


if __name__ == "__main__":
    main()
