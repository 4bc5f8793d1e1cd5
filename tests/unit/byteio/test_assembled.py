"""Pieces anywhere, shown as one array: any range of its bytes, against numpy's indexing."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio import assembled
from converter.byteio.assembled import AssembledSource, Piece, iter_slabs, row_major
from converter.byteio.source import MemorySource
from converter.errors import SourceError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def cut(array: NDArray[Any], cuts: list[list[int]], orders: list[tuple[int, ...]]) -> list[Piece]:
    """Cut an array into a grid of pieces, each laid out with its dimensions in some order."""
    pieces = []
    bounds = [[0, *sorted(at), size] for at, size in zip(cuts, array.shape, strict=True)]
    ranges = [list(pairwise(b)) for b in bounds]
    for number, box in enumerate(product(*ranges)):
        shape = tuple(stop - start for start, stop in box)
        if 0 in shape:
            continue
        part = array[tuple(slice(start, stop) for start, stop in box)]
        order = orders[number % len(orders)]
        laid = np.ascontiguousarray(part.transpose(order))
        inverse = np.argsort(order)
        steps = tuple(laid.strides[axis] for axis in inverse)
        source = MemorySource(b"?" * 3 + laid.tobytes(), "piece")
        pieces.append(Piece(source, 3, steps, tuple(start for start, _ in box), shape))
    return pieces


@st.composite
def assembled_arrays(draw: st.DrawFn) -> tuple[NDArray[Any], AssembledSource]:
    shape = tuple(draw(st.lists(st.integers(1, 6), max_size=4)))
    itemsize = draw(st.sampled_from([1, 2, 4, 8, 16]))
    count = math.prod(shape) * itemsize
    data = np.random.default_rng(draw(st.integers(0, 99))).bytes(count)
    array = np.frombuffer(data, dtype=f"V{itemsize}").reshape(shape)
    cuts = [draw(st.lists(st.integers(0, size), max_size=3)) for size in shape]
    orders = draw(st.lists(st.permutations(range(len(shape))).map(tuple), min_size=1, max_size=3))
    pieces = draw(st.permutations(cut(array, cuts, orders)))
    return array, AssembledSource(pieces, shape, itemsize, "whole")


@given(assembled_arrays(), st.data())
def test_any_range_is_the_arrays(
    sample: tuple[NDArray[Any], AssembledSource], data: st.DataObject
) -> None:
    array, source = sample
    expected = array.tobytes()
    assert source.nbytes == len(expected)
    assert source.read_at(0, source.nbytes) == expected
    start = data.draw(st.integers(0, len(expected)))
    stop = data.draw(st.integers(start, len(expected)))
    assert source.read_at(start, stop - start) == expected[start:stop]


@pytest.mark.parametrize("stage", [16, 64, 1 << 20])
def test_small_stages_give_the_same(stage: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembled, "_STAGE_NBYTES", stage)
    monkeypatch.setattr(assembled, "_CHEAP_SPAN_NBYTES", 8)
    array = np.arange(7 * 9 * 5, dtype="<u2").reshape(7, 9, 5)
    pieces = cut(array, [[3], [4, 6], [1]], [(2, 1, 0), (0, 1, 2), (1, 0, 2)])
    source = AssembledSource(pieces, array.shape, 2, "whole")
    assert source.read_at(0, source.nbytes) == array.tobytes()


def test_repeated_elements_of_a_piece() -> None:
    pieces = [Piece(MemorySource(b"ab", "two"), 0, (0, 1), (0, 0), (3, 2))]
    assert AssembledSource(pieces, (3, 2), 1, "whole").read_at(1, 4) == b"baba"


def test_ranges_outside_are_refused() -> None:
    source = AssembledSource(
        [Piece(MemorySource(b"abcd", "four"), 0, (1,), (0,), (4,))], (4,), 1, "w"
    )
    with pytest.raises(SourceError, match="read outside the source: w, offset 3"):
        source.read_into(3, memoryview(bytearray(2)))
    assert source.read_at(4, 0) == b""
    assert source.extent() is None
    source.read_into(2, memoryview(bytearray(0)))


@given(st.lists(st.integers(1, 5), max_size=4).map(tuple), st.data())
def test_slabs_are_the_range_in_order(shape: tuple[int, ...], data: st.DataObject) -> None:
    count = math.prod(shape)
    first = data.draw(st.integers(0, count))
    stop = data.draw(st.integers(first, count))
    numbers = np.arange(count).reshape(shape)
    found: list[int] = []
    slabs = list(iter_slabs(shape, first, stop))
    for start, sizes in slabs:
        box = tuple(slice(a, a + n) for a, n in zip(start, sizes, strict=True))
        found += numbers[box].ravel().tolist() if shape else [0]
    assert found == list(range(first, stop))
    assert len(slabs) <= max(1, 2 * len(shape))


def test_row_major_steps() -> None:
    assert row_major((2, 3, 4), 8) == (96, 32, 8)
    assert row_major((), 8) == ()
