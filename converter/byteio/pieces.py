"""Cuts bytes into pieces at places that are known, all of them in one step."""

from __future__ import annotations

from operator import itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Pieces: TypeAlias = Callable[[bytes], tuple[bytes, ...]]
    """Cuts out the same places of whatever bytes it is given."""


def pieces_of(parts: list[slice]) -> Pieces:
    """Return what cuts out some parts, at least one; of a single one, twice."""
    first, *rest = parts
    return itemgetter(first, *(rest or [first]))


def parts_between(parts: list[slice], nbytes: int) -> list[slice] | None:
    """Return what is left of `nbytes` bytes around some parts; None where two of them overlap."""
    ordered = sorted(parts, key=lambda part: part.start)
    stops = [0, *(part.stop for part in ordered)]
    starts = [*(part.start for part in ordered), nbytes]
    if any(start < stop for start, stop in zip(starts, stops, strict=True)):
        return None
    return [slice(stop, start) for stop, start in zip(stops, starts, strict=True)]
