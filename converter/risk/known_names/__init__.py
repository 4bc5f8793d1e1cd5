"""The names we know, as tables with a source and a date for each row."""

from __future__ import annotations

from converter.risk.known_names.tables import Danger, SafeName, danger_of, iter_safe, safe_name

__all__ = ["Danger", "SafeName", "danger_of", "iter_safe", "safe_name"]
