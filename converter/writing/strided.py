"""Strided views to bytes in row-major order, in constant memory.

The output is made in chunks over its leading elements. The part of the source that one chunk
needs may be spread over the whole storage (a transposed matrix), so a chunk is filled from tiles:
a tile is small enough that the span of source bytes between its first and last element is read
in one go, and dense enough that most of what is read is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from converter.byteio.source import ByteSource
    from converter.checkpoint.tensor import TensorRef

# A tile may span this much whatever it uses of it: a smaller read costs as much time.
_CHEAP_SPAN_NBYTES: Final = 1 << 16
# Beyond that, the bytes read over the bytes used.
_MAX_READ_RATIO: Final = 4


@dataclass(frozen=True, slots=True)
class View:
    """A strided view, reduced to what its addresses need.

    Attributes:
        shape: sizes in elements, none of them 1 except in a lone last dimension.
        stride: steps in elements.
        offset: first element.
        itemsize: bytes of an element.
    """

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    itemsize: int

    def span(self, shape: tuple[int, ...]) -> int:
        """Return the elements from the first to the last of a block of `shape`, inclusive."""
        return 1 + sum((n - 1) * step for n, step in zip(shape, self.stride, strict=True))


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


def iter_gathered(
    source: ByteSource, view: View, working_nbytes: int
) -> Iterator[tuple[memoryview, int]]:
    """Yield (buffer, bytes filled) over a view in row-major order; the buffer is used again.

    Args:
        source: the storage.
        view: what to read; its elements lie inside `source`.
        working_nbytes: memory for the two buffers, one for output and one for a span of source.
    """
    budget = max(working_nbytes // 2, view.itemsize)
    split, rows = _chunk_rows(view, budget)
    inner = view.shape[split + 1 :]
    chunk_shape = (rows, *inner)
    part = View(chunk_shape, view.stride[split:], 0, view.itemsize)
    filler = _Filler(source, part, budget)
    output = memoryview(bytearray(_count(chunk_shape) * view.itemsize))
    for leading in product(*map(range, view.shape[:split])):
        base = view.offset + sum(i * s for i, s in zip(leading, view.stride, strict=False))
        for row in range(0, view.shape[split], rows):
            block = (min(rows, view.shape[split] - row), *inner)
            nbytes = _count(block) * view.itemsize
            filler.fill(output[:nbytes], block, base + row * view.stride[split])
            yield output, nbytes


def _chunk_rows(view: View, budget: int) -> tuple[int, int]:
    """Return (dimension, count): a chunk is `count` steps of it and all of those after it."""
    inner_nbytes = view.itemsize
    dimension = len(view.shape) - 1
    while dimension > 0 and inner_nbytes * view.shape[dimension] <= budget:
        inner_nbytes *= view.shape[dimension]
        dimension -= 1
    return dimension, max(1, min(view.shape[dimension], budget // inner_nbytes))


def tile_shape(view: View, budget: int) -> tuple[int, ...]:
    """Return the largest tile of `view` that one read may fill.

    Dimensions are cut in the order of their strides, largest first, as little as is needed.
    """
    shape = list(view.shape)
    for dimension in _by_stride(view):
        if _is_readable(view, tuple(shape), budget):
            break
        # The span grows with every step, and so does what is read in vain: bisection holds.
        low, high = 1, shape[dimension]
        while high - low > 1:
            middle = (low + high) // 2
            shape[dimension] = middle
            if _is_readable(view, tuple(shape), budget):
                low = middle
            else:
                high = middle
        shape[dimension] = low
    return tuple(shape)


def _is_readable(view: View, shape: tuple[int, ...], budget: int) -> bool:
    span = view.span(shape) * view.itemsize
    if span > budget:
        return False
    used = view.itemsize
    for size, step in zip(shape, view.stride, strict=True):
        used *= size if step else 1
    return span <= max(_CHEAP_SPAN_NBYTES, _MAX_READ_RATIO * used)


def _by_stride(view: View) -> list[int]:
    return sorted(range(len(view.shape)), key=lambda i: view.stride[i], reverse=True)


class _Filler:
    """Fills blocks of one view's strides from tiles."""

    def __init__(self, source: ByteSource, view: View, budget: int) -> None:
        """Choose the tile, once for all blocks."""
        import numpy as np

        self._np: Final = np
        self._source: Final = source
        self._view: Final = view
        self._tile: Final = tile_shape(view, budget)
        self._order: Final = _by_stride(view)
        self._type: Final = _element_type(view.itemsize)
        self._steps: Final = tuple(step * view.itemsize for step in view.stride)
        self._span: Final = memoryview(bytearray(view.span(self._tile) * view.itemsize))

    def fill(self, output: memoryview, shape: tuple[int, ...], base: int) -> None:
        """Fill `output` with the block of `shape` whose first element is `base`."""
        target: npt.NDArray[Any] = self._np.ndarray(shape, self._type, output)
        if shape == self._tile:
            self._read(target, base)
            return
        order, tile, stride = self._order, self._tile, self._view.stride
        starts = [range(0, shape[i], tile[i]) for i in order]
        cut = [slice(None)] * len(shape)
        for corner in product(*starts):
            first = base
            for i, start in zip(order, corner, strict=True):
                cut[i] = slice(start, start + tile[i])
                first += start * stride[i]
            self._read(target[tuple(cut)], first)

    def _read(self, target: npt.NDArray[Any], first: int) -> None:
        itemsize = self._view.itemsize
        nbytes = self._view.span(target.shape) * itemsize
        span = self._span[:nbytes]
        self._source.read_into(first * itemsize, span)
        target[...] = self._np.ndarray(target.shape, self._type, span, strides=self._steps)


def _element_type(itemsize: int) -> np.dtype[Any]:
    """Return a type that is copied as bytes: a float might have its NaN made quiet."""
    import numpy as np

    return np.dtype(f"u{itemsize}" if itemsize <= 8 else f"V{itemsize}")


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
