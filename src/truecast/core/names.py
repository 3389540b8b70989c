"""Names that people type, and the nearest valid one when they mistype."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Generic, TypeVar

from truecast.core.errors import UsageError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Find the known name that is closest to a mistyped one.

    Parameters
    ----------
    name : str
        What was typed.
    known : iterable of str
        The valid names.

    Returns
    -------
    str or None
        The closest valid name, or None where nothing is close.

    Examples
    --------
    >>> nearest("featurs", ["features", "targets"])
    'features'
    """
    choices = {candidate.casefold(): candidate for candidate in known}
    matches = get_close_matches(name.casefold(), choices, n=1, cutoff=0.5)
    return choices[matches[0]] if matches else None


def suggestion(name: str, known: Iterable[str], *, most: int = 12) -> str:
    """Say which names are valid, the nearest one first.

    Parameters
    ----------
    name : str
        What was typed.
    known : iterable of str
        The valid names.
    most : int
        How many valid names are listed at most.

    Returns
    -------
    str
        One or two sentences for the end of an error message.
    """
    names = sorted(known)
    match = nearest(name, names)
    listed = ", ".join(names[:most]) + (
        f" and {len(names) - most} more" if len(names) > most else ""
    )
    guess = f"did you mean {match!r}? " if match else ""
    return f"{guess}Valid: {listed or 'none'}."


class UnknownNameError(UsageError):
    """A name that nothing is registered under.

    Parameters
    ----------
    kind : str
        What was looked for, in words ("feature", "model").
    name : str
        The name that is not known.
    known : iterable of str
        The names that are.
    where : str
        Where the name was read, for example ``targets.price.models``.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        place = f" in {where}" if where else ""
        super().__init__(f"unknown {kind} {name!r}{place}: {suggestion(name, known)}")
        self.kind, self.name = kind, name


class Registry(Mapping[str, T], Generic[T]):
    """A fixed, typed table of what can be named in a recipe.

    Built once from a mapping and never changed: what is registered does not depend on which
    modules happen to be imported.

    Parameters
    ----------
    kind : str
        What the names stand for, in words; used in error messages.
    entries : mapping of str to object
        Name to whatever it stands for.
    """

    def __init__(self, kind: str, entries: Mapping[str, T]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str, where: str = "") -> T:
        """Return the entry of that name.

        Parameters
        ----------
        name : str
            The name as typed.
        where : str
            Where it was typed, for the message.

        Raises
        ------
        UnknownNameError
            If nothing has that name; the message gives the nearest one.
        """
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries, where)
        return self._entries[name]
