"""The report's figures. Colours are names of CSS variables, so that light and dark share them."""

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from truecast.core.labels import REGIMES
from truecast.evaluation.arrays import Floats
from truecast.evaluation.probabilities import CalibrationBins
from truecast.evaluation.scorecard import IntervalCard, SlotCard
from truecast.evaluation.scoring import SlotPlots
from truecast.evaluation.slots import SlotForecasts, one_of
from truecast.evaluation.words import label
from truecast.models.intervals import wilson_interval

#: The last rows that are drawn one by one.
RECENT_ROWS = 250
#: Residuals that are drawn at most, evenly spaced.
RESIDUALS = 1000
_TOP_FEATURES = 12
_MODEL, _BASELINE, _OTHER = "var(--model)", "var(--baseline)", "var(--other)"
_INK, _BAND, _WARN = "var(--ink)", "var(--band)", "var(--warn)"


def figures(card: SlotCard, plots: SlotPlots) -> dict[str, go.Figure]:
    """Draw a slot.

    Parameters
    ----------
    card : SlotCard
        The figures in numbers.
    plots : SlotPlots
        The arrays behind them, from the same call of ``score_slot``.

    Returns
    -------
    dict of str to Figure
        Title to figure, in the order of the page; only those that there is something to draw for.
    """
    slot = plots.forecasts
    drawn = {_recent_title(slot): _recent(slot), **_by_year(card), **_residuals(slot)}
    held = card.intervals
    if held is not None and held.coverage_by_tercile is not None:
        title = "Coverage when volatility was low, middling, high"
        drawn[title] = _coverage(held, held.coverage_by_tercile, card.window.n)
    bins = plots.calibration
    if bins is not None and len(bins.count) > 1:
        drawn["Calibration: what was forecast, what happened"] = _calibration(bins, slot)
    if slot.importances:
        drawn[f"What {slot.champion.name} uses most"] = _importances(slot)
    return drawn


