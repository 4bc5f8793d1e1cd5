"""A compressed file as a byte source: unpacked once, in pieces, into an anonymous place.

gzip (RFC 1952), bzip2, xz and lzma, zlib (RFC 1950); several streams in a row are one, as their own
tools have it. What is small stays in memory, what is not goes to a temporary file that has no name
and vanishes with the process.
"""

from __future__ import annotations

import bz2
import lzma
import os
import tempfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from converter.byteio.local import FileSource
from converter.byteio.source import ByteSource, MemorySource
from converter.errors import ContainerError, LimitError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from converter.limits import Limits

_CHUNK_NBYTES: Final = 1 << 18
_PIECE_NBYTES: Final = 1 << 20
_IN_MEMORY_NBYTES: Final = 1 << 20
_SALVAGED_NBYTES: Final = 1 << 16
# What the decoders of the standard library raise.
_DAMAGES: Final = (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError)
# What a decoder for xz may allocate: the largest preset, -9, needs 65 MiB.
_XZ_MEMORY_NBYTES: Final = 1 << 28


class _Decoder(Protocol):
    """What the standard library's decoders have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def unused_data(self) -> bytes:
        """What was given beyond its end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return at most `max_length` further bytes."""


class _Zlib:
    """zlib's decoder, which keeps its unread input for the caller, made like the others."""

    def __init__(self, wbits: int) -> None:
        self._decoder: Final = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=_XZ_MEMORY_NBYTES)


_DECODERS: Final[dict[str, Callable[[], _Decoder]]] = {
    "gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "zlib": lambda: _Zlib(zlib.MAX_WBITS),
    "bzip2": bz2.BZ2Decompressor,
    "xz": _xz,
    "lzma": _xz,
}
KINDS: Final = frozenset(_DECODERS)
"""The compressions that can be read through, as detection names them."""

# What another stream begins with, for those formats that allow one, and whether zeros may precede.
_FOLLOWERS: Final = {
    "gzip": (b"\x1f\x8b", True),
    "bzip2": (b"BZh", False),
    "xz": (b"\xfd7zXZ", True),
}


@dataclass(frozen=True, slots=True)
class Decompressed:
    """What was in a compressed file.

    Attributes:
        data: the unpacked bytes; closing or forgetting it gives its temporary file back.
        trailing_nbytes: packed bytes behind the last stream, which readers ignore.
    """

    data: ByteSource
    trailing_nbytes: int


def decompress(source: ByteSource, kind: str, limits: Limits) -> Decompressed:
    """Unpack all of `source`.

    Args:
        source: the compressed file; not needed any more afterwards.
        kind: one of `KINDS`.
        limits: how far it may grow, in bytes and in proportion.

    Raises:
        ContainerError: it is damaged or truncated.
        LimitError: it grows beyond the limits.
        SourceError: it cannot be read, or the temporary file cannot be written.
    """
    name = f"{source.name}!{kind}"
    unpacking = _Unpacking(source, kind, limits)
    pieces = iter(unpacking.next_piece, b"")
    head: list[bytes] = []
    data: ByteSource | None = None
    for piece in pieces:
        head.append(piece)
        if unpacking.produced > _IN_MEMORY_NBYTES:
            data = _spooled(name, head, pieces)
            break
    if data is None:
        data = MemorySource(b"".join(head), name)
    return Decompressed(data, unpacking.trailing_nbytes)


def salvaged(source: ByteSource, kind: str) -> bytes:
    """Return what the start of a damaged file unpacks to, up to the damage.

    A reader hands that on before it gets to the damage, and decoders do not, unless they are given
    one byte after the other: so no more than 64 KiB are looked at.

    Raises:
        SourceError: it cannot be read.
    """
    decoder = _DECODERS[kind]()
    packed = source.read_at(0, min(source.nbytes, _SALVAGED_NBYTES))
    pieces: list[bytes] = []
    produced = 0
    try:
        for place in range(len(packed)):
            piece = decoder.decompress(packed[place : place + 1], _PIECE_NBYTES - produced)
            pieces.append(piece)
            produced += len(piece)
            if decoder.eof or produced >= _PIECE_NBYTES:
                break
    except _DAMAGES:
        pass
    return b"".join(pieces)


