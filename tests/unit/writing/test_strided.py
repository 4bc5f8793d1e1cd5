"""Tests of strided views read in constant memory."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import ByteSource, MemorySource
from converter.writing.strided import Axis, View, iter_gathered, plan_reads, reduce_view
from tests.unit.writing.made import storage, view


class Counting(ByteSource):
    """Bytes that count how they are read."""

    __slots__ = ("_bytes", "largest", "nread", "reads")

    def __init__(self, content: bytes) -> None:
        self.name = "counting"
        self.nbytes = len(content)
        self._bytes = content
        self.reads = self.nread = self.largest = 0

    def _read(self, offset: int, nbytes: int) -> bytes:
        self.reads += 1
        self.nread += nbytes
        self.largest = max(self.largest, nbytes)
        return self._bytes[offset : offset + nbytes]


def elements(of: View, content: bytes) -> bytes:
    """Return the bytes of a view, one element at a time."""
    found = bytearray()
    for index in product(*map(range, of.shape)):
        at = of.offset + sum(i * step for i, step in zip(index, of.stride, strict=True))
        found += content[at * of.itemsize : (at + 1) * of.itemsize]
    return bytes(found)


@st.composite
def views(draw: st.DrawFn) -> View:
    """Return any small view: gaps, overlaps, stride 0, any order."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    stride = draw(st.lists(st.integers(0, 40), min_size=len(shape), max_size=len(shape)))
    itemsize = draw(st.sampled_from([1, 2, 4, 8, 16]))
    return View(tuple(shape), tuple(stride), draw(st.integers(0, 3)), itemsize)


def content_for(of: View) -> bytes:
    last = of.offset + sum((n - 1) * s for n, s in zip(of.shape, of.stride, strict=True))
    nbytes = (last + 1) * of.itemsize
    return bytes(i * 37 % 251 for i in range(nbytes))


@given(views(), st.integers(0, 400))
def test_gathered_bytes_are_the_elements_in_order(of: View, working_nbytes: int) -> None:
    content = content_for(of)
    chunks = [bytes(c) for c in iter_gathered(MemorySource(content, "m"), of, working_nbytes)]
    assert b"".join(chunks) == elements(of, content)
    assert all(len(chunk) <= max(working_nbytes, of.itemsize) for chunk in chunks)


@pytest.mark.parametrize(
    ("shape", "stride", "expected"),
    [
        ((2, 3), (3, 1), ((6,), (1,))),
        ((2, 1, 3), (3, 99, 1), ((6,), (1,))),
        ((3, 2), (1, 3), ((3, 2), (1, 3))),
        ((4, 2, 3), (0, 0, 1), ((8, 3), (0, 1))),
        ((1, 1), (5, 5), ((1,), (1,))),
        ((2, 3, 4), (100, 4, 1), ((2, 12), (100, 1))),
    ],
)
def test_dimensions_are_merged(
    shape: tuple[int, ...], stride: tuple[int, ...], expected: tuple[object, object]
) -> None:
    reduced = reduce_view(view(storage(bytes(900)), "float32", shape, stride))
    assert (reduced.shape, reduced.stride) == expected


def test_transposed_matrix_is_read_about_once() -> None:
    rows = columns = 700
    source = Counting(bytes(rows * columns * 4))
    of = View((rows, columns), (1, rows), 0, 4)
    total = sum(len(chunk) for chunk in iter_gathered(source, of, 1 << 20))
    assert total == source.nbytes
    assert source.nread <= 4 * source.nbytes
    assert source.largest <= 1 << 20


def test_far_elements_are_not_read_with_what_lies_between() -> None:
    source = Counting(bytes(64 * 100_000))
    of = View((64,), (100_000,), 0, 1)
    assert b"".join(map(bytes, iter_gathered(source, of, 1 << 20))) == bytes(64)
    assert source.nread == 64


def test_repeated_elements_are_read_once() -> None:
    source = Counting(bytes(range(10)))
    of = View((50, 10), (0, 1), 0, 1)
    assert b"".join(map(bytes, iter_gathered(source, of, 1 << 12))) == bytes(range(10)) * 50
    assert source.reads == 1


def test_dense_gaps_are_read_in_one_go() -> None:
    source = Counting(bytes(1000))
    list(iter_gathered(source, View((10, 50), (100, 1), 0, 1), 1 << 20))
    assert source.reads == 1


@given(views(), st.integers(1, 300))
def test_planned_reads_cover_the_block(of: View, budget: int) -> None:
    axes = [Axis(n, s, 1) for n, s in zip(of.shape, of.stride, strict=True)]
    main, rest = plan_reads(axes, of.itemsize, max(budget, of.itemsize))
    covered = 0
    for reads in (main, rest):
        if reads is not None:
            axes_of = (*reads.run, *reads.grid, *reads.repeated)
            covered += math.prod(axis.count for axis in axes_of)
            assert reads.span * of.itemsize <= max(budget, of.itemsize)
    assert covered == math.prod(of.shape)
