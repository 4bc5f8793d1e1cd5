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

# Folder → its marked names, when it was first listed; None where each listing is a new one.
_REMEMBERED: Final[list[dict[str, list[str]]]] = []


def names_beside(target: Path) -> list[str]:
    """Return the names in the folder of `target` that have the mark.

    After `remember_listings`, what has come since the first listing of a folder is not among them.

    Raises:
        OSError: the folder cannot be listed.
    """
    folder = os.fspath(target.parent)
    known = _REMEMBERED[0] if _REMEMBERED else {}
    if folder not in known:
        known[folder] = [name for name in os.listdir(folder) if MARK in name]  # noqa: PTH208
    return known[folder]


def remember_listings() -> None:
    """List each folder once from now on, in this process."""
    if not _REMEMBERED:
        _REMEMBERED.append({})


def forget_listings() -> None:
    """List folders again whenever they are asked for."""
    _REMEMBERED.clear()
