"""Any tree of values can be said as a weights-only pickle, and means the same when read again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, reject

from converter.byteio.source import MemorySource
from converter.checkpoint.equality import trees_equal
from converter.checkpoint.live_numpy import ArrayMaker
from converter.checkpoint.live_tree import LiveTree
from converter.errors import DepickleError, PlanError, UnsupportedError
from converter.limits import DEFAULT_LIMITS
from converter.progress import SilentProgress
from converter.readers.opening import read_source
from converter.writing.torch_zip_file import write_torch_file
from converter.writing.unsupported import prepare
from tests.unit.checkpoint.value_trees import value_trees

if TYPE_CHECKING:
    from converter.checkpoint.values import Value


class MemorySink:
    """A sink that keeps what is written."""

    descriptor = -1

    def __init__(self) -> None:
        self.content = bytearray()

    def write_at(self, offset: int, buffer: bytes | bytearray | memoryview) -> None:
        assert offset == len(self.content)
        self.content += buffer

    def preallocate(self, nbytes: int) -> None: ...


@given(value_trees())
def test_any_tree_is_written_or_refused(root: Value) -> None:
    prepared, _ = prepare(root)
    assert prepare(prepared)[1] == []
    sink = MemorySink()
    try:
        write_torch_file(prepared, sink, SilentProgress(), DEFAULT_LIMITS)
    except (PlanError, UnsupportedError):
        reject()
    opened = read_source(MemorySource(bytes(sink.content), "file"), DEFAULT_LIMITS)
    assert opened.error is None
    # Random trees have one key twice, which no dict has, and share what torch makes anew.
    reason = trees_equal(prepared, opened.root)
    if reason is not None and "entries" not in reason and "shared differently" not in reason:
        pytest.fail(reason)


@given(value_trees())
def test_any_tree_becomes_live_or_says_why_not(root: Value) -> None:
    with suppress(DepickleError):
        LiveTree(ArrayMaker()).live(root)
