"""What a bar looks like beside the last ones: candlesticks, and channels that prices break out of.

All are free of the unit of price. Ties count: prices move by whole ticks, so a body is often
exactly a tenth of the range, and what rounding makes of that must not decide.
"""

from truecast.features.declaration import Family, Parameter
from truecast.features.lookbacks import one_bar, window_and_before, window_bars

#: Bars before, to whose mean body a body is compared.
BODIES = 20


_BAR = ("open", "high", "low", "close")
_CHANNEL = ("high", "low", "close")
_NISON = "Nison (1991), Japanese Candlestick Charting Techniques"
_DONCHIAN = "Donchian (1960), High Finance in Copper"
_WINDOW = {"window": Parameter(20, minimum=2)}

FAMILIES = (
    Family(
        name="body",
        inputs=_BAR,
        lookback=one_bar,
        unit="percent of the open",
        formula="100·|C − O|/O",
        reference=_NISON,
        kernel="candles:candlesticks",
    ),
    Family(
        name="upper_shadow",
        inputs=_BAR,
        lookback=one_bar,
        unit="percent of the open",
        formula="100·(H − max(O, C))/O",
        reference=_NISON,
        kernel="candles:candlesticks",
    ),
    Family(
        name="lower_shadow",
        inputs=_BAR,
        lookback=one_bar,
        unit="percent of the open",
        formula="100·(min(O, C) − L)/O",
        reference=_NISON,
        kernel="candles:candlesticks",
    ),
    Family(
        name="body_to_before",
        inputs=_BAR,
        lookback=lambda _: BODIES + 1,
        unit="ratio",
        formula=f"|C − O| / mean of |C − O| over the {BODIES} bars before; "
        "NaN where none of them has a body",
        reference=_NISON,
        kernel="candles:candlesticks",
    ),
    Family(
        name="is_doji",
        inputs=_BAR,
        lookback=one_bar,
        unit="1 or 0",
        formula="1 where |C − O| is at most a tenth of H − L",
        reference=_NISON,
        kernel="candles:candlesticks",
    ),
    Family(
        name="is_hammer",
        inputs=_BAR,
        lookback=one_bar,
        unit="1 or 0",
        formula="1 where min(O, C) − L is at least 2·|C − O| and H − max(O, C) is at most a tenth "
        "of H − L; 0 where the bar has no range",
        reference=_NISON,
        kernel="candles:candlesticks",
    ),
    Family(
        name="is_engulfing",
        inputs=_BAR,
        lookback=lambda _: 2,
        unit="1 bullish, −1 bearish, 0 neither",
        formula="sign(C − O) where the body covers that of the bar before, is longer, and goes the "
        "other way; 0 elsewhere",
        reference=_NISON,
        kernel="candles:candlesticks",
    ),
    Family(
        name="close_to_low",
        inputs=_CHANNEL,
        parameters={"window": Parameter(20)},
        lookback=window_bars,
        unit="percent",
        formula="100·ln(C/min(L, window))",
        reference=_DONCHIAN,
        kernel="candles:channels",
    ),
    Family(
        name="near_high",
        inputs=_CHANNEL,
        parameters=_WINDOW,
        lookback=window_bars,
        unit="1 or 0",
        formula="1 where C is in the top tenth of the channel from min(L, window) to "
        "max(H, window); 0 where that has no width",
        reference=_DONCHIAN,
        kernel="candles:channels",
    ),
    Family(
        name="near_low",
        inputs=_CHANNEL,
        parameters=_WINDOW,
        lookback=window_bars,
        unit="1 or 0",
        formula="1 where C is in the bottom tenth of the channel from min(L, window) to "
        "max(H, window); 0 where that has no width",
        reference=_DONCHIAN,
        kernel="candles:channels",
    ),
    Family(
        name="breakout_up",
        inputs=_CHANNEL,
        parameters=_WINDOW,
        lookback=window_and_before,
        unit="1 or 0",
        formula="1 where C > max(H[1], window): above the highest of the window bars before",
        reference=_DONCHIAN,
        kernel="candles:channels",
    ),
    Family(
        name="breakout_down",
        inputs=_CHANNEL,
        parameters=_WINDOW,
        lookback=window_and_before,
        unit="1 or 0",
        formula="1 where C < min(L[1], window): below the lowest of the window bars before",
        reference=_DONCHIAN,
        kernel="candles:channels",
    ),
)
