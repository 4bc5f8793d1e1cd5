"""Reports: versioned documents and the text people read."""

from __future__ import annotations

__all__: list[str] = []
