"""The names we know, as tables with a source and a date for each row."""

from __future__ import annotations

from converter.risk.known_names.tables import (
    Danger,
    KnownName,
    SafeName,
    Standing,
    danger_of,
    iter_safe,
    rows_of,
    safe_name,
)

__all__ = [
    "Danger",
    "KnownName",
    "SafeName",
    "Standing",
    "danger_of",
    "iter_safe",
    "rows_of",
    "safe_name",
]
