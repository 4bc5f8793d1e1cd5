"""Positioned reads over bytes, wherever they are: the interface and its views.

A source never gives fewer bytes than it was asked for, and never more than it has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from converter.errors import SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Self


class Extent:
    """Raw bytes inside an open file, for copies that need not pass through Python.

    Attributes:
        descriptor: open file descriptor, owned by the source it came from.
        offset: absolute position in that file, in bytes.
        nbytes: length.
    """

    __slots__ = ("descriptor", "nbytes", "offset")

    # Made three times for each tensor that is copied: hence no `Frozen`.
    def __init__(self, descriptor: int, offset: int, nbytes: int) -> None:
        """Hold what is told."""
        self.descriptor: Final = descriptor
        self.offset: Final = offset
        self.nbytes: Final = nbytes


class ByteSource(ABC):
    """Bytes with a length, read by position; safe to read from several threads.

    Attributes:
        name: how messages call it: a path, or ``path!record``.
        nbytes: its length in bytes, fixed when it was opened.
    """

    __slots__ = ("name", "nbytes")

    name: str
    nbytes: int

    @abstractmethod
    def _read(self, offset: int, nbytes: int) -> bytes:
        """Return the bytes of a range that is known to lie inside."""

    def read_at(self, offset: int, nbytes: int) -> bytes:
        """Return exactly `nbytes` bytes from `offset`.

        Raises:
            SourceError: the range does not lie inside the source, or the read failed.
        """
        if offset < 0 or nbytes < 0 or offset + nbytes > self.nbytes:
            msg = (
                f"read outside the source: {self.name}, offset {offset}: "
                f"expected {nbytes} bytes, found {max(0, self.nbytes - max(offset, 0))}"
            )
            raise SourceError(msg)
        return self._read(offset, nbytes) if nbytes else b""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` (bytes, contiguous) from `offset`; errors as in `read_at`."""
        buffer[:] = self.read_at(offset, len(buffer))

    def extent(self) -> Extent | None:
        """Return where these bytes lie unchanged in an open file, or None."""
        return None

    def check_unchanged(self) -> None:  # noqa: B027 - most sources have nothing to compare
        """Compare what was opened with what is there now.

        Raises:
            SourceError: it was written to, cut or extended since.
        """

    def close(self) -> None:  # noqa: B027 - most sources own nothing
        """Release what the source owns; harmless when repeated."""

    def __enter__(self) -> Self:
        """Return the source itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


class MemorySource(ByteSource):
    """Bytes that are in memory already (a nested blob, an array inside a pickle)."""

    __slots__ = ("_bytes",)

    def __init__(self, data: bytes, name: str) -> None:
        """Wrap `data` without copying it."""
        self.name = name
        self.nbytes = len(data)
        self._bytes: Final = data

    def _read(self, offset: int, nbytes: int) -> bytes:
        return self._bytes[offset : offset + nbytes]


class WindowSource(ByteSource):
    """A range of another source; does not own it."""

    __slots__ = ("_parent", "_start")

    def __init__(self, parent: ByteSource, start: int, nbytes: int, name: str) -> None:
        """Show `nbytes` bytes of `parent` from `start`.

        Raises:
            SourceError: the range does not lie inside `parent`.
        """
        if start < 0 or nbytes < 0 or start + nbytes > parent.nbytes:
            msg = (
                f"range outside the source: {name}: expected {start} + {nbytes} bytes "
                f"within {parent.name}, found {parent.nbytes}"
            )
            raise SourceError(msg)
        self.name = name
        self.nbytes = nbytes
        self._parent: Final = parent
        self._start: Final = start

    def _read(self, offset: int, nbytes: int) -> bytes:
        # What lies inside the window lies inside the parent: it need not be compared again.
        return self._parent._read(self._start + offset, nbytes)  # noqa: SLF001

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset` of the window."""
        if offset < 0 or offset + len(buffer) > self.nbytes:
            self.read_at(offset, len(buffer))  # raises, with the message
        self._parent.read_into(self._start + offset, buffer)

    def extent(self) -> Extent | None:
        """Return the parent's extent, narrowed to the window."""
        outer = self._parent.extent()
        if outer is None:
            return None
        return Extent(outer.descriptor, outer.offset + self._start, self.nbytes)
