"""The local headers of a zip file: where payloads start, and what nobody owns between them.

Headers are read in blocks, in the order of the file. Payloads are not read; where one is larger
than a gap worth reading over, the next block starts behind it.
"""

from __future__ import annotations

import struct
from bisect import bisect_left

from converter.containers.zip_structures import (
    DESCRIPTOR_SIGNATURE,
    FLAG_DEFERRED,
    LOCAL,
    LOCAL_SIGNATURE,
    MAX_32,
    AnomalyLog,
    Entry,
    parse_extra,
    resolve_zip64,
)
from converter.errors import ContainerError, FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from converter.byteio.source import ByteSource

# A seek costs about as much as reading this far; more on a remote source.
_WORTH_READING_OVER_NBYTES: Final = 16_384
_BLOCK_NBYTES: Final = 1 << 20
_DESCRIPTOR_MAX_NBYTES: Final = 24
_HEADER_GUESS_NBYTES: Final = LOCAL.size + 256


UNKNOWN: Final = -1
# Where one payload starts (or UNKNOWN, and then there is a problem), one past the last byte that
# belongs to the record, its descriptor included, and why the payload cannot be read, if so.
Placed: TypeAlias = tuple[int, int, FormatError | None]

# Signature, flags, method, CRC, csize, usize, and the lengths of name and extra field.
_LocalHeader: TypeAlias = tuple[bytes, int, int, int, int, int, int, int]
# The local header without version, time and date; the data descriptor in its usual form.
_UNPACK_LOCAL: Final = struct.Struct("<4s2xHH4xLLLHH").unpack_from
_DESCRIPTOR: Final = struct.Struct("<4sLLL")
_UNPACK_DESCRIPTOR: Final = _DESCRIPTOR.unpack_from


class HeaderBlocks:
    """Small reads in ascending order, served from blocks.

    Attributes:
        block: the bytes held at present.
        start: where they start in the source.
        stop: one past where they end.
    """

    def __init__(self, source: ByteSource, offsets: list[int]) -> None:
        """Serve reads near `offsets`, which ascend."""
        self._source: Final = source
        self._offsets: Final = offsets
        self.block = b""
        self.start = 0
        self.stop = 0

    def fetch(self, offset: int, nbytes: int) -> bytes:
        """Return `nbytes` bytes from `offset`, fewer only at the end of the source."""
        if offset < self.start or offset + nbytes > self.stop:
            self.load(offset, nbytes)
        start = offset - self.start
        return self.block[start : start + nbytes]

    def load(self, offset: int, nbytes: int) -> None:
        """Hold the bytes from `offset`, and the headers that follow closely."""
        stop = offset + nbytes
        index = bisect_left(self._offsets, offset)
        limit = offset + _BLOCK_NBYTES
        while index < len(self._offsets):
            following = self._offsets[index]
            if following - stop > _WORTH_READING_OVER_NBYTES or following > limit:
                break
            stop = max(stop, following + _HEADER_GUESS_NBYTES)
            index += 1
        start = min(offset, self._source.nbytes)
        stop = min(stop, self._source.nbytes)
        self.block = self._source.read_at(start, max(0, stop - start))
        self.start = start
        self.stop = max(start, stop)


