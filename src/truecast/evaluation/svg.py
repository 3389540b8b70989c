"""The report's figures as SVG: no script, a few kilobytes, and to be seen wherever images are.

One definition of a figure serves both: :mod:`truecast.evaluation.plots` makes it, the report shows
it with plotly, cards and MLflow as SVG. Only what those figures use is drawn: lines, markers,
bands, error bars, lying bars, horizontal lines, and axes of numbers, days and names.
"""

from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from truecast.evaluation.arrays import Floats

#: Of half a page, in the picture's units.
WIDTH = 640
_HEIGHT = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 26, 40
_TICKS = 5
#: What a file of its own needs, beside a page that has these.
_COLOURS = (
    "<style>:root{--ink:#1b2330;--muted:#5a6575;--line:#e2e4e6;--model:#1763b8;--baseline:#98a1ad;"
    "--other:#c7a86b;--band:rgba(23,99,184,.16);--warn:#c2571a}"
    "svg{background:#fff;font:11px system-ui,sans-serif}</style>"
)


def to_svg(figure: go.Figure, title: str, *, alone: bool = False, width: int = WIDTH) -> str:
    """Draw a figure of :mod:`truecast.evaluation.plots`.

    Parameters
    ----------
    figure : Figure
        With colours as CSS variables.
    title : str
        For those who cannot see it.
    alone : bool
        Whether it is to be a file of its own: then it brings its colours, on white.
    width : int
        Of the picture; its height is the figure's.
    """
    drawn = figure.to_dict()
    layout, traces = drawn["layout"], drawn["data"]
    lying = any(trace["type"] == "bar" for trace in traces)
    height = layout.get("height", _HEIGHT)
    x = _Axis(layout, traces, "x", 190 if lying else _LEFT, width - _RIGHT)
    y = _Axis(layout, traces, "y", height - _BOTTOM, _TOP)
    parts = [*_grid(x, y, layout)]
    for before, trace in zip([None, *traces], traces, strict=False):
        parts += _marks(trace, before, x, y)
    for shape in layout.get("shapes", ()):
        parts.append(_line(x.first, y.at(shape["y0"]), x.last, y.at(shape["y1"]), shape["line"]))
    parts += _legend(traces)
    return (
        f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>'
        f"{_COLOURS if alone else ''}{''.join(parts)}</svg>"
    )