def _styled(figure: go.Figure, x: str = "", y: str = "") -> go.Figure:
    axis = {"gridcolor": "var(--line)", "zeroline": False, "fixedrange": True, "automargin": True}
    return figure.update_layout(
        template="none",
        height=300,
        margin={"l": 48, "r": 12, "t": 8, "b": 40},
        font={"family": "system-ui, sans-serif", "size": 12, "color": "var(--muted)"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        hovermode="closest",
        dragmode=False,
        xaxis={"title": {"text": x}, "ticks": "outside", "tickcolor": "rgba(0,0,0,0)", **axis},
        yaxis={"title": {"text": y}, **axis},
    )


def _times(slot: SlotForecasts) -> NDArray[np.datetime64]:
    """Return where rows lie in time: their sessions, or bar by bar within a session."""
    daily = len(np.unique(slot.session)) == len(slot.session)
    return (slot.session if daily else slot.event_time.astype("datetime64[s]"))[-RECENT_ROWS:]


def _recent_title(slot: SlotForecasts) -> str:
    rows = min(RECENT_ROWS, len(slot.event_time))
    return f"Forecast and outcome, last {rows}"


def _recent(slot: SlotForecasts) -> go.Figure:
    if slot.target == "direction":
        return _recent_direction(slot)
    x = _times(slot)
    outcome = _shown(slot, slot.outcomes[slot.proxy])
    figure = go.Figure()
    outside = np.zeros(len(x), dtype=bool)
    band = slot.intervals.get(slot.champion.name)
    if band is not None:
        low, high = _shown(slot, band.lower), _shown(slot, band.upper)
        outside = (outcome < low) | (outcome > high)
        edge = {"width": 0}
        figure.add_scatter(x=x, y=low, mode="lines", line=edge, hoverinfo="skip", showlegend=False)
        name = f"{band.nominal:.0%} interval"
        figure.add_scatter(
            x=x,
            y=high,
            mode="lines",
            line=edge,
            fill="tonexty",
            fillcolor=_BAND,
            hoverinfo="skip",
            name=name,
        )
    # A price's outcome is a path; the return and the variance of one bar stand alone.
    for rows, colour, name in ((~outside, _INK, "outcome"), (outside, _WARN, "outside")):
        if rows.any():
            marker = {"color": colour, "size": 4}
            figure.add_scatter(x=x[rows], y=outcome[rows], mode="markers", marker=marker, name=name)
    for name, colour, dash in _lines(slot):
        shown = _shown(slot, slot.forecasts[name])
        line = {"color": colour, "width": 1.6, "dash": dash}
        figure.add_scatter(x=x, y=shown, mode="lines", line=line, name=name)
    if slot.target == "regime":
        figure.update_yaxes(tickvals=[*range(len(REGIMES))], ticktext=[*REGIMES])
    return _styled(figure, y=_unit(slot))


def _lines(slot: SlotForecasts) -> list[tuple[str, str, str]]:
    baseline = one_of(slot.naive)
    lines = [(baseline, _BASELINE, "dot")] if slot.champion.name != baseline else []
    return [*lines, (slot.champion.name, _MODEL, "solid")]


def _shown(slot: SlotForecasts, values: Floats) -> Floats:
    """Return the last rows in the unit of the figure."""
    recent = values[-RECENT_ROWS:]
    if slot.target == "volatility":
        return np.asarray(np.sqrt(np.maximum(recent, 0)), dtype=np.float64)
    if slot.target == "price" and slot.last_close is not None:
        # Levels of a price hide its errors: what is left of the last close does not.
        return np.asarray(100 * (recent / slot.last_close[-RECENT_ROWS:] - 1), dtype=np.float64)
    return recent


def _unit(slot: SlotForecasts) -> str:
    if slot.target == "volatility":
        return "SD a day, %"
    if slot.target == "regime":
        return "regime"
    if slot.target == "price":
        return "price" if slot.last_close is None else "from the last close, %"
    return "log return, %"


def _recent_direction(slot: SlotForecasts) -> go.Figure:
    x = _times(slot)
    up = slot.outcomes["value"][-RECENT_ROWS:] == 1
    figure = go.Figure()
    for name, colour, dash in _lines(slot):
        line = {"color": colour, "width": 1.6, "dash": dash}
        probability = slot.forecasts[name][-RECENT_ROWS:]
        figure.add_scatter(x=x, y=probability, mode="lines", line=line, name=name)
    for rows, place, name, symbol in ((up, 1.0, "up", "line-ns"), (~up, 0.0, "down", "line-ns")):
        colour = _MODEL if place else _WARN
        marker = {"symbol": symbol, "size": 8, "line": {"width": 1, "color": colour}}
        y = np.full(int(rows.sum()), place)
        figure.add_scatter(x=x[rows], y=y, mode="markers", marker=marker, name=name)
    return _styled(figure, y="probability of up").update_yaxes(range=[-0.06, 1.06])


def _residuals(slot: SlotForecasts) -> dict[str, go.Figure]:
    """Draw the champion's errors, and their running mean, which should stay near zero."""
    if slot.target == "regime":
        return {}
    n = len(slot.event_time)
    rows = np.unique(np.linspace(0, n - 1, min(n, RESIDUALS)).astype(np.intp))
    errors, unit = _errors(slot)
    window = min(n, max(20, n // 10))
    running = np.convolve(errors, np.ones(window) / window, mode="valid")
    mean = np.concatenate([np.full(n - len(running), np.nan), running])
    x = slot.event_time.astype("datetime64[s]")[rows]
    figure = go.Figure()
    if slot.target != "direction":
        marker = {"color": _BASELINE, "size": 2.5}
        figure.add_scatter(x=x, y=errors[rows], mode="markers", marker=marker, name="one row")
    line = {"color": _MODEL, "width": 2}
    name = f"mean of {window:,} rows"
    figure.add_scatter(x=x, y=mean[rows], mode="lines", line=line, name=name)
    figure.add_hline(y=0, line={"color": _INK, "width": 1, "dash": "dash"})
    return {f"Residuals of {slot.champion.name}: outcome less forecast": _styled(figure, y=unit)}


def _errors(slot: SlotForecasts) -> tuple[Floats, str]:
    """Return outcome less forecast of every row, and its unit."""
    outcome, said = slot.outcomes[slot.proxy], slot.forecasts[slot.champion.name]
    if slot.target == "direction":
        return outcome - said, "up less its probability"
    if slot.target == "volatility":
        return np.asarray(np.log(outcome / said) / 2, dtype=np.float64), "log SD"
    if slot.target == "price" and slot.last_close is not None:
        return np.asarray(100 * np.log(outcome / said), dtype=np.float64), "log return, %"
    return outcome - said, _unit(slot)


def _by_year(card: SlotCard) -> dict[str, go.Figure]:
    champion = card.judged
    if len(champion.losses_by_year) < 2:
        return {}
    figure = go.Figure()
    colours = [_BASELINE, _OTHER]
    # Points and not bars: what matters is the small difference, which an axis from zero hides.
    for name in dict.fromkeys((*card.baselines, champion.name)):
        losses = card.by_name[name].losses_by_year
        colour = _MODEL if name == champion.name else colours.pop(0) if colours else _OTHER
        figure.add_scatter(
            x=[str(year) for year in losses],
            y=list(losses.values()),
            mode="lines+markers",
            marker={"color": colour, "size": 8},
            line={"color": colour, "width": 1, "dash": "dot"},
            name=name,
        )
    styled = _styled(figure, y=label(card.metric)).update_xaxes(type="category", showgrid=False)
    return {f"{label(card.metric)} year by year (lower is better)": styled}


def _coverage(held: IntervalCard, thirds: tuple[float | None, ...], n: int) -> go.Figure:
    rows = round(n / 3)
    places = ["low", "middling", "high", "all"]
    values = [*thirds, held.coverage]
    counts = [rows] * 3 + [n]
    kept = [
        (place, value, wilson_interval(round(value * count), count))
        for place, value, count in zip(places, values, counts, strict=True)
        if value is not None
    ]
    bars = {
        "type": "data",
        "array": [100 * (high - value) for _, value, (_, high) in kept],
        "arrayminus": [100 * (value - low) for _, value, (low, _) in kept],
        "color": _MODEL,
        "thickness": 1.5,
    }
    figure = go.Figure()
    figure.add_scatter(
        x=[place for place, _, _ in kept],
        y=[100 * value for _, value, _ in kept],
        error_y=bars,
        mode="markers",
        marker={"color": _MODEL, "size": 10},
        name="coverage, 95% interval",
    )
    figure.add_hline(
        y=100 * held.nominal,
        line={"color": _INK, "width": 1, "dash": "dash"},
        annotation={"text": "promised", "font": {"color": "var(--muted)"}, "x": 0.3},
    )
    return _styled(figure, y="coverage, %").update_xaxes(showgrid=False)


def _calibration(bins: CalibrationBins, slot: SlotForecasts) -> go.Figure:
    x, y, low, high = bins.forecast, bins.outcome, bins.low, bins.high
    if slot.target == "volatility":
        x, y, low, high = (np.sqrt(np.maximum(values, 0)) for values in (x, y, low, high))
    ends = [float(min(x.min(), low.min())), float(max(x.max(), high.max()))]
    figure = go.Figure()
    figure.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"color": _INK, "width": 1, "dash": "dash"},
        name="perfect",
    )
    figure.add_scatter(
        x=x,
        y=y,
        error_y={
            "type": "data",
            "array": high - y,
            "arrayminus": y - low,
            "color": _MODEL,
            "thickness": 1.5,
        },
        mode="markers",
        marker={"color": _MODEL, "size": 8},
        name=f"{slot.champion.name}, 95% interval",
    )
    what = {
        "direction": ("probability of up", "share up"),
        "volatility": ("SD", "realised SD, %"),
    }.get(slot.target, ("log return, %", "mean log return, %"))
    return _styled(figure, x=f"forecast {what[0]}", y=what[1])


def _importances(slot: SlotForecasts) -> go.Figure:
    ranked = sorted(slot.importances.items(), key=lambda item: item[1])[-_TOP_FEATURES:]
    total = sum(slot.importances.values()) or 1.0
    figure = go.Figure()
    figure.add_bar(
        x=[100 * value / total for _, value in ranked],
        y=[name for name, _ in ranked],
        orientation="h",
        marker={"color": _MODEL},
    )
    styled = _styled(figure, x="share of all importance, %").update_yaxes(showgrid=False)
    return styled.update_layout(height=70 + 28 * len(ranked))
