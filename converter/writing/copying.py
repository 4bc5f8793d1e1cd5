"""Bytes from one open file to another, by the kernel where it can."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from converter.errors import SourceError

if TYPE_CHECKING:
    from converter.byteio.source import Extent
    from converter.limits import Limits
    from converter.progress import Progress


class Sink(Protocol):
    """What a file is written to: `converter.byteio.sink.AtomicFile`, or something like it."""

    @property
    def descriptor(self) -> int:
        """Return the open descriptor behind it."""

    def write_at(self, offset: int, buffer: bytes | bytearray | memoryview) -> None:
        """Write all of `buffer` at `offset`; raises `SinkError`."""

    def preallocate(self, nbytes: int) -> None:
        """Reserve space for the whole output; raises `SinkError`."""


def copy_extent(
    extent: Extent, sink: Sink, position: int, progress: Progress, limits: Limits
) -> None:
    """Copy the bytes of `extent` to `position` of `sink`.

    Raises:
        SourceError: the source became shorter, or cannot be read.
        SinkError: the sink cannot be written.
    """
    done = _copy_in_kernel(extent, sink, position, progress, limits)
    if done < extent.nbytes:
        _copy_through_memory(extent, done, sink, position, progress, limits)


def _copy_in_kernel(
    extent: Extent, sink: Sink, position: int, progress: Progress, limits: Limits
) -> int:
    """Copy as far as copy_file_range goes, and return how far that was.

    It refuses some pairs of file systems, and where it fails it does not tell which side failed:
    the plain copy that goes on from there meets the same error, and knows.
    """
    done = 0
    if not hasattr(os, "copy_file_range"):
        return done
    while done < extent.nbytes:
        try:
            count = os.copy_file_range(
                extent.descriptor,
                sink.descriptor,
                min(limits.copy_chunk_bytes, extent.nbytes - done),
                extent.offset + done,
                position + done,
            )
        except OSError:
            break
        if count == 0:
            break
        done += count
        progress.advance(count)
    return done


def _copy_through_memory(
    extent: Extent, done: int, sink: Sink, position: int, progress: Progress, limits: Limits
) -> None:
    buffer = memoryview(bytearray(min(limits.copy_chunk_bytes, extent.nbytes - done)))
    while done < extent.nbytes:
        piece = buffer[: extent.nbytes - done]
        try:
            count = os.preadv(extent.descriptor, [piece], extent.offset + done)
        except OSError as error:
            msg = f"cannot read: offset {extent.offset + done}: {os.strerror(error.errno or 0)}"
            raise SourceError(msg) from error
        if count == 0:
            msg = (
                f"became shorter while it was being read: offset {extent.offset + done}: "
                f"expected {extent.nbytes - done} more bytes"
            )
            raise SourceError(msg)
        sink.write_at(position + done, piece[:count])
        done += count
        progress.advance(count)
