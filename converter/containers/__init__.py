"""Containers: which kind of file it is, and its records as names and extents."""

from __future__ import annotations

from converter.containers.records import Archive, Record

__all__ = ["Archive", "Record"]
