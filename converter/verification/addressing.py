"""Where each element of a tensor lies, by arithmetic on byte positions.

A tensor is walked in *boxes*: the same range of indexes on both sides of a comparison, small
enough to be held. For each box one works out a *window* per side: which bytes to read, in the
order in which they lie there, and where in them each element stands. No view with the tensor's
strides is ever made: that is how tensors are written, and this is the doubt.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from converter.errors import LimitError, TensorError, UnsupportedError
from converter.verification.stored_types import VALUES_PER_BYTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from converter.byteio.source import ByteSource
    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits

# Bytes worth reading in vain rather than reading twice: one positioned read costs about as much.
_GAP_NBYTES: Final = 4096
# Between runs that are looked up across: a step of a power of two would put all of them into the
# same few lines of the processor's cache (measured: five times slower). Short runs need none.
_SPACER_NBYTES: Final = 64
_SPACED_NBYTES: Final = 1024
# Length, in bytes, of the shortest piece worth reading on either side of a transposed box.
_PIECE_NBYTES: Final = 4096

_FLOATS: Final = frozenset({"float64", "float32", "float16", "bfloat16"})
_INTEGERS: Final = frozenset({"int64", "int32", "int16", "int8", "uint8"})
_COMPLEX: Final = frozenset({"complex128", "complex64", "complex32"})


@dataclass(frozen=True, slots=True)
class Resolution:
    """What must be done to stored bytes before they are the tensor's values.

    Attributes:
        reverse: bytes of the unit whose order is reversed; 1 where none is.
        part: bytes of one number; half of a complex element.
        flip_even: whether the sign bit of the 1st, 3rd, … number is flipped.
        flip_odd: whether the sign bit of the 2nd, 4th, … number is flipped.
        negate: whether integers are negated, modulo their width.
    """

    reverse: int = 1
    part: int = 1
    flip_even: bool = False
    flip_odd: bool = False
    negate: bool = False


class Layout(NamedTuple):
    """A tensor's elements in a source.

    Attributes:
        source: the bytes.
        origin: position of the first element in `source`, in bytes.
        unit: bytes of one element.
        shape: sizes, in elements.
        steps: bytes between neighbours, per dimension; never negative.
        resolution: what turns stored bytes into values, or None where they are values.
    """

    source: ByteSource
    origin: int
    unit: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]
    resolution: Resolution | None = None


class Box(NamedTuple):
    """A range of indexes in every dimension.

    Attributes:
        start: first index, per dimension.
        shape: how many indexes, per dimension.
    """

    start: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """What to read for a box, as one run that is repeated, and where to put it.

    Attributes:
        nbytes: length of one run; it may hold gaps.
        pitch: bytes from the start of one run to the start of the next where they are put.
        repeats: (count, step in bytes) of the loops around the run, the widest step first.
        steps: bytes between neighbours of the box once all runs are in place.
        count: how many runs there are.
        in_order: whether the runs in their places are the box in row-major order.
    """

    nbytes: int
    pitch: int
    repeats: tuple[tuple[int, int], ...]
    steps: tuple[int, ...]
    count: int
    in_order: bool

    @property
    def total_nbytes(self) -> int:
        """Return the bytes of the place for all runs."""
        return self.pitch * (self.count - 1) + self.nbytes

    def offsets(self) -> Iterator[int]:
        """Yield the position of each run, in bytes from the first element of the box."""
        if not self.repeats:
            yield 0
            return
        *outer, (count, step) = self.repeats
        for index in count_up([count for count, _ in outer], [1] * len(outer)):
            start = sum(i * step for i, (_, step) in zip(index, outer, strict=True))
            yield from range(start, start + count * step, step)


def tensor_layout(tensor: TensorRef, limits: Limits, where: str) -> Layout:
    """Return where the elements of a checkpoint's tensor lie.

    Raises:
        TensorError: an element lies outside the storage, or the numbers are impossible.
        LimitError: it overlaps itself by more than `Limits.max_overlap_bytes`.
        UnsupportedError: it has no bytes, or a view or a bit that this cannot resolve.
    """
    source = tensor.storage.data
    if source is None:
        raise UnsupportedError("tensor without bytes", record=where, found=tensor.storage.location)
    packed = VALUES_PER_BYTE.get(tensor.dtype.name)
    unit = tensor.dtype.itemsize
    shape = tensor.shape
    steps = tuple([step * unit for step in tensor.stride])
    origin = tensor.offset * unit
    if len(shape) != len(steps) or min((origin, *shape, *steps)) < 0:
        raise TensorError(
            "tensor with impossible numbers",
            record=where,
            found=f"size {shape}, stride {tensor.stride}, offset {tensor.offset}",
        )
    if packed is not None:
        origin, shape, steps = _packed(tensor, packed, where)
    _check_inside(source, unit, origin, shape, steps, where)
    nbytes = math.prod(shape) * unit
    if nbytes - source.nbytes > limits.max_overlap_bytes:
        raise LimitError(
            "max_overlap_bytes",
            allowed=limits.max_overlap_bytes,
            found=nbytes - source.nbytes,
            record=where,
        )
    return Layout(source, origin, unit, shape, steps, _resolution(tensor, where))


def _packed(
    tensor: TensorRef, packed: int, where: str
) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Return (origin, shape, steps) in bytes of a tensor of values smaller than a byte."""
    _, (strides,) = merge_dimensions(tensor.shape, tensor.stride)
    if 0 not in tensor.shape and (strides not in ((), (1,)) or tensor.offset % packed):
        raise UnsupportedError(
            "view that begins or steps inside a byte",
            record=where,
            found=f"{tensor.dtype.name} of stride {tensor.stride} and offset {tensor.offset}",
        )
    return tensor.offset // packed, (-(-tensor.numel // packed),), (1,)


