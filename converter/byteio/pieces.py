"""Cuts bytes into pieces at places that are known, and leaves out those nobody looks at."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from operator import itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, TypeAlias

    from converter.byteio.source import ByteSource

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


class Excerpt:
    """What is left of a source where some of its bytes are left out.

    Attributes:
        nbytes: how many bytes are left.
    """

    def __init__(self, kept: list[slice]) -> None:
        """Keep some parts, at least one; they ascend and do not overlap."""
        lengths = [part.stop - part.start for part in kept]
        self._ranges: Final = [(part.start, n) for part, n in zip(kept, lengths, strict=True)]
        self._later_starts: Final = [part.start for part in kept[1:]]
        before = accumulate(lengths, initial=0)
        self._lost: Final[list[int]] = [part.start - nbytes for part, nbytes in zip(kept, before)]  # noqa: B905 - the sum of all is left
        self.nbytes: Final = sum(lengths)

    def read(self, source: ByteSource) -> bytes:
        """Return the bytes that are left of a source.

        Raises:
            SourceError: it is shorter, or cannot be read.
        """
        if len(self._ranges) == 1:
            return source.read_at(*self._ranges[0])
        return b"".join([source.read_at(start, nbytes) for start, nbytes in self._ranges])

    def place(self, offset: int) -> int:
        """Return where an offset of the source, or what follows it, is among what is left."""
        return offset - self._lost[bisect_right(self._later_starts, offset)]
