"""Twenty-two figures for the return of the next bar, for trees that take many weak inputs.

Means of closes are given as the close's distance from them, and means of volume relative to
that of 20 bars, so that a tree can carry over what it learned to other levels.
"""

MEMBERS: tuple[tuple[str, str | None], ...] = tuple(
    (name, None)
    for name in (
        *(f"return_lag_{lag}" for lag in (1, 2, 3, 5, 10)),
        *(f"close_to_sma_{window}" for window in (5, 10, 20)),
        *(f"return_sd_{window}" for window in (5, 10, 20)),
        "close_to_ema_8",
        *("volume_trend", "volume_trend_10_20"),
        *("log_range", "open_to_close"),
        "volatility_times_volume",
        "rsi_14",
        *("macd", "macd_signal"),
        *("stochastic_14", "stochastic_signal"),
    )
)
