"""Bytes on disk: positioned reads, siblings that stay in their folder, atomic output."""

from __future__ import annotations

from converter.byteio.source import ByteSource, Extent, MemorySource, WindowSource

__all__ = ["ByteSource", "Extent", "MemorySource", "WindowSource"]
