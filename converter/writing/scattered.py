"""Strided views whose order is far from the output's, block by block, in constant memory.

Made in output order, a large transposed matrix needs a few elements from every column for each
chunk: as many small reads as there are columns, again and again. Where the output can be written
by position, a block that is wide in both orders needs few reads and few writes: with 16 MiB of
elements of 4 bytes, both come in runs of 8 KiB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

from converter.writing.strided import Axis, BlockReader, View, chunk_rows, divide_memory, plan_reads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.byteio.source import ByteSource

# Reads that use less than this each are worth avoiding.
_GOOD_READ_NBYTES: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a view that was read.

    Attributes:
        corner: index of its first element in the view.
        shape: its sizes.
        content: its bytes in row-major order; holds until the next block is asked for.
    """

    corner: tuple[int, ...]
    shape: tuple[int, ...]
    content: memoryview


def is_better_scattered(view: View, working_nbytes: int) -> bool:
    """Return whether output order would read `view` in small pieces, and blocks would not."""
    last = len(view.shape) - 1
    if last == 0 or view.stride[last] == min(step for step in view.stride if step):
        return False
    output_nbytes, stage_nbytes = divide_memory(view, working_nbytes)
    split, rows = chunk_rows(view, output_nbytes)
    shape = (rows, *view.shape[split + 1 :])
    axes = [Axis(n, step, 1) for n, step in zip(shape, view.stride[split:], strict=True)]
    run = plan_reads(axes, view.itemsize, stage_nbytes)[0].run
    used = math.prod(axis.count for axis in run)
    return used * view.itemsize < _GOOD_READ_NBYTES and used < math.prod(shape)


def iter_blocks(source: ByteSource, view: View, working_nbytes: int) -> Iterator[Block]:
    """Yield the blocks that make up a view; arguments as for `strided.iter_gathered`."""
    output_nbytes, stage_nbytes = divide_memory(view, working_nbytes)
    whole = block_shape(view, output_nbytes)
    reader = BlockReader(source, view.itemsize, stage_nbytes)
    buffer = memoryview(bytearray(math.prod(whole) * view.itemsize))
    starts = [range(0, size, step) for size, step in zip(view.shape, whole, strict=True)]
    for corner in product(*starts):
        shape = tuple(
            min(step, size - start)
            for step, size, start in zip(whole, view.shape, corner, strict=True)
        )
        content = buffer[: math.prod(shape) * view.itemsize]
        first = sum(start * step for start, step in zip(corner, view.stride, strict=True))
        reader.read(content, View(shape, view.stride, view.offset + first, view.itemsize))
        yield Block(corner, shape, content)


def block_shape(view: View, budget: int) -> tuple[int, ...]:
    """Return sizes of a block of at most `budget` bytes that is wide in both orders."""
    dimensions = len(view.shape)
    block = [1] * dimensions
    run = max(1, math.isqrt(budget // view.itemsize))
    output_order = range(dimensions - 1, -1, -1)
    source_order = sorted(
        (i for i in range(dimensions) if view.stride[i]), key=lambda i: view.stride[i]
    )
    for order in (output_order, source_order):
        length = 1
        for dimension in order:
            block[dimension] = max(
                block[dimension], min(view.shape[dimension], max(1, run // length))
            )
            length *= block[dimension]
            if length >= run:
                break
    for dimension in output_order:
        room = budget // (math.prod(block) * view.itemsize)
        block[dimension] = min(view.shape[dimension], block[dimension] * max(1, room))
    return tuple(block)


def iter_runs(view: View, block: Block) -> Iterator[tuple[int, memoryview]]:
    """Yield (position, bytes) of what a block adds to the output.

    Positions count bytes from the start of the view's row-major form.
    """
    steps = [view.itemsize] * len(view.shape)
    for dimension in range(len(steps) - 2, -1, -1):
        steps[dimension] = steps[dimension + 1] * view.shape[dimension + 1]
    # A run is one step of `outer` dimensions: everything after them is there in full, but for
    # the first of the rest.
    outer = len(steps) - 1
    while outer > 0 and block.shape[outer] == view.shape[outer]:
        outer -= 1
    nbytes = math.prod(block.shape[outer:]) * view.itemsize
    done = 0
    base = sum(start * step for start, step in zip(block.corner, steps, strict=True))
    for index in product(*map(range, block.shape[:outer])):
        position = base + sum(i * step for i, step in zip(index, steps, strict=False))
        yield position, block.content[done : done + nbytes]
        done += nbytes
