"""Runs of other sources as one source: any range of them, against the joined bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.joined import JoinedSource, Run
from converter.byteio.source import MemorySource
from converter.errors import SourceError


@given(st.lists(st.tuples(st.binary(max_size=5), st.binary(min_size=1, max_size=7))), st.data())
def test_any_range_is_that_of_the_joined_bytes(
    parts: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    joined = JoinedSource(
        [
            Run(MemorySource(before + content + b"?", "part"), len(before), len(content))
            for before, content in parts
        ],
        "joined",
    )
    expected = b"".join(content for _, content in parts)
    assert joined.nbytes == len(expected)
    start = data.draw(st.integers(0, len(expected)))
    nbytes = data.draw(st.integers(0, len(expected) - start))
    assert joined.read_at(start, nbytes) == expected[start : start + nbytes]
    buffer = bytearray(nbytes)
    joined.read_into(start, memoryview(buffer))
    assert buffer == expected[start : start + nbytes]


def test_a_range_outside_is_an_error() -> None:
    joined = JoinedSource([Run(MemorySource(b"abc", "part"), 1, 2)], "joined")
    with pytest.raises(SourceError, match="outside the source"):
        joined.read_into(1, memoryview(bytearray(2)))
    with pytest.raises(SourceError, match="outside the source"):
        joined.read_at(-1, 1)
