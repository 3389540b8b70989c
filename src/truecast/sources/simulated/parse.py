"""Read the simulation's bytes."""

import io

import polars as pl

from truecast.sources.base import SourceError
from truecast.sources.frames import as_parsed
from truecast.sources.simulated.client import NUMBERS


def parse_simulated(content: bytes) -> pl.DataFrame:
    """Turn a payload into rows.

    Parameters
    ----------
    content : bytes
        A Parquet file as :func:`truecast.sources.simulated.client.write_bars` writes it.

    Returns
    -------
    pl.DataFrame
        Columns of ``PARSED_BARS``.

    Raises
    ------
    SourceError
        If it is no such file.
    """
    columns = ["session", "event_time", *NUMBERS]
    try:
        rows = pl.read_parquet(io.BytesIO(content)).select(columns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(
            f"a payload of the simulation is not a Parquet file with the columns "
            f"{', '.join(columns)}: {error}; ingest it again"
        ) from error
    return as_parsed(rows.with_columns(row=pl.int_range(1, pl.len() + 1)))
