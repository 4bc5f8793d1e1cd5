"""Tests of copies between open files."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from converter.byteio.source import Extent
from converter.errors import SourceError
from converter.limits import DEFAULT_LIMITS, Limits
from converter.progress import SilentProgress
from converter.writing import copying
from converter.writing.copying import ShortPieces, WriteTrack, copy_extent

if TYPE_CHECKING:
    from pathlib import Path

TINY = Limits(copy_chunk_bytes=7)


class FileSink:
    """A sink over a plain file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT)

    def write_at(self, offset: int, buffer: bytes | bytearray | memoryview) -> None:
        assert os.pwrite(self.descriptor, buffer, offset) == len(buffer)

    def preallocate(self, nbytes: int) -> None:
        os.truncate(self.descriptor, nbytes)


class Seen:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.amounts: list[int] = []

    def begin(self, label: str, total_nbytes: int) -> None:
        raise AssertionError

    def advance(self, nbytes: int) -> None:
        self.amounts.append(nbytes)

    def end(self) -> None:
        raise AssertionError


def copied(tmp_path: Path, extent_of: Extent, position: int) -> bytes:
    sink = FileSink(tmp_path / "out")
    seen = Seen()
    track = WriteTrack(sink, seen)
    copy_extent(extent_of, sink, position, track, TINY)
    track.finish()
    assert sum(seen.amounts) == extent_of.nbytes
    os.close(sink.descriptor)
    return sink.path.read_bytes()


@pytest.fixture
def source(tmp_path: Path) -> int:
    path = tmp_path / "in"
    path.write_bytes(bytes(range(100)))
    return os.open(path, os.O_RDONLY)


def test_bytes_arrive_at_their_position(tmp_path: Path, source: int) -> None:
    assert copied(tmp_path, Extent(source, 10, 50), 3) == bytes(3) + bytes(range(10, 60))


@pytest.mark.parametrize("calls", [0, 2])
def test_plain_copy_goes_on_where_the_kernel_gives_up(
    tmp_path: Path, source: int, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    real = os.copy_file_range
    left = [calls]

    def sometimes(*args: int) -> int:
        if not left[0]:
            raise OSError(errno.EXDEV, "another file system")
        left[0] -= 1
        return real(*args)

    monkeypatch.setattr(os, "copy_file_range", sometimes)
    assert copied(tmp_path, Extent(source, 10, 50), 10) == bytes(10) + bytes(range(10, 60))
    assert not left[0]


@pytest.mark.parametrize(("position", "is_used"), [(10, True), (10 + 4096, True), (2, False)])
def test_kernel_copies_what_stands_alike_within_a_page(
    tmp_path: Path,
    source: int,
    monkeypatch: pytest.MonkeyPatch,
    position: int,
    *,
    is_used: bool,
) -> None:
    real = os.copy_file_range
    asked: list[tuple[int, ...]] = []

    def noted(*args: int) -> int:
        asked.append(args)
        return real(*args)

    monkeypatch.setattr(os, "copy_file_range", noted)
    whole = copied(tmp_path, Extent(source, 10, 50), position)
    assert whole == bytes(position) + bytes(range(10, 60))
    assert bool(asked) is is_used


def test_system_without_the_call(
    tmp_path: Path, source: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "copy_file_range")
    assert copied(tmp_path, Extent(source, 0, 100), 0) == bytes(range(100))


def test_shortened_source_is_an_error(tmp_path: Path, source: int) -> None:
    with pytest.raises(SourceError, match=r"became shorter.*offset 100: expected 10 more bytes"):
        copied(tmp_path, Extent(source, 60, 50), 0)


def test_unreadable_source_is_an_error_of_the_source(tmp_path: Path) -> None:
    closed = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    with pytest.raises(SourceError, match="cannot read"):
        copied(tmp_path, Extent(closed, 0, 5), 0)


def test_place_of_a_failure_in_the_middle(
    tmp_path: Path, source: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "copy_file_range")
    real = os.preadv

    def breaking(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        if offset >= 24:
            raise OSError(errno.EIO, "broken")
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", breaking)
    with pytest.raises(SourceError, match="cannot read: offset 24: "):
        copied(tmp_path, Extent(source, 10, 50), 0)


def test_progress_is_told_in_large_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_PROGRESS_STEP_NBYTES", 10)
    seen = Seen()
    track = WriteTrack(FileSink(tmp_path / "out"), seen)
    for _ in range(7):
        track.written(4)
    track.finish()
    track.finish()
    assert seen.amounts == [12, 12, 4]


def test_whole_windows_are_flushed_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(copying, "_FLUSH_WINDOW_NBYTES", 10)
    monkeypatch.setattr(os, "posix_fadvise", lambda _, at, n, __: asked.append((at, n)))
    track = WriteTrack(FileSink(tmp_path / "out"), SilentProgress())
    for position in (9, 10, 35, 35):
        track.complete_to(position)
    assert asked == [(0, 10), (10, 10), (20, 10)]


def test_refused_advice_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_FLUSH_WINDOW_NBYTES", 10)
    sink = FileSink(tmp_path / "out")
    os.close(sink.descriptor)
    WriteTrack(sink, SilentProgress()).complete_to(10)


def test_short_pieces_are_written_together(tmp_path: Path, source: int) -> None:
    sink = FileSink(tmp_path / "out")
    seen = Seen()
    track = WriteTrack(sink, seen)
    short = ShortPieces(sink, track, DEFAULT_LIMITS)
    assert short.take(Extent(source, 40, 8), 2)
    assert short.take(Extent(source, 0, 4), 10)
    assert sink.path.read_bytes() == b""
    short.flush()
    assert short.take(Extent(source, 99, 1), 20)
    assert not short.take(Extent(source, 99, 2), 21)
    short.flush()
    short.flush()
    track.finish()
    body = bytes([*range(40, 48), *range(4)])
    assert sink.path.read_bytes() == bytes(2) + body + bytes(6) + bytes([99])
    assert sum(seen.amounts) == 13
    os.close(sink.descriptor)


def test_short_pieces_are_written_before_they_are_many(tmp_path: Path, source: int) -> None:
    sink = FileSink(tmp_path / "out")
    short = ShortPieces(sink, WriteTrack(sink, Seen()), TINY)
    assert short.take(Extent(source, 0, 6), 0)
    assert short.take(Extent(source, 20, 6), 6)
    assert not short.take(Extent(source, 20, 8), 12)
    assert sink.path.read_bytes() == bytes([*range(6), *range(20, 26)])
    os.close(sink.descriptor)
