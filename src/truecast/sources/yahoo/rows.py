"""The rows of Yahoo's prices, before anything is made of them.

Yahoo's chart document, a table from its website and one written with yfinance all say the same
things. Whoever reads one of them brings it into :data:`YAHOO_ROWS`; :mod:`.mend` corrects what
Yahoo is known to get wrong, and :mod:`.raw` undoes the adjustment for later splits.
"""

from typing import Final

import polars as pl

from truecast.core.bars import PRICES, UTC_TIME

#: One row a bar as Yahoo gives it. ``event_time`` is the bar's close and ``session`` the day at
#: its exchange. Prices, ``dividend`` and ``capital_gain`` (amounts a share) are adjusted for all
#: splits that came after, ``adj_close`` for later dividends too; ``volume`` is in shares of today.
#: ``split`` is new shares for one old one. 0 and null mean that there was none.
YAHOO_ROWS: Final[dict[str, pl.DataType]] = {
    "row": pl.Int64(),
    "session": pl.Date(),
    "event_time": UTC_TIME,
    **dict.fromkeys(PRICES, pl.Float64()),
    "adj_close": pl.Float64(),
    "volume": pl.Float64(),
    "dividend": pl.Float64(),
    "split": pl.Float64(),
    "capital_gain": pl.Float64(),
}

#: Units of prices that are a hundredth of a currency.
MINOR_UNITS: Final = ("GBp", "GBX", "ZAc", "ILA")

#: The prices of a row, which one factor changes together.
YAHOO_PRICES: Final = (*PRICES, "adj_close")

#: The numbers of a row.
NUMBERS: Final = (*YAHOO_PRICES, "volume", "dividend", "split", "capital_gain")


def no_action(column: str) -> pl.Expr:
    """Whether a row has no dividend, capital gain or split: null, 0, or a split of 1 for 1."""
    value = pl.col(column).fill_nan(None).fill_null(0.0)
    return (value == 0) | ((value == 1) if column == "split" else pl.lit(value=False))
