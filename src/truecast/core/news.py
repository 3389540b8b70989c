"""The columns that every article has, from a source's parser on."""

import polars as pl

from truecast.core.bars import UTC_TIME

#: What a news source's parser returns: one row an article as the vendor gave it, unchecked.
#: ``row`` is its place in the payload, from 1. ``published_at`` is null where the vendor does not
#: say; ``known_at`` is the vendor's documented first-seen time, null where there is none: then an
#: article is known from its receipt on. ``symbols`` are the vendor's own names. ``vendor_score``
#: is the vendor's opinion in [-1, 1]; vendors score anew, so it is no point-in-time history.
PARSED_NEWS: dict[str, pl.DataType] = {
    "row": pl.Int64(),
    "published_at": UTC_TIME,
    "known_at": UTC_TIME,
    "title": pl.String(),
    "summary": pl.String(),
    "url": pl.String(),
    "publisher": pl.String(),
    "author": pl.String(),
    "language": pl.String(),
    "symbols": pl.List(pl.String()),
    "vendor_id": pl.String(),
    "vendor_score": pl.Float64(),
    "vendor_label": pl.String(),
}
