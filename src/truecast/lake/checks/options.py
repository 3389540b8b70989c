"""The checks by name, what each does with what it finds, and what a recipe may set."""

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError, suggestion
from truecast.core.strict import Number, Whole

Action = Literal["flag", "quarantine", "repair"]


class _Check(BaseModel):
    """What every check has: it can be tuned, and never be switched off."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class UnitJump(_Check):
    """A bar whose prices are all a hundred times, or a hundredth of, those before it.

    Once or from a moment on for good. A split that is known explains a jump. A repair divides
    the bar's prices, from the moment on at which the bar was known.
    """

    action: Action = "repair"
    factor: Number = Field(default=100.0, ge=10, le=100_000)
    tolerance: Number = Field(default=0.25, gt=0, le=1)


class FalsePrint(_Check):
    """A price far from all before it that is gone within the next bars as if it had never been.

    How far is said in robust standard deviations of what bars do, from the window before; it is
    gone if each price of one of the next bars is back where prices were, within the time that ten
    bars take for each bar that it may stand. It is known to be false when that bar is known: until
    then it is read as it is.
    """

    action: Literal["flag", "quarantine"] = "quarantine"
    sigmas: Number = Field(default=12.0, ge=4, le=1000)
    smallest: Number = Field(default=0.03, ge=0, le=10)
    window: Whole = Field(default=60, ge=20, le=5000)
    longest: Whole = Field(default=2, ge=1, le=20)


class VolumeUnitJump(_Check):
    """A session with volumes of another order than those of the sessions before.

    The median of its bars is that many times, or that part of, the median of the session before
    and of the last sessions. For intraday bars alone: the volume of one day is not one of many.
    Known with the first bar of the next session.
    """

    action: Literal["flag"] = "flag"
    least: Number = Field(default=10.0, ge=3, le=100_000)
    sessions: Whole = Field(default=5, ge=1, le=250)
    bars: Whole = Field(default=30, ge=5, le=1500)


class Stale(_Check):
    """Many bars in a row that repeat one price: open, high, low and close of the last close."""

    action: Literal["flag", "quarantine"] = "flag"
    bars: Whole = Field(default=10, ge=2, le=100_000)


class OffSession(_Check):
    """A bar outside the sessions of the instrument's calendar: no horizon counts from it."""

    action: Literal["flag", "quarantine"] = "quarantine"


class CrossedQuotes(_Check):
    """A closing bid above the closing ask."""

    action: Literal["flag", "quarantine"] = "flag"


class RoundedOhlc(_Check):
    """An open or close outside high and low by no more than single precision explains."""

    action: Literal["flag", "quarantine"] = "flag"


class OutsideRange(_Check):
    """An open or close outside high and low, as where those are trades and these middle prices.

    A repair makes high and low missing: what the range was cannot be said.
    """

    action: Action = "repair"


#: What the contracts flag on a row's way in: the name of the flag, and what was found.
ROW_FLAGS: Final = {
    "off_session": "outside every session",
    "crossed_quotes": "the closing bid is above the closing ask",
    "rounded_ohlc": "open or close is outside high and low by rounding",
    "outside_range": "open or close is outside high and low",
}


class ChecksOptions(BaseModel):
    """What every check does: the defaults, and what a recipe says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit_jump: UnitJump = UnitJump()
    false_print: FalsePrint = FalsePrint()
    volume_unit_jump: VolumeUnitJump = VolumeUnitJump()
    stale: Stale = Stale()
    off_session: OffSession = OffSession()
    crossed_quotes: CrossedQuotes = CrossedQuotes()
    rounded_ohlc: RoundedOhlc = RoundedOhlc()
    outside_range: OutsideRange = OutsideRange()

    @classmethod
    def of(cls, checks: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return the options that a recipe's ``checks`` give.

        Parameters
        ----------
        checks : mapping of str to mapping
            Parameters and ``action`` by the name of a check.

        Raises
        ------
        UnknownNameError
            If there is no such check; the message gives the nearest one.
        UsageError
            If a check has no such parameter, or not that value.

        Examples
        --------
        >>> ChecksOptions.of({"stale": {"bars": 30}}).stale
        Stale(action='flag', bars=30)
        """
        for name, keys in checks.items():
            if name not in cls.model_fields:
                raise UnknownNameError("check", name, cls.model_fields)
            known = type(getattr(_DEFAULTS, name)).model_fields
            for key in keys:
                if key not in known:
                    raise UsageError(
                        f"checks.{name}.{key}: the check {name} has no such parameter: "
                        f"{suggestion(key, known)}"
                    )
        try:
            return cls.model_validate({name: dict(keys) for name, keys in checks.items()})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            hint = (
                " (a check is never switched off: flag is the least that it does)"
                if where.endswith(".action")
                else ""
            )
            raise UsageError(
                f"checks.{where}: {first['msg']}, got {first['input']!r}{hint}"
            ) from error


_DEFAULTS: Final = ChecksOptions()


def describe_checks() -> list[dict[str, Any]]:
    """Return what there is to know of each check.

    Returns
    -------
    list of dict
        ``name``, ``description``, ``action`` (the default), ``actions`` (those it may have) and
        ``parameters``, a dict of name to ``{"default", "bounds"}``.
    """
    described = []
    for name in ChecksOptions.model_fields:
        check = getattr(_DEFAULTS, name)
        schema = type(check).model_json_schema()["properties"]
        action = schema.pop("action")
        described.append(
            {
                "name": name,
                "description": " ".join((type(check).__doc__ or "").split()),
                "action": action["default"],
                "actions": action.get("enum") or [action["const"]],
                "parameters": {
                    key: {"default": part["default"], "bounds": _bounds(part)}
                    for key, part in schema.items()
                },
            }
        )
    return described


def _bounds(part: Mapping[str, Any]) -> str:
    least = f"≥ {part['minimum']:g}" if "minimum" in part else f"> {part['exclusiveMinimum']:g}"
    return f"{least}, ≤ {part['maximum']:g}"
