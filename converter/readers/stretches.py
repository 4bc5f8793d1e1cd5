"""Bytes of a storage, in its order, out of tensors that were written row-major by themselves.

One tensor gives back a stretch if its elements lie in the storage without gaps, in whatever order
(a transposed matrix, channels last), or in windows that overlap. Several do it together if they
are boxes of one array and cover a run of its rows (a matrix that was divided by columns).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from converter.byteio.assembled import AssembledSource, Piece, row_major
from converter.checkpoint.document_types import contiguous_stride
from converter.checkpoint.tensor import TensorRef
from converter.errors import FormatError
from converter.readers.covering import Span, check_cover

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from converter.byteio.source import ByteSource
    from converter.checkpoint.document_types import SourceView, TensorRecord
    from converter.checkpoint.storage import Storage

# Every read looks at every box. A matrix is divided into a few parts, not thousands.
_MAX_BOXES: Final = 1_024


class Member(NamedTuple):
    """A tensor of a storage.

    Attributes:
        number: its index in the document.
        record: what the document says of it.
        written: the tensor over bytes of its own.
        view: how it looked into the storage.
    """

    number: int
    record: TensorRecord
    written: TensorRef
    view: SourceView

    @property
    def output(self) -> tuple[str | None, str | None]:
        """Return name and file of the bytes that were written for it; no name if none were."""
        return self.record.name, self.record.file

    @property
    def span(self) -> tuple[int, int]:
        """Return (start, stop), half-open, of the bytes it touched in the storage."""
        return self.over(self.written.storage, self.view.offset).byte_range

    @property
    def has_bytes(self) -> bool:
        """Return whether bytes were written for it."""
        return self.record.name is not None and self.written.nbytes > 0

    def over(self, storage: Storage, offset: int) -> TensorRef:
        """Return the tensor as the view that it was, of another storage."""
        old, view = self.written, self.view
        return TensorRef(
            storage,
            old.dtype,
            old.shape,
            view.stride,
            offset,
            view.conj,
            view.neg,
            old.requires_grad,
            old.class_name,
        )


class Stretch(NamedTuple):
    """Bytes of a storage.

    Attributes:
        start: where they begin in it.
        stop: where they end (half-open).
        source: the bytes.
        givers: indexes of the tensors that they come from.
    """

    start: int
    stop: int
    source: ByteSource
    givers: tuple[int, ...]


class _Axis(NamedTuple):
    """A dimension of a view: step in the storage, size, step in its own bytes; in elements."""

    step: int
    size: int
    place: int


class _Box(NamedTuple):
    """A view as a box of the array whose dimensions have the steps of its axes."""

    member: Member
    axes: tuple[_Axis, ...]
    start: tuple[int, ...]


def stretches_of(members: Iterable[Member]) -> list[Stretch]:
    """Return what the tensors of one storage give back, in any order; they may overlap."""
    found: list[Stretch] = []
    frames: dict[tuple[int, ...], dict[tuple[str | None, str | None], _Box]] = {}
    for member in members:
        if not member.has_bytes or member.view.conj or member.view.neg:
            continue
        stretches = _alone(member) or _windows(member)
        if stretches:
            found += stretches
            continue
        box = _box(member)
        if box is not None:
            frame = (member.written.dtype.itemsize, *(axis.step for axis in box.axes))
            frames.setdefault(frame, {}).setdefault(member.output, box)
    for boxes in frames.values():
        together = _together(list(boxes.values())) if len(boxes) <= _MAX_BOXES else None
        if together is not None:
            found.append(together)
    return found


def _alone(member: Member) -> list[Stretch]:
    """Return the stretch that a tensor gives by itself; none where it has gaps."""
    tensor, view = member.written, member.view
    data = tensor.storage.data
    if data is None:
        return []
    source = data if view.stride == tensor.stride else _in_storage_order(tensor, view.stride, data)
    start, stop = member.span
    if source is None or source.nbytes != stop - start:
        return []
    # Where a step is 0, other elements of it are the same bytes, or should be.
    givers = () if 0 in view.stride else (member.number,)
    return [Stretch(start, stop, source, givers)]


def _windows(member: Member) -> list[Stretch]:
    """Return what windows that overlap or touch give (``unfold``); none for other views.

    Of every window but the last, that is what comes before the next one begins.
    """
    axes = _merged_axes(member)
    data = member.written.storage.data
    if len(axes) != 2 or axes[1].step != 1 or axes[0].step > axes[1].size or data is None:
        return []
    itemsize = member.written.dtype.itemsize
    (step, count, place), (_, size, inner) = axes
    start, stop = member.span
    steps = (place * itemsize, inner * itemsize)
    before = Piece(data, 0, steps, (0, 0), (count - 1, step))
    last = Piece(data, (count - 1) * steps[0], steps[1:], (0,), (size,))
    middle = start + (count - 1) * step * itemsize
    return [
        Stretch(start, middle, AssembledSource([before], before.shape, itemsize, data.name), ()),
        Stretch(middle, stop, AssembledSource([last], last.shape, itemsize, data.name), ()),
    ]


def _in_storage_order(
    tensor: TensorRef, stride: tuple[int, ...], data: ByteSource
) -> ByteSource | None:
    """Return the elements of row-major `data` in the order of a storage they fill without gaps."""
    if tensor.dtype.packed != 1:
        return None
    itemsize = tensor.dtype.itemsize
    axes = _axes(tensor.shape, stride)
    expected = 1
    for axis in reversed(axes):
        if axis.step != expected:
            return None
        expected *= axis.size
    shape = tuple(axis.size for axis in axes)
    steps = tuple(axis.place * itemsize for axis in axes)
    if expected * itemsize == data.nbytes and steps == row_major(shape, itemsize):
        return data
    piece = Piece(data, 0, steps, (0,) * len(shape), shape)
    return AssembledSource([piece], shape, itemsize, data.name)


def _axes(shape: tuple[int, ...], stride: tuple[int, ...]) -> list[_Axis]:
    """Return the dimensions that lead to other bytes, the largest step first."""
    places = contiguous_stride(shape)
    axes = [
        _Axis(step, size, place)
        for step, size, place in zip(stride, shape, places, strict=True)
        if size != 1 and step != 0
    ]
    return sorted(axes, reverse=True)


def _merged_axes(member: Member) -> list[_Axis]:
    """Return the dimensions of a view, those that are one in both orders as one; none if unfit."""
    tensor, view = member.written, member.view
    if tensor.dtype.packed != 1 or 0 in view.stride:
        return []
    axes: list[_Axis] = []
    for axis in _axes(tensor.shape, view.stride):
        outer = axes[-1] if axes else None
        if outer and outer.step == axis.step * axis.size and outer.place == axis.place * axis.size:
            axes[-1] = _Axis(axis.step, outer.size * axis.size, axis.place)
        else:
            axes.append(axis)
    return axes


def _box(member: Member) -> _Box | None:
    """Return a view as a box; None where its steps are not those of an array."""
    view = member.view
    if member.written.dtype.packed != 1 or 0 in view.stride:
        return None
    axes = _merged_axes(member)
    if not axes or axes[-1].step != 1:
        axes.append(_Axis(1, 1, 1))
    start = []
    rest = view.offset
    for number, axis in enumerate(axes):
        index, rest = divmod(rest, axis.step)
        start.append(index)
        if number:
            length, gap = divmod(axes[number - 1].step, axis.step)
            if gap or index + axis.size > length:
                return None
    return _Box(member, tuple(axes), tuple(start))


def _together(boxes: Sequence[_Box]) -> Stretch | None:
    """Return the rows that boxes of one array cover, each element once; None where they do not."""
    steps = [axis.step for axis in boxes[0].axes]
    first = min(box.start[0] for box in boxes)
    rows = max(box.start[0] + box.axes[0].size for box in boxes) - first
    inner = (outer // step for outer, step in pairwise(steps))
    shape = (rows, *inner)
    itemsize = boxes[0].member.written.dtype.itemsize
    spans, pieces = [], []
    for box in boxes:
        start = (box.start[0] - first, *box.start[1:])
        sizes = tuple(axis.size for axis in box.axes)
        spans.append(Span(start, tuple(a + n for a, n in zip(start, sizes, strict=True))))
        data = box.member.written.storage.data
        assert data is not None  # noqa: S101 - bytes were written for it
        places = tuple(axis.place * itemsize for axis in box.axes)
        pieces.append(Piece(data, 0, places, start, sizes))
    try:
        check_cover(shape, spans, "")
    except FormatError:
        return None
    source = AssembledSource(pieces, shape, itemsize, pieces[0].source.name)
    begin = first * steps[0] * itemsize
    givers = tuple(box.member.number for box in boxes)
    return Stretch(begin, begin + source.nbytes, source, givers)
