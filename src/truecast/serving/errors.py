"""What can be wrong with a question, and why a forecast cannot be issued."""

from collections.abc import Mapping, Sequence

from truecast.core.errors import TruecastError, UsageError

#: What may be sent instead, each a part of a body of ``POST /predict``.
Choices = Sequence[Mapping[str, str | int]]


class ServingError(TruecastError):
    """A forecast cannot be issued."""


class BusyError(ServingError):
    """Another answer has been on its way for too long; what is asked again may be answered."""


class OverdueError(ServingError):
    """What a live forecast would be about has happened already."""


class TrainedLaterError(ServingError):
    """The model has seen what became known after the decision that is asked about."""


class NotReadyError(ServingError):
    """Nothing can answer for what is asked.

    Parameters
    ----------
    message : str
        What is missing.
    what_to_do : str
        How it is got.
    """

    def __init__(self, message: str, what_to_do: str) -> None:
        super().__init__(f"{message}: {what_to_do}")
        self.detail, self.what_to_do = message, what_to_do


class NotYetError(ServingError):
    """What is asked for is a part that this server does not have.

    Parameters
    ----------
    message : str
        What is missing.
    what_to_do : str
        How it is done instead.
    """

    def __init__(self, message: str, what_to_do: str) -> None:
        super().__init__(f"{message}: {what_to_do}")
        self.detail, self.what_to_do = message, what_to_do


class AskedError(UsageError):
    """What is asked cannot be answered as it is asked.

    Parameters
    ----------
    message : str
        What is wrong.
    what_to_do : str
        How to ask instead.
    choices : sequence of mapping
        What may be sent instead.
    """

    def __init__(self, message: str, what_to_do: str, choices: Choices = ()) -> None:
        super().__init__(f"{message}: {what_to_do}")
        self.detail, self.what_to_do, self.choices = message, what_to_do, choices


class UnknownError(AskedError):
    """Nothing of that name is served."""


class AmbiguousError(AskedError):
    """More than one slot fits."""
