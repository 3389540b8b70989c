"""The columns of every table in the lake."""

import polars as pl

from truecast.core.bars import PRICES, QUOTES, UTC_TIME
from truecast.core.interval import Interval

#: The columns whose values name a series.
SERIES = ("source", "instrument", "interval")

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

#: ``silver/actions``: every version of every split and dividend. ``session`` is the ex-date;
#: ``value`` is null from the version on that says the source has taken it back.
SILVER_ACTIONS: dict[str, pl.DataType] = {
    "source": pl.String(),
    "instrument": pl.String(),
    "interval": pl.String(),
    "session": pl.Date(),
    "kind": pl.String(),
    "value": pl.Float64(),
    "version": pl.Int32(),
    "known_at": UTC_TIME,
    "basis": pl.String(),
    "received_at": UTC_TIME,
    "simulated": pl.Boolean(),
    "payload": pl.String(),
    "written_at": UTC_TIME,
}

#: ``silver/repairs``: every number that was changed on its way in, beside the one that came.
REPAIRS: dict[str, pl.DataType] = {
    "source": pl.String(),
    "instrument": pl.String(),
    "interval": pl.String(),
    "payload": pl.String(),
    "row": pl.Int64(),
    "session": pl.Date(),
    "event_time": UTC_TIME,
    "field": pl.String(),
    "original": pl.Float64(),
    "repaired": pl.Float64(),
    "repair": pl.String(),
    "detail": pl.String(),
    "received_at": UTC_TIME,
    "written_at": UTC_TIME,
}

#: ``bronze/failures``: every time that a source could not be read: an outage, not "no data".
FAILURES: dict[str, pl.DataType] = {
    "source": pl.String(),
    "instrument": pl.String(),
    "interval": pl.String(),
    "since": UTC_TIME,
    "error": pl.String(),
    "message": pl.String(),
    "failed_at": UTC_TIME,
    "written_at": UTC_TIME,
}

#: ``bronze/index``: one row a receipt; the payload itself lies beside the table by its SHA-256.
#: From ``covers_from`` up to ``covers_to`` the source said all that it has.
BRONZE_INDEX: dict[str, pl.DataType] = {
    "payload": pl.String(),
    "source": pl.String(),
    "instrument": pl.String(),
    "interval": pl.String(),
    "request": pl.String(),
    "media_type": pl.String(),
    "bytes": pl.Int64(),
    "covers_from": UTC_TIME,
    "covers_to": UTC_TIME,
    "received_at": UTC_TIME,
    "written_at": UTC_TIME,
}

#: ``silver/news``: every version of every article. ``item`` is the article, the same at whatever
#: address variant it came; ``story`` what its headline tells, the same on any site. ``version``
#: is a hash of what this version says, so that it does not depend on the order of receipt.
#: ``known_at`` is the vendor's first-seen time (basis ``vendor``) or the receipt (``observed``).
SILVER_NEWS: dict[str, pl.DataType] = {
    "source": pl.String(),
    "item": pl.String(),
    "story": pl.String(),
    "version": pl.String(),
    "published_at": UTC_TIME,
    "known_at": UTC_TIME,
    "basis": pl.String(),
    "received_at": UTC_TIME,
    "title": pl.String(),
    "summary": pl.String(),
    "url": pl.String(),
    "publisher": pl.String(),
    "author": pl.String(),
    "language": pl.String(),
    "symbols": pl.List(pl.String()),
    "vendor_score": pl.Float64(),
    "vendor_label": pl.String(),
    "flags": pl.List(pl.String()),
    "simulated": pl.Boolean(),
    "payload": pl.String(),
    "written_at": UTC_TIME,
}

#: ``silver/sentiment``: what each scorer said of each text. ``scorer`` names all that a score
#: depends on, ``content`` is a hash of title and summary. Nothing here says when it was known.
SILVER_SENTIMENT: dict[str, pl.DataType] = {
    "scorer": pl.String(),
    "content": pl.String(),
    "positive": pl.Float32(),
    "negative": pl.Float32(),
    "neutral": pl.Float32(),
    "written_at": UTC_TIME,
}

#: ``bronze/windows``: spans of which all that a source of news has is in silver: a backfill that
#: was stopped goes on behind them.
WINDOWS: dict[str, pl.DataType] = {
    "source": pl.String(),
    "covers_from": UTC_TIME,
    "covers_to": UTC_TIME,
    "payload": pl.String(),
    "written_at": UTC_TIME,
}


def series_key(source_name: str, symbol: str, interval: Interval) -> dict[str, str]:
    """Return the values of :data:`SERIES` that name a series."""
    return dict(zip(SERIES, (source_name, symbol, str(interval)), strict=True))
