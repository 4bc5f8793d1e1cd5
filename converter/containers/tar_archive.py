"""Tar archives: the regular files, by their headers, and what was odd about the rest.

Read are ustar, GNU long names and pax records (POSIX.1-2001, "pax Interchange Format"), without
compression. Nothing is extracted, so a name that climbs out of its folder is only an oddity. As in
CPython's tarfile, the archive ends at its first block of zeros. The codes:

    ``tar_entry_ignored``      a link, a device or a FIFO; folders are not worth a word
    ``tar_link_climbs``        a link to an absolute name, or out of the folder
    ``tar_entry_unreadable``   a sparse file, or an entry of an unknown type
    ``tar_duplicate_name``     two files of one name; readers take the last
    ``tar_unsafe_name``        absolute, ``..``, backslash, control characters, empty
    ``tar_header_damaged``     no header where one should be: what follows is not listed
    ``tar_end_missing``        the file ends without a block of zeros
    ``tar_trailing_bytes``     bytes other than zeros after the end
    ``tar_pax_damaged``        pax records that are none
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from converter.byteio.source import WindowSource
from converter.containers.records import Archive, BrokenSource, Record
from converter.containers.zip_structures import AnomalyLog
from converter.errors import ContainerError, LimitError, UnsupportedError
from converter.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.errors import FormatError

_BLOCK_NBYTES: Final = 512
_ZEROS: Final = bytes(_BLOCK_NBYTES)
# Where the fields of a header lie; POSIX.1-1988, IEEE Std 1003.1, "ustar Interchange Format".
_NAME: Final = slice(0, 100)
_NBYTES: Final = slice(124, 136)
_CHECKSUM: Final = slice(148, 156)
_TYPE: Final = slice(156, 157)
_LINK: Final = slice(157, 257)
_MAGIC: Final = slice(257, 263)
_PREFIX: Final = slice(345, 500)
_POSIX_MAGIC: Final = b"ustar\0"

_REGULAR: Final = frozenset({b"0", b"\0", b"7"})
_FOLDER: Final = b"5"
_IGNORED: Final = {b"1": "hard link", b"2": "symbolic link", b"3": "device", b"4": "device"} | {
    b"6": "FIFO"
}
_LINKS: Final = frozenset({b"1", b"2"})
_LONG_NAME: Final = b"L"
_LONG_LINK: Final = b"K"
_PAX_NEXT: Final = b"x"
_PAX_GLOBAL: Final = b"g"
_SPARSE: Final = b"S"

_UNSAFE: Final = re.compile(r"^/|^[A-Za-z]:|\\|(?:^|/)\.\.(?:/|$)|[\x00-\x1f\x7f]|^$")
_PAX_RECORD: Final = re.compile(rb"([1-9][0-9]{0,19}) ([^=]+)=", re.DOTALL)
_SEARCHED_NBYTES: Final = 1 << 17


@dataclass(slots=True)
class _Following:
    """What extension headers say about the next entry.

    Attributes:
        name: its name, or None.
        nbytes: its length, or None.
        link: what it links to, or None.
        sparse: whether it is a sparse file in one of GNU's pax forms.
    """

    name: str | None = None
    nbytes: int | None = None
    link: str | None = None
    sparse: bool = False


@dataclass(slots=True)
class _Lister:
    """Walks from header to header.

    Attributes:
        source: the archive.
        limits: caps on entries and on extension headers.
        log: what was odd.
        records: the regular files so far.
        shared: what pax global headers say about every entry.
        following: what extension headers say about the next entry.
        position: offset of the next header.
    """

    source: ByteSource
    limits: Limits
    log: AnomalyLog = field(default_factory=AnomalyLog)
    records: list[Record] = field(default_factory=list)
    shared: _Following = field(default_factory=_Following)
    following: _Following = field(default_factory=_Following)
    position: int = 0

    def list_records(self) -> None:
        """List every regular file up to the end of the archive.

        Raises:
            ContainerError: there is no header at the start.
            LimitError: more entries, or longer extension headers, than the limits allow.
        """
        count = 0
        while self.position + _BLOCK_NBYTES <= self.source.nbytes:
            header = self.source.read_at(self.position, _BLOCK_NBYTES)
            if header == _ZEROS:
                self._note_trailing(self.position + _BLOCK_NBYTES)
                return
            count += 1
            if count > self.limits.max_records:
                raise LimitError(
                    "max_records",
                    allowed=self.limits.max_records,
                    found=count,
                    source=self.source.name,
                )
            if not self._take(header):
                return
        detail = "the file ends where a header or a block of zeros should be"
        self.log.add("tar_end_missing", detail, offset=min(self.position, self.source.nbytes))

    def _take(self, header: bytes) -> bool:
        """List the entry of a header and move behind it; return whether the walk can go on."""
        nbytes = _number(header[_NBYTES])
        if nbytes is None or not _checksum_fits(header):
            return self._damaged(header)
        kind = header[_TYPE]
        start = self.position + _BLOCK_NBYTES
        if kind in (_PAX_NEXT, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK):
            self._take_extension(kind, start, nbytes)
        else:
            following, self.following = self.following, _Following()
            if following.nbytes is not None:
                nbytes = following.nbytes
            elif self.shared.nbytes is not None:
                nbytes = self.shared.nbytes
            name = following.name or self.shared.name or _name(header)
            sparse = kind == _SPARSE or following.sparse or self.shared.sparse
            if kind in _IGNORED or kind == _FOLDER:
                nbytes = 0  # readers go to the next block, whatever the field says
            if kind in _LINKS:
                self._note_link(name, following.link or self.shared.link or _decode(header[_LINK]))
            self._list(name, kind, start, nbytes, sparse=sparse)
        self.position = start + -(-nbytes // _BLOCK_NBYTES) * _BLOCK_NBYTES
        return True

    def _damaged(self, header: bytes) -> bool:
        if self.position == 0:
            raise ContainerError(
                "tar header is damaged",
                source=self.source.name,
                offset=0,
                expected=f"checksum {_checksum(header)}",
                found=repr(header[_CHECKSUM].rstrip(b"\0 ")),
                code="tar_damaged",
            )
        detail = "no tar header; the rest of the file is not listed"
        self.log.add("tar_header_damaged", detail, offset=self.position)
        return False

    def _note_link(self, name: str, target: str) -> None:
        if target and _UNSAFE.search(target):
            self.log.add("tar_link_climbs", f"the link leads to {target[:80]!r}", record=name)

    def _list(self, name: str, kind: bytes, start: int, nbytes: int, *, sparse: bool) -> None:
        """Add an entry to the records, or say why it is none."""
        if kind == _FOLDER or name.endswith("/"):
            return
        if kind in _IGNORED:
            self.log.add("tar_entry_ignored", f"it is a {_IGNORED[kind]}", record=name)
            return
        if _UNSAFE.search(name):
            detail = "the name is absolute, climbs, or is read differently by some readers"
            self.log.add("tar_unsafe_name", detail, record=name)
        if len(name) > self.limits.max_record_name_bytes:
            raise LimitError(
                "max_record_name_bytes",
                allowed=self.limits.max_record_name_bytes,
                found=len(name),
                source=self.source.name,
            )
        problem = self._problem(name, kind, start, nbytes, sparse=sparse)
        shown = f"{self.source.name}!{name}"
        data: ByteSource = (
            WindowSource(self.source, start, nbytes, shown)
            if problem is None
            else BrokenSource(shown, nbytes, problem)
        )
        header_offset = start - _BLOCK_NBYTES
        self.records.append(
            Record(
                name,
                data,
                offset=start,
                stored_nbytes=nbytes,
                header_offset=header_offset,
                problem=problem,
            )
        )

    def _problem(
        self, name: str, kind: bytes, start: int, nbytes: int, *, sparse: bool
    ) -> FormatError | None:
        """Return why an entry cannot be read, or None."""
        if sparse or kind not in _REGULAR:
            what = "a sparse file" if sparse else f"an entry of type {kind!r}"
            self.log.add("tar_entry_unreadable", f"it is {what}", record=name)
            return UnsupportedError(
                "tar entry is no plain file", source=self.source.name, record=name, found=what
            )
        missing = start + nbytes - self.source.nbytes
        if missing > 0:
            return ContainerError(
                "tar archive is truncated",
                source=self.source.name,
                record=name,
                offset=start,
                expected=f"{nbytes} bytes",
                found=f"{nbytes - missing}, {missing} are missing",
                code="tar_truncated",
            )
        return None

    def _take_extension(self, kind: bytes, start: int, nbytes: int) -> None:
        """Read a header that says something about the next entry, or about all."""
        allowed = self.limits.max_small_record_bytes
        if nbytes > allowed:
            raise LimitError(
                "max_small_record_bytes",
                allowed=allowed,
                found=nbytes,
                source=self.source.name,
                offset=start,
            )
        text = self.source.read_at(start, max(0, min(nbytes, self.source.nbytes - start)))
        if kind == _LONG_NAME:
            self.following.name = _decode(text)
        elif kind == _LONG_LINK:
            self.following.link = _decode(text)
        else:
            self._take_pax(self.following if kind == _PAX_NEXT else self.shared, text, start)

    def _take_pax(self, target: _Following, text: bytes, start: int) -> None:
        """Read ``length keyword=value newline`` records."""
        position = 0
        while position < len(text):
            match = _PAX_RECORD.match(text, position)
            stop = position + int(match[1]) if match else 0
            if match is None or stop <= match.end() or text[stop - 1 : stop] != b"\n":
                detail = "these bytes are no pax record"
                self.log.add("tar_pax_damaged", detail, offset=start + position)
                return
            value = text[match.end() : stop - 1]
            if match[2] == b"path":
                target.name = _decode(value)
            elif match[2] == b"linkpath":
                target.link = _decode(value)
            elif match[2] == b"size" and re.fullmatch(rb"[0-9]{1,19}", value):
                target.nbytes = int(value)
            elif match[2].startswith(b"GNU.sparse."):
                target.sparse = True
            position = stop

    def _note_trailing(self, start: int) -> None:
        """Look for anything but zeros near both ends of what follows the archive."""
        nbytes = self.source.nbytes - start
        head = self.source.read_at(start, min(nbytes, _SEARCHED_NBYTES))
        rest = min(nbytes - len(head), _SEARCHED_NBYTES)
        tail = self.source.read_at(self.source.nbytes - rest, rest)
        if head.strip(b"\0") or tail.strip(b"\0"):
            detail = f"{nbytes} bytes after the end of the archive are not all zeros"
            self.log.add("tar_trailing_bytes", detail, offset=start)


def read_tar(source: ByteSource, limits: Limits = DEFAULT_LIMITS) -> Archive:
    """List the regular files of a tar archive without reading their contents.

    Raises:
        ContainerError: it does not begin with a tar header.
        LimitError: more entries, or longer extension headers, than `limits` allow.
        SourceError: the source cannot be read.
    """
    lister = _Lister(source, limits)
    lister.list_records()
    seen: set[str] = set()
    for record in lister.records:
        if record.name in seen:
            detail = "an earlier entry has this name; readers take the last"
            lister.log.add("tar_duplicate_name", detail, record=record.name)
        seen.add(record.name)
    return Archive("tar", tuple(lister.records), lister.log.anomalies())


def find_last(archive: Archive, name: str) -> Record | None:
    """Return the last file of a name, the one that readers of tar archives take, or None."""
    found = archive.find_all(name)
    return next((record for record in reversed(found) if record.name == name), None)


def _number(text: bytes) -> int | None:
    """Return an octal field, or GNU's base-256 form of it; None if it is neither or negative."""
    if text[:1] == b"\x80":
        return int.from_bytes(text[1:], "big")
    digits = text.partition(b"\0")[0].strip(b" ")
    return int(digits or b"0", 8) if re.fullmatch(rb"[0-7]*", digits) else None


def _checksum(header: bytes) -> int:
    return sum(header[: _CHECKSUM.start]) + 8 * ord(" ") + sum(header[_CHECKSUM.stop :])


def _checksum_fits(header: bytes) -> bool:
    """Return whether the bytes add up, taken as unsigned, or as signed as some old tars did."""
    stated = _number(header[_CHECKSUM])
    unsigned = _checksum(header)
    rest = header[: _CHECKSUM.start] + header[_CHECKSUM.stop :]
    return stated in (unsigned, unsigned - 256 * sum(byte > 127 for byte in rest))


def _name(header: bytes) -> str:
    name = _decode(header[_NAME])
    prefix = _decode(header[_PREFIX]) if header[_MAGIC] == _POSIX_MAGIC else ""
    return f"{prefix}/{name}" if prefix else name


def _decode(text: bytes) -> str:
    """Return a name up to its NUL; bytes that are no UTF-8 are kept as escapes."""
    return text.partition(b"\0")[0].decode("utf-8", "backslashreplace")
