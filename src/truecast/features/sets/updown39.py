"""Thirty-nine figures for the direction of the next bar.

Returns and their distribution, averages, ranges, oscillators, bands and volume. The three
averages come in as ratios among themselves and to the close; the two volatilities from ranges
(Garman–Klass), since those from returns are here already; the middle band is the average of 20,
so the place between the bands stands for it; and averages of volume are relative to longer ones.
"""

_WINDOWS = (5, 10, 20)

MEMBERS: tuple[tuple[str, str | None], ...] = tuple(
    (name, None)
    for name in (
        "log_return_1",
        *(f"return_lag_{lag}" for lag in (1, 3, 5)),
        *(f"return_mean_{window}" for window in _WINDOWS),
        *(f"return_sd_{window}" for window in _WINDOWS),
        *(f"return_skew_{window}" for window in _WINDOWS),
        *(f"return_kurtosis_{window}" for window in _WINDOWS),
        *(f"close_to_sma_{window}" for window in _WINDOWS),
        *("sma_ratio_5_10", "sma_ratio_5_20", "sma_ratio_10_20"),
        *("log_range", "open_to_close"),
        *("garman_klass_5", "garman_klass_10"),
        "rsi_14",
        *("macd", "macd_signal", "macd_histogram"),
        *("bollinger_upper_20", "bollinger_lower_20"),
        *("bollinger_position_20", "bollinger_width_20"),
        *("volume_trend", "volume_trend_20_50"),
        *("volume_ratio_5", "volume_ratio_20"),
        "volume_zscore_20",
    )
)
