"""Output that appears complete under its final name, or not at all.

The rules, in order:

1. Everything is written under a temporary name in the folder of the target
   (`converter.byteio.temporaries`).
2. On success it is flushed to the disk, then given its final name in one step, and that step is
   flushed too. On an error the temporary is removed.
3. An existing target stays as it is unless replacing was asked for, also if it appears meanwhile.
4. What a killed process left behind for the same target is removed by the next run, if it is
   certain that nobody owns it.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from converter.byteio import renaming, temporaries
from converter.errors import SinkError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn, Self

# link(2) is missing there (FAT, some network and FUSE file systems).
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES})
_NO_FALLOCATE: Final = frozenset({errno.ENOTSUP, errno.EINVAL, errno.ENOSYS, errno.ENODEV})
_NO_DIRECTORY_FSYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})


class AtomicFile:
    """A file that is written under a temporary name and published when the block ends well.

    The mode of the file is what the umask leaves of 0666.

    Attributes:
        path: its final name.
        replace: whether an existing file of that name is replaced.
        part_of: the output that this file belongs to, in the same folder. Its temporary name is
            one of that output, so that whoever writes that one again removes it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        replace: bool = False,
        part_of: Path | None = None,
    ) -> None:
        """Plan to write `path`; nothing is touched before the block begins."""
        self.path: Final = Path(path)
        self.replace: Final = replace
        self.part_of: Final = part_of if part_of is not None else self.path
        self._temporary: Path | None = None
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Create the temporary.

        Raises:
            SinkError: the target exists (without `replace`), is a folder, or cannot be created.
        """
        temporaries.remove_abandoned(self.part_of)
        _check_target(self.path, replace=self.replace, folder=False)
        self._temporary = temporary = temporaries.temporary_path(self.part_of)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._descriptor = os.open(temporary, flags, 0o666)
        except (OSError, ValueError) as error:
            self._discard()
            raise _sink_error(self.path, error) from error
        temporaries.lock(self._descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Publish after success; remove the temporary after an error.

        Raises:
            SinkError: publishing failed, or the target has appeared meanwhile.
        """
        try:
            if kind is None and self._temporary is not None:
                self._publish(self._temporary)
        except OSError as failure:
            raise _sink_error(self.path, failure) from failure
        finally:
            self._discard()

    @property
    def written_path(self) -> Path:
        """Where the content stands until the block ends."""
        if self._temporary is None:
            msg = f"cannot write: {self.path}: the file is not open"
            raise SinkError(msg)
        return self._temporary

    @property
    def descriptor(self) -> int:
        """The open descriptor of the temporary; its position is where `write` goes on."""
        if self._descriptor < 0:
            msg = f"cannot write: {self.path}: the file is not open"
            raise SinkError(msg)
        return self._descriptor

    def write(self, buffer: bytes | bytearray | memoryview) -> None:
        """Write all of `buffer` at the position of the descriptor."""
        rest = memoryview(buffer).cast("B") if len(buffer) else memoryview(b"")
        while rest:
            try:
                count = os.write(self.descriptor, rest)
            except OSError as error:
                raise _sink_error(self.path, error) from error
            rest = rest[self._accepted(count) :]

    def write_at(self, offset: int, buffer: bytes | bytearray | memoryview) -> None:
        """Write all of `buffer` at `offset`; the position of the descriptor stays."""
        rest = memoryview(buffer).cast("B") if len(buffer) else memoryview(b"")
        while rest:
            try:
                count = os.pwrite(self.descriptor, rest, offset)
            except OSError as error:
                raise _sink_error(self.path, error) from error
            rest = rest[self._accepted(count) :]
            offset += count

    def _accepted(self, count: int) -> int:
        """Return how many bytes were written; a system that takes none would be asked for ever.

        Raises:
            SinkError: none were.
        """
        if count <= 0:
            msg = f"cannot write: {self.path}: the system accepts no more bytes"
            raise SinkError(msg)
        return count

    def flush(self) -> None:
        """Bring what was written to the disk.

        Raises:
            SinkError: the disk would not have it.
        """
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            raise _sink_error(self.path, error) from error

    def preallocate(self, nbytes: int) -> None:
        """Make the file `nbytes` long and reserve its space, so that a full disk shows now.

        Where the file system cannot reserve, its free space is compared and nothing is changed.

        Raises:
            SinkError: there is not enough space.
        """
        if nbytes <= 0:
            return
        descriptor = self.descriptor
        try:
            os.posix_fallocate(descriptor, 0, nbytes)
        except OSError as error:
            if error.errno not in _NO_FALLOCATE:
                raise _sink_error(self.path, error) from error
            if _free_nbytes(descriptor) < nbytes:
                full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                raise _sink_error(self.path, full) from error

    def _publish(self, temporary: Path) -> None:
        os.fsync(self.descriptor)
        if self.replace:
            os.replace(temporary, self.path)  # noqa: PTH105 - beside os.link
        else:
            self._link(temporary)
        _fsync_folder(self.path.parent)

    def _link(self, temporary: Path) -> None:
        """Give the file its name; an existing one is an error, even in a race."""
        try:
            os.link(temporary, self.path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            renaming.rename_new(os.fspath(temporary), os.fspath(self.path))
        else:
            temporaries.remove(temporary)

    def _discard(self) -> None:
        """Close, and remove the temporary name if it is still there."""
        temporary, self._temporary = self._temporary, None
        descriptor, self._descriptor = self._descriptor, -1
        _discard(temporary, descriptor)


class AtomicFolder:
    """A folder that is filled under a temporary name and published when the block ends well.

    Attributes:
        target: its final name.
        replace: whether an existing folder of that name is replaced; it is removed only after
            the new one is in its place.
    """

    def __init__(self, path: str | os.PathLike[str], *, replace: bool = False) -> None:
        """Plan to write the folder `path`; nothing is touched before the block begins."""
        self.target: Final = Path(os.path.abspath(path))  # noqa: PTH100 - links must not be resolved
        self.replace: Final = replace
        self._temporary: Path | None = None
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Create the temporary folder.

        Raises:
            SinkError: the target exists (without `replace`), is no folder, or cannot be created.
        """
        temporaries.remove_abandoned(self.target)
        _check_target(self.target, replace=self.replace, folder=True)
        self._temporary = temporary = temporaries.temporary_path(self.target)
        try:
            temporary.mkdir(mode=0o777)
            self._descriptor = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            self._discard()
            raise _sink_error(self.target, error) from error
        temporaries.lock(self._descriptor)
        return self

    @property
    def path(self) -> Path:
        """Where to write meanwhile."""
        if self._temporary is None:
            msg = f"cannot write: {self.target}: the folder is not open"
            raise SinkError(msg)
        return self._temporary

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Publish after success; remove the temporary after an error.

        Raises:
            SinkError: publishing failed, or the target has appeared meanwhile.
        """
        try:
            if kind is None:
                self._publish(self.path)
        except OSError as failure:
            raise _sink_error(self.target, failure) from failure
        finally:
            self._discard()

    def _publish(self, temporary: Path) -> None:
        _fsync_tree(temporary)
        if self.replace and os.path.lexists(self.target):
            self._swap(temporary)
        else:
            renaming.rename_new(os.fspath(temporary), os.fspath(self.target))
        _fsync_folder(self.target.parent)

    def _swap(self, temporary: Path) -> None:
        """Put the new folder in place of the old, which is then what `_discard` removes."""
        _check_target(self.target, replace=True, folder=True)
        if renaming.exchange(os.fspath(temporary), os.fspath(self.target)):
            return
        aside = temporaries.temporary_path(self.target, temporaries.ASIDE_SUFFIX)
        try:
            self.target.rename(aside)
            try:
                temporary.rename(self.target)
            except OSError:
                aside.rename(self.target)
                raise
        except OSError:
            temporaries.release(aside)
            raise
        self._temporary = aside

    def _discard(self) -> None:
        temporary, self._temporary = self._temporary, None
        descriptor, self._descriptor = self._descriptor, -1
        _discard(temporary, descriptor)


def _discard(temporary: Path | None, descriptor: int) -> None:
    """Remove a temporary, if it is still there, and close it.

    What was published was flushed before: that closing fails says nothing of it.
    """
    if temporary is not None:
        temporaries.remove(temporary)
        temporaries.release(temporary)
    if descriptor >= 0:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _free_nbytes(descriptor: int) -> float:
    """Return the free space of the file system; infinity where it does not tell."""
    try:
        status = os.fstatvfs(descriptor)
    except OSError:
        return math.inf
    return status.f_bavail * status.f_frsize


def _check_target(path: Path, *, replace: bool, folder: bool) -> None:
    """Refuse a target that may not be replaced.

    Raises:
        SinkError: it exists without `replace`, or it is a folder where a file is to be, or no
            folder where a folder is to be.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise _sink_error(path, error) from error
    if not replace:
        msg = f"cannot write: {path}: it exists already"
        raise SinkError(msg)
    if stat.S_ISDIR(mode) != folder:
        found = "a folder" if stat.S_ISDIR(mode) else "no folder"
        msg = f"cannot write: {path}: it exists already and is {found}"
        raise SinkError(msg)


def _sink_error(path: Path, error: OSError | ValueError) -> SinkError:
    if isinstance(error, FileExistsError):
        return SinkError(f"cannot write: {path}: it exists already")
    text = str(error)
    if isinstance(error, OSError) and error.errno:
        text = os.strerror(error.errno)
    return SinkError(f"cannot write: {path}: {text}")


def _fsync_folder(path: Path) -> None:
    """Flush a directory, where its file system can."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_FSYNC:
            raise
    finally:
        os.close(descriptor)


def _fsync_tree(folder: Path) -> None:
    """Flush every regular file below `folder`, then every folder, the innermost first."""

    def fail(error: OSError) -> NoReturn:
        raise error

    for parent, _, names in os.walk(folder, topdown=False, onerror=fail):
        for name in names:
            _fsync_file(Path(parent, name))
        _fsync_folder(Path(parent))


def _fsync_file(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        return
    with contextlib.ExitStack() as stack:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        stack.callback(os.close, descriptor)
        os.fsync(descriptor)
