"""A folder for one example of a property."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder of an example's own, and remove it."""
    with tempfile.TemporaryDirectory(prefix="depickle-property-") as path:
        yield Path(path)
