"""Eight figures of gold (the instrument, such as ``GC=F``) and the S&P 500, at their levels.

The last two closes of both, their means of five, gold's deviation of five returns and the S&P's
last return. All end with the last bar that is known at the decision, and the target is a later
close: a mean that holds the close to be told, as where target and features share a row, cannot be
asked for. Deviations and returns are in percent.
"""

MEMBERS: tuple[tuple[str, str | None], ...] = (
    ("close", "^GSPC"),
    ("close", None),
    ("close_lag_1", "^GSPC"),
    ("close_lag_1", None),
    ("sma_5", None),
    ("sma_5", "^GSPC"),
    ("return_sd_5", None),
    ("roc_1", "^GSPC"),
)
