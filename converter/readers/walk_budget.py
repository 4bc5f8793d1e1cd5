"""What naming the tensors of a tree may cost where parts of the tree are shared.

Each way that leads to a tensor names it anew, and a few kilobytes can hold more ways than anybody
can walk: lists of lists that share (billions of tensors), parts that all contain each other (the
ways through twelve of them are millions, and hardly one leads to another tensor), or a key of a
megabyte in a dict that stands in ten thousand places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.errors import LimitError

if TYPE_CHECKING:
    from converter.checkpoint.values import Value
    from converter.limits import Limits

# Honest sharing (an ensemble of one network, say) leads to a value in a few ways.
_FREE_WAYS: Final = 64


class WalkBudget:
    """Counts what is walked over again, and the characters of all names."""

    def __init__(self, limits: Limits) -> None:
        """Start from nothing."""
        self._limits: Final = limits
        self._met: Final[set[Value]] = set()
        self._distinct = 0
        self._again = 0
        self._characters = 0

    def meet(self, value: Value, size: int) -> None:
        """Count a value of `size`, itself and what is directly inside it: free the first time.

        Raises:
            LimitError: more than `Limits.max_shared_values`, and than 64 ways to each value.
        """
        if value not in self._met:
            self._met.add(value)
            self._distinct += size
            return
        self._again += size
        allowed = self._limits.max_shared_values + _FREE_WAYS * self._distinct
        if self._again > allowed:
            raise LimitError("max_shared_values", allowed=allowed, found=self._again)

    def name(self, characters: int) -> None:
        """Count the length of one name.

        Raises:
            LimitError: more than `Limits.max_names_chars` in all.
        """
        self._characters += characters
        allowed = self._limits.max_names_chars
        if self._characters > allowed:
            raise LimitError("max_names_chars", allowed=allowed, found=self._characters)
