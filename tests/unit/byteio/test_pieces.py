"""Bytes are cut where it is said, and what is left out moves what follows."""

from __future__ import annotations

import pytest

from converter.byteio.pieces import Excerpt, parts_between, pieces_of
from converter.byteio.source import MemorySource
from converter.errors import SourceError

DATA = bytes(range(20))


def test_pieces_are_cut_out() -> None:
    assert pieces_of([slice(1, 3), slice(5, 6)])(DATA) == (b"\x01\x02", b"\x05")
    assert pieces_of([slice(1, 3)])(DATA) == (b"\x01\x02", b"\x01\x02")


def test_parts_between_others() -> None:
    assert parts_between([slice(5, 7), slice(0, 2)], 9) == [slice(0, 0), slice(2, 5), slice(7, 9)]
    assert parts_between([], 3) == [slice(0, 3)]
    assert parts_between([slice(1, 4), slice(3, 5)], 9) is None
    assert parts_between([slice(1, 10)], 9) is None


def test_excerpt_is_what_is_left() -> None:
    excerpt = Excerpt([slice(0, 2), slice(5, 10), slice(18, 20)])
    left = excerpt.read(MemorySource(DATA, "a"))
    assert left == DATA[:2] + DATA[5:10] + DATA[18:]
    assert excerpt.nbytes == len(left)
    for offset in (0, 1, 5, 9, 18, 19):
        assert left[excerpt.place(offset)] == DATA[offset]
    assert [excerpt.place(offset) for offset in (2, 10, 20)] == [2, 7, 9]


def test_excerpt_of_everything() -> None:
    excerpt = Excerpt([slice(0, 20)])
    assert excerpt.read(MemorySource(DATA, "a")) is DATA
    assert excerpt.place(7) == 7


def test_excerpt_of_less_than_there_was() -> None:
    with pytest.raises(SourceError):
        Excerpt([slice(0, 2), slice(5, 20)]).read(MemorySource(DATA[:-1], "a"))
