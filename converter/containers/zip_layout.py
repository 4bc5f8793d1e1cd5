"""What in a zip archive may be different in another one that is laid out alike.

Archives that one program has written of one model differ in few bytes: the name of their root
folder, what some records hold, and the checksums of those. Every other byte stands for the
listing. Where all of them are the same, so is what `converter.containers.zip_archive.read_zip`
says, without reading them one by one again.
"""

from __future__ import annotations

from converter.byteio.pieces import Excerpt, parts_between, pieces_of
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
    from collections.abc import Callable, Mapping
    from typing import Final

    from converter.byteio.pieces import Pieces
    from converter.byteio.source import ByteSource
    from converter.containers.records import Archive, Record

# Such a folder is safe and read alike everywhere, whatever its letters are.
_PLAIN_BYTES: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=+,@. -"
_FIRST_BYTES: Final = frozenset(_PLAIN_BYTES[:63])
# Offsets of the checksum in a central header, in a local one and in a data descriptor, of the
# name in both headers, and of the flags in the local one: APPNOTE 4.3.7, 4.3.9 and 4.3.12.
_CENTRAL_CRC, _LOCAL_CRC, _DESCRIPTOR_CRC, _LOCAL_FLAGS = 16, 14, 4, 6
_CENTRAL_NAME_NBYTES: Final = 28
_CRC_NBYTES: Final = 4
# To read over so much costs less than to ask once more.
_WORTH_LEAVING_OUT_NBYTES: Final = 4_096
_NO_CRC: Final = bytes(_CRC_NBYTES)


class FreeParts:
    """What an archive has of its own; there is one for each of thousands.

    Attributes:
        root: its root folder.
        checksums: those of the free records, four bytes each, in their order.
        heads: what is looked at of the free records.
    """

    __slots__ = ("checksums", "heads", "root")

    def __init__(self, root: str, checksums: tuple[bytes, ...], heads: tuple[bytes, ...]) -> None:
        """Hold the three."""
        self.root: Final = root
        self.checksums: Final = checksums
        self.heads: Final = heads


class ZipLayout(Frozen):
    """How one archive is laid out, and what the next must have in common with it.

    Attributes:
        excerpt: leaves out what is not looked at.
        fixed: cuts out of that everything that must be the same.
        same: what that is.
        roots: cuts out every place at which the root folder is named.
        checksums: cut out the checksums of the free records: in the directory, and wherever they
            are repeated.
        heads: cuts out what is looked at of the free records, in their order.
        lengths: how many bytes each of them holds.
    """

    excerpt: Excerpt
    fixed: Pieces
    same: tuple[bytes, ...]
    roots: Pieces
    checksums: tuple[Pieces, ...]
    heads: Pieces
    lengths: tuple[int, ...]

    def parts_of(self, data: bytes) -> FreeParts | None:
        """Return what is different in an archive that is laid out like this one, or None.

        An archive for which there is an answer has no anomaly, as the first one has none.
        Whether its checksums are right is not looked at.

        Args:
            data: the excerpt of an archive of the length of the first.
        """
        if self.fixed(data) != self.same:
            return None
        roots = self.roots(data)
        root = roots[0]
        if roots.count(root) != len(roots) or not _is_plain(root):
            return None
        listed, *repeated = (pieces(data) for pieces in self.checksums)
        if any(found != listed for found in repeated):
            return None
        return FreeParts(root.decode("ascii"), listed, self.heads(data))


def _is_plain(root: bytes) -> bool:
    return root[:1] != b"" and root[0] in _FIRST_BYTES and not root.translate(None, _PLAIN_BYTES)


def layout_of(
    source: ByteSource, archive: Archive, looked_at: Callable[[str], int | None], most_nbytes: int
) -> ZipLayout | None:
    """Return the layout of an archive, or None where it is none of the usual.

    Args:
        source: the archive.
        archive: its listing.
        looked_at: how many bytes are looked at of a record that may hold something else, by its
            name below the root; None where it may not. Such records are left free only where they
            are stored and hold something.
        most_nbytes: how long the excerpt may be.

    Raises:
        SourceError: the source cannot be read.
    """
    root = archive.root
    prefix = f"{root}/"
    if (
        archive.anomalies
        or not _is_plain(root.encode("utf-8", "replace"))
        or not all(record.name.startswith(prefix) for record in archive.records)
    ):
        return None
    free = {
        record.name: nbytes
        for record in archive.records
        if (nbytes := looked_at(record.name[len(prefix) :])) is not None
    }
    excerpt = _excerpt(source, archive, free)
    if excerpt is None or excerpt.nbytes > most_nbytes:
        return None
    data = excerpt.read(source)
    end = data[-END.size :]
    centrals = _central_offsets(source, data, excerpt)
    alone = end.startswith(END_SIGNATURE) and end.endswith(b"\0\0")
    if not alone or len(centrals) != len(archive.records):
        return None
    parts = _Parts(data, excerpt, [], [], [], [], [])
    for record, central in zip(archive.records, centrals, strict=True):
        header = excerpt.place(record.header_offset or 0)
        for start in (central + CENTRAL.size, header + LOCAL.size):
            parts.roots.append(slice(start, start + len(root)))
        if record.name in free and not parts.free(record, central, header, free[record.name]):
            return None
    return _layout(parts)


