"""Pauses the cyclic garbage collector while many objects are made and none of them dies."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector of cycles; what is counted down to zero is freed as ever.

    It runs each time some number of objects was made and walks those that live. Reading and
    planning make millions and free few, so all it finds is work: up to a third of the time. For
    the same reason the new objects are then declared old, which freezing and thawing does without
    looking at them; the next collection would otherwise begin by walking them all. Where a program
    has frozen objects of its own, they stay frozen.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        gc.enable()