def _spooled(name: str, head: list[bytes], pieces: Iterator[bytes]) -> FileSource:
    """Return the pieces in a temporary file without a name."""
    try:
        with tempfile.TemporaryFile(prefix="depickle-") as file:
            file.writelines(head)
            head.clear()
            file.writelines(pieces)
            file.flush()
            return FileSource.adopt(os.dup(file.fileno()), name)
    except OSError as error:
        msg = f"cannot unpack to a temporary file: {name}: {error}"
        raise SourceError(msg) from error


class _Unpacking:
    """Unpacks stream after stream.

    Attributes:
        produced: bytes unpacked so far.
        trailing_nbytes: once all is unpacked, packed bytes behind the last stream.
    """

    def __init__(self, source: ByteSource, kind: str, limits: Limits) -> None:
        """Start at the first byte."""
        self.produced = 0
        self.trailing_nbytes = 0
        self._source: Final = source
        self._kind: Final = kind
        self._limits: Final = limits
        self._consumed = 0
        self._packed = b""
        self._decoder: _Decoder | None = _DECODERS[kind]()

    def next_piece(self) -> bytes:
        """Return the next unpacked bytes; none at the end of the last stream.

        Raises:
            ContainerError: the file is damaged or truncated.
            LimitError: it grows beyond the limits.
        """
        while self._decoder is not None:
            if not self._packed:
                self._packed = self._read()
            given, self._packed = self._packed, b""
            piece = self._decompress(self._decoder, given)
            if self._decoder.eof:
                self._follow(self._decoder.unused_data)
            elif not piece and not given:
                raise ContainerError(
                    "compressed file is truncated",
                    source=self._source.name,
                    offset=self._source.nbytes,
                    expected=f"the end of the {self._kind} stream",
                    found=f"the end of the file, after {self.produced} unpacked bytes",
                    code="compressed_truncated",
                )
            if piece:
                self.produced += len(piece)
                self._check_growth()
                return piece
        return b""

    def _read(self) -> bytes:
        nbytes = min(_CHUNK_NBYTES, self._source.nbytes - self._consumed)
        self._consumed += nbytes
        return self._source.read_at(self._consumed - nbytes, nbytes)

    def _decompress(self, decoder: _Decoder, given: bytes) -> bytes:
        try:
            return decoder.decompress(given, _PIECE_NBYTES)
        except _DAMAGES as error:
            raise ContainerError(
                "compressed file is damaged",
                source=self._source.name,
                offset=max(0, self._consumed - len(given)),
                expected=f"a {self._kind} stream",
                found=str(error),
                code="compressed_damaged",
            ) from error

    def _follow(self, rest: bytes) -> None:
        """Begin another stream if one follows, and end the unpacking otherwise."""
        magic, padded = _FOLLOWERS.get(self._kind, (b"", False))
        self._decoder = None
        while magic:
            if len(rest) < len(magic) and self._consumed < self._source.nbytes:
                rest += self._read()
            kept = rest.lstrip(b"\0") if padded else rest
            if kept.startswith(magic):
                self._decoder, self._packed = _DECODERS[self._kind](), kept
                return
            if kept or self._consumed == self._source.nbytes:
                break
            rest = b""
        self.trailing_nbytes = len(rest) + self._source.nbytes - self._consumed

    def _check_growth(self) -> None:
        limits = self._limits
        allowed = limits.max_decompressed_bytes
        name = self._source.name
        if self.produced > allowed:
            raise LimitError(
                "max_decompressed_bytes", allowed=allowed, found=self.produced, source=name
            )
        ratio = self.produced // max(1, self._consumed)
        if self.produced > limits.max_small_record_bytes and ratio > limits.max_decompress_ratio:
            raise LimitError(
                "max_decompress_ratio",
                allowed=limits.max_decompress_ratio,
                found=ratio,
                source=name,
            )
