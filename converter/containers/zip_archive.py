"""Zip archives: the records, and everything about them on which two readers could differ.

The directory is found as torch finds it, and compared with the local headers and with what other
readers (CPython's zipfile, unzip, streaming readers) would see. What differs is an anomaly, not an
error; `ContainerError` is raised only when there is no directory to read. The codes:

The end of the archive
    ``zip_comment``               the archive, or an entry, has a comment
    ``zip_comment_cut``           the comment is longer than what is there
    ``zip_trailing_bytes``        bytes follow the archive
    ``zip_end_far``               the end record is where only some readers look
    ``zip_second_end_record``     another end record stands in the comment or behind
    ``zip64_locator_differs``     the ZIP64 end record is not right before its locator
    ``zip64_end_missing``         a ZIP64 locator, and no ZIP64 end record
    ``zip64_end_differs``         the two end records contradict each other
    ``zip_multi_disk``            parts are said to be in other files

The directory
    ``zip_two_directories``       one where the end record says, another right before it
    ``zip_entry_count_differs``   more or fewer entries than declared
    ``zip_directory_damaged``     bytes of the directory that are no entry
    ``zip_extra_damaged``         an extra field that is no sequence of blocks
    ``zip64_field_missing``       a 64-bit value is promised and absent (record unreadable)
    ``zip_unicode_path``          a second name in an extra field

Bytes nobody owns
    ``zip_prefix``                bytes before the first record
    ``zip_gap``                   bytes between records, or between them and the end
    ``zip_orphan_record``         a local header there, unknown to the directory
    ``zip_concatenated``          an end record there: another archive
    ``zip_overlap``               bytes that two records own

Names
    ``zip_duplicate_name``        two entries, one name
    ``zip_case_clash``            names that torch cannot tell apart
    ``zip_unsafe_name``           absolute, ``..``, backslash, drive, control characters, empty
    ``zip_name_encoding``         not UTF-8, or UTF-8 that is not marked
    ``zip_no_root``               the first entry is in no folder
    ``zip_outside_root``          an entry outside the first entry's folder
    ``zip_several_roots``         more than one top folder
    ``zip_folder_with_bytes``     a folder entry with contents

Records
    ``zip_local_header_missing``  nothing where the directory points (record unreadable)
    ``zip_local_name_differs``    the local header has another name
    ``zip_local_method_differs``  … another method
    ``zip_local_flags_differ``    … other flags
    ``zip_local_sizes_differ``    … other lengths
    ``zip_local_crc_differs``     … another checksum
    ``zip_descriptor_differs``    the data descriptor contradicts the directory
    ``zip_descriptor_missing``    a data descriptor is promised and absent
    ``zip_payload_outside``       the payload reaches behind the file's end (record unreadable)
    ``zip_encrypted``             flagged as encrypted (record unreadable)
    ``zip_patch_data``            flagged as patch data (record unreadable)
    ``zip_unknown_method``        neither stored nor deflated (record unreadable)
    ``zip_stored_sizes_differ``   stored, with two lengths; the unpacked one is read, as by torch
    ``zip_inflate_limit``         unpacks to more than the limits allow (record unreadable)

On demand, from `check_crc`
    ``zip_crc_not_computed``      the checksum is zero, as torch writes when told not to compute it
    ``zip_crc_differs``           the payload has another checksum
    ``zip_deflate_leftover``      packed bytes behind the end of the deflate stream

Of each code at most a hundred are listed; one more then counts the rest.
"""

from __future__ import annotations

import zlib

from converter.anomaly import Anomaly
from converter.byteio.source import WindowSource
from converter.containers.records import Archive, BrokenSource, Record
from converter.containers.zip_directory import DirectoryParser
from converter.containers.zip_end import read_directory
from converter.containers.zip_local import UNKNOWN, LocalReader, Placed
from converter.containers.zip_names import note_names
from converter.containers.zip_structures import (
    END,
    END64,
    END_SIGNATURE,
    LOCAL,
    LOCAL_SIGNATURE,
    LOCATOR,
    STORED,
    AnomalyLog,
    Entry,
)
from converter.errors import LimitError
from converter.limits import DEFAULT_LIMITS, Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.containers.zip_end import Directory

# How much of an unowned range is searched from each of its ends.
_SEARCHED_NBYTES: Final = 1 << 17


def read_zip(source: ByteSource, limits: Limits = DEFAULT_LIMITS) -> Archive:
    """List a zip archive without reading its payloads.

    Args:
        source: the whole file; the records keep referring to it.
        limits: caps on entries, directory and unpacked lengths.

    Raises:
        ContainerError: there is no central directory that can be read.
        LimitError: the directory is larger than `limits` allows.
        SourceError: the source cannot be read.
    """
    log = AnomalyLog()
    directory = read_directory(source, log)
    entries = DirectoryParser(source, directory, log, limits).parse()
    note_names([entry.name for entry in entries], log)
    placed, gaps = LocalReader(source, entries, log).place(directory.start)
    _note_gaps(source, directory, gaps, log)
    records = tuple(
        _record(source, entry, place, log, limits)
        for entry, place in zip(entries, placed, strict=True)
    )
    return Archive("zip", records, log.anomalies())


