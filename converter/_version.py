"""The version of this distribution, written down once."""

from __future__ import annotations

__version__ = "0.1.0"
