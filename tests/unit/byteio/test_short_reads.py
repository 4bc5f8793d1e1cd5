"""Tests of short reads that are served from blocks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from converter.byteio import short_reads
from converter.byteio.short_reads import LONGEST_SHORT_NBYTES, ShortReads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = bytes(i * i % 251 for i in range(100_000))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "in"
    path.write_bytes(CONTENT)
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("nbytes", [0, 1, 16, LONGEST_SHORT_NBYTES])
def test_any_place_gives_its_bytes(file: int, nbytes: int) -> None:
    reads = ShortReads()
    for offset in (0, 16_383, 16_384, 5, len(CONTENT) - nbytes, 20_479):
        assert reads.read(file, offset, nbytes) == CONTENT[offset : offset + nbytes]


def test_neighbours_are_one_read(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    pread = os.pread

    def noting(descriptor: int, nbytes: int, offset: int) -> bytes:
        asked.append(offset)
        return pread(descriptor, nbytes, offset)

    monkeypatch.setattr(os, "pread", noting)
    reads = ShortReads()
    for offset in range(0, 16_000, 160):
        assert reads.read(file, offset, 16) == CONTENT[offset : offset + 16]
    assert asked == [0]


def test_few_blocks_are_held(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_reads, "_MAX_BLOCKS", 2)
    reads = ShortReads()
    for _ in range(2):
        for offset in range(0, len(CONTENT) - 16, 9_000):
            assert reads.read(file, offset, 16) == CONTENT[offset : offset + 16]
    assert len(reads._blocks) == 2  # noqa: SLF001 - that memory is bounded


def test_what_is_long_or_not_there_is_left_to_the_caller(file: int) -> None:
    reads = ShortReads()
    assert reads.read(file, 0, LONGEST_SHORT_NBYTES + 1) is None
    assert reads.read(file, len(CONTENT) - 8, 16) is None
    assert reads.read(file, 10 * len(CONTENT), 1) is None
    assert reads.read(-1, 0, 16) is None
