"""The local headers of a zip file: where payloads start, and what nobody owns between them.

Headers are read in blocks, in the order of the file. Payloads are not read; where one is larger
than a gap worth reading over, the next block starts behind it.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

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

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource

# A seek costs about as much as reading this far; more on a remote source.
_WORTH_READING_OVER_NBYTES: Final = 16_384
_BLOCK_NBYTES: Final = 1 << 20
_DESCRIPTOR_MAX_NBYTES: Final = 24
_HEADER_GUESS_NBYTES: Final = LOCAL.size + 256


class Placed(NamedTuple):
    """Where one entry's payload is.

    Attributes:
        payload_offset: absolute in the source; None if the local header is unreadable.
        stop: one past the last byte that belongs to the record, descriptor included.
        problem: why the payload cannot be read, or None.
    """

    payload_offset: int | None
    stop: int
    problem: FormatError | None


class HeaderBlocks:
    """Small reads in ascending order, served from blocks."""

    def __init__(self, source: ByteSource, offsets: list[int]) -> None:
        """Serve reads near `offsets`, which ascend."""
        self._source: Final = source
        self._offsets: Final = offsets
        self._block = b""
        self._start = 0
        self._stop = 0

    def fetch(self, offset: int, nbytes: int) -> bytes:
        """Return `nbytes` bytes from `offset`, fewer only at the end of the source."""
        start = offset - self._start
        if start < 0 or offset + nbytes > self._stop:
            self._load(offset, nbytes)
            start = 0
        return self._block[start : start + nbytes]

    def _load(self, offset: int, nbytes: int) -> None:
        stop = offset + nbytes
        index = bisect_left(self._offsets, offset)
        limit = offset + _BLOCK_NBYTES
        while index < len(self._offsets):
            following = self._offsets[index]
            if following - stop > _WORTH_READING_OVER_NBYTES or following > limit:
                break
            stop = max(stop, following + _HEADER_GUESS_NBYTES)
            index = bisect_left(self._offsets, following + 1, index)
        start = min(offset, self._source.nbytes)
        stop = min(stop, self._source.nbytes)
        self._block = self._source.read_at(start, max(0, stop - start))
        self._start = start
        self._stop = max(start, stop)


class LocalReader:
    """Reads the local header of every entry and compares it with the directory's."""

    def __init__(self, source: ByteSource, entries: list[Entry], log: AnomalyLog) -> None:
        """Read the headers of `entries` in `source`, noting what differs in `log`."""
        self._source: Final = source
        self._entries: Final = entries
        self._log: Final = log
        offsets = sorted(entry.header_offset for entry in entries if entry.header_offset >= 0)
        self._offsets: Final = offsets
        self._blocks: Final = HeaderBlocks(source, offsets)

    def place(self, directory_start: int) -> tuple[list[Placed], list[tuple[int, int]]]:
        """Find every payload.

        Args:
            directory_start: where records must have ended.

        Returns:
            One `Placed` per entry, in the entries' order, and the ranges (start, stop) before the
            directory that belong to no record.
        """
        entries = self._entries
        order = sorted(range(len(entries)), key=lambda index: entries[index].header_offset)
        placed: list[Placed | None] = [None] * len(entries)
        gaps: list[tuple[int, int]] = []
        covered = 0
        for rank, index in enumerate(order):
            entry = entries[index]
            boundary = (
                entries[order[rank + 1]].header_offset if rank + 1 < len(order) else directory_start
            )
            place = self._place_one(entry, boundary)
            placed[index] = place
            start = entry.header_offset
            if start > covered:
                gaps.append((covered, min(start, directory_start)))
            elif start < covered and place.payload_offset is not None:
                detail = f"the record at {start} starts before the previous one ends, at {covered}"
                self._log.add("zip_overlap", detail, record=entry.name)
            covered = max(covered, place.stop)
        if covered < directory_start:
            gaps.append((covered, directory_start))
        elif covered > directory_start:
            detail = f"a record reaches to {covered}, into the directory"
            self._log.add("zip_overlap", detail, offset=directory_start)
        return [place for place in placed if place is not None], gaps

    def _place_one(self, entry: Entry, boundary: int) -> Placed:
        """Return where one payload is; `boundary` is where the next thing starts."""
        offset = entry.header_offset
        header = self._blocks.fetch(offset, LOCAL.size) if offset >= 0 else b""
        if len(header) < LOCAL.size or header[:4] != LOCAL_SIGNATURE:
            return self._no_header(entry, header)
        _, _, flags, method, _, _, crc, csize, usize, name_nbytes, extra_nbytes = LOCAL.unpack(
            header
        )
        name_offset = offset + LOCAL.size
        raw_name = self._blocks.fetch(name_offset, name_nbytes)
        if (
            raw_name != entry.raw_name
            or method != entry.method
            or flags != entry.flags
            or crc != entry.crc
            or csize != entry.csize
            or usize != entry.usize
        ) and not (
            flags & FLAG_DEFERRED
            and not (crc or csize or usize)
            and raw_name == entry.raw_name
            and method == entry.method
            and flags == entry.flags
        ):
            extra = self._blocks.fetch(name_offset + name_nbytes, extra_nbytes)
            self._compare(entry, header, raw_name, extra)
        payload_offset = name_offset + name_nbytes + extra_nbytes
        stop = payload_offset + entry.csize
        if stop > self._source.nbytes:
            return self._cut(entry, payload_offset, stop)
        if flags & FLAG_DEFERRED and entry.flags & FLAG_DEFERRED:
            stop += self._descriptor_nbytes(entry, stop, boundary)
        return Placed(payload_offset, stop, entry.problem)

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
        return Placed(None, max(0, entry.header_offset), entry.problem or problem)

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
        return Placed(None, self._source.nbytes, entry.problem or problem)

    def _compare(self, entry: Entry, header: bytes, raw_name: bytes, extra: bytes) -> None:
        """Note each field in which the local header differs from the directory."""
        _, _, flags, method, _, _, crc, csize, usize, _, _ = LOCAL.unpack(header)
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
        if MAX_32 in (usize, csize):
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
        if boundary == offset and entry.usize == 0:
            return 0  # torch writes none for empty records, flagged or not
        found = self._blocks.fetch(offset, _DESCRIPTOR_MAX_NBYTES)
        narrow = entry.csize <= MAX_32 and entry.usize <= MAX_32
        crc = entry.crc.to_bytes(4, "little")
        wide_form = entry.csize.to_bytes(8, "little") + entry.usize.to_bytes(8, "little")
        forms = [DESCRIPTOR_SIGNATURE + crc + wide_form, crc + wide_form]
        if narrow:
            short = entry.csize.to_bytes(4, "little") + entry.usize.to_bytes(4, "little")
            forms = [DESCRIPTOR_SIGNATURE + crc + short, *forms, crc + short]
        matching = [len(form) for form in forms if found.startswith(form)]
        if matching:
            exact = boundary - offset
            return exact if exact in matching else matching[0]
        if found[:4] == DESCRIPTOR_SIGNATURE:
            detail = "its data descriptor has another CRC or length than the directory"
            self._log.add("zip_descriptor_differs", detail, record=entry.name)
            length = 16 if narrow else 24
            return 24 if boundary - offset == 24 else length
        detail = "it is marked as having a data descriptor, and none follows it"
        self._log.add("zip_descriptor_missing", detail, record=entry.name)
        return 0
