"""Eighteen figures of which a hidden Markov model tells the market's regime.

The last return, volatility, trend, ranges, volume and oscillators. All are free of scale, so that
a state means the same in every year.
"""

MEMBERS: tuple[tuple[str, str | None], ...] = tuple(
    (name, None)
    for name in (
        "log_return_1",
        *("return_sd_5", "return_sd_10"),
        *(f"close_to_sma_{window}" for window in (5, 10, 20)),
        "close_to_ema_8",
        *("log_range", "open_to_close"),
        *("volume_trend", "volume_trend_10_20"),
        *("volatility_times_volume", "momentum_times_volume"),
        "rsi_14",
        *("macd", "macd_signal"),
        *("stochastic_14", "stochastic_signal"),
    )
)
