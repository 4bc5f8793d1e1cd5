"""The end of a zip file: where its central directory is, and where others would look for it."""

from __future__ import annotations

from converter.containers.zip_structures import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    END,
    END64,
    END64_SIGNATURE,
    END_SIGNATURE,
    LOCAL,
    LOCAL_SIGNATURE,
    LOCATOR,
    LOCATOR_SIGNATURE,
    MAX_16,
    MAX_32,
    AnomalyLog,
)
from converter.errors import ContainerError
from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.byteio.source import ByteSource

# miniz (bundled with torch) reads blocks of 4,096 bytes that overlap by 3, from the end, and
# stops after the first that begins 65,535 + 22 bytes or more before it: 4,096 + 16 * 4,093.
TORCH_WINDOW_NBYTES: Final = 4_096 + 16 * 4_093
# CPython's zipfile: 22 bytes and the longest comment.
STANDARD_WINDOW_NBYTES: Final = END.size + MAX_16
_MAX_WALKED_HEADERS: Final = 100_000


class Directory(Frozen):
    """Where the central directory lies.

    Attributes:
        start: its first byte, absolute in the source.
        stop: one past its last byte.
        count: entries as the end record declares them.
        shift: what must be added to the offsets in the file (bytes before the archive).
        end_offset: the end record the rest was taken from.
        tail: first byte of the end records (ZIP64 or classic) after the directory.
    """

    start: int
    stop: int
    count: int
    shift: int
    end_offset: int
    tail: int


class _EndValues(Frozen):
    """What the end records say; `tail` is the first of them, `is_64` whether a ZIP64 one counts."""

    count: int
    nbytes: int
    offset: int
    tail: int
    is_64: bool


def find_end_record(source: ByteSource) -> int | None:
    """Return the offset of the end record that torch would use, or None.

    The last signature with a whole record behind it counts, whatever its comment length says.
    """
    start = max(0, source.nbytes - TORCH_WINDOW_NBYTES)
    window = source.read_at(start, source.nbytes - start)
    found = window.rfind(END_SIGNATURE, 0, max(0, len(window) - END.size + 4))
    return None if found < 0 else start + found


def read_directory(source: ByteSource, log: AnomalyLog) -> Directory:
    """Find the central directory.

    Raises:
        ContainerError: there is no end record, or what it points to is no directory.
        SourceError: the source cannot be read.
    """
    end_offset = find_end_record(source)
    if end_offset is None:
        raise _no_end_record(source)
    _note_end_surroundings(source, end_offset, log)
    values = _read_end_values(source, end_offset, log)
    adjacent = values.tail - values.nbytes
    start = _choose_start(source, values, adjacent, log)
    return Directory(
        start=start,
        stop=start + values.nbytes,
        count=values.count,
        shift=start - values.offset,
        end_offset=end_offset,
        tail=values.tail,
    )


def _note_end_surroundings(source: ByteSource, end_offset: int, log: AnomalyLog) -> None:
    """Report the comment, what follows it, and other end records in either."""
    comment_nbytes = int.from_bytes(source.read_at(end_offset + 20, 2), "little")
    after = source.nbytes - end_offset - END.size
    if comment_nbytes:
        detail = f"the archive has a comment of {comment_nbytes} bytes"
        log.add("zip_comment", detail, offset=end_offset + END.size)
    if after > comment_nbytes:
        detail = f"{after - comment_nbytes} bytes follow the end of the archive"
        log.add("zip_trailing_bytes", detail, offset=end_offset + END.size + comment_nbytes)
    elif after < comment_nbytes:
        detail = f"the comment is {comment_nbytes} bytes long, and {after} are there"
        log.add("zip_comment_cut", detail, offset=end_offset + END.size)
    if after + END.size > STANDARD_WINDOW_NBYTES:
        detail = f"the end record is {after} bytes before the end; only some readers look so far"
        log.add("zip_end_far", detail, offset=end_offset)
    rest = source.read_at(end_offset + END.size, after)
    second = rest.find(END_SIGNATURE)
    if second >= 0:
        detail = "another end record begins after the one in use, too close to the end to be whole"
        log.add("zip_second_end_record", detail, offset=end_offset + END.size + second)


def _read_end_values(source: ByteSource, end_offset: int, log: AnomalyLog) -> _EndValues:
    """Return what the end record says, the ZIP64 one taking precedence as in every reader."""
    (_, disk, first_disk, here, count, nbytes, offset, _) = END.unpack(
        source.read_at(end_offset, END.size)
    )
    values = _EndValues(count, nbytes, offset, end_offset, is_64=False)
    disks = (disk, first_disk)
    end64_offset = _find_end64(source, end_offset, log)
    if end64_offset is not None:
        record = END64.unpack(source.read_at(end64_offset, END64.size))
        disks = record[4:6]
        here, count64, nbytes64, offset64 = record[6:10]
        values = _EndValues(count64, nbytes64, offset64, end64_offset, is_64=True)
        pairs = ((count, count64, MAX_16), (nbytes, nbytes64, MAX_32), (offset, offset64, MAX_32))
        if any(old not in (new, ones) for old, new, ones in pairs):
            detail = (
                f"the end record says {count} entries, {nbytes} bytes from {offset}, "
                f"its ZIP64 form {count64}, {nbytes64} from {offset64}"
            )
            log.add("zip64_end_differs", detail, offset=end64_offset)
    if disks != (0, 0) or here != values.count:
        detail = f"the archive claims to be one of several: disks {disks}, {here} of {values.count}"
        log.add("zip_multi_disk", detail, offset=values.tail)
    return values


