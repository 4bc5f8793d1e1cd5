"""Writes live objects as files: with ``torch.save``, and changed afterwards as others would.

The changes need no part of the package: zip archives are taken apart and put together by the
standard library, and which bytes belong to which element type is read with ``pickletools``.
"""

from __future__ import annotations

import io
import pickletools
import warnings
import zipfile
from typing import TYPE_CHECKING, Any, Final

from converter.dtypes import BY_NAME, BY_STORAGE_CLASS, UNTYPED_STORAGE_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator

_STRINGS: Final = frozenset({"BINUNICODE", "SHORT_BINUNICODE", "UNICODE", "BINUNICODE8"})
_PUTS: Final = frozenset({"BINPUT", "LONG_BINPUT"})
_GETS: Final = frozenset({"BINGET", "LONG_BINGET"})


def saved(value: object, *, legacy: bool = False, protocol: int = 2) -> bytes:
    """Return what ``torch.save`` writes.

    Args:
        value: anything.
        legacy: whether to write the stream of torch before 1.6 instead of a zip archive.
        protocol: of the pickle, 2 to 5.
    """
    import torch

    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes whose source it did not find, of dtypes
        torch.save(
            value, stream, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy
        )
    return stream.getvalue()


def repacked(archive: bytes, *, deflate: bool, root: str) -> bytes:
    """Return an archive as somebody would who unpacked and packed it: no padding, another folder.

    Args:
        archive: what `saved` returned.
        deflate: whether its records are compressed.
        root: the folder inside it.
    """
    return _zipped(dict(_records(archive)), root, deflate=deflate)


def big_endian(archive: bytes) -> bytes:
    """Return an archive as torch would have written it on a big-endian machine.

    Args:
        archive: what `saved` returned, with protocol 2.
    """
    records = dict(_records(archive))
    for key, unit in swap_units(records["data.pkl"]).items():
        records[f"data/{key}"] = swapped(records[f"data/{key}"], unit)
    records["byteorder"] = b"big"
    return _zipped(records, "archive", deflate=False)


def swapped(raw: bytes, unit: int) -> bytes:
    """Return bytes with the order reversed inside each unit."""
    reversed_whole = raw[::-1]
    count = len(raw) // unit
    return b"".join(reversed_whole[at * unit : (at + 1) * unit] for at in reversed(range(count)))


def swap_units(pickle: bytes) -> dict[str, int]:
    """Return key of a storage → bytes of the unit in which its byte order is reversed.

    Read from the operands alone, as a person with ``pickletools.dis`` would: a persistent id
    names its storage class; where that says nothing, the dtype comes with the tensor, next.
    """
    found: dict[str, int] = {}
    untyped: str | None = None
    pushed: list[str] = []
    for name, value in _pushed(pickle):
        if name == "BINPERSID":
            kind, key = pushed[-3].rpartition(" ")[2], pushed[-2]
            if kind in UNTYPED_STORAGE_CLASSES:
                untyped = key
            else:
                found.setdefault(key, BY_STORAGE_CLASS[kind].swap)
            continue
        pushed.append(value)
        owner, _, last = value.partition(" ")
        if name == "GLOBAL" and untyped is not None and owner == "torch" and last in BY_NAME:
            found.setdefault(untyped, BY_NAME[last].swap)
            untyped = None
    return found


def _pushed(pickle: bytes) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of every string and name that is pushed, and each persistent id.

    Written for what torch writes with protocol 2: every memo entry is put right after its push.
    """
    memo: dict[int, tuple[str, str]] = {}
    last: tuple[str, str] | None = None
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name in _PUTS:
            if last is not None:
                memo[_integer(argument)] = last
            continue
        last = None
        if opcode.name in _GETS:
            recalled = memo.get(_integer(argument))
            if recalled is not None:
                yield recalled
        elif opcode.name in _STRINGS:
            last = ("STRING", str(argument))
            yield last
        elif opcode.name == "GLOBAL":
            last = ("GLOBAL", str(argument))
            yield last
        elif opcode.name == "BINPERSID":
            yield ("BINPERSID", "")


def _integer(argument: Any) -> int:  # noqa: ANN401 - what genops gives
    return int(argument)


def _records(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the records of an archive without its folder, but not those that describe padding."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for full in opened.namelist():
            name = full.partition("/")[2]
            if name not in {".format_version", ".storage_alignment", ".data/serialization_id"}:
                yield name, opened.read(full)


def _zipped(records: dict[str, bytes], root: str, *, deflate: bool) -> bytes:
    stream = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(stream, "w", method) as opened:
        for name, content in records.items():
            opened.writestr(zipfile.ZipInfo(f"{root}/{name}"), content, method)
    return stream.getvalue()
