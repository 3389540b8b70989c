"""The 114 inputs of ``sp500-intraday``: 108 of the market's own bars, and 6 of the news.

All are computed from open, high, low, close, volume and the clock, so the set is the same for any
source; what needs quotes is in the set ``quotes``. None is a level: multiplying all prices, or all
volumes, by a constant changes none of them but ``amihud``, which is measured in money.
"""

from truecast.features.sets import news6

_RETURNS = (
    *(f"log_return_{window}" for window in (1, 5, 10, 30, 60, 120, 240)),
    *(f"return_lag_{lag}" for lag in (1, 2, 3, 4)),
    "roc_12",
    *(f"momentum_{window}" for window in (5, 10, 20)),
    *("return_skew_60", "return_kurtosis_60"),
)
_TREND = (
    *("rsi_14", "rsi_20"),
    *("macd", "macd_signal", "macd_histogram"),
    *("stochastic_14", "stochastic_signal"),
    *(f"close_to_sma_{window}" for window in (5, 10, 14, 20, 50)),
    *(f"close_to_ema_{window}" for window in (5, 10, 20, 50)),
    *("sma_ratio_7_21", "sma_ratio", "ema_ratio_7_21"),
    *("bollinger_position_20", "bollinger_width_20"),
    *("adx_14", "directional_14"),
    "is_uptrend",
)
_VOLATILITY = (
    "atr_14",
    *("return_sd_20", "return_sd_50", "ewma_sd_94"),
    *("garman_klass_20", "parkinson_20", "rogers_satchell_20", "yang_zhang_20"),
    "vol_of_vol_20",
    *("volatility_rank_1000", "volatility_to_median_1000"),
    *("volatility_low_1000", "volatility_high_1000"),
    *("volatility_ratio", "high_volatility"),
    *("log_range", "range_mean_20"),
    *("downside_5", "upside_5"),
    "market_stress",
)
_VOLUME = (
    *("log_volume_change", "volume_ratio_20", "volume_ratio_50", "volume_zscore_20"),
    *("volume_trend", "volume_trend_20_50", "high_volume"),
    *("volume_imbalance_20", "volume_acceleration_20"),
)
_MICROSTRUCTURE = (
    *("price_impact", "price_impact_mean_20", "amihud_20", "kyle_lambda_60"),
    *("roll_spread_20", "corwin_schultz_20"),
    *("order_flow", "order_flow_mean_20", "money_flow_20", "signed_volume_20"),
    *("close_to_vwap_20", "efficiency_ratio_20"),
    *("close_to_high_20", "close_to_low_20", "close_in_range"),
)
_CANDLES = (
    *("body", "upper_shadow", "lower_shadow", "body_to_before", "opening_gap"),
    *("is_doji", "is_hammer", "is_engulfing"),
    *("near_high_20", "near_low_20", "breakout_up_20", "breakout_down_20"),
)
_HOURS = (
    *("time_of_day_sin", "time_of_day_cos", "session_progress"),
    *("is_first_half_hour", "is_last_half_hour"),
    *("day_of_week_sin", "day_of_week_cos", "is_monday", "is_friday"),
    *("month_sin", "month_cos"),
)

#: The 108 that are computed from bars.
MARKET = (
    *_RETURNS,
    *_TREND,
    *_VOLATILITY,
    *_VOLUME,
    *_MICROSTRUCTURE,
    *_CANDLES,
    *_HOURS,
)
MEMBERS: tuple[tuple[str, str | None], ...] = (
    *((name, None) for name in MARKET),
    *news6.MEMBERS,
)
