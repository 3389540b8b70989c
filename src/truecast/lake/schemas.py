"""The columns of every table in the lake."""

import polars as pl

from truecast.core.bars import PRICES, QUOTES, UTC_TIME

#: ``silver/bars``: every version of every bar. ``event_time`` is the bar's close, ``known_at``
#: when this version could first be used, ``basis`` how that is known, ``version`` counts from 0.
SILVER_BARS: dict[str, pl.DataType] = {
    "source": pl.String(),
    "instrument": pl.String(),
    "interval": pl.String(),
    "session": pl.Date(),
    "event_time": UTC_TIME,
    "known_at": UTC_TIME,
    "basis": pl.String(),
    "received_at": UTC_TIME,
    "version": pl.Int32(),
    **dict.fromkeys(PRICES, pl.Float64()),
    "volume": pl.Float64(),
    **dict.fromkeys(QUOTES, pl.Float64()),
    "adjustment": pl.String(),
    "flags": pl.List(pl.String()),
    "simulated": pl.Boolean(),
    "payload": pl.String(),
    "written_at": UTC_TIME,
}

#: ``silver/quarantine``: rows that a contract kept out, as they came, with the reason.
QUARANTINE: dict[str, pl.DataType] = {
    "source": pl.String(),
    "instrument": pl.String(),
    "interval": pl.String(),
    "payload": pl.String(),
    "row": pl.Int64(),
    "event_time": UTC_TIME,
    "reason": pl.String(),
    "detail": pl.String(),
    "content": pl.String(),
    "received_at": UTC_TIME,
    "written_at": UTC_TIME,
}

#: ``bronze/index``: one row a receipt; the payload itself lies beside the table by its SHA-256.
BRONZE_INDEX: dict[str, pl.DataType] = {
    "payload": pl.String(),
    "source": pl.String(),
    "instrument": pl.String(),
    "interval": pl.String(),
    "request": pl.String(),
    "media_type": pl.String(),
    "bytes": pl.Int64(),
    "received_at": UTC_TIME,
    "written_at": UTC_TIME,
}
