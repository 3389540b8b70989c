"""A bar's prices and volume, and three exponential means of the close, at their levels.

An instrument has its own model, so its ticker as a number would be the same in every row: it is
an input only of a model that learns from several instruments at once.
"""

MEMBERS: tuple[tuple[str, str | None], ...] = tuple(
    (name, None) for name in ("close", "high", "low", "open", "volume", "ema_5", "ema_10", "ema_20")
)
