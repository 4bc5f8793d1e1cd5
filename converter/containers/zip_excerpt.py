"""A zip archive without what nobody looks at, and where its records are in what is left.

A listing tells where everything is in the file. Many archives are compared by an excerpt of each,
in which all that follows a gap has moved forward. This module goes from the one to the other, and
is the only one that knows both: every offset in what it returns is one of the excerpt.
"""

from __future__ import annotations

from converter.byteio.pieces import Excerpt, parts_between
from converter.containers.zip_end import read_directory
from converter.containers.zip_structures import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    END,
    END_SIGNATURE,
    AnomalyLog,
    uint2,
)
from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.containers.records import Archive, Record

# To read over so much costs less than to ask once more.
_WORTH_LEAVING_OUT_NBYTES: Final = 4_096
# Where a central header says how long its name is, then its extra field and its comment: 4.3.12.
_CENTRAL_LENGTHS: Final = 28


class RecordPlaces(Frozen):
    """Where one record is in an excerpt.

    Attributes:
        central: its header in the directory.
        local: its local header.
        payload: what is left of its stored bytes; None where it is not known where they are.
    """

    central: int
    local: int
    payload: slice | None


class ZipExcerpt(Frozen):
    """What is left of an archive; offsets count from its first byte.

    Attributes:
        cut: takes the same excerpt of other archives of this length.
        data: the excerpt.
        records: where each record is, in the order of the directory.
        stop: one past the last stored byte of all records; the directory follows.
    """

    cut: Excerpt
    data: bytes
    records: tuple[RecordPlaces, ...]
    stop: int


def excerpt_of(
    source: ByteSource, archive: Archive, looked_at: Mapping[str, int], most_nbytes: int
) -> ZipExcerpt | None:
    """Return an archive without the ends of long records, or None where it is none of the usual.

    Usual is one whose records do not overlap, and whose directory is followed by nothing but the
    classic end record without a comment.

    Args:
        source: the archive.
        archive: its listing.
        looked_at: name of a record → how many of its bytes are looked at; of all others, all are.
        most_nbytes: how long the excerpt may be.

    Raises:
        SourceError: the source cannot be read.
    """
    cut = _cut(source, archive, looked_at)
    if cut is None or cut.nbytes > most_nbytes:
        return None
    data = cut.read(source)
    directory = read_directory(source, AnomalyLog())
    centrals = _central_headers(data, cut.place(directory.start), cut.place(directory.stop))
    end = data[-END.size :]
    alone = end.startswith(END_SIGNATURE) and end.endswith(b"\0\0")
    if not alone or directory.stop != directory.tail or len(centrals) != len(archive.records):
        return None
    places = tuple(map(_places, archive.records, centrals, [cut] * len(centrals)))
    stops = [(record.offset or 0) + (record.stored_nbytes or 0) for record in archive.records]
    return ZipExcerpt(cut, data, places, cut.place(max(stops, default=0)))


def _cut(source: ByteSource, archive: Archive, looked_at: Mapping[str, int]) -> Excerpt | None:
    """Return what leaves out the ends of long records; None where those overlap."""
    left_out: list[slice] = []
    for record in archive.records:
        if record.name not in looked_at or record.offset is None or record.stored_nbytes is None:
            continue
        start = record.offset + looked_at[record.name]
        stop = record.offset + record.stored_nbytes
        if stop - start > _WORTH_LEAVING_OUT_NBYTES:
            left_out.append(slice(start, stop))
    kept = parts_between(left_out, source.nbytes)
    return None if kept is None else Excerpt(kept)


def _central_headers(data: bytes, start: int, stop: int) -> list[int]:
    """Return where the headers of a directory are, or none where they do not fill it."""
    headers = []
    position = start
    while data.startswith(CENTRAL_SIGNATURE, position):
        headers.append(position)
        lengths = position + _CENTRAL_LENGTHS
        position += CENTRAL.size + sum(uint2(data, lengths + 2 * index) for index in range(3))
    return headers if position == stop else []


def _places(record: Record, central: int, cut: Excerpt) -> RecordPlaces:
    """Return where a record is in an excerpt, given where its central header is there."""
    payload = None
    if record.offset is not None and record.stored_nbytes is not None:
        stop = record.offset + record.stored_nbytes
        payload = slice(cut.place(record.offset), cut.place(stop))
    return RecordPlaces(central, cut.place(record.header_offset or 0), payload)
