"""Twelve figures for the return of the next bar: past returns, momentum, volatility, volume.

The mean of five log returns is a fifth of the return over five bars, so of the two only the mean
is here, and beside it the last bar's own return. Volume is relative to its mean of 20 bars.
"""

MEMBERS: tuple[tuple[str, str | None], ...] = tuple(
    (name, None)
    for name in (
        "log_return_1",
        "return_lag_1",
        "return_lag_2",
        "log_return_3",
        "log_return_10",
        "return_mean_5",
        "return_sd_5",
        "close_to_ema_8",
        "rsi_14",
        "volume_trend",
        "log_range",
        "volatility_times_volume",
    )
)
