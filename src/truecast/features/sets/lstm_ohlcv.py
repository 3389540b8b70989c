"""Seven inputs of a recurrent network: a bar's prices and volume, RSI and MACD.

A network scales its inputs on what it learns from. RSI is Wilder's, and MACD is in percent of
the close.
"""

MEMBERS: tuple[tuple[str, str | None], ...] = tuple(
    (name, None) for name in ("open", "high", "low", "close", "volume", "rsi_14", "macd")
)
