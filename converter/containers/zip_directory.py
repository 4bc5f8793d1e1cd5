"""The central directory of a zip file: its entries, resolved and checked one by one."""

from __future__ import annotations

import struct

from converter.containers.zip_structures import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    EXTRA_UNICODE_PATH,
    FLAG_ENCRYPTED,
    FLAG_MASKED,
    FLAG_PATCH,
    FLAG_STRONG_ENCRYPTION,
    FLAG_UTF8,
    MAX_32,
    STORED,
    AnomalyLog,
    Entry,
    parse_extra,
    resolve_zip64,
)
from converter.errors import ContainerError, FormatError, LimitError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.containers.zip_end import Directory
    from converter.limits import Limits

_READABLE: Final = frozenset({STORED, DEFLATED})
_ENCRYPTED: Final = FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION | FLAG_MASKED
_ODD_FLAGS: Final = _ENCRYPTED | FLAG_PATCH
# `CENTRAL` without versions, times and attributes.
_UNPACK: Final = struct.Struct("<4s4xHH4x3L4H6xL").unpack_from
# APPNOTE 4.4.5
_METHOD_NAMES: Final = {
    1: "shrink",
    6: "implode",
    9: "deflate64",
    12: "bzip2",
    14: "lzma",
    93: "zstd",
    95: "xz",
    99: "AES",
}


