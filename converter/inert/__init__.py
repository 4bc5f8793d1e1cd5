"""The pickle machine that builds nodes and calls nothing."""

from __future__ import annotations

from converter.inert.machine import read_graph

__all__ = ["read_graph"]
