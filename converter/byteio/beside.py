"""What depickle has put beside its outputs: temporaries, outputs set aside, documents.

Whoever writes an output looks for what killed processes left of it. Where thousands of outputs go
to one folder, listing that folder for each of them would take longer than all else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MARK: Final = ".depickle"
"""In every name that depickle makes beside an output."""


class _Listings:
    """Folder → its marked names, when it was first listed; empty unless they are to be kept."""

    __slots__ = ("are_kept", "found")

    def __init__(self) -> None:
        self.found: Final[dict[str, list[str]]] = {}
        self.are_kept = False


_LISTINGS: Final = _Listings()


def names_beside(target: Path) -> list[str]:
    """Return the names in the folder of `target` that have the mark.

    After `remember_listings`, what has come since the first listing of a folder is not among them.

    Raises:
        OSError: the folder cannot be listed.
    """
    folder = os.fspath(target.parent)
    names = _LISTINGS.found.get(folder)
    if names is None:
        names = [name for name in os.listdir(folder) if MARK in name]  # noqa: PTH208
        if _LISTINGS.are_kept:
            _LISTINGS.found[folder] = names
    return names


def remember_listings() -> None:
    """List each folder once from now on, in this process."""
    _LISTINGS.are_kept = True


def forget_listings() -> None:
    """List folders again whenever they are asked for."""
    _LISTINGS.are_kept = False
    _LISTINGS.found.clear()
