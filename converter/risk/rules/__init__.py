"""Every rule, one file each; its id is the file's name with hyphens.

`converter.risk.rulebook` lists them all, `converter.risk.choice` those that a file needs.
"""

from __future__ import annotations

__all__: list[str] = []
