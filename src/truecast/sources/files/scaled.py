"""Notice prices that look scaled, without touching them."""

import re

import polars as pl

#: Where the rates of these pairs have been in the last fifty years, with room on both sides.
_PLAUSIBLE = {"JPY": (20.0, 1000.0), "": (0.05, 20.0)}
_METALS = {"XAU": (20.0, 20_000.0), "XAG": (1.0, 500.0)}
_MAJORS = ("EUR", "USD", "GBP", "CHF", "AUD", "NZD", "CAD")


def scale_notes(close: pl.Series, name: str) -> list[str]:
    """Say where closing prices are probably multiples of what they stand for.

    Parameters
    ----------
    close : pl.Series of Float64
        Closing prices as they are in the file.
    name : str
        The symbol or the file's name: a currency pair in it says what is plausible.

    Returns
    -------
    list of str
        One note that says how to tell, or none. The prices are taken as they are.
    """
    # Most prices are no whole numbers, and that shows at once.
    if _are_whole(close.head(1000)) and _are_whole(close):
        noisy = close.filter(close != close.round())
        if len(noisy):
            return [
                "prices are whole numbers with the noise of a multiplication, such as "
                f"{noisy[0]!r}, and are taken as they are: if they were scaled, say by how much, "
                "such as scale: 1e-5"
            ]
    bounds = _bounds(name)
    middle = close.drop_nans().median() if bounds else None
    if bounds is None or not isinstance(middle, float) or bounds[0] <= middle <= bounds[1]:
        return []
    side = "above" if middle > bounds[1] else "below"
    return [
        f"the median price of {middle:g} is far {side} what is known of {name}; prices are taken "
        "as they are: if they were scaled, say by how much, such as scale: 0.01"
    ]


def _are_whole(values: pl.Series) -> bool:
    """Whether all values are whole numbers but for the last digits of a float."""
    return bool(((values - values.round()).abs() <= 1e-9 * values.abs()).all())


def _bounds(name: str) -> tuple[float, float] | None:
    """Return the plausible rates of the currency pair in a name, or None."""
    legs = "|".join((*_MAJORS, "JPY"))
    pair = re.search(rf"(?i)({legs}|XAU|XAG)[/_-]?({legs})", name)
    if pair is None:
        return None
    base, quote = pair[1].upper(), pair[2].upper()
    if base in _METALS:
        return _METALS[base] if quote in _MAJORS else None
    if base == "JPY":
        return (1e-3, 0.05)
    return _PLAUSIBLE.get(quote, _PLAUSIBLE[""])
