"""What in a small zip archive may be different in another one that is laid out alike.

Archives that one program has written of one model differ in few bytes: the name of their root
folder, what some records hold, and the checksums of those. Every other byte stands for the
listing. Where all of them are the same, so is what `converter.containers.zip_archive.read_zip`
says, without reading them one by one again.
"""

from __future__ import annotations

import re

from converter.byteio.pieces import parts_between, pieces_of
from converter.byteio.source import MemorySource
from converter.containers.zip_end import read_directory
from converter.containers.zip_structures import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DESCRIPTOR_SIGNATURE,
    END,
    END_SIGNATURE,
    FLAG_DEFERRED,
    LOCAL,
    AnomalyLog,
)
from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from converter.byteio.pieces import Pieces
    from converter.containers.records import Archive, Record

# Such a folder is safe and read alike everywhere, whatever its letters are.
_PLAIN_ROOT: Final = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_=+,@. -]*")
# Offsets of the checksum in a central header, in a local one and in a data descriptor, of the
# name in both headers, and of the flags in the local one: APPNOTE 4.3.7, 4.3.9 and 4.3.12.
_CENTRAL_CRC, _LOCAL_CRC, _DESCRIPTOR_CRC, _LOCAL_FLAGS = 16, 14, 4, 6
_CENTRAL_NAME_NBYTES: Final = 28
_CRC_NBYTES: Final = 4
_NO_CRC: Final = bytes(_CRC_NBYTES)


class FreeParts:
    """What an archive has of its own; there is one for each of thousands.

    Attributes:
        root: its root folder.
        checksums: those of the free records, four bytes each, in their order.
        payloads: what the free records hold.
    """

    __slots__ = ("checksums", "payloads", "root")

    def __init__(
        self, root: str, checksums: tuple[bytes, ...], payloads: tuple[bytes, ...]
    ) -> None:
        """Hold the three."""
        self.root: Final = root
        self.checksums: Final = checksums
        self.payloads: Final = payloads


class ZipLayout(Frozen):
    """How one archive is laid out, and what the next must have in common with it.

    Attributes:
        fixed: cuts out everything that must be the same.
        same: what that is.
        roots: cuts out every place at which the root folder is named.
        checksums: cut out the checksums of the free records: in the directory, and wherever they
            are repeated.
        payloads: cuts out what the free records hold, in their order.
    """

    fixed: Pieces
    same: tuple[bytes, ...]
    roots: Pieces
    checksums: tuple[Pieces, ...]
    payloads: Pieces

    def parts_of(self, data: bytes) -> FreeParts | None:
        """Return what is different in an archive that is laid out like this one, or None.

        An archive for which there is an answer has no anomaly, as the first one has none.
        Whether its checksums are right is not looked at.

        Args:
            data: the whole archive, of the length of the first.
        """
        if self.fixed(data) != self.same:
            return None
        roots = self.roots(data)
        root = roots[0]
        if roots.count(root) != len(roots) or _PLAIN_ROOT.fullmatch(root) is None:
            return None
        listed, *repeated = (pieces(data) for pieces in self.checksums)
        if any(found != listed for found in repeated):
            return None
        return FreeParts(root.decode("ascii"), listed, self.payloads(data))


def layout_of(data: bytes, archive: Archive, is_free: Callable[[str], bool]) -> ZipLayout | None:
    """Return the layout of an archive, or None where it is none of the usual.

    Args:
        data: the whole archive.
        archive: its listing.
        is_free: whether a record may hold something else, by its name below the root. Such
            records are left free only where they are stored and hold something.
    """
    root = archive.root
    prefix = f"{root}/"
    end = data[-END.size :]
    if (
        archive.anomalies
        or _PLAIN_ROOT.fullmatch(root.encode("utf-8", "replace")) is None
        or not all(record.name.startswith(prefix) for record in archive.records)
        or not (end.startswith(END_SIGNATURE) and end.endswith(b"\0\0"))
    ):
        return None
    parts = _Parts([], [], [])
    centrals = _central_offsets(data)
    if len(centrals) != len(archive.records):
        return None
    for record, central in zip(archive.records, centrals, strict=True):
        header = record.header_offset
        if header is None:
            return None
        for start in (central + CENTRAL.size, header + LOCAL.size):
            parts.roots.append(slice(start, start + len(root)))
        free = is_free(record.name[len(prefix) :])
        if free and not _free(parts, data, record, (central, header)):
            return None
    return _layout(data, parts)


class _Parts(Frozen):
    """The parts that are not fixed."""

    roots: list[slice]
    checksums: list[tuple[slice, ...]]
    payloads: list[slice]


def _central_offsets(data: bytes) -> list[int]:
    """Return the offsets of the central headers; none where the end records do not follow them."""
    directory = read_directory(MemorySource(data, ""), AnomalyLog())
    offsets = []
    position = directory.start
    while data.startswith(CENTRAL_SIGNATURE, position):
        offsets.append(position)
        at = position + _CENTRAL_NAME_NBYTES
        position += CENTRAL.size + sum(_uint2(data, at + 2 * index) for index in range(3))
    return offsets if position == directory.stop == directory.tail else []


def _uint2(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "little")


def _free(parts: _Parts, data: bytes, record: Record, headers: tuple[int, int]) -> bool:
    """Leave the payload of a record free; return whether it is known where its checksum stands."""
    start, nbytes = record.offset, record.stored_nbytes
    if record.compressed or record.problem is not None or not record.crc32 or not nbytes:
        return False
    if start is None:
        return False
    central, header = headers
    crc = record.crc32.to_bytes(_CRC_NBYTES, "little")
    places = [central + _CENTRAL_CRC]
    if data[header + _LOCAL_CRC :][:_CRC_NBYTES] != _NO_CRC:
        places.append(header + _LOCAL_CRC)
    stop = start + nbytes
    if _uint2(data, header + _LOCAL_FLAGS) & FLAG_DEFERRED:
        if not data.startswith(DESCRIPTOR_SIGNATURE, stop):
            return False
        places.append(stop + _DESCRIPTOR_CRC)
    if any(data[place : place + _CRC_NBYTES] != crc for place in places):
        return False
    parts.checksums.append(tuple(slice(place, place + _CRC_NBYTES) for place in places))
    parts.payloads.append(slice(start, stop))
    return True


def _layout(data: bytes, parts: _Parts) -> ZipLayout | None:
    """Return the layout with these parts left free, if every checksum is repeated as often."""
    if len({len(places) for places in parts.checksums}) != 1:
        return None  # this is also where no record is free
    free = [*parts.roots, *parts.payloads]
    free += [place for places in parts.checksums for place in places]
    between = parts_between(free, len(data))
    if between is None:
        return None
    fixed = pieces_of(between)
    return ZipLayout(
        fixed,
        fixed(data),
        pieces_of(parts.roots),
        tuple(pieces_of(list(places)) for places in zip(*parts.checksums, strict=True)),
        pieces_of(parts.payloads),
    )
