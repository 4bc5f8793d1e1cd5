"""Strided views to bytes in row-major order, in constant memory.

The output is made in chunks over its leading elements. The part of the source that one chunk
needs may be spread over the whole storage (a transposed matrix), so it is read in *runs*: a run is
what lies close enough together that its span, from its first to its last byte, is read in one go
and mostly used. Runs are staged side by side and then copied to their places at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from converter.byteio.source import ByteSource
    from converter.checkpoint.tensor import TensorRef

# A run may span this much whatever it uses of it: a smaller read costs as much time.
_CHEAP_SPAN_NBYTES: Final = 1 << 15
# Beyond that, the bytes read over the bytes used.
_MAX_READ_RATIO: Final = 4
_CACHE_LINE_NBYTES: Final = 64
# What is staged is copied out of order: it should still be in the processor's cache by then.
_MAX_STAGE_NBYTES: Final = 1 << 21


@dataclass(frozen=True, slots=True)
class View:
    """A strided view, reduced to what its addresses need.

    Attributes:
        shape: sizes in elements.
        stride: steps in elements.
        offset: first element.
        itemsize: bytes of an element.
    """

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    itemsize: int


@dataclass(frozen=True, slots=True)
class Axis:
    """A dimension of a block, or a part of one that was cut in two.

    Attributes:
        count: its size.
        source: step in the source, in elements.
        target: step in the block's row-major form, in elements.
    """

    count: int
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Reads:
    """How a block, or a part of one, is read.

    Attributes:
        first: its first element, in elements from the block's own.
        place: where that one belongs in the block's row-major form, in elements.
        run: the axes inside one run.
        grid: the axes from run to run, the largest step first.
        repeated: the axes of stride 0.
    """

    first: int
    place: int
    run: tuple[Axis, ...]
    grid: tuple[Axis, ...]
    repeated: tuple[Axis, ...]

    @property
    def span(self) -> int:
        """Return the elements from the first to the last of a run, inclusive."""
        return _span(self.run)


def reduce_view(tensor: TensorRef) -> View:
    """Return the view of a non-empty tensor, with dimensions merged where addresses allow it."""
    shape: list[int] = []
    stride: list[int] = []
    for size, step in zip(tensor.shape, tensor.stride, strict=True):
        if size == 1:
            continue
        if shape and stride[-1] == size * step:
            shape[-1] *= size
            stride[-1] = step
        else:
            shape.append(size)
            stride.append(step)
    if not shape:
        shape, stride = [1], [1]
    return View(tuple(shape), tuple(stride), tensor.offset, tensor.dtype.itemsize)


def iter_gathered(source: ByteSource, view: View, working_nbytes: int) -> Iterator[memoryview]:
    """Yield the bytes of a view in row-major order, in one buffer that is used again.

    Args:
        source: the storage.
        view: what to read; its elements lie inside `source`.
        working_nbytes: memory for the two buffers, one for output and one to stage runs.
    """
    output_nbytes, stage_nbytes = divide_memory(view, working_nbytes)
    split, rows = chunk_rows(view, output_nbytes)
    inner = view.shape[split + 1 :]
    stride = view.stride[split:]
    reader = BlockReader(source, view.itemsize, stage_nbytes)
    output = memoryview(bytearray(math.prod((rows, *inner)) * view.itemsize))
    for leading in product(*map(range, view.shape[:split])):
        base = view.offset + sum(i * s for i, s in zip(leading, view.stride, strict=False))
        for row in range(0, view.shape[split], rows):
            shape = (min(rows, view.shape[split] - row), *inner)
            chunk = output[: math.prod(shape) * view.itemsize]
            reader.read(chunk, View(shape, stride, base + row * stride[0], view.itemsize))
            yield chunk


def divide_memory(view: View, working_nbytes: int) -> tuple[int, int]:
    """Return the bytes for output and for staging; room for one element each at the least."""
    stage_nbytes = min(working_nbytes // 2, _MAX_STAGE_NBYTES)
    return max(working_nbytes - stage_nbytes, view.itemsize), max(stage_nbytes, view.itemsize)


def chunk_rows(view: View, budget: int) -> tuple[int, int]:
    """Return (dimension, count): a chunk is `count` steps of it and all of those after it."""
    inner_nbytes = view.itemsize
    dimension = len(view.shape) - 1
    while dimension > 0 and inner_nbytes * view.shape[dimension] <= budget:
        inner_nbytes *= view.shape[dimension]
        dimension -= 1
    return dimension, max(1, min(view.shape[dimension], budget // inner_nbytes))


def plan_reads(axes: Sequence[Axis], itemsize: int, budget: int) -> tuple[Reads, Reads | None]:
    """Return how to read a block of `axes`: its runs, and those of a rest that is shorter.

    A run takes the axes of the smallest steps, as many and as much of them as pays. An axis it
    takes a part of becomes two, and what is left at its end is read as a block of its own.
    """
    repeated = tuple(axis for axis in axes if axis.source == 0)
    moving = sorted((axis for axis in axes if axis.source), key=lambda axis: axis.source)
    run: list[Axis] = []
    for index, axis in enumerate(moving):
        count = _count_that_pays(run, axis, itemsize, budget)
        if count == axis.count:
            run.append(axis)
            continue
        grid = moving[index + 1 :]
        if count == 1:
            return Reads(0, 0, tuple(run), tuple(reversed([axis, *grid])), repeated), None
        return _cut(run, axis, count, grid, repeated)
    return Reads(0, 0, tuple(run), (), repeated), None


def _cut(
    run: Sequence[Axis],
    axis: Axis,
    count: int,
    grid: Sequence[Axis],
    repeated: tuple[Axis, ...],
) -> tuple[Reads, Reads | None]:
    """Return the reads of a block whose runs take `count` of `axis` at a time."""
    whole, left = divmod(axis.count, count)
    steps = Axis(whole, axis.source * count, axis.target * count)
    part = replace(axis, count=count)
    outer = tuple(reversed(grid))
    main = Reads(0, 0, (*run, part), (*outer, steps), repeated)
    if not left:
        return main, None
    done = whole * count
    last = replace(axis, count=left)
    return main, Reads(done * axis.source, done * axis.target, (*run, last), outer, repeated)


def _count_that_pays(run: Sequence[Axis], axis: Axis, itemsize: int, budget: int) -> int:
    """Return how much of `axis` a run may take beside the axes in `run`."""
    span = _span(run)
    used = math.prod(one.count for one in run)

    def pays(count: int) -> bool:
        nbytes = (span + (count - 1) * axis.source) * itemsize
        worth = _MAX_READ_RATIO * used * count * itemsize
        return nbytes <= budget and nbytes <= max(_CHEAP_SPAN_NBYTES, worth)

    if pays(axis.count):
        return axis.count
    low, high = 1, axis.count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if pays(middle) else (low, middle)
    return low


def _span(run: Sequence[Axis]) -> int:
    return 1 + sum((axis.count - 1) * axis.source for axis in run)


class BlockReader:
    """Reads blocks of strided elements into row-major buffers."""

    def __init__(self, source: ByteSource, itemsize: int, budget: int) -> None:
        """Stage at most `budget` bytes, or one element."""
        import numpy as np

        self._np: Final = np
        self._source: Final = source
        self._itemsize: Final = itemsize
        self._budget: Final = budget
        self._type: Final = _element_type(itemsize)
        self._stage = memoryview(b"")

    def read(self, output: memoryview, block: View) -> None:
        """Fill `output` with the elements of `block`."""
        axes = []
        target = 1
        for size, step in zip(reversed(block.shape), reversed(block.stride), strict=True):
            axes.append(Axis(size, step, target))
            target *= size
        for reads in plan_reads(axes, self._itemsize, self._budget):
            if reads is not None:
                self._read_grid(output, replace(reads, first=block.offset + reads.first))

    def _read_grid(self, output: memoryview, reads: Reads) -> None:
        """Read all runs, in batches that fit the stage."""
        nbytes = reads.span * self._itemsize
        # An odd number of cache lines: at a power of two all runs would meet in the same few.
        pitch = (-(-nbytes // _CACHE_LINE_NBYTES) | 1) * _CACHE_LINE_NBYTES
        room = max(1, self._budget // pitch)
        inner = len(reads.grid)
        batch = 1
        while inner > 0 and batch * reads.grid[inner - 1].count <= room:
            inner -= 1
            batch *= reads.grid[inner].count
        if inner == 0:
            self._read_batch(output, reads, pitch)
            return
        axis = reads.grid[inner - 1]
        step = max(1, room // batch)
        for index in product(*(range(outer.count) for outer in reads.grid[: inner - 1])):
            outer = list(zip(index, reads.grid, strict=False))
            for start in range(0, axis.count, step):
                part = replace(axis, count=min(step, axis.count - start))
                at = [*outer, (start, axis)]
                batch_reads = replace(
                    reads,
                    first=reads.first + sum(i * one.source for i, one in at),
                    place=reads.place + sum(i * one.target for i, one in at),
                    grid=(part, *reads.grid[inner:]),
                )
                self._read_batch(output, batch_reads, pitch)

    def _read_batch(self, output: memoryview, reads: Reads, pitch: int) -> None:
        """Stage the runs of `reads` side by side, then copy them to their places in `output`."""
        np, itemsize, source = self._np, self._itemsize, self._source
        nbytes = reads.span * itemsize
        total = pitch * math.prod(axis.count for axis in reads.grid)
        if len(self._stage) < total:
            self._stage = memoryview(bytearray(total))
        stage = self._stage
        steps = [range(0, a.count * a.source, a.source) for a in reads.grid]
        start = 0
        for index in product(*steps):
            source.read_into((reads.first + sum(index)) * itemsize, stage[start : start + nbytes])
            start += pitch
        staged = []
        for axis in reversed(reads.grid):
            staged.append(pitch)
            pitch *= axis.count
        staged.reverse()
        staged += [axis.source * itemsize for axis in (*reads.run, *reads.repeated)]
        axes = (*reads.grid, *reads.run, *reads.repeated)
        shape = tuple(axis.count for axis in axes)
        target = np.ndarray(
            shape,
            self._type,
            output,
            reads.place * itemsize,
            tuple(axis.target * itemsize for axis in axes),
        )
        target[...] = np.ndarray(shape, self._type, stage, 0, tuple(staged))


def _element_type(itemsize: int) -> np.dtype[Any]:
    """Return a type that is copied as bytes: a float might have its NaN made quiet."""
    import numpy as np

    return np.dtype(f"u{itemsize}" if itemsize <= 8 else f"V{itemsize}")
