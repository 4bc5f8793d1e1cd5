"""Opens a checkpoint of any kind: detection picks the reader, the reader gives values."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from converter.anomaly import Anomaly
from converter.byteio.local import FileSource
from converter.checkpoint.canonical import Note
from converter.containers.detection import Detection, detect
from converter.errors import UnsupportedError, without_frames
from converter.garbage import collector_paused
from converter.limits import DEFAULT_LIMITS, Limits
from converter.readers.diagnosis import (
    is_no_pickle,
    note_name,
    note_text_ids,
    tell_missing_bytes,
    unreadable,
)
from converter.readers.styles import canonical
from converter.readers.torch_legacy import blob_opener, read_torch_legacy

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from converter.byteio.source import ByteSource
    from converter.checkpoint.canonical import Checkpoint, Opened
    from converter.readers.pickled import BlobOpener

# LZMA SDK, lzma.txt: properties 0x5d, then a dictionary size that ends in zeros; too weak a
# signature to be a claim, and joblib writes it.
_LZMA_HEAD: Final = b"\x5d\0\0"


@collector_paused()
def open_checkpoint(path: str | PathLike[str], *, limits: Limits = DEFAULT_LIMITS) -> Checkpoint:
    """Open a checkpoint; close it when its tensors are no longer needed.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: it cannot be read.
        FormatError: it is no checkpoint that can be read. A file whose pickle is broken half-way
            is no exception: `Checkpoint.opened.error` says so.
    """
    if os.path.isdir(path):  # noqa: PTH112 - any path-like
        return _open_folder(path, limits)
    source = FileSource(path)
    try:
        opened = read_source(source, limits)
        converted = _read_converted(opened, path, limits)
        return canonical(opened, limits) if converted is None else converted
    except BaseException:
        source.close()
        raise


def _read_converted(opened: Opened, path: str | PathLike[str], limits: Limits) -> Checkpoint | None:
    """Return the checkpoint that a converted file was made from; None for any other file."""
    if opened.container != "safetensors":
        return None
    from converter.readers.converted import read_converted

    return read_converted(opened, folder_of(path), limits)


def _open_folder(path: str | PathLike[str], limits: Limits) -> Checkpoint:
    from converter.byteio.folder import FolderSource
    from converter.readers.converted_folder import is_converted_folder, read_converted_folder
    from converter.readers.folders import read_folder

    if is_converted_folder(path):
        return read_converted_folder(path, limits)
    folder = FolderSource(path)
    try:
        return canonical(read_folder(folder, limits, read_source), limits)
    except BaseException:
        folder.close()
        raise


def folder_of(path: str | PathLike[str]) -> str:
    """Return the folder that a file lies in, where files that it names are looked for."""
    return os.path.dirname(os.fspath(path)) or os.curdir  # noqa: PTH120 - nothing is normalised


def read_source(source: ByteSource, limits: Limits) -> Opened:
    """Return what a source holds, by the reader of its kind.

    Raises:
        FormatError: no reader takes it.
    """
    opened = _read(source, limits, compressed=False)
    note_name(opened, source.name)
    note_text_ids(opened)
    if opened.error is not None:
        without_frames(opened.error)
    return opened


def _read(source: ByteSource, limits: Limits, *, compressed: bool) -> Opened:
    """Return what a source holds; `compressed` if it comes out of a compressed file itself."""
    detection = detect(source)
    compression = _compression_of(source, detection)
    if compression is not None:
        if compressed:
            raise UnsupportedError(
                "file compressed twice",
                source=source.name,
                expected="a checkpoint inside",
                found=f"{compression} once more",
                code="compressed_twice",
            )
        return _read_compressed(source, compression, limits)
    read = _READERS.get(_kind_of(source, detection))
    if read is None:
        raise unreadable(source, detection.kind)
    opened = read(source, limits, blob_opener(limits))
    opened.anomalies.extend(detection.anomalies)
    if not detection.claims[0].strong and is_no_pickle(opened):
        raise unreadable(source, "unknown")
    return opened


def _read_compressed(source: ByteSource, kind: str, limits: Limits) -> Opened:
    """Read what is inside a compressed file; torch reads no such file, joblib and pandas do."""
    from converter.byteio.decompressed import decompress

    unpacked = decompress(source, kind, limits)
    opened = _read(unpacked.data, limits, compressed=True)
    # The tensors keep the unpacked bytes; the input is still the file that was named.
    opened.source = source
    text = f"the whole file is compressed ({kind}); it was unpacked to be read"
    opened.notes.append(Note("compressed_whole", text))
    detail = f"{source.nbytes} bytes of {kind} hold {unpacked.data.nbytes} bytes"
    opened.anomalies.append(Anomaly("compressed_whole", detail, offset=0))
    if unpacked.trailing_nbytes:
        detail = f"{unpacked.trailing_nbytes} bytes follow the compressed stream"
        start = source.nbytes - unpacked.trailing_nbytes
        opened.anomalies.append(Anomaly("compressed_trailing_bytes", detail, offset=start))
    return opened


def _compression_of(source: ByteSource, detection: Detection) -> str | None:
    """Return the compression around the whole file, if it is one that can be read through."""
    if detection.kind in _COMPRESSIONS:
        return detection.kind
    if detection.kind == "unknown" and source.nbytes > len(_LZMA_HEAD):
        return "lzma" if source.read_at(0, len(_LZMA_HEAD)) == _LZMA_HEAD else None
    return None


def _kind_of(source: ByteSource, detection: Detection) -> str:
    """Return the kind to read; a safetensors file cut inside its header makes no claim."""
    if detection.kind == "unknown" and source.nbytes > 9:
        head = source.read_at(0, 10)
        if head[8:] in (b'{"', b"{}", b"{ ") and head[4:8] == bytes(4):
            return "safetensors"
    return detection.kind


# The readers, one for each kind of file; what is imported is only what the file needs.


def _read_zip(source: ByteSource, limits: Limits, blobs: BlobOpener) -> Opened:
    from converter.readers.zip_kinds import read_zip_kind

    return read_zip_kind(source, limits, blobs)


def _read_legacy(source: ByteSource, limits: Limits, blobs: BlobOpener) -> Opened:
    opened = read_torch_legacy(source, limits, blobs)
    tell_missing_bytes(opened, limits)
    return opened


def _read_tar(source: ByteSource, limits: Limits, blobs: BlobOpener) -> Opened:
    from converter.readers.torch_tar import read_torch_tar

    return read_torch_tar(source, limits, blobs)


def _read_pickle(source: ByteSource, limits: Limits, blobs: BlobOpener) -> Opened:
    from converter.readers.bare_pickle import read_bare_pickle

    return read_bare_pickle(source, limits, blobs)


def _read_safetensors(source: ByteSource, limits: Limits, _: BlobOpener) -> Opened:
    from converter.readers.safetensors_source import read_safetensors

    return read_safetensors(source, limits)


def _read_npy(source: ByteSource, limits: Limits, blobs: BlobOpener) -> Opened:
    from converter.readers.numpy_files import read_npy

    return read_npy(source, limits, blobs)


_COMPRESSIONS: Final = frozenset({"gzip", "bzip2", "xz", "zlib"})

_READERS: Final[dict[str, Callable[[ByteSource, Limits, BlobOpener], Opened]]] = {
    "zip": _read_zip,
    "torch_legacy": _read_legacy,
    "tar": _read_tar,
    "pickle": _read_pickle,
    "safetensors": _read_safetensors,
    "npy": _read_npy,
}
"""Kind, as detection names it → reader. A zip archive has kinds of its own: see `zip_kinds`."""
