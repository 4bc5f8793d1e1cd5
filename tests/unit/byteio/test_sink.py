"""Output is whole under its final name, or not there."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from converter.byteio import renaming, sink
from converter.byteio.sink import AtomicFile, AtomicFolder
from converter.errors import SinkError

REPOSITORY = Path(__file__).parents[3]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_and_raise(error: BaseException, target: AtomicFile) -> None:
    with target as out:
        out.write(b"half")
        raise error


def fill_and_raise(error: BaseException, target: AtomicFolder) -> None:
    with target as folder:
        (folder.path / "x").write_bytes(b"half")
        raise error


def write_beside(target: Path) -> None:
    """Write a file of which another version appears meanwhile."""
    with AtomicFile(target) as out:
        out.write(b"mine")
        target.write_bytes(b"theirs")


def failing(code: int) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise OSError(code, os.strerror(code))

    return fail


def without_renameat2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renaming, "_renameat2", lambda *_: False)


def test_file_appears_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    with AtomicFile(target) as out:
        out.write(b"abc")
        out.write(memoryview(bytearray(b"defg")).cast("H"))
        out.write(b"")
        out.write_at(1, b"X")
        out.write_at(20, memoryview(b""))
        assert not target.exists()
        assert len(names(tmp_path)) == 1
        assert os.lseek(out.descriptor, 0, os.SEEK_CUR) == 7
    assert target.read_bytes() == b"aXcdefg"
    assert names(tmp_path) == ["out.bin"]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_mode_is_what_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with AtomicFile(tmp_path / "f"):
            pass
        with AtomicFolder(tmp_path / "d"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o777 & ~umask


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_error_leaves_nothing(tmp_path: Path, kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        write_and_raise(kind(), AtomicFile(tmp_path / "f"))
    with pytest.raises(kind):
        fill_and_raise(kind(), AtomicFolder(tmp_path / "d"))
    assert names(tmp_path) == []


def test_existing_file_is_kept_unless_asked(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_bytes(b"old")
    with pytest.raises(SinkError, match="exists already"), AtomicFile(target):
        pass
    assert target.read_bytes() == b"old"
    with pytest.raises(ZeroDivisionError):
        write_and_raise(ZeroDivisionError(), AtomicFile(target, replace=True))
    assert target.read_bytes() == b"old"
    with AtomicFile(target, replace=True) as out:
        out.write(b"new")
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("renames", [True, False])
def test_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool, renames: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", failing(errno.EPERM))
    if not renames:
        without_renameat2(monkeypatch)
    target = tmp_path / "f"
    with pytest.raises(SinkError, match="exists already"):
        write_beside(target)
    assert target.read_bytes() == b"theirs"
    assert names(tmp_path) == ["f"]
    target.unlink()
    with AtomicFile(target) as out:
        out.write(b"mine")
    assert target.read_bytes() == b"mine"
    assert names(tmp_path) == ["f"]


def test_of_many_writers_one_wins(tmp_path: Path) -> None:
    target = tmp_path / "f"
    barrier = threading.Barrier(8)
    outcomes: list[str] = []

    def write(text: bytes) -> None:
        try:
            with AtomicFile(target) as out:
                out.write(text)
                barrier.wait()
            outcomes.append(text.decode())
        except SinkError:
            pass

    threads = [threading.Thread(target=write, args=(str(n).encode(),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 1
    assert target.read_text() == outcomes[0]
    assert names(tmp_path) == ["f"]


def test_target_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_bytes(b"")
    for path, replace in (
        (tmp_path / "d", True),
        (tmp_path / "none" / "f", False),
        (tmp_path / "f" / "x", False),
        (tmp_path / "a\0b", False),
        (tmp_path / ("n" * 300), False),
    ):
        with pytest.raises(SinkError, match="cannot write"), AtomicFile(path, replace=replace):
            pass
    for path in (tmp_path / "f", tmp_path / "f" / "x", tmp_path / "none" / "d"):
        with pytest.raises(SinkError, match="cannot write"), AtomicFolder(path, replace=True):
            pass
    assert names(tmp_path) == ["d", "f"]


def test_longest_name_is_possible(tmp_path: Path) -> None:
    for name in ("n" * 255, "ü" * 127):
        with AtomicFile(tmp_path / name) as out:
            out.write(b"x")
        assert (tmp_path / name).read_bytes() == b"x"


def test_link_as_target_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"old")
    (tmp_path / "f").symlink_to("precious")
    with pytest.raises(SinkError), AtomicFile(tmp_path / "f"):
        pass
    with AtomicFile(tmp_path / "f", replace=True) as out:
        out.write(b"new")
    assert (tmp_path / "precious").read_bytes() == b"old"
    assert not (tmp_path / "f").is_symlink()


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, pwrite = os.write, os.pwrite
    with AtomicFile(tmp_path / "f") as out, monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, view: write(fd, view[:3]))
        patch.setattr(os, "pwrite", lambda fd, view, at: pwrite(fd, view[:3], at))
        out.write(b"0123456789")
        out.write_at(10, b"abcdefghij")
    assert (tmp_path / "f").read_bytes() == b"0123456789abcdefghij"


@pytest.mark.parametrize("name", ["write", "pwrite", "posix_fallocate", "fsync", "link"])
def test_errors_of_the_disk_are_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    target = tmp_path / "f"
    with monkeypatch.context() as patch:

        def write() -> None:
            with AtomicFile(target) as out:
                patch.setattr(os, name, failing(errno.ENOSPC))
                out.preallocate(10)
                out.write(b"x")
                out.write_at(0, b"x")

        with pytest.raises(SinkError, match="f: No space left on device"):
            write()
    assert names(tmp_path) == []


def test_preallocation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with AtomicFile(tmp_path / "f") as out:
        out.preallocate(0)
        out.preallocate(100_000)
        assert os.fstat(out.descriptor).st_size == 100_000
        monkeypatch.setattr(os, "posix_fallocate", failing(errno.EOPNOTSUPP))
        out.preallocate(1)
        with pytest.raises(SinkError, match="No space left"):
            out.preallocate(1 << 60)


def test_use_outside_the_block(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="not open"):
        AtomicFile(tmp_path / "f").write(b"x")
    with pytest.raises(SinkError, match="not open"):
        _ = AtomicFolder(tmp_path / "f").path


def test_folder_appears_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with AtomicFolder(target) as folder:
        with AtomicFile(folder.path / "a") as out:
            out.write(b"1")
        (folder.path / "sub").mkdir()
        (folder.path / "sub" / "b").write_bytes(b"2")
        (folder.path / "link").symlink_to("a")
        assert not target.exists()
    assert names(target) == ["a", "link", "sub"]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("system", [True, False])
def test_existing_folder_is_kept_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, system: bool
) -> None:
    if not system:
        without_renameat2(monkeypatch)
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(SinkError, match="exists already"), AtomicFolder(target):
        pass
    (target / "old").write_bytes(b"1")
    with AtomicFolder(target, replace=True) as folder:
        (folder.path / "new").write_bytes(b"2")
    assert names(target) == ["new"]
    with pytest.raises(SinkError, match="exists already"), AtomicFolder(tmp_path / "b") as folder:
        (tmp_path / "b").mkdir()
    with AtomicFolder(tmp_path / "c", replace=True) as folder:
        (folder.path / "x").write_bytes(b"3")
    assert names(tmp_path) == ["b", "c", "out"]


def test_failed_swap_puts_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_renameat2(monkeypatch)
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_bytes(b"1")
    rename = Path.rename

    def fail_once(self: Path, to: Path) -> Path:
        if (self / "new").exists():
            raise OSError(errno.EIO, "x")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail_once)
    with (
        pytest.raises(SinkError, match="Input/output error"),
        AtomicFolder(target, replace=True) as folder,
    ):
        (folder.path / "new").write_bytes(b"2")
    assert names(tmp_path) == ["out"]
    assert names(target) == ["old"]


KILLED = """
import os, signal, sys
from converter.byteio.sink import AtomicFile, AtomicFolder
with {kind}(sys.argv[1]) as out:
    if {file}:
        out.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["AtomicFile", "AtomicFolder"])
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out"
    program = KILLED.format(kind=kind, file=kind == "AtomicFile")
    subprocess.run([sys.executable, "-c", program, target], cwd=REPOSITORY, check=False)
    assert len(names(tmp_path)) == 1
    with AtomicFile(tmp_path / "other"):
        pass
    assert len(names(tmp_path)) == 2
    with AtomicFile(target) as out:
        out.write(b"whole")
    assert names(tmp_path) == ["other", "out"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO])
