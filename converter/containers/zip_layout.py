"""What in a zip archive may be different in another one that is laid out alike.

Archives that one program has written of one model differ in few bytes: the name of their root
folder, what some records hold, and the checksums of those. Every other byte stands for the
listing. Where all of them are the same, so is what `converter.containers.zip_archive.read_zip`
says, without reading them one by one again.

`layout_of` learns of one archive what is free in it and what is fixed; `ZipLayout.parts_of` then
compares others with it. Every offset and slice here is one of the excerpt that
`converter.containers.zip_excerpt` makes, never of the file.
"""

from __future__ import annotations

from converter.byteio.pieces import parts_between, pieces_of
from converter.containers.zip_excerpt import excerpt_of
from converter.containers.zip_structures import (
    CENTRAL,
    DESCRIPTOR_SIGNATURE,
    FLAG_DEFERRED,
    LOCAL,
    uint2,
)
from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from converter.byteio.pieces import Excerpt, Pieces
    from converter.byteio.source import ByteSource
    from converter.containers.records import Archive, Record
    from converter.containers.zip_excerpt import RecordPlaces, ZipExcerpt

# Such a folder is safe and read alike everywhere, whatever its letters are.
_PLAIN_BYTES: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=+,@. -"
_FIRST_BYTES: Final = frozenset(_PLAIN_BYTES[:63])
# Where the checksum is in a central header, in a local one and in a data descriptor, and the flags
# in the local one: APPNOTE 4.3.7, 4.3.9 and 4.3.12.
_CENTRAL_CRC, _LOCAL_CRC, _DESCRIPTOR_CRC, _LOCAL_FLAGS = 16, 14, 4, 6
_CRC_NBYTES: Final = 4
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
        stop: one past the last stored byte of all records; the directory follows.
    """

    excerpt: Excerpt
    fixed: Pieces
    same: tuple[bytes, ...]
    roots: Pieces
    checksums: tuple[Pieces, ...]
    heads: Pieces
    lengths: tuple[int, ...]
    stop: int

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
    heads = {
        record.name: nbytes
        for record in archive.records
        if (nbytes := looked_at(record.name[len(prefix) :])) is not None
    }
    excerpt = excerpt_of(source, archive, heads, most_nbytes)
    if excerpt is None:
        return None
    roots: list[slice] = []
    free: list[_FreeRecord] = []
    for record, places in zip(archive.records, excerpt.records, strict=True):
        names = (places.central + CENTRAL.size, places.local + LOCAL.size)
        roots += [slice(name, name + len(root)) for name in names]
        if record.name in heads:
            found = _free_record(excerpt.data, record, places, heads[record.name])
            if found is None:
                return None
            free.append(found)
    return _layout(excerpt, roots, free)


class _FreeRecord(Frozen):
    """Where a record that may hold something else is in an excerpt.

    Attributes:
        checksums: wherever its checksum stands, the directory first.
        payload: what is left of its bytes.
        head: what is looked at of them.
        nbytes: how many it holds.
    """

    checksums: tuple[slice, ...]
    payload: slice
    head: slice
    nbytes: int


def _free_record(
    data: bytes, record: Record, places: RecordPlaces, looked_at: int
) -> _FreeRecord | None:
    """Return where a record may differ, or None where it is not known where its checksum stands."""
    payload, nbytes = places.payload, record.stored_nbytes
    if record.compressed or record.problem is not None or not record.crc32:
        return None
    if payload is None or not nbytes:
        return None
    starts = [places.central + _CENTRAL_CRC]
    local = places.local + _LOCAL_CRC
    if data[local : local + _CRC_NBYTES] != _NO_CRC:
        starts.append(local)
    if uint2(data, places.local + _LOCAL_FLAGS) & FLAG_DEFERRED:
        if not data.startswith(DESCRIPTOR_SIGNATURE, payload.stop):
            return None
        starts.append(payload.stop + _DESCRIPTOR_CRC)
    checksums = tuple(slice(start, start + _CRC_NBYTES) for start in starts)
    crc = record.crc32.to_bytes(_CRC_NBYTES, "little")
    if any(data[place] != crc for place in checksums):
        return None
    head = slice(payload.start, min(payload.stop, payload.start + looked_at))
    return _FreeRecord(checksums, payload, head, nbytes)


def _layout(excerpt: ZipExcerpt, roots: list[slice], free: list[_FreeRecord]) -> ZipLayout | None:
    """Return the layout with these parts left free, if every checksum is repeated as often."""
    if len({len(record.checksums) for record in free}) != 1:
        return None  # this is also where no record is free
    parts = [*roots, *(record.payload for record in free)]
    parts += [place for record in free for place in record.checksums]
    between = parts_between(parts, len(excerpt.data))
    if between is None:
        return None
    fixed = pieces_of(between)
    checksums = zip(*(record.checksums for record in free), strict=True)
    return ZipLayout(
        excerpt=excerpt.cut,
        fixed=fixed,
        same=fixed(excerpt.data),
        roots=pieces_of(roots),
        checksums=tuple(pieces_of(list(places)) for places in checksums),
        heads=pieces_of([record.head for record in free]),
        lengths=tuple(record.nbytes for record in free),
        stop=excerpt.stop,
    )
