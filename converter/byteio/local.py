"""A local file as a byte source, opened once and read by position."""

from __future__ import annotations

import errno
import os
import stat

from converter.byteio.source import ByteSource, Extent
from converter.errors import SourceError, SourceNotFoundError
from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Self

# O_NONBLOCK: opening a FIFO without a writer would wait for ever; regular files ignore it.
_OPEN_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_MISSING: Final = frozenset({errno.ENOENT, errno.ENOTDIR})


class Fingerprint(Frozen):
    """What tells one state of a file from another without reading it.

    Attributes:
        device: number of the device the file lies on.
        inode: its number there.
        nbytes: its length.
        mtime_ns: when it was last modified, in nanoseconds.
    """

    device: int
    inode: int
    nbytes: int
    mtime_ns: int


def close_read(descriptor: int) -> None:
    """Close a descriptor that was only read, if there is one: no byte depends on that."""
    if descriptor >= 0:
        try:  # noqa: SIM105 - contextlib takes longer to import than a small file takes to read
            os.close(descriptor)
        except OSError:
            pass


def source_error(name: str, error: OSError) -> SourceError:
    """Return the `SourceError` that says what `error` did to the input called `name`."""
    text = os.strerror(error.errno) if error.errno else str(error)
    kind = SourceNotFoundError if error.errno in _MISSING else SourceError
    return kind(f"cannot read: {name}: {text}")


class FileSource(ByteSource):
    """A regular file, open for reading until `close`.

    A file that was cut while it was being read gives an error, never fewer bytes.
    """

    __slots__ = ("_descriptor", "_fingerprint")

    _descriptor: int

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open `path`.

        Raises:
            SourceNotFoundError: there is no such file.
            SourceError: it is not a regular file, or may not be read.
        """
        self._descriptor = -1
        name = os.fspath(path)
        try:
            descriptor = os.open(name, _OPEN_FLAGS)
        except (OSError, ValueError) as error:
            raise _opening_error(name, error) from error
        self._take(descriptor, name)

    @classmethod
    def adopt(cls, descriptor: int, name: str) -> Self:
        """Make a source of a descriptor that is open already; the source owns it from now on.

        Raises:
            SourceError: it is not a regular file.
        """
        self = cls.__new__(cls)
        self._descriptor = -1
        self._take(descriptor, name)
        return self

    def _take(self, descriptor: int, name: str) -> None:
        try:
            status = os.fstat(descriptor)
        except OSError as error:
            close_read(descriptor)
            raise source_error(name, error) from error
        if not stat.S_ISREG(status.st_mode):
            close_read(descriptor)
            msg = f"not a regular file: {name}: found {_kind_of_file(status.st_mode)}"
            raise SourceError(msg)
        self.name = name
        self.nbytes = status.st_size
        self._descriptor = descriptor
        self._fingerprint = _fingerprint(status)

    def _read(self, offset: int, nbytes: int) -> bytes:
        piece = self._pread(offset, nbytes)
        if len(piece) == nbytes:
            return piece
        pieces = [piece]
        done = len(piece)
        while done < nbytes:
            piece = self._pread(offset + done, nbytes - done)
            pieces.append(piece)
            done += len(piece)
        return b"".join(pieces)

    def _pread(self, offset: int, nbytes: int) -> bytes:
        try:
            piece = os.pread(self._open_descriptor(), nbytes, offset)
        except OSError as error:
            raise source_error(self.name, error) from error
        if not piece:
            raise self._shortened(offset)
        return piece

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset` without a copy; errors as in `read_at`."""
        view = buffer.cast("B") if buffer.nbytes else buffer
        if offset < 0 or offset + view.nbytes > self.nbytes:
            self.read_at(offset, view.nbytes)  # raises, with the message
        done = 0
        while done < view.nbytes:
            try:
                count = os.preadv(self._open_descriptor(), [view[done:]], offset + done)
            except OSError as error:
                raise source_error(self.name, error) from error
            if count == 0:
                raise self._shortened(offset + done)
            done += count

    def extent(self) -> Extent:
        """Return the whole file as an extent of its descriptor."""
        return Extent(self._open_descriptor(), 0, self.nbytes)

    def fingerprint(self) -> Fingerprint:
        """Return the state of the file as it was when it was opened."""
        return self._fingerprint

    def check_unchanged(self) -> None:
        """Compare the file with what it was when it was opened.

        Raises:
            SourceError: it was written to, cut or extended since.
        """
        try:
            now = _fingerprint(os.fstat(self._open_descriptor()))
        except OSError as error:
            raise source_error(self.name, error) from error
        before = self._fingerprint
        if now != before:
            msg = (
                f"changed while it was being read: {self.name}: "
                f"expected {before.nbytes} bytes of time {before.mtime_ns}, "
                f"found {now.nbytes} bytes of time {now.mtime_ns}"
            )
            raise SourceError(msg)

    def close(self) -> None:
        """Close the descriptor; harmless when repeated."""
        descriptor, self._descriptor = self._descriptor, -1
        close_read(descriptor)

    def __del__(self) -> None:
        """Close what was forgotten."""
        try:  # noqa: SIM105 - as in `close_read`
            self.close()
        except (AttributeError, OSError):
            pass

    def _open_descriptor(self) -> int:
        if self._descriptor < 0:
            msg = f"read after close: {self.name}"
            raise SourceError(msg)
        return self._descriptor

    def _shortened(self, offset: int) -> SourceError:
        return SourceError(
            f"became shorter while it was being read: {self.name}, offset {offset}: "
            f"expected {self.nbytes} bytes in all"
        )


def _fingerprint(status: os.stat_result) -> Fingerprint:
    return Fingerprint(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _opening_error(name: str, error: OSError | ValueError) -> SourceError:
    if isinstance(error, OSError) and error.errno == errno.ENXIO:
        return SourceError(f"not a regular file: {name}: found a socket or an idle device")
    if isinstance(error, OSError):
        return source_error(name, error)
    return SourceError(f"cannot read: {name!r}: {error}")


def _kind_of_file(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