class LocalReader:
    """Reads the local header of every entry and compares it with the directory's."""

    def __init__(self, source: ByteSource, entries: list[Entry], log: AnomalyLog) -> None:
        """Read the headers of `entries` in `source`, noting what differs in `log`."""
        self._source: Final = source
        self._entries: Final = entries
        self._log: Final = log
        self._offsets: Final = [entry.header_offset for entry in entries]
        ascending = sorted(offset for offset in self._offsets if offset >= 0)
        self._blocks: Final = HeaderBlocks(source, ascending)

    def place(self, directory_start: int) -> tuple[list[Placed], list[tuple[int, int]]]:
        """Find every payload.

        Args:
            directory_start: where records must have ended.

        Returns:
            One `Placed` per entry, in the entries' order, and the ranges (start, stop) before the
            directory that belong to no record.
        """
        entries, offsets = self._entries, self._offsets
        order = sorted(range(len(entries)), key=offsets.__getitem__)
        placed: list[Placed] = [(UNKNOWN, 0, None)] * len(entries)
        gaps: list[tuple[int, int]] = []
        covered = 0
        boundaries = [*(offsets[index] for index in order[1:]), directory_start]
        for index, boundary in zip(order, boundaries, strict=False):
            entry = entries[index]
            start = entry.header_offset
            placed[index] = payload_offset, stop, _ = self._place_one(entry, boundary)
            if start > covered:
                gaps.append((covered, min(start, directory_start)))
            elif start < covered and payload_offset != UNKNOWN:
                detail = f"the record at {start} starts before the previous one ends, at {covered}"
                self._log.add("zip_overlap", detail, record=entry.name)
            covered = max(covered, stop)
        if covered < directory_start:
            gaps.append((covered, directory_start))
        elif covered > directory_start:
            detail = f"a record reaches to {covered}, into the directory"
            self._log.add("zip_overlap", detail, offset=directory_start)
        return placed, gaps

    def _place_one(self, entry: Entry, boundary: int) -> Placed:
        """Return where one payload is; `boundary` is where the next thing starts.

        What torch writes is compared here, whole; `_place_unusual` has the words for the rest.
        """
        raw_name, offset, flags = entry.raw_name, entry.header_offset, entry.flags
        crc, csize, usize = entry.crc, entry.csize, entry.usize
        blocks = self._blocks
        name_nbytes = len(raw_name)
        if offset < blocks.start or offset + LOCAL.size + name_nbytes > blocks.stop:
            if offset < 0 or offset + LOCAL.size > self._source.nbytes:
                return self._no_header(entry, b"")
            blocks.load(offset, LOCAL.size + name_nbytes)
        start = offset - blocks.start
        header = _UNPACK_LOCAL(blocks.block, start)
        deferred = flags & FLAG_DEFERRED
        claims = (0, 0, 0) if deferred else (crc, csize, usize)
        name_start = start + LOCAL.size
        if (
            header[:7] != (LOCAL_SIGNATURE, flags, entry.method, *claims, name_nbytes)
            or blocks.block[name_start : name_start + name_nbytes] != raw_name
        ):
            return self._place_unusual(entry, header, boundary)
        payload_offset = offset + LOCAL.size + name_nbytes + header[7]
        stop = payload_offset + csize
        if stop > self._source.nbytes:
            return self._cut(entry, payload_offset, stop)
        if deferred:
            if (
                boundary - stop == _DESCRIPTOR.size
                and boundary <= blocks.stop
                and _UNPACK_DESCRIPTOR(blocks.block, stop - blocks.start)
                == (DESCRIPTOR_SIGNATURE, crc, csize, usize)
            ):
                return payload_offset, boundary, entry.problem
            stop += self._descriptor_nbytes(entry, stop, boundary)
        return payload_offset, stop, entry.problem

    def _place_unusual(self, entry: Entry, header: _LocalHeader, boundary: int) -> Placed:
        """Return where the payload of a record is whose `header` is not what torch writes."""
        signature, claims = header[0], header[1:6]
        name_nbytes, extra_nbytes = header[6:]
        if signature != LOCAL_SIGNATURE:
            return self._no_header(entry, signature)
        name_offset = entry.header_offset + LOCAL.size
        told = (entry.flags, entry.method, entry.crc, entry.csize, entry.usize)
        if claims != told or self._blocks.fetch(name_offset, name_nbytes) != entry.raw_name:
            self._compare(entry, claims, name_nbytes, extra_nbytes)
        payload_offset = name_offset + name_nbytes + extra_nbytes
        stop = payload_offset + entry.csize
        if stop > self._source.nbytes:
            return self._cut(entry, payload_offset, stop)
        if entry.flags & claims[0] & FLAG_DEFERRED:
            stop += self._descriptor_nbytes(entry, stop, boundary)
        return payload_offset, stop, entry.problem

    def _no_header(self, entry: Entry, found: bytes) -> Placed:
        problem = ContainerError(
            "zip local header not found",
            source=self._source.name,
            record=entry.name,
            expected=f"a local header at {entry.header_offset}",
            found=found[:4].hex(" ") or "the end of the file",
        )
        detail = f"the directory points to {entry.header_offset}, where no local header is"
        self._log.add("zip_local_header_missing", detail, record=entry.name)
        return UNKNOWN, max(0, entry.header_offset), entry.problem or problem

    def _cut(self, entry: Entry, payload_offset: int, stop: int) -> Placed:
        missing = stop - self._source.nbytes
        problem = ContainerError(
            "zip record is truncated",
            source=self._source.name,
            record=entry.name,
            expected=f"{entry.csize} bytes from {payload_offset}",
            found=f"{missing} bytes missing",
        )
        detail = f"{missing} bytes of its {entry.csize} lie behind the end of the file"
        self._log.add("zip_payload_outside", detail, record=entry.name)
        return UNKNOWN, self._source.nbytes, entry.problem or problem

    def _compare(
        self,
        entry: Entry,
        claims: tuple[int, int, int, int, int],
        name_nbytes: int,
        extra_nbytes: int,
    ) -> None:
        """Note each field in which the local header differs from the directory.

        Args:
            entry: what the directory says.
            claims: flags, method, crc, csize and usize of the local header.
            name_nbytes: length of the local name.
            extra_nbytes: length of the local extra field.
        """
        flags, method, crc, csize, usize = claims
        name_offset = entry.header_offset + LOCAL.size
        raw_name = self._blocks.fetch(name_offset, name_nbytes)
        name = entry.name
        if raw_name != entry.raw_name:
            detail = f"the local header calls it {raw_name.decode('utf-8', 'backslashreplace')!r}"
            self._log.add("zip_local_name_differs", detail, record=name)
        if method != entry.method:
            detail = f"method {entry.method} in the directory, {method} in the local header"
            self._log.add("zip_local_method_differs", detail, record=name)
        if flags != entry.flags:
            detail = f"flags {entry.flags:#06x} in the directory, {flags:#06x} in the local header"
            self._log.add("zip_local_flags_differ", detail, record=name)
        deferred = bool(flags & FLAG_DEFERRED)
        if crc != entry.crc and not (deferred and crc == 0):
            detail = f"CRC {entry.crc:#010x} in the directory, {crc:#010x} in the local header"
            self._log.add("zip_local_crc_differs", detail, record=name)
        if MAX_32 in {usize, csize}:
            extra = self._blocks.fetch(name_offset + name_nbytes, extra_nbytes)
            blocks, _ = parse_extra(extra)
            usize, csize = resolve_zip64(blocks, (usize, csize)) or (usize, csize)
        differs = (usize, csize) != (entry.usize, entry.csize)
        if differs and not (deferred and usize in (0, entry.usize) and csize in (0, entry.csize)):
            detail = (
                f"{entry.csize} bytes packed and {entry.usize} unpacked in the directory, "
                f"{csize} and {usize} in the local header"
            )
            self._log.add("zip_local_sizes_differ", detail, record=name)

    def _descriptor_nbytes(self, entry: Entry, offset: int, boundary: int) -> int:
        """Return the length of the data descriptor at `offset`, noting one that differs."""
        crc, csize, usize = entry.crc, entry.csize, entry.usize
        if boundary == offset and usize == 0:
            return 0  # torch writes none for empty records, flagged or not
        found = self._blocks.fetch(offset, _DESCRIPTOR_MAX_NBYTES)
        matching = [
            len(form) for form in _descriptor_forms(crc, csize, usize) if found.startswith(form)
        ]
        if matching:
            exact = boundary - offset
            return exact if exact in matching else matching[0]
        if found[:4] == DESCRIPTOR_SIGNATURE:
            detail = "its data descriptor has another CRC or length than the directory"
            self._log.add("zip_descriptor_differs", detail, record=entry.name)
            wide = max(csize, usize) > MAX_32 or boundary - offset == _DESCRIPTOR_MAX_NBYTES
            return _DESCRIPTOR_MAX_NBYTES if wide else _DESCRIPTOR.size
        detail = "it is marked as having a data descriptor, and none follows it"
        self._log.add("zip_descriptor_missing", detail, record=entry.name)
        return 0


def _descriptor_forms(crc: int, csize: int, usize: int) -> list[bytes]:
    """Return every way to write a data descriptor with these values.

    4.3.9: the signature is optional, and the lengths have 8 bytes in ZIP64 records. torch also
    uses 8 bytes for small records behind the first 4 GiB.
    """
    head = crc.to_bytes(4, "little")
    wide = head + csize.to_bytes(8, "little") + usize.to_bytes(8, "little")
    if max(csize, usize) > MAX_32:
        return [DESCRIPTOR_SIGNATURE + wide, wide]
    narrow = head + csize.to_bytes(4, "little") + usize.to_bytes(4, "little")
    return [DESCRIPTOR_SIGNATURE + narrow, DESCRIPTOR_SIGNATURE + wide, wide, narrow]
