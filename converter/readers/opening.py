"""Opens a checkpoint of any kind: detection picks the reader, the reader gives values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.byteio.local import FileSource
from converter.containers.detection import detect
from converter.errors import UnsupportedError
from converter.limits import DEFAULT_LIMITS, Limits
from converter.readers.styles import canonical
from converter.readers.torch_legacy import blob_opener, read_torch_legacy
from converter.readers.torch_zip import read_torch_zip

if TYPE_CHECKING:
    from os import PathLike

    from converter.byteio.source import ByteSource
    from converter.checkpoint.canonical import Checkpoint, Opened


def open_checkpoint(path: str | PathLike[str], *, limits: Limits = DEFAULT_LIMITS) -> Checkpoint:
    """Open a checkpoint; close it when its tensors are no longer needed.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: it cannot be read.
        FormatError: it is no checkpoint that can be read. A file whose pickle is broken half-way
            is no exception: `Checkpoint.opened.error` says so.
    """
    source = FileSource(path)
    try:
        return canonical(read_source(source, limits), limits)
    except BaseException:
        source.close()
        raise


def read_source(source: ByteSource, limits: Limits) -> Opened:
    """Return what a source holds, by the reader of its kind.

    Raises:
        FormatError: no reader takes it.
    """
    detection = detect(source)
    blobs = blob_opener(limits)
    if detection.kind == "zip":
        opened = read_torch_zip(source, limits, blobs)
    elif detection.kind == "legacy":
        opened = read_torch_legacy(source, limits, blobs)
    else:
        raise UnsupportedError(
            "not a checkpoint this version reads",
            source=source.name,
            expected="a zip archive or a legacy stream of torch.save",
            found=detection.kind,
        )
    opened.anomalies.extend(detection.anomalies)
    return opened
