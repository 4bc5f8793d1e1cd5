"""A row-major array whose pieces lie elsewhere, shown as one run of bytes without copying it.

The array is covered by boxes, each held by a piece of some source with strides of its own. A range
of bytes is cut into boxes of the array, those into what each piece holds of them, and that is read
in spans: from the first to the last byte of what lies close together. Memory stays below
`_STAGE_NBYTES`, whatever is asked for.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from converter.byteio.source import ByteSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_STAGE_NBYTES: Final = 1 << 20
# A span may be this long whatever is used of it: a smaller read costs as much time.
_CHEAP_SPAN_NBYTES: Final = 1 << 15
# Beyond that, the bytes read over the bytes used.
_MAX_READ_RATIO: Final = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """A box of the array, and where its elements lie.

    Attributes:
        source: the bytes.
        origin: position of the box's first element in `source`, in bytes.
        steps: bytes between neighbours in `source`, per dimension; never negative.
        start: first index of the box in the array, per dimension.
        shape: sizes of the box; none is 0.
    """

    source: ByteSource
    origin: int
    steps: tuple[int, ...]
    start: tuple[int, ...]
    shape: tuple[int, ...]


class AssembledSource(ByteSource):
    """Pieces that together are a row-major array, as its bytes."""

    __slots__ = ("_firsts", "_itemsize", "_pieces", "_shape", "_strides")

    def __init__(
        self, pieces: Sequence[Piece], shape: tuple[int, ...], itemsize: int, name: str
    ) -> None:
        """Show the array of `shape`, whose elements are `itemsize` bytes each.

        The pieces cover every index once: whoever makes them has checked that.
        """
        self.name = name
        self.nbytes = math.prod(shape) * itemsize
        self._shape: Final = shape
        self._itemsize: Final = itemsize
        self._strides: Final = row_major(shape, 1)
        self._pieces: Final = sorted(pieces, key=lambda piece: piece.start)
        self._firsts: Final = [self._index(piece.start) for piece in self._pieces]

    def _read(self, offset: int, nbytes: int) -> bytes:
        found = bytearray(nbytes)
        self.read_into(offset, memoryview(found))
        return bytes(found)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset`; errors as in `read_at`."""
        view = buffer.cast("B") if buffer.nbytes else buffer
        if offset < 0 or offset + view.nbytes > self.nbytes:
            self.read_at(offset, view.nbytes)  # raises, with the message
        if not view.nbytes:
            return
        itemsize = self._itemsize
        done = 0
        while done < view.nbytes:
            index, inside = divmod(offset + done, itemsize)
            left = view.nbytes - done
            if inside == 0 and left >= itemsize:
                nbytes = left // itemsize * itemsize
                self._fill(index, index + nbytes // itemsize, view[done : done + nbytes])
                done += nbytes
                continue
            # An end that lies inside an element: it is read whole, by itself.
            element = bytearray(itemsize)
            self._fill(index, index + 1, memoryview(element))
            part = element[inside : inside + left]
            view[done : done + len(part)] = part
            done += len(part)

    def _index(self, place: Sequence[int]) -> int:
        return sum(i * s for i, s in zip(place, self._strides, strict=True))

    def _fill(self, first: int, stop: int, view: memoryview) -> None:
        """Fill `view` with the elements from `first` to `stop`, counted in row-major order."""
        pieces = self._pieces[: bisect_left(self._firsts, stop)]
        for start, shape in iter_slabs(self._shape, first, stop):
            for piece in pieces:
                common = _common_box(start, shape, piece.start, piece.shape)
                if common is None:
                    continue
                at, sizes = common
                moved = zip(at, piece.start, piece.steps, strict=True)
                origin = piece.origin + sum((a - b) * step for a, b, step in moved)
                place = self._index(at) - first
                block = _Block(origin, sizes, piece.steps, place, self._strides)
                _copy(piece.source, block, view, self._itemsize)


@dataclass(frozen=True, slots=True)
class _Block:
    """Elements to copy.

    Attributes:
        origin: position of the first one in the source, in bytes.
        shape: how many, per dimension.
        steps: bytes between neighbours in the source.
        place: position of the first one in the target, in elements.
        strides: elements between neighbours in the target.
    """

    origin: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]
    place: int
    strides: tuple[int, ...]


