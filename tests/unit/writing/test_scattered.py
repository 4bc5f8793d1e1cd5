"""Tests of blocks that are written by position."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.writing.scattered import block_shape, is_better_scattered, iter_blocks, iter_runs
from converter.writing.strided import View, iter_gathered
from tests.unit.writing.test_strided import Counting, content_for, elements, views


@given(views(), st.integers(0, 400))
def test_runs_put_every_byte_in_its_place(of: View, working_nbytes: int) -> None:
    content = content_for(of)
    output = bytearray(math.prod(of.shape) * of.itemsize)
    written = 0
    for block in iter_blocks(MemorySource(content, "m"), of, working_nbytes):
        assert len(block.content) <= max(working_nbytes, of.itemsize)
        for position, piece in iter_runs(of, block):
            output[position : position + len(piece)] = piece
            written += len(piece)
    assert output == elements(of, content)
    assert written == len(output)


@given(views(), st.integers(1, 400))
def test_blocks_fit_their_budget(of: View, budget: int) -> None:
    shape = block_shape(of, budget)
    assert all(1 <= step <= size for step, size in zip(shape, of.shape, strict=True))
    assert math.prod(shape) * of.itemsize <= max(budget, of.itemsize)


def test_block_of_a_matrix_is_wide_in_both_orders() -> None:
    assert block_shape(View((10_000, 10_000), (1, 10_000), 0, 4), 1 << 24) == (2048, 2048)


@pytest.mark.parametrize(
    ("of", "better"),
    [
        (View((8192, 8192), (1, 8192), 0, 4), True),
        (View((64, 64), (1, 64), 0, 4), False),
        (View((8192, 4096), (8192, 1), 0, 4), False),
        (View((1 << 20,), (1000,), 0, 4), False),
        (View((1 << 20, 4), (1, 0), 0, 4), False),
    ],
)
def test_blocks_are_for_large_matrices_in_another_order(of: View, *, better: bool) -> None:
    assert is_better_scattered(of, 1 << 22) == better


def test_blocks_need_fewer_reads() -> None:
    of = View((1000, 1000), (1, 1000), 0, 1)
    blocks, rows = Counting(bytes(1_000_000)), Counting(bytes(1_000_000))
    assert sum(len(block.content) for block in iter_blocks(blocks, of, 1 << 14)) == 1_000_000
    assert sum(len(chunk) for chunk in iter_gathered(rows, of, 1 << 14)) == 1_000_000
    assert 8 * blocks.reads < rows.reads
