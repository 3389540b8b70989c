"""The table of all families, and the named sets of features that recipes use."""

import re
from collections.abc import Mapping, Sequence

from truecast.core.errors import UsageError
from truecast.core.names import Registry, UnknownNameError
from truecast.features import calendar, context, news, price, volatility, volume
from truecast.features.declaration import Family, Feature, describe, slug
from truecast.features.sets import news6
from truecast.features.user import load_family

FAMILIES: Registry[Family] = Registry(
    "feature",
    {
        family.name: family
        for module in (price, volatility, volume, calendar, context, news)
        for family in module.FAMILIES
    },
)

#: Daily bars of one instrument: what its own prices and volumes say.
_DAILY = (
    *(f"log_return_{window}" for window in (1, 5, 10, 22)),
    *(f"return_lag_{lag}" for lag in (1, 2, 3, 4)),
    *(f"close_to_sma_{window}" for window in (5, 20, 50, 200)),
    "rsi_14",
    *("macd", "macd_signal", "macd_histogram"),
    *("bollinger_position_20", "bollinger_width_20"),
    "close_to_high_252",
    *("atr_14", "log_range", "close_in_range"),
    *("garman_klass_22", "parkinson_22", "rogers_satchell_22", "yang_zhang_22"),
    *(f"log_gk_{window}" for window in (1, 5, 22)),
    *(f"downside_{window}" for window in (1, 5, 22)),
    "upside_1",
    "gk_ratio_1000",
    *("return_sd_22", "ewma_sd_94"),
    *("log_volume_change", "volume_zscore_20"),
    *("day_of_week_sin", "day_of_week_cos", "month_sin", "month_cos", "days_since_session"),
)

#: Set to its members: a feature's name, or its name and the context symbol it is computed on.
SETS: Registry[tuple[tuple[str, str | None], ...]] = Registry(
    "feature set",
    {
        "daily": tuple((name, None) for name in _DAILY),
        "sp500_daily": (
            *((name, None) for name in _DAILY),
            ("log_close", "^VIX"),
            ("log_return_1", "^VIX"),
            ("log_premium_22", "^VIX"),
        ),
        "news6": news6.MEMBERS,
    },
)

_NUMBERED = re.compile(r"(.+?)((?:_\d+)+)")


def members(name: str, where: str = "") -> tuple[Feature, ...]:
    """Return the features of a named set.

    Raises
    ------
    UnknownNameError
        If there is no such set.
    """
    return tuple(resolve(member, {}, of, where) for member, of in SETS.find(name, where))


def all_features() -> tuple[Feature, ...]:
    """Return the features of every set, and one of each family that is in none."""
    found = {feature.name: feature for name in SETS for feature in members(name)}
    present = {feature.output for feature in found.values()}
    for family in FAMILIES.values():
        if family.name not in present:
            example = family.feature()
            found[example.name] = example
    return tuple(found.values())


def description(set_name: str | None = None) -> list[dict[str, object]]:
    """Describe the features of a set, or all of them: what ``truecast features`` prints.

    Raises
    ------
    UnknownNameError
        If there is no such set.
    """
    chosen = all_features() if set_name is None else members(set_name)
    return describe(chosen, {name: members(name) for name in SETS})


def resolve(name: str, given: Mapping[str, object], of: str | None, where: str) -> Feature:
    """Return the feature that a name means.

    Parameters
    ----------
    name : str
        A family (``rsi``), a family with the numbers of its parameters (``rsi_14``), or a user's
        ``module:function``.
    given : mapping of str to int
        Parameters given beside the name.
    of : str or None
        The context symbol that it is computed on.
    where : str
        Where it was read, for the message.

    Raises
    ------
    UsageError
        If the name or a parameter is not known, or numbers are given twice or in excess.
    """
    if ":" in name:
        return load_family(name, where).feature(given, of, where)
    if name in FAMILIES:
        return FAMILIES[name].feature(given, of, where)
    match = _NUMBERED.fullmatch(name)
    if match is None or match[1] not in FAMILIES:
        raise UnknownNameError("feature", name, known_names(), where)
    family = FAMILIES[match[1]]
    numbers = [int(number) for number in match[2].split("_")[1:]]
    if given or len(numbers) != len(family.parameters):
        takes = ", ".join(family.parameters) or "none"
        raise UsageError(
            f"{where}: {name} does not fit {family.name}, which takes parameters: {takes}; "
            "give them as numbers in the name or by name, not both"
        )
    return family.feature(dict(zip(family.parameters, numbers, strict=True)), of, where)


def known_names() -> list[str]:
    """Return the names that a recipe may use: sets, their features, and families."""
    single = {member for name in SETS for member, _ in SETS[name]}
    return sorted({*SETS, *FAMILIES, *single})


def split_context(name: str, symbols: Sequence[str]) -> tuple[str, str | None]:
    """Split ``log_close__vix`` into ``log_close`` and the symbol it means, if there is one.

    Returns
    -------
    str, str or None
        The name and the symbol; the name as it came and None where it names no symbol.
    """
    base, _, ending = name.rpartition("__")
    for symbol in symbols:
        if base and slug(symbol) == ending:
            return base, symbol
    return name, None