def test_folder_that_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """EINVAL is how a file system says that it does not flush folders; others are failures."""
    fsync = os.fsync

    def flush(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, "x")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", flush)
    failure = None
    try:
        with AtomicFile(tmp_path / "f") as out:
            out.write(b"x")
    except SinkError as error:
        failure = error
    assert (failure is not None) == (code == errno.EIO)
    assert names(tmp_path) == ["f"]


def test_folder_that_cannot_be_walked_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not flushed may be lost in a power cut."""
    target = tmp_path / "d"

    def publish() -> None:
        with AtomicFolder(target) as folder:
            (folder.path / "x").write_bytes(b"")
            monkeypatch.setattr(os, "scandir", failing(errno.EIO))

    with pytest.raises(SinkError, match="Input/output error"):
        publish()
    assert not target.exists()


def test_failing_close_does_not_undo_what_was_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.close

    def close(descriptor: int) -> None:
        real(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with AtomicFile(tmp_path / "f") as out:
        out.write(b"x")
        out.flush()
        monkeypatch.setattr(sink, "_fsync_folder", lambda _: None)
        monkeypatch.setattr(os, "close", close)
    assert names(tmp_path) == ["f"]


def test_system_that_accepts_nothing_is_not_asked_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    monkeypatch.setattr(os, "write", lambda *_: 0)
    for write in (AtomicFile.write, lambda out, content: out.write_at(0, content)):
        with (
            pytest.raises(SinkError, match="accepts no more"),
            AtomicFile(tmp_path / "f") as out,
        ):
            write(out, b"x")
    assert names(tmp_path) == []
