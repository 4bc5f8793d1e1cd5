"""A class that a test pickles, and that no list of known names has."""

from __future__ import annotations


class Point:
    """Something of somebody's own."""

    def __init__(self, x: int) -> None:
        """Keep a number."""
        self.x = x
