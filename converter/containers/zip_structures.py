"""The structures of a zip file, and the log its parsers write into.

The names and layouts are those of PKWARE's APPNOTE.TXT, section 4.3
(https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT). All numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections import Counter

from converter.anomaly import Anomaly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.errors import FormatError

LOCAL_SIGNATURE: Final = b"PK\x03\x04"
CENTRAL_SIGNATURE: Final = b"PK\x01\x02"
END_SIGNATURE: Final = b"PK\x05\x06"
END64_SIGNATURE: Final = b"PK\x06\x06"
LOCATOR_SIGNATURE: Final = b"PK\x06\x07"
DESCRIPTOR_SIGNATURE: Final = b"PK\x07\x08"

# 4.3.7: signature, version, flags, method, time, date, crc, csize, usize, name, extra
LOCAL: Final = struct.Struct("<4s5H3L2H")
# 4.3.12: signature, made by, version, flags, method, time, date, crc, csize, usize,
# name, extra, comment, disk, internal attributes, external attributes, header offset
CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
# 4.3.16: signature, this disk, directory's disk, entries here, entries, nbytes, offset, comment
END: Final = struct.Struct("<4s4H2LH")
# 4.3.14: signature, size of the rest, made by, version, this disk, directory's disk,
# entries here, entries, nbytes, offset
END64: Final = struct.Struct("<4sQ2H2L4Q")
# 4.3.15: signature, disk of the record, its offset, disks
LOCATOR: Final = struct.Struct("<4sLQL")

STORED: Final = 0
DEFLATED: Final = 8
MAX_16: Final = 0xFFFF
MAX_32: Final = 0xFFFF_FFFF

# 4.4.4, general purpose bit flag
FLAG_ENCRYPTED: Final = 0x0001
FLAG_DEFERRED: Final = 0x0008
FLAG_PATCH: Final = 0x0020
FLAG_STRONG_ENCRYPTION: Final = 0x0040
FLAG_UTF8: Final = 0x0800
FLAG_MASKED: Final = 0x2000

EXTRA_ZIP64: Final = 0x0001
EXTRA_UNICODE_PATH: Final = 0x7075

_EXTRA_HEADER: Final = struct.Struct("<HH")
_KEPT_PER_CODE: Final = 100


class Entry:
    """One entry of the central directory, ZIP64 fields resolved.

    Attributes:
        name: decoded name.
        raw_name: its bytes in the directory.
        flags: general purpose bit flag.
        method: compression method.
        crc: CRC-32 as claimed.
        csize: stored length in bytes.
        usize: unpacked length in bytes.
        header_offset: local header, absolute in the source.
        problem: why the record cannot be read, as far as the directory tells.
    """

    __slots__ = (
        "crc",
        "csize",
        "flags",
        "header_offset",
        "method",
        "name",
        "problem",
        "raw_name",
        "usize",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - the fields of an entry, in their order
        self,
        name: str,
        raw_name: bytes,
        flags: int,
        method: int,
        crc: int,
        csize: int,
        usize: int,
        header_offset: int,
        problem: FormatError | None,
    ) -> None:
        """Hold what the directory says."""
        self.name: Final = name
        self.raw_name: Final = raw_name
        self.flags: Final = flags
        self.method: Final = method
        self.crc: Final = crc
        self.csize = csize
        self.usize: Final = usize
        self.header_offset: Final = header_offset
        self.problem = problem


class AnomalyLog:
    """Collects anomalies; of each code the first hundred, then one that counts the rest."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: list[Anomaly] = []
        self._counts: Counter[str] = Counter()

    def add(
        self, code: str, detail: str, *, offset: int | None = None, record: str | None = None
    ) -> None:
        """Note one observation."""
        self._counts[code] += 1
        if self._counts[code] <= _KEPT_PER_CODE:
            self._kept.append(Anomaly(code, detail, offset, record))

    def is_full(self, code: str) -> bool:
        """Return whether further anomalies of this code are only counted."""
        return self._counts[code] >= _KEPT_PER_CODE

    def anomalies(self) -> tuple[Anomaly, ...]:
        """Return what was kept, in order, and one line for each code that overflowed."""
        rest = [
            Anomaly(code, f"and {count - _KEPT_PER_CODE} more like the {_KEPT_PER_CODE} listed")
            for code, count in self._counts.items()
            if count > _KEPT_PER_CODE
        ]
        return (*self._kept, *rest)


def parse_extra(extra: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Split an extra field into (id, bytes) blocks.

    Returns:
        The blocks in order, and how many bytes at the end are no block.
    """
    blocks = []
    position = 0
    while position + 4 <= len(extra):
        kind, nbytes = _EXTRA_HEADER.unpack_from(extra, position)
        stop = position + 4 + nbytes
        if stop > len(extra):
            break
        blocks.append((kind, extra[position + 4 : stop]))
        position = stop
    return blocks, len(extra) - position


def resolve_zip64(blocks: list[tuple[int, bytes]], slots: tuple[int, ...]) -> list[int] | None:
    """Replace the 32-bit slots that are all ones by their 64-bit values.

    4.5.3: "The order of the fields in the zip64 extended information record is fixed, but the
    fields MUST only appear if the corresponding Local or Central directory record field is set
    to 0xFFFF or 0xFFFFFFFF."

    Args:
        blocks: the extra field.
        slots: usize, csize and, for a central entry, the header offset.

    Returns:
        The values, or None if the block is missing or too short for what it must hold.
    """
    block = next((body for kind, body in blocks if kind == EXTRA_ZIP64), None)
    values = list(slots)
    position = 0
    for index, slot in enumerate(slots):
        if slot != MAX_32:
            continue
        if block is None or position + 8 > len(block):
            return None
        values[index] = int.from_bytes(block[position : position + 8], "little")
        position += 8
    return values


def uint2(data: bytes, offset: int) -> int:
    """Return the number in the two bytes at an offset."""
    return int.from_bytes(data[offset : offset + 2], "little")
