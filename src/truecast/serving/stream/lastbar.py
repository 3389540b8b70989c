"""The bar that a forecast was made from."""

import math

import numpy as np

from truecast.core.clock import to_datetime64
from truecast.core.errors import TruecastError
from truecast.core.forecast import Forecast
from truecast.core.slot import Slot
from truecast.features.market import Bars
from truecast.serving.answering.champions import View
from truecast.serving.service import Service


def volume_of(service: Service, forecast: Forecast) -> float | None:
    """Return the volume of a forecast's last bar, as it was known when that was decided.

    Parameters
    ----------
    service : Service
        Whose bars are looked at.
    forecast : Forecast
        Any that was issued.

    Returns
    -------
    float or None
        As the recipe reads it; None if the bar has none, or nothing of that slot is served here.
    """
    slot, close = Slot.parse(forecast.slot), to_datetime64(forecast.event_time)
    try:
        bars = _bars(service.look(), slot)
        if bars is not None and not (bars.times("event_time")[-1:] >= close).any():
            # Another process took it in within the last second.
            bars = _bars(service.look(anew=True), slot)
    except TruecastError:
        return None  # what is served from it says so already
    return None if bars is None else _volume(bars, close, to_datetime64(forecast.as_of))


def _bars(view: View, slot: Slot) -> Bars | None:
    seat = view.seats.get(slot)
    if seat is None:
        return None
    return view.bars.of(seat.recipe, slot.instrument).series.market.versions(None)


def _volume(bars: Bars, close: np.datetime64, moment: np.datetime64) -> float | None:
    closes, known = bars.times("event_time"), bars.times("known_at")
    first, last = np.searchsorted(closes, close), np.searchsorted(closes, close, side="right")
    rows = np.arange(first, last)[known[first:last] <= moment]
    volume = float(bars.values("volume")[rows[-1]]) if len(rows) else math.nan
    return volume if math.isfinite(volume) else None
