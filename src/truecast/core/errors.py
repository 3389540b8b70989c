"""One root exception, and the two kinds a person meets.

Every room derives its own base from :class:`TruecastError`. A message says what was expected,
what came, where, and what to do.
"""


class TruecastError(Exception):
    """Root of every error that Truecast raises on purpose: the work could not be done."""


class UsageError(TruecastError):
    """What was asked for cannot be understood: a typo, an unknown name, a value out of range."""


class RecipeError(UsageError):
    """A recipe file says something that cannot be run."""


class SettingsError(UsageError):
    """A setting from the environment or from ``.env`` has no valid value."""
