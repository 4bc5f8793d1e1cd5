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
    contiguous_layout,
    iter_boxes,
    merge_dimensions,
    plan_window,
    slab_shape,
    tensor_layout,
    tile_shape,
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
    read_into, nbytes, position = layout.source.read_into, window.nbytes, 0
    for offset in window.offsets():
        read_into(origin + offset, view[position : position + nbytes])
        position += window.pitch
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
    unit = layout.unit
    shape, (steps,) = merge_dimensions(layout.shape, layout.steps)
    layout = Layout(layout.source, layout.origin, unit, shape, steps, layout.resolution)
    budget = max(unit, limits.gather_chunk_bytes)
    scratch = Scratch()
    for slab in iter_boxes(shape, slab_shape(shape, unit, budget)):
        yield _read_slab(layout, slab, max(unit, budget // 8), scratch).data


def _read_slab(layout: Layout, slab: Box, budget: int, scratch: Scratch) -> Block:
    """Return the values of a box of any size, put together from tiles within the budget."""
    unit = layout.unit
    flat = contiguous_layout(layout.source, 0, unit, slab.shape)
    tile = tile_shape(slab.shape, (layout.steps, flat.steps), unit, budget)
    if tile == slab.shape:
        return read_box(layout, slab, scratch, "values")
    block = scratch.block("slab", math.prod(slab.shape) * unit)
    cells: NDArray[Any] = block.view(f"V{unit}").reshape(slab.shape)
    for box in iter_boxes(slab.shape, tile):
        start = tuple(map(sum, zip(slab.start, box.start, strict=True)))
        values: NDArray[Any] = read_box(layout, Box(start, box.shape), scratch, "values")
        place = tuple(slice(s, s + n) for s, n in zip(box.start, box.shape, strict=True))
        cells[place] = values.view(f"V{unit}").reshape(box.shape)
    return block


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
    places = tuple(pace // grain for pace in paces)
    known: dict[tuple[int, ...], NDArray[np.intp]] = {}
    position = 0
    for part in iter_boxes(sizes, slab_shape(sizes, 1, _ROUND_ELEMENTS)):
        # Rounds of one shape have the same indexes, counted from their own first element.
        index = known.get(part.shape)
        if index is None:
            index = known[part.shape] = _index(part.shape, places)
        first = sum(i * place for i, place in zip(part.start, places, strict=True))
        # Every index is inside by construction; "clip" spares a second copy.
        np.take(cells[first:], index, out=found[position : position + len(index)], mode="clip")
        position += len(index)


def _index(count: tuple[int, ...], places: tuple[int, ...]) -> NDArray[np.intp]:
    import numpy as np

    index = np.zeros(1, dtype=np.intp)
    for number, place in zip(count, places, strict=True):
        index = np.add.outer(index, np.arange(number, dtype=np.intp) * place).ravel()
    return index


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
