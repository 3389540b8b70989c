"""Daily bars of one instrument: what its own prices and volumes say."""

_NAMES = (
    *(f"log_return_{window}" for window in (1, 5, 10, 22)),
    *(f"return_lag_{lag}" for lag in (1, 2, 3, 4)),
    *(f"close_to_sma_{window}" for window in (5, 20, 50, 200)),
    "rsi_14",
    *("macd", "macd_signal", "macd_histogram"),
    *("bollinger_position_20", "bollinger_width_20"),
    "close_to_high_252",
    *("atr_14", "log_range", "close_in_range"),
    *("garman_klass_22", "parkinson_22", "rogers_satchell_22", "yang_zhang_22"),
    *(f"log_gk_{window}" for window in (1, 5, 22)),
    *(f"downside_{window}" for window in (1, 5, 22)),
    "upside_1",
    "gk_ratio_1000",
    *("return_sd_22", "ewma_sd_94"),
    *("log_volume_change", "volume_zscore_20"),
    *("day_of_week_sin", "day_of_week_cos", "month_sin", "month_cos", "days_since_session"),
)

MEMBERS: tuple[tuple[str, str | None], ...] = tuple((name, None) for name in _NAMES)