def _excerpt(source: ByteSource, archive: Archive, free: Mapping[str, int]) -> Excerpt | None:
    """Return an archive without what is not looked at, if that is long; None if it overlaps."""
    left_out: list[slice] = []
    for record in archive.records:
        if record.name not in free or record.offset is None or record.stored_nbytes is None:
            continue
        start = record.offset + free[record.name]
        stop = record.offset + record.stored_nbytes
        if stop - start > _WORTH_LEAVING_OUT_NBYTES:
            left_out.append(slice(start, stop))
    left_out.sort(key=lambda part: part.start)
    if parts_between(left_out, source.nbytes) is None:
        return None
    return Excerpt(left_out, source.nbytes)


class _Parts(Frozen):
    """The parts of an excerpt that are not fixed.

    Attributes:
        data: the excerpt.
        excerpt: where everything is in it.
        roots: names of the root folder.
        checksums: of each free record, wherever they stand.
        payloads: what is left of the free records.
        heads: what is looked at of them.
        lengths: how many bytes they hold.
    """

    data: bytes
    excerpt: Excerpt
    roots: list[slice]
    checksums: list[tuple[slice, ...]]
    payloads: list[slice]
    heads: list[slice]
    lengths: list[int]

    def free(self, record: Record, central: int, header: int, looked_at: int) -> bool:
        """Leave a payload free; return whether it is known where its checksum stands.

        Args:
            record: the record.
            central: where its header in the directory is.
            header: where its local header is.
            looked_at: how many of its bytes are looked at.
        """
        nbytes, data = record.stored_nbytes, self.data
        if record.compressed or record.problem is not None or not record.crc32 or not nbytes:
            return False
        if record.offset is None or record.header_offset is None:
            return False
        crc = record.crc32.to_bytes(_CRC_NBYTES, "little")
        places = [central + _CENTRAL_CRC]
        if data[header + _LOCAL_CRC :][:_CRC_NBYTES] != _NO_CRC:
            places.append(header + _LOCAL_CRC)
        start = self.excerpt.place(record.offset)
        stop = self.excerpt.place(record.offset + nbytes)
        if _uint2(data, header + _LOCAL_FLAGS) & FLAG_DEFERRED:
            if not data.startswith(DESCRIPTOR_SIGNATURE, stop):
                return False
            places.append(stop + _DESCRIPTOR_CRC)
        if any(data[place : place + _CRC_NBYTES] != crc for place in places):
            return False
        self.checksums.append(tuple(slice(place, place + _CRC_NBYTES) for place in places))
        self.payloads.append(slice(start, stop))
        self.heads.append(slice(start, min(stop, start + looked_at)))
        self.lengths.append(nbytes)
        return True


def _central_offsets(source: ByteSource, data: bytes, excerpt: Excerpt) -> list[int]:
    """Return where the central headers are in an excerpt.

    None where the end records do not follow them at once.
    """
    directory = read_directory(source, AnomalyLog())
    offsets = []
    position = excerpt.place(directory.start)
    while data.startswith(CENTRAL_SIGNATURE, position):
        offsets.append(position)
        at = position + _CENTRAL_NAME_NBYTES
        position += CENTRAL.size + sum(_uint2(data, at + 2 * index) for index in range(3))
    whole = directory.stop == directory.tail and position == excerpt.place(directory.stop)
    return offsets if whole else []


def _uint2(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "little")


def _layout(parts: _Parts) -> ZipLayout | None:
    """Return the layout with these parts left free, if every checksum is repeated as often."""
    if len({len(places) for places in parts.checksums}) != 1:
        return None  # this is also where no record is free
    free = [*parts.roots, *parts.payloads]
    free += [place for places in parts.checksums for place in places]
    between = parts_between(free, len(parts.data))
    if between is None:
        return None
    fixed = pieces_of(between)
    return ZipLayout(
        parts.excerpt,
        fixed,
        fixed(parts.data),
        pieces_of(parts.roots),
        tuple(pieces_of(list(places)) for places in zip(*parts.checksums, strict=True)),
        pieces_of(parts.heads),
        tuple(parts.lengths),
    )
