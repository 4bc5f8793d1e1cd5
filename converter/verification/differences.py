"""What differs between an expected tensor and a found one, down to the element."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from converter.verification.addressing import (
    Box,
    Layout,
    iter_boxes,
    merge_dimensions,
    row_major_steps,
    tile_shape,
)
from converter.verification.boxes import Scratch, read_box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.limits import Limits

# Plain runs up to this length are not divided.
_WHOLE_NBYTES: Final = 1 << 18
# Plain runs are compared in pieces of this: two of them stay in a processor's second cache.
# Measured: nearly twice as quick as 2 MiB.
_RUN_NBYTES: Final = 1 << 19
# Stands for the whole of a short run.
_WHOLE: Final = Box((), ())


class DifferenceKind(StrEnum):
    """What about a tensor differs."""

    HEADER = "header"
    """The output cannot be read at all; there is no tensor name."""
    MISSING = "missing"
    EXTRA = "extra"
    DTYPE = "dtype"
    SHAPE = "shape"
    BYTES = "bytes"
    ALIAS = "alias"
    """The metadata does not lead from a dropped name to the tensor that was kept for it."""
    METADATA = "metadata"
    """An entry of the metadata that is missing, other than planned, or nobody's."""
    DOCUMENT = "document"
    """The document of the output is missing or damaged, or belongs to other tensors."""
    VALUE = "value"
    """A value that is no tensor is other than in the source."""
    UNVERIFIABLE = "unverifiable"
    """What was expected cannot be worked out, so nothing can be said to equal it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One tensor that is not what it should be.

    Attributes:
        kind: what differs.
        name: the tensor, as the output calls it; empty where a whole file is meant.
        file: the output file, as the caller named it.
        expected: what should be there: hex of the element for ``bytes``, else a dtype, a shape
            or a name; None where nothing should be.
        found: what is there; None where nothing is.
        index: where the first differing element stands, per dimension; only for ``bytes``.
        flat_index: the same, counted in row-major order.
        offset: absolute position of that element in the output file, in bytes; None where the
            found side is no contiguous output.
        count: differing elements of this tensor; 0 except for ``bytes``.
    """

    kind: DifferenceKind
    name: str
    file: str
    expected: str | None = None
    found: str | None = None
    index: tuple[int, ...] | None = None
    flat_index: int | None = None
    offset: int | None = None
    count: int = 0

    def __str__(self) -> str:
        """Return one line: kind, where, expected and found."""
        where = f"{self.file}: {self.name}" if self.name else self.file
        place = "" if self.index is None else f" at {list(self.index)}"
        more = f" ({self.count} elements differ)" if self.count > 1 else ""
        wants = f"expected {self.expected or 'nothing'}, found {self.found or 'nothing'}"
        return f"{self.kind}: {where}{place}: {wants}{more}"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The differing elements of one box.

    Attributes:
        flat_index: the first of them, in the row-major order of the tensor.
        expected: its bytes, little-endian.
        found: the bytes in its place.
        count: how many there are.
    """

    flat_index: int
    expected: bytes
    found: bytes
    count: int


class Comparison:
    """Two tensors of the same shape and element width, compared box by box in any order.

    Attributes:
        name: the tensor, as the output calls it.
        file: the output file.
        nbytes: bytes of one side.
    """

    __slots__ = (
        "_expected",
        "_flat_steps",
        "_found",
        "_limits",
        "_output",
        "_per_unit",
        "_plain",
        "_shape",
        "_tile",
        "file",
        "mismatch",
        "name",
        "nbytes",
    )

    def __init__(  # noqa: PLR0913 - two sides, their names, and what one unit stands for
        self,
        expected: Layout,
        found: Layout,
        limits: Limits,
        *,
        name: str,
        file: str,
        shape: tuple[int, ...],
        per_unit: int = 1,
    ) -> None:
        """Prepare to compare two layouts of equal `shape` and `unit`.

        Args:
            expected: one side.
            found: the other.
            limits: bounds the working memory.
            name: the tensor, as the output calls it.
            file: the output file.
            shape: the tensor's sizes as a person knows them, for the index of a difference.
            per_unit: how many elements of `shape` one unit holds (packed types).
        """
        self.name: Final = name
        self.file: Final = file
        self._output: Final = found
        self._shape: Final = shape
        self._per_unit: Final = per_unit
        self._limits: Final = limits
        self._expected = expected
        self._found = found
        self._flat_steps: tuple[int, ...] = ()
        self._tile: tuple[int, ...] | None = None
        self.nbytes: Final = _product(expected.shape) * expected.unit
        self.mismatch: Mismatch | None = None
        self._plain: Final = _is_run(expected) and _is_run(found)
        if not (self._plain and self.nbytes <= min(_WHOLE_NBYTES, limits.gather_chunk_bytes // 8)):
            self._divide()

    def boxes(self) -> Iterator[Box]:
        """Yield the boxes that make up the tensor."""
        if self._tile is None:
            return iter((_WHOLE,) if self.nbytes else ())
        return iter_boxes(self._expected.shape, self._tile)

    def box_nbytes(self, box: Box) -> int:
        """Return the bytes of one side of a box."""
        return self.nbytes if box is _WHOLE else _product(box.shape) * self._expected.unit

    def compare(self, box: Box, scratch: Scratch) -> Mismatch | None:
        """Return what differs inside one box, or None.

        Raises:
            SourceError: one side cannot be read.
        """
        if self._plain and self._same_bytes(box):
            return None
        if box is _WHOLE:
            self._divide()
            box = Box((0,) * len(self._expected.shape), self._expected.shape)
        expected = read_box(self._expected, box, scratch, "expected")
        found = read_box(self._found, box, scratch, "found")
        words = len(expected) // 8 * 8
        same = (expected[:words].view("u8") == found[:words].view("u8")).all()
        if same and bytes(expected[words:]) == bytes(found[words:]):
            return None
        unit = self._expected.unit
        differs = (expected.reshape(-1, unit) != found.reshape(-1, unit)).any(axis=1)
        first = int(differs.argmax())
        return Mismatch(
            flat_index=self._flat_index(box, first),
            expected=bytes(expected[first * unit : (first + 1) * unit]),
            found=bytes(found[first * unit : (first + 1) * unit]),
            count=int(differs.sum()),
        )

    def take(self, mismatch: Mismatch) -> bool:
        """Add what differs in one box; return whether it is the tensor's first to differ."""
        before = self.mismatch
        if before is None:
            self.mismatch = mismatch
            return True
        first = min(before, mismatch, key=lambda one: one.flat_index)
        self.mismatch = Mismatch(
            first.flat_index, first.expected, first.found, before.count + mismatch.count
        )
        return False

    def difference(self) -> Difference | None:
        """Return what all boxes taken so far amount to."""
        if self.mismatch is None:
            return None
        unit = self.mismatch.flat_index
        flat_index = unit * self._per_unit
        offset = None
        if self._output.steps == row_major_steps(self._output.shape, self._output.unit):
            offset = self._output.origin + unit * self._output.unit
        return Difference(
            DifferenceKind.BYTES,
            self.name,
            self.file,
            expected=self.mismatch.expected.hex(),
            found=self.mismatch.found.hex(),
            index=_unravel(flat_index, self._shape),
            flat_index=flat_index,
            offset=offset,
            count=self.mismatch.count,
        )

    def _same_bytes(self, box: Box) -> bool:
        """Return whether a box of two plain runs is equal; needs neither buffers nor numpy."""
        expected, found = self._expected, self._found
        start = box.start[0] * expected.unit if box.start else 0
        nbytes = self.box_nbytes(box)
        # Both are read plainly: the writer has its own way of reading short runs, and a fault that
        # it shared with the verifier would not show.
        left = expected.source.read_at(expected.origin + start, nbytes)
        return left == found.source.read_at(found.origin + start, nbytes)

    def _divide(self) -> None:
        """Merge dimensions and choose the size of boxes; short runs that are equal need neither."""
        expected, found = self._expected, self._found
        merged, walks = merge_dimensions(
            expected.shape, expected.steps, found.steps, row_major_steps(expected.shape, 1)
        )
        self._expected = _reshaped(expected, merged, walks[0])
        self._found = _reshaped(found, merged, walks[1])
        self._flat_steps = walks[2]
        budget = self._limits.gather_chunk_bytes // 8
        if walks[0] == walks[1] and len(merged) <= 1:
            budget = min(budget, _RUN_NBYTES)
        budget = max(expected.unit, budget)
        self._tile = tile_shape(merged, walks[:2], expected.unit, budget)

    def _flat_index(self, box: Box, local: int) -> int:
        inside = _unravel(local, box.shape)
        return sum(
            (start + i) * step
            for start, i, step in zip(box.start, inside, self._flat_steps, strict=True)
        )


def _is_run(layout: Layout) -> bool:
    """Return whether elements are values as they stand and follow one another in order."""
    if layout.resolution is not None:
        return False
    if layout.steps == row_major_steps(layout.shape, layout.unit):
        return True
    step = layout.unit
    for size, pace in zip(reversed(layout.shape), reversed(layout.steps), strict=True):
        if size != 1:
            if pace != step:
                return False
            step *= size
    return True


def _reshaped(layout: Layout, shape: tuple[int, ...], steps: tuple[int, ...]) -> Layout:
    return Layout(layout.source, layout.origin, layout.unit, shape, steps, layout.resolution)


def _unravel(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    index: list[int] = []
    for size in reversed(shape):
        flat, place = divmod(flat, size)
        index.append(place)
    return tuple(reversed(index))


def _product(sizes: tuple[int, ...]) -> int:
    count = 1
    for size in sizes:
        count *= size
    return count
