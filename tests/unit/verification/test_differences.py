"""What differs is located: element, count, position in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from converter.limits import Limits
from converter.verification.addressing import contiguous_layout, tensor_layout
from converter.verification.boxes import Scratch
from converter.verification.differences import Comparison, Difference, DifferenceKind
from tests.unit.verification.references import counting, row_major, source_of, tensor_of

if TYPE_CHECKING:
    from random import Random

UNIT = 4


def compared(
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    wrong: set[int],
    limits: Limits,
    start: int = 24,
) -> Difference | None:
    """Compare a view with its own values, of which the elements `wrong` are not."""
    positions = [0]
    for size, step in zip(shape, stride, strict=True):
        positions = [at + i * step for at in positions for i in range(size)]
    raw = counting((max(positions, default=0) + 1) * UNIT)
    out = bytearray(b"".join(raw[at * UNIT : (at + 1) * UNIT] for at in positions))
    for flat in wrong:
        out[flat * UNIT + flat % UNIT] ^= 1 << flat % 8
    tensor = tensor_of(raw, "float32", shape, stride)
    layout = tensor_layout(tensor, limits, "t")
    found = contiguous_layout(source_of(bytes(start) + bytes(out)), start, UNIT, shape)
    comparison = Comparison(layout, found, limits, name="t", file="f", shape=shape)
    boxes = list(comparison.boxes())
    assert sum(map(comparison.box_nbytes, boxes)) == comparison.nbytes == len(out)
    firsts = []
    for box in reversed(boxes):  # in any order
        mismatch = comparison.compare(box, Scratch())
        if mismatch is not None:
            firsts.append(comparison.take(mismatch))
    assert firsts == [True, *[False] * (len(firsts) - 1)][: len(firsts)]
    return comparison.difference()


@given(
    st.lists(st.integers(1, 6), max_size=4).map(tuple),
    st.randoms(use_true_random=False),
    st.sampled_from([8, 200, 1_000, 1 << 25]),
    st.integers(0, 5),
)
def test_first_of_them_and_their_number(
    shape: tuple[int, ...], random: Random, budget: int, count: int
) -> None:
    order = list(range(len(shape)))
    random.shuffle(order)
    permuted = row_major([shape[axis] for axis in order])
    stride = tuple(permuted[order.index(axis)] for axis in range(len(shape)))
    numel = 1
    for size in shape:
        numel *= size
    wrong = set(random.sample(range(numel), min(count, numel)))
    found = compared(shape, stride, wrong, Limits(gather_chunk_bytes=budget))
    if not wrong:
        assert found is None
        return
    assert found is not None
    first = min(wrong)
    assert found.kind is DifferenceKind.BYTES
    assert found.flat_index == first
    assert found.index is not None
    assert sum(i * s for i, s in zip(found.index, row_major(shape), strict=True)) == first
    assert found.offset == 24 + first * UNIT
    assert found.count == len(wrong)
    assert found.expected != found.found


def test_message() -> None:
    found = compared((2, 3), (3, 1), {4, 5}, Limits())
    assert (
        str(found) == "bytes: f: t at [1, 1]: expected 70777e85, found 60777e85 (2 elements differ)"
    )
    missing = Difference(DifferenceKind.MISSING, "", "f", expected="a file")
    assert str(missing) == "missing: f: expected a file, found nothing"


def test_side_that_is_no_output_has_no_offset() -> None:
    expected, other = (
        tensor_layout(tensor_of(raw, "uint8", (2, 2), (1, 2)), Limits(), "t")
        for raw in (b"abcd", b"abxd")
    )
    comparison = Comparison(expected, other, Limits(), name="t", file="f", shape=(2, 2))
    (box,) = comparison.boxes()
    mismatch = comparison.compare(box, Scratch())
    assert mismatch is not None
    comparison.take(mismatch)
    found = comparison.difference()
    assert found is not None
    assert (found.index, found.offset, found.expected) == ((0, 1), None, b"c".hex())
