"""Positions worked out by arithmetic, against positions counted one by one."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.checkpoint.storage import Storage
from converter.errors import LimitError, TensorError, UnsupportedError
from converter.limits import Limits
from converter.verification.addressing import (
    Resolution,
    contiguous_layout,
    count_up,
    iter_boxes,
    merge_dimensions,
    plan_window,
    slab_shape,
    tensor_layout,
    tile_shape,
)
from tests.unit.verification.references import row_major, source_of, storage_of, tensor_of

SIZES = st.lists(st.sampled_from([0, 1, 1, 2, 3, 4, 7]), max_size=5).map(tuple)


@st.composite
def walks(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """(shape, steps in bytes, unit), as torch could have made them."""
    shape = draw(SIZES)
    unit = draw(st.sampled_from([1, 2, 4, 8, 16]))
    if draw(st.booleans()):
        steps = st.sampled_from([0, 1, 2, 3, 5, 20, 3_000])
        return shape, tuple(draw(steps) * unit for _ in shape), unit
    order = draw(st.permutations(range(len(shape))))
    permuted = row_major([shape[axis] for axis in order])
    return shape, tuple(permuted[order.index(axis)] * unit for axis in range(len(shape))), unit


def positions(shape: tuple[int, ...], steps: tuple[int, ...]) -> list[int]:
    """The oracle: every index, the slow way."""
    return [
        sum(i * step for i, step in zip(index, steps, strict=True))
        for index in itertools.product(*map(range, shape))
    ]


@given(walks())
def test_merging_keeps_every_position_in_its_place(
    walk: tuple[tuple[int, ...], tuple[int, ...], int],
) -> None:
    shape, steps, _ = walk
    merged, (one, other) = merge_dimensions(shape, steps, row_major(shape))
    assert positions(merged, one) == positions(shape, steps)
    assert positions(merged, other) == list(range(math.prod(shape)))
    assert 1 not in merged


@pytest.mark.parametrize(
    ("shape", "steps", "merged"),
    [
        ((2, 3, 4), (12, 4, 1), ((24,), (1,))),
        ((2, 1, 4), (4, 99, 1), ((8,), (1,))),
        ((), (), ((), ())),
        ((1, 1), (5, 5), ((), ())),
        ((3, 4), (0, 0), ((12,), (0,))),
        ((3, 4), (1, 3), ((3, 4), (1, 3))),
        ((5, 3, 4), (24, 4, 1), ((5, 12), (24, 1))),
    ],
)
def test_merged_dimensions(
    shape: tuple[int, ...], steps: tuple[int, ...], merged: tuple[object, ...]
) -> None:
    sizes, (joined,) = merge_dimensions(shape, steps)
    assert (sizes, joined) == merged


@given(SIZES)
def test_odometer_counts_like_product(shape: tuple[int, ...]) -> None:
    assert list(count_up(shape, (1,) * len(shape))) == list(itertools.product(*map(range, shape)))


@given(SIZES, st.lists(st.integers(1, 4), min_size=5, max_size=5))
def test_boxes_cover_each_index_once(shape: tuple[int, ...], pace: list[int]) -> None:
    seen: list[tuple[int, ...]] = []
    for box in iter_boxes(shape, tuple(pace[: len(shape)])):
        ranges = (range(s, s + n) for s, n in zip(box.start, box.shape, strict=True))
        seen += itertools.product(*ranges)
    assert sorted(seen) == list(itertools.product(*map(range, shape)))
    assert len(seen) == len(set(seen))


@given(walks())
def test_window_holds_each_element_where_it_says(
    walk: tuple[tuple[int, ...], tuple[int, ...], int],
) -> None:
    shape, steps, unit = walk
    if 0 in shape:
        return
    window = plan_window(shape, steps, unit)
    spacer = [None] * (window.pitch - window.nbytes)
    read: list[int | None] = []
    for at in window.offsets():
        read += [*range(at, at + window.nbytes), *spacer]
    assert len(read) - len(spacer) == window.total_nbytes
    places = positions(shape, window.steps)
    assert [read[place] for place in places] == positions(shape, steps)
    if window.in_order:
        assert places == list(range(0, math.prod(shape) * unit, unit))
        assert window.total_nbytes == math.prod(shape) * unit


@given(walks(), st.sampled_from([64, 1_000, 1 << 20]))
def test_boxes_stay_within_the_budget(
    walk: tuple[tuple[int, ...], tuple[int, ...], int], budget: int
) -> None:
    shape, _, unit = walk
    shape, (steps,) = merge_dimensions(shape, walk[1])
    flat = tuple(step * unit for step in row_major(shape))
    tile = tile_shape(shape, (steps, flat), unit, budget)
    assert all(1 <= n <= max(1, size) for n, size in zip(tile, shape, strict=True))
    for walk_steps in (steps, flat):
        window = plan_window(tile, walk_steps, unit)
        needed = window.nbytes * window.count
        assert window.total_nbytes <= needed * 1.1
        assert math.prod(tile) == 1 or max(needed, math.prod(tile) * unit) <= budget


@given(SIZES, st.integers(1, 200))
def test_slabs_follow_one_another_in_row_major_order(shape: tuple[int, ...], budget: int) -> None:
    slab = slab_shape(shape, 2, budget)
    seen: list[tuple[int, ...]] = []
    for box in iter_boxes(shape, slab):
        ranges = (range(s, s + n) for s, n in zip(box.start, box.shape, strict=True))
        seen += itertools.product(*ranges)
        assert math.prod(box.shape) == 1 or math.prod(box.shape) * 2 <= budget
    assert seen == list(itertools.product(*map(range, shape)))


def test_transposed_tiles_have_long_pieces_on_both_sides() -> None:
    rows, columns = 20_000, 30_000
    tile = tile_shape((columns, rows), ((4, columns * 4), (rows * 4, 4)), 4, 1 << 22)
    assert min(tile) * 4 >= 4_096
    assert math.prod(tile) * 4 <= 1 << 22


def test_contiguous_layout() -> None:
    layout = contiguous_layout(source_of(bytes(100)), 10, 4, (2, 3))
    assert layout.steps == (12, 4)
    assert layout.origin == 10


@pytest.mark.parametrize(
    ("dtype", "conj", "neg", "big_endian", "expected"),
    [
        ("float32", False, False, False, None),
        ("float32", True, False, False, None),
        ("float32", False, False, True, Resolution(reverse=4, part=4)),
        ("uint8", False, False, True, None),
        ("complex64", False, False, True, Resolution(reverse=4, part=4)),
        ("complex64", True, False, False, Resolution(part=4, flip_odd=True)),
        ("complex64", False, True, False, Resolution(part=4, flip_even=True, flip_odd=True)),
        ("complex64", True, True, False, Resolution(part=4, flip_even=True)),
        ("complex32", True, False, False, Resolution(part=2, flip_odd=True)),
        ("bfloat16", False, True, False, Resolution(part=2, flip_even=True, flip_odd=True)),
        ("int16", False, True, False, Resolution(part=2, negate=True)),
    ],
)
def test_what_must_be_done_to_the_bytes(
    dtype: str, *, conj: bool, neg: bool, big_endian: bool, expected: Resolution | None
) -> None:
    storage = storage_of(bytes(64), big_endian=big_endian)
    tensor = tensor_of(storage, dtype, (2,), conj=conj, neg=neg)
    assert tensor_layout(tensor, Limits(), "t").resolution == expected


@pytest.mark.parametrize(
    ("dtype", "shape", "stride", "offset", "start", "nbytes"),
    [
        ("quint4x2", (2, 4), (4, 1), 0, 0, 4),
        ("quint4x2", (3,), (1,), 2, 1, 2),
        ("quint2x4", (2, 1, 5), (5, 7, 1), 4, 1, 3),
        ("quint4x2", (), (), 4, 2, 1),
        ("quint4x2", (0, 2), (9, 9), 0, 0, 0),
    ],
)
def test_packed_values_are_bytes(
    dtype: str,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int,
    start: int,
    nbytes: int,
) -> None:
    layout = tensor_layout(tensor_of(bytes(8), dtype, shape, stride, offset), Limits(), "t")
    assert (layout.origin, layout.shape, layout.unit) == (start, (nbytes,), 1)


@pytest.mark.parametrize(
    ("dtype", "shape", "stride", "offset", "neg"),
    [
        ("quint4x2", (4,), (1,), 1, False),
        ("quint4x2", (2, 2), (1, 2), 0, False),
        ("quint4x2", (4,), (2,), 0, False),
        ("bool", (4,), (1,), 0, True),
        ("uint16", (4,), (1,), 0, True),
        ("float8_e5m2", (4,), (1,), 0, True),
    ],
)
def test_what_cannot_be_resolved(
    dtype: str, shape: tuple[int, ...], stride: tuple[int, ...], offset: int, *, neg: bool
) -> None:
    with pytest.raises(UnsupportedError) as caught:
        tensor_layout(tensor_of(bytes(64), dtype, shape, stride, offset, neg=neg), Limits(), "t")
    assert caught.value.record == "t"


def test_meta_tensor_has_no_layout() -> None:
    tensor = tensor_of(Storage("0", None, 64, None, "meta"), "float32", (2,))
    with pytest.raises(UnsupportedError):
        tensor_layout(tensor, Limits(), "t")


@pytest.mark.parametrize(
    ("shape", "stride", "offset"),
    [
        ((17,), (1,), 0),
        ((16,), (1,), 1),
        ((2, 2), (15, 1), 0),
        ((2**62, 2**62), (2**62, 1), 0),
        ((1,), (1,), 16),
        ((-1,), (1,), 0),
        ((2,), (-1,), 4),
        ((2,), (1,), -1),
        ((2, 2), (1,), 0),
    ],
)
def test_tensor_outside_its_storage(
    shape: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    with pytest.raises(TensorError):
        tensor_layout(tensor_of(bytes(64), "float32", shape, stride, offset), Limits(), "t")


def test_empty_tensor_may_lie_anywhere() -> None:
    tensor = tensor_of(b"", "float32", (0, 5), (9, 9), 10**30)
    assert tensor_layout(tensor, Limits(), "t").shape == (0, 5)


def test_overlap_has_a_limit() -> None:
    tensor = tensor_of(bytes(4), "float32", (101,), (0,))
    tensor_layout(tensor, Limits(max_overlap_bytes=400), "t")
    with pytest.raises(LimitError) as caught:
        tensor_layout(tensor, Limits(max_overlap_bytes=399), "t")
    assert (caught.value.expected, caught.value.found) == ("at most 399", "400")


@pytest.mark.parametrize(
    ("shape", "steps", "nbytes", "offsets"),
    [
        ((4,), (4096,), 1 + 3 * 4096, [0]),
        ((4,), (4097,), 1 + 3 * 4097, [0]),
        ((4,), (4098,), 1, [0, 4098, 8196, 12_294]),
        ((3, 2, 2), (50_000, 9_000, 1), 2, [0, 9_000, 50_000, 59_000, 100_000, 109_000]),
        ((2, 3, 1), (9_000, 50_000, 7), 1, [0, 9_000, 50_000, 59_000, 100_000, 109_000]),
        ((2, 2, 2), (90_000, 20_000, 5_000), 1, None),
    ],
)
def test_runs_that_are_read_one_by_one(
    shape: tuple[int, ...], steps: tuple[int, ...], nbytes: int, offsets: list[int] | None
) -> None:
    window = plan_window(shape, steps, 1)
    assert window.nbytes == nbytes
    assert sorted(window.offsets()) == (offsets or sorted(positions(shape, steps)))
    assert window.count == len(list(window.offsets()))
