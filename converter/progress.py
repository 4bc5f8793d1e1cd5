"""The progress protocol: how long work tells a person how far it is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object  # only type checkers compare what a class can do


class Progress(Protocol):
    """What a long task reports to; all amounts are bytes."""

    def begin(self, label: str, total_nbytes: int) -> None:
        """Start a phase of `total_nbytes` under a name such as ``writing``."""

    def advance(self, nbytes: int) -> None:
        """Say that `nbytes` more are done."""

    def end(self) -> None:
        """Finish the phase."""


class SilentProgress:
    """Progress nobody watches."""

    def begin(self, label: str, total_nbytes: int) -> None:
        """Ignore the start of a phase."""

    def advance(self, nbytes: int) -> None:
        """Ignore an advance."""

    def end(self) -> None:
        """Ignore the end of a phase."""
