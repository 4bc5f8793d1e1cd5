"""Writes zip files in which any field may lie."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from converter.containers.zip_structures import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DESCRIPTOR_SIGNATURE,
    END,
    END64,
    END64_SIGNATURE,
    END_SIGNATURE,
    LOCAL,
    LOCAL_SIGNATURE,
    LOCATOR,
    LOCATOR_SIGNATURE,
)

_LOCAL_FIELDS = "signature need flags method time date crc csize usize".split()  # noqa: SIM905
_CENTRAL_FIELDS = (  # noqa: SIM905
    "signature made need flags method time date crc csize usize disk internal external offset"
).split()
_END_FIELDS = "signature disk first_disk here count nbytes offset".split()  # noqa: SIM905


@dataclass
class Member:
    """One record, honest but for what `local` and `central` override.

    `local` and `central` take the fields of the header by name, and `name` and `extra` as bytes.
    """

    name: str
    payload: bytes = b""
    deflate: bool = False
    descriptor: bytes | None = None  # None: none; b"": an honest one; else these bytes
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    comment: bytes = b""
    before: bytes = b""  # bytes that belong to nobody
    listed: bool = True  # False: no entry in the directory


@dataclass
class ZipBuilder:
    """A zip file in parts; `build` joins them."""

    members: list[Member]
    prefix: bytes = b""
    shifted: bool = False  # offsets are counted from behind the prefix
    after_members: bytes = b""
    after_directory: bytes = b""
    zip64: bool = False
    end: dict[str, Any] = field(default_factory=dict)
    end64: dict[str, Any] = field(default_factory=dict)
    locator_offset: int | None = None
    comment: bytes = b""
    trailing: bytes = b""

    def build(self) -> bytes:
        base = len(self.prefix) if self.shifted else 0
        body = bytearray(self.prefix)
        directory = bytearray()
        count = 0
        for member in self.members:
            body += member.before
            entry = _central_entry(member, len(body) - base)
            body += _local_record(member)
            if member.listed:
                directory += entry
                count += 1
        body += self.after_members
        start = len(body) - base
        body += directory + self.after_directory
        values = {"here": count, "count": count, "nbytes": len(directory), "offset": start}
        if self.zip64:
            self._add_zip64(body, values, base)
        body += _pack_end(END, END_SIGNATURE, values | self.end, len(self.comment))
        return bytes(body + self.comment + self.trailing)

    def _add_zip64(self, body: bytearray, values: dict[str, int], base: int) -> None:
        record = {"made": 798, "need": 45, "disk": 0, "first_disk": 0} | values | self.end64
        at = len(body) - base
        body += END64.pack(
            record.get("signature", END64_SIGNATURE), 44, record["made"], record["need"],
            record["disk"], record["first_disk"], record["here"], record["count"],
            record["nbytes"], record["offset"],
        )  # fmt: skip
        where = at if self.locator_offset is None else self.locator_offset
        body += LOCATOR.pack(LOCATOR_SIGNATURE, 0, where, 1)


def _packed(member: Member) -> bytes:
    if not member.deflate:
        return member.payload
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(member.payload) + coder.flush()


def _honest(member: Member) -> dict[str, Any]:
    return {
        "need": 20,
        "flags": 0 if member.descriptor is None else 8,
        "method": 8 if member.deflate else 0,
        "crc": zlib.crc32(member.payload),
        "csize": len(_packed(member)),
        "usize": len(member.payload),
        "name": member.name.encode(),
        "extra": b"",
    }


def _local_record(member: Member) -> bytes:
    honest = _honest(member)
    deferred = {} if member.descriptor is None else {"crc": 0, "csize": 0, "usize": 0}
    values = {"signature": LOCAL_SIGNATURE} | honest | deferred | member.local
    head = [values.get(key, 0) for key in _LOCAL_FIELDS]
    header = LOCAL.pack(*head, len(values["name"]), len(values["extra"]))
    descriptor = member.descriptor
    if descriptor == b"":
        lengths = struct.pack("<LLL", honest["crc"], honest["csize"], honest["usize"])
        descriptor = DESCRIPTOR_SIGNATURE + lengths
    return b"".join((header, values["name"], values["extra"], _packed(member), descriptor or b""))


def _central_entry(member: Member, offset: int) -> bytes:
    first: dict[str, Any] = {"signature": CENTRAL_SIGNATURE, "offset": offset}
    values = first | _honest(member) | member.central
    head = [values.get(key, 0) for key in _CENTRAL_FIELDS]
    name, extra = values["name"], values["extra"]
    lengths = [len(name), len(extra), len(member.comment)]
    header = CENTRAL.pack(*head[:10], *lengths, *head[10:])
    return b"".join((header, name, extra, member.comment))


def _pack_end(layout: struct.Struct, signature: bytes, values: dict[str, Any], rest: int) -> bytes:
    values = {"signature": signature, "disk": 0, "first_disk": 0} | values
    head = [values[key] for key in _END_FIELDS]
    return layout.pack(*head, values.get("comment_nbytes", rest))


def honest_members() -> list[Member]:
    """Give three records as torch names them."""
    return [
        Member("r/data.pkl", b"\x80\x02}."),
        Member("r/data/0", bytes(range(256)) * 4),
        Member("r/version", b"3\n"),
    ]
