r"""Reads .npy files, and .npz files, which are zip archives of them.

numpy/lib/format.py: the magic ``\x93NUMPY``, two bytes of version, the length of the header (two
bytes in version 1, four since), the header, then the elements; for an array of objects a pickle
instead. numpy.load names the arrays of an .npz by their records, less the suffix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.anomaly import Anomaly
from converter.byteio.source import WindowSource
from converter.checkpoint.canonical import Note, Opened
from converter.checkpoint.values import MappingValue
from converter.errors import ContainerError, FormatError, LimitError, TensorError
from converter.readers.bare_pickle import note_rest
from converter.readers.npy_header import NpyHeader, parse_header
from converter.readers.pickled import read_pickled
from converter.readers.raw_arrays import has_objects, nbytes_of, windowed_array
from converter.readers.rebuild import NotThisShapeError, Rebuilder

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.checkpoint.values import Value
    from converter.containers.records import Archive, Record
    from converter.inert.nodes import PersistentNode
    from converter.limits import Limits
    from converter.readers.pickled import BlobOpener

MAGIC: Final = b"\x93NUMPY"
SUFFIX: Final = ".npy"
# Version → bytes of the length, encoding of the header.
_VERSIONS: Final = {(1, 0): (2, "latin-1"), (2, 0): (4, "latin-1"), (3, 0): (4, "utf-8")}


def read_npy(source: ByteSource, limits: Limits, blobs: BlobOpener) -> Opened:
    """Read one .npy file.

    Raises:
        FormatError: its header is malformed, or it is shorter than its array.
    """
    opened = Opened(source, "npy", writer="numpy.save")
    opened.root = _array(opened, source, None, limits, blobs)
    return opened


def read_npz(source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener) -> Opened:
    """Read the arrays of an .npz archive; one that is broken becomes `Opened.error`."""
    opened = Opened(source, "npz", writer="numpy.savez", anomalies=list(archive.anomalies))
    entries: list[tuple[Value, Value]] = []
    for record in archive.records:
        if record.is_folder:
            continue
        name = record.name.removesuffix(SUFFIX)
        try:
            entries.append((name, _member(opened, record, limits, blobs)))
        except FormatError as error:
            opened.error = opened.error or error
    opened.root = MappingValue("dict", entries)
    return opened


def is_npz(archive: Archive) -> bool:
    """Return whether an archive holds .npy records and nothing else."""
    files = [record for record in archive.records if not record.is_folder]
    return bool(files) and all(record.name.endswith(SUFFIX) for record in files)


def _member(opened: Opened, record: Record, limits: Limits, blobs: BlobOpener) -> Value:
    if record.problem is not None:
        raise record.problem
    return _array(opened, record.data, record.name, limits, blobs)


def _array(
    opened: Opened, data: ByteSource, record: str | None, limits: Limits, blobs: BlobOpener
) -> Value:
    """Return the array in `data`.

    Raises:
        FormatError: the header is malformed, or the elements are too few.
    """
    header, start = read_header(data, limits)
    if has_objects(header.description):
        outer = opened.root
        graph = read_pickled(
            opened, data, record or "array", _refuse_id, limits, blobs=blobs, start=start
        )
        value, opened.root = opened.root, outer
        if graph.error is None:
            note_rest(opened, data, graph.stop, limits, record=record)
        return value
    nbytes = nbytes_of(header.description, header.shape, limits)
    left = data.nbytes - start
    if left < nbytes:
        raise TensorError(
            "npy file is truncated",
            source=data.name,
            offset=start,
            expected=f"{nbytes} bytes of elements",
            found=f"{left}, {nbytes - left} are missing",
            code="npy_truncated",
        )
    _note_trailing(opened, left - nbytes, start + nbytes, record)
    window = WindowSource(data, start, nbytes, data.name)
    return windowed_array(window, header.description, header.shape, limits, fortran=header.fortran)


def read_header(data: ByteSource, limits: Limits) -> tuple[NpyHeader, int]:
    """Return the header of a .npy file and the offset of its first element.

    Raises:
        ContainerError: it is none, or of an unknown version.
        LimitError: it is longer than `Limits.max_npy_header_bytes`.
    """
    head = data.read_at(0, min(8, data.nbytes))
    layout = _VERSIONS.get((head[6], head[7])) if len(head) == 8 else None
    if not head.startswith(MAGIC) or layout is None:
        raise ContainerError(
            "npy file of another form",
            source=data.name,
            offset=0,
            expected="the magic of numpy and version 1.0, 2.0 or 3.0",
            found=head.hex(" ") or "nothing",
            code="npy_damaged",
        )
    width, encoding = layout
    start = 8 + width
    nbytes = int.from_bytes(data.read_at(8, min(width, data.nbytes - 8)), "little")
    if nbytes > limits.max_npy_header_bytes:
        raise LimitError(
            "max_npy_header_bytes",
            allowed=limits.max_npy_header_bytes,
            found=nbytes,
            source=data.name,
        )
    if start + nbytes > data.nbytes:
        raise ContainerError(
            "npy file is truncated",
            source=data.name,
            offset=8,
            expected=f"a header of {nbytes} bytes",
            found=f"{max(0, data.nbytes - start)}",
            code="npy_truncated",
        )
    try:
        text = data.read_at(start, nbytes).decode(encoding)
    except UnicodeDecodeError as error:
        raise ContainerError(
            "npy header is not UTF-8",
            source=data.name,
            offset=start + error.start,
            found=error.reason,
            code="npy_damaged",
        ) from error
    return parse_header(text, data.name), start + nbytes


def _refuse_id(_: PersistentNode, __: Rebuilder) -> Value:
    raise NotThisShapeError


def _note_trailing(opened: Opened, nbytes: int, offset: int, record: str | None) -> None:
    if nbytes > 0 and opened.error is None:
        detail = f"{nbytes} bytes after the array"
        opened.anomalies.append(Anomaly("trailing_bytes", detail, offset, record))
        opened.notes.append(Note("trailing_bytes", f"{record or 'the file'}: {detail}"))
