"""What a check says: the same words for features, dataset rows and forecasts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckResult:
    """One finding of a check.

    Parameters
    ----------
    check : str
        The check's name.
    passed : bool
        Whether all is as it must be.
    feature : str or None
        What fails; None where everything passed or the check is about no single feature.
    first_row : str or None
        The first decision whose row is wrong, as ISO 8601 in UTC.
    detail : str
        What was compared, or the likely cause, in words.
    """

    check: str
    passed: bool
    feature: str | None
    first_row: str | None
    detail: str
