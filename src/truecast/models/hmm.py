"""Regimes of the market by a hidden Markov model: filtered forward, never smoothed."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from truecast.core.errors import UsageError
from truecast.core.labels import REGIMES
from truecast.models.base import (
    Matrix,
    ModelError,
    Vector,
    Windows,
    check_fit,
    check_predict,
    check_rows,
)
from truecast.models.markov import STATES, Chain, fit_chain, observed, onward
from truecast.models.parameters import Count, Seed, parameters_of
from truecast.models.state import STATE_FILE, dump_state, load_state, vector, whole

#: Means that are fewer standard errors apart than this many count as equal.
_TOLD_APART = 2.0


class Hmm:
    """Three states of return and volatility, and which regime tends to follow each.

    Parameters
    ----------
    window : int
        Bars that a state is filtered from, from 1.
    starts : int
        Searches for the parameters, of which the likeliest end is taken, from 1.
    iterations : int
        Steps of a search at most, from 1.
    seed : int
        Of the starts.

    Attributes
    ----------
    chain_ : Chain or None
        What the states look like and how they follow each other: bear, neutral, bull.
    follows_ : array of float64, shape (3, 3)
        Share of training rows in each state (row) after which each regime came (column).
    share_ : array of float64, shape (3,)
        Mean filtered probability of each state over the training rows.
    dropped_ : int
        Training rows that were left out of the search because a feature was missing.

    Notes
    -----
    Two things have the same three names. A *state* is hidden: it is how bars of late look to the
    model, and :meth:`states` and :meth:`filter_windows` say how likely each is. A *regime* is an
    outcome: how far the price goes over the horizon (``Outcomes.regime``). A forecast is about
    the second, since that is what it is settled by: ``P(regime) = Σ_s P(s | window) · follows[s,
    regime]``, and the likeliest regime is predicted. In a calm bull state that may well be
    ``neutral``, and in a wild bear state ``bull``: to say the name of the state instead was wrong
    more often than the naive forecast on the S&P 500 of 2009 to 2013.

    ``follows[s, g] = (Σ_i p_i(s)·[y_i = g] + f(g)) / (Σ_i p_i(s) + 1)``, with p the filtered
    probabilities of the training rows and f the shares of the regimes among them.

    States are named by their mean return, the lowest bear, the highest bull. Means of states lie
    within their sampling error more often than not; those that are less than two standard errors
    apart count as equal, and of these the more volatile is the more bearish. So the names do not
    change places from one refit to the next by chance.

    ``fit`` takes the newest bar of each row as the series, so the rows must follow one another;
    a missing bar is passed over.

    References
    ----------
    Hamilton (1989), A New Approach to the Economic Analysis of Nonstationary Time Series and the
    Business Cycle.
    """

    name: ClassVar[str] = "hmm"
    targets: ClassVar[frozenset[str]] = frozenset({"regime"})
    chain_: Chain | None = None
    follows_: Matrix
    share_: Vector
    dropped_: int

    def __init__(
        self,
        *,
        window: Count = 250,
        starts: Count = 3,
        iterations: Count = 100,
        seed: Seed = 0,
    ) -> None:
        self.window = window
        self.starts = starts
        self.iterations = iterations
        self.seed = seed

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """Return ``("log_return_1", "return_sd_22")``."""
        return ("log_return_1", "return_sd_22")

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Fit the chain and what follows its states; see :class:`truecast.models.base.Model`."""
        parameters_of(self)
        check_fit(self, X, y, target=target, horizon=horizon)
        series = observed(X[:, -1, 0], X[:, -1, 1])
        present = ~np.isnan(series).any(axis=1)
        check_rows(self, int(present.sum()), X.shape[2])
        found = fit_chain(
            self.name,
            series[present],
            starts=self.starts,
            iterations=self.iterations,
            seed=self.seed,
        )
        states = found.filtered(observed(X[:, :, 0], X[:, :, 1]))
        known = ~np.isnan(states).any(axis=1)
        weights, came = states[known].sum(axis=0), np.eye(STATES)[y.astype(np.intp)]
        order = _bear_to_bull(found, weights)
        shares = came.mean(axis=0)
        counts = np.array([(states[known, [s]][:, None] * came[known]).sum(axis=0) for s in order])
        self.chain_ = found.reordered(order)
        self.follows_ = (counts + shares) / (weights[order] + 1)[:, None]
        self.share_ = weights[order] / weights.sum()
        self.dropped_ = int((~present).sum())
        return self

    def states(self, X: Windows) -> Matrix:
        """Return the filtered probability of each state at the newest bar of each row.

        Parameters
        ----------
        X : array of float, shape (n, window, 2)
            As for ``predict``.

        Returns
        -------
        array of float64, shape (n, 3)
            Of bear, neutral and bull; NaN for a row without any bar in its window.

        Raises
        ------
        ModelError
            If the model has not been fitted, or the shape is another.
        """
        check_predict(self, X, columns=None if self.chain_ is None else 2)
        assert self.chain_ is not None  # noqa: S101 (check_predict has raised)
        return self.chain_.filtered(observed(X[:, :, 0], X[:, :, 1]))

    def filter_windows(
        self, returns_window: Sequence[float], volatility_window: Sequence[float]
    ) -> Vector:
        """Return the probability of each state after a run of bars, from these bars alone.

        Parameters
        ----------
        returns_window : sequence of float, length n from 1
            One-bar log returns, percent, oldest first.
        volatility_window : sequence of float, length n
            Volatility at each of these bars, percent a bar: the sample standard deviation of the
            22 one-bar returns up to it, as in training.

        Returns
        -------
        array of float64, shape (3,)
            Of bear, neutral and bull.

        Raises
        ------
        UsageError
            If the windows are empty, differ in length, or hold something that cannot be.
        ModelError
            If the model has not been fitted.
        """
        if self.chain_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        returns, deviations = (
            np.asarray(one, dtype=np.float64) for one in (returns_window, volatility_window)
        )
        if returns.ndim != 1 or returns.shape != deviations.shape or not len(returns):
            raise UsageError(
                "expected as many returns as volatilities, at least one of each; got "
                f"{np.size(returns)} and {np.size(deviations)}"
            )
        if not (np.isfinite(returns).all() and np.isfinite(deviations).all()):
            raise UsageError("expected finite numbers as returns and volatilities, in percent")
        if (deviations < 0).any():
            raise UsageError(f"a volatility is 0 or above, got {deviations.min():g}")
        filtered = self.chain_.filtered(observed(returns, deviations)[None])
        return np.asarray(filtered[0])

    def probabilities(self, X: Windows) -> Matrix:
        """Say how likely each regime is; see :class:`truecast.models.base.Probabilities`."""
        return np.ascontiguousarray(onward(self.follows_, self.states(X).T).T)

    def predict(self, X: Windows) -> Vector:
        """Forecast the likeliest regime; see :class:`truecast.models.base.Model`."""
        check_predict(self, X, columns=None if self.chain_ is None else 2)
        chances = self.probabilities(X)
        missing = np.isnan(chances).any(axis=1)
        return np.where(missing, np.nan, np.argmax(chances, axis=1).astype(np.float64))

    def description(self) -> dict[str, Any]:
        """Return what the states are like, for JSON.

        Returns
        -------
        dict
            ``states``, bear first: ``regime`` (the name), ``mean_return`` and ``volatility`` (mean
            and standard deviation of one-bar returns, percent), ``share`` of the training rows,
            ``mean_duration`` (bars). ``transitions``: probability of each state (column) after
            each (row). ``follows``: share of each regime (column) after each state (row).

        Raises
        ------
        ModelError
            If the model has not been fitted.
        """
        if self.chain_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        chain = self.chain_
        columns = (
            chain.means[:, 0],
            np.sqrt(chain.variances[:, 0]),
            self.share_,
            chain.mean_durations,
        )
        keys = ("mean_return", "volatility", "share", "mean_duration")
        return {
            "states": [
                {"regime": regime, **dict(zip(keys, map(float, values), strict=True))}
                for regime, *values in zip(REGIMES, *columns, strict=True)
            ],
            "transitions": chain.transitions.tolist(),
            "follows": self.follows_.tolist(),
        }

    def payload(self) -> dict[str, bytes]:
        """Return chain, shares and what follows as JSON."""
        if self.chain_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        return {
            STATE_FILE: dump_state(
                **self.chain_.state(),
                follows=self.follows_.ravel(),
                share=self.share_,
                dropped=self.dropped_,
            )
        }

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        keys = ("start", "transitions", "means", "variances", "follows", "share", "dropped")
        state = load_state(cls.name, files, *keys)
        model.chain_ = Chain.from_state(cls.name, state)
        follows = vector(cls.name, state, "follows", STATES**2)
        model.follows_ = follows.reshape(STATES, STATES)
        model.share_ = vector(cls.name, state, "share", STATES)
        model.dropped_ = whole(cls.name, state, "dropped")
        return model


def _bear_to_bull(chain: Chain, weights: Vector) -> list[int]:
    """Return the states by mean return; of those that cannot be told apart the wilder first."""
    means, variances = chain.means[:, 0], chain.variances[:, 0]
    errors = variances / np.maximum(weights, 1.0)  # squared standard errors of the means
    order = [int(place) for place in np.argsort(-variances, kind="stable")]
    # Each change puts a lower mean first, so it comes to an end.
    for _ in range(STATES):
        for place in range(STATES - 1):
            one, other = order[place], order[place + 1]
            apart = _TOLD_APART * float(np.sqrt(errors[one] + errors[other]))
            if means[one] - means[other] > apart:
                order[place], order[place + 1] = other, one
    return order
