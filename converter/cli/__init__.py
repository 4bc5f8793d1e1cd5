"""The command line: arguments, progress bars, colours, exit codes; the only place that prints."""

from __future__ import annotations

__all__: list[str] = []
