"""Text from columns, whatever pieces they are stored in."""

import polars as pl

from truecast.core.formatting import formatted


def test_a_filtered_column_with_an_empty_chunk_can_be_told():
    rows = pl.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]}).with_columns(b=pl.col("a").shift(1))
    left = rows.filter(pl.col("a") > 2)
    assert [len(chunk) for chunk in left["b"].get_chunks()] == [0, 2]
    told = left.select(formatted("{} after {}!", "a", "b")).to_series()
    assert told.to_list() == ["3.0 after 2.0!", "4.0 after 3.0!"]


def test_no_rows_and_no_columns():
    rows = pl.DataFrame({"a": [1]}, schema={"a": pl.Int64})
    assert rows.clear().select(formatted("a={}", "a")).to_series().to_list() == []
    assert rows.select(formatted("plain")).to_series().to_list() == ["plain"]
