"""Which kind of zip archive it is, by the names of its records; a table that grows by hand.

R stands for the root, the first part of the first entry's name. The first kind that fits is read.
"""

from __future__ import annotations

from converter.containers.zip_archive import read_zip
from converter.containers.zip_end import find_end_record
from converter.errors import (
    ContainerError,
    FormatError,
    TensorError,
    UnsupportedError,
    without_frames,
)
from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, NoReturn

    from converter.byteio.source import ByteSource
    from converter.checkpoint.canonical import Opened
    from converter.containers.records import Archive
    from converter.limits import Limits
    from converter.readers.pickled import BlobOpener

# torch's own bookkeeping: present in every archive, even one whose pickling failed.
_BOOKKEEPING: Final = frozenset(
    {
        "version",
        ".data/version",
        "byteorder",
        ".data/serialization_id",
        ".format_version",
        ".storage_alignment",
    }
)
_SHOWN: Final = 3


class ZipKind(Frozen):
    """One kind of archive.

    Attributes:
        name: its short name.
        fits: whether an archive with this root is of this kind, by its names alone.
        read: reads it.
    """

    name: str
    fits: Callable[[Archive, str], bool]
    read: Callable[[ByteSource, Archive, Limits, BlobOpener], Opened]


def read_zip_kind(source: ByteSource, limits: Limits, blobs: BlobOpener) -> Opened:
    """Read a zip archive by the reader of its kind.

    An archive that ends before its directory, or holds encrypted records, is no exception:
    `Opened.error` says so beside whatever could be read.

    Raises:
        FormatError: it cannot be listed, or is of no kind that can be read.
    """
    try:
        archive = read_zip(source, limits)
    except ContainerError as error:
        if find_end_record(source) is None:
            from converter.readers.broken_zip import read_truncated_zip

            return read_truncated_zip(source, limits)
        error.code = error.code or "zip_damaged"
        raise
    encrypted = [item for item in archive.anomalies if item.code == "zip_encrypted"]
    try:
        opened = kind_of_zip(archive).read(source, archive, limits, blobs)
    except FormatError as error:
        if not encrypted:
            raise
        from converter.checkpoint.canonical import Opened

        without_frames(error)  # the record keeps it
        opened = Opened(source, "zip", anomalies=list(archive.anomalies))
    if encrypted:
        opened.error = UnsupportedError(
            "zip archive is encrypted",
            source=source.name,
            record=encrypted[0].record,
            expected="records that can be read without a password",
            found=f"{len(encrypted)} of {len(archive.records)} marked as encrypted",
            code="zip_encrypted",
        )
    _code_short_record(opened, archive)
    return opened


def kind_of_zip(archive: Archive) -> ZipKind:
    """Return the first kind that fits; the last one fits every archive."""
    root = archive.root
    return next(kind for kind in ZIP_KINDS if kind.fits(archive, root))


def _code_short_record(opened: Opened, archive: Archive) -> None:
    """Give the error about a storage's record its code: no other is about one."""
    error = opened.error
    if isinstance(error, TensorError) and error.code is None and error.record is not None:
        is_pickle = any(name == error.record for name, _ in opened.graphs)
        if not is_pickle and archive.find(error.record) is not None:
            error.code = "record_short"
            error.offset = None  # it was the place in the pickle


def _is_early_script(archive: Archive, root: str) -> bool:
    """Return whether it is of torch 1.0 to 1.3: JSON in place of pickles."""
    return archive.find(f"{root}/model.json") is not None


def _is_export(archive: Archive, root: str) -> bool:
    if archive.find("serialized_exported_program.json") is not None:
        return True
    record = archive.find(f"{root}/archive_format")
    if record is None or record.problem is not None:
        return False
    return record.data.read_at(0, min(3, record.nbytes)) == b"pt2"


def _is_shard(archive: Archive, _: str) -> bool:
    """Return whether it is a file of a distributed checkpoint: whole archives in a row."""
    joined = any(item.code == "zip_concatenated" for item in archive.anomalies)
    return joined and bool(archive.records) and _source_name(archive).endswith(".distcp")


def _source_name(archive: Archive) -> str:
    record = archive.records[0]
    return record.data.name.removesuffix(f"!{record.name}")


def _is_aborted(archive: Archive, root: str) -> bool:
    names = {record.name.removeprefix(f"{root}/") for record in archive.records}
    return bool(names) and names <= _BOOKKEEPING


def _is_npz(archive: Archive, _: str) -> bool:
    from converter.readers.numpy_files import is_npz

    return is_npz(archive)


# The readers that are imported only where they are needed.


def _read_script(source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener) -> Opened:
    from converter.readers.torchscript import read_torchscript

    return read_torchscript(source, archive, limits, blobs)


def _read_saved(source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener) -> Opened:
    from converter.readers.torch_zip import read_torch_archive

    return read_torch_archive(source, archive, limits, blobs)


def _read_package(
    source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener
) -> Opened:
    from converter.readers.torch_package import read_torch_package

    return read_torch_package(source, archive, limits, blobs)


def _read_export(source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener) -> Opened:
    from converter.readers.torch_export import read_torch_export

    return read_torch_export(source, archive, limits, blobs)


def _read_npz(source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener) -> Opened:
    from converter.readers.numpy_files import read_npz

    return read_npz(source, archive, limits, blobs)


def _refuse_shard(source: ByteSource, _: Archive, __: Limits, ___: BlobOpener) -> NoReturn:
    raise UnsupportedError(
        "one file of a distributed checkpoint",
        source=source.name,
        expected="its folder, with the file .metadata",
        found="zip archives in a row, each one tensor or value",
        code="distcp_shard",
    )


def _refuse_aborted(source: ByteSource, archive: Archive, _: Limits, __: BlobOpener) -> NoReturn:
    root = archive.root
    names = sorted(record.name.removeprefix(f"{root}/") for record in archive.records)
    raise ContainerError(
        "aborted torch.save, nothing was pickled",
        source=source.name,
        expected=f"a record {root}/data.pkl",
        found="only " + ", ".join(names),
        code="aborted_save",
    )


def _refuse_other(source: ByteSource, archive: Archive, _: Limits, __: BlobOpener) -> NoReturn:
    names = ", ".join(repr(record.name[:80]) for record in archive.records[:_SHOWN])
    raise ContainerError(
        "zip archive that torch did not write",
        source=source.name,
        expected="a record <root>/data.pkl",
        found=f"records: {len(archive.records)}" + (f", first {names}" if names else ""),
        code="zip_not_torch",
    )


ZIP_KINDS: Final = (
    ZipKind("distcp", _is_shard, _refuse_shard),
    # torch.load, too, tells TorchScript by this record alone, in exactly this case.
    ZipKind(
        "torchscript",
        lambda archive, root: archive.find(f"{root}/constants.pkl") is not None,
        _read_script,
    ),
    ZipKind("torchscript_json", _is_early_script, _read_script),
    ZipKind(
        "torch_package",
        lambda archive, root: archive.find(f"{root}/.data/extern_modules") is not None,
        _read_package,
    ),
    ZipKind("torch_export", _is_export, _read_export),
    ZipKind(
        "torch_save",
        lambda archive, root: archive.find_folded(f"{root}/data.pkl") is not None,
        _read_saved,
    ),
    ZipKind("npz", _is_npz, _read_npz),
    ZipKind("aborted", _is_aborted, _refuse_aborted),
    ZipKind("other", lambda _, __: True, _refuse_other),
)
"""Every kind of archive, in the order in which they are tried."""
