"""A hidden Markov chain of three states, what each state looks like, and its forward filter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from truecast.core.labels import REGIMES
from truecast.core.units import VARIANCE_FLOOR
from truecast.models.base import Matrix, ModelError, Vector
from truecast.models.quiet import quiet
from truecast.models.state import STATE_FILE, vector

STATES = len(REGIMES)
#: Rows that are filtered at once: enough for numpy, little for the memory.
_CHUNK = 2000
#: A gain in log likelihood below which the search for parameters ends.
_TOLERANCE = 1e-2
#: Transitions that each pair of states is counted beforehand, so that none is impossible.
_PRIOR_TRANSITIONS = 1.0

Observed = NDArray[np.float64]


def observed(returns: NDArray[np.floating[Any]], deviations: NDArray[np.floating[Any]]) -> Observed:
    """Return what a chain sees of bars.

    Parameters
    ----------
    returns : array of float, shape (...)
        One-bar log returns, percent.
    deviations : array of float, shape (...)
        Volatility at each bar: standard deviation of one-bar returns, percent.

    Returns
    -------
    array of float64, shape (..., 2)
        The return, and the logarithm of the volatility, at least that of a basis point, whose
        distribution is nearer to a normal one; NaN where either is missing.
    """
    floor = np.sqrt(VARIANCE_FLOOR)
    moves = np.asarray(returns, dtype=np.float64)
    logs = np.log(np.maximum(np.asarray(deviations, dtype=np.float64), floor))
    both = np.stack([moves, logs], axis=-1)
    both[~np.isfinite(both).all(axis=-1)] = np.nan
    return both


@dataclass(frozen=True)
class Chain:
    """The parameters of a hidden Markov chain with independent normal observations.

    Attributes
    ----------
    start : array of float64, shape (3,)
        Probability of each state before anything is seen: the chain's stationary distribution,
        since a window may begin anywhere.
    transitions : array of float64, shape (3, 3)
        Probability that a state (row) is followed by another (column).
    means, variances : array of float64, shape (3, 2)
        Of return and log volatility in each state.
    """

    start: Vector
    transitions: Matrix
    means: Matrix
    variances: Matrix

    def filtered(self, seen: Observed) -> Matrix:
        """Return the probability of each state at the end of each window, given the window alone.

        Parameters
        ----------
        seen : array of float64, shape (n, window, 2)
            From :func:`observed`, oldest first. Of a missing bar nothing is learned.

        Returns
        -------
        array of float64, shape (n, 3)
            A row sums to 1; NaN where a window has no bar at all.

        Notes
        -----
        ``p(s) ∝ f(x | s) · Σ_r p(r) · transitions[r, s]`` from one bar to the next. It goes
        forward only, so it is knowable with the last bar of its window. The backward pass, which
        :mod:`hmmlearn` adds when it decodes, would use the bars after each one.

        References
        ----------
        Hamilton (1989), A New Approach to the Economic Analysis of Nonstationary Time Series and
        the Business Cycle.
        """
        found = np.empty((len(seen), STATES))
        for first in range(0, len(seen), _CHUNK):
            part = slice(first, first + _CHUNK)
            found[part] = self._filter(seen[part])
        return found

    def _filter(self, seen: Observed) -> Matrix:
        likelihood = self._likelihood(seen)
        state = np.repeat(self.start[:, None], len(seen), axis=1)
        for step in range(len(likelihood)):
            if step:
                state = onward(self.transitions, state)
            state = state * likelihood[step]
            state = state / (state[0] + state[1] + state[2])
        state[:, np.isnan(seen[:, :, 0]).all(axis=1)] = np.nan
        return state.T

    def _likelihood(self, seen: Observed) -> NDArray[np.float64]:
        """Return that of each bar in each state, over that in the likeliest: (window, 3, n)."""
        columns = np.ascontiguousarray(seen.transpose(2, 1, 0))
        log = np.zeros((seen.shape[1], STATES, seen.shape[0]))
        for column, mean, variance in zip(columns, self.means.T, self.variances.T, strict=True):
            distance = (column[:, None, :] - mean[:, None]) ** 2 / variance[:, None]
            log -= 0.5 * (distance + np.log(variance)[:, None])
        log -= log.max(axis=1, keepdims=True)
        return np.where(np.isnan(log), 1.0, np.exp(log))

    @property
    def mean_durations(self) -> Vector:
        """Bars that each state lasts on average, shape (3,): ``1 / (1 - transitions[s, s])``."""
        leaving = self.transitions.sum(axis=1) - np.diag(self.transitions)
        return np.asarray(1 / leaving)

    def reordered(self, order: list[int]) -> Self:
        """Return the same chain with its states in another order."""
        return type(self)(
            self.start[order],
            self.transitions[np.ix_(order, order)],
            self.means[order],
            self.variances[order],
        )

    def state(self) -> dict[str, Vector]:
        """Return the parameters as lists of numbers, row after row."""
        names = ("start", "transitions", "means", "variances")
        return {name: getattr(self, name).ravel() for name in names}

    @classmethod
    def from_state(cls, model: str, state: Mapping[str, Any]) -> Self:
        """Read :meth:`state` back.

        Raises
        ------
        ModelError
            If it holds something else, or probabilities that are none.
        """
        start = vector(model, state, "start", STATES)
        transitions = vector(model, state, "transitions", STATES**2).reshape(STATES, STATES)
        means, variances = (
            vector(model, state, name, 2 * STATES).reshape(STATES, 2)
            for name in ("means", "variances")
        )
        chances = np.vstack([start, transitions])
        if (chances < 0).any() or not np.allclose(chances.sum(axis=1), 1) or (variances <= 0).any():
            raise ModelError(f"{model}: {STATE_FILE} holds no Markov chain")
        return cls(start, transitions, means, variances)


def onward(matrix: Matrix, chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``matrixᵀ · chances``, each column the same alone as among others.

    Parameters
    ----------
    matrix : array of float64, shape (3, m)
        From each state to what may follow.
    chances : array of float64, shape (3, n)
        Probabilities of the states, a column for each row of data.

    Returns
    -------
    array of float64, shape (m, n)
    """
    # No matrix product, whose rounding depends on the other columns.
    return np.asarray((matrix[:, :, None] * chances[:, None, :]).sum(axis=0))