def _find_end64(source: ByteSource, end_offset: int, log: AnomalyLog) -> int | None:
    """Return the offset of the ZIP64 end record, or None.

    torch goes where the locator says; CPython looks right before the locator.
    """
    locator_offset = end_offset - LOCATOR.size
    if locator_offset < END64.size:
        return None
    locator = source.read_at(locator_offset, LOCATOR.size)
    if not locator.startswith(LOCATOR_SIGNATURE):
        return None
    offset = int.from_bytes(locator[8:16], "little")
    adjacent = locator_offset - END64.size
    located = _has(source, offset, END64_SIGNATURE, END64.size)
    if offset != adjacent and not _is_shifted(source, offset, adjacent):
        detail = f"the ZIP64 locator points to {offset}, and {adjacent} is what precedes it"
        log.add("zip64_locator_differs", detail, offset=locator_offset)
    if located:
        return offset
    if _has(source, adjacent, END64_SIGNATURE, END64.size):
        return adjacent
    detail = f"the ZIP64 locator points to {offset}, where no ZIP64 end record is"
    log.add("zip64_end_missing", detail, offset=locator_offset)
    return None


def _is_shifted(source: ByteSource, offset: int, adjacent: int) -> bool:
    """Return whether the locator is wrong by as much as the directory's offset (a prefix)."""
    if not _has(source, adjacent, END64_SIGNATURE, END64.size):
        return False
    nbytes, start = END64.unpack(source.read_at(adjacent, END64.size))[8:]
    shifted: bool = adjacent - nbytes - start == adjacent - offset
    return shifted


def _choose_start(source: ByteSource, values: _EndValues, adjacent: int, log: AnomalyLog) -> int:
    """Return the first byte of the directory: where the end record says, or right before it."""
    if values.offset == adjacent and _is_directory(source, adjacent, values.nbytes):
        return adjacent
    stated = _is_directory(source, values.offset, values.nbytes)
    preceding = _is_directory(source, adjacent, values.nbytes)
    if stated and preceding and values.nbytes:
        detail = f"a directory stands at {values.offset} as stated, another at {adjacent}"
        log.add("zip_two_directories", detail, offset=adjacent)
    if stated:
        return values.offset
    missing = values.offset - adjacent
    if missing > 0:
        raise ContainerError(
            "zip archive is truncated",
            source=source.name,
            offset=values.tail,
            expected=f"a central directory of {values.nbytes} bytes at {values.offset}",
            found=f"{missing} bytes missing before the end record",
        )
    if preceding:
        return adjacent
    raise ContainerError(
        "zip central directory not found",
        source=source.name,
        offset=values.offset,
        expected=f"a directory of {values.nbytes} bytes and {values.count} entries",
        found="none there, and none right before the end record",
    )


def _is_directory(source: ByteSource, offset: int, nbytes: int) -> bool:
    """Return whether a directory of this length can start here."""
    if nbytes == 0:
        return 0 <= offset <= source.nbytes
    return nbytes >= CENTRAL.size and _has(source, offset, CENTRAL_SIGNATURE, nbytes)


def _has(source: ByteSource, offset: int, signature: bytes, nbytes: int) -> bool:
    """Return whether `signature` stands at `offset` with `nbytes` bytes inside the source."""
    if offset < 0 or offset + nbytes > source.nbytes:
        return False
    return source.read_at(offset, len(signature)) == signature


def _no_end_record(source: ByteSource) -> ContainerError:
    """Say what is missing of an archive without an end record, as far as can be told."""
    start = max(0, source.nbytes - TORCH_WINDOW_NBYTES)
    window = source.read_at(start, source.nbytes - start)
    found = "none in the last 69,584 bytes"
    at = window.rfind(END_SIGNATURE)
    at64 = window.rfind(END64_SIGNATURE)
    if at >= 0:
        found = f"its first {len(window) - at} bytes; {END.size - (len(window) - at)} are missing"
    elif at64 >= 0:
        missing = at64 + END64.size + LOCATOR.size + END.size - len(window)
        found = f"a ZIP64 end record; {missing} bytes are missing" if missing > 0 else found
    elif window.rfind(CENTRAL_SIGNATURE) >= 0:
        found = "none; the file ends inside its central directory"
    else:
        found = _walk_local_headers(source) or found
    return ContainerError(
        "zip end record not found",
        source=source.name,
        offset=source.nbytes,
        expected="an end record of 22 bytes",
        found=found,
    )


def _walk_local_headers(source: ByteSource) -> str | None:
    """Follow local headers that know their lengths; tell what the last one lacks."""
    position = 0
    for _ in range(_MAX_WALKED_HEADERS):
        if position + LOCAL.size > source.nbytes:
            return None
        header = LOCAL.unpack(source.read_at(position, LOCAL.size))
        if header[0] != LOCAL_SIGNATURE:
            return None
        csize, usize, name_nbytes, extra_nbytes = header[7:11]
        if csize == MAX_32 or (csize == 0 and usize == 0 and header[2] & 8):
            return "none; the file ends after a record whose header does not tell its length"
        stop = position + LOCAL.size + name_nbytes + extra_nbytes + csize
        if stop > source.nbytes:
            missing = stop - source.nbytes
            return f"none; the last record lacks {missing} bytes, then the directory is missing"
        position = stop
    return None
