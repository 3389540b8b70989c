"""The table of all families, and the named sets of features that recipes use."""

import re
from collections.abc import Mapping, Sequence

from truecast.core.errors import UsageError
from truecast.core.names import Registry, UnknownNameError
from truecast.features import (
    alpha158,
    calendar,
    candles,
    context,
    hours,
    levels,
    microstructure,
    moments,
    news,
    price,
    quotes,
    regime,
    trend,
    volatility,
    volume,
)
from truecast.features.declaration import Family, Feature, slug
from truecast.features.sets import alpha158 as alpha158_set
from truecast.features.sets import (
    daily,
    gold8,
    lstm_ohlcv,
    news6,
    regime18,
    returns12,
    returns22,
    sp500_114,
    sp500_daily,
    stocks_ema,
    updown39,
    us_hours,
    volatility23,
)
from truecast.features.sets import quotes as quotes_set
from truecast.features.user import load_family

FAMILIES: Registry[Family] = Registry(
    "feature",
    {
        family.name: family
        for module in (
            price,
            volatility,
            volume,
            calendar,
            context,
            news,
            trend,
            regime,
            hours,
            microstructure,
            candles,
            quotes,
            moments,
            levels,
            alpha158,
        )
        for family in module.FAMILIES
    },
)

_SETS = (
    daily,
    sp500_daily,
    sp500_114,
    news6,
    quotes_set,
    us_hours,
    gold8,
    stocks_ema,
    lstm_ohlcv,
    returns12,
    returns22,
    updown39,
    volatility23,
    regime18,
    alpha158_set,
)

#: Set to its members: a feature's name, and the context symbol it is computed on or None.
SETS: Registry[tuple[tuple[str, str | None], ...]] = Registry(
    "feature set", {module.__name__.rpartition(".")[2]: module.MEMBERS for module in _SETS}
)

_NUMBERED = re.compile(r"(.+?)((?:_[0-9]{1,9})+)")


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


def description(
    set_name: str | None = None, features: Sequence[Feature] | None = None
) -> list[dict[str, object]]:
    """Describe features: what ``truecast features`` prints.

    Parameters
    ----------
    set_name : str or None
        The set whose features are described.
    features : sequence of Feature or None
        Others that are; without either it is all there are.

    Returns
    -------
    list of dict
        Keys: name, set (names joined by a comma, or empty), inputs, lookback, unit, formula,
        source.

    Raises
    ------
    UnknownNameError
        If there is no such set.
    """
    if features is None:
        features = all_features() if set_name is None else members(set_name)
    sets = {name: {member.name for member in members(name)} for name in SETS}
    return [
        {
            "name": feature.name,
            "set": ", ".join(name for name, names in sets.items() if feature.name in names),
            "inputs": _told_inputs(feature),
            "lookback": feature.lookback,
            "unit": feature.unit,
            "formula": feature.formula,
            "source": feature.reference,
        }
        for feature in features
    ]


def _told_inputs(feature: Feature) -> list[str]:
    if feature.family.of_news:
        return ["news"]
    if feature.series is None:
        return [*feature.inputs]
    return [f"{feature.series}:{name}" for name in feature.inputs]


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