def fit_chain(model: str, seen: Observed, *, starts: int, iterations: int, seed: int) -> Chain:
    """Search for the likeliest chain by expectation and maximisation, from several starts.

    Parameters
    ----------
    model : str
        For the message.
    seen : array of float64, shape (n, 2)
        From :func:`observed`, bar after bar; none missing.
    starts : int
        The first start parts the rows by volatility, each other takes three of them, drawn by the
        seed, for the means. The end with the best likelihood is taken.
    iterations : int
        Steps of a search at most.
    seed : int
        Of the draws.

    Raises
    ------
    ModelError
        If a column never changes.

    References
    ----------
    Rabiner (1989), A Tutorial on Hidden Markov Models.
    """
    from hmmlearn.hmm import GaussianHMM

    centre, scale = seen.mean(axis=0), seen.std(axis=0)
    if not (scale > 0).all():
        raise ModelError(f"{model}: the return or the volatility is the same in all training rows")
    rows = (seen - centre) / scale
    draw = np.random.default_rng(seed)
    best, best_score = None, -np.inf
    for start in range(starts):
        search = GaussianHMM(
            STATES,
            covariance_type="diag",
            transmat_prior=1.0 + _PRIOR_TRANSITIONS,
            n_iter=iterations,
            tol=_TOLERANCE,
            init_params="",
        )
        search.startprob_ = np.full(STATES, 1 / STATES)
        search.transmat_ = 0.85 * np.eye(STATES) + 0.05
        search.means_ = rows[draw.choice(len(rows), STATES, False)] if start else _thirds(rows)
        search.covars_ = np.ones((STATES, rows.shape[1]))
        with quiet("hmmlearn.base", "hmmlearn.hmm"):
            score = float(search.fit(rows).score(rows))
        if np.isfinite(score) and score > best_score:
            best, best_score = search, score
    if best is None:
        raise ModelError(f"{model}: no search for the states ended; use a longer history")
    transitions = best.transmat_ / best.transmat_.sum(axis=1, keepdims=True)
    variances = np.array([np.diag(one) for one in best.covars_])
    return Chain(
        start=_stationary(transitions),
        transitions=transitions,
        means=centre + scale * best.means_,
        variances=scale**2 * variances,
    )


def _thirds(rows: Matrix) -> Matrix:
    """Return the means of the calm, the middling and the wild third of the rows."""
    thirds = np.array_split(rows[np.argsort(rows[:, 1], kind="stable")], STATES)
    return np.array([third.mean(axis=0) for third in thirds])


def _stationary(transitions: Matrix) -> Vector:
    """Return the distribution that the transitions leave as it is."""
    system = np.vstack([transitions.T - np.eye(STATES), np.ones(STATES)])
    found = np.linalg.lstsq(system, np.r_[np.zeros(STATES), 1.0], rcond=None)[0]
    found = np.maximum(found, 0.0)
    return np.asarray(found / found.sum())
