"""Whether boxes cover an array, every index once, and where they do not."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

from converter.errors import TensorError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_CORNERS: Final = 1 << 26
# To explain a mistake, not to find it: what is beyond these is said in general.
_MAX_COMPARISONS: Final = 200_000
_MAX_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Span:
    """A box of indexes.

    Attributes:
        start: first index, per dimension.
        stop: one behind the last, per dimension; greater than `start`.
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]

    def __str__(self) -> str:
        """Return it as a slice is written."""
        ranges = zip(self.start, self.stop, strict=True)
        return "[" + ", ".join(f"{start}:{stop}" for start, stop in ranges) + "]"

    @property
    def numel(self) -> int:
        """Return how many indexes it has."""
        return math.prod(b - a for a, b in zip(self.start, self.stop, strict=True))


def check_cover(shape: tuple[int, ...], spans: Sequence[Span], where: str) -> None:
    """Check that boxes cover all of `shape`, and no index twice.

    Add up the corners of all boxes, with alternating signs: the sum equals that of the whole if
    and only if the boxes cover each index as often as the whole does, which is once. That takes
    time in proportion to the number of boxes, however they lie.

    Raises:
        TensorError: a box lies outside, two overlap, or some indexes are in none.
        UnsupportedError: there are too many, cut along too many dimensions.
    """
    whole = Span((0,) * len(shape), shape)
    for span in spans:
        inside = zip(span.start, span.stop, shape, strict=True)
        if not all(0 <= start < stop <= size for start, stop, size in inside):
            raise TensorError(
                "chunk outside its tensor",
                record=where,
                expected=f"indexes within {whole}",
                found=str(span),
            )
    axes = [
        axis
        for axis, size in enumerate(shape)
        if any(span.start[axis] or span.stop[axis] != size for span in spans)
    ]
    if len(spans) << len(axes) > _MAX_CORNERS:
        raise UnsupportedError(
            "tensor cut along too many dimensions",
            record=where,
            found=f"{len(spans)} chunks along {len(axes)} dimensions",
        )
    if not spans or _corners(spans, axes) != _corners([whole], axes):
        raise _cover_error(shape, spans, where)


def _corners(spans: Sequence[Span], axes: Sequence[int]) -> dict[tuple[int, ...], int]:
    """Return corner → sum of its signs, without those whose signs cancel."""
    found: Counter[tuple[int, ...]] = Counter()
    signs = [math.prod(ends) for ends in product((1, -1), repeat=len(axes))]
    for span in spans:
        ends = product(*((span.start[axis], span.stop[axis]) for axis in axes))
        for corner, sign in zip(ends, signs, strict=True):
            found[corner] += sign
    return {corner: count for corner, count in found.items() if count}


def _cover_error(shape: tuple[int, ...], spans: Sequence[Span], where: str) -> TensorError:
    expected = "chunks that cover the tensor once"
    overlap = _overlap(spans)
    if overlap is not None:
        found = f"{overlap[0]} and {overlap[1]}"
        return TensorError("chunks overlap", record=where, expected=expected, found=found)
    missing = math.prod(shape) - sum(span.numel for span in spans)
    holes = _holes(shape, spans)
    text = ", ".join(str(hole) for hole in holes[:_MAX_SHOWN])
    if len(holes) > _MAX_SHOWN:
        text += ", …"
    found = f"nothing at {text or 'some places'} ({missing} of {math.prod(shape)} elements)"
    return TensorError("chunks are missing", record=where, expected=expected, found=found)


def _overlap(spans: Sequence[Span]) -> tuple[Span, Span] | None:
    """Return two boxes that share an index, if a bounded search finds some."""
    comparisons = 0
    active: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        active = [other for other in active if not span.start or other.stop[0] > span.start[0]]
        for other in active:
            both = zip(span.start, span.stop, other.start, other.stop, strict=True)
            if all(max(a, c) < min(b, d) for a, b, c, d in both):
                return other, span
        comparisons += len(active)
        if comparisons > _MAX_COMPARISONS:
            return None
        active.append(span)
    return None


def _holes(shape: tuple[int, ...], spans: Sequence[Span]) -> list[Span]:
    """Return what the boxes leave of the whole; nothing where a bounded search is not enough."""
    left = [Span((0,) * len(shape), shape)]
    comparisons = 0
    for span in spans:
        comparisons += len(left)
        if comparisons > _MAX_COMPARISONS:
            return []
        left = [rest for whole in left for rest in _without(whole, span)]
    return sorted(left, key=lambda hole: hole.start)


def _without(whole: Span, taken: Span) -> list[Span]:
    """Return a box without another one, as boxes."""
    ends = zip(whole.start, whole.stop, taken.start, taken.stop, strict=True)
    if any(max(a, c) >= min(b, d) for a, b, c, d in ends):
        return [whole]
    rests = []
    start, stop = list(whole.start), list(whole.stop)
    for axis in range(len(start)):
        low, high = max(start[axis], taken.start[axis]), min(stop[axis], taken.stop[axis])
        if start[axis] < low:
            rests.append(Span(tuple(start), (*stop[:axis], low, *stop[axis + 1 :])))
        if high < stop[axis]:
            rests.append(Span((*start[:axis], high, *start[axis + 1 :]), tuple(stop)))
        start[axis], stop[axis] = low, high
    return rests
