"""Guess what a recipe would say of a file: the interval, and whose sessions its bars belong to."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath

import polars as pl

from truecast.core.calendars import get_calendar
from truecast.core.interval import Interval
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.parse import Stamped, holds_daily_bars, usual_step
from truecast.sources.yahoo.options import habits_of

_INDICES = {"ibov": "BVMF", "bvsp": "BVMF", "stoxx": "XETR", "dax": "XETR", "ftse": "XLON",
            "nikkei": "XTKS", "n225": "XTKS", "hsi": "XHKG", "cac40": "XPAR"}  # fmt: skip
_COINS = re.compile(r"(?i)(^|[^a-z])(btc|xbt|eth|ltc|xrp|doge|sol|ada|bnb)([^a-z]|usd|eur|$)")
_CURRENCIES = "EUR|USD|GBP|JPY|CHF|AUD|NZD|CAD|SEK|NOK|XAU|XAG"
_PAIR = re.compile(rf"(?i)(^|[^a-z])({_CURRENCIES})[/_-]?({_CURRENCIES})([^a-z]|$)")
_FUTURES = re.compile(r"(?i)(=F($|[^a-z])|(^|[^a-z])(gcf|clf|futures?)([^a-z]|$))")
_SATURDAY, _SUNDAY = 6, 7


@dataclass(frozen=True)
class Guess:
    """What was guessed.

    Parameters
    ----------
    interval : Interval
        Length of the bars.
    options : FilesOptions
        With the calendar in it.
    notes : tuple of str
        How it was guessed, and how to say it instead.
    """

    interval: Interval
    options: FilesOptions
    notes: tuple[str, ...]


def guess(stamped: Stamped, file: str, options: FilesOptions, interval: Interval | None) -> Guess:
    """Guess what was not said of a file.

    Parameters
    ----------
    stamped : Stamped
        Its rows, their stamps read.
    file : str
        Its name, which may tell the market.
    options : FilesOptions
        What was said.
    interval : Interval or None
        The interval, where it was said.
    """
    notes = []
    if "calendar" not in options.model_fields_set:
        calendar, why = _calendar(PurePath(file).name, stamped.stamps.wall)
        told = {**options.model_dump(exclude_unset=True), "calendar": calendar}
        options = FilesOptions.model_construct(
            _fields_set={*options.model_fields_set, "calendar"},
            **{**options.model_dump(), **told},
        )
        notes.append(f"the calendar is taken to be {calendar}, since {why}")
    if interval is None:
        interval, why = _interval(stamped, options)
        notes.append(f"the interval is taken to be {interval}, since {why}")
    if not interval.is_daily and not stamped.stamps.aware and options.told_timezone is None:
        notes.append("stamps have no offset and are read in UTC; if they were written elsewhere, "
                     "say timezone=, such as timezone=America/New_York")  # fmt: skip
    return Guess(interval, options, tuple(notes))


def _calendar(name: str, wall: pl.Series) -> tuple[str, str]:
    suffix = re.match(r"[A-Z0-9]+[-.]([A-Z]{1,2})(?=[-_.]|$)", name)
    if suffix and (habits := habits_of(f"X.{suffix[1]}")):
        return habits[0], f"the name has Yahoo's suffix {suffix[1]}"
    for word, calendar in _INDICES.items():
        if word in name.lower():
            return calendar, f"the name has {word}"
    for pattern, calendar, what in (
        (_COINS, "24/7", "a coin"),
        (_PAIR, "FX", "a pair of currencies"),
        (_FUTURES, "CMES", "a future"),
    ):
        if pattern.search(name):
            return calendar, f"the name is of {what}"
    days = wall.dt.weekday()
    saturdays, sundays = ((days == day).sum() / max(1, len(days)) for day in (_SATURDAY, _SUNDAY))
    if saturdays > 0.02 and sundays > 0.02:
        return "24/7", "it has bars on Saturdays and Sundays"
    if sundays > 0.005:
        return "FX", "it has bars on Sundays and hardly any on Saturdays"
    return "XNYS", "it has no bars at weekends"


def _step(moments: pl.Series) -> timedelta | None:
    """Return the usual step; where many bars are absent the most frequent one, if shorter."""
    usual = usual_step(moments)
    steps = moments.unique().sort().diff().drop_nulls().mode().sort()
    return usual if usual is None else min(usual, steps[0])


def _interval(stamped: Stamped, options: FilesOptions) -> tuple[Interval, str]:
    if holds_daily_bars(stamped.stamps, get_calendar(options.calendar)):
        return Interval("1d"), "its stamps are days"
    moments = stamped.stamps.values
    usual = _step(moments)
    if usual is None:
        return Interval("1m"), "it has one moment only"
    if usual < timedelta(minutes=1):
        return Interval("1m"), f"most rows are {usual} apart, less than any bar"
    if usual >= timedelta(days=1):
        return Interval("1d"), f"most rows are {usual} apart"
    minutes = round(usual.total_seconds() / 60)
    text = f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
    return Interval(text), f"most rows are {usual} apart"
