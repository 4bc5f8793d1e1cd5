"""Tricks that are played with a zip archive around a pickle: two readers see two files."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING, Final

from converter.strategies.operands import STOP, payload, tensor, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_BENIGN: Final = b"\x80\x02}" + text("w") + tensor("0", 4) + b"s."
_EVIL: Final = b"\x80\x02" + payload() + b")R" + STOP
_STORAGE: Final = struct.pack("<4f", 0, 1, 2, 3)
_LOCAL: Final = b"PK\x03\x04"
_CENTRAL: Final = b"PK\x01\x02"


def archive_of(pickle: bytes, *others: tuple[str, bytes]) -> bytes:
    """Return an archive as torch lays it out, around a pickle, with one storage of 16 bytes."""
    records = [("archive/data.pkl", pickle), ("archive/byteorder", b"little")]
    records += [("archive/data/0", _STORAGE), ("archive/version", b"3\n"), *others]
    return _zipped(records)


def _zipped(records: Sequence[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as archive:
        warnings.simplefilter("ignore", UserWarning)  # of equal names, which are the point
        for name, content in records:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def _patched(archive: bytes, signature: bytes, field: int, value: bytes) -> bytes:
    """Return an archive in which a field of the first such header has another value."""
    at = archive.index(signature) + field
    return archive[:at] + value + archive[at + len(value) :]


def _two_pickles() -> bytes:
    return archive_of(_BENIGN, ("archive/data.pkl", _EVIL))


def _case_clash() -> bytes:
    return archive_of(_BENIGN, ("archive/DATA.PKL", _EVIL))


def _local_name() -> bytes:
    return _patched(archive_of(_EVIL), _LOCAL, 30, b"archive/info.txt")


def _bomb() -> bytes:
    records = [("archive/data.pkl", b"\x80\x02" + b"N0" * 100_000 + b"N.")]
    return _zipped([*records, ("archive/version", b"3\n")], zipfile.ZIP_DEFLATED)


ARCHIVES: Final[Mapping[str, Callable[[], bytes]]] = {
    "two_pickles": _two_pickles,
    "pickle_of_other_case": _case_clash,
    "local_name_differs": _local_name,
    "encrypted_flag": lambda: _patched(archive_of(_EVIL), _CENTRAL, 8, b"\x01\x00"),
    "local_flag": lambda: _patched(archive_of(_EVIL), _LOCAL, 6, b"\x01\x00"),
    "wrong_checksum": lambda: _patched(archive_of(_EVIL), _CENTRAL, 16, b"\x00\x00\x00\x01"),
    "local_method": lambda: _patched(archive_of(_EVIL), _LOCAL, 8, b"\x08\x00"),
    "unknown_method": lambda: _patched(archive_of(_EVIL), _CENTRAL, 10, b"\x63\x00"),
    "local_size": lambda: _patched(archive_of(_EVIL), _LOCAL, 18, b"\x01\x00\x00\x00"),
    "central_size": lambda: _patched(archive_of(_EVIL), _CENTRAL, 20, b"\xff\xff\xff\x7f"),
    "pickle_in_storage": lambda: archive_of(_BENIGN, ("archive/data/1", _EVIL)),
    "pickle_as_text": lambda: archive_of(_BENIGN, ("archive/notes.txt", _EVIL)),
    "name_with_dots": lambda: archive_of(_BENIGN, ("archive/../../notes", b"out")),
    "two_roots": lambda: archive_of(_BENIGN, ("other/data.pkl", _EVIL)),
    "pickle_before_archive": lambda: _EVIL + archive_of(_BENIGN),
    "pickle_behind_archive": lambda: archive_of(_BENIGN) + _EVIL,
    "two_archives": lambda: archive_of(_BENIGN) + archive_of(_EVIL),
    "archive_in_storage": lambda: archive_of(_BENIGN, ("archive/data/1", archive_of(_EVIL))),
    "bomb": _bomb,
}
"""Trick → what makes the file."""
