"""A deflated record as a byte source: unpacked while it is read, in constant memory.

Rules, in order:

1. Reading forward inflates; nothing is kept but the last piece.
2. Reading back to before that piece starts again, once.
3. From the second time on, everything is inflated into one place and read from there: memory for
   a small record, an anonymous temporary file for a larger one.
4. The stream must end exactly at the declared length: checked when the last byte is read.
5. What was found damaged once stays unreadable.
"""

from __future__ import annotations

import os
import threading
import zlib

from converter.byteio.local import FileSource
from converter.byteio.source import ByteSource, MemorySource
from converter.errors import ContainerError, SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

_PACKED_CHUNK_NBYTES: Final = 1 << 16
_PIECE_NBYTES: Final = 1 << 18
_IN_MEMORY_NBYTES: Final = 1 << 20
_RAW_DEFLATE: Final = -zlib.MAX_WBITS


class InflatedSource(ByteSource):
    """The unpacked bytes of a raw deflate stream.

    The caller has checked the declared length against its limits; no more than that is ever
    produced.
    """

    __slots__ = (
        "_consumed",
        "_decoder",
        "_failure",
        "_leftover",
        "_lock",
        "_packed",
        "_piece",
        "_piece_start",
        "_restarts",
        "_spool",
    )

    def __init__(self, packed: ByteSource, nbytes: int, name: str) -> None:
        """Unpack `packed`, which is declared to give `nbytes` bytes."""
        self.name = name
        self.nbytes = nbytes
        self._packed: Final = packed
        self._lock: Final = threading.Lock()
        self._restarts = 0
        self._spool: ByteSource | None = None
        self._leftover: int | None = None
        self._failure: ContainerError | None = None
        self._rewind()

    def _rewind(self) -> None:
        self._decoder = zlib.decompressobj(_RAW_DEFLATE)
        self._consumed = 0
        self._piece = b""
        self._piece_start = 0

    def _read(self, offset: int, nbytes: int) -> bytes:
        with self._lock:
            try:
                return self._read_locked(offset, nbytes)
            except ContainerError as error:
                self._failure = error
                raise

    def _read_locked(self, offset: int, nbytes: int) -> bytes:
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        if self._spool is None and offset < self._piece_start:
            self._go_back()
        if self._spool is not None:
            return self._spool.read_at(offset, nbytes)
        parts: list[bytes] = []
        position = offset
        stop = offset + nbytes
        while position < stop:
            piece_stop = self._piece_start + len(self._piece)
            if position < piece_stop:
                start = position - self._piece_start
                parts.append(self._piece[start : start + stop - position])
                position += len(parts[-1])
            else:
                self._next_piece()
        if stop == self.nbytes:
            self._finish()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _go_back(self) -> None:
        self._restarts += 1
        self._rewind()
        if self._restarts > 1:
            self._spool = self._spooled()

    def _next_piece(self) -> None:
        """Inflate the next piece; it is never empty."""
        piece_stop = self._piece_start + len(self._piece)
        piece = self._inflate(min(_PIECE_NBYTES, self.nbytes - piece_stop))
        if not piece:
            raise self._wrong_length(f"{piece_stop} bytes")
        self._piece_start = piece_stop
        self._piece = piece

    def _inflate(self, nbytes: int) -> bytes:
        """Return between 1 and `nbytes` further bytes, none only at the end of the stream."""
        decoder = self._decoder
        while not decoder.eof:
            packed = decoder.unconsumed_tail
            if not packed:
                count = min(_PACKED_CHUNK_NBYTES, self._packed.nbytes - self._consumed)
                packed = self._packed.read_at(self._consumed, count)
                self._consumed += count
            try:
                piece = decoder.decompress(packed, nbytes)
            except zlib.error as error:
                raise ContainerError(
                    "deflate stream is damaged",
                    source=self.name,
                    offset=self._piece_start + len(self._piece),
                    found=str(error),
                ) from error
            if piece:
                return piece
            if not packed and not decoder.eof:
                raise ContainerError(
                    "deflate stream is truncated",
                    source=self.name,
                    expected=f"{self.nbytes} bytes",
                    found=f"{self._piece_start + len(self._piece)}",
                )
        return b""

    def _finish(self) -> None:
        """Check that the stream ends where the declared length does."""
        if self._leftover is not None:
            return
        if self._inflate(1):
            raise self._wrong_length(f"more than {self.nbytes}")
        unread = self._packed.nbytes - self._consumed
        self._leftover = unread + len(self._decoder.unused_data)

    def check_end(self) -> int:
        """Check that the stream ends at the declared length, reading it to there if need be.

        Returns:
            How many packed bytes follow the end of the stream.

        Raises:
            ContainerError: the stream is longer, shorter or damaged.
        """
        if self.nbytes:
            self._read(self.nbytes - 1, 1)
        with self._lock:
            self._finish()
            return self._leftover or 0

    def _wrong_length(self, found: str) -> ContainerError:
        return ContainerError(
            "deflated record has another length than declared",
            source=self.name,
            expected=f"{self.nbytes} bytes",
            found=found,
        )

    def _pieces(self) -> Iterator[bytes]:
        done = 0
        while done < self.nbytes:
            self._next_piece()
            yield self._piece
            done += len(self._piece)
        self._finish()

    def _spooled(self) -> ByteSource:
        """Inflate everything into one place."""
        if self.nbytes <= _IN_MEMORY_NBYTES:
            spool: ByteSource = MemorySource(b"".join(self._pieces()), self.name)
        else:
            spool = _spool_to_file(self._pieces(), self.name)
        self._piece = b""
        return spool

    def close(self) -> None:
        """Give back the spool; reading again starts from the packed bytes."""
        with self._lock:
            spool, self._spool = self._spool, None
            self._restarts = 0
            self._rewind()
        if spool is not None:
            spool.close()


def _spool_to_file(pieces: Iterator[bytes], name: str) -> ByteSource:
    """Write `pieces` to a temporary file without a name."""
    # These two cost more to import than most archives to read, and few archives are this large.
    import tempfile
    from pathlib import Path

    try:
        descriptor, path = tempfile.mkstemp(prefix="depickle-")
    except OSError as error:
        raise _spool_error(name, error) from error
    try:
        Path(path).unlink()
        for piece in pieces:
            _write_all(descriptor, piece)
    except OSError as error:
        os.close(descriptor)
        raise _spool_error(name, error) from error
    except BaseException:
        os.close(descriptor)
        raise
    return FileSource.adopt(descriptor, name)


def _spool_error(name: str, error: OSError) -> SourceError:
    return SourceError(f"cannot unpack to a temporary file: {name}: {error.strerror}")


def _write_all(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
