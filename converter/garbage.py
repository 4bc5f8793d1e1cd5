"""Pauses the cyclic garbage collector while many objects are made and none of them dies."""

from __future__ import annotations

import gc
from functools import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Final, ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")

# Objects: to walk fewer takes a millisecond, and what is broken among them is found at once.
_MANY: Final = 20_000


class collector_paused:  # noqa: N801 - what it does, as the context managers of contextlib say it
    """Pause the collector of cycles; what is counted down to zero is freed as ever.

    It runs each time some number of objects was made and walks those that live. Reading and
    planning make millions and free few, so all it finds is work: up to a third of the time. For
    the same reason the new objects, if they are many, are then declared old, which freezing and
    thawing does without looking at them; the next collection would otherwise begin by walking them
    all. Circles among them may stay for ever, so none may be left. Where a program has frozen
    objects of its own, they stay frozen.

    It stands before a block, ``with collector_paused():``, or before a function, as a decorator.
    """

    __slots__ = ("_paused",)

    def __init__(self) -> None:
        """Pause nothing yet."""
        self._paused = False

    def __enter__(self) -> None:
        """Pause the collector, unless that was done before."""
        self._paused = gc.isenabled()
        gc.disable()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let it go on, if it was this that paused it."""
        if self._paused:
            if gc.get_count()[0] > _MANY and not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return a function during which the collector is paused."""

        @wraps(function)
        def paused(*args: P.args, **kwargs: P.kwargs) -> T:
            with collector_paused():
                return function(*args, **kwargs)

        return paused