def row_major(shape: Sequence[int], unit: int) -> tuple[int, ...]:
    """Return the steps between neighbours of a dense array whose elements are `unit` apart."""
    steps: list[int] = []
    for size in reversed(shape):
        steps.append(unit)
        unit *= size
    return tuple(reversed(steps))


def iter_slabs(
    shape: tuple[int, ...], first: int, stop: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield boxes (start, sizes) that are the elements from `first` to `stop` in row-major order.

    There are at most two per dimension.
    """
    if first >= stop:
        return
    if not shape:
        yield (), ()
        return
    rest = shape[1:]
    inner = math.prod(rest)
    row, skipped = divmod(first, inner)
    last, taken = divmod(stop, inner)
    if row == last:
        yield from _below(row, iter_slabs(rest, skipped, taken))
        return
    if skipped:
        yield from _below(row, iter_slabs(rest, skipped, inner))
        row += 1
    if row < last:
        yield (row, *(0 for _ in rest)), (last - row, *rest)
    yield from _below(last, iter_slabs(rest, 0, taken))


def _below(
    row: int, slabs: Iterator[tuple[tuple[int, ...], tuple[int, ...]]]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    for start, sizes in slabs:
        yield (row, *start), (1, *sizes)


def _common_box(
    start: tuple[int, ...],
    shape: tuple[int, ...],
    other_start: tuple[int, ...],
    other_shape: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the indexes that two boxes share, as a box, or None."""
    at, sizes = [], []
    for a, n, b, m in zip(start, shape, other_start, other_shape, strict=True):
        low, high = max(a, b), min(a + n, b + m)
        if low >= high:
            return None
        at.append(low)
        sizes.append(high - low)
    return tuple(at), tuple(sizes)


def _copy(source: ByteSource, block: _Block, target: memoryview, itemsize: int) -> None:
    """Copy a block: at once where its bytes lie close together, by halves where they do not."""
    pending = [block]
    while pending:
        block = pending.pop()
        used = math.prod(block.shape) * itemsize
        start = block.place * itemsize
        if _is_one_run(block, itemsize):
            source.read_into(block.origin, target[start : start + used])
            continue
        reach = [(n - 1) * step for n, step in zip(block.shape, block.steps, strict=True)]
        span = itemsize + sum(reach)
        if span > min(_STAGE_NBYTES, max(_CHEAP_SPAN_NBYTES, _MAX_READ_RATIO * used)):
            pending += _halves(block, reach.index(max(reach)))
            continue
        stage = memoryview(bytearray(span))
        source.read_into(block.origin, stage)
        strides = tuple(stride * itemsize for stride in block.strides)
        kind = f"u{itemsize}" if itemsize in (1, 2, 4, 8) else f"V{itemsize}"
        _elements(target, kind, block.shape, start, strides)[...] = _elements(
            stage, kind, block.shape, 0, block.steps
        )


def _is_one_run(block: _Block, itemsize: int) -> bool:
    """Return whether the elements follow one another on both sides."""
    expected = 1
    sizes = zip(block.shape, block.steps, block.strides, strict=True)
    for size, step, stride in reversed(list(sizes)):
        if size == 1:
            continue
        if stride != expected or step != expected * itemsize:
            return False
        expected *= size
    return True


def _halves(block: _Block, axis: int) -> tuple[_Block, _Block]:
    half = block.shape[axis] // 2
    low, high = list(block.shape), list(block.shape)
    low[axis] = half
    high[axis] -= half
    origin = block.origin + half * block.steps[axis]
    place = block.place + half * block.strides[axis]
    return (
        _Block(block.origin, tuple(low), block.steps, block.place, block.strides),
        _Block(origin, tuple(high), block.steps, place, block.strides),
    )


def _elements(
    buffer: memoryview, kind: str, shape: tuple[int, ...], offset: int, strides: tuple[int, ...]
) -> NDArray[Any]:
    """Return elements of a buffer, of a type that is copied as bytes."""
    import numpy as np

    return np.ndarray(shape, np.dtype(kind), buffer, offset, strides)
