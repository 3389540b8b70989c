"""What a recipe may say about Yahoo, and what its symbols say themselves."""

import re
from datetime import date
from typing import Annotated

from pydantic import Field

from truecast.core.recipe_parts import Duration
from truecast.sources.options import CalendarName, Options

#: What follows the last point of a symbol: calendar and currency.
_SUFFIXES: dict[str, tuple[str, str]] = {
    "AS": ("XAMS", "EUR"), "AT": ("ASEX", "EUR"), "AX": ("XASX", "AUD"), "BO": ("XBOM", "INR"),
    "BR": ("XBRU", "EUR"), "CO": ("XCSE", "DKK"), "DE": ("XETR", "EUR"), "F": ("XFRA", "EUR"),
    "HE": ("XHEL", "EUR"), "HK": ("XHKG", "HKD"), "IR": ("XDUB", "EUR"), "IS": ("XIST", "TRY"),
    "JK": ("XIDX", "IDR"), "JO": ("XJSE", "ZAc"), "KL": ("XKLS", "MYR"), "KQ": ("XKRX", "KRW"),
    "KS": ("XKRX", "KRW"), "L": ("XLON", "GBp"), "LS": ("XLIS", "EUR"), "MC": ("XMAD", "EUR"),
    "MI": ("XMIL", "EUR"), "MX": ("XMEX", "MXN"), "NS": ("XBOM", "INR"), "NZ": ("XNZE", "NZD"),
    "OL": ("XOSL", "NOK"), "PA": ("XPAR", "EUR"), "SA": ("BVMF", "BRL"), "SI": ("XSES", "SGD"),
    "SN": ("XSGO", "CLP"), "SS": ("XSHG", "CNY"), "ST": ("XSTO", "SEK"), "SW": ("XSWX", "CHF"),
    "SZ": ("XSHG", "CNY"), "T": ("XTKS", "JPY"), "TA": ("XTAE", "ILA"), "TO": ("XTSE", "CAD"),
    "TW": ("XTAI", "TWD"), "TWO": ("XTAI", "TWD"), "V": ("XTSE", "CAD"), "VI": ("XWBO", "EUR"),
    "WA": ("XWAR", "PLN"), "IL": ("XLON", "USD"), "BK": ("XBKK", "THB"), "SR": ("XSAU", "SAR"),
    "PR": ("XPRA", "CZK"), "BD": ("XBUD", "HUF"), "IC": ("XICE", "ISK"), "BA": ("XBUE", "ARS"),
}  # fmt: skip
_INDICES = {
    "^FTSE": ("XLON", "GBP"), "^GDAXI": ("XETR", "EUR"), "^FCHI": ("XPAR", "EUR"),
    "^N225": ("XTKS", "JPY"), "^HSI": ("XHKG", "HKD"), "^GSPTSE": ("XTSE", "CAD"),
    "^AXJO": ("XASX", "AUD"), "^BVSP": ("BVMF", "BRL"), "^BSESN": ("XBOM", "INR"),
    "^NSEI": ("XBOM", "INR"), "^KS11": ("XKRX", "KRW"), "^TWII": ("XTAI", "TWD"),
}  # fmt: skip
#: Yahoo's names of exchanges in a document, by our calendar.
EXCHANGES = {
    exchange: calendar
    for calendar, exchanges in {
        "XNYS": "NMS NGM NCM NYQ PCX ASE BTS SNP DJI NIM WCB CXI PNK OQB OQX NAS",
        "XLON": "LSE FGI IOB", "XETR": "GER", "XFRA": "FRA", "XPAR": "PAR", "XAMS": "AMS",
        "XBRU": "BRU", "XLIS": "LIS", "XMIL": "MIL", "XMAD": "MCE", "XSWX": "EBS",
        "XSTO": "STO", "XCSE": "CPH", "XHEL": "HEL", "XOSL": "OSL", "XWBO": "VIE",
        "XTSE": "TOR VAN", "XTKS": "JPX OSA", "XHKG": "HKG", "XSHG": "SHH SHZ",
        "XKRX": "KSC KOE", "XTAI": "TAI TWO", "XSES": "SES", "XASX": "ASX", "XNZE": "NZE",
        "XBOM": "NSI BSE", "BVMF": "SAO", "XMEX": "MEX", "XJSE": "JNB", "XTAE": "TLV",
        "FX": "CCY", "24/7": "CCC", "CMES": "CMX NYM CBT CME",
    }.items()
    for exchange in exchanges.split()
}  # fmt: skip
_SYMBOL = re.compile(r"\^?[A-Z0-9][A-Z0-9.=&_-]{0,31}")
_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")
_COIN = re.compile(r"-(USD|EUR|GBP|JPY|CAD|AUD|KRW|INR|BTC|ETH)$")


class YahooOptions(Options):
    """What to ask Yahoo for.

    Parameters
    ----------
    symbols : tuple of str
        As Yahoo writes them; if any are given, no others are asked for.
    start : date or None
        On which day a backfill of daily bars begins; None for all that there is.
    calendars : dict of str to str
        Symbol to the calendar of its sessions, where the symbol does not say it.
    may_be_negative : tuple of str
        Symbols whose prices may legally be zero or below, such as ``CL=F``.
    publication_delay : timedelta
        Time from a bar's close until Yahoo shows it whole: its quotes lag by up to 15 minutes.
    base_url : str or None
        Where to ask instead of all of Yahoo's hosts.
    """

    symbols: tuple[str, ...] = ()
    start: date | None = None
    calendars: dict[str, CalendarName] = Field(default_factory=dict)
    may_be_negative: tuple[str, ...] = ()
    publication_delay: Duration = Field(default="15m", validate_default=True)
    base_url: Annotated[str | None, Field(pattern=r"^https?://[^/]+$")] = None


def is_symbol(text: str) -> bool:
    """Say whether Yahoo writes symbols like that. An ISIN is none: it names a company."""
    return bool(_SYMBOL.fullmatch(text)) and not _ISIN.fullmatch(text)


def habits_of(symbol: str) -> tuple[str, str] | None:
    """Return the calendar and currency that a symbol implies; None if it does not say.

    Examples
    --------
    >>> habits_of("BRK-B"), habits_of("VOD.L"), habits_of("BTC-USD")
    (('XNYS', 'USD'), ('XLON', 'GBp'), ('24/7', 'USD'))
    >>> habits_of("EURUSD=X"), habits_of("GC=F"), habits_of("A.XX")
    (('FX', 'USD'), ('CMES', 'USD'), None)
    """
    if symbol in _INDICES:
        return _INDICES[symbol]
    if symbol.endswith("=F"):
        return "CMES", "USD"
    if symbol.endswith("=X"):
        # JPY=X is the dollar in yen.
        return "FX", symbol[:-2][-3:]
    coin = _COIN.search(symbol)
    if coin:
        return "24/7", coin[1]
    if "." in symbol:
        return _SUFFIXES.get(symbol.rpartition(".")[2])
    return "XNYS", "USD"
