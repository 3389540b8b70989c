"""How long work tells of itself, without knowing who listens."""

from typing import Protocol


class Progress(Protocol):
    """Whoever is told how far the work has come."""

    def stage(self, name: str) -> None:
        """Hear that a stage begins."""

    def step(self, what: str, done: int, total: int) -> None:
        """Hear that ``done`` of ``total`` steps of something are done."""


class _Silent:
    def stage(self, name: str) -> None:
        del name

    def step(self, what: str, done: int, total: int) -> None:
        del what, done, total


SILENT: Progress = _Silent()
