"""A local file is read exactly, or an error says why not."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from converter.byteio.local import FileSource, Fingerprint
from converter.errors import SourceError, SourceNotFoundError

CONTENT = bytes(range(256)) * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "input.bin"
    path.write_bytes(CONTENT)
    return path


def test_reads_by_position(path: Path) -> None:
    with FileSource(path) as source:
        assert source.nbytes == len(CONTENT)
        assert source.name == str(path)
        assert source.read_at(0, len(CONTENT)) == CONTENT
        assert source.read_at(250, 10) == CONTENT[250:260]
        assert source.read_at(len(CONTENT), 0) == b""
        buffer = bytearray(10)
        source.read_into(250, memoryview(buffer))
        assert bytes(buffer) == CONTENT[250:260]
        source.read_into(0, memoryview(bytearray()))
        extent = source.extent()
        assert os.pread(extent.descriptor, extent.nbytes, extent.offset) == CONTENT


@pytest.mark.parametrize(("offset", "nbytes"), [(-1, 1), (0, -1), (len(CONTENT), 1), (1, 1 << 60)])
def test_ranges_outside_are_refused(path: Path, offset: int, nbytes: int) -> None:
    with FileSource(path) as source, pytest.raises(SourceError, match="outside"):
        source.read_at(offset, nbytes)


def test_filling_outside_is_refused(path: Path) -> None:
    with FileSource(path) as source, pytest.raises(SourceError, match="outside"):
        source.read_into(len(CONTENT) - 3, memoryview(bytearray(4)))


def test_wider_items_are_filled_by_bytes(path: Path) -> None:
    with FileSource(path) as source:
        buffer = bytearray(16)
        source.read_into(1, memoryview(buffer).cast("I"))
        assert bytes(buffer) == CONTENT[1:17]


def test_short_reads_are_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pread, preadv = os.pread, os.preadv
    monkeypatch.setattr(os, "pread", lambda fd, n, at: pread(fd, min(n, 1000), at))
    monkeypatch.setattr(os, "preadv", lambda fd, views, at: preadv(fd, [views[0][:1000]], at))
    with FileSource(path) as source:
        assert source.read_at(3, 5_000) == CONTENT[3:5_003]
        buffer = bytearray(5_000)
        source.read_into(3, memoryview(buffer))
        assert bytes(buffer) == CONTENT[3:5_003]


def test_missing_file() -> None:
    with pytest.raises(SourceNotFoundError, match="No such file"):
        FileSource("/nonexistent/file")


def test_path_below_a_file_is_missing(path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        FileSource(path / "x")


def test_only_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name, found in (("fifo", "a FIFO"), ("folder", "a folder")):
        with pytest.raises(SourceError, match=f"not a regular file: .*{name}: found {found}"):
            FileSource(tmp_path / name)
    with pytest.raises(SourceError, match="a character device"):
        FileSource("/dev/null")


def test_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(SourceError, match="not a regular file"):
            FileSource("socket")


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_impossible_names(name: str) -> None:
    with pytest.raises(SourceError):
        FileSource(name)


def test_no_descriptor_is_leaked_by_a_refusal(tmp_path: Path) -> None:
    before = list(Path("/proc/self/fd").iterdir())
    for _ in range(3):
        with pytest.raises(SourceError):
            FileSource(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == len(before)


def test_shortened_file_is_an_error_and_never_short(path: Path) -> None:
    with FileSource(path) as source:
        os.truncate(path, 100)
        with pytest.raises(SourceError, match="became shorter"):
            source.read_at(50, 100)
        with pytest.raises(SourceError, match="became shorter"):
            source.read_into(50, memoryview(bytearray(100)))
        with pytest.raises(SourceError, match="changed while"):
            source.check_unchanged()


def test_change_is_seen(path: Path) -> None:
    with FileSource(path) as source:
        source.check_unchanged()
        status = path.stat()
        fingerprint = source.fingerprint()
        assert fingerprint == Fingerprint(
            status.st_dev, status.st_ino, len(CONTENT), status.st_mtime_ns
        )
        os.utime(path, ns=(0, 0))
        with pytest.raises(SourceError, match="changed while"):
            source.check_unchanged()
        assert source.fingerprint() == fingerprint


def test_errors_of_the_disk_are_ours(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "x")

    with FileSource(path) as source:
        calls = {
            "pread": lambda: source.read_at(0, 1),
            "preadv": lambda: source.read_into(0, memoryview(bytearray(1))),
            "fstat": source.check_unchanged,
            "open": lambda: FileSource(path),
        }
        for name, call in calls.items():
            with monkeypatch.context() as patch:
                patch.setattr(os, name, fail)
                failure = caught(call)
            assert str(failure) == f"cannot read: {path}: Input/output error"
        with monkeypatch.context() as patch:
            patch.setattr(os, "fstat", fail)
            failure = caught(lambda: FileSource(path))
        assert isinstance(failure, SourceError)


def caught(call: Callable[[], object]) -> SourceError | None:
    """Call while parts of `os` are broken, which pytest itself would not survive."""
    try:
        call()
    except SourceError as error:
        return error
    return None


def test_closing_twice_is_harmless(path: Path) -> None:
    source = FileSource(path)
    source.close()
    source.close()
    for use in (lambda: source.read_at(0, 1), source.extent, source.check_unchanged):
        with pytest.raises(SourceError, match="read after close"):
            use()


def test_forgotten_source_is_closed(path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    source = FileSource(path)
    del source
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_threads_read_at_once(path: Path) -> None:
    wrong: list[int] = []
    with FileSource(path) as source:

        def read(start: int) -> None:
            for offset in range(start, len(CONTENT) - 100, 97):
                right = source.read_at(offset, 100) == CONTENT[offset : offset + 100]
                wrong.extend([] if right else [offset])

        threads = [threading.Thread(target=read, args=(start,)) for start in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
