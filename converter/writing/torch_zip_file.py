"""Writes a tree as the zip file of ``torch.save``: one pickle and one record per storage.

The layout is that of torch 2.7 and later, byte for byte, so that it can be mapped: records are
stored, each starts at a multiple of 64, sizes and CRC stand in a data descriptor behind the
record and in the central directory, and the ZIP64 end records are always there.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.checkpoint.storage import Storage
from converter.checkpoint.tree_sharing import find_tensors
from converter.errors import PlanError, SinkError, TensorError, UnsupportedError
from converter.writing.pickle_writer import PickleWriter
from converter.writing.weights_only import STORAGE_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from converter.checkpoint.tensor import TensorRef
    from converter.checkpoint.values import Value
    from converter.dtypes import DType
    from converter.limits import Limits
    from converter.progress import Progress
    from converter.writing.copying import Sink

_ROOT: Final = "archive"
_ALIGNMENT: Final = 64
_MAX_32: Final = 0xFFFFFFFF
_UTF8_NAME, _DEFERRED = 0x0800, 0x0008
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END_64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR: Final = struct.Struct("<4sIQI")
_END: Final = struct.Struct("<4s4H2IH")
_PIECE_NBYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class StorageEntry:
    """One storage of an archive.

    Attributes:
        storage: what is written.
        key: the last part of its record's name.
        dtype: type of the storage class that the pickle names; None for an untyped storage.
        swap: bytes of the unit that is reversed on the way, because the source is big-endian.
    """

    storage: Storage
    key: str
    dtype: DType | None
    swap: int


def write_torch_file(root: Value, sink: Sink, progress: Progress, limits: Limits) -> int:
    """Write a tree that holds nothing but what weights-only loading takes; return the file's size.

    Raises:
        PlanError: a tuple contains itself, or a tensor's bytes were left out of the source.
        UnsupportedError: a big-endian storage is seen as types of different widths.
        SourceError: a storage cannot be read.
        SinkError: the sink cannot be written.
    """
    entries = plan_storages(root)
    archive = _Archive(sink)
    total = sum(entry.storage.nbytes for entry in entries.values())
    progress.begin("writing", total)
    try:
        archive.begin("data.pkl", None)
        names = {id(storage): entry for storage, entry in entries.items()}
        pieces = _Pieces(archive)
        PickleWriter(pieces.write, lambda storage: names[id(storage)]).write(root)
        pieces.flush()
        archive.finish_record()
        archive.add(".format_version", b"1")
        archive.add(".storage_alignment", str(_ALIGNMENT).encode())
        archive.add("byteorder", b"little")
        for entry in entries.values():
            archive.begin(f"data/{entry.key}", entry.storage.nbytes)
            for chunk in _iter_chunks(entry, limits):
                archive.write(chunk)
                progress.advance(len(chunk))
            archive.finish_record()
        archive.add("version", b"3\n")
        return archive.finish()
    finally:
        progress.end()


def plan_storages(root: Value) -> dict[Storage, StorageEntry]:
    """Return every storage with bytes in the order of the tree, and how it is written.

    Raises:
        PlanError: its bytes were left out of the source.
        UnsupportedError: it is big-endian, and seen as types of different widths.
    """
    views: dict[Storage, list[TensorRef]] = {}
    for value in find_tensors([root]):
        if isinstance(value, Storage):
            views.setdefault(value, [])
        else:
            views.setdefault(value.storage, []).append(value)
    found: dict[Storage, StorageEntry] = {}
    for storage, tensors in views.items():
        if storage.data is None and storage.nbytes:
            msg = (
                f"tensor without bytes: storage {storage.key}: expected {storage.nbytes} bytes, "
                "found none: its conversion left it out"
            )
            raise PlanError(msg)
        found[storage] = _entry(storage, tensors, str(len(found)))
    return found


def _entry(storage: Storage, tensors: list[TensorRef], key: str) -> StorageEntry:
    types: list[DType | None] = [*dict.fromkeys(tensor.dtype for tensor in tensors)]
    types = types or [storage.dtype]
    swaps = {dtype.swap for dtype in types if dtype is not None} or {1}
    if storage.big_endian and len(swaps) > 1:
        raise UnsupportedError(
            "big-endian storage of several types",
            record=f"storage {storage.key}",
            expected="types of one width",
            found=", ".join(map(repr, types)),
        )
    dtype, others = types[0], types[1:]
    typed = (
        dtype is not None
        and not others
        and dtype.name in STORAGE_CLASSES
        and storage.nbytes % dtype.itemsize == 0
    )
    swap = max(swaps) if storage.big_endian else 1
    return StorageEntry(storage, key, dtype if typed else None, swap)


def _iter_chunks(entry: StorageEntry, limits: Limits) -> Iterator[memoryview]:
    """Yield the bytes of a storage, little-endian; each chunk holds until the next."""
    storage = entry.storage
    if storage.data is None or storage.nbytes == 0:
        return
    if storage.data.nbytes < storage.nbytes:
        raise TensorError(
            "storage shorter than it says",
            record=f"storage {storage.key}",
            expected=f"{storage.nbytes} bytes",
            found=str(storage.data.nbytes),
        )
    step = max(1, limits.copy_chunk_bytes // 16) * 16
    buffer = memoryview(bytearray(min(step, storage.nbytes)))
    for start in range(0, storage.nbytes, step):
        piece = buffer[: min(step, storage.nbytes - start)]
        storage.data.read_into(start, piece)
        if entry.swap > 1:
            import numpy as np

            whole = len(piece) // entry.swap * entry.swap
            np.frombuffer(piece[:whole], f"<u{entry.swap}").byteswap(inplace=True)
        yield piece


class _Pieces:
    """Gathers the many small writes of a pickle into few large ones."""

    def __init__(self, archive: _Archive) -> None:
        self._archive: Final = archive
        self._buffer = bytearray()

    def write(self, piece: bytes) -> None:
        self._buffer += piece
        if len(self._buffer) >= _PIECE_NBYTES:
            self.flush()

    def flush(self) -> None:
        self._archive.write(self._buffer)
        self._buffer = bytearray()


@dataclass(slots=True)
class _Record:
    """One record; `start` is where its local header begins."""

    name: bytes
    start: int
    flags: int
    nbytes: int = 0
    crc: int = 0


class _Archive:
    """Writes the records of an archive one after the other."""

    def __init__(self, sink: Sink) -> None:
        self._sink: Final = sink
        self._position = 0
        self._records: Final[list[_Record]] = []
        self._expected: int | None = None

    def add(self, name: str, content: bytes) -> None:
        """Write a whole small record."""
        self.begin(name, len(content))
        self.write(content)
        self.finish_record()

    def begin(self, name: str, nbytes: int | None) -> None:
        """Write the header of a record of `nbytes` bytes; None for up to 4 GiB not known yet."""
        raw = f"{_ROOT}/{name}".encode()
        start = self._position
        extra = b""
        if nbytes is not None and nbytes >= _MAX_32:
            extra = struct.pack("<2H2Q", 1, 16, nbytes, 0)
        if start >= _MAX_32:
            # The field is not standard in a local header, and what torch writes.
            extra = struct.pack("<H", 1) + (
                struct.pack("<H2Q", 24, nbytes or 0, 0) if extra else struct.pack("<H", 8)
            )
            extra += struct.pack("<Q", start)
        padding = -(start + _LOCAL.size + len(raw) + len(extra) + 4) % _ALIGNMENT
        extra += b"FB" + struct.pack("<H", padding) + b"Z" * padding
        flags = _UTF8_NAME if nbytes == 0 else _UTF8_NAME | _DEFERRED
        head = _LOCAL.pack(b"PK\3\4", 0, flags, 0, 0, 0, 0, 0, 0, len(raw), len(extra))
        self._put(head + raw + extra)
        self._records.append(_Record(raw, start, flags))
        self._expected = nbytes

    def write(self, content: bytes | bytearray | memoryview) -> None:
        """Write more of the record that was begun."""
        record = self._records[-1]
        record.crc = zlib.crc32(content, record.crc)
        record.nbytes += len(content)
        self._put(content)

    def finish_record(self) -> None:
        """Write what stands behind a record."""
        record = self._records[-1]
        if self._expected is None and record.nbytes >= _MAX_32:
            msg = f"pickle too long for its record: expected at most 4 GiB, found {record.nbytes}"
            raise PlanError(msg)
        if self._expected is not None and record.nbytes != self._expected:
            msg = (
                f"storage of another size than planned: {record.name.decode()}: "
                f"expected {self._expected} bytes, found {record.nbytes}"
            )
            raise SinkError(msg)
        if record.nbytes == 0:
            return
        large = record.nbytes >= _MAX_32 or record.start >= _MAX_32
        sizes = "<4sI2Q" if large else "<4s3I"
        self._put(struct.pack(sizes, b"PK\7\x08", record.crc, record.nbytes, record.nbytes))

    def finish(self) -> int:
        """Write the directory and return the size of the file."""
        start = self._position
        self._put(b"".join(_central_entries(self._records)))
        nbytes = self._position - start
        count = len(self._records)
        end = self._position
        self._put(_END_64.pack(b"PK\6\6", 44, 0x031E, 45, 0, 0, count, count, nbytes, start))
        self._put(_LOCATOR.pack(b"PK\6\7", 0, end, 1))
        short = min(count, 0xFFFF)
        self._put(
            _END.pack(b"PK\5\6", 0, 0, short, short, min(nbytes, _MAX_32), min(start, _MAX_32), 0)
        )
        return self._position

    def _put(self, content: bytes | bytearray | memoryview) -> None:
        self._sink.write_at(self._position, content)
        self._position += len(content)


def _central_entries(records: Iterable[_Record]) -> Iterator[bytes]:
    for record in records:
        wide: list[int] = []
        size, start = record.nbytes, record.start
        if size >= _MAX_32:
            wide += [size, size]
            size = _MAX_32
        if start >= _MAX_32:
            wide.append(start)
            start = _MAX_32
        extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        numbers = (0, 0, record.flags, 0, 0, 0, record.crc, size, size, len(record.name))
        rest = (len(extra), 0, 0, 0, 0, start)
        yield _CENTRAL.pack(b"PK\1\2", *numbers, *rest) + record.name + extra