class DirectoryParser:
    """Turns the bytes of one central directory into entries."""

    def __init__(
        self, source: ByteSource, directory: Directory, log: AnomalyLog, limits: Limits
    ) -> None:
        """Parse `directory` of `source`, noting what is odd in `log`."""
        self._source: Final = source
        self._directory: Final = directory
        self._log: Final = log
        self._limits: Final = limits

    def parse(self) -> list[Entry]:
        """Return every entry, in order.

        Raises:
            ContainerError: not a single entry can be read, and some are declared.
            LimitError: the directory is larger than `limits` allows.
        """
        directory = self._directory
        nbytes = directory.stop - directory.start
        self._check_limit("max_directory_bytes", self._limits.max_directory_bytes, nbytes)
        self._check_limit("max_records", self._limits.max_records, directory.count)
        entries, position = self._parse_entries(self._source.read_at(directory.start, nbytes))
        if directory.count and not entries:
            raise ContainerError(
                "zip central directory cannot be read",
                source=self._source.name,
                offset=directory.start,
                expected=f"{directory.count} entries",
                found=f"none in {nbytes} bytes",
            )
        if position != nbytes:
            detail = f"{nbytes - position} bytes of the directory are no entry"
            self._log.add("zip_directory_damaged", detail, offset=directory.start + position)
        if len(entries) != directory.count:
            detail = (
                f"the directory holds {len(entries)} entries, "
                f"the end record counts {directory.count}"
            )
            self._log.add("zip_entry_count_differs", detail, offset=directory.end_offset)
        return entries

    def _parse_entries(self, table: bytes) -> tuple[list[Entry], int]:
        """Return the entries and how many bytes they fill."""
        entries: list[Entry] = []
        shift = self._directory.shift
        longest, most = self._limits.max_record_name_bytes, self._limits.max_records
        position = 0
        while position + CENTRAL.size <= len(table):
            (
                signature, flags, method, crc, csize, usize,
                name_nbytes, extra_nbytes, comment_nbytes, disk, offset,
            ) = _UNPACK(table, position)  # fmt: skip
            name_start = position + CENTRAL.size
            name_stop = name_start + name_nbytes
            stop = name_stop + extra_nbytes + comment_nbytes
            if signature != CENTRAL_SIGNATURE or stop > len(table):
                break
            raw_name = table[name_start:name_stop]
            name = raw_name.decode("ascii") if raw_name.isascii() else self._decode(raw_name, flags)
            problem: FormatError | None = None
            if extra_nbytes or MAX_32 in (csize, usize, offset):
                extra = table[name_stop : name_stop + extra_nbytes]
                usize, csize, offset, problem = self._extend(name, extra, (usize, csize, offset))
            entry = Entry(name, raw_name, flags, method, crc, csize, usize, offset + shift, problem)
            if (
                comment_nbytes
                or disk
                or method
                or flags & _ODD_FLAGS
                or csize != usize
                or name_nbytes > longest
                or (usize and raw_name[-1:] == b"/")
            ):
                self._inspect(entry, comment_nbytes, disk)
            entries.append(entry)
            position = stop
            if len(entries) > most:
                self._check_limit("max_records", most, len(entries))
        return entries, position

    def _decode(self, raw_name: bytes, flags: int) -> str:
        """Decode a name that is not ASCII: UTF-8 if it is that, flag or no flag, else cp437."""
        try:
            name = raw_name.decode("utf-8")
        except UnicodeDecodeError:
            name = raw_name.decode("cp437")
            self._log.add("zip_name_encoding", "the name is not UTF-8", record=name)
            return name
        if not flags & FLAG_UTF8:
            detail = "the name is UTF-8 and not marked so; some readers see cp437"
            self._log.add("zip_name_encoding", detail, record=name)
        return name

    def _extend(
        self, name: str, extra: bytes, slots: tuple[int, int, int]
    ) -> tuple[int, int, int, FormatError | None]:
        """Return usize, csize and offset with their ZIP64 values, and what is wrong if anything."""
        blocks, rest = parse_extra(extra)
        if rest:
            detail = f"{rest} bytes of the central extra field are no block"
            self._log.add("zip_extra_damaged", detail, record=name)
        if any(kind == EXTRA_UNICODE_PATH for kind, _ in blocks):
            detail = "an extra field gives a second name, which some readers use"
            self._log.add("zip_unicode_path", detail, record=name)
        values = resolve_zip64(blocks, slots)
        if values is None:
            problem = ContainerError(
                "ZIP64 field is missing",
                source=self._source.name,
                record=name,
                expected="a 64-bit value for each 32-bit field that is all ones",
                found=f"an extra field of {len(extra)} bytes",
            )
            self._log.add("zip64_field_missing", str(problem), record=name)
            return (*slots, problem)
        usize, csize, offset = values
        return usize, csize, offset, None

    def _inspect(self, entry: Entry, comment_nbytes: int, disk: int) -> None:
        """Note what is unusual in an entry, in it too where it cannot be read as it stands."""
        name = entry.name
        if comment_nbytes:
            detail = f"the entry has a comment of {comment_nbytes} bytes"
            self._log.add("zip_comment", detail, record=name)
        if disk:
            self._log.add("zip_multi_disk", f"the record starts on disk {disk}", record=name)
        self._check_limit(
            "max_record_name_bytes", self._limits.max_record_name_bytes, len(entry.raw_name)
        )
        if entry.usize and name.endswith("/"):
            detail = f"the name is a folder's, and {entry.usize} bytes belong to it"
            self._log.add("zip_folder_with_bytes", detail, record=name)
        if entry.method == STORED and entry.csize != entry.usize:
            # torch reads the unpacked length (unless date and time are 0: then it refuses)
            detail = f"stored, {entry.csize} bytes packed and {entry.usize} unpacked"
            self._log.add("zip_stored_sizes_differ", detail, record=name)
            entry.csize = entry.usize
        entry.problem = entry.problem or self._problem_of(entry)

    def _problem_of(self, entry: Entry) -> FormatError | None:
        """Return why the payload cannot be unpacked, noting it."""
        flags, method = entry.flags, entry.method
        if flags & FLAG_PATCH:
            return self._unsupported(entry, "zip_patch_data", "patch data", f"flags {flags:#06x}")
        if flags & _ENCRYPTED:
            return self._unsupported(entry, "zip_encrypted", "encrypted", f"flags {flags:#06x}")
        if method not in _READABLE:
            found = f"method {method} ({_METHOD_NAMES.get(method, 'unknown')})"
            state = "packed unreadably"
            return self._unsupported(entry, "zip_unknown_method", state, found, code="zip_packed")
        return None

    def _unsupported(
        self, entry: Entry, anomaly: str, state: str, found: str, code: str | None = None
    ) -> UnsupportedError:
        self._log.add(anomaly, f"the record is {state}: {found}", record=entry.name)
        return UnsupportedError(
            f"zip record is {state}",
            source=self._source.name,
            record=entry.name,
            found=found,
            code=code,
        )

    def _check_limit(self, limit: str, allowed: int, found: int) -> None:
        if found > allowed:
            raise LimitError(limit, allowed=allowed, found=found, source=self._source.name)
