"""The bytes of a box, in row-major order and as the values they stand for.

numpy does the looking-up; it is imported on first use.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from converter.verification.addressing import (
    Box,
    Layout,
    Resolution,
    count_up,
    iter_boxes,
    merge_dimensions,
    plan_window,
    slab_shape,
    tensor_layout,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits

    Block = NDArray[np.uint8]

# Elements looked up at once; their indexes stay in a processor's second cache.
_ROUND_ELEMENTS: Final = 1 << 16


class Scratch:
    """Buffers that are used again for every box; one for each thread."""

    __slots__ = ("_buffers",)

    def __init__(self) -> None:
        """Start with none."""
        self._buffers: Final[dict[str, Block]] = {}

    def block(self, use: str, nbytes: int) -> Block:
        """Return `nbytes` bytes of unknown content, valid until the next call with that `use`."""
        import numpy as np

        buffer = self._buffers.get(use)
        if buffer is None or len(buffer) < nbytes:
            buffer = np.empty(nbytes, dtype=np.uint8)
            self._buffers[use] = buffer
        return buffer[:nbytes]


def read_box(layout: Layout, box: Box, scratch: Scratch, side: str) -> Block:
    """Return the values of a box, little-endian, in row-major order.

    Args:
        layout: where the elements lie, in merged or original dimensions.
        box: which of them.
        scratch: buffers; the result lies in one of them.
        side: keeps apart the buffers of the two sides of a comparison.

    Raises:
        SourceError: the bytes cannot be read.
    """
    window = plan_window(box.shape, layout.steps, layout.unit)
    block = scratch.block(f"{side} window", window.total_nbytes)
    origin = layout.origin + sum(i * step for i, step in zip(box.start, layout.steps, strict=True))
    view = block.data
    position = 0
    for offset in window.offsets():
        layout.source.read_into(origin + offset, view[position : position + window.nbytes])
        position += window.nbytes
    if not window.in_order:
        nbytes = math.prod(box.shape) * layout.unit
        out = scratch.block(f"{side} box", nbytes)
        _look_up(block, window.steps, box.shape, layout.unit, out)
        block = out
    if layout.resolution is not None:
        resolve(block, layout.resolution)
    return block


def iter_values(tensor: TensorRef, limits: Limits, where: str) -> Iterator[memoryview]:
    """Yield a tensor's values, little-endian, in row-major order, piece by piece.

    Each piece is valid until the next one is asked for; errors as in `tensor_layout`.
    """
    layout = tensor_layout(tensor, limits, where)
    shape, (steps,) = merge_dimensions(layout.shape, layout.steps)
    layout = Layout(layout.source, layout.origin, layout.unit, shape, steps, layout.resolution)
    scratch = Scratch()
    for box in iter_boxes(shape, slab_shape(shape, steps, layout.unit, limits.gather_chunk_bytes)):
        yield read_box(layout, box, scratch, "values").data


def _look_up(
    window: Block, steps: Sequence[int], shape: tuple[int, ...], unit: int, out: Block
) -> None:
    """Fill `out` with the elements of `window` that stand `steps` bytes apart."""
    import numpy as np

    sizes, (paces,) = merge_dimensions(shape, steps)
    grain = unit
    if sizes and paces[-1] == unit:
        # The last dimension is a run: look up the longest pieces that all steps are multiples of.
        grain = math.gcd(sizes[-1] * unit, len(window), *paces[:-1])
        sizes = (*sizes[:-1], sizes[-1] * unit // grain)
        paces = (*paces[:-1], grain)
    cells: NDArray[Any] = window.view(f"V{grain}")
    found: NDArray[Any] = out.view(f"V{grain}")
    inner = np.zeros(1, dtype=np.intp)
    rest = len(sizes)
    while rest and len(inner) * sizes[rest - 1] <= _ROUND_ELEMENTS:
        rest -= 1
        places = np.arange(sizes[rest], dtype=np.intp) * (paces[rest] // grain)
        inner = np.add.outer(places, inner).ravel()
    position = 0
    for start, count in _rounds(sizes[:rest], len(inner)):
        outer = np.zeros(1, dtype=np.intp)
        for axis, (first, number) in enumerate(zip(start, count, strict=True)):
            places = np.arange(first, first + number, dtype=np.intp) * (paces[axis] // grain)
            outer = np.add.outer(outer, places).ravel()
        index = np.add.outer(outer, inner).ravel()
        # Every index is inside by construction; "clip" spares a second copy.
        np.take(cells, index, out=found[position : position + len(index)], mode="clip")
        position += len(index)


def _rounds(
    sizes: tuple[int, ...], inner: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield (start, count) ranges of the outer dimensions, in row-major order."""
    pace = [1] * len(sizes)
    room = max(1, _ROUND_ELEMENTS // inner)
    for axis in reversed(range(len(sizes))):
        pace[axis] = min(sizes[axis], room)
        room //= pace[axis]
        if pace[axis] < sizes[axis]:
            break
    for start in count_up(sizes, pace):
        yield (
            start,
            tuple(min(p, n - s) for p, n, s in zip(pace, sizes, start, strict=True)),
        )


def resolve(block: Block, resolution: Resolution) -> None:
    """Turn stored bytes into values, in place: byte order, then signs."""
    import numpy as np

    if resolution.reverse > 1:
        units = block.reshape(-1, resolution.reverse)
        for low in range(resolution.reverse // 2):
            high = resolution.reverse - 1 - low
            kept = units[:, low].copy()
            units[:, low] = units[:, high]
            units[:, high] = kept
    if resolution.flip_even or resolution.flip_odd:
        # The sign is the top bit of the last byte of a little-endian number.
        signs = block.reshape(-1, resolution.part)[:, -1]
        if resolution.flip_even and resolution.flip_odd:
            signs ^= 0x80
        elif resolution.flip_even:
            signs[::2] ^= 0x80
        else:
            signs[1::2] ^= 0x80
    if resolution.negate:
        numbers: NDArray[Any] = block.view(f"<u{resolution.part}")
        np.subtract(0, numbers, out=numbers)