def _check_inside(
    source: ByteSource,
    unit: int,
    origin: int,
    shape: tuple[int, ...],
    steps: tuple[int, ...],
    where: str,
) -> None:
    if 0 in shape:
        return
    stop = origin + unit
    for size, step in zip(shape, steps, strict=True):
        stop += (size - 1) * step
    if stop > source.nbytes:
        raise TensorError(
            "tensor outside its storage",
            record=where,
            expected=f"at most {source.nbytes} bytes",
            found=f"an element that ends at byte {stop}",
        )


def _resolution(tensor: TensorRef, where: str) -> Resolution | None:
    if not (tensor.conj or tensor.neg or tensor.storage.big_endian):
        return None
    name = tensor.dtype.name
    is_complex = name in _COMPLEX
    conj = tensor.conj and is_complex
    if tensor.neg and name not in _FLOATS | _INTEGERS | _COMPLEX:
        raise UnsupportedError("negative bit on a dtype without a sign", record=where, found=name)
    part = tensor.dtype.itemsize // 2 if is_complex else tensor.dtype.itemsize
    found = Resolution(
        reverse=part if tensor.storage.big_endian else 1,
        part=part,
        flip_even=tensor.neg and name not in _INTEGERS,
        # Both bits on a complex element: the imaginary half is negated twice.
        flip_odd=(tensor.neg != conj) if is_complex else tensor.neg and name in _FLOATS,
        negate=tensor.neg and name in _INTEGERS,
    )
    idle = found.reverse == 1 and not (found.flip_even or found.flip_odd or found.negate)
    return None if idle else found


def contiguous_layout(source: ByteSource, start: int, unit: int, shape: tuple[int, ...]) -> Layout:
    """Return the layout of elements that follow one another in row-major order."""
    return Layout(source, start, unit, shape, row_major_steps(shape, unit))


@functools.lru_cache(maxsize=1024)  # many tensors have one of few shapes
def row_major_steps(shape: tuple[int, ...], unit: int) -> tuple[int, ...]:
    """Return the steps per dimension of elements that follow one another in row-major order."""
    steps: list[int] = []
    step = unit
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return tuple(reversed(steps))


