"""Bytes from one open file to another, by the kernel where that is quickest."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from converter.byteio.short_reads import ShortReads
from converter.errors import SourceError

if TYPE_CHECKING:
    from converter.byteio.source import Extent
    from converter.limits import Limits
    from converter.progress import Progress

# How much is handed to the disk at once while writing goes on.
_FLUSH_WINDOW_NBYTES: Final = 1 << 26
# Progress is told in steps of at least this much: some pieces are a few KiB.
_PROGRESS_STEP_NBYTES: Final = 1 << 22
# A buffer that stays in a processor's cache between the reading and the writing.
_BUFFER_NBYTES: Final = 1 << 19
_PAGE_NBYTES: Final = 1 << 12


class Sink(Protocol):
    """What a file is written to: `converter.byteio.sink.AtomicFile`, or something like it."""

    @property
    def descriptor(self) -> int:
        """Return the open descriptor behind it."""

    def write_at(self, offset: int, buffer: bytes | bytearray | memoryview) -> None:
        """Write all of `buffer` at `offset`; raises `SinkError`."""

    def preallocate(self, nbytes: int) -> None:
        """Reserve space for the whole output; raises `SinkError`."""


class WriteTrack:
    """Follows what is written to one file: tells progress, and starts the disk early.

    The file is flushed before it is published, and by default the kernel begins to write only
    then, or when much memory is dirty. Asked early, window by window, the disk works while the
    next bytes are copied: a quarter to a half of the time of a large file. The request is
    POSIX_FADV_DONTNEED, which begins to write what is dirty and drops what is not; asked at once,
    before the disk is done, it leaves the output in memory for whoever reads it next.
    """

    def __init__(self, sink: Sink, progress: Progress) -> None:
        """Begin at the start of an empty sink."""
        self._sink: Final = sink
        self._progress: Final = progress
        self._untold = 0
        self._flushing = 0

    def written(self, nbytes: int) -> None:
        """Note that `nbytes` more were written, anywhere."""
        self._untold += nbytes
        if self._untold >= _PROGRESS_STEP_NBYTES:
            self._tell()

    def complete_to(self, position: int) -> None:
        """Note that everything before `position` is written."""
        while position - self._flushing >= _FLUSH_WINDOW_NBYTES:
            if hasattr(os, "posix_fadvise"):
                with suppress(OSError):  # advice only: the flush before publishing counts
                    os.posix_fadvise(
                        self._sink.descriptor,
                        self._flushing,
                        _FLUSH_WINDOW_NBYTES,
                        os.POSIX_FADV_DONTNEED,
                    )
            self._flushing += _FLUSH_WINDOW_NBYTES

    def finish(self) -> None:
        """Tell progress what it has not been told."""
        self._tell()

    def _tell(self) -> None:
        if self._untold:
            self._progress.advance(self._untold)
            self._untold = 0


class ShortPieces:
    """Collects pieces that follow one another in the output, and writes many of them at once."""

    def __init__(self, sink: Sink, track: WriteTrack, limits: Limits) -> None:
        """Begin with none."""
        self._most_nbytes: Final = min(_BUFFER_NBYTES, limits.copy_chunk_bytes)
        self._sink: Final = sink
        self._track: Final = track
        self._reads: Final = ShortReads()
        self._pieces: list[bytes] = []
        self._start = 0
        self._nbytes = 0

    def take(self, extent: Extent, position: int) -> bool:
        """Take what is short and can be read, for `position`; return whether it was.

        The pieces taken since the last `flush` follow one another.

        Raises:
            SinkError: the sink cannot be written.
        """
        if extent.nbytes > self._most_nbytes:
            return False
        piece = self._reads.read(extent.descriptor, extent.offset, extent.nbytes)
        if piece is None:
            return False
        if not self._pieces:
            self._start = position
        self._pieces.append(piece)
        self._nbytes += len(piece)
        if self._nbytes >= self._most_nbytes:
            self.flush()
        return True

    def flush(self) -> None:
        """Write what was taken.

        Raises:
            SinkError: the sink cannot be written.
        """
        if self._pieces:
            self._sink.write_at(self._start, b"".join(self._pieces))
            self._track.written(self._nbytes)
            self._track.complete_to(self._start + self._nbytes)
            self._pieces.clear()
            self._nbytes = 0


def copy_extent(
    extent: Extent, sink: Sink, position: int, track: WriteTrack, limits: Limits
) -> None:
    """Copy the bytes of `extent` to `position` of `sink`.

    Raises:
        SourceError: the source became shorter, or cannot be read.
        SinkError: the sink cannot be written.
    """
    done = _copy_in_kernel(extent, sink, position, track, limits)
    if done < extent.nbytes:
        _copy_through_memory(extent, done, sink, position, track, limits)


def _copy_in_kernel(
    extent: Extent, sink: Sink, position: int, track: WriteTrack, limits: Limits
) -> int:
    """Copy as far as copy_file_range goes, and return how far that was.

    It refuses some pairs of file systems, and where it fails it does not tell which side failed:
    the plain copy that goes on from there meets the same error, and knows. Where the two places
    stand differently within a page, every page of the source goes to two of the output: the
    kernel then takes half as long again as the plain copy does.
    """
    done = 0
    if not hasattr(os, "copy_file_range") or (extent.offset - position) % _PAGE_NBYTES:
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
        track.written(count)
        track.complete_to(position + done)
    return done


def _copy_through_memory(
    extent: Extent, done: int, sink: Sink, position: int, track: WriteTrack, limits: Limits
) -> None:
    nbytes = min(_BUFFER_NBYTES, limits.copy_chunk_bytes, extent.nbytes - done)
    buffer = memoryview(bytearray(nbytes))
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
        track.written(count)
        track.complete_to(position + done)
