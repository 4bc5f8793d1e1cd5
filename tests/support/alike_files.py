"""Makes of a pickle or an archive another one that is laid out alike, odd or not."""

from __future__ import annotations

import pickletools
import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from converter.byteio.source import MemorySource
from converter.containers.zip_archive import read_zip
from converter.containers.zip_structures import CENTRAL, CENTRAL_SIGNATURE, DESCRIPTOR_SIGNATURE
from tests.support.odd_pickles import NOTABLE_WORDS, NUMBERS, WORDS

if TYPE_CHECKING:
    import random

    from converter.containers.records import Record

# Bytes of the length that stands before an operand.
_LENGTHS: Final = {"BINUNICODE": 4, "LONG4": 4, "BINUNICODE8": 8} | dict.fromkeys(
    ("SHORT_BINUNICODE", "LONG1", "SHORT_BINBYTES", "SHORT_BINSTRING"), 1
)
# Of other lengths than the usual ones: methods of dicts, and what attributes are planted by.
_MORE_WORDS: Final = ("o", "clear", "update", "__dict__", "(cos\nab\n)R.")
_FLOATS: Final = (0.0, 0.5, 63.5, 1e9, float("nan"))
# What records should not begin with, and marks that are looked for elsewhere.
_MARKS: Final = (
    *(b"\x80\x02cos\nsystem\n(tR.", b"cos\nsystem\n(tR.", b"N)R.", b"\x82\x01)R.", b"(I1\n."),
    *(b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"PK\x01\x02", b"PK\x07\x08", b"PK\x06\x06"),
    *(b"\x1f\x8b\x08", b"BZh91AY&SY", b"\x93NUMPY\1\0", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c"),
    *(b"\x7fELF", b"ustar", bytes(257) + b"ustar\x0000", b"import os\n", b"L119547"),
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
)
_ROOTS: Final = (b"data", b"weights", b"xl", b".data", b"con", b"code", b"a/b", b"..")
_ROOT_BYTES: Final = b"abXY019_=+,@. -.:\\\0/\xc3\xa9~"
_CRC_NBYTES: Final = 4


class _Operand(NamedTuple):
    name: str
    start: int
    stop: int
    kept: bool  # in the memo, so that it may play another part as well


def _operands(data: bytes) -> list[_Operand]:
    opcodes = [(opcode, position or 0) for opcode, _, position in pickletools.genops(data)]
    found = []
    for (opcode, position), (following, stop) in pairwise(opcodes):
        start = position + 1 + _LENGTHS.get(opcode.name, 0)
        if start < stop and opcode.arg is not None:
            kept = following.name in {"BINPUT", "MEMOIZE"}
            found.append(_Operand(opcode.name, start, stop, kept))
    return found


def changed_pickle(chance: random.Random, data: bytes) -> bytes:
    """Return a pickle with other operands of the same lengths, or other bytes."""
    changed = bytearray(data)
    operands = _operands(data)
    for _ in range(chance.choice([1, 1, 1, 1, 2, 4])):
        if not operands or chance.random() < 0.1:
            place = chance.randrange(len(data))
            old = changed[place]
            changed[place] = chance.choice([chance.randrange(256), old ^ 1, 0x80, 0x63, 0x2E])
            continue
        kept = [operand for operand in operands if operand.kept]
        operand = chance.choice(kept if kept and chance.random() < 0.6 else operands)
        new = _other_operand(chance, operand, bytes(changed), operands)
        changed[operand.start : operand.stop] = new
    return bytes(changed)


def _other_operand(
    chance: random.Random, operand: _Operand, data: bytes, operands: list[_Operand]
) -> bytes:
    nbytes = operand.stop - operand.start
    if operand.name == "BINFLOAT":
        return struct.pack(">d", chance.choice(_FLOATS))
    kind = chance.random()
    if kind < 0.2:
        return bytes([chance.randrange(128)]) * nbytes
    if kind < 0.3:
        return chance.randbytes(nbytes)
    if kind < 0.5 and nbytes <= 4:
        return chance.choice(NUMBERS).to_bytes(4, "little")[:nbytes]
    if kind < 0.8:
        words = [word.encode() for word in (*WORDS, *NOTABLE_WORDS, *_MORE_WORDS)]
        fitting = [word for word in words if len(word) == nbytes]
        word = chance.choice(fitting if fitting and chance.random() < 0.6 else words) or b"A"
        return (word * nbytes)[:nbytes]
    as_long = [other for other in operands if other.stop - other.start == nbytes]
    other = chance.choice(as_long)
    return data[other.start : other.stop]


class AlikeArchives:
    """Changes one zip archive in many ways, at places that its listing tells."""

    def __init__(self, data: bytes) -> None:
        """List an archive without a comment."""
        self._data: Final = data
        archive = read_zip(MemorySource(data, "a"))
        self._root: Final = archive.root.encode()
        headers = []
        position = min(data.find(CENTRAL_SIGNATURE, place) for place in _stops(archive.records))
        for _ in archive.records:
            headers.append(position)
            lengths = struct.unpack_from("<3H", data, position + 28)
            position += CENTRAL.size + sum(lengths)
        self._headers: Final = dict(zip(archive.records, headers, strict=True))
        self._records: Final = [one for one in archive.records if one.stored_nbytes]

    def changed(self, chance: random.Random) -> bytes:
        """Return the archive with something else in it; its checksums mostly fit."""
        data = bytearray(self._data)
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            kind = chance.random()
            if kind < 0.6:
                self._change_payload(chance, data)
            elif kind < 0.8:
                data = bytearray(self._renamed(chance, bytes(data)))
            else:
                place = chance.randrange(len(data))
                data[place] = chance.choice([data[place] ^ 1 << chance.randrange(8), 0x80, 0x50])
        if chance.random() < 0.8:
            for record in self._records:
                self._seal(data, record, zlib.crc32(_payload(data, record)).to_bytes(4, "little"))
        if chance.random() < 0.2:
            wrong = chance.choice([bytes(4), b"abcd", b"PK\x07\x08", b"\x80\x02\x80\x02"])
            self._seal(data, chance.choice(self._records), wrong, some=chance.random() < 0.5)
        return bytes(data)

    def _change_payload(self, chance: random.Random, data: bytearray) -> None:
        record = chance.choice(self._records)
        start, nbytes = record.offset or 0, record.stored_nbytes or 0
        if chance.random() < 0.3:
            data[start : start + nbytes] = chance.randbytes(nbytes)
            return
        mark = chance.choice(_MARKS)[:nbytes]
        last = nbytes - len(mark)
        places = [0, 0, min(257, last), min(262, last), min(4_500, last), last]
        place = start + chance.choice(places)
        data[place : place + len(mark)] = mark

    def _renamed(self, chance: random.Random, data: bytes) -> bytes:
        """Return the archive with another root folder; mostly at all places."""
        root = bytearray(self._root)
        if chance.random() < 0.5:
            root[chance.randrange(len(root))] = chance.choice(_ROOT_BYTES)
        else:
            root = bytearray((chance.choice(_ROOTS) + b"_" * len(root))[: len(root)])
        places = chance.choice([-1, -1, -1, 1])
        return data.replace(self._root + b"/", bytes(root) + b"/", places)

    def _seal(self, data: bytearray, record: Record, crc: bytes, *, some: bool = False) -> None:
        """Write a checksum where the archive has one; if `some`, in the directory alone."""
        central = self._headers[record] + 16
        data[central : central + _CRC_NBYTES] = crc
        if some:
            return
        local = (record.header_offset or 0) + 14
        if any(self._data[local : local + _CRC_NBYTES]):
            data[local : local + _CRC_NBYTES] = crc
        stop = (record.offset or 0) + (record.stored_nbytes or 0)
        if self._data.startswith(DESCRIPTOR_SIGNATURE, stop):
            data[stop + 4 : stop + 4 + _CRC_NBYTES] = crc


def _payload(data: bytearray, record: Record) -> bytes:
    start = record.offset or 0
    return bytes(data[start : start + (record.stored_nbytes or 0)])


def _stops(records: tuple[Record, ...]) -> list[int]:
    return [max((one.offset or 0) + (one.stored_nbytes or 0) for one in records)]