def merge_dimensions(
    shape: Sequence[int], *walks: Sequence[int]
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Return the same elements in the same order with as few dimensions as all walks allow.

    Args:
        shape: sizes.
        walks: for each side of a comparison, the steps per dimension.

    Returns:
        The new sizes, none of them 1, and the new steps of each walk.
    """
    sizes: list[int] = []
    joined: list[list[int]] = [[] for _ in walks]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        continues = all(
            steps and steps[-1] == size * walk[axis]
            for steps, walk in zip(joined, walks, strict=True)
        )
        if sizes and continues:
            sizes[-1] *= size
            for steps, walk in zip(joined, walks, strict=True):
                steps[-1] = walk[axis]
        else:
            sizes.append(size)
            for steps, walk in zip(joined, walks, strict=True):
                steps.append(walk[axis])
    return tuple(sizes), tuple(map(tuple, joined))


def count_up(shape: Sequence[int], pace: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield indexes like an odometer, the last place fastest, each place in steps of `pace`."""
    if 0 in shape:
        return
    index = [0] * len(shape)
    while True:
        yield tuple(index)
        for axis in reversed(range(len(shape))):
            index[axis] += pace[axis]
            if index[axis] < shape[axis]:
                break
            index[axis] = 0
        else:
            return


def iter_boxes(shape: tuple[int, ...], box: tuple[int, ...]) -> Iterator[Box]:
    """Yield boxes of at most the sizes `box` that together cover `shape`, each index once."""
    for start in count_up(shape, box):
        yield Box(
            start,
            tuple(min(b, n - s) for b, n, s in zip(box, shape, start, strict=True)),
        )


@functools.lru_cache(maxsize=256)
def plan_window(shape: tuple[int, ...], steps: tuple[int, ...], unit: int) -> Window:
    """Return what to read for a box of that shape whose elements lie `steps` bytes apart."""
    by_step = sorted(
        (axis for axis in range(len(shape)) if shape[axis] > 1 and steps[axis] > 0),
        key=lambda axis: steps[axis],
    )
    nbytes = unit
    inside = 0
    for axis in by_step:
        if steps[axis] > nbytes + _GAP_NBYTES:
            break
        nbytes += (shape[axis] - 1) * steps[axis]
        inside += 1
    repeats = tuple((shape[axis], steps[axis]) for axis in reversed(by_step[inside:]))
    count = math.prod(number for number, _ in repeats)
    placed = [0] * len(shape)
    for axis in by_step[:inside]:
        placed[axis] = steps[axis]
    spacer = _SPACER_NBYTES if nbytes >= _SPACED_NBYTES else 0
    for pitch in (nbytes, nbytes + spacer):
        distance = pitch
        for axis in by_step[inside:]:
            placed[axis] = distance
            distance *= shape[axis]
        sizes, (merged,) = merge_dimensions(shape, placed)
        if merged == ((unit,) if sizes else ()) and math.prod(shape) * unit == nbytes * count:
            return Window(nbytes, pitch, repeats, tuple(placed), count, in_order=True)
    return Window(nbytes, pitch, repeats, tuple(placed), count, in_order=False)


def tile_shape(
    shape: tuple[int, ...], walks: Sequence[tuple[int, ...]], unit: int, budget: int
) -> tuple[int, ...]:
    """Return sizes of boxes that every walk can read in long pieces, within a budget.

    Args:
        shape: sizes, merged.
        walks: for each side, the bytes between neighbours; the last one contiguous.
        unit: bytes of one element.
        budget: bytes that a box, or the runs of any side, may take.
    """
    # So that a square of the longest pieces still fits.
    piece = min(_PIECE_NBYTES, math.isqrt(budget * unit))
    box = [1] * len(shape)
    for steps in walks:
        reach = unit
        for axis in sorted((a for a in range(len(shape)) if steps[a]), key=lambda a: steps[a]):
            box[axis] = max(box[axis], min(shape[axis], -(-piece // reach)))
            reach *= box[axis]
            if reach >= piece:
                break
    for axis in reversed(range(len(shape))):
        others = math.prod(box) // box[axis] * unit
        box[axis] = max(box[axis], min(shape[axis], budget // others))
    while _needed(box, walks, unit) > budget and max(box, default=1) > 1:
        box = min(_halved(box), key=lambda other: _needed(other, walks, unit) / math.prod(other))
    return tuple(box)


def _halved(box: list[int]) -> list[list[int]]:
    """Return the boxes with one dimension halved, each dimension that can be."""
    return [
        [*box[:axis], -(-size // 2), *box[axis + 1 :]] for axis, size in enumerate(box) if size > 1
    ]


def slab_shape(shape: tuple[int, ...], unit: int, budget: int) -> tuple[int, ...]:
    """Return sizes of boxes that, one after the other, are the tensor in row-major order."""
    box = [1] * len(shape)
    for axis in reversed(range(len(shape))):
        box[axis] = max(1, min(shape[axis], budget // (math.prod(box) * unit)))
        if box[axis] < shape[axis]:
            break
    return tuple(box)


def _needed(box: list[int], walks: Sequence[tuple[int, ...]], unit: int) -> int:
    shape = tuple(box)
    windows = (plan_window(shape, steps, unit) for steps in walks)
    return max(math.prod(shape) * unit, *(window.nbytes * window.count for window in windows))
