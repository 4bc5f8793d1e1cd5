"""A deflated record reads like any other source."""

from __future__ import annotations

import errno
import os
import random
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.containers.inflated import InflatedSource
from converter.errors import ContainerError, SourceError

SMALL = b"0123456789" * 50_000
LARGE = random.Random(1).randbytes(3 << 20) + bytes(1 << 20)  # noqa: S311 - not a secret


def deflated(data: bytes) -> bytes:
    coder = zlib.compressobj(1, wbits=-15)
    return coder.compress(data) + coder.flush()


def source_of(data: bytes, nbytes: int | None = None) -> InflatedSource:
    packed = MemorySource(deflated(data), "packed")
    return InflatedSource(packed, len(data) if nbytes is None else nbytes, "a.zip!r")


@pytest.mark.parametrize("data", [b"x", SMALL, LARGE])
def test_forward_backward_and_again(data: bytes) -> None:
    with source_of(data) as source:
        step = max(1, len(data) // 7)
        for _ in range(4):
            for offset in range(0, len(data), step):
                nbytes = min(step, len(data) - offset)
                assert source.read_at(offset, nbytes) == data[offset : offset + nbytes]
        assert source.check_end() == 0
        assert source.extent() is None
        source.close()
        assert source.read_at(0, 1) == data[:1]


@given(st.lists(st.tuples(st.integers(0, len(SMALL)), st.integers(0, 300_000)), max_size=8))
def test_any_order_of_reads(ranges: list[tuple[int, int]]) -> None:
    source = source_of(SMALL)
    for offset, wanted in ranges:
        nbytes = min(wanted, len(SMALL) - offset)
        assert source.read_at(offset, nbytes) == SMALL[offset : offset + nbytes]
    source.close()


def test_small_steps_back_do_not_start_again() -> None:
    reads: list[int] = []

    class Noting(MemorySource):
        __slots__ = ()

        def _read(self, offset: int, nbytes: int) -> bytes:
            reads.append(offset)
            return super()._read(offset, nbytes)

    source = InflatedSource(Noting(deflated(SMALL), "packed"), len(SMALL), "r")
    for offset in (100, 50, 2_000, 0):
        source.read_at(offset, 10)
    assert reads == [0]


@pytest.mark.parametrize("nbytes", [len(SMALL) - 1, len(SMALL) + 1, 0])
def test_declared_length_must_be_right(nbytes: int) -> None:
    source = source_of(SMALL, nbytes)
    with pytest.raises(ContainerError, match="another length than declared"):
        source.check_end()
    if nbytes:
        with pytest.raises(ContainerError, match="another length than declared"):
            source.read_at(nbytes - 1, 1)


def test_truncated_and_damaged_streams() -> None:
    packed = deflated(LARGE)
    cut = InflatedSource(MemorySource(packed[:1000], "p"), len(LARGE), "r")
    with pytest.raises(ContainerError, match="truncated"):
        cut.read_at(0, len(LARGE))
    bad = InflatedSource(MemorySource(b"\xff" * 50, "p"), 10, "r")
    with pytest.raises(ContainerError, match="damaged"):
        bad.read_at(0, 1)
    empty = InflatedSource(MemorySource(b"", "p"), 10, "r")
    with pytest.raises(ContainerError, match="truncated"):
        empty.read_at(0, 1)


def test_leftover_is_counted() -> None:
    packed = deflated(b"abc") + b"hidden"
    source = InflatedSource(MemorySource(packed, "p"), 3, "r")
    assert source.check_end() == len(b"hidden")


def test_threads_share_one_source() -> None:
    source = source_of(LARGE)
    wrong: list[int] = []

    def read(seed: int) -> None:
        chooser = random.Random(seed)  # noqa: S311 - not a secret
        for _ in range(20):
            offset = chooser.randrange(len(LARGE) - 1_000)
            if source.read_at(offset, 1_000) != LARGE[offset : offset + 1_000]:
                wrong.append(offset)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.close()
    assert wrong == []


def test_temporary_file_is_closed_and_nameless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    source = source_of(LARGE)
    for offset in (3_000_000, 0, 3_000_000, 0):
        source.read_at(offset, 1_000)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    assert list(tmp_path.iterdir()) == []
    del source
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_full_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent/folder")
    source = source_of(LARGE)
    source.read_at(3_000_000, 1)
    source.read_at(0, 1)
    source.read_at(3_000_000, 1)
    with pytest.raises(SourceError, match="temporary file"):
        source.read_at(0, 1)


def test_failing_spool_leaks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = source_of(LARGE)
    for offset in (3_000_000, 0, 3_000_000):
        source.read_at(offset, 1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(SourceError, match="No space left"):
            source.read_at(0, 1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(tmp_path.iterdir()) == []


def test_stream_that_is_damaged_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = InflatedSource(MemorySource(deflated(LARGE)[:-100], "p"), len(LARGE), "r")
    for offset in (2_000_000, 0, 2_000_000):
        assert source.read_at(offset, 1) == LARGE[offset : offset + 1]
    for _ in range(2):
        with pytest.raises(ContainerError, match="truncated"):
            source.read_at(0, 1)
    assert list(tmp_path.iterdir()) == []
