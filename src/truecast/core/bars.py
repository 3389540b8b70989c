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

#: What an exchange or a company did to a share, as a source tells it: one row an action.
#: ``session`` is the ex-date; ``kind`` is one of :data:`ACTIONS`; ``value`` is new shares for one
#: old one (split), or the amount a share in the units of the raw prices (dividend, capital gain).
PARSED_ACTIONS: dict[str, pl.DataType] = {
    "row": pl.Int64(),
    "session": pl.Date(),
    "known_at": UTC_TIME,
    "kind": pl.String(),
    "value": pl.Float64(),
}
ACTIONS = ("split", "dividend", "capital_gain")

#: What a parser repaired, one row a number: ``field`` is a column of a bar or a kind of action,
#: ``repaired`` null where it was taken out, ``repair`` the name of the rule.
PARSED_REPAIRS: dict[str, pl.DataType] = {
    "row": pl.Int64(),
    "session": pl.Date(),
    "event_time": UTC_TIME,
    "field": pl.String(),
    "original": pl.Float64(),
    "repaired": pl.Float64(),
    "repair": pl.String(),
    "detail": pl.String(),
}
