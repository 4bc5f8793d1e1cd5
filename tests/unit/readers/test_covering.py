"""Boxes that cover an array once, and what is said of those that do not."""

from __future__ import annotations

import math
from itertools import pairwise, product
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.errors import TensorError, UnsupportedError
from converter.readers.covering import Span, check_cover


def grid(shape: tuple[int, ...], cuts: list[list[int]]) -> list[Span]:
    """Cut a shape along all dimensions."""
    bounds = [sorted({0, size, *at}) for size, at in zip(shape, cuts, strict=True)]
    return [
        Span(tuple(a for a, _ in box), tuple(b for _, b in box))
        for box in product(*(pairwise(bound) for bound in bounds))
    ]


@st.composite
def grids(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Span]]:
    shape = tuple(draw(st.lists(st.integers(1, 6), max_size=3)))
    cuts = [draw(st.lists(st.integers(1, size), max_size=2)) for size in shape]
    return shape, draw(st.permutations(grid(shape, cuts)))


@given(grids())
def test_grids_cover(sample: tuple[tuple[int, ...], list[Span]]) -> None:
    shape, spans = sample
    check_cover(shape, spans, "w")


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3)
    .map(tuple)
    .flatmap(
        lambda shape: st.tuples(
            st.just(shape),
            st.lists(
                st.tuples(*(st.tuples(st.integers(0, n - 1), st.integers(1, n)) for n in shape)),
                max_size=5,
            ),
        )
    )
)
def test_every_answer_is_that_of_counting(
    sample: tuple[tuple[int, ...], list[tuple[tuple[int, int], ...]]],
) -> None:
    shape, boxes = sample
    spans = [
        Span(tuple(a for a, _ in box), tuple(b for _, b in box))
        for box in boxes
        if all(a < b for a, b in box)
    ]
    counts = np.zeros(shape, dtype=int)
    for span in spans:
        counts[tuple(slice(a, b) for a, b in zip(span.start, span.stop, strict=True))] += 1
    if (counts == 1).all():
        check_cover(shape, spans, "w")
        return
    with pytest.raises(TensorError) as caught:
        check_cover(shape, spans, "w")
    assert ("overlap" in caught.value.what) == bool((counts > 1).any())
    if not (counts > 1).any():
        assert f"({int((counts == 0).sum())} of {math.prod(shape)} elements)" in str(caught.value)


@pytest.mark.parametrize(
    ("spans", "text"),
    [
        ([], r"chunks are missing: w: .* nothing at \[0:4, 0:3\] \(12 of 12 elements\)"),
        ([Span((0, 0), (4, 2))], r"nothing at \[0:4, 2:3\] \(4 of 12"),
        ([Span((0, 0), (2, 3)), Span((3, 0), (4, 3))], r"nothing at \[2:3, 0:3\] \(3 of 12"),
        (
            [Span((0, 0), (3, 3)), Span((2, 0), (4, 3))],
            r"overlap: .* \[0:3, 0:3\] and \[2:4, 0:3\]",
        ),
        ([Span((0, 0), (4, 3)), Span((0, 0), (4, 3))], "overlap"),
        ([Span((0, 0), (5, 3))], r"outside its tensor: .* within \[0:4, 0:3\], found \[0:5, 0:3\]"),
        ([Span((-1, 0), (4, 3))], "outside its tensor"),
        ([Span((0, 0), (4, 3)), Span((4, 0), (4, 3))], "outside its tensor"),
    ],
)
def test_what_is_wrong_is_named(spans: list[Span], text: str) -> None:
    with pytest.raises(TensorError, match=text):
        check_cover((4, 3), spans, "w")


def test_scalars() -> None:
    check_cover((), [Span((), ())], "w")
    with pytest.raises(TensorError, match="overlap"):
        check_cover((), [Span((), ()), Span((), ())], "w")
    with pytest.raises(TensorError, match="missing"):
        check_cover((), [], "w")


def test_many_chunks_take_time_in_proportion() -> None:
    count = 20_000
    slanted = [Span((i, 0), (i + 1, i + 1)) for i in range(count)]
    slanted += [Span((i, i + 1), (i + 1, count + 1)) for i in range(count)]
    start = process_time()
    check_cover((count, count + 1), slanted, "w")
    with pytest.raises(TensorError, match="missing"):
        check_cover((count, count + 1), slanted[:count], "w")
    assert process_time() - start < 10


def test_holes_in_too_many_places_are_only_counted() -> None:
    spans = [Span((i, 0), (i + 1, 1)) for i in range(0, 4000, 2)]
    with pytest.raises(TensorError, match=r"nothing at some places \(2000 of 4000 elements\)"):
        check_cover((4000, 1), spans, "w")


def test_too_many_dimensions_are_refused() -> None:
    shape = (2,) * 40
    with pytest.raises(UnsupportedError, match="too many dimensions"):
        check_cover(shape, [Span((0,) * 40, (1,) * 40)], "w")