def check_crc(record: Record, limits: Limits = DEFAULT_LIMITS) -> Anomaly | None:
    """Read a record through and compare its checksum with what the archive claims.

    A checksum that was not computed is reported without reading anything.

    Raises:
        FormatError: the record cannot be unpacked.
        SourceError: the source cannot be read.
    """
    data = record.data
    if record.crc32 is None:
        if record.nbytes == 0 and record.problem is None:
            return None
        detail = "the archive holds no checksum for this record"
        return Anomaly("zip_crc_not_computed", detail, record=record.name)
    crc = 0
    for offset in range(0, data.nbytes, limits.copy_chunk_bytes):
        nbytes = min(limits.copy_chunk_bytes, data.nbytes - offset)
        crc = zlib.crc32(data.read_at(offset, nbytes), crc)
    if crc != record.crc32:
        detail = f"the archive claims CRC {record.crc32:#010x}, the bytes have {crc:#010x}"
        return Anomaly("zip_crc_differs", detail, record=record.name)
    if record.compressed:
        from converter.containers.inflated import InflatedSource

        leftover = data.check_end() if isinstance(data, InflatedSource) else 0
        if leftover:
            detail = f"{leftover} packed bytes follow the end of the deflate stream"
            return Anomaly("zip_deflate_leftover", detail, record=record.name)
    return None


def _record(
    source: ByteSource, entry: Entry, place: Placed, log: AnomalyLog, limits: Limits
) -> Record:
    """Make the record of one entry."""
    name = f"{source.name}!{entry.name}"
    compressed = entry.method != STORED
    payload_offset, _, problem = place
    if compressed and problem is None:
        problem = _inflate_problem(source, entry, log, limits)
    data: ByteSource
    if problem is not None:
        data = BrokenSource(name, entry.usize, problem)
    else:
        data = WindowSource(source, payload_offset, entry.csize, name)
        if compressed:
            # torch packs nothing: few archives need what unpacks them.
            from converter.containers.inflated import InflatedSource

            data = InflatedSource(data, entry.usize, name)
    return Record(
        entry.name,
        data,
        compressed,
        entry.crc if entry.crc or not entry.usize else None,
        payload_offset if payload_offset != UNKNOWN else None,
        entry.csize,
        entry.header_offset,
        problem,
    )


def _inflate_problem(
    source: ByteSource, entry: Entry, log: AnomalyLog, limits: Limits
) -> LimitError | None:
    """Return the limit that unpacking an entry would break, if any, noting it."""
    ratio = -(-entry.usize // max(1, entry.csize))
    checks = (
        ("max_inflated_bytes", limits.max_inflated_bytes, entry.usize),
        ("max_inflate_ratio", limits.max_inflate_ratio, ratio),
    )
    for limit, allowed, found in checks:
        if found > allowed:
            log.add("zip_inflate_limit", f"{limit}: {found}, allowed {allowed}", record=entry.name)
            return LimitError(
                limit, allowed=allowed, found=found, source=source.name, record=entry.name
            )
    return None


def _note_gaps(
    source: ByteSource, directory: Directory, gaps: list[tuple[int, int]], log: AnomalyLog
) -> None:
    """Note the bytes that neither a record nor the directory nor the end records own."""
    position = directory.stop
    behind: list[tuple[int, int]] = []
    ends = directory.end_offset
    if directory.tail != ends:  # a ZIP64 end record, usually right here, and its locator
        if directory.tail >= position:
            behind.append((position, directory.tail))
            position = directory.tail + END64.size
        ends -= LOCATOR.size
    behind.append((position, ends))
    for start, stop in (*gaps, *behind):
        if start < stop:
            _note_gap(source, start, stop, log)


def _note_gap(source: ByteSource, start: int, stop: int, log: AnomalyLog) -> None:
    """Note one unowned range and what its two ends show."""
    code = "zip_gap" if start else "zip_prefix"
    full = log.is_full(code)
    nbytes = stop - start
    if full:
        log.add(code, "")
        return
    head = source.read_at(start, min(nbytes, _SEARCHED_NBYTES))
    pieces = [(start, head)]
    if nbytes > len(head):
        tail_start = max(start + len(head) - END.size, stop - _SEARCHED_NBYTES)
        pieces.append((tail_start, source.read_at(tail_start, stop - tail_start)))
    what = "only zeros seen" if not any(any(piece) for _, piece in pieces) else "not only zeros"
    log.add(code, f"{nbytes} bytes from {start} belong to no record: {what}", offset=start)
    for offset, piece in pieces:
        at = piece.find(LOCAL_SIGNATURE)
        if at >= 0:
            detail = f"a record {_orphan_name(piece, at)!r} is not in the directory"
            log.add("zip_orphan_record", detail, offset=offset + at)
        at = piece.find(END_SIGNATURE)
        if at >= 0:
            detail = "another archive ends before this one's directory"
            log.add("zip_concatenated", detail, offset=offset + at)


def _orphan_name(piece: bytes, at: int) -> str:
    nbytes = int.from_bytes(piece[at + 26 : at + 28], "little")
    start = at + LOCAL.size
    return piece[start : start + min(nbytes, 200)].decode("utf-8", "backslashreplace")
