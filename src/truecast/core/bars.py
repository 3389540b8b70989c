"""The columns that every bar has, from a source's parser on."""

import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")

PRICES = ("open", "high", "low", "close")
QUOTES = tuple(f"{side}_{part}" for side in ("bid", "ask") for part in (*PRICES, "size"))

#: What a source's parser returns: one row a bar as the vendor gave it, unchecked.
#: ``row`` is the row's place in the payload, from 1; ``known_at`` is null unless the payload
#: says when each row became known.
PARSED_BARS: dict[str, pl.DataType] = {
    "row": pl.Int64(),
    "session": pl.Date(),
    "event_time": UTC_TIME,
    "known_at": UTC_TIME,
    **dict.fromkeys(PRICES, pl.Float64()),
    "volume": pl.Float64(),
    **dict.fromkeys(QUOTES, pl.Float64()),
}
