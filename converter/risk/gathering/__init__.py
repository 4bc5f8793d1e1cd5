"""Finds every pickle of an input, wherever it stands, and judges nothing."""

from __future__ import annotations

from converter.risk.gathering.gatherer import gather

__all__ = ["gather"]
