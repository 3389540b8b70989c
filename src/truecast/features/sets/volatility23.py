"""Twenty-three figures for the volatility of the next bars.

All returns are log returns, when learning and when serving. Averages of the close come in as
distances and ratios, averages of volume relative to that of 20 bars.
"""

MEMBERS: tuple[tuple[str, str | None], ...] = tuple(
    (name, None)
    for name in (
        *(f"return_lag_{lag}" for lag in (1, 2, 3)),
        *("return_mean_3", "return_sd_3"),
        *("close_to_sma_5", "close_to_sma_10"),
        *("return_sd_5", "return_sd_10"),
        *("log_range", "open_to_close"),
        *("volume_trend", "volume_trend_10_20"),
        *("close_to_ema_8", "close_to_ema_16", "ema_ratio_8_16"),
        "rsi_14",
        *("macd", "macd_signal"),
        *("stochastic_14", "stochastic_signal"),
        *("volatility_times_volume", "momentum_times_volume"),
    )
)
