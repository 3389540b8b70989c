"""Text from columns."""

import polars as pl


def formatted(template: str, *columns: pl.Expr | pl.Series | str) -> pl.Expr:
    """Put the values of columns into a text; null where one of them is null.

    Parameters
    ----------
    template : str
        With ``{}`` for each of the columns.
    columns : pl.Expr, pl.Series or str
        Expressions, values or names.

    Notes
    -----
    ``pl.format`` is not used: up to Polars 2.1 it panics on a column whose first chunk is empty,
    which is what filtering leaves behind.

    Examples
    --------
    >>> pl.DataFrame({"a": [1, None]}).select(formatted("a={}", "a")).to_series().to_list()
    ['a=1', None]
    """
    first, *others = template.split("{}")
    parts: list[pl.Expr | pl.Series | str] = [pl.lit(first)]
    for column, text in zip(columns, others, strict=True):
        parts += [column, pl.lit(text)]
    return pl.concat_str(parts)
