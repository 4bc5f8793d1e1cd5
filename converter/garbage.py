"""Pauses the cyclic garbage collector while many objects are made and none of them dies."""

from __future__ import annotations

import gc
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

# Objects: to walk fewer takes a millisecond, and what is broken among them is found at once.
_MANY: Final = 20_000


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector of cycles; what is counted down to zero is freed as ever.

    It runs each time some number of objects was made and walks those that live. Reading and
    planning make millions and free few, so all it finds is work: up to a third of the time. For
    the same reason the new objects, if they are many, are then declared old, which freezing and
    thawing does without looking at them; the next collection would otherwise begin by walking them
    all. Circles among them may stay for ever, so none may be left. Where a program has frozen
    objects of its own, they stay frozen.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > _MANY and not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        gc.enable()
