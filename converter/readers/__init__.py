"""One reader per style on disk, and the canonical form of what they find."""

from __future__ import annotations

from converter.readers.opening import open_checkpoint

__all__ = ["open_checkpoint"]
