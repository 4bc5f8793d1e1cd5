"""One reader per style on disk, and the canonical form of what they find.

Nothing is imported here: the judge needs a few of the readers, and none of the rest.
"""

from __future__ import annotations

__all__: list[str] = []
