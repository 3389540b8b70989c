"""The regime of two runs of numbers: filtered by a model, of no instrument and of no moment."""

from collections.abc import Sequence

import numpy as np

from truecast.core.labels import REGIMES
from truecast.models.hmm import Hmm
from truecast.models.markov import onward
from truecast.serving.answering.envelopes import FilteredRegime, Shares
from truecast.serving.answering.forecaster import NOT_EVALUATED
from truecast.serving.answering.labels import POINT
from truecast.serving.asked import AskedRegime
from truecast.serving.errors import AskedError
from truecast.serving.service import Service

#: A median volatility so many times beyond those of all states is in another unit, and so is a
#: return so many times beyond that.
_BEYOND, _FAR_BEYOND = 5.0, 20.0


def filtered(service: Service, asked: AskedRegime) -> FilteredRegime:
    """Filter two runs of numbers by the hidden Markov model of a slot, and nothing else.

    Raises
    ------
    AskedError
        If the numbers are in another unit than what the model has learned from.
    """
    assert asked.returns_window is not None  # noqa: S101 - those alone come here
    assert asked.volatility_window is not None  # noqa: S101 - as above
    slot = service.choose(asked.about("regime"))
    seat = service.seat(slot)
    if not isinstance(seat.forecaster.bundle.models[POINT], Hmm):
        seat = service.seat(slot, Hmm.name)
    model = seat.forecaster.bundle.models[POINT]
    if not isinstance(model, Hmm):
        raise AskedError(f"{slot} has no hidden Markov model", "send bars in place of windows")
    _require_unit(model, asked.returns_window, asked.volatility_window)
    states = model.filter_windows(asked.returns_window, asked.volatility_window)
    chances = onward(model.follows_, states[:, None])[:, 0]
    return FilteredRegime(
        model=seat.champion.name,
        model_version=seat.champion.version,
        slot=str(slot),
        horizon=slot.horizon,
        regime=REGIMES[int(np.argmax(chances))],
        score=float(chances.max()),
        probabilities=Shares(**dict(zip(REGIMES, map(float, chances), strict=True))),
        state=REGIMES[int(np.argmax(states))],
        states=Shares(**dict(zip(REGIMES, map(float, states), strict=True))),
        skill=seat.champion.skill or NOT_EVALUATED,
    )


def _require_unit(model: Hmm, returns: Sequence[float], volatility: Sequence[float]) -> None:
    """Refuse fractions in place of percent, and the like."""
    usual = [one["volatility"] for one in model.description()["states"]]
    least, most = min(usual) / _BEYOND, max(usual) * _BEYOND
    found = float(np.median(volatility))
    if not least <= found <= most:
        raise AskedError(
            f"the median of volatility_window, {found:g}, is not between {least:.3g} and "
            f"{most:.3g}: the states that were learned have {min(usual):.3g} to {max(usual):.3g}",
            "send both windows in percent a bar",
        )
    largest = float(np.max(np.abs(returns)))
    if largest > _FAR_BEYOND * most:
        raise AskedError(
            f"a return of {largest:g} percent in one bar is far beyond what was learned",
            "send one-bar log returns in percent",
        )