class _Axis:
    """Where values of one axis lie, in the picture's units."""

    def __init__(
        self, layout: dict[str, Any], traces: list[dict[str, Any]], side: str, first: int, last: int
    ) -> None:
        self.first, self.last = first, last
        given = layout.get(f"{side}axis", {})
        self.title = given.get("title", {}).get("text", "")
        every = [one for trace in traces for one in _plain(trace.get(side))]
        self.names = [*dict.fromkeys(every)] if any(isinstance(v, str) for v in every) else []
        self.days = any(isinstance(value, np.datetime64) for value in every)
        places = self.numbers(every) if every else np.zeros(1)
        ends = [float(np.nanmin(places)), float(np.nanmax(places))]
        for trace in traces:
            ends += _reaches(trace, side)
            if trace["type"] == "bar" and side == "x":
                ends.append(0.0)
        if self.names:
            ends = [-0.5, len(self.names) - 0.5]
        margin = 0.0 if self.days or self.names else 0.05 * (max(ends) - min(ends) or 1.0)
        low, high = given.get("range") or (min(ends) - margin, max(ends) + margin)
        self.low, self.high = float(low), float(high if high > low else low + 1)
        self.given = dict(
            zip(given.get("tickvals") or (), given.get("ticktext") or (), strict=True)
        )

    def numbers(self, values: list[Any]) -> Floats:
        """Return values as numbers: days since 1970, places of names."""
        if self.names:
            return np.array([self.names.index(value) for value in values], dtype=np.float64)
        if self.days:
            return np.array(values, dtype="datetime64[s]").astype(np.float64) / 86400
        return np.array(values, dtype=np.float64)

    def at(self, value: Any) -> float:
        """Return where one value lies."""
        return float(self.places([value])[0])

    def places(self, values: list[Any]) -> Floats:
        """Return where values lie."""
        share = (self.numbers(values) - self.low) / (self.high - self.low)
        return np.asarray(self.first + share * (self.last - self.first), dtype=np.float64)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Return where a line of the grid is, and what is written beside it."""
        if self.names:
            for name in self.names:
                yield self.at(name), name
            return
        values = [*self.given] or _round_values(self.low, self.high)
        step = values[1] - values[0] if len(values) > 1 else 1.0
        for value in values:
            share = (value - self.low) / (self.high - self.low)
            place = self.first + share * (self.last - self.first)
            if self.days:
                day = np.datetime64(0, "D") + np.timedelta64(round(value), "D")
                yield place, str(day)
            else:
                decimals = next(
                    d for d in range(12) if abs(step * 10**d - round(step * 10**d)) < 1e-6
                )
                yield place, str(self.given.get(value) or f"{value:.{decimals}f}".replace("-", "−"))


def _plain(values: Any) -> list[Any]:
    if values is None:
        return []
    return list(values) if isinstance(values, np.ndarray) else [*values]


def _reaches(trace: dict[str, Any], side: str) -> list[float]:
    bars = trace.get("error_y")
    if side != "y" or not bars:
        return []
    y = np.array(_plain(trace["y"]), dtype=np.float64)
    above, below = (np.array(bars[key], dtype=np.float64) for key in ("array", "arrayminus"))
    return [float(np.max(y + above)), float(np.min(y - below))]


def _round_values(low: float, high: float) -> list[float]:
    """Return a few round values between two others."""
    rough = (high - low) / _TICKS
    size = 10.0 ** np.floor(np.log10(rough))
    step = next(size * one for one in (1, 2, 2.5, 5, 10) if size * one >= rough)
    return [float(one) * step for one in range(int(np.ceil(low / step)), int(high / step) + 1)]


def _grid(x: _Axis, y: _Axis, layout: dict[str, Any]) -> Iterator[str]:
    shown = layout.get("yaxis", {}).get("showgrid", True)
    for place, text in y.ticks():
        if shown:
            yield _line(x.first, place, x.last, place, {"color": "var(--line)"})
        yield _text(x.first - 6, place + 4, text, "end")
    for place, text in x.ticks():
        yield _text(place, y.first + 16, text, "middle")
    if x.title:
        yield _text((x.first + x.last) / 2, y.first + 33, x.title, "middle")
    if y.title:
        middle = (y.first + y.last) / 2
        turned = f' transform="rotate(-90 12 {middle:.0f})"'
        yield _text(12, middle, y.title, "middle", turned)


def _marks(
    trace: dict[str, Any], before: dict[str, Any] | None, x: _Axis, y: _Axis
) -> Iterator[str]:
    if trace["type"] == "bar":
        yield from _bars(trace, x, y)
        return
    across, up = x.places(_plain(trace["x"])), y.places(_plain(trace["y"]))
    mode = trace.get("mode", "lines")
    if before is not None and trace.get("fill") == "tonexty":
        yield _band(across, up, y.places(_plain(before["y"])), trace["fillcolor"])
    elif "lines" in mode and trace.get("line", {}).get("width") != 0:
        yield _path(across, up, trace.get("line", {}))
    if trace.get("error_y"):
        yield from _errors(across, trace, y)
    if "markers" in mode:
        yield from _points(across, up, trace["marker"])


def _band(across: Floats, upper: Floats, lower: Floats, colour: str) -> str:
    there = np.isfinite(upper) & np.isfinite(lower)
    corners = [*zip(across[there], upper[there], strict=True)]
    corners += [*zip(across[there][::-1], lower[there][::-1], strict=True)]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
    return f'<polygon points="{points}" style="fill:{colour}"/>'


def _path(across: Floats, up: Floats, line: dict[str, Any]) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True) if np.isfinite(b))
    return f'<polyline points="{points}" style="fill:none;{_stroke(line)}"/>'


def _errors(across: Floats, trace: dict[str, Any], y: _Axis) -> Iterator[str]:
    bars, values = trace["error_y"], np.array(_plain(trace["y"]), dtype=np.float64)
    tops = y.places([*(values + np.array(bars["array"]))])
    feet = y.places([*(values - np.array(bars["arrayminus"]))])
    for place, top, foot in zip(across, tops, feet, strict=True):
        yield _line(place, top, place, foot, {"color": bars["color"], "width": 1.5})


def _points(across: Floats, up: Floats, marker: dict[str, Any]) -> Iterator[str]:
    there = np.isfinite(up)
    places = zip(across[there], up[there], strict=True)
    if marker.get("symbol") == "line-ns":
        drawn = "".join(f"M{a:.1f} {b - 4:.1f}v8" for a, b in places)
        yield f'<path d="{drawn}" style="fill:none;{_stroke(marker["line"])}"/>'
        return
    radius = marker.get("size", 6) / 2
    dots = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{radius:g}"/>' for a, b in places)
    yield f'<g style="fill:{marker["color"]}">{dots}</g>'


def _bars(trace: dict[str, Any], x: _Axis, y: _Axis) -> Iterator[str]:
    zero = x.at(0.0)
    ends, middles = x.places(_plain(trace["x"])), y.places(_plain(trace["y"]))
    half = 0.36 * abs(y.last - y.first) / max(len(middles), 1)
    for end, middle in zip(ends, middles, strict=True):
        yield (
            f'<rect x="{min(zero, end):.1f}" y="{middle - half:.1f}" '
            f'width="{abs(end - zero):.1f}" height="{2 * half:.1f}" '
            f'style="fill:{trace["marker"]["color"]}"/>'
        )


def _legend(traces: list[dict[str, Any]]) -> Iterator[str]:
    named = [one for one in traces if one.get("name") and one.get("showlegend", True)]
    if len(named) < 2:
        return
    place = float(_LEFT)
    for trace in named:
        colour = (
            trace.get("fillcolor")
            or trace.get("marker", {}).get("color")
            or trace.get("marker", {}).get("line", {}).get("color")
            or trace.get("line", {}).get("color", "var(--ink)")
        )
        yield f'<rect x="{place:.0f}" y="7" width="10" height="10" rx="2" style="fill:{colour}"/>'
        yield _text(place + 14, 16, trace["name"], "start")
        place += 26 + 6.3 * len(trace["name"])


def _line(x0: float, y0: float, x1: float, y1: float, line: dict[str, Any]) -> str:
    return (
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" style="{_stroke(line)}"/>'
    )


def _stroke(line: dict[str, Any]) -> str:
    dashes = {"dot": "2 3", "dash": "6 4"}.get(line.get("dash", ""), "")
    dashed = f";stroke-dasharray:{dashes}" if dashes else ""
    return f"stroke:{line.get('color', 'var(--ink)')};stroke-width:{line.get('width', 1)}{dashed}"


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'style="fill:var(--muted)"{more}>{escape(text)}</text>'
    )
